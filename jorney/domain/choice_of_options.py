"""Multiple choice: one of several options is right, and known by its letter. A model says it, or it is read off likelihoods."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jorney.domain.answers import short
from jorney.domain.domain import Compare, Domain, Grade
from jorney.domain.problem import Problem
from jorney.domain.readings import letter
from jorney.text.step_format import StepFormat

LETTERS = "ABCDEFGHIJ"


class MultipleChoice(Domain):
    """ARC, CommonsenseQA, and other sets of options. `meta` holds "options", their texts; the answer is a letter from A on."""

    name = "choice"
    lenient = True

    def check(self, meta: Mapping[str, Any], place: str) -> None:
        options = meta.get("options")
        if not isinstance(options, list) or not 2 <= len(options) <= len(LETTERS) or not all(map(_is_text, options)):
            raise ValueError(
                f"{place}: field 'meta': expected options, a list of 2 to {len(LETTERS)} texts, got {options!r:.80}"
            )

    def equal(self, known: str, stated: str, compare: Compare) -> str:
        return "" if stated.strip().upper() == known else f"answers {short(stated)}, not {short(known)}"

    def grade(self, problem: Problem, text: str, step_format: StepFormat, compare: Compare) -> Grade:
        answer = letter(text, problem)
        note = "no answer" if answer is None else self.equal(problem.answer, answer, compare)
        return Grade(not note, answer, note=note)


def shown(problem: Problem) -> str:
    """The options as a prompt shows them: a line each, "A. text"."""
    return "\n".join(f"{letter}. {option}" for letter, option in zip(LETTERS, problem.meta["options"], strict=False))


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())
