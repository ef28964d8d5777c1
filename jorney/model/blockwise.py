"""Causal attention of whole sequences, a block of queries at a time, with its backward pass written out.

Neither pass ever holds the scores of a whole sequence, and a block reads no keys that lie after it: half the work and a
small part of the memory of masked attention. Source: FlashAttention-2 (arXiv 2307.08691), algorithms 1 and 2, with all keys
of a block at once, which plain XLA does well.

Axis letters: B batch, T queries, S keys, N query heads, K key/value heads, G = N/K, H head dim.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
from jax.ad_checkpoint import checkpoint_name

_BLOCK = 128  # queries; fewer make small products, more read keys in vain
_BLOCKS = 16  # at most: each is a part of the program
_NEVER = -1e30  # finite: a difference of two is no NaN


@functools.partial(jax.custom_vjp, nondiff_argnums=(5, 6))
def blockwise_attention(
    query: jax.Array,
    keys: jax.Array,
    values: jax.Array,
    query_segments: jax.Array,
    key_segments: jax.Array,
    window: int | None = None,
    branched: bool = False,
) -> jax.Array:
    """`attention.causal_attention` on any platform: its arguments, its result.

    Args:
      branched: `attention.branched_attention`: the segments are the queries' places in the row, and where each key's last
        descendant ends.
    """
    return _forward(query, keys, values, query_segments, key_segments, window, branched)[0]


def _blocks(T: int, S: int, window: int | None) -> Iterator[tuple[slice, slice]]:
    """The queries of each block, and the keys that it may read."""
    size = max(_BLOCK, -(-T // _BLOCKS))
    for start in range(0, T, size):
        stop = min(start + size, T)
        first = 0 if window is None else max(0, S - T + start - window + 1)
        yield slice(start, stop), slice(first, S - T + stop)


def within(queries: jax.Array, keys: jax.Array, window: int | None) -> jax.Array:
    """Positions of queries [..., T] and keys [..., S] -> [..., T, S] bool: at or before the query, within its window."""
    distance = queries[..., :, None] - keys[..., None, :]
    return (distance >= 0) if window is None else (distance >= 0) & (distance < window)


def _visible(
    query_segments: jax.Array, key_segments: jax.Array, queries: slice, keys: slice, window: int | None, branched: bool
) -> jax.Array:
    """[B, queries, keys] bool: what a block's queries look at."""
    offset = key_segments.shape[1] - query_segments.shape[1]
    near = within(jnp.arange(queries.start, queries.stop) + offset, jnp.arange(keys.start, keys.stop), window)
    asks, answers = query_segments[:, queries, None], key_segments[:, None, keys]
    return near & ((asks < answers) if branched else (asks == answers))


