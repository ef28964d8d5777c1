"""Rotary embedding; attention of whole sequences, and over segments of cached keys and values."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jorney.model.architecture import ModelConfig, RopeScaling
from jorney.model.blockwise import blockwise_attention
from jorney.sharding import platform


class Segment(NamedTuple):
    """Keys and values that queries may attend to.

    The leading axis P divides the queries' batch B: B/P consecutive rows share one segment (siblings share their
    prompt), and read it in one matrix product.

    Attributes:
      keys, values: [P, K, S, H]; heads come before positions, the order in which the products read them: any other would
        be copied into it at every token.
      mask: [B or 1, T, S] bool, True where a query may look.
      turned: the keys are [P, K, H, S], which CPUs read faster.
    """

    keys: jax.Array
    values: jax.Array
    mask: jax.Array
    turned: bool = False


def frequencies(config: ModelConfig) -> np.ndarray:
    """[H/2] float32: the angle by which one position turns each pair, scaled as the model was trained."""
    half = config.head_dim // 2
    plain = config.rope_theta ** (-np.arange(half) / half)
    scaling = config.rope_scaling
    if scaling is None or scaling.kind == "dynamic":  # which changes none within the model's positions
        return plain.astype(np.float32)
    slowed = plain / scaling.factor
    if scaling.kind == "linear":
        return slowed.astype(np.float32)
    # How many turns a pair makes over the original context decides: many, it stays; few, it is slowed; between, both.
    if scaling.kind == "yarn":
        keep = 1 - _yarn_ramp(config, scaling)
    else:
        turns = scaling.original_positions * plain / (2 * np.pi)
        keep = np.clip((turns - scaling.low_frequency) / (scaling.high_frequency - scaling.low_frequency), 0, 1)
    return (keep * plain + (1 - keep) * slowed).astype(np.float32)


def _yarn_ramp(config: ModelConfig, scaling: RopeScaling) -> np.ndarray:
    """[H/2] how much of each pair is slowed, 0 to 1: linear along the pairs, where llama3's is linear in the turns.

    The ends are transformers' (`_compute_yarn_parameters`), which bounds them by the head's size and not by its half.
    """
    spread = 2 * math.log(config.rope_theta) / config.head_dim
    # The pairs, real numbers, that make so many turns.
    first, last = (
        math.log(scaling.original_positions / (2 * math.pi * turns)) / spread
        for turns in (scaling.high_frequency, scaling.low_frequency)
    )
    if scaling.truncate:
        first, last = math.floor(first), math.ceil(last)
    first, last = max(first, 0), min(last, config.head_dim - 1)
    return np.clip((np.arange(config.head_dim // 2) - first) / (last - first or 0.001), 0, 1)


# Sines and cosines [B, T, 1, H/2], float32, by which the tokens' queries and keys are turned.
Turns = tuple[jax.Array, jax.Array]


def turns(config: ModelConfig, positions: jax.Array) -> Turns:
    """positions [B, T] int, tokens from the start of the sequence -> how far each token is turned, in all layers."""
    angles = positions[:, :, None, None].astype(jnp.float32) * frequencies(config)
    sin, cos = jnp.sin(angles), jnp.cos(angles)
    magnitude = config.rope_scaling.magnitude if config.rope_scaling else 1.0
    return (sin, cos) if magnitude == 1 else (sin * magnitude, cos * magnitude)


def rotate(x: jax.Array, turned: Turns) -> jax.Array:
    """Rotary position embedding of x [B, T, N, H] in Hugging Face's layout: the two halves of a head form the pairs."""
    sin, cos = turned
    first, second = jnp.split(x.astype(jnp.float32), 2, axis=-1)
    return jnp.concatenate([first * cos - second * sin, second * cos + first * sin], axis=-1).astype(x.dtype)


def causal_attention(
    query: jax.Array,
    keys: jax.Array,
    values: jax.Array,
    query_segments: jax.Array,
    key_segments: jax.Array,
    window: int | None = None,
) -> jax.Array:
    """Softmax attention of the last T of S positions: each to itself and to earlier ones of its own segment.

    On TPUs by JAX's Pallas kernel, elsewhere by XLA. The mesh's platform decides, and not this process's own: so a program that
    is compiled ahead of time is the one that will run.

    Args:
      query: [B, T, N, H].
      keys, values: [B, S, K, H], S at least T; the queries are those of the last T positions.
      query_segments, key_segments: [B, T] and [B, S] int32. Padding is a segment as any other.
      window: positions that a query sees, itself the last of them; None for all. A segment's tokens must stand side by
        side, so that their distance in the row is their distance in the text.

    Returns:
      [B, T, N, H] of the query's dtype; scores and softmax are float32.
    """
    if platform() == "tpu":
        from jorney.model.splash import splash_attention  # its import is slow, and of use on TPUs alone

        return splash_attention(query, keys, values, query_segments, key_segments, window)
    return blockwise_attention(query, keys, values, query_segments, key_segments, window)


