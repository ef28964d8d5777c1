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


def knobs(temperature: float, top_p: float = 1.0, top_k: int = 0, min_p: float = 0.0) -> Knobs:
    """Knobs of plain numbers."""
    return Knobs(jnp.float32(temperature), jnp.int32(top_k), jnp.float32(top_p), jnp.float32(min_p))


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


class Choice(NamedTuple):
    """The distributions that tokens are drawn from.

    Attributes:
      logits: [R, V] float32, the model's own.
      total: [R] float32, their log-sum-exp.
      cut: [R, V] float32, at the sampling temperature, -inf where nothing may be sampled.
      cut_total: [R] float32, its log-sum-exp.
    """

    logits: jax.Array
    total: jax.Array
    cut: jax.Array
    cut_total: jax.Array


def restrict(logits: jax.Array, knobs: Knobs) -> Choice:
    """Logits [R, V] float32 and what the knobs leave of them; when greedy nothing is cut, for nothing is drawn."""

    def cut(logits: jax.Array, total: jax.Array) -> tuple[jax.Array, jax.Array]:
        scaled = logits / knobs.temperature
        left = jnp.where(keep(jax.nn.softmax(scaled), knobs), scaled, -jnp.inf)
        return left, jax.nn.logsumexp(left, axis=-1)

    total = jax.nn.logsumexp(logits, axis=-1)
    return Choice(logits, total, *jax.lax.cond(knobs.temperature > 0, cut, lambda *plain: plain, logits, total))


def draw(choice: Choice, keys: jax.Array, knobs: Knobs) -> Sampled:
    """One token a row: the likeliest after Gumbel noise, which draws from the distribution; without it when greedy.

    Args:
      keys: [R] random keys, one a row, used up here.
    """
    size = choice.cut.shape[1:]

    def noisy(cut: jax.Array) -> jax.Array:
        return cut + jax.vmap(lambda key: jax.random.gumbel(key, size, jnp.float32))(keys)

    drawn = knobs.temperature > 0
    token = jnp.argmax(jax.lax.cond(drawn, noisy, lambda cut: cut, choice.cut), axis=-1).astype(jnp.int32)
    of_token = lambda values: jnp.take_along_axis(values, token[:, None], axis=-1)[:, 0]  # noqa: E731
    sampling_log_prob = jnp.where(drawn, of_token(choice.cut) - choice.cut_total, 0.0)
    return Sampled(token, of_token(choice.logits) - choice.total, sampling_log_prob)


def sample(logits: jax.Array, keys: jax.Array, knobs: Knobs) -> Sampled:
    """One token a row, of logits [R, V] float32, with keys [R]."""
    return draw(restrict(logits, knobs), keys, knobs)
