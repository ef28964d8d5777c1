"""The terms of a reward, and what is refused of them."""

from __future__ import annotations

import numpy as np
import pytest

from jorney.train.policy_gradient.rewards import overlong, reference_penalty, total_reward


def test_terms_are_summed_by_weight() -> None:
    found = total_reward({"accuracy": [1, 0, 1], "format": [0, 1, 1]}, {"format": 0.1, "accuracy": 1})
    np.testing.assert_allclose(found, [1, 0.1, 1.1])


@pytest.mark.parametrize(
    ("terms", "weights", "message"),
    [
        ({"accuracy": [1, 0], "format": [0, np.nan]}, {"accuracy": 1, "format": 0}, "reward 'format' of completion 1 is nan"),
        ({"accuracy": [np.inf]}, {"accuracy": 1}, "reward 'accuracy' of completion 0 is inf"),
        ({"accuracy": [1, 0], "format": [0]}, {"accuracy": 1, "format": 1}, "reward 'format' has shape .*: expected 2 numbers"),
        ({"accuracy": [1]}, {}, "'accuracy' is unweighted"),
        ({"accuracy": [1]}, {"accuracy": 1, "length": 1}, "'length' is no term"),
        ({}, {}, "expected at least one"),
    ],
)
def test_what_is_refused(terms, weights, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        total_reward(terms, weights)


def test_overlong_completions() -> None:
    assert overlong([0, 16, 18, 20, 25], 20, 4).tolist() == [0, 0, -0.5, -1, -1]
    with pytest.raises(ValueError, match="overlong cache = 21"):
        overlong([1], 20, 21)


def test_the_penalty_for_leaving_the_reference_is_the_sum_of_k1() -> None:
    log_probs, reference = np.array([[-1.0, -2, -np.inf], [-1, -1, -1]]), np.array([[-2.0, -1.5, np.nan], [-1, -1, -3]])
    mask = np.array([[1, 1, 0], [1, 1, 1]])
    np.testing.assert_allclose(reference_penalty(log_probs, reference, mask, 0.1), [-0.05, -0.2])
