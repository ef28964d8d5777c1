"""Advantages of tokens by every credit: hand cases, and what is refused."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jorney.train.policy_gradient.credit import CREDITS, CreditConfig, JudgedCompletion, soft_minimum, token_advantages

RAW = {"baseline": "none", "scale": "none"}
# Steps of 2 and 1 tokens with a token behind them; three steps of one token.
TWO = JudgedCompletion(4, 1.0, (1, 2), (1.0, 0.0), (0.5, 0.75, 1.0))
THREE = JudgedCompletion(3, 0.0, (0, 1, 2), (0.0, 1.0, 1.0), (0.5, 0.25, 0.5, 0.0))


def _rows(credit: str, completions=(TWO, THREE), groups=(0, 0), **stated) -> list[list[float]]:
    found, mask = token_advantages(CreditConfig(credit=credit, **stated), completions, groups)
    assert mask.sum(axis=1).tolist() == [one.length for one in completions]
    assert found.dtype == np.float32
    assert not found[~mask].any()
    return [row[there].tolist() for row, there in zip(found, mask, strict=True)]


def test_outcome_is_the_same_for_every_token() -> None:
    assert _rows("outcome", scale="population", epsilon=0) == [[1, 1, 1, 1], [-1, -1, -1]]


@pytest.mark.parametrize(
    ("scale", "first", "second"),
    [
        ("population", [-0.4082, -1.2247], [0.4082, 1.6330, 0.8165]),
        ("sample", [-0.3651, -1.0954], [0.3651, 1.4606, 0.7303]),
    ],
)
def test_returns_of_normalised_steps(scale: str, first: list[float], second: list[float]) -> None:
    one, other = _rows("return", scale=scale, epsilon=0)
    np.testing.assert_allclose(one, [first[0], first[0], first[1], 0], atol=1e-4)
    np.testing.assert_allclose(other, second, atol=1e-4)


def test_raw_returns_and_myopic_rewards() -> None:
    assert _rows("return", **RAW) == [[1, 1, 0, 0], [2, 2, 1]]
    assert _rows("myopic", **RAW) == [[1, 1, 0, 0], [0, 1, 1]]


def test_steps_are_compared_with_those_of_their_own_group() -> None:
    assert _rows("myopic", groups=(0, 1), scale="none") == [[0, 0, 0, 0], [0, 0, 0]]  # a completion without another
    assert _rows("myopic", (TWO, TWO, THREE), (5, 5, 1), scale="none")[:2] == [[0.5, 0.5, -0.5, 0]] * 2


def test_the_soft_minimum() -> None:
    weighted = soft_minimum([0.9, -0.5, 0.8], 0.1)
    np.testing.assert_allclose(weighted / [0.9, -0.5, 0.8], [8.3e-7, 0.999997, 2.3e-6], rtol=0.02)
    assert weighted.sum() == pytest.approx(-0.5, abs=1e-4)
    (row,) = _rows("min", (JudgedCompletion(4, ends=(0, 2, 3), rewards=(0.9, -0.5, 0.8)),), (0,))
    np.testing.assert_allclose(row, [-0.5, -0.5, -0.5, 0], atol=1e-5)
    assert soft_minimum([1e3, -1e3], 1e-3).tolist() == [0, -1e3]  # no overflow


def test_progress_of_an_excursion() -> None:
    # Right, wrong, back, right, by whether the problem can still be solved: padding with right steps earns nothing.
    one = JudgedCompletion(4, ends=(0, 1, 2, 3), values=(1, 1, 0, 1, 1))
    assert _rows("progress", (one,), (0,)) == [[0, -1, 1, 0]]
    assert _rows("progress_sum", (one,), (0,)) == [[0, 0, 1, 0]]


@given(st.lists(st.floats(0, 1, width=32), min_size=2, max_size=8))
def test_summed_progress_is_the_last_value_less_that_before_the_step(values: list[float]) -> None:
    steps = len(values) - 1
    one = JudgedCompletion(2 * steps, ends=tuple(range(1, 2 * steps, 2)), values=tuple(values))
    (row,) = _rows("progress_sum", (one,), (0,))
    np.testing.assert_allclose(row[::2], values[-1] - np.array(values[:-1]), atol=1e-6)
    assert row[::2] == row[1::2]


@given(st.lists(st.lists(st.floats(-1, 1, width=32), min_size=1, max_size=4), min_size=2, max_size=5), st.sampled_from(CREDITS))
def test_order_in_the_group_does_not_matter(steps: list[list[float]], credit: str) -> None:
    made = [
        JudgedCompletion(len(one), one[0], tuple(range(len(one))), tuple(one), (0.0, *np.cumsum(one).tolist())) for one in steps
    ]
    forward, backward = (_rows(credit, order, [0] * len(made)) for order in (made, made[::-1]))
    for one, other in zip(forward, backward[::-1], strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-4)


def test_a_width_and_nothing_at_all() -> None:
    found, mask = token_advantages(CreditConfig(), [TWO, THREE], [0, 0], width=6)
    assert found.shape == mask.shape == (2, 6)
    assert token_advantages(CreditConfig(credit="return"), [], [])[0].shape == (0, 0)
    # A completion without steps, beside one that has some.
    assert _rows("return", (TWO, JudgedCompletion(2, rewards=())), (0, 0), **RAW)[1] == [0, 0]


@pytest.mark.parametrize(
    ("credit", "change", "message"),
    [
        ("return", {"rewards": None}, "completion 1 has none step rewards: expected 3 for its 3 steps, which 'return' takes"),
        ("min", {"rewards": (1.0,)}, "completion 1 has 1 step rewards: expected 3"),
        ("progress", {"values": (1.0, 1.0, 1.0)}, "completion 1 has 3 step values: expected 4"),
        ("myopic", {"ends": (0, 0, 2)}, "expected rising token indexes below its 3 tokens"),
        ("myopic", {"ends": (0, 1, 3)}, "expected rising token indexes below its 3 tokens"),
        ("myopic", {"rewards": (0.0, np.nan, 1.0)}, "completion 1 has rewards .*: expected finite numbers"),
        ("outcome", {"outcome": np.nan}, "completion 1 has outcome .*: expected finite numbers"),
        ("outcome", {"length": 9}, "completion 1 has 9 tokens: expected at most the width of 4"),
    ],
)
def test_what_is_refused(credit: str, change: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        token_advantages(CreditConfig(credit=credit), [TWO, dataclasses.replace(THREE, **change)], [0, 0], width=4)


@pytest.mark.parametrize(
    "change", [{"credit": "sum"}, {"baseline": "median"}, {"scale": "std"}, {"epsilon": -1}, {"credit_temperature": 0}]
)
def test_settings_that_are_refused(change: dict) -> None:
    with pytest.raises(ValueError, match=f"grpo.{next(iter(change))} = "):
        CreditConfig(**change)
