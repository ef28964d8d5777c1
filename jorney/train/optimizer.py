"""The optimizer: AdamW with warm-up, a cosine or constant schedule, clipping by global norm, and the dtypes it is held in."""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import optax

from jorney.config import expect, expect_above, expect_number, expect_one_of

DTYPES = ("float32", "bfloat16")


@dataclasses.dataclass(frozen=True)
class OptimizerConfig:
    """AdamW's settings.

    Attributes:
      learning_rate: at its peak.
      schedule: "cosine" (to `final_fraction` of the peak) or "constant" after the warm-up.
      warmup: share of all steps over which the rate rises from 0.
      final_fraction: the rate at the last step over the peak.
      b1, b2, eps: Adam's decay rates and denominator term.
      weight_decay: decoupled; on every parameter.
      clip: largest global norm of the gradient; 0 for none.
      master: dtype in which parameters are held, "float32" or "bfloat16"; updates of the latter are rounded stochastically.
      moments: dtype in which Adam's two moments are held; the arithmetic is float32.
    """

    learning_rate: float = 1e-5
    schedule: str = "cosine"
    warmup: float = 0.03
    final_fraction: float = 0.0
    b1: float = 0.9
    b2: float = 0.95
    eps: float = 1e-8
    weight_decay: float = 0.0
    clip: float = 1.0
    master: str = "float32"
    moments: str = "float32"

    def __post_init__(self) -> None:
        expect_above(0, self, "optimizer", "learning_rate")
        expect(lambda name: name in ("cosine", "constant"), "'cosine' or 'constant'", self, "optimizer", "schedule")
        expect_number(self, "optimizer", "warmup", "final_fraction", "b1", "b2", least=0, most=1)
        expect(lambda rate: rate < 1, "0 or more, below 1", self, "optimizer", "b1", "b2")
        expect_number(self, "optimizer", "clip", "eps", "weight_decay", least=0)
        expect_one_of(DTYPES, self, "optimizer", "master", "moments")
        if self.moments == "bfloat16" and max(self.b1, self.b2) > 0.99:
            # A change of less than 2^-9 of the value is rounded away, and with it everything that is new.
            raise ValueError("optimizer.moments = 'bfloat16': expected b1 and b2 of 0.99 at most, or moments = 'float32'")


def make_schedule(config: OptimizerConfig, steps: int) -> optax.Schedule:
    """The learning rate as a function of the step, for a run of `steps` steps."""
    warmup = max(1, round(config.warmup * steps)) if config.warmup else 0
    peak = config.learning_rate
    if config.schedule == "cosine":
        after = optax.cosine_decay_schedule(peak, max(1, steps - warmup), alpha=config.final_fraction)
    else:
        after = optax.constant_schedule(peak)
    if not warmup:
        return after
    rise = optax.linear_schedule(peak / warmup, peak, max(1, warmup - 1))  # the first step moves, the last is at the peak
    return optax.join_schedules([rise, after], [warmup])


def make_optimizer(config: OptimizerConfig) -> optax.GradientTransformation:
    """AdamW as configured, at the rate 1: the step multiplies by the rate of its schedule, so that one program serves all."""
    adamw = optax.adamw(1.0, config.b1, config.b2, config.eps, weight_decay=config.weight_decay)
    held = _held_in(jnp.dtype(config.moments), adamw)
    return optax.chain(optax.clip_by_global_norm(config.clip), held) if config.clip else held


def _held_in(dtype: Any, inner: optax.GradientTransformation) -> optax.GradientTransformation:
    """`inner`, whose state is kept in `dtype` between its updates."""

    def cast(state: Any, to: Any) -> Any:
        def one(leaf: Any) -> Any:
            # Optax also builds states of placeholders, to see which leaves belong to parameters.
            return leaf.astype(to) if isinstance(leaf, jax.Array) and jnp.issubdtype(leaf.dtype, jnp.floating) else leaf

        return jax.tree.map(one, state)

    def update(grads: Any, state: Any, params: Any = None) -> tuple[Any, Any]:
        updates, state = inner.update(grads, cast(state, jnp.float32), params)
        return updates, cast(state, dtype)

    return optax.GradientTransformation(lambda params: cast(inner.init(params), dtype), update)


def apply(params: Any, updates: Any, key: jax.Array) -> Any:
    """params + updates, in the parameters' dtype.

    bfloat16 parameters are rounded stochastically: an update is most often below half of the distance to the next bfloat16,
    and rounding to the nearest would leave the parameter where it is, for ever.

    Args:
      updates: float32, in the form of the parameters.
      key: of the rounding.
    """
    leaves, structure = jax.tree.flatten(params)
    found = []
    for index, (leaf, update) in enumerate(zip(leaves, jax.tree.leaves(updates), strict=True)):
        exact = leaf.astype(jnp.float32) + update
        if leaf.dtype == jnp.bfloat16:
            exact = round_stochastically(exact, jax.random.fold_in(key, index))
        found.append(exact.astype(leaf.dtype))
    return jax.tree.unflatten(structure, found)


def round_stochastically(x: jax.Array, key: jax.Array) -> jax.Array:
    """float32 -> one of the two bfloat16 values around it, the nearer the likelier: on average x itself."""
    bits = jax.lax.bitcast_convert_type(x, jnp.uint32)
    noise = jax.random.bits(key, x.shape, jnp.uint16).astype(jnp.uint32)
    return jax.lax.bitcast_convert_type((bits + noise) & jnp.uint32(0xFFFF0000), jnp.float32).astype(jnp.bfloat16)
