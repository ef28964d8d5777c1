"""Attention in blocks against attention as the textbook has it: values, gradients, and who sees whom."""

from __future__ import annotations

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from programs import largest

from jorney.model import blockwise
from jorney.model.blockwise import blockwise_attention
from jorney.sharding import MeshConfig, make_mesh, named

NAMES = ("output", "queries'", "keys'", "values'")


def _visible(query_segments, key_segments, window: int | None) -> jax.Array:
    """[B, T, S] bool."""
    T, S = query_segments.shape[1], key_segments.shape[1]
    distance = (jnp.arange(T) + S - T)[:, None] - jnp.arange(S)
    near = (distance >= 0) & (distance < (window or S))
    return near & (query_segments[:, :, None] == key_segments[:, None])


def _plain(query, keys, values, query_segments, key_segments, window: int | None) -> jax.Array:
    groups = query.shape[2] // keys.shape[2]
    keys, values = (jnp.repeat(x, groups, axis=2) for x in (keys, values))
    scores = jnp.einsum("btnh,bsnh->bnts", query, keys) / math.sqrt(query.shape[3])
    scores = jnp.where(_visible(query_segments, key_segments, window)[:, None], scores, -jnp.inf)
    return jnp.einsum("bnts,bsnh->btnh", jax.nn.softmax(scores), values)


def _pulled(attention, window: int | None):
    """Jitted: the output, and the gradients of queries, keys and values for a cotangent."""

    def run(query, keys, values, query_segments, key_segments, cotangent):
        part = lambda *qkv: attention(*qkv, query_segments, key_segments, window)  # noqa: E731
        output, pull = jax.vjp(part, query, keys, values)
        return output, *pull(cotangent)

    return jax.jit(run)


@functools.cache
def _programs(window: int | None, block: int):
    """Ours in blocks of `block` queries, and the oracle."""
    ours = _pulled(blockwise_attention, window)

    def in_blocks(*arguments):
        with pytest.MonkeyPatch.context() as patch:  # while it is traced
            patch.setattr(blockwise, "_BLOCK", block)
            return ours(*arguments)

    return in_blocks, _pulled(_plain, window)


def _draw(B: int, T: int, S: int, N: int, K: int, H: int, seed: int = 0) -> tuple[np.ndarray, ...]:
    """Queries, keys, values and a cotangent."""
    rng = np.random.default_rng(seed)
    shapes = ((B, T, N, H), (B, S, K, H), (B, S, K, H), (B, T, N, H))
    return tuple(rng.normal(size=shape).astype(np.float32) for shape in shapes)


