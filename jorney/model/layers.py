"""A layer's products and norms, with the backward passes written out where autodiff's are slower or hold more.

Axis letters as in `transformer`; I and O are what a product reads and writes.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from jax.ad_checkpoint import checkpoint_name

from jorney.sharding import constrain


def rms_norm(x: jax.Array, scale: jax.Array, eps: float) -> jax.Array:
    """x [..., D] over its root mean square, in float32, times scale [D]."""
    wide = x.astype(jnp.float32)
    normed = wide * jax.lax.rsqrt(jnp.mean(jnp.square(wide), axis=-1, keepdims=True) + eps)
    return normed.astype(x.dtype) * scale.astype(x.dtype)


@jax.custom_vjp
def linear(x: jax.Array, weight: jax.Array) -> jax.Array:
    """x [B, T, I] @ weight [I, O].

    The weight's gradient is written as x^T g, which lies as the weight does; autodiff's is (g^T x)^T.
    """
    return x @ weight


def _linear_forward(x: jax.Array, weight: jax.Array) -> tuple[jax.Array, Any]:
    return x @ weight, (x, weight)


def _linear_backward(saved: Any, g: jax.Array) -> tuple[jax.Array, jax.Array]:
    x, weight = saved
    return g @ weight.T, weight_gradient(x, g)


linear.defvjp(_linear_forward, _linear_backward)


def weight_gradient(x: jax.Array, g: jax.Array) -> jax.Array:
    """x [B, T, I], the gradient g [B, T, O] of a product -> [I, O], that of its weight."""
    flat, g = x.reshape(-1, x.shape[-1]), g.reshape(-1, g.shape[-1])
    return flat.T @ g


@jax.custom_vjp
def gated_mlp(x: jax.Array, gate: jax.Array, up: jax.Array, down: jax.Array) -> jax.Array:
    """(silu(x gate) * (x up)) down: x [B, T, D], gate and up [D, F], down [F, D].

    Only x and the two products are kept for the backward pass; what lies between them and `down` is computed again.
    """
    return _gated_forward(x, gate, up, down)[0]


def _gated_forward(x: jax.Array, gate: jax.Array, up: jax.Array, down: jax.Array) -> tuple[jax.Array, Any]:
    g = checkpoint_name(constrain(x @ gate, "batch", "length", "mlp"), "gate")
    u = checkpoint_name(constrain(x @ up, "batch", "length", "mlp"), "up")
    return (jax.nn.silu(g) * u) @ down, (x, g, u, gate, up, down)


def _gated_backward(saved: Any, dy: jax.Array) -> tuple[jax.Array, ...]:
    x, g, u, gate, up, down = saved
    slope = jax.nn.sigmoid(g)
    dhidden = constrain(dy @ down.T, "batch", "length", "mlp")
    # Behind a barrier, for products read them: without it XLA computes them again, transposed, inside each.
    hidden, dg, du = jax.lax.optimization_barrier(
        (g * slope * u, dhidden * u * slope * (1 + g * (1 - slope)), dhidden * g * slope)
    )
    dx = dg @ gate.T + du @ up.T
    return dx, weight_gradient(x, dg), weight_gradient(x, du), weight_gradient(hidden, dy)


gated_mlp.defvjp(_gated_forward, _gated_backward)
