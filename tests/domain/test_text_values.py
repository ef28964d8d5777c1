"""Values along texts of Countdown: by hand, and in accord with the grade, the walk and the verifier."""

from __future__ import annotations

import itertools
import random
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jorney.domain.countdown.backtracks import walk
from jorney.domain.countdown.game import moves, paths_to
from jorney.domain.countdown.grade import GO_BACK, grade_countdown
from jorney.domain.countdown.sets import make_problem
from jorney.domain.countdown.text_values import text_values
from jorney.domain.countdown.verify import rate
from jorney.domain.domain import Domain, Rating
from jorney.domain.domains import domain_of
from jorney.domain.problem import Problem
from jorney.text.step_format import ABEL, BLANK, STEP

PROBLEM = make_problem((3, 4, 5, 9), 20)
ONE, TWO, THREE = "1. 9 - 4 = 5 (left: 3, 5, 5)", "2. 3 * 5 = 15 (left: 5, 15)", "3. 5 + 15 = 20 (left: 20)"
LOST = "2. 5 - 3 = 2 (left: 2, 5)"  # neither 7, 3, 10 nor 2.5 is 20
FALSE = "2. 3 * 5 = 16 (left: 5, 16)"
BACK = "Wait, 2 and 5 do not give 20. Go back to 3, 5, 5."


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([ONE, LOST, BACK, TWO, THREE, "#### 20"], [1, 1, 0, 1, 1, 1]),
        ([ONE, FALSE, BACK, TWO, THREE, "#### 20"], [1, 1, 0, 1, 1, 1]),
        ([ONE, f"{LOST}. {BACK}", TWO, THREE, "#### 20"], [1, 1, 0, 1, 1, 1]),  # a step and a return on one line are two
        ([ONE, f"2. {BACK}", TWO], [1, 1, 1, 1]),  # a return with a number is one
        ([ONE, f"2. 9 - 9. {BACK}", TWO], [1, 1, 1, 1]),
        ([ONE, FALSE, TWO.replace("2.", "3."), "#### 20"], [1, 1, 0, 0]),  # what follows a false step does not mend it
        ([ONE, FALSE, TWO, THREE, "#### 20"], [1, 1, 0, 1, 1]),  # the number falls back: the path goes on from before
        (["1. 5 * 9 = 45 (left: 3, 4, 45)", ONE, TWO, THREE], [1, 0, 1, 1, 1]),
        ([ONE, TWO.replace("2.", "1."), THREE.replace("3.", "1."), "#### 20"], [1, 1, 1, 1]),  # numbers without meaning
        ([ONE, "Go back to 7, 7.", TWO.replace("2.", "3.")], [1, 1, 0, 0]),  # no such state
        ([ONE, "Go back to 7, 7.", "Go back to 3, 5, 5.", TWO], [1, 1, 0, 1, 1]),
        ([ONE, "So far so good.", TWO], [1, 1, 1]),  # prose
        ([ONE, "#### 20", TWO], [1, 1]),  # behind the answer nothing counts
        (["2. this is no step", ONE], [1, 0, 1]),
        (["#### 20"], [1]),
        ([""], [1]),
    ],
)
def test_values_by_hand(lines, expected) -> None:
    text = "\n".join(lines)
    found = text_values(PROBLEM, text)
    assert [value for _, value in found] == expected
    stops = [stop for stop, _ in found]
    assert stops[0] == 0
    assert all(a < b <= len(text) for a, b in itertools.pairwise(stops))


def test_a_value_holds_behind_its_line() -> None:
    text = f"Let me see.\n{ONE} \n{LOST}. {BACK}\n{TWO}"
    assert [text[a:b] for (a, _), (b, _) in itertools.pairwise(text_values(PROBLEM, text))] == [
        f"Let me see.\n{ONE}",
        f" \n{LOST}.",
        f" {BACK}",
        f"\n{TWO}",
    ]


def test_a_problem_without_a_solution_has_no_value() -> None:
    assert text_values(make_problem((1, 2), 19), "1. 1 + 2 = 3 (left: 3)\n#### 19") == [(0, 0.0), (22, 0.0)]


def test_other_formats() -> None:
    bare = [line[3:] for line in (ONE, LOST, TWO, THREE)]
    text = f"{bare[0]}\n\n{bare[1]}\n\n{BACK}\n\n{bare[2]}\n\n{bare[3]}\n\nThe final answer is $\\boxed{{20}}$."
    assert [value for _, value in text_values(PROBLEM, text, BLANK)] == [1, 1, 0, 1, 1, 1]
    text = "\n\n".join(f"## Step {k}: {line}" for k, line in enumerate(bare[:2], start=1))
    assert [value for _, value in text_values(PROBLEM, text, STEP)] == [1, 1, 0]


