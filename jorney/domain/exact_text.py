"""Answers that are texts: a word, a list of words, an option's letter. They are equal letter by letter, but for space."""

from __future__ import annotations

from jorney.domain.answers import short
from jorney.domain.domain import Compare, Domain


class ExactText(Domain):
    """BIG-Bench Hard, and whatever else has one right way to write the answer."""

    name = "text"
    lenient = True
    any_answer = True

    def equal(self, known: str, stated: str, compare: Compare) -> str:
        return "" if stated.split() == known.split() else f"answers {short(stated)}, not {short(known)}"
