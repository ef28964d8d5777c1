"""Mathematics: answers are equal by their types, see `domain.reading`; steps cannot be verified."""

from __future__ import annotations

from jorney.domain.answers import clean
from jorney.domain.domain import Compare, Domain


class Mathematics(Domain):
    """GSM8K, MATH, PRM800K and whatever else has a question and a known answer."""

    name = "math"
    lenient = True

    def equal(self, known: str, stated: str, compare: Compare) -> str:
        return "" if stated == clean(known) else compare(known, stated)
