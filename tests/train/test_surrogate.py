"""The clipped surrogate: the table of its cases, its relatives, its weights and metrics."""

from __future__ import annotations

import dataclasses
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jorney.train.policy_gradient.surrogate import CORRECTIONS, SurrogateConfig, SurrogateTokens, high_entropy, surrogate_loss

PLAIN = SurrogateConfig()
LOSS = jax.jit(surrogate_loss, static_argnums=0)
GRADIENT = jax.jit(jax.grad(surrogate_loss, argnums=1, has_aux=True), static_argnums=0)


def _row(*values: float) -> jax.Array:
    return jnp.asarray([values], jnp.float32)


def _at_ratio(config: SurrogateConfig, ratio: float, advantage: float) -> tuple[float, float, dict[str, jax.Array]]:
    """The objective of one token, its gradient by the log-probability, and the metrics."""
    tokens = SurrogateTokens(_row(advantage), _row(1), old=_row(-2.0))
    loss, metrics = LOSS(config, _row(-2 + math.log(ratio)), tokens)
    gradient, _ = GRADIENT(config, _row(-2 + math.log(ratio)), tokens)
    return -float(loss), -float(gradient[0, 0]), metrics


@pytest.mark.parametrize(
    ("advantage", "ratio", "dual_clip", "objective", "moves", "clipped"),
    [
        (1, 1.5, None, 1.2, False, "high"),
        (1, 0.5, None, 0.5, True, ""),
        (-1, 0.5, None, -0.8, False, "low"),
        (-1, 1.5, None, -1.5, True, ""),
        (-1, 5.0, None, -5.0, True, ""),
        (-1, 5.0, 3.0, -3.0, False, "dual"),
        (-1, 2.0, 3.0, -2.0, True, ""),
        (1, 5.0, 3.0, 1.2, False, "high"),
        (1, 1.0, None, 1.0, True, ""),
        (-1, 1.0, None, -1.0, True, ""),
        (0, 3.0, None, 0.0, False, ""),
    ],
)
def test_the_cases_of_clipping(
    advantage: float, ratio: float, dual_clip: float | None, objective: float, moves: bool, clipped: str
) -> None:
    found, gradient, metrics = _at_ratio(SurrogateConfig(dual_clip=dual_clip), ratio, advantage)
    assert found == pytest.approx(objective, rel=1e-6)
    assert gradient == pytest.approx(ratio * advantage if moves else 0, rel=1e-6)
    for name in ("low", "high", "dual"):
        assert metrics.get(f"clip_ratio/{name}_mean", 0) == (name == clipped)
    assert metrics["clip_ratio/region_mean"] == (clipped in ("low", "high"))


def test_bounds_apart() -> None:
    dapo = SurrogateConfig(clip_low=0.2, clip_high=0.28)
    assert _at_ratio(dapo, 1.25, 1)[1] > 0
    assert _at_ratio(PLAIN, 1.25, 1)[1] == 0
    assert _at_ratio(dapo, 1.5, 1)[0] == pytest.approx(1.28)
    assert _at_ratio(dapo, 0.79, -1)[:2] == (pytest.approx(-0.8), 0)


@settings(max_examples=60)
@given(st.floats(0.05, 8), st.floats(-3, 3), st.floats(0.05, 0.5), st.floats(0.05, 0.5), st.sampled_from([None, 1.6, 3.0]))
def test_the_gradient_is_zero_exactly_where_it_is_clipped(ratio, advantage, low, high, dual_clip) -> None:
    edges = (1 - low, 1 + high, dual_clip or 1)
    if min(abs(ratio - edge) for edge in edges) < 1e-4 or abs(advantage) < 1e-4:
        return
    config = SurrogateConfig(clip_low=low, clip_high=high, dual_clip=dual_clip)
    tokens = SurrogateTokens(_row(advantage), _row(1), old=_row(-2.0))
    gradient, _ = jax.grad(surrogate_loss, argnums=1, has_aux=True)(config, _row(-2 + math.log(ratio)), tokens)
    still = ratio > 1 + high if advantage > 0 else ratio < 1 - low or (dual_clip is not None and ratio > dual_clip)
    assert float(-gradient[0, 0]) == pytest.approx(0 if still else ratio * advantage, rel=1e-4)
    assert (gradient[0, 0] == 0) == still


def test_cispo_caps_the_weight_and_keeps_the_gradient() -> None:
    config = SurrogateConfig(surrogate="cispo", cispo_cap=4.0)
    assert _at_ratio(config, 2.0, 1)[1] == pytest.approx(2)
    objective, gradient, metrics = _at_ratio(config, 9.0, 1)
    assert gradient == pytest.approx(4)
    assert objective == pytest.approx(4 * (-2 + math.log(9)))
    assert metrics["cispo_clip_ratio"] == 1
    assert _at_ratio(config, 9.0, -1)[2]["cispo_clip_ratio"] == 0


