"""A layer's products and norms, with the backward passes written out where autodiff's are slower or hold more.

Axis letters as in `transformer`; I and O are what a product reads and writes.
"""

from __future__ import annotations

import functools
import math
from typing import Any

import jax
import jax.numpy as jnp
from jax.ad_checkpoint import checkpoint_name

from jorney.model.params import Adapted, OutputsFirst
from jorney.sharding import constrain, platform


def rms_norm(x: jax.Array, scale: jax.Array, eps: float) -> jax.Array:
    """x [..., D] over its root mean square, in float32, times scale [D]."""
    wide = x.astype(jnp.float32)
    normed = wide * jax.lax.rsqrt(jnp.mean(jnp.square(wide), axis=-1, keepdims=True) + eps)
    return normed.astype(x.dtype) * scale.astype(x.dtype)


def used(weight: jax.Array, dtype: Any) -> jax.Array:
    """A layer's weight in the dtype of the computation."""
    if weight.dtype == dtype:
        return weight
    # Rounded first, and only then cast: where every use of a weight is a cast, XLA casts those of all layers before it goes
    # through them, and holds them twice. (So it does behind a barrier.)
    info = jnp.finfo(dtype)
    return jax.lax.reduce_precision(weight, info.nexp, info.nmant).astype(dtype)


Weight = jax.Array | OutputsFirst | Adapted
# Up to so many tokens, CPUs are faster if the weight is the left side of a product: SmolLM2-135M's layers on 16 tokens take 0.7
# of the time. Of more tokens it makes no difference.
_FEW = 64


def linear(x: jax.Array, weight: Weight, axes: int = 1) -> jax.Array:
    """The last `axes` axes of x [B, T, ...] with the first ones of the weight: x [B, T, I], weight [I, O] -> [B, T, O].

    The weight is cast to x's dtype; its gradient has the weight's own, in which it is summed over the devices.
    """
    if isinstance(weight, Adapted):
        if weight.whose and weight.chosen is None:  # there are several, and nobody chose one
            return linear(x, weight.weight, axes)
        # What is changed is small in the middle, so that it is scaled there, and chosen, where there are several.
        low = linear(x, weight.a, axes) * weight.scale
        low = low if weight.chosen is None else jnp.where(weight.chosen, low, 0)
        return linear(x, weight.weight, axes) + linear(low, weight.b)
    if isinstance(weight, OutputsFirst):
        return _outputs_first(x, weight.weight, axes)
    if platform() == "tpu":  # to merge axes would copy the weight, as a TPU lays it out
        return _linear(x, weight, axes)
    inputs, outputs = weight.shape[:axes], weight.shape[axes:]
    flat = _linear(x.reshape(*x.shape[:2], -1), weight.reshape(math.prod(inputs), -1), 1)
    return flat.reshape(*x.shape[:2], *outputs)


def _outputs_first(x: jax.Array, weight: jax.Array, axes: int) -> jax.Array:
    """`linear` of a weight [O, I]."""
    if platform() == "tpu":
        return jnp.tensordot(x, used(weight, x.dtype), (tuple(range(-axes, 0)), tuple(range(-axes, 0))))
    outputs = weight.shape[: weight.ndim - axes]
    tokens, rows = x.reshape(x.shape[0] * x.shape[1], -1), used(weight, x.dtype).reshape(math.prod(outputs), -1)
    few = len(tokens) <= _FEW
    found = _turn(jnp.einsum("oi,it->ot", rows, _turn(tokens))) if few else jnp.einsum("ti,oi->to", tokens, rows)
    return found.reshape(*x.shape[:2], *outputs)


def _turn(x: jax.Array) -> jax.Array:
    """[O, T] -> [T, O], behind a barrier: else XLA turns the product round and not its result."""
    return jax.lax.optimization_barrier(x).T


def _gated_outputs_first(x: jax.Array, gate: jax.Array, up: jax.Array, down: jax.Array) -> jax.Array:
    """`gated_mlp` of few tokens, gate and up [F, D], down [D, F]: all between x and the result is [F, T]."""
    tokens = _turn(x.reshape(x.shape[0] * x.shape[1], -1))
    g, u = (jnp.einsum("oi,it->ot", used(weight, x.dtype), tokens) for weight in (gate, up))
    hidden = jax.lax.optimization_barrier(jax.nn.silu(g) * u)
    return _turn(jnp.einsum("of,ft->ot", used(down, x.dtype), hidden)).reshape(x.shape)


@functools.partial(jax.custom_vjp, nondiff_argnums=(2,))
def _linear(x: jax.Array, weight: jax.Array, axes: int) -> jax.Array:
    """The weight's gradient is written as x^T g, which lies as the weight does; autodiff's is (g^T x)^T."""
    return jnp.tensordot(x, used(weight, x.dtype), axes)


