"""The verifier's verdicts are exact, and its words say only what can be seen."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jorney.domain.countdown.game import moves, paths_to
from jorney.domain.countdown.grade import grade_countdown
from jorney.domain.countdown.sets import Countdown, make_problem, sample_problems
from jorney.domain.countdown.verify import rate
from jorney.domain.problem import Problem

PROBLEM = make_problem((3, 4, 5, 9), 24)


@pytest.mark.parametrize(
    ("steps", "correct", "justification"),
    [
        ([], True, ""),
        (["9 - 5 = 4 (left: 3, 4, 4)"], True, ""),
        (["3 * 9 = 27 (left: 4, 5, 27)"], False, ""),  # nothing to see yet
        (["3 + 4 = 7 (left: 5, 7, 9)", "9 - 5 = 4 (left: 4, 7)"], False, "4 and 7 give 3, 11, 28"),
        (["3 * 9 = 27 (left: 4, 5, 27)", "4 * 5 = 20 (left: 20, 27)", "27 - 20 = 7 (left: 7)\n#### 7"], False, "7 is not 24"),
        (["3 + 4 = 8 (left: 5, 8, 9)"], False, "3 + 4 is 7, not 8"),
        (["3 + 6 = 9 (left: 4, 5, 9)"], False, "6 is not among 4, 5, 9"),
        (["3 + 4 = 7 (left: 5, 7)"], False, "what is left is 5, 7, 9"),
        (["think harder"], False, "this is no step"),
        (["3 + 4 = 8 (left: 5, 8, 9)", "5 + 8 = 13 (left: 9, 13)"], False, "3 + 4 is 7, not 8"),  # once false, always false
        (["3 + 9 = 12 (left: 4, 5, 12)\n#### 24"], False, "3 numbers are left"),
    ],
)
def test_verdicts(steps, correct, justification) -> None:
    found = rate(PROBLEM, steps)
    assert (found.correct, found.justification, found.score) == (correct, justification, float(correct))


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 10_000))
def test_a_walk_of_right_steps_reaches_the_target(seed) -> None:
    """At a state that is rated right some step is right; the last right step ends on the target, as the grader says."""
    problem = sample_problems(Countdown(), "trees", 1, seed)[0]
    rng, steps, numbers = random.Random(seed), [], tuple(problem.meta["numbers"])
    while len(numbers) > 1:
        rated = [(step, rate(problem, [*steps, str(step)])) for step in moves(numbers)]
        for step, rating in rated:
            assert rating.correct == (problem.meta["target"] in paths_to(step.left))
        step = rng.choice([step for step, rating in rated if rating.correct])
        steps.append(str(step))
        numbers = step.left
    text = "\n".join(f"{k}. {step}" for k, step in enumerate(steps, 1)) + f"\n#### {numbers[0]}"
    assert grade_countdown(problem, text).correct
    assert rate(problem, steps).justification == f"{problem.meta['target']} is {problem.meta['target']}"


def test_other_problems_are_refused() -> None:
    with pytest.raises(ValueError, match="problem 'x': expected a Countdown problem"):
        rate(Problem("x", "1 + 1?", "2"), ["1 + 1 = 2"])
