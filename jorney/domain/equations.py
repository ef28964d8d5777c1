"""Equations `a op b = c` in a text, and whether they are true."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from fractions import Fraction
from operator import add, mul, sub
from typing import NamedTuple

_EQUATION = re.compile(r"(?<![-+*/\d.])(?<![-+*/] )(\d{1,18}) ?([-+*/]) ?(\d{1,18}) ?= ?(-?\d{1,18}(?:\.\d{1,18})?)(?!\d)")
_OPERATION: dict[str, Callable[[int, int], object]]
_OPERATION = {"+": add, "-": sub, "*": mul, "/": lambda a, b: Fraction(a, b) if b else None}


class FalseEquation(NamedTuple):
    """An equation `a op b = c` that is not true.

    Attributes:
      start, stop: its characters in the text.
      value: what the left side is, a fraction where it is none of the whole numbers; "" where it is nothing, as behind `/ 0`.
    """

    start: int
    stop: int
    value: str


def false_equations(text: str) -> Iterator[FalseEquation]:
    """The equations `a op b = c` of a text that are not true, in order."""
    for match in _EQUATION.finditer(text):
        a, op, b, c = match.groups()
        value = _OPERATION[op](int(a), int(b))
        if value != Fraction(c):
            yield FalseEquation(*match.span(), "" if value is None else str(value))


def equations(text: str) -> tuple[int, int]:
    """How many of the equations `a op b = c` in a text are true, and how many there are."""
    found = _EQUATION.findall(text)
    return sum(_OPERATION[op](int(a), int(b)) == Fraction(c) for a, op, b, c in found), len(found)
