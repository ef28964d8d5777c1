"""The TPU's attention, its kernels interpreted, against XLA's: rows of packed segments and of preferences, both ways."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jorney import sharding
from jorney.model.attention import preference_attention
from jorney.model.blockwise import blockwise_attention
from jorney.model.splash import splash_attention

N, K, H = 4, 2, 16


def inputs(B: int, T: int, S: int, lengths: list[int]) -> tuple[Any, ...]:
    """Queries, keys, values, segments of both, and what the result's gradient is multiplied by; padding comes last."""
    rng = np.random.default_rng(0)
    query, weights = (rng.standard_normal((B, T, N, H), np.float32) for _ in range(2))
    keys, values = (rng.standard_normal((B, S, K, H), np.float32) for _ in range(2))
    segments = np.zeros((B, S), np.int32)
    for row in range(B):
        own = np.repeat(np.arange(1, len(lengths) + 1), np.roll(lengths, row))
        segments[row, : len(own)] = own
    return query, keys, values, segments[:, S - T :], segments, weights


def both_ways(attention: Any, window: int | None, given: tuple[Any, ...], **more: Any) -> tuple[Any, ...]:
    """The output, and the gradients by queries, keys and values."""
    *tensors, query_segments, key_segments, weights = given

    def value(q: jax.Array, k: jax.Array, v: jax.Array) -> tuple[jax.Array, jax.Array]:
        found = attention(q, k, v, query_segments, key_segments, window, **more)
        return jnp.sum(found * weights), found

    gradients, found = jax.jit(jax.grad(value, argnums=(0, 1, 2), has_aux=True))(*tensors)
    return found, *gradients


@pytest.mark.parametrize(
    ("B", "T", "S", "lengths", "window"),
    [
        (2, 256, 256, [100, 37, 90], None),  # packed, with padding
        (1, 200, 200, [200], None),  # no multiple of the kernel's lanes
        (2, 128, 384, [384], None),  # a branch after its prompt
        (1, 100, 290, [280], None),
        (1, 256, 256, [150, 106], 32),
    ],
)
def test_equals_xla(B: int, T: int, S: int, lengths: list[int], window: int | None) -> None:
    given = inputs(B, T, S, lengths)
    expected = both_ways(blockwise_attention, window, given)
    for ours, theirs in zip(both_ways(splash_attention, window, given, interpret=True), expected, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=2e-5)


def test_the_size_of_blocks_changes_nothing() -> None:
    given = inputs(1, 256, 256, [100, 156])
    whole, parts = (both_ways(splash_attention, None, given, block=block, interpret=True) for block in (256, 128))
    for ours, theirs in zip(whole, parts, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=2e-5)


@pytest.mark.parametrize(
    ("P", "L", "left", "right", "window"),
    [
        (128, 64, 0, 0, None),
        (100, 50, 13, 20, None),  # no multiple of the kernel's lanes; padding before the prompt, and after a branch
        (256, 128, 30, 1, 40),
    ],
)
def test_preference_rows_equal_xla(P: int, L: int, left: int, right: int, window: int | None) -> None:
    """One call in which the branches do not see each other, against two."""
    *tensors, _, _, weights = inputs(2, P + 2 * L, P + 2 * L, [P + 2 * L])
    segments = np.ones((2, P + 2 * L), np.int32)
    segments[0, :left] = 0
    segments[1, P + L - right : P + L] = 0

    def ours(q: jax.Array, k: jax.Array, v: jax.Array, rows: Any, _: Any, window: int | None) -> jax.Array:
        return splash_attention(q, k, v, rows, rows, window, branch=L, interpret=True)

    def theirs(q: jax.Array, k: jax.Array, v: jax.Array, rows: Any, _: Any, window: int | None) -> jax.Array:
        return preference_attention(q, k, v, rows, L, window)

    weights = weights * segments[:, :, None, None]  # what padding reads is nobody's
    given = (*tensors, segments, segments, weights)
    for found, expected in zip(both_ways(ours, window, given), both_ways(theirs, window, given), strict=True):
        if found.shape == weights.shape:
            found, expected = (np.where(segments[:, :, None, None] > 0, x, 0) for x in (found, expected))
        np.testing.assert_allclose(found, expected, atol=2e-5)


def test_every_device_reads_its_own_rows_and_heads() -> None:
    given = inputs(4, 128, 128, [70, 40])
    expected = both_ways(blockwise_attention, None, given)
    with jax.set_mesh(sharding.make_mesh(sharding.MeshConfig(data=2, fsdp=2, tensor=2))):
        for ours, theirs in zip(both_ways(splash_attention, None, given, interpret=True), expected, strict=True):
            np.testing.assert_allclose(ours, theirs, atol=2e-5)
        alone = tuple(x[:1] for x in given)
        found = both_ways(splash_attention, None, alone, interpret=True)[0]
    np.testing.assert_allclose(found, expected[0][:1], atol=2e-5)
