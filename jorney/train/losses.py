"""Losses: sums over tokens and the counts to divide by, never means, so that micro-batches and hosts add up."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp

from jorney.model.config import ModelConfig
from jorney.model.params import Params
from jorney.model.transformer import hidden_states, read_out

Batch = Mapping[str, jax.Array]
# (parameters, batch) -> (sum of the loss, {name: sum}); the entry "count" is what every sum is divided by.
LossFn = Callable[[Params, Batch], tuple[jax.Array, dict[str, jax.Array]]]


def chunked_log_probs(
    config: ModelConfig, params: Params, hidden: jax.Array, targets: jax.Array, chunk: int
) -> tuple[jax.Array, jax.Array]:
    """Log-probabilities of `targets`, the head applied to `chunk` positions at a time.

    The logits of a whole sequence are never held: neither forward nor backward, where each chunk's are recomputed.

    Args:
      hidden: [B, T, D]; T must be a multiple of `chunk` (a smaller T is one chunk).
      targets: [B, T] int32.

    Returns:
      [B, T] float32 log-probabilities, and [B, T] bool: the target was the most likely token.
    """
    B, T, D = hidden.shape
    chunk = min(chunk, T)
    if T % chunk:
        raise ValueError(f"a length of {T} tokens is not a multiple of the head's chunk of {chunk}")

    @functools.partial(jax.checkpoint, prevent_cse=False)
    def one(carry: None, piece: tuple[jax.Array, jax.Array]) -> tuple[None, tuple[jax.Array, jax.Array]]:
        h, t = piece
        scores = read_out(config, params, h)
        chosen = jnp.take_along_axis(scores, t[..., None], axis=-1)[..., 0]
        return carry, (chosen - jax.nn.logsumexp(scores, axis=-1), jnp.argmax(scores, axis=-1) == t)

    if chunk == T:
        _, (log_probs, hits) = one(None, (hidden, targets))
        return log_probs, hits
    pieces = hidden.reshape(B, T // chunk, chunk, D).swapaxes(0, 1), targets.reshape(B, T // chunk, chunk).swapaxes(0, 1)
    _, (log_probs, hits) = jax.lax.scan(one, None, pieces)
    return log_probs.swapaxes(0, 1).reshape(B, T), hits.swapaxes(0, 1).reshape(B, T)


@functools.cache  # equal arguments give the same function, by which trainings know that they can share a program
def sft_loss(config: ModelConfig, dtype: Any = jnp.float32, remat: str = "none", head_chunk: int = 512) -> LossFn:
    """Cross-entropy on completion tokens: the loss of supervised fine-tuning.

    The batch holds tokens, targets, positions, segment_ids and loss_mask, all [B, T] (`data.packing`).
    """

    def loss(params: Params, batch: Batch) -> tuple[jax.Array, dict[str, jax.Array]]:
        hidden = hidden_states(config, params, batch["tokens"], batch["segment_ids"], batch["positions"], dtype, remat)
        log_probs, hits = chunked_log_probs(config, params, hidden, batch["targets"], head_chunk)
        mask = batch["loss_mask"].astype(jnp.float32)
        total = -jnp.sum(log_probs * mask)
        return total, {"loss": total, "accuracy": jnp.sum(hits * mask), "count": jnp.sum(mask)}

    return loss
