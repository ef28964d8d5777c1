"""The jitted programs of generation: `prefill` reads prompts, `decode_chunk` extends rows by up to C tokens."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jorney.model.config import ModelConfig
from jorney.model.params import Params
from jorney.model.transformer import read_out, run_layers
from jorney.sample.cache import Cache, decode_attend, prefill_attend
from jorney.sample.sampling import Knobs, sample


class Rows(NamedTuple):
    """What generation carries from token to token. Rows of one prompt are consecutive.

    Attributes:
      caches: one a layer.
      prompt_lengths: [P] int32.
      keys: [R] random keys, one a row; token i of a row is drawn with fold_in(key, i).
      tokens: [R, L] int32, generated so far.
      log_probs, sampling_log_probs: [R, L] float32 (see `Sampled`).
      length: [R] int32, tokens generated; the last of them is not in the cache yet.
      limit: [R] int32, tokens at most; L at most.
      done: [R] bool.
    """

    caches: list[Cache]
    prompt_lengths: jax.Array
    keys: jax.Array
    tokens: jax.Array
    log_probs: jax.Array
    sampling_log_probs: jax.Array
    length: jax.Array
    limit: jax.Array
    done: jax.Array


def _add_token(rows: Rows, logits: jax.Array, knobs: Knobs, ends: tuple[int, ...]) -> Rows:
    """Samples the next token of every row that is not done."""
    keys = jax.vmap(jax.random.fold_in)(rows.keys, rows.length)
    sampled = sample(logits, keys, knobs)
    index = jnp.arange(len(rows.length)), jnp.where(rows.done, rows.tokens.shape[1], rows.length)
    length = rows.length + ~rows.done
    return rows._replace(
        tokens=rows.tokens.at[index].set(sampled.token, mode="drop"),
        log_probs=rows.log_probs.at[index].set(sampled.log_prob, mode="drop"),
        sampling_log_probs=rows.sampling_log_probs.at[index].set(sampled.sampling_log_prob, mode="drop"),
        length=length,
        done=rows.done | jnp.isin(sampled.token, jnp.array(ends)) | (length >= rows.limit),
    )


def prefill(
    config: ModelConfig,
    dtype: Any,
    ends: tuple[int, ...],
    row_length: int,
    params: Params,
    tokens: jax.Array,
    lengths: jax.Array,
    keys: jax.Array,
    limit: jax.Array,
    knobs: Knobs,
) -> Rows:
    """Reads every prompt once and samples the first token of each of its rows.

    Args:
      ends: ids after which a row is done.
      row_length: L.
      params: the engine's tree (`params.unstack`).
      tokens: [P, S] int32, padded on the right.
      lengths: [P] int32; 0 for a prompt that only fills the batch (its rows are done at once).
      keys: [R]; R / P rows a prompt.
      limit: [R] int32.
    """
    P, S = tokens.shape
    R = keys.shape[0]
    positions = jnp.broadcast_to(jnp.arange(S), tokens.shape)
    attend = prefill_attend(lengths, S, config.window)
    hidden, kept = run_layers(config, dtype, params, tokens, positions, [attend] * config.layers)
    last = jnp.take_along_axis(hidden, jnp.maximum(lengths - 1, 0)[:, None, None], axis=1)[:, 0]
    empty = jnp.zeros((R, config.kv_heads, row_length, config.head_dim), dtype)
    rows = Rows(
        caches=[Cache(k, v, empty, empty) for k, v in kept],
        prompt_lengths=lengths,
        keys=keys,
        tokens=jnp.zeros((R, row_length), jnp.int32),
        log_probs=jnp.zeros((R, row_length), jnp.float32),
        sampling_log_probs=jnp.zeros((R, row_length), jnp.float32),
        length=jnp.zeros(R, jnp.int32),
        limit=limit,
        done=jnp.repeat(lengths == 0, R // P),
    )
    return _add_token(rows, jnp.repeat(read_out(config, params, last), R // P, axis=0), knobs, ends)


def decode_chunk(
    config: ModelConfig, dtype: Any, ends: tuple[int, ...], chunk: int, params: Params, rows: Rows, knobs: Knobs
) -> Rows:
    """Extends every row that is not done by up to `chunk` tokens; ends early when all are done.

    `rows` is to be donated: the caches are updated in place.
    """

    def unfinished(carry: tuple[jax.Array, Rows]) -> jax.Array:
        count, rows = carry
        return (count < chunk) & ~jnp.all(rows.done)

    def one(carry: tuple[jax.Array, Rows]) -> tuple[jax.Array, Rows]:
        count, rows = carry
        last = rows.length - 1  # index of the token that is sampled but not cached
        tokens = jnp.take_along_axis(rows.tokens, last[:, None], axis=1)
        per_prompt = rows.length.shape[0] // rows.prompt_lengths.shape[0]
        positions = jnp.repeat(rows.prompt_lengths, per_prompt) + last
        slots = jnp.where(rows.done, rows.tokens.shape[1], last)
        attends = [decode_attend(cache, rows.prompt_lengths, slots, config.window) for cache in rows.caches]
        hidden, caches = run_layers(config, dtype, params, tokens, positions[:, None], attends)
        logits = read_out(config, params, hidden[:, 0])
        return count + 1, _add_token(rows._replace(caches=caches), logits, knobs, ends)

    return jax.lax.while_loop(unfinished, one, (jnp.zeros((), jnp.int32), rows))[1]