def _linear_forward(x: jax.Array, weight: jax.Array, axes: int) -> tuple[jax.Array, Any]:
    return _linear(x, weight, axes), (x, weight)


def _linear_backward(axes: int, saved: Any, g: jax.Array) -> tuple[jax.Array, jax.Array]:
    x, weight = saved
    outputs = tuple(range(axes - weight.ndim, 0))
    return jnp.tensordot(g, used(weight, g.dtype), (outputs, outputs)), weight_gradient(x, g, weight.dtype)


_linear.defvjp(_linear_forward, _linear_backward)


def weight_gradient(x: jax.Array, g: jax.Array, dtype: Any) -> jax.Array:
    """x [B, T, ...], the gradient g [B, T, ...] of a product -> that of its weight, x's axes before g's."""
    if x.ndim == g.ndim == 3:
        flat, g = x.reshape(-1, x.shape[-1]), g.reshape(-1, g.shape[-1])
        return jnp.matmul(flat.T, g, preferred_element_type=dtype)
    return jnp.tensordot(x, g, ((0, 1), (0, 1)), preferred_element_type=dtype)


def gated_mlp(x: jax.Array, gate: Weight, up: Weight, down: Weight) -> jax.Array:
    """(silu(x gate) * (x up)) down: x [B, T, D], gate and up [D, F], down [F, D]; weights and their gradients as in `linear`.

    Only x and the two products are kept for the backward pass; what lies between them and `down` is computed again.
    """
    if any(isinstance(weight, Adapted) for weight in (gate, up, down)):
        return _gated_adapted(x, gate, up, down)
    if isinstance(gate, OutputsFirst):
        assert isinstance(up, OutputsFirst) and isinstance(down, OutputsFirst)  # noqa: PT018
        if x.shape[0] * x.shape[1] <= _FEW:
            return _gated_outputs_first(x, gate.weight, up.weight, down.weight)
        hidden = constrain(jax.nn.silu(linear(x, gate)) * linear(x, up), "batch", "length", "mlp")
        return linear(hidden, down)
    return _gated(x, gate, up, down)


def _gated_adapted(x: jax.Array, gate: Weight, up: Weight, down: Weight) -> jax.Array:
    """`gated_mlp` where a weight has an adapter: as there, the two products are kept and what follows is computed again."""
    g = checkpoint_name(constrain(linear(x, gate), "batch", "length", "mlp"), "gate")
    u = checkpoint_name(constrain(linear(x, up), "batch", "length", "mlp"), "up")
    # In a scan no barrier is needed to have it computed again.
    return jax.checkpoint(lambda g, u, down: linear(jax.nn.silu(g) * u, down), prevent_cse=False)(g, u, down)


@jax.custom_vjp
def _gated(x: jax.Array, gate: jax.Array, up: jax.Array, down: jax.Array) -> jax.Array:
    return _gated_forward(x, gate, up, down)[0]


def _gated_forward(x: jax.Array, gate: jax.Array, up: jax.Array, down: jax.Array) -> tuple[jax.Array, Any]:
    g = checkpoint_name(constrain(x @ used(gate, x.dtype), "batch", "length", "mlp"), "gate")
    u = checkpoint_name(constrain(x @ used(up, x.dtype), "batch", "length", "mlp"), "up")
    return (jax.nn.silu(g) * u) @ used(down, x.dtype), (x, g, u, gate, up, down)


def _gated_backward(saved: Any, dy: jax.Array) -> tuple[jax.Array, ...]:
    x, g, u, gate, up, down = saved
    slope = jax.nn.sigmoid(g)
    dhidden = constrain(dy @ used(down, x.dtype).T, "batch", "length", "mlp")
    # Behind a barrier, for products read them: without it XLA computes them again, transposed, inside each. On TPUs too: two
    # layers of DeepSeekMath-7B's step, compiled for 16 v5e, move 3% more bytes without it (SmolLM2-135M's, for one, 1% fewer).
    hidden, dg, du = jax.lax.optimization_barrier(
        (g * slope * u, dhidden * u * slope * (1 + g * (1 - slope)), dhidden * g * slope)
    )
    dx = dg @ used(gate, x.dtype).T + du @ used(up, x.dtype).T
    dgate, dup = (weight_gradient(x, d, weight.dtype) for d, weight in ((dg, gate), (du, up)))
    return dx, dgate, dup, weight_gradient(hidden, dy, down.dtype)


_gated.defvjp(_gated_forward, _gated_backward)
