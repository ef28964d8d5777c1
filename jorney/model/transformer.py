"""The decoder: a Llama-family transformer in Flax Linen, a pure function of its parameters.

Axis letters: B batch, T tokens, S keys, D embed, N query heads, K key/value heads, H head dim, F mlp, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.ad_checkpoint import checkpoint_name

from jorney.model import params as parameters
from jorney.model.architecture import ModelConfig
from jorney.model.attention import Turns, branched_attention, causal_attention, forked_attention, rotate, turns
from jorney.model.layers import gated_mlp, linear, rms_norm
from jorney.sharding import constrain, in_parts

# A layer's attention. Given its queries [B, T, N, H] and its fresh keys and values [B, T, K, H] it returns what they read,
# [B, T, N, H], and whatever the caller wants back from the layer (its updated cache).
Attend = Callable[[jax.Array, jax.Array, jax.Array], tuple[jax.Array, Any]]

_save = jax.checkpoint_policies.save_only_these_names
# What of a layer is kept for the backward pass, from the most to the least; the rest is computed again from the layer's input.
REMAT_POLICIES: dict[str, Any] = {
    "none": None,  # all that the backward pass reads
    "dots": _save("query", "key", "value", "attended", "gate", "up"),  # not the norms and what precedes them
    "attention": _save("query", "key", "value", "attended"),  # not the MLP, the largest part
    "attended": _save("attended"),  # what attention read, its dearest result for its size
    "full": jax.checkpoint_policies.nothing_saveable,
}


def _table_params(module: nn.Module, config: ModelConfig, prefix: tuple[str, ...], names: Sequence[str]) -> list[Any]:
    """This module's parameters, shapes taken from the parameter table; as the engine or an adapter has them, where one does."""
    held: list[Any] = [module.get_variable("params", name) for name in names]
    if any(isinstance(one, parameters.OutputsFirst | parameters.Adapted) for one in held):
        return held
    rows = parameters.table(config)
    # Values come from `params.init` or a checkpoint, never from Linen: the initialiser only states the shape.
    return [module.param(name, lambda _, shape=rows[(*prefix, name)].shape: jnp.zeros(shape)) for name in names]


class Attention(nn.Module):
    """Grouped-query attention with rotary positions."""

    config: ModelConfig

    @nn.compact
    def __call__(self, x: jax.Array, turned: Turns, attend: Attend) -> tuple[jax.Array, Any]:
        config, prefix = self.config, (parameters.LAYERS, "attention")
        wq, wk, wv, wo = _table_params(self, config, prefix, ("query", "key", "value", "out"))
        q, k, v = (linear(x, w) for w in (wq, wk, wv))
        if config.qkv_bias:
            biases = _table_params(self, config, prefix, ("query_bias", "key_bias", "value_bias"))
            q, k, v = (y + b.astype(x.dtype) for y, b in zip((q, k, v), biases, strict=True))
        if config.qk_norm:
            scales = _table_params(self, config, prefix, ("query_norm", "key_norm"))
            q, k = (rms_norm(y, scale, config.rms_eps) for y, scale in zip((q, k), scales, strict=True))
        q, k = rotate(q, turned), rotate(k, turned)
        q = checkpoint_name(constrain(q, "batch", "length", "heads", "head_dim"), "query")
        k = checkpoint_name(constrain(k, "batch", "length", "kv_heads", "head_dim"), "key")
        v = checkpoint_name(constrain(v, "batch", "length", "kv_heads", "head_dim"), "value")
        read, kept = attend(q, k, v)
        return linear(read, wo, 2), kept


class Mlp(nn.Module):
    """The gated MLP."""

    config: ModelConfig

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        gate, up, down = _table_params(self, self.config, (parameters.LAYERS, "mlp"), ("gate", "up", "down"))
        return gated_mlp(x, gate, up, down)


class Block(nn.Module):
    """One layer: attention, then MLP, each on a normalised residual stream."""

    config: ModelConfig

    @nn.compact
    def __call__(self, x: jax.Array, turned: Turns, attend: Attend) -> tuple[jax.Array, Any]:
        attention_norm, mlp_norm = _table_params(self, self.config, (parameters.LAYERS,), ("attention_norm", "mlp_norm"))
        eps = self.config.rms_eps
        y, kept = Attention(self.config, name="attention")(rms_norm(x, attention_norm, eps), turned, attend)
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
        self,
        tokens: jax.Array,
        positions: jax.Array,
        attends: Attend | Sequence[Attend],
        turned: Turns | None = None,
    ) -> tuple[jax.Array, list[Any]]:
        """Runs the decoder.

        Args:
          tokens: [B, T] int32.
          positions: [B, T] int32, from the start of each sequence.
          attends: one attention for all layers: parameters are stacked and the layers scanned (training); or a sequence,
            one a layer: parameters are a subtree a layer and the layers unrolled (the engine).
          turned: `attention.turns` of the positions, where they are known beforehand.

        Returns:
          [B, T, D] final hidden states, and what the attentions kept (a list, one a layer; empty when scanned).
        """
        config = self.config
        embedding, final_norm = _table_params(self, config, (), ("embedding", "final_norm"))
        if in_parts():
            # All that a device looks up, told beforehand: else the vectors of a replica's rows go by way of the other replicas.
            tokens = constrain(tokens, "replica", "length")
        x = jnp.take(embedding, tokens, axis=0).astype(self.dtype)
        if callable(attends):
            # Every device looks up its part of the vectors for all rows, then they change places: so the gradient of the
            # embedding is summed where it belongs, and not as large as the whole on every device.
            x = constrain(x, "replica", "length", "weight_embed")
        x = constrain(x, "batch", "length", "embed")
        turned = turns(config, positions) if turned is None else turned
        kept: list[Any] = []
        if callable(attends):
            policy = REMAT_POLICIES[self.remat]
            block = Block if policy is None else nn.remat(Block, policy=policy, prevent_cse=False, static_argnums=(3,))

            def layer(module: nn.Module, x: jax.Array) -> tuple[jax.Array, None]:
                return module(x, turned, attends)[0], None

            scan = nn.scan(layer, variable_axes={"params": 0}, split_rngs={"params": True}, length=config.layers)
            x, _ = scan(block(config, name=parameters.LAYERS), x)
        else:
            for i, attend in enumerate(attends):
                x, cache = Block(config, name=parameters.layer_name(i))(x, turned, attend)
                kept.append(cache)
        return rms_norm(x, final_norm, config.rms_eps), kept


