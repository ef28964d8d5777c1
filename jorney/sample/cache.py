"""The key-value cache, in segments: prompts are written once and shared by their rows, rows hold what they generated.

Axis letters beside the model's: P prompts, W rows a prompt, R = P x W rows, S prompt length, L row length.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp

from jorney.model.attention import Segment, attend, within
from jorney.model.blockwise import causal_attention
from jorney.model.config import ModelConfig
from jorney.model.transformer import Attend


class Cache(NamedTuple):
    """One layer's keys and values.

    Attributes:
      prompt_keys, prompt_values: [P, K, S, H]; read only while decoding.
      keys, values: [R, K, L, H]; slot i holds a row's i-th generated token.
    """

    prompt_keys: jax.Array
    prompt_values: jax.Array
    keys: jax.Array
    values: jax.Array


def nbytes(config: ModelConfig, prompts: int, prompt_length: int, rows: int, row_length: int, itemsize: int) -> int:
    """Bytes of the cache of all layers."""
    tokens = prompts * prompt_length + rows * row_length
    return 2 * config.layers * config.kv_heads * config.head_dim * itemsize * tokens


def prefill_attend(lengths: jax.Array, size: int, window: int | None) -> Attend:
    """Causal attention within right-padded prompts; keeps their keys and values.

    Args:
      lengths: [P] tokens of each prompt.
      size: S.
      window: of the attention (`ModelConfig.window`).
    """
    real = (jnp.arange(size) < lengths[:, None]).astype(jnp.int32)

    def read(query: jax.Array, keys: jax.Array, values: jax.Array) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
        found = causal_attention(query, keys, values, real, real, window)
        return found, (keys.swapaxes(1, 2), values.swapaxes(1, 2))

    return read


def decode_attend(cache: Cache, prompt_lengths: jax.Array, slots: jax.Array, window: int | None) -> Attend:
    """One new token a row: written at its slot, attending to the row's prompt and to its own slots up to there.

    Args:
      prompt_lengths: [P].
      slots: [R] where the token of each row is written; a slot of L or more writes nothing.
      window: of the attention (`ModelConfig.window`).
    """
    P, _, S, _ = cache.prompt_keys.shape
    R, _, L, _ = cache.keys.shape
    lengths = jnp.repeat(prompt_lengths, R // P)
    sees_prompt = jnp.arange(S) < lengths[:, None, None]
    if window is not None:
        sees_prompt &= within((lengths + slots)[:, None], jnp.arange(S), window)
    sees_row = within(slots[:, None], jnp.arange(L), window)
    rows = jnp.arange(R)

    def read(query: jax.Array, keys: jax.Array, values: jax.Array) -> tuple[jax.Array, Cache]:
        written = cache._replace(
            keys=cache.keys.at[rows, :, slots].set(keys[:, 0], mode="drop"),
            values=cache.values.at[rows, :, slots].set(values[:, 0], mode="drop"),
        )
        prompt = Segment(cache.prompt_keys, cache.prompt_values, sees_prompt)
        return attend(query, (prompt, Segment(written.keys, written.values, sees_row))), written

    return read
