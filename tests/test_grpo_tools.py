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


def test_what_was_measured_later_stands_beside_what_was_made_anew_for_it() -> None:
    from grpo_countdown import AGAIN
    from grpo_tables import FIRST, tables

    ways = ("first_attempt_accuracy", "excursion_rate", "justified_backtracks", "recovery_rate")

    def row(arm: str, right: int, kind: str = "greedy") -> dict:
        summary = {"accuracy": right / 4, "n": 4, "mean_tokens": 9.0, "cut": 0} | dict.fromkeys(ways, 0.5)
        told = {"kind": kind, "set": "test", "seed": 0, "arm": arm, "rate": 0.0, "trained": {"flops": 1e12}, "summary": summary}
        return told | {"right": "1" * right + "0" * (4 - right), "tokens": [9] * 4, "mflops": [1] * 4}

    assert 0 in FIRST
    assert {"journey", "journey-outcome"} < {arm.name for arm in AGAIN[0]}
    rows = [row("journey", 1), row("journey-outcome", 4), row("journey-min", 2), row("journey-min-noise0.2", 2)]
    told = list(tables([*rows, row("journey", 0, "again"), row("journey-outcome", 1, "again")], []))
    exact, unsure = (
        told[told.index(f"{title}; greedy texts:") :] for title in ("Credits on journeys, exact values", "Values that err")
    )
    assert [line.split(" | ")[1] for line in exact[4:6]] == ["100.0%", "50.0%"]
    assert "journey-outcome: -50.0" in exact[5]
    assert [line.split(" | ")[1] for line in unsure[4:6]] == ["25.0%", "50.0%"]
    assert "journey-outcome: +25.0" in unsure[5]
