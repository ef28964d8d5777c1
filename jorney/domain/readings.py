"""Ways to read the answer of a text, by name. A protocol names one that decides, and others that stand beside it.

How strict a reading is changes accuracies by several points, and published figures differ in it: of 2,386 graded public
solutions 112 right ones state no mark. So a strict and a lenient one are told side by side, as lm-evaluation-harness does.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Callable

from jorney.domain.answers import clean, final_answer
from jorney.domain.deepseek_math import deepseek_extraction
from jorney.domain.deepseek_math.deepseek_worker import DeepseekWorker
from jorney.domain.problem import Problem
from jorney.domain.run_on import runs_on
from jorney.domain.worker import Worker

STATED = "stated"  # as the domain itself reads it

_NUMBER = re.compile(r"(-?[$0-9.,]{2,})|(-?[0-9]+)")  # lm-evaluation-harness's "flexible-extract"
_MINERVA = re.compile(r"[Ff]inal [Aa]nswer:? [Tt]he final answer is (.*?)\. I hope it is correct", re.DOTALL)
_ANSWER_IS = re.compile(r"\b[Tt]he answer is:?[ \t]*")
_BARE_NUMBER = re.compile(r"[*_$€£¥ ]*(-?[0-9](?:[0-9.,]*[0-9])?)(?![0-9]|[ \t]*(?:[/:×]|\*[ \t]*[0-9])|[ \t][0-9]{3}\b)")
_IS = re.compile(r"\b(?:[Tt]he|[Mm]y|[Ff]inal) (?:final |correct )?answer (?:is|would be):?[ \t]*(\S[^\n]*)")
_ANSWER = re.compile(r"(?im)\banswer(?: is|:|\**:)[ \t]*(\S[^\n]*)")
_ABOUT = re.compile(r"^(?:approximately|about|roughly|around|equal to|exactly|simply|just)[ \t]+", re.IGNORECASE)
# What MGSM's exemplars say before the number, by language; thousands are divided by dots, commas or spaces.
_MGSM = re.compile(
    r"(?:The answer is|Die Antwort (?:lautet|ist)|La respuesta es|La réponse est|Ответ|Jibu ni|答えは|答案是|উত্তর হল"
    r"|సమాధానం|คำตอบคือ)"
    r"[ :：—]*(?:- )?(-?(?:[0-9]{1,3}(?:[.,\s][0-9]{3})+(?![0-9])|[0-9]+))"
)
_LATEX = r"-?\d*\\(?:[dtc]?frac\s*(?:\{[^{}]*\}|\d)\s*(?:\{[^{}]*\}|\d)|sqrt(?:\[[^\]]*\])?\s*(?:\{[^{}]*\}|\d)|pi\b)"
_FORMULA = re.compile(rf"\$([^$\n]+)\$|{_LATEX}|(?<![\w.])-?\d[\d,]*(?:\.\d+)?(?:/\d+)?(?:\\pi\b)?")
_TEXT = re.compile(r"\\(?:text|mathrm|textbf|mathbf)\s*\{([^{}]*)\}")
_WRAPS, _CLOSES = r"[\s*_$\"'`(]*", r"[\s*_$\"'`)]*"
# A letter that is said to be the answer, and one that is said to be chosen.
_SAID = re.compile(rf"(?i:\banswer\b(?:[ \t]+is)?)[ \t:*]*\s?{_WRAPS}([A-J]){_CLOSES}(?![A-Za-z'])")
_CHOSEN = re.compile(
    r"(?i:\b(?:choose|choosing|pick|select|(?:correct|right) (?:option|choice|one) is|(?:option|choice)(?: is)?:))"
    rf"[ \t]*(?i:option |choice )?{_WRAPS}([A-J]){_CLOSES}(?![A-Za-z'])"
    rf"|(?i:\b(?:option|choice)) {_WRAPS}([A-J]){_CLOSES}[ \t](?i:is (?:the )?(?:correct|right|best))\b"
    r"|\b([A-J]) is (?:the )?(?:correct|right|best)\b"
)
_BEGINS = re.compile(rf"{_WRAPS}([A-J]){_CLOSES}(?:[.):]|\s*$)")
_ALONE = re.compile(r"\(([A-J])\)|(?:^|(?<=\s))\**([A-J])\**(?=[.):]?(?:\s|$))(?! [a-z])")


@dataclasses.dataclass(frozen=True)
class AnswerReading:
    """A way to read a text's answer.

    Attributes:
      name: in protocols and rows.
      read: (text, problem) -> the answer that the text states, None where it states none.
      worker: what compares what is read with the known answer, where that is not the domain's own affair.
      gold: the known answer of a problem in the form that `worker` takes.
    """

    name: str
    read: Callable[[str, Problem], str | None]
    worker: type[Worker] | None = None
    gold: Callable[[Problem], str] = lambda problem: problem.answer


READINGS: dict[str, AnswerReading] = {}


def register(reading: AnswerReading) -> AnswerReading:
    """Makes a reading known by its name; returns it."""
    READINGS[reading.name] = reading
    return reading


def expect_known(names: tuple[str, ...], place: str) -> None:
    """Raises ValueError that begins with `place` where a reading is not known."""
    if unknown := [name for name in names if name != STATED and name not in READINGS]:
        raise ValueError(f"{place}: {unknown[0]!r}: expected some of {', '.join([STATED, *READINGS])}")


def last_number(text: str, problem: Problem | None = None) -> str | None:
    """The last number, as lm-evaluation-harness's "flexible-extract" finds it."""
    found = [match[0] for match in _NUMBER.finditer(text)]
    return clean(found[-1].replace("$", "")) or None if found else None