def run_layers(
    config: ModelConfig,
    dtype: Any,
    params: parameters.Params,
    tokens: jax.Array,
    positions: jax.Array,
    attends: Attend | Sequence[Attend],
    turned: Turns | None = None,
) -> tuple[jax.Array, list[Any]]:
    """`Transformer` as a function of its parameters: the engine's forward (see `Transformer.__call__`)."""
    if turned is None:  # behind a barrier, or XLA computes them in every layer anew
        turned = jax.lax.optimization_barrier(turns(config, positions))
    found: Any = Transformer(config, dtype).apply({"params": params}, tokens, positions, attends, turned)
    return found


def read_out(config: ModelConfig, params: parameters.Params, hidden: jax.Array) -> jax.Array:
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
    params: parameters.Params,
    tokens: jax.Array,
    segment_ids: jax.Array,
    positions: jax.Array,
    dtype: Any = jnp.float32,
    remat: str = "none",
) -> jax.Array:
    """The training forward: [B, T] tokens of packed segments -> [B, T, D], the layers scanned.

    A token attends to earlier tokens of its own segment; segment 0 is padding.
    """

    def attend(q: jax.Array, k: jax.Array, v: jax.Array) -> tuple[jax.Array, None]:
        return causal_attention(q, k, v, segment_ids, segment_ids, config.window), None

    return Transformer(config, dtype, remat).apply({"params": params}, tokens, positions, attend)[0]


def branched_hidden_states(
    config: ModelConfig,
    params: parameters.Params,
    tokens: jax.Array,
    ends: jax.Array,
    positions: jax.Array,
    dtype: Any = jnp.float32,
    remat: str = "none",
) -> jax.Array:
    """`hidden_states` of rows that hold trees of tokens: what texts have in common runs once (`batch.branches`).

    Args:
      ends: [B, T] int32, see `attention.branched_attention`.
      positions: [B, T] int32, of each token in its text.
    """
    assert config.window is None or config.window >= tokens.shape[1], "distances in a row are not those in the text"

    def attend(q: jax.Array, k: jax.Array, v: jax.Array) -> tuple[jax.Array, None]:
        return branched_attention(q, k, v, ends), None

    return Transformer(config, dtype, remat).apply({"params": params}, tokens, positions, attend)[0]


def forked_hidden_states(
    config: ModelConfig,
    params: parameters.Params,
    tokens: jax.Array,
    parts: jax.Array,
    positions: jax.Array,
    length: int,
    branches: int = 2,
    dtype: Any = jnp.float32,
    remat: str = "none",
) -> jax.Array:
    """`hidden_states` of rows [B, P + C*L]: a prompt that ends at P - 1, and C branches of `length` L that go on from it.

    All of it runs once on P + C*L tokens.

    Args:
      parts: [B, P + C*L] int32, 0 for padding: before the prompt, after a branch.
      branches: C.
    """
    real = (parts > 0).astype(jnp.int32)

    def attend(q: jax.Array, k: jax.Array, v: jax.Array) -> tuple[jax.Array, None]:
        return forked_attention(q, k, v, real, length, branches, config.window), None

    return Transformer(config, dtype, remat).apply({"params": params}, tokens, positions, attend)[0]


def predicting_states(hidden: jax.Array, length: int, branches: int) -> jax.Array:
    """[B, C*L, D]: what predicts each token of the branches, of `forked_hidden_states` [B, P + C*L, D].

    A prompt ends at P - 1: the first tokens of all branches are predicted from there, each other one from the one before it.
    """
    B, T, D = hidden.shape
    P = T - branches * length
    before = hidden[:, P - 1 : -1].reshape(B, branches, length, D)
    return before.at[:, 1:, 0].set(hidden[:, P - 1, None]).reshape(B, T - P, D)


def logits(config: ModelConfig, params: parameters.Params, tokens: jax.Array, dtype: Any = jnp.float32) -> jax.Array:
    """[B, T] tokens of whole sequences -> [B, T, V or C] float32, the head's values. Training tree; nothing is chunked."""
    positions = jnp.broadcast_to(jnp.arange(tokens.shape[1]), tokens.shape)
    return read_out(config, params, hidden_states(config, params, tokens, jnp.ones_like(tokens), positions, dtype))
