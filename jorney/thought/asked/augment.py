"""What people wrote, told at more length: finer steps, recaps on the way, the tone of a student who explores.

The fourth construction of O1 Replication Journey, Part 1: human annotation that a model augments. Each is a pass of its own
over the solution, and each is checked, never trusted: the model writes under the mark of every human step what has become of
it, so that the steps stay where they were, and what it wrote must hold the step's numbers and equations, reckon right, and
leave the answer alone. A pass that is refused leaves the text as it was before.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from fractions import Fraction
from typing import NamedTuple

from jorney.config import expect_at_least, expect_number
from jorney.domain.answers import final_answer
from jorney.domain.domains import domain_of
from jorney.domain.problem import Problem
from jorney.judge.llm.endpoint import MOST_TRIES
from jorney.text.step_format import StepFormat
from jorney.thought.asked.asking import Ended, Made, Talk, Talking, Unfaithful, Unreadable, hold
from jorney.thought.asked.builder import ThoughtBuilder, one_line
from jorney.thought.asked.human import segments
from jorney.thought.care.arithmetic import equations, quantities
from jorney.thought.thought import Thought

RECAP = "recap"
_TASKS = {
    "finer": "Make every step finer: write all that is done in it, one small thing a line, so that a beginner can follow.",
    "recap": "After some of the steps, where it helps, add a short recap of what is known by then: [recap] on a line of its "
    "own, and the recap below it. Say nothing new in a recap. Leave the steps as they are.",
    "student": "Tell it in the tone of a student who explores and thinks aloud: wonder, doubt, check, be glad. Change no fact.",
}
_PROMPT = """Below is a problem and its solution, step by step; each step stands under its mark, [1], [2] and so on.

{task}

Keep every mark, in the same order, each on a line of its own with its text below it. Keep every number and every equation of a
step under its mark. Do not solve anything anew, and do not change the answer, {answer}. Write the marks and the texts, nothing
else.

Problem:
{question}