def forked_attention(
    query: jax.Array,
    keys: jax.Array,
    values: jax.Array,
    segments: jax.Array,
    length: int,
    branches: int = 2,
    window: int | None = None,
) -> jax.Array:
    """`causal_attention` of rows of a prompt, and C branches of `length` L that go on from it and do not see each other.

    Args:
      query: [B, P + C*L, N, H].
      keys, values: [B, P + C*L, K, H].
      segments: [B, P + C*L] int32, one for all that is real, another for padding.
      branches: C, 1 or more.
      window: as there; in a branch distances are those in its text.

    Returns:
      [B, P + C*L, N, H].
    """
    if platform() == "tpu":
        from jorney.model.splash import splash_attention

        return splash_attention(query, keys, values, segments, segments, window, branches=branches, length=length)
    B, P = query.shape[0], query.shape[1] - branches * length

    def apart(x: jax.Array) -> jax.Array:
        """[B, P + C*L, ...] -> [C*B, L, ...]."""
        return x[:, P:].reshape(branches * B, length, *x.shape[2:])

    def with_prompt(x: jax.Array) -> jax.Array:
        """[B, P + C*L, ...] -> [C*B, P + L, ...]: each branch after its prompt."""
        return jnp.concatenate([jnp.repeat(x[:, :P], branches, axis=0), apart(x)], axis=1)

    # Two calls: the prompt on itself, and the branches [C*B, L] on keys [C*B, P + L].
    first = blockwise_attention(*(x[:, :P] for x in (query, keys, values, segments, segments)), window)
    rest = blockwise_attention(
        apart(query), with_prompt(keys), with_prompt(values), apart(segments), with_prompt(segments), window
    )
    return jnp.concatenate([first, rest.reshape(B, branches * length, *query.shape[2:])], axis=1)


def branched_attention(query: jax.Array, keys: jax.Array, values: jax.Array, ends: jax.Array) -> jax.Array:
    """Attention of rows that hold trees of tokens in depth-first order: each token looks at itself and at its ancestors.

    By XLA on every platform: the Pallas kernel masks by segments alone, and a token's ancestors are none.

    Args:
      query: [B, T, N, H].
      keys, values: [B, T, K, H].
      ends: [B, T] int32, where in the row the last descendant of each token ends: one behind it. 0 for padding, which nothing
        looks at.
    """
    places = jnp.broadcast_to(jnp.arange(query.shape[1]), ends.shape)
    return blockwise_attention(query, keys, values, places, ends, None, True)


# Up to so many queries of one matrix, keys are the left side of the product on CPUs: they then read them as they lie, and what
# is to be turned round is small. SmolLM2-135M's scores of 32 problems: 19 ms a step where the other way takes 28. Decoding that
# is compiled for a TPU would move 2% more bytes with it, in as much memory.
_FEW = 64


# What was read elsewhere: softmax attention [B, T, K, G, H] float32, and the logarithm [B, T, K, G] of the sum of the scores'
# exponentials.
Read = tuple[jax.Array, jax.Array]


def attend(query: jax.Array, segments: Sequence[Segment], others: Sequence[Read] = ()) -> jax.Array:
    """Softmax attention of the queries over all segments together, and over what was read by others.

    Scores stay as their product leaves them: each segment is weighed by itself, and only what was read is joined.

    Args:
      query: [B, T, N, H].
      segments: at least one; every query must be allowed one key somewhere, or its output is the mean of the values.

    Returns:
      [B, T, N, H] of the query's dtype; scores, softmax and sums are float32.
    """
    B, T, N, H = query.shape
    K = segments[0].values.shape[1]
    G = N // K
    grouped = query.reshape(B, T, K, G, H)

    def folded(x: jax.Array, P: int) -> jax.Array:
        """[B, T, K, G, ...] -> [P, K, B/P, T, G, ...]: the queries of the rows that share a segment stand side by side."""
        return jnp.moveaxis(x.reshape(P, B // P, *x.shape[1:]), 3, 1)

    def unfolded(x: jax.Array) -> jax.Array:
        return jnp.moveaxis(x, 1, 3).reshape(B, T, K, G, *x.shape[5:])

    scores = [_scores(folded(grouped, len(one.values)), one) for one in segments]
    highest = [jnp.max(own, axis=-1) for own in scores]
    tops = [*map(unfolded, highest), *(sums for _, sums in others)]
    most = functools.reduce(jnp.maximum, tops) if len(tops) > 1 else None
    read, total = jnp.zeros((), jnp.float32), jnp.zeros((), jnp.float32)
    for found, sums in others:
        weight = jnp.exp(sums - functools.reduce(jnp.maximum, tops))
        read += found * weight[..., None]
        total += weight
    for own, top, (_, values, _, _) in zip(scores, highest, segments, strict=True):
        P, _, S, _ = values.shape
        weights = jnp.exp(own - (top if most is None else folded(most, P))[..., None])
        flat = weights.astype(query.dtype).reshape(P, K, -1, S)
        found = jnp.einsum("pkqs,pksh->pkqh", flat, values, preferred_element_type=jnp.float32)
        read += unfolded(found.reshape(P, K, B // P, T, G, H))
        total += unfolded(jnp.sum(weights, axis=-1))
    return (read / total[..., None]).astype(query.dtype).reshape(B, T, N, H)


def _scores(queries: jax.Array, segment: Segment) -> jax.Array:
    """Queries [P, K, B/P, T, G, H] -> [P, K, B/P, T, G, S] float32, the lowest number where nothing may be looked at."""
    keys, values, mask, turned = segment
    P, K, rows, T, G, H = queries.shape
    S = values.shape[2]
    flat = queries.reshape(P, K, -1, H)
    if turned:
        products = jnp.einsum("pkqh,pkhs->pkqs", flat, keys, preferred_element_type=jnp.float32)
    elif platform() not in ("tpu", "gpu") and flat.shape[2] <= _FEW:
        products = jnp.einsum("pksh,pkqh->pksq", keys, flat, preferred_element_type=jnp.float32)
        # Behind a barrier, or XLA turns the product round and not its result.
        products = jax.lax.optimization_barrier(products).swapaxes(2, 3)
    else:
        products = jnp.einsum("pkqh,pksh->pkqs", flat, keys, preferred_element_type=jnp.float32)
    seen = jnp.broadcast_to(mask, (P * rows, T, S)).reshape(P, 1, rows, T, 1, S)
    return jnp.where(seen, products.reshape(P, K, rows, T, G, S) * H**-0.5, jnp.finfo(jnp.float32).min)
