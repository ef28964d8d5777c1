"""The parts of `tools/grpo_countdown.py` whose faults no figure would show."""

from __future__ import annotations

import sys

import pytest
from places import ROOT

from jorney.domain.countdown.sets import Countdown, sample_problems
from jorney.reinforce.rewards.reward_functions import load_function


@pytest.fixture(autouse=True)
def tools(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [str(ROOT / "tools"), *sys.path])


def test_shuffled_rewards_are_those_that_were_earned_given_to_others() -> None:
    permuted = load_function("shuffled_rewards:permuted")
    problems = sample_problems(Countdown(), "train", 20, 0)
    texts = [problem.solution or "" for problem in problems[:8]] + ["1. 1 + 1 = 2"] * 12
    numbers, targets = ([problem.meta[name] for problem in problems] for name in ("numbers", "target"))
    found = [permuted(completions=texts, numbers=numbers, target=targets, id=["any"] * 20) for _ in range(2)]
    assert found[0] == found[1]
    assert sorted(found[0]) == [0.0] * 12 + [1.0] * 8
    assert found[0] != [1.0] * 8 + [0.0] * 12
    assert permuted(completions=texts[::-1], numbers=numbers[::-1], target=targets[::-1]) != found[0][::-1]


def test_attempts_are_taken_until_one_states_the_target_within_the_budget() -> None:
    from grpo_tables import spent_again

    row = {"kind": "attempts", "set": "test", "seed": 0, "arm": "any", "rate": 0.0}
    row |= {"tokens": [[10, 10, 10], [10, 10, 10]], "states": ["032", "000"]}
    found = spent_again(row, 25.0)
    assert (found["right"], found["tokens"]) == ("10", [20, 30]), "the third attempt of the first is not asked for"
    assert found["mflops"][1] / found["mflops"][0] == pytest.approx(1.25, abs=0.1)  # both read their prompt once
    found = spent_again(row, 15.0)
    assert (found["right"], found["tokens"]) == ("00", [15, 15])
