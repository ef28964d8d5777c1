"""A judge that errs at a known rate."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jorney.domain.countdown.game import moves
from jorney.domain.countdown.sets import Countdown, sample_problems
from jorney.domain.domain import Rating
from jorney.judge import exact
from jorney.judge.noise import noised

PROBLEMS = sample_problems(Countdown(), "trees", 80, 0)
# Every first step of every problem.
REQUESTS = [(problem, [str(step)]) for problem in PROBLEMS for step in moves(tuple(problem.meta["numbers"]))]
TRUE = exact.judge(REQUESTS)


@pytest.mark.parametrize("rate", [0.1, 0.2, 0.4])
@pytest.mark.parametrize("seed", [0, 1])
def test_the_rate_is_the_share_of_verdicts_that_are_turned(rate: float, seed: int) -> None:
    found = noised(exact.judge, rate, seed)(REQUESTS)
    turned = [said for said, true in zip(found, TRUE, strict=True) if said.correct is not true.correct]
    n = len(REQUESTS)
    assert n > 1000
    assert abs(len(turned) / n - rate) < 4 * math.sqrt(rate * (1 - rate) / n)
    # It errs on right steps as on wrong ones.
    right = [said.correct for said, true in zip(found, TRUE, strict=True) if true.correct]
    assert abs(right.count(False) / len(right) - rate) < 4 * math.sqrt(rate * (1 - rate) / len(right))
    assert all(said.justification == "" for said in turned)
    assert all(said.score == float(said.correct) for said in found)
    same = [(said, true) for said, true in zip(found, TRUE, strict=True) if said.correct is true.correct]
    assert all(said == true for said, true in same)


def test_no_noise_leaves_the_judge_as_it_is_and_all_of_it_turns_it_round() -> None:
    assert noised(exact.judge, 0.0)(REQUESTS) == TRUE
    assert [said.correct for said in noised(exact.judge, 1.0)(REQUESTS)] == [not true.correct for true in TRUE]


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 50))
def test_what_is_said_depends_on_the_step_alone(order: int, size: int) -> None:
    """Not on the order, nor on what is asked beside it."""
    judge = noised(exact.judge, 0.3, 7)
    whole = judge(REQUESTS[:200])
    shuffled = list(range(200))
    random.Random(order).shuffle(shuffled)
    found: dict[int, Rating] = {}
    for start in range(0, 200, size):
        group = shuffled[start : start + size]
        found |= dict(zip(group, judge([REQUESTS[index] for index in group]), strict=True))
    assert [found[index] for index in range(200)] == whole


def test_what_is_misjudged_stays_so_at_higher_rates_and_changes_with_the_seed() -> None:
    def turned(rate: float, seed: int) -> set[int]:
        found = noised(exact.judge, rate, seed)(REQUESTS)
        return {index for index, said in enumerate(found) if said.correct is not TRUE[index].correct}

    assert turned(0.1, 0) < turned(0.2, 0) < turned(0.4, 0)
    assert len(turned(0.2, 0) & turned(0.2, 1)) < 0.1 * len(REQUESTS)


@pytest.mark.parametrize("rate", [-0.1, 1.1, math.nan])
def test_a_rate_is_a_probability(rate: float) -> None:
    with pytest.raises(ValueError, match="noise = .*expected 0 to 1"):
        noised(exact.judge, rate)


def test_what_has_no_verdict_gets_none() -> None:
    found = noised(lambda requests: [Rating(None, "") for _ in requests], 1.0, 0)(REQUESTS[:3])
    assert found == [Rating(None, "")] * 3
