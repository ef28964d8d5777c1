"""Sums over the tokens of completions, wherever in a row these lie, and how much each token counts in a loss.

Axis letters: B rows, T tokens of a row. `segments` [B, T] int32 says which completion of its row a token belongs to, from 1
on and at most T; 0 is padding, or a prompt. So a row may hold one completion, several packed ones, or a prompt's branches.
"""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp

AGGREGATES = ("sequence", "token", "constant")
_SUMS = {"sum": jax.ops.segment_sum, "min": jax.ops.segment_min, "max": jax.ops.segment_max}


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class TokenWeights:
    """How much tokens count.

    Attributes:
      loss: [B, T] float32; the loss is the sum of loss x weight over the count.
      metric: [B, T] float32, which sum to the count: a metric's mean is the sum of metric x weight over the count.
      count: [] float32, of this batch; those of micro-batches and devices add up.
    """

    loss: jax.Array
    metric: jax.Array
    count: jax.Array


def over_completions(values: jax.Array, segments: jax.Array, how: str = "sum") -> jax.Array:
    """Gives each token the sum, "min" or "max" of its completion's values. What padding gets means nothing.

    Args:
      values: [B, T].
      segments: [B, T] int32.

    Returns:
      [B, T].
    """
    return jnp.take_along_axis(_by_segment(values, segments, how), segments, axis=1)


def token_weights(aggregate: str, mask: jax.Array, segments: jax.Array, max_length: int | None = None) -> TokenWeights:
    """The weights of tokens, and the count. A completion without a token in the mask is not there.

    Args:
      aggregate: "token", the mean over all tokens (DAPO; TRL's dapo). "sequence", the mean over completions of their means
        (the GRPO paper; TRL's grpo). "constant", the sum over tokens by completions x `max_length` (Dr. GRPO; TRL's dr_grpo).
      mask: [B, T], 0 where a token does not count.
      segments: [B, T] int32.
      max_length: tokens; "constant" only.

    Raises:
      ValueError: an unknown aggregate, or "constant" without a length.
    """
    mask = (mask * (segments > 0)).astype(jnp.float32)
    if aggregate == "token":
        return TokenWeights(mask, mask, jnp.sum(mask))
    if aggregate not in AGGREGATES:
        raise ValueError(f"aggregate = {aggregate!r}: expected one of {', '.join(AGGREGATES)}")
    lengths = _by_segment(mask, segments, "sum")
    # Counted, and not summed from weights, which would be off by rounding.
    count = jnp.sum(lengths > 0, dtype=jnp.float32)
    share = mask / jnp.maximum(jnp.take_along_axis(lengths, segments, axis=1), 1)
    if aggregate == "sequence":
        return TokenWeights(share, share, count)
    if not max_length:
        raise ValueError("aggregate = 'constant': expected a max_length by which to divide")
    return TokenWeights(mask / max_length, share, count)


def _by_segment(values: jax.Array, segments: jax.Array, how: str) -> jax.Array:
    """[B, T + 1]: what the tokens of each segment of a row come to."""
    T = segments.shape[1]
    return jax.vmap(lambda value, segment: _SUMS[how](value, segment, num_segments=T + 1))(values, segments)
