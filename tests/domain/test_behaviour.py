"""What models do on the way, counted by hand; and no text makes it fail."""

from __future__ import annotations

import random
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jorney.domain.countdown.backtracks import walk
from jorney.domain.countdown.game import Step, moves, paths_to
from jorney.domain.countdown.grade import grade_countdown
from jorney.domain.countdown.sets import make_problem
from jorney.domain.problem import Problem
from jorney.solve.behaviour import behaviour
from jorney.solve.evaluate import Graded

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
        # It counts on from the state it made up (three numbers are left after step 1), and so goes back once.
        ("1. 5 * 9 = 45 (left: 3, 4, 45)\nGo back to 3, 5, 5.\n2. 3 * 5 = 15 (left: 5, 15)\n", False, 1, 1),
        (WRONG + "Go back to 7, 7. Go back to 3, 4, 5, 9.\n" + RIGHT, False, 2, 2),
        ("Go back to 3, 4, 5, 9.\n" + RIGHT, False, 1, 0),  # a first attempt of no steps
        ("1. 9 - 4 = 5 (left: 3, 5, 5)\n1. 5 * 9 = 45 (left: 3, 4, 45)\n" + RIGHT, False, 2, 1),
        (RIGHT.replace("2. ", "7. ").replace("3. ", "8. "), True, 0, 0),  # skips ahead
        (RIGHT.replace("1. ", "100001. ").replace("2. ", "100002. ").replace("3. ", "100003. "), True, 0, 0),
        (RIGHT.replace("1. ", "0. "), True, 0, 0),
        (RIGHT + "4. The answer is 20.\n#### 20", True, 0, 0),  # it was reached, whatever follows
        (RIGHT + "#### 21", True, 0, 0),
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
    assert set(behaviour([], []).values()) == {None}
    other = behaviour([PROBLEM, Problem("m", "?", "1")], [_graded(RIGHT, True, 3, 3), _graded("Wait.", True)])
    assert other == dict.fromkeys(nothing)


def test_errors_are_named() -> None:
    with pytest.raises(ValueError, match="1 problems, 0 graded"):
        behaviour([PROBLEM], [])
    with pytest.raises(ValueError, match=r"problem 'p1'.*meta\['numbers'\]"):
        behaviour([Problem("p1", "?", "1", verifier="countdown")], [_graded("", False)])


@given(st.integers(0, 10**6), st.booleans())
@settings(max_examples=200, deadline=None)
def test_random_walks_are_told_as_they_were_made(seed, says_so) -> None:
    """The walk is made with its states known, and told by explicit goings back or by numbers alone."""
    rng = random.Random(seed)
    path: list[tuple[tuple[int, ...], bool]] = [((3, 4, 5, 9), True)]  # state, sound
    lines: list[str] = []
    first, backs, justified = None, 0, 0

    def reached() -> bool:
        return path[-1] == ((20,), True)

    for _ in range(rng.randint(1, 25)):
        numbers, sound = path[-1]
        options = moves(numbers)
        if len(path) > 1 and (not options or rng.random() < 0.3):
            backs += 1
            justified += not sound or 20 not in paths_to(numbers)
            first = reached() if first is None else first
            del path[rng.randrange(1, len(path)) :]
            if says_so:
                if path[-1][0] in [state for state, _ in path[:-1]]:
                    return  # equal states: which is meant cannot be told
                lines.append(f"Wait. Go back to {', '.join(map(str, path[-1][0]))}.")
                continue
            numbers, sound = path[-1]
            options = moves(numbers)
        step = rng.choice(options)
        if rng.random() < 0.15:  # false, and goes on from what it claims
            left = list(step.left)
            left.remove(step.result)
            step = Step(step.a, step.op, step.b, step.result + 1, tuple(sorted((*left, step.result + 1))))
            sound = False
        path.append((step.left, sound))
        lines.append(f"{len(path) - 1}. {step}")
    found = walk(PROBLEM, "\n".join([*lines, "#### 20"]))
    assert (found.first, found.backs, found.justified) == (reached() if first is None else first, backs, justified)


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
    if not found.backs and grade_countdown(PROBLEM, text).correct:
        assert found.first


@pytest.mark.parametrize(
    "text",
    [
        "9" * 50_000 + ". 1 + 1 = 2 (left: 2)",
        "1. 1 + " + "2" * 9999 + " = 3 (left: 3)",
        "Go back to " + "1" * 9999,
        "Go back to 1, " + "1, " * 5000 + "1",
        "\x85\u2028\x00٣. ٣ + ٤ = ٧ (left: ٥, ٧, ٩)",
    ],
)
def test_endless_digits_and_strange_characters(text) -> None:
    found = walk(PROBLEM, f"{text}\n{RIGHT}")
    assert found.justified <= found.backs <= 2


def test_hundreds_of_lines_are_followed_at_once() -> None:
    six = make_problem((2, 3, 5, 7, 11, 13), 20)
    made_up = [
        f"{i % 7}. 99999 * 99999 = 1 (left: 1, 2)\nGo back to {', '.join(str(i + j) for j in range(12))}." for i in range(800)
    ]
    start = time.monotonic()
    found = walk(six, "\n".join(made_up))
    assert time.monotonic() - start < 20  # 0.3 s; paths of made-up states would take hours
    assert not found.first
    assert found.justified == found.backs >= 800