def test_a_group_of_equal_lengths_starts_at_a_loss_of_zero_with_a_gradient() -> None:
    tokens = SurrogateTokens(jnp.asarray([[1.0, 1], [-1, -1]]), jnp.ones((2, 2)))
    total, _ = LOSS(PLAIN, jnp.full((2, 2), -1.0), tokens)
    gradient, _ = GRADIENT(PLAIN, jnp.full((2, 2), -1.0), tokens)
    assert total == 0
    assert gradient.tolist() == [[-1, -1], [1, 1]]


def test_two_mini_batches_are_not_one() -> None:
    """The second has moved from what the round started with, which its ratio tells."""

    def loss(theta, old, rows):
        log_probs = jax.nn.log_softmax(theta)[rows]
        tokens = SurrogateTokens(jnp.asarray([1.0, 0.5, -1, -0.5])[rows][:, None], jnp.ones((2, 1)), old=old[rows][:, None])
        return surrogate_loss(PLAIN, log_probs[:, None], tokens)[0] / 2

    start = jnp.asarray([0.1, 0.2, -0.3, 0.0])
    old, rows = jax.nn.log_softmax(start), jnp.arange(4).reshape(2, 2)
    together = start - 0.2 * sum(jax.grad(loss)(start, old, one) for one in rows)
    apart = start
    for one in rows:
        apart = apart - 0.2 * jax.grad(loss)(apart, old, one)
    assert 1e-3 < float(jnp.abs(together - apart).max()) < 0.1


def test_sequence_ratios_are_of_the_mean_log_ratio_and_give_tokens_their_own_gradient() -> None:
    config = SurrogateConfig(ratio_level="sequence", aggregate="sequence", clip_low=0.5, clip_high=0.5)
    old, log_probs = _row(-1, -1, -1, -1), _row(-0.7, -1.0, -0.9, -5.0)
    ratio = math.exp((0.3 + 0.0 + 0.1) / 3)
    tokens = SurrogateTokens(_row(2, 2, 2, 2), _row(1, 1, 1, 0), old=old)
    total, metrics = LOSS(config, log_probs, tokens)
    gradient, _ = GRADIENT(config, log_probs, tokens)
    assert float(total) == pytest.approx(-2 * ratio, rel=1e-6)
    assert float(metrics["ratio/mean"]) == pytest.approx(ratio, rel=1e-6)
    np.testing.assert_allclose(gradient, [[-2 * ratio / 3] * 3 + [0]], rtol=1e-5)
    credited = dataclasses.replace(tokens, advantages=_row(2, 0, -1, 9))
    gradient, _ = GRADIENT(config, log_probs, credited)
    np.testing.assert_allclose(gradient, ratio / 3 * np.array([[-2, 0, 1, 0]]), rtol=1e-5)
    # GSPO's narrow bounds, for all tokens at once.
    narrow = dataclasses.replace(config, clip_low=3e-4, clip_high=4e-4)
    assert not GRADIENT(narrow, log_probs, tokens)[0].any()


def _sampled(config: SurrogateConfig, *gaps: float) -> tuple[jax.Array, dict[str, jax.Array]]:
    """Gradients by tokens whose trainer's log-probability is so far above the sampler's."""
    log_probs = _row(*(-1.0,) * len(gaps))
    tokens = SurrogateTokens(-jnp.ones_like(log_probs), jnp.ones_like(log_probs), sampled=log_probs - _row(*gaps))
    return GRADIENT(config, log_probs, tokens)


def test_importance_weights() -> None:
    gradient, metrics = _sampled(SurrogateConfig(importance="token_truncate"), 0, 1, -1)
    np.testing.assert_allclose(gradient, [[1, 2, 0.3679]], atol=1e-4)
    assert metrics["sampling/sampling_logp_difference/mean"] == 2
    assert metrics["sampling/capped"] == 1
    assert metrics["count"] == 3
    gradient, _ = _sampled(SurrogateConfig(importance="sequence_truncate"), 0.2, 0.3, 0.9)
    np.testing.assert_allclose(gradient, [[2, 2, 2]], rtol=1e-5)
    for importance in CORRECTIONS:
        gradient, metrics = _sampled(SurrogateConfig(importance=importance), 0, 0, 0)
        assert gradient.tolist() == [[1, 1, 1]]
        assert metrics["sampling/importance_sampling_ratio/mean"] == 3


def test_what_a_mask_leaves_out_leaves_the_count() -> None:
    gradient, metrics = _sampled(SurrogateConfig(importance="token_mask"), 0, 1, -1)
    np.testing.assert_allclose(gradient, [[1, 0, 0.3679]], atol=1e-4)
    assert metrics["count"] == 2
    assert metrics["sampling/masked"] == 1
    _, metrics = _sampled(SurrogateConfig(importance="token_mask", count_masked=True), 0, 1, -1)
    assert metrics["count"] == 3
    gradient, metrics = _sampled(SurrogateConfig(importance="sequence_mask", aggregate="sequence"), 0.5, 1, -0.5)
    assert not gradient.any()
    assert metrics["count"] == 0
    assert metrics["sampling/masked"] == 1


