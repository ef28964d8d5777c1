"""Budgets against brute force, outcomes by hand, and resuming."""

from __future__ import annotations

import pathlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jorney.data.countdown import make_problem
from jorney.data.steps import ABEL
from jorney.evaluate.benchmarks import EvaluateConfig
from jorney.evaluate.resample import (
    Attempts,
    ResampleConfig,
    _budget,
    pass_at_n,
    resampled_until_target,
    sample_attempts,
    summarise_spent,
)
from jorney.sample.generate import Completion

PROBLEMS = [make_problem((1, 2), 3), make_problem((3, 4), 12), make_problem((2, 7), 9)]
ATTEMPTS = [
    Attempts(PROBLEMS[0].id, [10, 10, 10], ["2", "3", "3"], [False, True, True]),
    Attempts(PROBLEMS[1].id, [10, 10, 10], ["12", "7", "12"], [False, False, True]),  # it claims the target, falsely
    Attempts(PROBLEMS[2].id, [10, 10, 10], ["5", None, "14"], [False, False, False]),
]


@given(st.lists(st.integers(1, 60), min_size=1, max_size=12), st.floats(0, 80))
def test_the_budget_is_the_largest_that_fits(needed, mean) -> None:
    fits = [b for b in range(max(needed) + 1) if sum(min(n, b) for n in needed) <= mean * len(needed)]
    assert _budget(needed, mean) == max(fits)


@given(st.floats(0, 40))
def test_no_more_is_spent_than_given(mean) -> None:
    for control in (resampled_until_target, pass_at_n):
        spent = control(PROBLEMS, ATTEMPTS, mean)
        assert sum(spent.tokens) / 3 <= mean
        assert all(tokens <= spent.budget for tokens in spent.tokens)


def test_until_the_target_is_stated() -> None:
    spent = resampled_until_target(PROBLEMS, ATTEMPTS, 100)
    assert spent.tokens == [20, 10, 30]  # the second stops at its false claim
    assert spent.correct == [True, False, False]
    assert spent.budget == 30
    assert spent.exhausted == 0
    short = resampled_until_target(PROBLEMS, ATTEMPTS, 14)
    assert short.budget == 16
    assert short.tokens == [16, 10, 16]
    assert short.correct == [False, False, False]  # the right second attempt was cut off


def test_an_oracle_stops_at_the_first_right_one() -> None:
    spent = pass_at_n(PROBLEMS, ATTEMPTS, 100)
    assert spent.correct == [True, True, False]
    assert spent.tokens == [20, 30, 30]
    assert pass_at_n(PROBLEMS, ATTEMPTS, 25).correct == [True, False, False]
    assert pass_at_n(PROBLEMS, ATTEMPTS, 0).correct == [False] * 3


def test_summary() -> None:
    found = summarise_spent(pass_at_n(PROBLEMS, ATTEMPTS, 100))
    assert found["accuracy"] == pytest.approx(2 / 3)
    assert found["n"] == 3
    assert found["mean_tokens"] == pytest.approx(80 / 3)
    assert found["token_limit"] == 30
    assert 0 < found["ci_low"] < 2 / 3 < found["ci_high"] < 1


class FakeGenerator:
    """Attempt i of a problem states i; every prompt is counted."""

    def __init__(self, fail_after: int | None = None) -> None:
        self.asked: list[str] = []
        self._fail_after = fail_after

    def stream(self, prompts, sampling, ids):
        for index, name in enumerate(ids):
            if index == self._fail_after:
                raise KeyboardInterrupt
            self.asked.append(name)
            texts = [f"1. 1 + 2 = {i} (left: {i})\n#### {i}" for i in range(sampling.w)]
            yield index, [Completion(text, (1,) * (i + 4), (), (), True, i + 4) for i, text in enumerate(texts)]


def test_attempts_survive_an_interruption(tmp_path: pathlib.Path) -> None:
    problems = [make_problem((1, 2 + i), 3 + i) for i in range(7)]
    limits, config = EvaluateConfig(rows=8), ResampleConfig(attempts=4)

    def run(generator, folder):
        return sample_attempts(generator, problems, ABEL, limits, config, 0, folder)

    whole = run(FakeGenerator(), tmp_path / "whole")
    assert whole[0] == Attempts(problems[0].id, [4, 5, 6, 7], ["0", "1", "2", "3"], [False, False, False, True])
    with pytest.raises(KeyboardInterrupt):
        run(FakeGenerator(fail_after=5), tmp_path / "cut")
    rest = FakeGenerator()
    assert run(rest, tmp_path / "cut") == whole
    assert len(rest.asked) == 3  # four were written


@pytest.mark.parametrize(("field", "value"), [("attempts", 0), ("temperature", 0.0), ("top_p", 1.5)])
def test_settings_out_of_range_are_named(field, value) -> None:
    with pytest.raises(ValueError, match=f"resample.{field} = {value}"):
        ResampleConfig(**{field: value})