def _segments(B: int, S: int) -> np.ndarray:
    """A row in one segment, one in three with padding after them, one that is padding after two tokens."""
    rows = [[1] * S, [1] * (S // 3) + [2] * (S // 4) + [3] * (S // 3), [1] * 2]
    return np.array([(rows[row % 3] + [0] * S)[:S] for row in range(B)], np.int32)


@pytest.mark.parametrize("block", [128, 5], ids="block {}".format)
@pytest.mark.parametrize("window", [None, 1, 6], ids="window {}".format)
@pytest.mark.parametrize(("T", "S"), [(23, 23), (9, 23), (1, 23)])
def test_output_and_gradients_are_those_of_masked_softmax(T: int, S: int, window: int | None, block: int) -> None:
    """Eight query heads on two key heads; T is several blocks and a rest; T below S: queries are the last positions."""
    query, keys, values, cotangent = _draw(3, T, S, 8, 2, 4)
    segments = _segments(3, S)
    both = (program(query, keys, values, segments[:, S - T :], segments, cotangent) for program in _programs(window, block))
    for name, found, expected in zip(NAMES, *both, strict=True):
        assert found.dtype == jnp.float32
        np.testing.assert_allclose(found, expected, atol=1e-5, rtol=0, err_msg=name)


@pytest.mark.parametrize("block", [1, 2, 11, 12])
def test_any_size_of_blocks(block: int) -> None:
    """Of single queries, of two, of all but one, of all."""
    query, keys, values, cotangent = _draw(3, 12, 14, 4, 2, 4)
    segments = _segments(3, 14)
    both = (program(query, keys, values, segments[:, 2:], segments, cotangent) for program in _programs(4, block))
    for name, found, expected in zip(NAMES, *both, strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-5, rtol=0, err_msg=name)


@pytest.mark.parametrize(("N", "K"), [(1, 1), (4, 4), (6, 3), (4, 1)])
def test_any_grouping_of_heads(N: int, K: int) -> None:
    query, keys, values, cotangent = _draw(2, 12, 12, N, K, 6)
    segments = _segments(2, 12)
    both = (program(query, keys, values, segments, segments, cotangent) for program in _programs(None, 5))
    for name, found, expected in zip(NAMES, *both, strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-5, rtol=0, err_msg=name)


def test_more_positions_than_sixteen_blocks_hold() -> None:
    """Blocks grow, so that a program has sixteen parts at most."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blockwise, "_BLOCK", 2)
        parts = list(blockwise._blocks(50, 60, None))
        windowed = list(blockwise._blocks(50, 60, 7))
    assert len(parts) == 13  # of four queries, not two
    assert [queries.start for queries, _ in parts] == list(range(0, 50, 4))
    assert [keys for _, keys in parts[:2]] == [slice(0, 14), slice(0, 18)]
    assert parts[-1] == (slice(48, 50), slice(0, 60))
    # The first query of a block, at its position in the row, is the one that looks back furthest.
    assert [keys for _, keys in windowed[:2]] == [slice(4, 14), slice(8, 18)]


@st.composite
def _rows(draw) -> np.ndarray:
    """[2, 14] segment ids: segments side by side, padding behind them."""
    rows = []
    for _ in range(2):
        lengths = draw(st.lists(st.integers(1, 9), min_size=1, max_size=6))
        ids = [segment for segment, length in enumerate(lengths, start=1) for _ in range(length)]
        rows.append((ids + [0] * 14)[: draw(st.integers(1, 14))] + [0] * 14)
    return np.array([row[:14] for row in rows], np.int32)


@settings(max_examples=40, deadline=None)
@given(_rows(), st.sampled_from([None, 1, 4]), st.integers(0, 13), st.integers(0, 99))
def test_what_is_out_of_sight_changes_nothing(segments: np.ndarray, window: int | None, position: int, seed: int) -> None:
    """Not a bit of what a query reads, however large; and it gets no gradient from that query."""
    query, keys, values, cotangent = _draw(2, 14, 14, 4, 2, 4, seed)
    program, _ = _programs(window, 4)
    only = cotangent * (np.arange(14) == position)[None, :, None, None]
    output, _, dkeys, dvalues = program(query, keys, values, segments, segments, only)
    hidden = ~np.asarray(_visible(segments, segments, window))[:, position]
    for gradient in (dkeys, dvalues):
        assert not np.asarray(gradient)[hidden].any()
    assert np.asarray(dvalues)[~hidden].any()
    loud, other = keys.copy(), values.copy()
    loud[hidden], other[hidden] = 1e3, -1e3
    np.testing.assert_array_equal(program(query, loud, other, segments, segments, only)[0][:, position], output[:, position])


@settings(max_examples=40, deadline=None)
@given(_rows(), st.sampled_from([None, 1, 4]))
def test_who_sees_whom(segments: np.ndarray, window: int | None) -> None:
    """Queries of zeros weigh all that they see alike, and values that each name their position tell what it was."""
    names = np.broadcast_to(np.eye(14, dtype=np.float32)[None, :, None], (2, 14, 1, 14))
    zeros = np.zeros_like(names)
    program, _ = _programs(window, 4)
    seen = np.asarray(program(zeros, zeros, names, segments, segments, zeros)[0])[:, :, 0]
    visible = np.asarray(_visible(segments, segments, window))
    np.testing.assert_allclose(seen, visible / visible.sum(-1, keepdims=True), atol=1e-6)


def test_counts_of_what_is_seen() -> None:
    """By hand: a segment of two, one of three, padding; then a window of two."""
    segments = jnp.array([[1, 1, 2, 2, 2, 0]])
    names = jnp.eye(6)[None, :, None]
    for window, expected in ((None, [1, 2, 1, 2, 3, 1]), (2, [1, 2, 1, 2, 2, 1])):
        seen = blockwise_attention(jnp.zeros((1, 6, 1, 6)), jnp.zeros((1, 6, 1, 6)), names, segments, segments, window)[0, :, 0]
        assert (seen > 0).sum(-1).tolist() == expected
    assert (seen[4] > 0).tolist() == [False, False, False, True, True, False]


def test_a_row_of_padding_is_finite() -> None:
    """With values and scores as large as they get, too."""
    query, keys, values, cotangent = (100 * x for x in _draw(2, 11, 15, 4, 2, 4))
    segments = np.zeros((2, 15), np.int32)
    segments[1] = 1
    for name, found in zip(
        NAMES, _programs(None, 4)[0](query, keys, values, segments[:, 4:], segments, cotangent), strict=True
    ):
        assert np.isfinite(found).all(), name


def test_bfloat16_keeps_its_dtype_and_is_close() -> None:
    arrays, segments = _draw(3, 23, 23, 8, 2, 4), _segments(3, 23)
    query, keys, values, cotangent = (jnp.asarray(x, jnp.bfloat16) for x in arrays)
    rough = _programs(6, 8)[0](query, keys, values, segments, segments, cotangent)
    query, keys, values, cotangent = (x.astype(jnp.float32) for x in (query, keys, values, cotangent))
    exact = _programs(6, 8)[1](query, keys, values, segments, segments, cotangent)
    for name, found, expected in zip(NAMES, rough, exact, strict=True):
        assert found.dtype == jnp.bfloat16, name
        spread = float(jnp.std(expected))
        assert float(jnp.abs(found.astype(jnp.float32) - expected).mean()) < 0.01 * spread, name
        assert float(jnp.abs(found.astype(jnp.float32) - expected).max()) < 0.1 * spread, name


def test_eight_devices_read_what_one_does() -> None:
    mesh = make_mesh(MeshConfig(data=2, fsdp=2, tensor=2))
    query, keys, values, cotangent = _draw(4, 23, 23, 8, 2, 4)
    segments = _segments(4, 23)
    program, _ = _programs(6, 8)
    expected = program(query, keys, values, segments, segments, cotangent)
    heads = [named(mesh, "batch", "length", axis, "head_dim") for axis in ("heads", "kv_heads", "kv_heads", "heads")]
    query, keys, values, cotangent = jax.device_put((query, keys, values, cotangent), tuple(heads))
    segments = jax.device_put(segments, named(mesh, "batch", "length"))
    with jax.set_mesh(mesh):
        spread = program(query, keys, values, segments, segments, cotangent)
    for name, found, one in zip(NAMES, spread, expected, strict=True):
        np.testing.assert_allclose(found, one, atol=1e-5, rtol=0, err_msg=name)
        assert found.addressable_shards[0].data.shape == (1, 23, found.shape[2] // 2, 4), name


def test_the_scores_of_a_row_are_never_held() -> None:
    """128 positions in blocks of 8: a sixteenth of the scores at most, forward and backward."""
    query, keys, values, cotangent = _draw(2, 128, 128, 4, 2, 8)
    ones = np.ones((2, 128), np.int32)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blockwise, "_BLOCK", 8)
        ours = largest(_pulled(blockwise_attention, None), query, keys, values, ones, ones, cotangent)
    assert largest(_pulled(_plain, None), query, keys, values, ones, ones, cotangent) == 2 * 4 * 128 * 128
    assert ours == 2 * 4 * 8 * 128 == keys.size * 2
