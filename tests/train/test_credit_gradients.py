"""What each credit is the gradient of: exactly, by enumeration of all completions of a tiny policy, against finite differences.

Completions have three tokens of a vocabulary of three; token 2 ends a step, and so does the end. Rewards and values of
steps are any numbers that the prefix decides. The gradient is that of Jorney's loss with every completion as likely as it is.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jorney.train.policy_gradient.credit import CreditConfig, JudgedCompletion, soft_minimum, token_advantages
from jorney.train.policy_gradient.surrogate import SurrogateConfig, SurrogateTokens, surrogate_loss

V, L, SEPARATOR = 3, 3, 2
ALL = np.array(list(itertools.product(range(V), repeat=L)))
RAW = {"baseline": "none", "scale": "none"}
_RNG = np.random.default_rng(0)
THETA = _RNG.normal(size=(L, V + 1, V))  # logits by the token's place and the token before
_OF_PREFIX = {
    prefix: _RNG.uniform(-1, 1, 2) for length in range(L + 1) for prefix in itertools.product(range(V), repeat=length)
}


def _log_probs(theta, tokens=ALL):
    """[N, L]."""
    before = np.concatenate([np.full((len(tokens), 1), V), tokens[:, :-1]], axis=1)
    found = [jax.nn.log_softmax(theta[t, before[:, t]])[np.arange(len(tokens)), tokens[:, t]] for t in range(L)]
    return jnp.stack(found, axis=1)


def _probabilities(theta) -> np.ndarray:
    """[N, L] of each token, in float64 without jax."""
    before = np.concatenate([np.full((len(ALL), 1), V), ALL[:, :-1]], axis=1)
    found = np.exp(theta) / np.exp(theta).sum(-1, keepdims=True)
    return np.stack([found[t, before[:, t], ALL[:, t]] for t in range(L)], axis=1)


def _ends(tokens: np.ndarray) -> tuple[int, ...]:
    return tuple(t for t in range(L) if tokens[t] == SEPARATOR or t == L - 1)


def _reward(tokens: np.ndarray, end: int) -> float:
    return float(_OF_PREFIX[tuple(int(token) for token in tokens[: end + 1])][0])


def _outcome(tokens: np.ndarray) -> float:
    return float(_OF_PREFIX[tuple(int(token) for token in tokens)][1])


def _true_value(tokens: np.ndarray, end: int) -> float:
    """The expected outcome from a prefix on, under the policy."""
    same = (ALL[:, : end + 1] == tokens[: end + 1]).all(axis=1)
    return float(np.sum(_probabilities(THETA)[same, end + 1 :].prod(axis=1) * [_outcome(one) for one in ALL[same]]))


def _any_value(tokens: np.ndarray, end: int) -> float:
    return float(_OF_PREFIX[tuple(int(token) for token in tokens[: end + 1])][1])


def _judged(tokens: np.ndarray, value: Callable[[np.ndarray, int], float]) -> JudgedCompletion:
    ends = _ends(tokens)
    rewards = tuple(_reward(tokens, end) for end in ends)
    return JudgedCompletion(L, _outcome(tokens), ends, rewards, tuple(value(tokens, end) for end in (-1, *ends)))


@functools.cache
def _gradient(credit: str, value: Callable[[np.ndarray, int], float] = _any_value) -> np.ndarray:
    """Of the loss, by the policy's logits, downhill turned uphill."""
    advantages, mask = token_advantages(
        CreditConfig(credit=credit, **RAW), [_judged(one, value) for one in ALL], np.zeros(len(ALL))
    )
    likely = _probabilities(THETA).prod(axis=1, keepdims=True)
    return _of_loss(ALL, advantages * likely, mask)


def _of_loss(tokens: np.ndarray, advantages: np.ndarray, mask: np.ndarray) -> np.ndarray:
    config = SurrogateConfig(aggregate="constant", max_length=1)
    batch = SurrogateTokens(jnp.asarray(advantages), jnp.asarray(mask))
    return -np.asarray(jax.grad(lambda theta: surrogate_loss(config, _log_probs(theta, tokens), batch)[0])(jnp.asarray(THETA)))


def _differences(expected: Callable[[np.ndarray], float]) -> np.ndarray:
    """The gradient of an expectation by the logits."""
    found = np.zeros(THETA.shape)
    for index in np.ndindex(THETA.shape):
        step = np.zeros(THETA.shape)
        step[index] = 1e-5
        found[index] = (expected(THETA + step) - expected(THETA - step)) / 2e-5
    return found


def _expectation(reward: Callable[[np.ndarray], float]) -> Callable[[np.ndarray], float]:
    rewards = np.array([reward(one) for one in ALL])
    return lambda theta: float(np.sum(_probabilities(theta).prod(axis=1) * rewards))


def _per_step(reward: Callable[[np.ndarray, int], float], moved: Callable[[int, int, int], bool]) -> Callable[..., float]:
    """Sum over steps of the expected reward, where only some tokens are drawn by the policy that moves.

    Args:
      moved: (token, the step's first, the step's last).
    """
    held = _probabilities(THETA)

    def expected(theta: np.ndarray) -> float:
        moving, total = _probabilities(theta), 0.0
        for row, tokens in enumerate(ALL):
            for first, last in itertools.pairwise((-1, *_ends(tokens))):
                which = [moved(t, first + 1, last) for t in range(L)]
                total += np.where(which, moving[row], held[row]).prod() * reward(tokens, last)
        return float(total)

    return expected


