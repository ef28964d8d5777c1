"""KL estimators: values and gradients of the two-sided coin, and of any policy against finite differences."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jorney.train.policy_gradient.kl import KL_ESTIMATORS, kl_estimate

EVEN, QUARTERS = np.log([0.5, 0.5]), np.log([0.25, 0.75])
logits = st.lists(st.floats(-2, 2, width=32), min_size=3, max_size=3)


def _values(kind: str, log_policy: np.ndarray, log_reference: np.ndarray) -> np.ndarray:
    return np.asarray(kl_estimate(kind, *(jnp.asarray(x, jnp.float32) for x in (log_policy, log_reference)), jnp.zeros(())))


def _gradient(kind: str, theta: np.ndarray, log_reference: np.ndarray) -> np.ndarray:
    """Of the estimate's mean over tokens that the policy drew, which a gradient goes through no chance of."""
    chances = np.exp(theta) / np.exp(theta).sum()

    def loss(theta):
        log_probs = jax.nn.log_softmax(theta)
        ratio = log_probs - jax.lax.stop_gradient(log_probs)
        return jnp.sum(chances * kl_estimate(kind, log_probs, jnp.asarray(log_reference, jnp.float32), ratio))

    return np.asarray(jax.grad(loss)(jnp.asarray(theta, jnp.float32)))


def _kl(one: np.ndarray, other: np.ndarray) -> float:
    """Of logits."""
    one, other = (x - np.log(np.exp(x).sum()) for x in (one, other))
    return float(np.sum(np.exp(one) * (one - other)))


def _differences(function, theta: np.ndarray) -> np.ndarray:
    steps = 1e-5 * np.eye(len(theta))
    return np.array([(function(theta + step) - function(theta - step)) / 2e-5 for step in steps])


def test_values_on_a_coin() -> None:
    np.testing.assert_allclose(_values("k3", EVEN, QUARTERS), [0.19315, 0.09453], atol=1e-5)
    assert np.mean(_values("k3", EVEN, QUARTERS)) == pytest.approx(0.14384, abs=1e-5)
    assert np.mean(_values("k1", EVEN, QUARTERS)) == pytest.approx(0.14384, abs=1e-5)
    np.testing.assert_allclose(_values("k2", EVEN, QUARTERS), np.square(EVEN - QUARTERS) / 2, rtol=1e-6)


@pytest.mark.parametrize(("kind", "expected"), [("k1", 0.0), ("k2", 0.27465), ("k3", 0.25), ("k3_ratio", 0.27465)])
def test_gradients_on_a_coin(kind: str, expected: float) -> None:
    np.testing.assert_allclose(_gradient(kind, EVEN, QUARTERS), [expected, -expected], atol=1e-5)


@settings(max_examples=25)
@given(logits, logits)
def test_whose_gradient_each_is(policy: list[float], reference: list[float]) -> None:
    theta, other = np.array(policy), np.array(reference)
    log_reference = other - np.log(np.exp(other).sum())
    reverse = _differences(lambda x: _kl(x, other), theta)
    forward = _differences(lambda x: _kl(other, x), theta)
    for kind, expected in (("k1", 0 * theta), ("k2", reverse), ("k3", forward), ("k3_ratio", reverse)):
        np.testing.assert_allclose(_gradient(kind, theta, log_reference), expected, atol=2e-5, err_msg=kind)


@given(logits, logits)
def test_k3_is_never_negative_and_means_the_divergence(policy: list[float], reference: list[float]) -> None:
    ours, theirs = (np.array(x) - np.log(np.exp(x).sum()) for x in (policy, reference))
    values = _values("k3", ours, theirs)
    assert values.min() > -1e-6
    assert np.sum(np.exp(ours) * values) == pytest.approx(_kl(ours, theirs), abs=2e-5)


def test_another_ratio_weighs_k3() -> None:
    log_probs, reference = jnp.asarray(EVEN, jnp.float32), jnp.asarray(QUARTERS, jnp.float32)
    found = kl_estimate("k3_ratio", log_probs, reference, jnp.log(jnp.array([2.0, 0.5])))
    np.testing.assert_allclose(found, _values("k3", EVEN, QUARTERS) * [2, 0.5], rtol=1e-5)


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(ValueError, match=f"expected one of {', '.join(KL_ESTIMATORS)}"):
        kl_estimate("k4", *(jnp.zeros(1),) * 3)