def test_no_correction_tells_of_the_gap_all_the_same() -> None:
    gradient, metrics = _sampled(PLAIN, 0, 1, -1)
    assert gradient.tolist() == [[1, 1, 1]]
    assert float(metrics["sampling/importance_sampling_ratio/mean"]) == pytest.approx(1 + math.e + 1 / math.e, rel=1e-6)


def test_metrics() -> None:
    log_probs = jnp.asarray([[-1.0, -1, -1], [-2, -1, 0]])
    tokens = SurrogateTokens(
        jnp.asarray([[1.0, -1, 0], [1, 1, 1]]),
        jnp.asarray([[1, 1, 1], [1, 1, 0]]),
        old=log_probs - jnp.log(jnp.asarray([[2.0, 0.5, 1], [1, 1, 1]])),
        reference=log_probs + jnp.log(jnp.asarray([[0.5, 1, 1], [1, 1, 9]])),
        entropies=jnp.asarray([[0.5, 0, 0], [1, 1, 7]]),
    )
    _, found = LOSS(PLAIN, log_probs, tokens)
    expected = {"clip_ratio/low_mean": 1, "clip_ratio/high_mean": 1, "clip_ratio/region_mean": 2, "entropy": 2.5, "count": 5}
    expected |= {"ratio/mean": 5.5, "ratio/completion_min": 3 * 0.5 + 2, "ratio/completion_max": 3 * 2 + 2}
    expected["kl"] = 0.5 + math.log(2) - 1
    for name, value in expected.items():
        assert float(found[name]) == pytest.approx(value, rel=1e-5), name
    _, found = LOSS(SurrogateConfig(aggregate="sequence"), log_probs, tokens)
    assert float(found["entropy"]) == pytest.approx(0.5 / 3 + 1)
    assert found["count"] == 2
    assert float(found["ratio/completion_max"]) == pytest.approx(3)


def test_far_log_ratios_stay_finite() -> None:
    tokens = SurrogateTokens(
        _row(-1, 1, 0), _row(1, 1, 1), old=_row(-200, 0, -200), sampled=_row(0, -200, 0), reference=_row(-200, 0, -200)
    )
    config = SurrogateConfig(importance="sequence_truncate", beta=0.1)
    total, metrics = LOSS(config, _row(0, -200, 0), tokens)
    assert jnp.isfinite(total)
    assert all(jnp.isfinite(value) for value in metrics.values())
    assert jnp.isfinite(GRADIENT(config, _row(0, -200, 0), tokens)[0]).all()


def test_the_highest_entropies() -> None:
    entropies = np.arange(12.0).reshape(2, 6)
    mask = np.ones((2, 6))
    mask[1, 5] = 0
    assert high_entropy(entropies, mask, 0.2).nonzero()[1].tolist() == [2, 3, 4]  # 8, 9 and 10 of 0 to 10
    assert high_entropy(entropies, mask, 1.0).sum() == 11
    assert high_entropy(np.ones((2, 6)), mask, 0.1).sum() == 11
    assert not high_entropy(entropies, 0 * mask, 0.5).any()


def test_only_chosen_tokens_have_a_surrogate_and_all_count() -> None:
    tokens = SurrogateTokens(_row(1, 1), _row(1, 1), reference=_row(-1, -2), chosen=jnp.asarray([[True, False]]))
    gradient, metrics = GRADIENT(SurrogateConfig(beta=0.5, kl="k2"), _row(-1, -1), tokens)
    np.testing.assert_allclose(gradient, [[-1, 0.5]])
    assert metrics["count"] == 2


@pytest.mark.parametrize(
    "change",
    [
        {"surrogate": "ppo"},
        {"ratio_level": "batch"},
        {"aggregate": "mean"},
        {"kl": "k1"},
        {"importance": "truncate"},
        {"clip_low": 0},
        {"clip_high": float("nan")},
        {"beta": -0.1},
        {"dual_clip": 1.1},
        {"truncate_ratio": 0},
        {"entropy_share": 0},
        {"entropy_share": 1.5},
        {"max_length": 0},
    ],
)
def test_settings_that_are_refused(change: dict) -> None:
    with pytest.raises(ValueError, match=f"grpo.{next(iter(change))} = "):
        SurrogateConfig(**change)


def test_what_is_missing_is_told() -> None:
    with pytest.raises(ValueError, match="grpo.max_length = None: expected a number of tokens with grpo.aggregate"):
        SurrogateConfig(aggregate="constant")
    tokens = SurrogateTokens(_row(1), _row(1))
    with pytest.raises(ValueError, match="grpo.beta = 0.1: expected log-probabilities under the reference"):
        surrogate_loss(SurrogateConfig(beta=0.1), _row(-1), tokens)
    with pytest.raises(ValueError, match="grpo.importance = 'token_mask': expected log-probabilities of the sampler"):
        surrogate_loss(SurrogateConfig(importance="token_mask"), _row(-1), tokens)
    assert not SurrogateConfig(beta=0.1, kl="k1_reward").needs_reference
    surrogate_loss(SurrogateConfig(beta=0.1, kl="k1_reward"), _row(-1), tokens)