def _same(found: np.ndarray, expected: np.ndarray) -> None:
    assert np.abs(expected).max() > 1e-2
    np.testing.assert_allclose(found, expected, atol=2e-6)


def test_outcome_is_the_gradient_of_the_expected_outcome() -> None:
    _same(_gradient("outcome"), _differences(_expectation(_outcome)))


def test_return_is_the_gradient_of_the_expected_sum_of_step_rewards() -> None:
    _same(_gradient("return"), _differences(_expectation(lambda one: sum(_reward(one, end) for end in _ends(one)))))


def test_return_with_a_baseline_also_pays_for_the_number_of_steps() -> None:
    # A constant taken from every step reward is a constant paid for every step.
    baseline = 0.3
    judged = [_judged(one, _any_value) for one in ALL]
    less = [dataclasses.replace(one, rewards=tuple(reward - baseline for reward in one.rewards or ())) for one in judged]
    advantages, mask = token_advantages(CreditConfig(credit="return", **RAW), less, np.zeros(len(ALL)))
    found = _of_loss(ALL, advantages * _probabilities(THETA).prod(axis=1, keepdims=True), mask)
    steps = _differences(_expectation(lambda one: len(_ends(one))))
    _same(found, _gradient("return") - baseline * steps)
    assert np.abs(baseline * steps).max() > 1e-2


def test_progress_is_the_gradient_of_the_expected_outcome_where_values_are_the_policys_own() -> None:
    expected = _differences(_expectation(_outcome))
    _same(_gradient("progress", _true_value), expected)
    _same(_gradient("progress_sum", _true_value), expected)


def test_summed_progress_is_the_gradient_of_the_expected_last_value_whatever_the_values() -> None:
    _same(_gradient("progress_sum"), _differences(_expectation(lambda one: _any_value(one, L - 1))))


def test_progress_of_other_values_is_the_gradient_of_the_value_after_a_step_from_where_the_policy_stood() -> None:
    own = _per_step(_any_value, lambda t, first, last: first <= t <= last)
    _same(_gradient("progress"), _differences(own))
    outcome = _differences(_expectation(_outcome))
    assert np.abs(_gradient("progress") - outcome).max() > 1e-2


def test_myopic_is_the_gradient_of_a_steps_reward_from_where_the_policy_stood() -> None:
    _same(_gradient("myopic"), _differences(_per_step(_reward, lambda t, first, last: first <= t <= last)))
    whole = _differences(_expectation(lambda one: sum(_reward(one, end) for end in _ends(one))))
    assert np.abs(_gradient("myopic") - whole).max() > 1e-2


def test_min_is_the_gradient_of_weighted_rewards_up_to_each_step_that_the_policy_goes_on_from() -> None:
    def weighted(tokens: np.ndarray, end: int) -> float:
        ends = _ends(tokens)
        credits = soft_minimum([_reward(tokens, one) for one in ends], CreditConfig().credit_temperature)
        return float(credits[ends.index(end)])

    _same(_gradient("min"), _differences(_per_step(weighted, lambda t, first, last: t <= last)))
    # A weight depends on later steps too, whose choice is credited to no earlier one: not quite the expected soft minimum's.
    whole = _differences(_expectation(lambda one: sum(weighted(one, end) for end in _ends(one))))
    assert 1e-3 < np.abs(_gradient("min") - whole).max() < np.abs(whole).max()


@pytest.mark.parametrize(("baseline", "share"), [("leave_one_out", 1.0), ("mean", 0.5)])
def test_group_baselines_over_all_groups_of_two(baseline: str, share: float) -> None:
    """Leave-one-out is without bias; the group's own mean shrinks the gradient by (G - 1) / G."""
    first, second = (which.ravel() for which in np.meshgrid(range(len(ALL)), range(len(ALL))))
    which, groups = np.stack([first, second], axis=1).ravel(), np.repeat(np.arange(len(first)), 2)
    judged = [JudgedCompletion(L, _outcome(ALL[one])) for one in which]
    advantages, mask = token_advantages(CreditConfig(baseline=baseline, scale="none"), judged, groups)
    likely = _probabilities(THETA).prod(axis=1)
    weight = np.repeat(likely[first] * likely[second], 2)[:, None] / 2
    _same(_of_loss(ALL[which], advantages * weight, mask), share * _differences(_expectation(_outcome)))


def test_a_bandit_of_three_arms() -> None:
    theta, rewards = np.array([0.3, -0.5, 0.1]), np.array([1.0, 0.0, 0.4])
    chances = np.exp(theta) / np.exp(theta).sum()
    judged = [JudgedCompletion(1, reward) for reward in rewards]
    advantages, mask = token_advantages(CreditConfig(**RAW), judged, [0, 0, 0])
    batch = SurrogateTokens(jnp.asarray(advantages * chances[:, None]), jnp.asarray(mask))

    def loss(logits):
        return surrogate_loss(SurrogateConfig(aggregate="constant", max_length=1), jax.nn.log_softmax(logits)[:, None], batch)[
            0
        ]

    expected = chances * (rewards - chances @ rewards)
    np.testing.assert_allclose(-jax.grad(loss)(jnp.asarray(theta, jnp.float32)), expected, atol=1e-6)
