"""The head and its cross-entropy, some positions at a time: the logits of a batch are never held.

Axis letters as in `model.transformer`; C positions of a row are read out together.
"""

from __future__ import annotations

import functools
from typing import Any

import jax
import jax.numpy as jnp

from jorney import sharding
from jorney.model.config import ModelConfig
from jorney.model.params import Params
from jorney.model.transformer import read_out


def piece_length(rows: int, length: int, tokens: int) -> int:
    """C: as many positions of each row as keep `tokens` logits on a device at most; divides the length."""
    wanted = max(1, tokens * sharding.ways("batch") // rows)
    return max(size for size in range(1, min(wanted, length) + 1) if length % size == 0)


def log_probs(
    config: ModelConfig, params: Params, hidden: jax.Array, targets: jax.Array, tokens: int
) -> tuple[jax.Array, jax.Array]:
    """Log-probabilities of `targets`, for losses that are no weighted sum of them. The backward pass reads out again.

    Args:
      hidden: [B, T, D].
      targets: [B, T] int32.
      tokens: whose logits a device holds at a time.

    Returns:
      [B, T] float32 log-probabilities, and [B, T] bool: the target was the most likely token.
    """
    B, T, D = hidden.shape
    C = piece_length(B, T, tokens)

    @functools.partial(jax.checkpoint, prevent_cse=False)
    def one(carry: None, piece: tuple[jax.Array, jax.Array]) -> tuple[None, tuple[jax.Array, jax.Array]]:
        h, t = piece
        scores = read_out(config, params, h)
        chosen = jnp.take_along_axis(scores, t[..., None], axis=-1)[..., 0]
        return carry, (chosen - jax.nn.logsumexp(scores, axis=-1), chosen >= jnp.max(scores, axis=-1))

    if C == T:
        _, (found, hits) = one(None, (hidden, targets))
        return found, hits
    pieces = hidden.reshape(B, T // C, C, D).swapaxes(0, 1), targets.reshape(B, T // C, C).swapaxes(0, 1)
    _, (found, hits) = jax.lax.scan(one, None, pieces)
    return found.swapaxes(0, 1).reshape(B, T), hits.swapaxes(0, 1).reshape(B, T)


def cross_entropy(
    config: ModelConfig, params: Params, hidden: jax.Array, targets: jax.Array, weights: jax.Array, tokens: int
) -> tuple[jax.Array, jax.Array]:
    """Sum of weights x -log p(target). The head is read for as many positions of every row as the fullest row has weights.

    The gradients are computed beside the loss, while a piece's logits are there: three products with the head, where
    recomputing them takes four. Rows are sorted so that what has weight comes first, and only as many pieces are read as
    hold any. There is no gradient by the weights.

    Args:
      hidden: [B, T, D].
      targets: [B, T] int32.
      weights: [B, T] float32, 0 or more.
      tokens: whose logits a device holds at a time.

    Returns:
      [] float32, and [B, T] bool: the target was the most likely token (False where the weight is 0).
    """
    assert config.head == "lm", config.head
    B, T, _ = hidden.shape
    order = jnp.argsort(weights == 0, axis=1, stable=True)
    back = jnp.argsort(order, axis=1)
    hidden = jnp.take_along_axis(hidden, order[:, :, None], axis=1)
    targets, weights = (jnp.take_along_axis(x, order, axis=1) for x in (targets, weights))
    head = params["embedding" if config.tie_embeddings else "head"]
    total, hits = _sorted_cross_entropy(piece_length(B, T, tokens), hidden, head, targets, weights)
    return total, jnp.take_along_axis(hits, back, axis=1)


@functools.partial(jax.custom_vjp, nondiff_argnums=(0,))
def _sorted_cross_entropy(
    C: int, hidden: jax.Array, head: jax.Array, targets: jax.Array, weights: jax.Array
) -> tuple[jax.Array, jax.Array]:
    total, hits, _ = _read_pieces(C, hidden, head, targets, weights, gradients=False)
    return total, hits


def _forward(
    C: int, hidden: jax.Array, head: jax.Array, targets: jax.Array, weights: jax.Array
) -> tuple[tuple[jax.Array, jax.Array], Any]:
    total, hits, gradients = _read_pieces(C, hidden, head, targets, weights, gradients=True)
    return (total, hits), gradients


def _backward(C: int, gradients: Any, cotangents: tuple[jax.Array, Any]) -> tuple[jax.Array | None, ...]:
    dhidden, dhead = gradients
    scale = cotangents[0]
    return dhidden * scale.astype(dhidden.dtype), dhead * scale.astype(dhead.dtype), None, None


_sorted_cross_entropy.defvjp(_forward, _backward)


def _read_pieces(
    C: int, hidden: jax.Array, head: jax.Array, targets: jax.Array, weights: jax.Array, gradients: bool
) -> tuple[jax.Array, jax.Array, Any]:
    """Sum and hits; with `gradients`, those of the sum by hidden and head."""
    (B, T, D), dtype = hidden.shape, hidden.dtype
    used = jnp.max(jnp.sum(weights > 0, axis=1))
    matrix = head.astype(dtype)

    def one(piece: jax.Array, carry: Any) -> Any:
        total, hits, dhidden, dhead = carry
        h, t, w = (jax.lax.dynamic_slice_in_dim(x, piece * C, C, axis=1) for x in (hidden, targets, weights))
        h, t, w = h.reshape(-1, D), t.reshape(-1, 1), w.reshape(-1, 1)
        scores = jnp.einsum("nd,vd->nv", h, matrix, preferred_element_type=jnp.float32)
        highest = jnp.max(scores, axis=-1, keepdims=True)
        exponentials = jnp.exp(scores - highest)
        sums = jnp.sum(exponentials, axis=-1, keepdims=True)
        chosen = jnp.take_along_axis(scores, t, axis=-1)
        total += jnp.sum(w * (jnp.log(sums) + highest - chosen))
        found = ((chosen >= highest) & (w > 0)).reshape(B, C)
        hits = jax.lax.dynamic_update_slice_in_dim(hits, found, piece * C, axis=1)
        if gradients:
            is_target = jax.lax.broadcasted_iota(jnp.int32, scores.shape, 1) == t
            g = (exponentials * (w / sums) - jnp.where(is_target, w, 0)).astype(dtype)
            g = jax.lax.optimization_barrier(g)  # two products read it
            dhead += jnp.einsum("nv,nd->vd", g, h, preferred_element_type=dhead.dtype)
            dh = (g @ matrix).reshape(B, C, D)
            dhidden = jax.lax.dynamic_update_slice_in_dim(dhidden, dh, piece * C, axis=1)
        return total, hits, dhidden, dhead

    nothing = (jnp.zeros_like(hidden), jnp.zeros(head.shape, jnp.float32)) if gradients else (None, None)
    start = (jnp.zeros((), jnp.float32), jnp.zeros((B, T), bool), *nothing)
    total, hits, dhidden, dhead = jax.lax.fori_loop(0, -(-used // C), one, start)
    return total, hits, (dhidden, dhead.astype(head.dtype)) if gradients else None
