"""Equations `a op b = c` in a text, and whether they are true."""

from __future__ import annotations

import re
from collections.abc import Callable
from fractions import Fraction
from operator import add, mul, sub

_EQUATION = re.compile(r"(?<![-+*/\d.])(?<![-+*/] )(\d{1,18}) ?([-+*/]) ?(\d{1,18}) ?= ?(-?\d{1,18}(?:\.\d{1,18})?)(?!\d)")
_OPERATION: dict[str, Callable[[int, int], object]]
_OPERATION = {"+": add, "-": sub, "*": mul, "/": lambda a, b: Fraction(a, b) if b else None}


def equations(text: str) -> tuple[int, int]:
    """How many of the equations `a op b = c` in a text are true, and how many there are."""
    found = _EQUATION.findall(text)
    return sum(_OPERATION[op](int(a), int(b)) == Fraction(c) for a, op, b, c in found), len(found)
