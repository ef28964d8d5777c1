"""Where a text goes back, and which of its equations are false."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jorney.domain.countdown.sets import make_problem
from jorney.domain.domains import DOMAINS
from jorney.domain.equations import equations, false_equations
from jorney.domain.problem import Problem

PROBLEM = make_problem((3, 4, 5, 9), 20)
LINES = (
    "1. 9 - 4 = 5 (left: 3, 5, 5)",
    "1. 5 * 9 = 45 (left: 3, 4, 45)",
    "2. 3 * 5 = 15 (left: 5, 15)",
    "2. 5 * 5 = 26 (left: 3, 26)",
    "3. 5 + 15 = 20 (left: 20)",
    "Wait. Go back to 3, 5, 5. Or go on. Go back to 3, 4, 5, 9.",
    "Go back to 1, 2.",
    "hm",
    "",
)


@given(st.lists(st.sampled_from(LINES), max_size=8), st.sampled_from(["\n", "\r\n", "\u2028"]))
def test_places_agree_with_the_counts(lines, between):
    text = between.join(lines) + "\n#### 20"
    domain = DOMAINS["countdown"]
    backs, walked = domain.backtracks(PROBLEM, text), domain.behaviour(PROBLEM, text)
    assert len(backs) == walked.backs
    assert sum(back.justified for back in backs) == walked.justified
    for back in backs:
        assert text[back.start : back.stop].startswith("Go back to") or text[back.start : back.stop] in ("1", "2", "3")


def test_whether_the_goal_is_in_reach_from_where_it_goes_back_to():
    text = "\n".join(["1. 5 * 9 = 45 (left: 3, 4, 45)", "Go back to 3, 4, 45.", "Go back to 3, 4, 5, 9.", "Go back to 1, 2."])
    found = DOMAINS["countdown"].backtracks(PROBLEM, text)
    assert [(back.justified, back.recovers) for back in found] == [(True, False), (True, True), (False, False)]


def test_other_domains_cannot_tell():
    with pytest.raises(ValueError, match="problem 'p': what is done on the way cannot be told of math problems"):
        DOMAINS["math"].backtracks(Problem("p", "q", "a"), "text")


@given(st.lists(st.tuples(st.integers(0, 30), st.sampled_from("+-*/"), st.integers(0, 9), st.integers(-9, 99)), max_size=5))
def test_false_equations_are_those_that_are_not_counted_as_true(many):
    text = "; ".join(f"{a} {op} {b} = {c}" for a, op, b, c in many)
    true, stated = equations(text)
    found = list(false_equations(text))
    assert len(found) == stated - true
    for one in found:
        a, op, b, _, c = text[one.start : one.stop].split()
        if one.value:
            assert Fraction(one.value) == {"+": int(a) + int(b), "-": int(a) - int(b), "*": int(a) * int(b)}.get(
                op, Fraction(int(a), int(b) or 1)
            )
            assert Fraction(one.value) != Fraction(c)
        else:
            assert (op, b) == ("/", "0")
