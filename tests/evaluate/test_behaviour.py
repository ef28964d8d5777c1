"""What models do on the way, counted by hand; and no text makes it fail."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jorney.data.countdown import make_problem
from jorney.data.problems import Problem
from jorney.evaluate.behaviour import behaviour, walk
from jorney.evaluate.benchmarks import Graded

PROBLEM = make_problem((3, 4, 5, 9), 20)
RIGHT = "1. 9 - 4 = 5 (left: 3, 5, 5)\n2. 3 * 5 = 15 (left: 5, 15)\n3. 5 + 15 = 20 (left: 20)\n"
WRONG = "1. 5 * 9 = 45 (left: 3, 4, 45)\n2. 3 * 4 = 12 (left: 12, 45)\n3. 45 - 12 = 33 (left: 33)\n"
BACK = "Wait, 33 is not 20. Go back to 3, 4, 5, 9.\n"


@pytest.mark.parametrize(
    ("text", "first", "backs", "justified"),
    [
        (RIGHT + "#### 20", True, 0, 0),
        (WRONG + "#### 33", False, 0, 0),
        (WRONG + BACK + RIGHT + "#### 20", False, 1, 1),
        (WRONG + RIGHT + "#### 20", False, 1, 1),  # the numbers say that it went back
        (RIGHT + "Wait, 20 is 20. Go back to 3, 4, 5, 9.\n" + RIGHT + "#### 20", True, 1, 0),
        ("1. 9 - 4 = 5 (left: 3, 5, 5)\nWait. Go back to 3, 4, 5, 9.\n" + RIGHT, False, 1, 0),  # it could still be reached
        ("1. 9 - 4 = 6 (left: 3, 5, 6)\nWait. Go back to 3, 4, 5, 9.\n" + RIGHT, False, 1, 1),  # a false step
        (WRONG + "Go back to 7, 7.\n" + RIGHT, False, 2, 2),  # no such state; what follows counts from 1 again
        (RIGHT.replace("20", "21"), False, 0, 0),
        ("1. 5 + 15 = 20 (left: 20)\n#### 20", False, 0, 0),
        ("#### 20", False, 0, 0),
        ("", False, 0, 0),
        (RIGHT + "#### 20\nGo back to 3, 4, 5, 9.", True, 0, 0),  # after the answer nothing counts
    ],
)
def test_walks_by_hand(text, first, backs, justified) -> None:
    found = walk(PROBLEM, text)
    assert (found.first, found.backs, found.justified) == (first, backs, justified)


def _graded(text: str, correct: bool, true: int = 0, stated: int = 0) -> Graded:
    return Graded(PROBLEM.id, correct, None, "", 10, True, true, stated, text)


def test_shares() -> None:
    graded = [
        _graded(RIGHT, True, 3, 3),
        _graded(WRONG + BACK + RIGHT, True, 6, 6),
        _graded(WRONG, False, 2, 3),
        _graded(RIGHT + BACK + WRONG, False, 6, 6),
    ]
    assert behaviour([PROBLEM] * 4, graded) == {
        "first_attempt_accuracy": 0.5,
        "justified_backtracks": 0.5,
        "recovery_rate": 0.5,
        "true_equations": pytest.approx(17 / 18),
    }


def test_nothing_to_count() -> None:
    nothing = behaviour([PROBLEM], [_graded(RIGHT, True)])
    assert nothing == {
        "first_attempt_accuracy": 1.0,
        "justified_backtracks": None,
        "recovery_rate": None,
        "true_equations": None,
    }
    other = behaviour([Problem("m", "?", "1")], [_graded("Wait.", True)])
    assert set(other.values()) == {None}


LINES = st.one_of(
    st.text(max_size=40),
    st.sampled_from(["Go back to 3, 4.", "1. 3 + 4 = 7 (left: 5, 7, 9)", "9. 1 / 0 = 0 (left: 0)", "Go back to 999999999."]),
    st.lists(st.integers(0, 10**9), min_size=1, max_size=20).map(lambda n: f"Go back to {', '.join(map(str, n))}."),
    st.lists(st.integers(0, 10**6), min_size=1, max_size=20).map(lambda n: f"2. 1 + 1 = 2 (left: {', '.join(map(str, n))})"),
)


@settings(max_examples=300, deadline=None)
@given(st.lists(LINES, max_size=30).map("\n".join))
def test_no_text_makes_it_fail(text) -> None:
    found = walk(PROBLEM, text)
    assert 0 <= found.justified <= found.backs
