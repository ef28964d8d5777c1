"""Numbers and equations of texts, by hand and over random expressions."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jorney.rows.problems import read_problems
from jorney.thought.care.arithmetic import equations, quantities


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1. 3 * 4 = 12 (left: 5, 12)", [((3, 4), 12, True)]),
        ("48 / 2 = 24 = 12 * 2", [((48, 2), 24, True)]),
        ("5 eggs * $2 = $10 a day", [((5, 2), 10, True)]),
        ("20% * 50 = 10", [((20, 50), 10, True)]),
        ("(2 + 3) x 4 = 21", [((2, 3, 4), 21, False)]),
        ("$1,200 - 200 = $1,000", [((1200, 200), 1000, True)]),
        ("$.75*2=$1.5 for the gum", [((Fraction(3, 4), 2), Fraction(3, 2), True)]),
        ("10/3 = 3.33 and 10/3 = 3.5", [((10, 3), Fraction("3.33"), True), ((10, 3), Fraction("3.5"), False)]),
        ("27(1/3)=9", [((27, 1, 3), 9, True)]),
        (r"$2 \times 3 = 6$", [((2, 3), 6, True)]),
        ("4 / 0 = 0", [((4, 0), 0, False)]),
        ("3D + 5 = 38, x + 2*12 = 27, a = 5, so 5 = 5", []),
        ("9^9 = 3, and 9" + "9" * 400 + " + 1 = 2", []),
    ],
)
def test_equations_by_hand(text, expected) -> None:
    assert [(one.operands, one.result, one.true) for one in equations(text)] == expected


def test_quantities_by_hand() -> None:
    assert quantities("He has 3 dozen eggs, 1,000 hens and .5 of room2 at $4.50") == [3, 1000, Fraction(1, 2), Fraction(9, 2)]
    assert quantities("Twice the half dozen, or thirds", words=True) == [2, Fraction(1, 2), 12, Fraction(1, 3)]


NUMBERS = st.integers(1, 99).map(str)
EXPRESSIONS = st.recursive(
    NUMBERS, lambda inner: st.tuples(inner, st.sampled_from("+-*"), inner).map(lambda t: f"({' '.join(t)})")
)


@settings(max_examples=200, deadline=None)
@given(EXPRESSIONS.filter(lambda text: 3 < len(text) < 80), st.integers(-5, 5))
def test_an_expression_equals_its_value_and_nothing_else(text, off) -> None:
    value = eval(text)
    (found,) = equations(f"So we have {text} = {value + off}")
    assert (found.result, found.true) == (value + off, off == 0)


def test_worked_solutions_reckon_right(gsm8k) -> None:
    """People's arithmetic is right but for slips; nearly every step has an equation that is read."""
    found = [one for problem in read_problems(str(gsm8k / "test.jsonl"), 300) for one in equations(problem.solution or "")]
    assert len(found) > 2.5 * 300
    assert sum(one.true for one in found) / len(found) > 0.985