def answer_is_number(text: str, problem: Problem | None = None) -> str | None:
    """The number behind the last "The answer is": chain-of-thought shots for GSM8K (Wei et al., 2022) end so.

    Of an equation it is what follows the last sign of equality; what is only a part of something else (1/2, 5:30) is none.
    """
    sentence = re.split(r"\.(?:\s|$)", _behind_last(text), maxsplit=1)[0]
    match = _BARE_NUMBER.match(sentence.rpartition("=")[2])
    return clean(match[1]) if match else None


def minerva(text: str, problem: Problem | None = None) -> str | None:
    """What Minerva's shots end with: "The final answer is X. I hope it is correct." (Lewkowycz et al., 2022); the first."""
    match = _MINERVA.search(text)
    return clean(match[1]) or None if match else None


def mgsm(text: str, problem: Problem | None = None) -> str | None:
    """The number behind the last "The answer is", in MGSM's eleven languages (Shi et al., 2022); all its answers are whole."""
    found = _MGSM.findall(text)
    return re.sub(r"[.,\s]", "", found[-1]) if found else None


def answer_is_text(text: str, problem: Problem | None = None) -> str | None:
    """What follows the last "the answer is" on its line, without a full stop: BIG-Bench Hard's shots end so."""
    return _behind_last(text).strip().removesuffix(".").strip() or None


def _behind_last(text: str) -> str:
    """The rest of the line behind the last "the answer is"; "" where it is not said."""
    ends = [match.end() for match in _ANSWER_IS.finditer(text)]
    return text[ends[-1] :].partition("\n")[0] if ends else ""


def letter(text: str, problem: Problem | None = None) -> str | None:
    """The letter of the option that a text says it chooses.

    What is said to be the answer counts before what is said to be chosen, and both before a letter that a box, a mark or the
    text begins with; one that is only mentioned does not count. What stands behind a new question is not read.
    """
    options = _options(problem)
    own = _TEXT.sub(r"\1", text[: runs_on(text, 0) or len(text)])
    for pattern in (_SAID, _CHOSEN):
        said = [one for match in pattern.finditer(own) if (one := next(filter(None, match.groups()))) in options]
        if said:
            return said[-1]
    begins = _BEGINS.match(_TEXT.sub(r"\1", final_answer(own) or own))
    # Several letters at the beginnings of lines go through the options.
    listed = {match[1] for line in own.splitlines() if (match := _BEGINS.match(line))}
    return begins[1] if begins and begins[1] in options and len(listed) <= 1 else None


def _options(problem: Problem | None) -> str:
    return "ABCDEFGHIJ"[: len(problem.meta["options"])] if problem and "options" in problem.meta else "ABCDEFGHIJ"


def lenient(text: str, problem: Problem | None = None) -> str | None:
    """An answer wherever it may stand: marked or boxed, Minerva's, behind "the answer is", else the last number or formula."""
    if (stated := final_answer(text)) is not None:
        return stated
    own = text[: runs_on(text, 0) or len(text)]
    if (stated := minerva(own)) is not None:
        return stated
    if found := _IS.findall(own) or _ANSWER.findall(own):
        return clean(_ABOUT.sub("", re.split(r"\.(?:\s|$)", found[-1], maxsplit=1)[0])) or None
    formulas = [match[1] or match[0] for match in _FORMULA.finditer(own)]
    return clean(formulas[-1]) or None if formulas else None


def lenient_text(text: str, problem: Problem | None = None) -> str | None:
    """The same of answers that are texts: marked, behind the last "answer is", else the last line that says something."""
    stated = final_answer(text)
    if stated is None and (found := _IS.findall(text) or _ANSWER.findall(text)):
        stated = re.split(r"\.(?:\s|$)", found[-1], maxsplit=1)[0]
    if stated is None:
        stated = next((line for line in reversed(text.splitlines()) if line.strip()), "")
    return _TEXT.sub(r"\1", stated).strip(" *$\"'_`").removesuffix(".").strip() or None


def any_letter(text: str, problem: Problem | None = None) -> str | None:
    """The letter that is chosen, else the last that stands alone."""
    options = _options(problem)
    alone = (one[0] or one[1] for one in reversed(_ALONE.findall(text)))
    return letter(text, problem) or next((one for one in alone if one in options), None)


def _deepseek(name: str) -> AnswerReading:
    """One of DeepSeekMath's readings, with its own verdict."""
    own = deepseek_extraction.READINGS[name]

    def read(text: str, problem: Problem) -> str | None:
        found = own(problem.question, text)
        if found in ("", [], deepseek_extraction.INVALID):
            return None
        return found if isinstance(found, str) else json.dumps(found, ensure_ascii=False)

    def gold(problem: Problem) -> str:
        if not name.startswith("math"):
            return problem.answer.replace(",", "")
        solution = problem.solution if problem.solution and "boxed" in problem.solution else f"\\boxed{{{problem.answer}}}"
        return json.dumps(deepseek_extraction.known_answer_of_math(problem.question, solution), ensure_ascii=False)

    return AnswerReading(f"deepseek-{name.replace(' ', '-')}", read, DeepseekWorker, gold)


for _reading in (
    AnswerReading("last-number", last_number),
    AnswerReading("answer-is-number", answer_is_number),
    AnswerReading("answer-is-text", answer_is_text),
    AnswerReading("mgsm", mgsm),
    AnswerReading("minerva", minerva),
    AnswerReading("letter", letter),
    AnswerReading("any-letter", any_letter),
    AnswerReading("lenient", lenient),
    AnswerReading("lenient-text", lenient_text),
    *map(_deepseek, deepseek_extraction.READINGS),
):
    register(_reading)
