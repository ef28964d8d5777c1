"""The decoder: a Llama-family transformer in Flax Linen, a pure function of its parameters.

Axis letters: B batch, T tokens, S keys, D embed, N query heads, K key/value heads, H head dim, F mlp, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from jorney.model import params as parameters
from jorney.model.attention import Segment, attend, causal_mask, frequencies, rotate
from jorney.model.config import ModelConfig
from jorney.model.params import LAYERS, Params
from jorney.sharding import constrain

# A layer's memory of earlier tokens. Given a layer's fresh keys and values [B, K, T, H] it returns the segments to attend
# to and whatever the caller wants back from the layer (its updated cache).
Memory = Callable[[jax.Array, jax.Array], tuple[Sequence[Segment], Any]]

REMAT_POLICIES: dict[str, Any] = {
    "none": None,
    "full": jax.checkpoint_policies.nothing_saveable,
    "dots": jax.checkpoint_policies.dots_with_no_batch_dims_saveable,
}


def _table_params(module: nn.Module, config: ModelConfig, prefix: tuple[str, ...], names: Sequence[str]) -> list[jax.Array]:
    """This module's parameters, shapes taken from the parameter table."""
    rows = parameters.table(config)
    shapes = [rows[(*prefix, name)].shape for name in names]
    # Values come from `params.init` or a checkpoint, never from Linen: the initialiser only states the shape.
    return [module.param(name, lambda _, s=shape: jnp.zeros(s)) for name, shape in zip(names, shapes, strict=True)]


def rms_norm(x: jax.Array, scale: jax.Array, eps: float) -> jax.Array:
    """x [..., D] over its root mean square, in float32, times scale [D]."""
    wide = x.astype(jnp.float32)
    normed = wide * jax.lax.rsqrt(jnp.mean(jnp.square(wide), axis=-1, keepdims=True) + eps)
    return normed.astype(x.dtype) * scale.astype(x.dtype)


class Attention(nn.Module):
    """Grouped-query attention with rotary positions."""

    config: ModelConfig

    @nn.compact
    def __call__(self, x: jax.Array, positions: jax.Array, memory: Memory) -> tuple[jax.Array, Any]:
        config, prefix = self.config, (LAYERS, "attention")
        wq, wk, wv, wo = _table_params(self, config, prefix, ("query", "key", "value", "out"))
        q = jnp.einsum("btd,dnh->btnh", x, wq.astype(x.dtype))
        k = jnp.einsum("btd,dkh->btkh", x, wk.astype(x.dtype))
        v = jnp.einsum("btd,dkh->btkh", x, wv.astype(x.dtype))
        if config.qkv_bias:
            biases = _table_params(self, config, prefix, ("query_bias", "key_bias", "value_bias"))
            q, k, v = (y + b.astype(x.dtype) for y, b in zip((q, k, v), biases, strict=True))
        if config.qk_norm:
            scales = _table_params(self, config, prefix, ("query_norm", "key_norm"))
            q, k = (rms_norm(y, scale, config.rms_eps) for y, scale in zip((q, k), scales, strict=True))
        turns = frequencies(config)
        q, k = rotate(q, positions, turns), rotate(k, positions, turns)
        q = constrain(q, "batch", "length", "heads", "head_dim")
        k = constrain(k, "batch", "length", "kv_heads", "head_dim")
        v = constrain(v, "batch", "length", "kv_heads", "head_dim")
        segments, kept = memory(k.swapaxes(1, 2), v.swapaxes(1, 2))
        return jnp.einsum("btnh,nhd->btd", attend(q, segments), wo.astype(x.dtype)), kept


class Mlp(nn.Module):
    """The gated MLP."""

    config: ModelConfig

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        gate, up, down = _table_params(self, self.config, (LAYERS, "mlp"), ("gate", "up", "down"))
        hidden = jax.nn.silu(x @ gate.astype(x.dtype)) * (x @ up.astype(x.dtype))
        return constrain(hidden, "batch", "length", "mlp") @ down.astype(x.dtype)


class Block(nn.Module):
    """One layer: attention, then MLP, each on a normalised residual stream."""

    config: ModelConfig

    @nn.compact
    def __call__(self, x: jax.Array, positions: jax.Array, memory: Memory) -> tuple[jax.Array, Any]:
        attention_norm, mlp_norm = _table_params(self, self.config, (LAYERS,), ("attention_norm", "mlp_norm"))
        eps = self.config.rms_eps
        y, kept = Attention(self.config, name="attention")(rms_norm(x, attention_norm, eps), positions, memory)
        x = x + y
        x = x + Mlp(self.config, name="mlp")(rms_norm(x, mlp_norm, eps))
        return constrain(x, "batch", "length", "embed"), kept


