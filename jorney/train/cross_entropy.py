"""The head and its cross-entropy, some positions at a time: the logits of a batch are never held.

Axis letters as in `model.transformer`; C positions of a row are read out together.
"""

from __future__ import annotations

import functools
from typing import Any

import jax
import jax.numpy as jnp

from jorney import sharding
from jorney.model.architecture import ModelConfig
from jorney.model.params import Params
from jorney.sharding import constrain


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
    B, T, _ = hidden.shape
    return _log_probs(piece_length(B, T, tokens), hidden, _head(config, params), targets)


@functools.partial(jax.custom_vjp, nondiff_argnums=(0,))
def _log_probs(C: int, hidden: jax.Array, head: jax.Array, targets: jax.Array) -> tuple[jax.Array, jax.Array]:
    split = _splits(head)
    matrix = _matrix(head, hidden.dtype, split)

    def one(piece: jax.Array) -> tuple[jax.Array, jax.Array]:
        h, t = (_piece(x, piece, C, split) for x in (hidden, targets))
        highest, chosen, _, sums, _ = _read(h.reshape(-1, h.shape[-1]), t.reshape(-1, 1), matrix, split)
        return (chosen - highest - jnp.log(sums)).reshape(t.shape), (chosen >= highest).reshape(t.shape)

    found, hits = jax.lax.map(one, jnp.arange(hidden.shape[1] // C))
    whole = lambda x: x.swapaxes(0, 1).reshape(targets.shape)  # noqa: E731
    return whole(found), whole(hits)


def _log_probs_forward(C: int, hidden: jax.Array, head: jax.Array, targets: jax.Array) -> tuple[Any, Any]:
    return _log_probs(C, hidden, head, targets), (hidden, head, targets)


def _log_probs_backward(C: int, saved: Any, cotangents: tuple[jax.Array, Any]) -> tuple[jax.Array | None, ...]:
    hidden, head, targets = saved
    # Whatever the loss makes of them, its gradient is that of a weighted sum.
    dhidden, dhead = _read_pieces(C, hidden, head, targets, -cotangents[0], hidden.shape[1] // C, gradients=True)[2]
    return dhidden, dhead, None


_log_probs.defvjp(_log_probs_forward, _log_probs_backward)


def masked_log_probs(
    config: ModelConfig,
    params: Params,
    hidden: jax.Array,
    targets: jax.Array,
    mask: jax.Array,
    tokens: int,
    temperature: float = 1.0,
    entropies: bool = False,
) -> tuple[jax.Array, jax.Array | None]:
    """`log_probs` where a mask says so; the head is read for as many positions of every row as the fullest row has in it.

    Args:
      hidden: [B, T, D].
      targets: [B, T] int32.
      mask: [B, T], 0 for what is not read.
      tokens: whose logits a device holds at a time.
      temperature: what logits are divided by.
      entropies: whether those are wanted as well; no gradient goes through them.

    Returns:
      [B, T] float32 log-probabilities, and [B, T] float32 -sum of p log p in nats, or None; 0 where the mask is.
    """
    B, T, _ = hidden.shape
    there = mask > 0
    order = jnp.argsort(~there, axis=1, stable=True)
    back = jnp.argsort(order, axis=1)
    hidden = jnp.take_along_axis(hidden, order[:, :, None], axis=1)
    targets, sorted_mask = (jnp.take_along_axis(x, order, axis=1) for x in (targets, there.astype(jnp.float32)))
    how = piece_length(B, T, tokens), temperature, entropies
    found = _sorted_log_probs(*how, hidden, _head(config, params), targets, sorted_mask)
    chosen, spread = (None if x is None else jnp.where(there, jnp.take_along_axis(x, back, axis=1), 0) for x in found)
    assert chosen is not None
    return chosen, spread


@functools.partial(jax.custom_vjp, nondiff_argnums=(0, 1, 2))
def _sorted_log_probs(
    C: int, temperature: float, entropies: bool, hidden: jax.Array, head: jax.Array, targets: jax.Array, mask: jax.Array
) -> tuple[jax.Array, jax.Array | None]:
    split = _splits(head)
    matrix = _matrix(head, hidden.dtype, split)

    def one(piece: jax.Array, carry: list[jax.Array]) -> list[jax.Array]:
        h, t = (_piece(x, piece, C, split) for x in (hidden, targets))
        flat = h.reshape(-1, h.shape[-1]), t.reshape(-1, 1)
        highest, chosen, exponentials, sums, scores = _read(*flat, matrix, split, temperature)
        found = [chosen - highest - jnp.log(sums)]
        if entropies:
            # From the highest logit on, however far that is from 0.
            below = jnp.sum(exponentials * (scores - highest), axis=-1, keepdims=True)
            found.append(jnp.log(sums) - below / sums)
        update = functools.partial(jax.lax.dynamic_update_slice_in_dim, start_index=piece * C, axis=1)
        return [update(whole, x.reshape(t.shape)) for whole, x in zip(carry, found, strict=True)]

    start = [jnp.zeros(targets.shape, jnp.float32) for _ in range(1 + entropies)]
    chosen, *spread = jax.lax.fori_loop(0, _used(C, mask), one, start)
    return chosen, spread[0] if entropies else None


def _sorted_log_probs_forward(C: int, temperature: float, entropies: bool, *given: jax.Array) -> tuple[Any, Any]:
    return _sorted_log_probs(C, temperature, entropies, *given), given


def _sorted_log_probs_backward(
    C: int, temperature: float, entropies: bool, saved: Any, cotangents: Any
) -> tuple[jax.Array | None, ...]:
    hidden, head, targets, mask = saved
    weights = -cotangents[0] * mask
    dhidden, dhead = _read_pieces(C, hidden, head, targets, weights, _used(C, mask), True, temperature)[2]
    return dhidden, dhead, None, None


_sorted_log_probs.defvjp(_sorted_log_probs_forward, _sorted_log_probs_backward)


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
    B, T, _ = hidden.shape
    order = jnp.argsort(weights == 0, axis=1, stable=True)
    back = jnp.argsort(order, axis=1)
    hidden = jnp.take_along_axis(hidden, order[:, :, None], axis=1)
    targets, weights = (jnp.take_along_axis(x, order, axis=1) for x in (targets, weights))
    total, hits = _sorted_cross_entropy(piece_length(B, T, tokens), hidden, _head(config, params), targets, weights)
    return total, jnp.take_along_axis(hits, back, axis=1)


@functools.partial(jax.custom_vjp, nondiff_argnums=(0,))
def _sorted_cross_entropy(
    C: int, hidden: jax.Array, head: jax.Array, targets: jax.Array, weights: jax.Array
) -> tuple[jax.Array, jax.Array]:
    return _read_pieces(C, hidden, head, targets, weights, _used(C, weights), gradients=False)[:2]


def _forward(
    C: int, hidden: jax.Array, head: jax.Array, targets: jax.Array, weights: jax.Array
) -> tuple[tuple[jax.Array, jax.Array], Any]:
    total, hits, gradients = _read_pieces(C, hidden, head, targets, weights, _used(C, weights), gradients=True)
    return (total, hits), gradients


def _backward(C: int, gradients: Any, cotangents: tuple[jax.Array, Any]) -> tuple[jax.Array | None, ...]:
    dhidden, dhead = gradients
    scale = cotangents[0]
    return dhidden * scale.astype(dhidden.dtype), dhead * scale.astype(dhead.dtype), None, None


_sorted_cross_entropy.defvjp(_forward, _backward)


def _used(C: int, weights: jax.Array) -> jax.Array:
    """How many pieces of sorted rows hold any weight; of all replicas, which so go through their loops together."""
    return -(-sharding.highest(jnp.max(jnp.sum(weights > 0, axis=1))) // C)


def _read_pieces(
    C: int,
    hidden: jax.Array,
    head: jax.Array,
    targets: jax.Array,
    weights: jax.Array,
    pieces: Any,
    gradients: bool,
    temperature: float = 1.0,
) -> tuple[jax.Array, jax.Array, Any]:
    """Of the first so many pieces: the sum, and the hits; with `gradients`, those of the sum by hidden and head."""
    (B, T, D), dtype, split = hidden.shape, hidden.dtype, _splits(head)
    matrix = _matrix(head, dtype, split)

    def one(piece: jax.Array, carry: Any) -> Any:
        total, hits, dhidden, dhead = carry
        h, t, w = (_piece(x, piece, C, split) for x in (hidden, targets, weights))
        h, t, w = h.reshape(-1, D), t.reshape(-1, 1), w.reshape(-1, 1)
        highest, chosen, exponentials, sums, _ = _read(h, t, matrix, split, temperature)
        total += jnp.sum(w * (jnp.log(sums) + highest - chosen))
        found = ((chosen >= highest) & (w > 0)).reshape(B, C)
        hits = jax.lax.dynamic_update_slice_in_dim(hits, found, piece * C, axis=1)
        if gradients:
            w = w if temperature == 1 else w / temperature
            g = (exponentials * (w / sums) - jnp.where(_is_target(t, exponentials), w, 0)).astype(dtype)
            g = g if sharding.platform() == "tpu" else jax.lax.optimization_barrier(g)  # two products read it
            dhead += jnp.einsum("nv,nd->vd", g, h, preferred_element_type=dhead.dtype)
            dh = (g @ matrix).reshape(B, C, D)
            dh = constrain(dh, "batch", None, None) if split else dh
            dhidden = jax.lax.dynamic_update_slice_in_dim(dhidden, dh, piece * C, axis=1)
        return total, hits, dhidden, dhead

    nothing: Any = (None, None)
    if gradients:
        zeros = jnp.zeros(head.shape, jnp.float32)
        nothing = jnp.zeros_like(hidden), constrain(zeros, "loss_vocab", None) if split else zeros
    start = (jnp.zeros((), jnp.float32), jnp.zeros((B, T), bool), *nothing)
    total, hits, dhidden, dhead = jax.lax.fori_loop(0, pieces, one, start)
    return total, hits, (dhidden, dhead.astype(head.dtype)) if gradients else None


def _head(config: ModelConfig, params: Params) -> jax.Array:
    assert config.head == "lm", config.head
    return params["embedding" if config.tie_embeddings else "head"]


def _splits(head: jax.Array) -> bool:
    """Whether the devices of a replica split the vocabulary, and each reads all of the replica's rows.

    The head's gradient is then summed where it is computed. With the rows split every device would hold one as large as the
    whole head, and send it to the others with every piece.
    """
    ways = sharding.ways("loss_vocab")
    return ways > 1 and head.shape[0] % ways == 0


def _matrix(head: jax.Array, dtype: Any, split: bool) -> jax.Array:
    """[V, D], as the products read it."""
    return constrain(head.astype(dtype), "loss_vocab", None) if split else head.astype(dtype)


def _piece(x: jax.Array, piece: jax.Array, C: int, split: bool) -> jax.Array:
    """[B, T, ...] -> [B, C, ...], the positions from piece x C on."""
    found = jax.lax.dynamic_slice_in_dim(x, piece * C, C, axis=1)
    # Behind a barrier: or all of x would change places, and then be cut.
    return constrain(jax.lax.optimization_barrier(found), "replica", *(None,) * (x.ndim - 1)) if split else found


def _read(
    h: jax.Array, t: jax.Array, matrix: jax.Array, split: bool, temperature: float = 1.0
) -> tuple[jax.Array, jax.Array, jax.Array, jax.Array, jax.Array]:
    """h [N, D], t [N, 1] -> highest and target's logit [N, 1]; exponentials over the highest [N, V]; sums [N, 1]; logits."""
    scores = jnp.einsum("nd,vd->nv", h, matrix, preferred_element_type=jnp.float32)
    scores = constrain(scores, "replica", "loss_vocab") if split else scores
    scores = scores if temperature == 1 else scores / temperature
    highest = jnp.max(scores, axis=-1, keepdims=True)
    exponentials = jnp.exp(scores - highest)
    sums = jnp.sum(exponentials, axis=-1, keepdims=True)
    if split:  # each device looks in its part of the vocabulary
        chosen = jnp.sum(jnp.where(_is_target(t, scores), scores, 0), axis=-1, keepdims=True)
    else:
        chosen = jnp.take_along_axis(scores, t, axis=-1)
    return highest, chosen, exponentials, sums, scores


def _is_target(t: jax.Array, scores: jax.Array) -> jax.Array:
    """[N, V] bool."""
    return jax.lax.broadcasted_iota(jnp.int32, scores.shape, 1) == t
