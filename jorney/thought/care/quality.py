"""How good a thought is, measured without a language model: Q = consistency x completeness x relevance / redundancy.

Every factor is a product of shares that can be counted, so that one sees why a thought is ranked low. A share of n things of
which k are well is (k + 1) / (n + 1): one fault among few is much, but never all. The path is what leads to the answer: steps,
words between them, the conclusion. Excursions and reflections are no part of it: a wrong step that is left again is no fault.
`thought.care.faults` plants faults, to see whether a score finds them.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Sequence
from fractions import Fraction

from jorney.domain.answers import final_answer
from jorney.domain.countdown.game import Step, parse_step, step_error
from jorney.thought.care.arithmetic import NUMBER, equations, quantities
from jorney.thought.care.dedupe import TOKEN, ngrams
from jorney.thought.thought import Thought

UNSUPPORTED = 0.5  # what is left of consistency where the answer stands in no line of the last step
# Numbers that need no source: of calendars and clocks, of per cent, and what counts as one or two.
_FREE = {Fraction(n) for n in (0, 1, 2, 7, 10, 12, 24, 30, 52, 60, 100, 365, 1000)}
_COMMON = """the an of to in is are was were be been it its he she his her him you they them their there this that these those
and or but for from with by on at as so then than each every per has have had will would can could do does did not no if we
my our us which who what when where how many much more less after before left go back wait alternatively therefore let now
compute consider possible step question give gives first next also into out up over all both only just about"""
_STOP = frozenset(_COMMON.split())

Scorer = Callable[[Sequence[Thought]], "list[Quality | None]"]


@dataclasses.dataclass(frozen=True)
class Quality:
    """The factors of a thought's quality.

    Attributes:
      consistency: 0 to 1, no contradiction. The share of the path's equations that are true, times the share of its steps that
        can be taken where they stand (where steps write what is left, as Countdown's do), times UNSUPPORTED where the stated
        answer is no number of the last step; 0 where the answer is not the known one
        (the same text, or the same number: other ways of writing it are a grader's business).
      completeness: 0 to 1, nothing is missing. The share of what the path's equations reckon with that was there before (in the
        question, in an earlier line, or a number that needs no source), times the share of the question's numbers that the path
        uses, times the share of its numbered lines whose number is next; 0 where no answer is stated.
      relevance: 0 to 1, it is about the problem. Over all lines, the mean share of a line's words and numbers that occur in the
        question, in an earlier line that is itself about the problem, or as the result of the line's own equation.
      redundancy: 1 and more, 1 where nothing is said twice. Lines to different lines, or runs of four words to different ones,
        whichever is more; numbers of steps are no part of lines.
    """

    consistency: float
    completeness: float
    relevance: float
    redundancy: float

    @property
    def q(self) -> float:
        return self.consistency * self.completeness * self.relevance / self.redundancy


def measure(thought: Thought) -> Quality:
    """The quality of a thought, from its text, its question and its known answer alone."""
    path = [line for piece in thought.pieces if piece.kind not in ("excursion", "reflection") for line in _lines(piece.text)]
    lines = _lines(thought.text)
    return Quality(
        _consistency(thought, path),
        _completeness(thought, _without_answer(path)),
        _relevance(thought, _without_answer(lines)),
        _redundancy(lines),
    )


def measure_all(thoughts: Sequence[Thought]) -> list[Quality | None]:
    """`measure` as a Scorer."""
    return [measure(thought) for thought in thoughts]


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]


def _bare(line: str) -> str:
    """A line without its step's number."""
    return re.sub(r"^\d+\.\s+", "", line)


def _without_answer(lines: Sequence[str]) -> list[str]:
    return [line for line in lines if not line.startswith("####")]


def _consistency(thought: Thought, path: Sequence[str]) -> float:
    answer, known = final_answer(thought.text), final_answer(f"#### {thought.answer}")
    stated = _number(answer)
    if answer is not None and answer != known and (stated is None or stated != _number(known)):
        return 0.0
    found = [equation.true for line in path for equation in equations(line)]
    wrong, taken = _states(thought, path)
    value = _share(sum(found), len(found)) * _share(taken - wrong, taken)
    steps = _without_answer(path)
    return value * UNSUPPORTED if stated is not None and steps and stated not in _numbers_of(steps[-1]) else value


def _states(thought: Thought, path: Sequence[str]) -> tuple[int, int]:
    """(steps that cannot be taken, steps) where every step writes what is left after it; (0, 0) elsewhere."""
    steps: list[Step] = []
    for line in path:
        if re.match(r"\d+\.\s", line):
            if (step := parse_step(_bare(line))) is None:
                return 0, 0
            steps.append(step)
    target = _number(thought.answer)
    if not steps or target is None:
        return 0, 0
    numbers = [int(value) for value in quantities(thought.question) if value.denominator == 1]
    if target in numbers:  # the question names the target beside the numbers
        numbers.remove(int(target))
    at, wrong = tuple(sorted(numbers)), 0
    for step in steps:
        wrong += step_error(at, step) is not None
        at = step.left
    # The conclusion is a step: it takes what is left.
    return wrong + (at != (target,)), len(steps) + 1


def _completeness(thought: Thought, path: Sequence[str]) -> float:
    if final_answer(thought.text) is None:
        return 0.0
    asked = quantities(thought.question, words=True)
    seen, used, sourced = {*asked, *_FREE}, set[Fraction](), list[bool]()
    for line in path:
        made: set[Fraction] = set()
        for operands, result, _ in equations(line):
            sourced += (one in seen or one in made or one / 100 in seen or 100 * one in seen for one in operands)
            made.add(result)
            used.update(operands)
        seen |= made | _numbers_of(line)
        used |= _numbers_of(line)
    of_question = {*quantities(thought.question)} - _FREE - {_number(thought.answer)}
    met = sum(value in used or value / 100 in used for value in of_question)
    counted = [int(match[1]) for line in path if (match := re.match(r"(\d{1,9})\.\s", line))]
    follows = sum(number == before + 1 for before, number in zip([0, *counted], counted, strict=False))
    return _share(sum(sourced), len(sourced)) * _share(met, len(of_question)) * _share(follows, len(counted))


def _relevance(thought: Thought, lines: Sequence[str]) -> float:
    known = _terms(thought.question) | {str(value) for value in quantities(thought.question, words=True)}
    shares = []
    for line in lines:
        # Of equations whose operands are known the result is, too.
        results = {str(one.result) for one in equations(line) if all(n in _FREE or str(n) in known for n in one.operands)}
        terms = _terms(line)
        shares.append(len(terms & (known | results)) / len(terms) if terms else 1.0)
        if shares[-1] >= 1 / 3:
            known |= terms
    return sum(shares) / len(shares) if shares else 1.0


def _redundancy(lines: Sequence[str]) -> float:
    told = [_bare(line).lower() for line in lines]
    runs = list(ngrams([word for line in told for word in TOKEN.findall(line)], 4))
    return max(1.0, *(len(found) / len(set(found)) for found in (told, runs) if found))


def _terms(text: str) -> set[str]:
    """Words that say what a text is about, without their endings, and its numbers."""
    words = {_stem(word) for word in re.findall(r"[a-z]{3,}", text.lower()) if word not in _STOP}
    return words | {str(value) for value in quantities(_bare(text))}


def _stem(word: str) -> str:
    for ending in ("ing", "ies", "es", "ed", "ly", "s"):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            return word[: -len(ending)]
    return word.removesuffix("e") if len(word) > 3 else word


def _numbers_of(line: str) -> set[Fraction]:
    return set(quantities(_bare(line), words=True))


def _number(text: str | None) -> Fraction | None:
    """The value of a text that is a number and nothing else: $1,200, -3, 45%, 7.5."""
    match = re.fullmatch(rf"\$?(-?)\$?({NUMBER})%?", (text or "").strip().replace("\\", ""))
    return None if match is None else Fraction(match[1] + match[2].replace(",", ""))


def _share(part: float, whole: float) -> float:
    """A share of things that all count with one more that is well: one fault among few is much, but not all."""
    return (part + 1) / (whole + 1)


def rank(thoughts: Sequence[Thought], scorer: Scorer = measure_all) -> list[tuple[Thought, Quality]]:
    """Thoughts that could be scored, the best first; equals in the order given."""
    scored = ((thought, quality) for thought, quality in zip(thoughts, scorer(thoughts), strict=True) if quality is not None)
    return sorted(scored, key=lambda pair: -pair[1].q)


def summarise(found: Sequence[Quality]) -> dict[str, float]:
    """Means of the factors, and of Q its quartiles, too."""
    if not found:
        return {"count": 0}
    values = sorted(quality.q for quality in found)
    means = {name: sum(getattr(one, name) for one in found) / len(found) for name in (*vars(found[0]), "q")}
    quartiles = {f"q_{k}": values[k * len(values) // 100] for k in (25, 50, 75)}
    return {"count": len(found), **means, **quartiles}
