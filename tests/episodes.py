"""Episodes made by hand."""

from __future__ import annotations

from jorney.domain.grading import Grader
from jorney.domain.problem import Problem
from jorney.reinforce.episode import Episode
from jorney.text.step_format import ABEL, StepFormat
from jorney.text.tokenizer import Tokenizer


def episode(
    tokenizer: Tokenizer, problem: Problem, text: str, sample: int = 0, finished: bool = True, step_format: StepFormat = ABEL
) -> Episode:
    """A completion of this text."""
    tokens = tuple(tokenizer.encode_to_end(text) if finished else tokenizer.encode_after(text))
    with Grader() as grader:
        grade = grader.grade(problem, text, step_format)
    return Episode(problem, sample, step_format.ask(problem.question), text, tokens, finished, grade)