def _fold(x: jax.Array, rows: slice, K: int) -> jax.Array:
    """Rows of [B, T, N, H] -> [B, K, rows x G, H]: the queries that share a key head are one matrix."""
    B, _, N, H = x.shape
    part = x[:, rows].reshape(B, -1, K, N // K, H)
    return part.transpose(0, 2, 1, 3, 4).reshape(B, K, -1, H)


def _unfold(parts: list[jax.Array], shape: tuple[int, ...], K: int) -> jax.Array:
    """Blocks [B, K, rows x G, H] -> [B, T, N, H]."""
    B, T, N, H = shape
    return jnp.concatenate(parts, axis=2).reshape(B, K, T, N // K, H).transpose(0, 2, 1, 3, 4).reshape(shape)


def _forward(
    query: jax.Array,
    keys: jax.Array,
    values: jax.Array,
    query_segments: jax.Array,
    key_segments: jax.Array,
    window: int | None,
    branched: bool,
) -> tuple[jax.Array, Any]:
    B, T, N, H = query.shape
    S, K = keys.shape[1:3]
    by_head, values_by_head = keys.swapaxes(1, 2), values.swapaxes(1, 2)
    outputs, normalizers = [], []
    for rows, seen in _blocks(T, S, window):
        q = _fold(query, rows, K)
        scores = jnp.einsum("bkqh,bksh->bkqs", q, by_head[:, :, seen], preferred_element_type=jnp.float32)
        scores = (scores * H**-0.5).reshape(B, K, -1, N // K, scores.shape[-1])
        mask = _visible(query_segments, key_segments, rows, seen, window, branched)[:, None, :, None]
        scores = jnp.where(mask, scores, _NEVER).reshape(B, K, q.shape[2], -1)
        highest = jnp.max(scores, axis=-1, keepdims=True)
        weights = jnp.exp(scores - highest)
        total = jnp.sum(weights, axis=-1, keepdims=True)
        read = jnp.einsum(
            "bkqs,bksh->bkqh", weights.astype(query.dtype), values_by_head[:, :, seen], preferred_element_type=jnp.float32
        )
        outputs.append((read / total).astype(query.dtype))
        normalizers.append((highest + jnp.log(total))[..., 0])
    output = checkpoint_name(_unfold(outputs, query.shape, K), "attended")
    normalizer = checkpoint_name(jnp.concatenate(normalizers, axis=2), "attended")
    return output, (query, keys, values, query_segments, key_segments, output, normalizer)


def _backward(window: int | None, branched: bool, saved: Any, gradient: jax.Array) -> tuple[jax.Array | None, ...]:
    query, keys, values, query_segments, key_segments, output, normalizer = saved
    B, T, N, H = query.shape
    S, K = keys.shape[1:3]
    G, dtype = N // K, query.dtype
    by_head, values_by_head = keys.swapaxes(1, 2), values.swapaxes(1, 2)
    # Row sums of the softmax's gradient, [B, K, T x G] as the normalizer.
    sums = jnp.sum(gradient.astype(jnp.float32) * output.astype(jnp.float32), axis=-1)
    sums = sums.reshape(B, T, K, G).transpose(0, 2, 1, 3).reshape(B, K, -1)
    dkeys, dvalues = (jnp.zeros((B, K, S, H), jnp.float32) for _ in range(2))
    dqueries = []
    for rows, seen in _blocks(T, S, window):
        q, g = _fold(query, rows, K), _fold(gradient, rows, K)
        folded = slice(rows.start * G, rows.stop * G)
        # Keys come first in all of these, so that the sums over queries below need no transposition.
        scores = jnp.einsum("bksh,bkqh->bksq", by_head[:, :, seen], q, preferred_element_type=jnp.float32) * H**-0.5
        mask = _visible(query_segments, key_segments, rows, seen, window, branched).swapaxes(1, 2)[:, None, :, :, None]
        weights = jnp.exp(scores - normalizer[:, :, None, folded]).reshape(B, K, scores.shape[2], -1, G)
        weights = jnp.where(mask, weights, 0).reshape(scores.shape)
        dweights = jnp.einsum("bksh,bkqh->bksq", values_by_head[:, :, seen], g, preferred_element_type=jnp.float32)
        dscores = (weights * (dweights - sums[:, :, None, folded])).astype(dtype)
        sum_queries = functools.partial(jnp.einsum, "bksq,bkqh->bksh", preferred_element_type=jnp.float32)
        dvalues = dvalues.at[:, :, seen].add(sum_queries(weights.astype(dtype), g))
        dkeys = dkeys.at[:, :, seen].add(sum_queries(dscores, q))
        dq = jnp.einsum("bksq,bksh->bkqh", dscores, by_head[:, :, seen], preferred_element_type=jnp.float32)
        dqueries.append((dq * H**-0.5).astype(dtype))
    dkeys = (dkeys * H**-0.5).swapaxes(1, 2).astype(keys.dtype)
    return _unfold(dqueries, query.shape, K), dkeys, dvalues.swapaxes(1, 2).astype(values.dtype), None, None


blockwise_attention.defvjp(_forward, _backward)