Solution:
{text}
"""


@dataclasses.dataclass(frozen=True)
class AugmentConfig:
    """How human solutions are augmented.

    Attributes:
      passes: which, in this order: "finer", "recap", "student".
      retries: how often a reply that is refused is asked for again.
      kept_words: of a step without numbers, the share of its words that must be found in what has become of it.
      concurrent: problems under way together.
    """

    passes: tuple[str, ...] = ("finer", "recap", "student")
    retries: int = 2
    kept_words: float = 0.5
    concurrent: int = 64

    def __post_init__(self) -> None:
        if not self.passes or not set(self.passes) <= set(_TASKS):
            raise ValueError(f"augment.passes = {', '.join(self.passes) or 'none'}: expected some of {', '.join(_TASKS)}")
        expect_number(self, "augment", "kept_words", least=0, most=1)
        expect_at_least(1, self, "augment", "concurrent")
        expect_number(self, "augment", "retries", least=0, most=MOST_TRIES)


class Passage(NamedTuple):
    """The lines that have become of a human step (from 1), or a recap after it."""

    step: int
    lines: tuple[str, ...]
    recap: bool = False


def augment(problem: Problem, step_format: StepFormat, config: AugmentConfig, writer: str) -> Talking[Made]:
    """The passes over one problem's solution; see `thought.asked.asking`.

    Args:
      writer: what the model is known by, in the thought.

    Raises:
      ValueError: the problem has no solution with steps, or one whose lines are graded as moves (Countdown's).
    """
    if domain_of(problem).moves:
        raise ValueError(f"the problem {problem.id!r}: every line of its solution is a move: expected a solution in words")
    steps = segments(problem, step_format)  # now, before anything is asked for

    def checked(reply: str, recaps: bool) -> list[Passage]:
        found = read_passages(reply)
        if not recaps and any(section.recap for section in found):
            raise Unfaithful("expected no recaps: they were not asked for")
        if error := unfaithful(problem, steps, found, config.kept_words):
            raise Unfaithful(error)
        return found

    def passes(talk: Talk) -> Talking[Thought]:
        sections = [Passage(k, (step,)) for k, step in enumerate(steps, start=1)]
        done, refusal = [], Ended("unreadable", "no pass")
        for name in config.passes:
            marked = ("\n".join([f"[{RECAP if one.recap else one.step}]", *one.lines]) for one in sections)
            about = {"task": _TASKS[name], "answer": problem.answer, "question": problem.question.strip()}
            prompt = _PROMPT.format(**about, text="\n".join(marked))
            recaps = name == RECAP or any(section.recap for section in sections)
            try:
                sections = yield from talk.ask(prompt, checked, recaps=recaps)
                done.append(name)
            except Ended as end:
                refusal = end
        if not done:
            raise refusal
        return _thought(problem, steps, sections, step_format, f"{writer}: {', '.join(done)}")

    return hold(problem, config.retries, passes)


def _thought(
    problem: Problem, steps: Sequence[str], sections: Sequence[Passage], step_format: StepFormat, writer: str
) -> Thought:
    builder = ThoughtBuilder(problem, step_format)
    for step in steps:
        builder.say("human", step)
    for section in sections:
        for line in _told(section):
            if section.recap:
                builder.look(line, section.step)
            else:
                builder.step(one_line(line, step_format), section.step)
    return builder.finish(problem.answer, len(steps), "human", writer)


def _told(section: Passage) -> list[str]:
    """The lines of a section without that of the answer."""
    return [line for line in section.lines if not line.startswith("####")]


def read_passages(reply: str) -> list[Passage]:
    """The marks of a reply and the lines under each.

    Raises:
      Unreadable: text stands before the first mark, nothing under one, or a recap before the first step.
    """
    before, *marked = re.split(rf"^[ \t*]*\[(\d{{1,3}}|{RECAP})\][ \t*:]*", reply, flags=re.MULTILINE | re.IGNORECASE)
    if before.strip() or not marked:
        raise Unreadable("expected the mark [1] on the first line, and nothing before it")
    sections: list[Passage] = []
    for mark, text in zip(marked[::2], marked[1::2], strict=True):
        lines = tuple(line.strip() for line in text.splitlines() if line.strip() and not line.strip().startswith("####"))
        if not lines:
            raise Unreadable(f"expected text under the mark [{mark}]")
        recap = mark.lower() == RECAP
        if recap and not sections:
            raise Unreadable("expected a step before the first recap")
        sections.append(Passage(sections[-1].step if recap else int(mark), lines, recap))
    if (stated := final_answer(reply)) is not None:
        sections[-1] = sections[-1]._replace(lines=(*sections[-1].lines, f"#### {stated}"))
    return sections


def unfaithful(problem: Problem, steps: Sequence[str], sections: Sequence[Passage], kept_words: float = 0.5) -> str | None:
    """What the sections have changed of the human steps; None where nothing.

    Every step has its section, in order; it holds all of the step's numbers, and its equations' results in order; of a step
    without numbers it holds the share `kept_words` of the words. Every equation that the step itself does not have is true. A
    recap has no number that the question or an earlier section does not have. A final answer, where one is stated, is the known
    one.
    """
    if [section.step for section in sections if not section.recap] != list(range(1, len(steps) + 1)):
        return f"expected the marks [1] to [{len(steps)}], each once and in order"
    seen = set(quantities(problem.question, words=True))
    for section in sections:
        told = "\n".join(_told(section))
        if section.recap:
            if new := sorted(set(quantities(told)) - seen):
                return f"the recap after [{section.step}] says something new: {_plain(new[0])}"
            continue
        step, numbers = steps[section.step - 1], set(quantities(told, words=True))
        own = quantities(step)
        if lost := [number for number in own if number not in numbers]:
            return f"[{section.step}] has lost the number {_plain(lost[0])}"
        own_sides, found = [(operands, result) for operands, result, _ in equations(step)], equations(told)
        results = iter(equation.result for equation in found)
        if not all(result in results for _, result in own_sides):
            return f"[{section.step}] has lost an equation of its step, or changed their order"
        if false := [one.result for one in found if not one.true and (one.operands, one.result) not in own_sides]:
            return f"[{section.step}] has a false equation, with the result {_plain(false[0])}"
        words, kept = (set(re.findall(r"[a-z]{4,}", text.lower())) for text in (step, told))
        if not own and len(words & kept) < kept_words * len(words):
            return f"[{section.step}] says something else than its step"
        seen |= numbers
    stated = final_answer("\n".join(line for section in sections for line in section.lines))
    if stated is not None and stated != final_answer(f"#### {problem.answer}"):
        return f"the answer has become {stated}"
    return None


def _plain(number: Fraction) -> str:
    return f"{float(number):g}"