class Transformer(nn.Module):
    """Tokens to final hidden states, without the head: `read_out` applies it, in chunks where logits would be too large.

    Attributes:
      config: the architecture.
      dtype: of the computation; parameters are cast to it where they are used.
      remat: what the backward pass recomputes, a key of REMAT_POLICIES (training only).
    """

    config: ModelConfig
    dtype: Any = jnp.float32
    remat: str = "none"

    @nn.compact
    def __call__(
        self, tokens: jax.Array, positions: jax.Array, memories: Memory | Sequence[Memory]
    ) -> tuple[jax.Array, list[Any]]:
        """Runs the decoder.

        Args:
          tokens: [B, T] int32.
          positions: [B, T] int32, from the start of each sequence.
          memories: one memory for all layers: parameters are stacked and the layers scanned (training); or a sequence,
            one a layer: parameters are a subtree a layer and the layers unrolled (the engine).

        Returns:
          [B, T, D] final hidden states, and what the memories kept (a list, one a layer; empty when scanned).
        """
        config = self.config
        embedding, final_norm = _table_params(self, config, (), ("embedding", "final_norm"))
        x = constrain(jnp.take(embedding, tokens, axis=0).astype(self.dtype), "batch", "length", "embed")
        kept: list[Any] = []
        if callable(memories):
            policy = REMAT_POLICIES[self.remat]
            block = Block if policy is None else nn.remat(Block, policy=policy, prevent_cse=False, static_argnums=(3,))

            def layer(module: nn.Module, x: jax.Array) -> tuple[jax.Array, None]:
                return module(x, positions, memories)[0], None

            scan = nn.scan(layer, variable_axes={"params": 0}, split_rngs={"params": True}, length=config.layers)
            x, _ = scan(block(config, name=LAYERS), x)
        else:
            for i, memory in enumerate(memories):
                x, cache = Block(config, name=f"{LAYERS}_{i}")(x, positions, memory)
                kept.append(cache)
        return rms_norm(x, final_norm, config.rms_eps), kept


def run_layers(
    config: ModelConfig,
    dtype: Any,
    params: Params,
    tokens: jax.Array,
    positions: jax.Array,
    memories: Memory | Sequence[Memory],
) -> tuple[jax.Array, list[Any]]:
    """`Transformer` as a function of its parameters: the engine's forward (see `Transformer.__call__`)."""
    found: Any = Transformer(config, dtype).apply({"params": params}, tokens, positions, memories)
    return found


def read_out(config: ModelConfig, params: Params, hidden: jax.Array) -> jax.Array:
    """The model's head: final hidden states [..., D] -> float32 logits [..., V], or the values [..., C] of another head."""
    if config.head == "lm":
        head = params["embedding" if config.tie_embeddings else "head"]
        return jnp.einsum("...d,vd->...v", hidden, head.astype(hidden.dtype), preferred_element_type=jnp.float32)
    score = jax.tree.map(lambda leaf: leaf.astype(hidden.dtype), params["score"])
    if config.head == "mlp":
        hidden = jax.nn.relu(hidden @ score["hidden"] + score["hidden_bias"])
    values = jnp.matmul(hidden, score["out"], preferred_element_type=jnp.float32)
    return values + score["out_bias"].astype(jnp.float32) if "out_bias" in score else values


def hidden_states(
    config: ModelConfig,
    params: Params,
    tokens: jax.Array,
    segment_ids: jax.Array,
    positions: jax.Array,
    dtype: Any = jnp.float32,
    remat: str = "none",
) -> jax.Array:
    """The training forward: [B, T] tokens of packed segments -> [B, T, D], the layers scanned.

    A token attends to earlier tokens of its own segment; segment 0 is padding.
    """
    return masked_hidden_states(config, params, tokens, positions, causal_mask(segment_ids, config.window), dtype, remat)


def masked_hidden_states(
    config: ModelConfig,
    params: Params,
    tokens: jax.Array,
    positions: jax.Array,
    mask: jax.Array,
    dtype: Any = jnp.float32,
    remat: str = "none",
) -> jax.Array:
    """`hidden_states` with any mask [B, T, T] bool of which tokens (last axis) a token sees."""
    model = Transformer(config, dtype=dtype, remat=remat)
    hidden, _ = model.apply({"params": params}, tokens, positions, lambda k, v: ((Segment(k, v, mask),), None))
    return hidden


def logits(config: ModelConfig, params: Params, tokens: jax.Array, dtype: Any = jnp.float32) -> jax.Array:
    """[B, T] tokens of whole sequences -> [B, T, V or C] float32, the head's values. Training tree; nothing is chunked."""
    positions = jnp.broadcast_to(jnp.arange(tokens.shape[1]), tokens.shape)
    hidden = hidden_states(config, params, tokens, jnp.ones_like(tokens), positions, dtype)
    return read_out(config, params, hidden)
