"""Advantages of groups: the numbers of the papers and libraries, and what must hold of any group."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jorney.train.policy_gradient.advantages import (
    BASELINES,
    SCALES,
    group_advantages,
    group_metrics,
    outcome_metrics,
    with_signal,
)

THIRD = 1 / np.sqrt(3)
rewards = st.lists(st.floats(-10, 10, width=32), min_size=2, max_size=12)


@pytest.mark.parametrize(
    ("group", "scale", "expected"),
    [
        ([1, 0, 0, 0], "population", [3 * THIRD, -THIRD, -THIRD, -THIRD]),
        ([1, 0, 0, 0], "sample", [1.5, -0.5, -0.5, -0.5]),
        ([1, 0, 0, 0], "none", [0.75, -0.25, -0.25, -0.25]),
        ([1, 1, 0, 0], "population", [1, 1, -1, -1]),
        ([1, 1, 0, 0], "sample", [1.5 * THIRD, 1.5 * THIRD, -1.5 * THIRD, -1.5 * THIRD]),
        ([1, 0], "sample", [0.5**0.5, -(0.5**0.5)]),
    ],
)
def test_published_groups(group: list[float], scale: str, expected: list[float]) -> None:
    np.testing.assert_allclose(group_advantages(group, [7] * len(group), scale, epsilon=0), expected, rtol=1e-12)
    assert np.abs(group_advantages(group, [7] * len(group), scale) - expected).max() < 1e-3  # with the usual epsilon


def test_epsilon_is_added_to_the_deviation() -> None:
    np.testing.assert_allclose(group_advantages([1, 0], [0, 0], "population", epsilon=0.5), [0.5, -0.5])


def test_the_batch_scale_is_the_sample_deviation_of_all_rewards() -> None:
    values = [1, 0, 0, 0, 1, 1, 5, 1]
    found = group_advantages(values, [0, 0, 0, 0, 1, 1, 1, 1], "batch", epsilon=1e-4)
    centred = np.array(values) - np.repeat([0.25, 2], 4)
    np.testing.assert_allclose(found, centred / (np.std(values, ddof=1) + 1e-4))


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("baseline", ["mean", "leave_one_out"])
def test_equal_rewards_and_lone_completions_are_exactly_zero(scale: str, baseline: str) -> None:
    found = group_advantages([0.1] * 3 + [0.7, 1, 0], [0, 0, 0, 1, 2, 2], scale, baseline, epsilon=0)
    assert (found[:4] == 0).all()  # the mean of three times 0.1 is not 0.1
    assert found[4] > 0 > found[5]


def test_without_a_baseline_nothing_blows_up() -> None:
    np.testing.assert_array_equal(group_advantages([1, 1, 1], [0, 0, 1], "sample", "none"), [1, 1, 1])


def test_leave_one_out() -> None:
    np.testing.assert_allclose(group_advantages([1, 0, 0, 0.5], [0] * 4, "none", "leave_one_out"), [5 / 6, -0.5, -0.5, 1 / 6])
    # Of several rewards each: the other completion's mean, 2/3 and 1/2.
    steps, owners = [1, 0, 0, 1, 1], [0, 0, 1, 1, 1]
    found = group_advantages(steps, [0] * 5, "none", "leave_one_out", owners=owners)
    np.testing.assert_allclose(found, [1 / 3, -2 / 3, -1 / 2, 1 / 2, 1 / 2])


@given(rewards, st.sampled_from(SCALES))
def test_a_group_sums_to_zero_and_leave_one_out_is_its_multiple(group: list[float], scale: str) -> None:
    G = len(group)
    found = group_advantages(group, [0] * G, "none")
    assert abs(found.sum()) < 1e-9
    np.testing.assert_allclose(
        group_advantages(group, [0] * G, "none", "leave_one_out"), G / (G - 1) * found, rtol=1e-9, atol=1e-9
    )
    scaled = group_advantages(group, [0] * G, scale)
    assert abs(scaled.sum()) < 1e-6 * max(1, np.abs(scaled).max())


@given(rewards, rewards, st.sampled_from(SCALES), st.sampled_from(BASELINES), st.randoms())
def test_order_does_not_matter(one, other, scale: str, baseline: str, random) -> None:
    values, groups = np.array(one + other), np.array([3] * len(one) + [1] * len(other))
    order = np.array(random.sample(range(len(values)), len(values)))
    found = group_advantages(values, groups, scale, baseline)
    again = group_advantages(values[order], groups[order], scale, baseline)
    np.testing.assert_allclose(again, found[order], rtol=1e-6, atol=1e-6)


def test_groups_without_a_signal() -> None:
    groups = [4, 2, 4, 2, 9]
    assert with_signal(group_advantages([1, 0, 1, 1, 1], groups), groups).tolist() == [False, True, False, True, False]
    tokens = np.zeros((3, 2))
    tokens[1, 1] = -1e-9
    assert with_signal(tokens, [0, 0, 1]).tolist() == [True, True, False]


def test_metrics_of_a_batch() -> None:
    values, right = [1.1, 1.1, 0, 1, 0, 0], [True, True, False, True, False, False]
    groups = [0, 0, 1, 1, 2, 2]
    found = group_metrics(values, groups) | outcome_metrics(groups, right)
    assert found["frac_reward_zero_std"] == pytest.approx(2 / 3)
    assert found["frac_all_right"] == found["frac_all_wrong"] == pytest.approx(1 / 3)
    assert found["accuracy"] == pytest.approx(1 / 2)
    assert found["pass_at_group"] == pytest.approx(2 / 3)
    assert found["reward"] == pytest.approx(np.mean(values))
    assert found["reward_std"] == pytest.approx(np.std(values, ddof=1))


def test_what_is_refused() -> None:
    with pytest.raises(ValueError, match="reward 1 is nan: expected a finite number"):
        group_advantages([1, np.nan], [0, 0])
    with pytest.raises(ValueError, match="expected one of"):
        group_advantages([1, 0], [0, 0], "std")
    assert group_advantages([], []).shape == (0,)
