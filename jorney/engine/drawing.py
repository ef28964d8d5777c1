"""Choosing the next token: temperature, top-k, top-p and min-p by a threshold, never by sorting the vocabulary."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

# Halvings of [0, 1] until a float32 threshold no longer moves.
_HALVINGS = 32


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


def _likeliest(probs: jax.Array, enough: Callable[[jax.Array], jax.Array]) -> jax.Array:
    """[R, V] bool: `probs >= t` for the largest threshold t (to float precision) with which this set is still enough."""

    def halve(_: int, bounds: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        low, high = bounds
        middle = (low + high) / 2
        ok = enough(probs >= middle[:, None])
        return jnp.where(ok, middle, low), jnp.where(ok, high, middle)

    low = jnp.zeros(probs.shape[0], probs.dtype)
    threshold, _ = jax.lax.fori_loop(0, _HALVINGS, halve, (low, jnp.max(probs, axis=-1)))
    return probs >= threshold[:, None]


def keep(probs: jax.Array, sampling: SamplingParams) -> jax.Array:
    """Which tokens may be sampled: top-k first, top-p of what that leaves (as transformers and vLLM do), then min-p.

    Args:
      probs: [R, V] float32, at the sampling temperature.

    Returns:
      [R, V] bool; equally likely tokens at the edge are all kept.
    """

    def cut_k(probs: jax.Array) -> jax.Array:
        return _likeliest(probs, lambda kept: jnp.sum(kept, axis=-1) >= sampling.top_k)

    def cut_p(left: jax.Array) -> jax.Array:
        total = jnp.sum(left, axis=-1)
        return _likeliest(left, lambda kept: jnp.sum(left * kept, axis=-1) >= sampling.top_p * total)

    everything = jnp.ones(probs.shape, bool)
    kept = jax.lax.cond(sampling.top_k > 0, cut_k, lambda _: everything, probs)
    kept &= jax.lax.cond(sampling.top_p < 1, cut_p, lambda _: everything, jnp.where(kept, probs, 0.0))
    return kept & (probs >= sampling.min_p * jnp.max(probs, axis=-1, keepdims=True))


class Distribution(NamedTuple):
    """What tokens are drawn from.

    Attributes:
      logits: [R, V] float32, the model's own.
      total: [R] float32, their log-sum-exp.
      filtered: [R, V] float32, at the sampling temperature, -inf where nothing may be sampled.
      filtered_total: [R] float32, its log-sum-exp.
    """

    logits: jax.Array
    total: jax.Array
    filtered: jax.Array
    filtered_total: jax.Array


def restrict(logits: jax.Array, sampling: SamplingParams) -> Distribution:
    """Logits [R, V] float32 and what top-k, top-p and min-p leave of them; when greedy all of them, for nothing is drawn."""

    def filtered(logits: jax.Array, total: jax.Array) -> tuple[jax.Array, jax.Array]:
        scaled = logits / sampling.temperature
        left = jnp.where(keep(jax.nn.softmax(scaled), sampling), scaled, -jnp.inf)
        return left, jax.nn.logsumexp(left, axis=-1)

    total = jax.nn.logsumexp(logits, axis=-1)
    return Distribution(logits, total, *jax.lax.cond(sampling.temperature > 0, filtered, lambda *plain: plain, logits, total))


def draw(distribution: Distribution, keys: jax.Array, sampling: SamplingParams) -> Sampled:
    """One token a row: the likeliest after Gumbel noise, which draws from the distribution; without it when greedy.

    Args:
      keys: [R] random keys, one a row, used up here.
    """
    logits, total, filtered, filtered_total = distribution

    def noisy(filtered: jax.Array) -> jax.Array:
        return filtered + jax.vmap(lambda key: jax.random.gumbel(key, filtered.shape[1:], jnp.float32))(keys)

    drawn = sampling.temperature > 0
    token = jnp.argmax(jax.lax.cond(drawn, noisy, lambda plain: plain, filtered), axis=-1).astype(jnp.int32)
    of_token = lambda values: jnp.take_along_axis(values, token[:, None], axis=-1)[:, 0]  # noqa: E731
    return Sampled(token, of_token(logits) - total, jnp.where(drawn, of_token(filtered) - filtered_total, 0.0))


def sample(logits: jax.Array, keys: jax.Array, sampling: SamplingParams) -> Sampled:
    """One token a row, of logits [R, V] float32, with keys [R]."""
    return draw(restrict(logits, sampling), keys, sampling)
