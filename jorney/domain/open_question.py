"""Questions whose answers nobody knows: what is written to them can be rewarded, but not graded."""

from __future__ import annotations

from jorney.domain.answers import final_answer
from jorney.domain.domain import Compare, Domain, Grade
from jorney.domain.problem import Problem
from jorney.text.step_format import StepFormat


class OpenQuestion(Domain):
    """Prompts to learn from by other rewards than a right answer."""

    name = "open"
    answered = False
    any_answer = True

    def grade(self, problem: Problem, text: str, step_format: StepFormat, compare: Compare) -> Grade:
        return Grade(False, final_answer(text, step_format.mark), note="no answer is known")