def test_domains_that_cannot_tell_say_so() -> None:
    problem = Problem("p1", "1 + 1?", "2")
    with pytest.raises(ValueError, match="'p1': exact values of steps cannot be told of math problems"):
        domain_of(problem).values(problem, "1. 2\n#### 2", ABEL)


class _Rising(Domain):
    """Every step is a number above the one before."""

    name = "rising"
    exact = True

    def verify(self, problem: Problem, steps: Sequence[str]) -> Rating:
        numbers = [int(step.split()[0]) for step in steps]
        return Rating(numbers == sorted(set(numbers)), "")


def test_a_domain_that_verifies_steps_has_values() -> None:
    text = "1. 3\n\n2. 5\n3. 4\n4. 9\n#### 9"
    found = _Rising().values(Problem("p1", "", "9", verifier="rising"), text, ABEL)
    assert [value for _, value in found] == [1, 1, 1, 0, 0]
    assert [text[:stop].splitlines()[-1] for stop, _ in found[1:]] == ["1. 3", "2. 5", "3. 4", "#### 9"]


@st.composite
def texts(draw: st.DrawFn) -> tuple[Problem, str]:
    """Texts that take legal and false steps, go back, number them as they like and say this and that."""
    rng = random.Random(draw(st.integers(0, 10**6)))
    numbers = tuple(sorted(rng.randint(1, 9) for _ in range(draw(st.integers(2, 4)))))
    target = rng.choice(sorted(paths_to(numbers)))
    states, lines, number = [numbers], [], 1
    for kind in draw(st.lists(st.sampled_from("sssssbwfnpBj"), max_size=12)):
        here = states[-1]
        if kind in "sfnB" and len(here) > 1 and (options := moves(here)):
            step = rng.choice(options)
            said = str(step) if kind != "f" else str(step).replace("= ", "= 1", 1)
            number = rng.randint(0, 5) if kind == "n" else number
            lines.append(f"{number}. {said}" + (f" Go back to {', '.join(map(str, numbers))}." if kind == "B" else ""))
            number += 1
            if kind != "B":
                states.append(step.left)
        elif kind in "bw" and len(states) > 1:
            del states[rng.randrange(1, len(states)) :]
            number = len(numbers) - len(states[-1]) + 1
            if kind == "b":
                lines.append(f"Wait. Go back to {', '.join(map(str, states[-1]))}.")
        elif kind == "p":
            lines.append(rng.choice(["Hm.", "", "2. And now?", "#### 3"]))
        elif kind == "j":
            lines.append("Go back to 1, 1, 1.")
    end = rng.choice(["", f"#### {target}", f"#### {target}\n1. 1 + 1 = 2 (left: 2)"])
    return make_problem(numbers, target), "\n".join([*lines, end])


@settings(max_examples=400)
@given(texts())
def test_values_agree_with_grade_and_walk(given_text) -> None:
    problem, text = given_text
    found = text_values(problem, text)
    values = [value for _, value in found]
    stops = [stop for stop, _ in found]
    assert stops == sorted(set(stops))
    assert values[0] == 1
    assert set(values) <= {0.0, 1.0}
    if grade_countdown(problem, text).correct:
        assert values[-1] == 1
    went = walk(problem, text)
    if went.first and not went.backs:
        numbers = tuple(problem.meta["numbers"])
        assert all(value for _, value in found[: len(numbers)])
    for (begin, _), (stop, value) in itertools.pairwise(found):
        backs = GO_BACK.findall(text[begin:stop])
        if backs and value:  # it went to a state with a path
            assert problem.meta["target"] in paths_to(tuple(map(int, backs[-1].split(", "))))


@settings(max_examples=200)
@given(st.integers(0, 10**6), st.booleans())
def test_values_are_the_verifiers_where_nothing_goes_back(seed, errs) -> None:
    rng = random.Random(seed)
    numbers = tuple(sorted(rng.randint(1, 9) for _ in range(4)))
    problem = make_problem(numbers, rng.choice(sorted(paths_to(numbers))))
    steps = []
    while len(numbers) > 1:
        step = rng.choice(moves(numbers))
        steps.append(str(step) if not errs or rng.random() < 0.7 else str(step).replace("= ", "= 1", 1))
        numbers = step.left
    text = "\n".join(f"{k}. {step}" for k, step in enumerate(steps, start=1))
    expected = [rate(problem, steps[:count]).score for count in range(1, len(steps) + 1)]
    assert [value for _, value in text_values(problem, text)] == [1.0, *expected]
