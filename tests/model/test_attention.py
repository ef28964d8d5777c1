from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from jorney.model.attention import Segment, attend, causal_mask, rotate


def _plain(query: np.ndarray, keys: np.ndarray, values: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Attention as the textbook has it, in float64 loops over batch and heads."""
    B, T, N, H = query.shape
    out = np.zeros(query.shape)
    for b in range(B):
        for n in range(N):
            k = n * keys.shape[2] // N
            scores = query[b, :, n] @ keys[b, :, k].T / np.sqrt(H)
            scores = np.where(mask[b], scores, -np.inf)
            weights = np.exp(scores - scores.max(-1, keepdims=True))
            out[b, :, n] = weights / weights.sum(-1, keepdims=True) @ values[b, :, k]
    return out


def _random(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def test_one_segment_is_plain_attention() -> None:
    query, keys, values = _random(2, 5, 8, 4), _random(2, 5, 2, 4, seed=1), _random(2, 5, 2, 4, seed=2)
    mask = np.array(causal_mask(jnp.array([[1, 1, 1, 2, 2], [1, 2, 2, 2, 3]])))
    found = attend(query, [Segment(keys, values, mask)])
    np.testing.assert_allclose(found, _plain(query, keys, values, mask), atol=1e-5)


def test_segments_join_under_one_softmax() -> None:
    """Three rows a prompt read the prompt's segment together with their own."""
    query, mask = _random(6, 2, 8, 4), np.random.default_rng(3).random((6, 2, 7)) < 0.7
    mask[..., 0] = True
    prompt_keys, prompt_values = _random(2, 4, 2, 4, seed=1), _random(2, 4, 2, 4, seed=2)
    keys, values = _random(6, 3, 2, 4, seed=4), _random(6, 3, 2, 4, seed=5)
    joined = attend(
        query, [Segment(prompt_keys, prompt_values, mask[..., :4]), Segment(jnp.array(keys), jnp.array(values), mask[..., 4:])]
    )
    dense_keys = np.concatenate([np.repeat(prompt_keys, 3, 0), keys], axis=1)
    dense_values = np.concatenate([np.repeat(prompt_values, 3, 0), values], axis=1)
    np.testing.assert_allclose(joined, _plain(query, dense_keys, dense_values, mask), atol=1e-5)


def test_rotation_depends_on_distance_alone() -> None:
    query, key = _random(1, 1, 1, 8), _random(1, 1, 1, 8, seed=1)
    dot = lambda i, j: float(  # noqa: E731
        jnp.sum(rotate(query, jnp.array([[i]]), 1e4) * rotate(key, jnp.array([[j]]), 1e4))
    )
    assert abs(dot(3, 1) - dot(103, 101)) < 1e-4
    assert abs(dot(3, 1) - dot(3, 2)) > 1e-3


def test_causal_mask_counts() -> None:
    mask = causal_mask(jnp.array([[1, 1, 2, 2, 0]]))
    assert mask.sum(-1).tolist() == [[1, 2, 1, 2, 1]]


def test_bfloat16_keeps_its_dtype() -> None:
    x = jnp.asarray(_random(1, 3, 4, 4), jnp.bfloat16)
    assert attend(x, [Segment(x, x, jnp.ones((1, 3, 3), bool))]).dtype == jnp.bfloat16
    assert rotate(x, jnp.zeros((1, 3), jnp.int32), 1e4).dtype == jnp.bfloat16
    assert jax.eval_shape(lambda: rotate(x, jnp.zeros((1, 3), jnp.int32), 1e4)).shape == (1, 3, 4, 4)
