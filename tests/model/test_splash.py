"""The TPU's attention, its kernels interpreted, against XLA's: rows of packed segments and of branches, both ways."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jorney import sharding
from jorney.model.attention import forked_attention
from jorney.model.blockwise import blockwise_attention
from jorney.model.splash import BranchMask, splash_attention

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
    ("P", "L", "C", "left", "right", "window"),
    [
        (128, 64, 2, 0, 0, None),
        (100, 50, 2, 13, 20, None),  # no multiple of the kernel's lanes; padding before the prompt, and after a branch
        (256, 128, 2, 30, 1, 40),
        (90, 100, 1, 5, 3, None),
        (64, 48, 5, 7, 9, None),  # branches that begin and end within blocks
        (130, 37, 4, 0, 5, 45),  # a window over the prompt's end; a prompt longer than several branches
    ],
)
def test_branches_equal_xla(P: int, L: int, C: int, left: int, right: int, window: int | None) -> None:
    """One call in which the branches do not see each other, against two."""
    T = P + C * L
    *tensors, _, _, weights = inputs(2, T, T, [T])
    segments = np.ones((2, T), np.int32)
    segments[0, :left] = 0
    segments[1, P + L - right : P + L] = 0

    def ours(q: jax.Array, k: jax.Array, v: jax.Array, rows: Any, _: Any, window: int | None) -> jax.Array:
        return splash_attention(q, k, v, rows, rows, window, branches=C, length=L, interpret=True)

    def theirs(q: jax.Array, k: jax.Array, v: jax.Array, rows: Any, _: Any, window: int | None) -> jax.Array:
        return forked_attention(q, k, v, rows, L, C, window)

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


@given(st.integers(1, 300), st.integers(1, 130), st.integers(1, 9), st.integers(0, 40), st.none() | st.integers(1, 300))
def test_what_a_mask_of_branches_sees(P: int, L: int, C: int, more: int, window: int | None) -> None:
    """Place by place, as a loop would say it."""
    T = P + C * L + more
    found = BranchMask((T, T), P, L, window)[slice(None), slice(None)]
    branch = np.where(np.arange(T) < P, -1, (np.arange(T) - P) // L)
    position = np.arange(T) - L * np.maximum(branch, 0)
    asks, answers = branch[:, None], branch[None, :]
    seen = ((answers == -1) | (asks == answers)) & (position[:, None] >= position)
    near = True if window is None else position[:, None] - position < window
    np.testing.assert_array_equal(found, seen & near)


def test_far_branches_are_told_apart() -> None:
    """A place's branch is computed in float32."""
    mask = BranchMask((2**21, 2**21), 1001, 997, None)
    places = np.arange(1001, 2**21)
    np.testing.assert_array_equal(mask._branch(places), (places - 1001) // 997)
    one = BranchMask((2**21, 2**21), 1001, 1, None)
    np.testing.assert_array_equal(one._branch(places), places - 1001)


def test_masks_of_other_branches_are_others() -> None:
    same = [BranchMask((256, 256), 64, 32, None) for _ in range(2)]
    assert same[0] == same[1]
    assert hash(same[0]) == hash(same[1])
    assert same[0] != BranchMask((256, 256), 64, 64, None)
