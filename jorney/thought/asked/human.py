"""Solutions that people wrote, as thoughts: their steps are the turns that the pieces point to."""

from __future__ import annotations

from jorney.domain.problem import Problem
from jorney.text.step_format import StepFormat
from jorney.thought.asked.builder import ThoughtBuilder, one_line, split_final
from jorney.thought.thought import Thought


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
    builder = ThoughtBuilder(problem, step_format)
    for step in segments(problem, step_format):
        turn = builder.say("human", step)
        builder.step(step, turn)
    return builder.finish(problem.answer, turn, "human", "human")
