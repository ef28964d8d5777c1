"""Solutions that people wrote, as thoughts: their steps are the turns that the pieces point to."""

from __future__ import annotations

import re
from collections.abc import Sequence

from jorney.domain.answers import final_answer
from jorney.domain.problem import Problem
from jorney.text.step_format import StepFormat
from jorney.thought.thought import Piece, Thought, Turn


def split_final(text: str) -> tuple[str, str | None]:
    """A text without its line of the final answer, and the answer that it states."""
    words = re.sub(r"^.*?(####.*)$", lambda line: line[0][: -len(line[1])], text, flags=re.MULTILINE)
    return words.strip(), final_answer(text)


def one_line(text: str, step_format: StepFormat) -> str:
    """A step in one line, without a number of its own: lines within it that begin with a number would be taken for steps."""
    return re.sub(step_format.start, "", " ".join(text.split()), count=1).strip()


def segments(problem: Problem, step_format: StepFormat) -> list[str]:
    """The steps of a problem's solution, a line each, without numbers and without the final answer's line.

    Raises:
      ValueError: the problem has no solution, or one without steps.
    """
    if problem.solution is None:
        raise ValueError(f"the problem {problem.id!r} has no solution: expected one that somebody wrote")
    steps = [one_line(split_final(step)[0], step_format) for step in step_format.split(problem.solution)]
    if not any(steps):
        raise ValueError(f"the problem {problem.id!r}: its solution states an answer alone: expected steps before it")
    return [step for step in steps if step]


def from_solution(problem: Problem, step_format: StepFormat) -> Thought:
    """The solution as it stands, as a thought. Raises as `segments` does."""
    steps = segments(problem, step_format)
    pieces = [Piece(f"{step_format.opens(k)}{step}{step_format.between}", "step", k) for k, step in enumerate(steps, start=1)]
    return told(problem, steps, pieces, step_format, "human")


def told(problem: Problem, steps: Sequence[str], pieces: Sequence[Piece], step_format: StepFormat, writer: str) -> Thought:
    """A thought that tells a human solution, its answer behind the pieces.

    Args:
      steps: of the solution; pieces point to them, from 1.
      writer: whose words it is told in.
    """
    return Thought(
        problem.id,
        problem.question,
        problem.answer,
        "shortcut",
        len(steps),
        (*pieces, Piece(step_format.states(problem.answer), "conclusion", len(steps))),
        writer,
        construction="human",
        turns=(Turn("question", problem.question), *(Turn("human", step) for step in steps)),
    )
