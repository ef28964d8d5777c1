"""Choosing the next token: temperature, top-k, top-p and min-p by a threshold, never by sorting the vocabulary."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

from jorney.sharding import constrain, platform

# Halvings until one positive float32 is left: in the order of their bits they are whole numbers below 2^31.
_HALVINGS = 31
# The vocabulary in blocks: their highest weights and their sums say which few of them are worth a closer look.
_BLOCK = 64
_CLOSER = 128  # blocks among which the cuts nearly always fall


class SamplingParams(NamedTuple):
    """Settings of the sampling distribution, traced so that changing one compiles nothing.

    Attributes:
      temperature: [] float32; 0 is greedy.
      top_k: [] int32; keep the k likeliest tokens; 0 keeps all.
      top_p: [] float32; of those, keep the smallest set whose probability is at least this.
      min_p: [] float32; of those, keep tokens at least this share as likely as the likeliest.
    """

    temperature: jax.Array
    top_k: jax.Array
    top_p: jax.Array
    min_p: jax.Array

    @classmethod
    def of(cls, temperature: float, top_p: float = 1.0, top_k: int = 0, min_p: float = 0.0) -> SamplingParams:
        """Those of plain numbers."""
        return cls(jnp.float32(temperature), jnp.int32(top_k), jnp.float32(top_p), jnp.float32(min_p))


class Sampled(NamedTuple):
    """A token a row, and how likely it was.

    Attributes:
      token: [R] int32.
      log_prob: [R] float32, under the model's own distribution (temperature 1, nothing cut).
      sampling_log_prob: [R] float32, under the distribution that was sampled from (0 when greedy).
    """

    token: jax.Array
    log_prob: jax.Array
    sampling_log_prob: jax.Array


def _largest(weights: jax.Array, enough: Callable[[jax.Array], jax.Array]) -> jax.Array:
    """[R], the largest threshold with which the tokens of weights [R, C] that reach it are still enough."""

    def halve(_: int, bounds: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        low, high = bounds
        middle = low + (high - low) // 2
        ok = enough(weights >= of_bits(middle)[:, None])
        return jnp.where(ok, middle, low), jnp.where(ok, high, middle)

    of_bits = functools.partial(jax.lax.bitcast_convert_type, new_dtype=jnp.float32)
    low, high = jnp.zeros(len(weights), jnp.int32), jax.lax.bitcast_convert_type(jnp.max(weights, axis=-1), jnp.int32) + 1
    return of_bits(jax.lax.fori_loop(0, _HALVINGS, halve, (low, high))[0])


def _cut(weights: jax.Array, whole: jax.Array, sampling: SamplingParams) -> jax.Array:
    """[R], the weight from which on tokens may be sampled: top-k first, top-p of what that leaves, then min-p.

    Args:
      weights: [R, C], of all tokens or of the heaviest.
      whole: [R], the sum of all tokens' weights.
    """

    def top_k(weights: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
        least = _largest(weights, lambda kept: jnp.sum(kept, axis=-1) >= sampling.top_k)
        left = jnp.where(weights >= least[:, None], weights, 0.0)
        return least, left, jnp.sum(left, axis=-1)

    def top_p(weights: jax.Array) -> jax.Array:
        return _largest(weights, lambda kept: jnp.sum(weights * kept, axis=-1) >= sampling.top_p * whole)

    none = jnp.zeros_like(whole)
    least, weights, whole = jax.lax.cond(sampling.top_k > 0, top_k, lambda weights: (none, weights, whole), weights)
    nucleus = jax.lax.cond(sampling.top_p < 1, top_p, lambda _: none, weights)
    return jnp.maximum(jnp.maximum(least, nucleus), sampling.min_p * jnp.max(weights, axis=-1))


def _blocks(values: jax.Array, fill: float) -> jax.Array:
    """[R, V] -> [R, blocks, _BLOCK]."""
    padded = jnp.pad(values, ((0, 0), (0, -values.shape[1] % _BLOCK)), constant_values=fill)
    return padded.reshape(len(values), -1, _BLOCK)


def threshold(weights: jax.Array, sampling: SamplingParams) -> jax.Array:
    """The weight from which on tokens may be sampled (top-k, top-p and min-p, as transformers and vLLM have them).

    Args:
      weights: [R, V] float32, in proportion to the probabilities at the sampling temperature.

    Returns:
      [R] float32; equally likely tokens at the edge are all kept.
    """
    blocks = _blocks(weights, 0.0)
    whole = jnp.sum(jnp.sum(blocks, axis=-1), axis=-1)
    # A TPU has all weights at hand, and devices would have to agree whether any of them needs more than the closer look.
    if blocks.shape[1] <= _CLOSER + 1 or platform() == "tpu":
        return _cut(weights, whole, sampling)
    heights = jnp.max(blocks, axis=-1)
    # What sorting would find, in less time: the blocks that are higher than so many others.
    least = _largest(heights, lambda kept: jnp.sum(kept, axis=-1) > _CLOSER)
    chosen = heights > least[:, None]
    places = jnp.where(chosen, jnp.cumsum(chosen, axis=-1) - 1, _CLOSER)
    rows = jnp.arange(len(weights))[:, None]
    index = jnp.full((len(weights), _CLOSER), blocks.shape[1]).at[rows, places].set(jnp.arange(blocks.shape[1]), mode="drop")
    closer = jnp.take_along_axis(blocks, index[..., None], axis=1, mode="fill", fill_value=0).reshape(len(weights), -1)
    found = _cut(closer, whole, sampling)
    sure = found > least  # nothing that is left out reaches it
    return jax.lax.cond(jnp.all(sure), lambda: found, lambda: jnp.where(sure, found, _cut(weights, whole, sampling)))


class Distribution(NamedTuple):
    """What tokens are drawn from.

    Attributes:
      logits: [R, V] float32, the model's own.
      total: [R] float32, their log-sum-exp.
      weights: [R, blocks, _BLOCK] float32, in proportion to the probabilities at the sampling temperature, 0 where nothing may
        be sampled; when greedy the logits.
    """

    logits: jax.Array
    total: jax.Array
    weights: jax.Array


def restrict(logits: jax.Array, sampling: SamplingParams) -> Distribution:
    """Logits [R, V] float32 and what top-k, top-p and min-p leave of them; when greedy all of them, for nothing is drawn."""

    def weights(logits: jax.Array, highest: jax.Array) -> jax.Array:
        found = jnp.exp((logits - highest) / sampling.temperature)
        return _blocks(jnp.where(found >= threshold(found, sampling)[:, None], found, 0.0), 0.0)

    def plain(logits: jax.Array, _: jax.Array) -> jax.Array:
        return _blocks(logits, -jnp.inf)

    # Where devices split the vocabulary, rows change places once, and not a sum of theirs with every halving.
    logits = constrain(constrain(logits, "batch", "vocab"), "sampled", None)
    highest = jnp.max(logits, axis=-1, keepdims=True)
    total = jnp.log(jnp.sum(jnp.exp(logits - highest), axis=-1)) + highest[:, 0]
    return Distribution(logits, total, jax.lax.cond(sampling.temperature > 0, weights, plain, logits, highest))


def draw(distribution: Distribution, keys: jax.Array, sampling: SamplingParams) -> Sampled:
    """One token a row: with which a random share of all weight is reached; the likeliest when greedy.

    One random number decides: noise for every token of the vocabulary would take longer than all else here.

    Args:
      keys: [R] random keys, one a row, used up here.
    """
    logits, total, weights = distribution

    def reached(weights: jax.Array) -> tuple[jax.Array, jax.Array]:
        share = jax.vmap(lambda key: jax.random.uniform(key, (), jnp.float32))(keys)
        sums = jnp.cumsum(jnp.sum(weights, axis=-1), axis=-1)
        whole = sums[:, -1]
        block = _first_above(sums, share * whole)
        before = jnp.where(block > 0, _at(sums, block - 1), 0.0)
        inside = jnp.cumsum(_at(weights, block), axis=-1)
        within = _first_above(inside, share * whole - before)
        return block * _BLOCK + within, jnp.log(_at(_at(weights, block), within) / whole)

    def likeliest(logits: jax.Array) -> tuple[jax.Array, jax.Array]:
        block = jnp.argmax(jnp.max(logits, axis=-1), axis=-1)
        token = block * _BLOCK + jnp.argmax(_at(logits, block), axis=-1)
        return token.astype(jnp.int32), jnp.zeros_like(total)

    token, log_prob = jax.lax.cond(sampling.temperature > 0, reached, likeliest, weights)
    # As one array, which devices hand each other at once; behind a barrier, or they do so wherever a part of it is used.
    bits = functools.partial(jax.lax.bitcast_convert_type, new_dtype=jnp.int32)
    found = constrain(jnp.stack([token, bits(_at(logits, token) - total), bits(log_prob)]), None, "batch")
    found = constrain(jax.lax.optimization_barrier(found), None, "batch")
    return Sampled(found[0], *jax.lax.bitcast_convert_type(found[1:], jnp.float32))


def _at(values: jax.Array, index: jax.Array) -> jax.Array:
    """values [R, C, ...], index [R] -> [R, ...]."""
    return jnp.take_along_axis(values, index.reshape(-1, *[1] * (values.ndim - 1)), axis=1)[:, 0]


def _first_above(sums: jax.Array, share: jax.Array) -> jax.Array:
    """Where rising sums [R, C] first exceed a share [R] of their last; rounding leads to no place where nothing is added."""
    last = sums[:, -1]
    bound = jnp.minimum(share, jnp.nextafter(last, jnp.zeros_like(last)))
    return jnp.sum(sums <= bound[:, None], axis=-1, dtype=jnp.int32)


def sample(logits: jax.Array, keys: jax.Array, sampling: SamplingParams) -> Sampled:
    """One token a row, of logits [R, V] float32, with keys [R]."""
    return draw(restrict(logits, sampling), keys, sampling)
