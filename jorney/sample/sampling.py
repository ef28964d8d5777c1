"""Choosing the next token: temperature, top-k, top-p and min-p by a threshold, never by sorting the vocabulary."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

# Halvings of [0, 1] until a float32 threshold no longer moves.
_HALVINGS = 32


class Knobs(NamedTuple):
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


def _bisect(probs: jax.Array, enough: Callable[[jax.Array], jax.Array]) -> jax.Array:
    """[R] the largest threshold t (to float precision) for which the kept set `probs >= t` is still enough."""

    def halve(_: int, bounds: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        low, high = bounds
        middle = (low + high) / 2
        ok = enough(probs >= middle[:, None])
        return jnp.where(ok, middle, low), jnp.where(ok, high, middle)

    low = jnp.zeros(probs.shape[0], probs.dtype)
    return jax.lax.fori_loop(0, _HALVINGS, halve, (low, jnp.max(probs, axis=-1)))[0]


def keep(probs: jax.Array, knobs: Knobs) -> jax.Array:
    """Which tokens may be sampled: top-k first, top-p of what that leaves (as transformers and vLLM do), then min-p.

    Args:
      probs: [R, V] float32, at the sampling temperature.

    Returns:
      [R, V] bool; equally likely tokens at the edge are all kept.
    """

    def cut_k(probs: jax.Array) -> jax.Array:
        threshold = _bisect(probs, lambda kept: jnp.sum(kept, axis=-1) >= knobs.top_k)
        return probs >= threshold[:, None]

    def cut_p(left: jax.Array) -> jax.Array:
        total = jnp.sum(left, axis=-1)
        threshold = _bisect(left, lambda kept: jnp.sum(left * kept, axis=-1) >= knobs.top_p * total)
        return left >= threshold[:, None]

    everything = jnp.ones(probs.shape, bool)
    kept = jax.lax.cond(knobs.top_k > 0, cut_k, lambda _: everything, probs)
    kept &= jax.lax.cond(knobs.top_p < 1, cut_p, lambda _: everything, jnp.where(kept, probs, 0.0))
    return kept & (probs >= knobs.min_p * jnp.max(probs, axis=-1, keepdims=True))


def sample(logits: jax.Array, keys: jax.Array, knobs: Knobs) -> Sampled:
    """One token a row.

    Args:
      logits: [R, V] float32.
      keys: [R] random keys, one a row, used up here.
    """
    raw = jax.nn.log_softmax(logits)
    greedy = knobs.temperature <= 0
    scaled = logits / jnp.where(greedy, 1.0, knobs.temperature)
    kept = keep(jax.nn.softmax(scaled), knobs)
    cut = jnp.where(kept, scaled, -jnp.inf)
    noise = jax.vmap(lambda key: jax.random.gumbel(key, logits.shape[1:], jnp.float32))(keys)
    token = jnp.argmax(jnp.where(greedy, logits, cut + noise), axis=-1).astype(jnp.int32)

    def of_token(log_probs: jax.Array) -> jax.Array:
        return jnp.take_along_axis(log_probs, token[:, None], axis=-1)[:, 0]

    return Sampled(token, of_token(raw), jnp.where(greedy, 0.0, of_token(jax.nn.log_softmax(cut))))
