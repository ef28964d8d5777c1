"""One training step, blind to the objective."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import optax

from jorney.model.params import Params
from jorney.sharding import constrain, sum_of_parts
from jorney.train.optimizer import apply
from jorney.train.state import TrainState

Batch = Mapping[str, jax.Array]
# (parameters, batch) -> (sum of the loss, {name: sum}). Sums over tokens, never means, so that micro-batches and hosts add up;
# the entry "count" is what every sum is divided by. Where adapters are trained, their base follows (`model.lora.over_base`).
LossFn = Callable[..., tuple[jax.Array, dict[str, jax.Array]]]
Metrics = dict[str, jax.Array]


def make_train_step(
    loss_fn: LossFn, optimizer: optax.GradientTransformation, accumulate: int = 1
) -> Callable[..., tuple[TrainState, Metrics]]:
    """A step for any loss of the form `LossFn`. Pure: jit it with the state donated (`train.loop` does).

    Args:
      loss_fn: returns sums; gradients and metrics are divided by its "count" once, over the whole batch, so that the
        result does not depend on how the batch is cut. Where the mesh has replicas it runs under `jax.vmap`, once for the
        rows of each.
      accumulate: micro-batches a step; must divide the batch. Their gradients are added in float32.

    Returns:
      (state, batch, rate, *frozen) -> (state, metrics): the optimizer's updates are multiplied by `rate`; metrics are the
      sums of `loss_fn` over "count", with "count" itself and "grad_norm". What is frozen is handed to `loss_fn` last.
    """
    gradient = jax.grad(loss_fn, has_aux=True)

    def added(batch: Batch, whole: tuple[Params, ...]) -> Any:
        """The gradients of all rows, and their sums."""
        params, *frozen = whole
        if accumulate == 1:
            return gradient(params, batch, *frozen)
        # Row i goes to micro-batch i mod `accumulate`, so that every device's rows stay on it.
        micro = {
            name: constrain(
                jnp.swapaxes(leaf.reshape(-1, accumulate, *leaf.shape[1:]), 0, 1), None, "batch", *(None,) * (leaf.ndim - 1)
            )
            for name, leaf in batch.items()
        }

        def add(total: Any, piece: Any) -> tuple[Any, None]:
            return jax.tree.map(jnp.add, total, gradient(params, piece, *frozen)), None

        shapes = jax.eval_shape(gradient, params, jax.tree.map(lambda leaf: leaf[0], micro), *frozen)
        return jax.lax.scan(add, jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, jnp.float32), shapes), micro)[0]

    def step(state: TrainState, batch: Batch, rate: Any = 1.0, *frozen: Params) -> tuple[TrainState, Metrics]:
        # Added up in each replica first: what replicas send each other, over the slower network, is sent once a step.
        grads, sums = sum_of_parts("replica", added, batch, (state.params, *frozen))
        count = jnp.maximum(sums["count"], 1.0)
        grads = jax.tree.map(lambda leaf: leaf.astype(jnp.float32) / count, grads)
        metrics = {name: value / count for name, value in sums.items()}
        metrics |= {"count": sums["count"], "grad_norm": optax.tree_utils.tree_norm(grads)}
        updates, opt_state = optimizer.update(grads, state.opt_state, state.params)
        updates = jax.tree.map(lambda leaf: leaf * jnp.asarray(rate, leaf.dtype), updates)
        # The step's own key: a training that goes on rounds as one that never stopped.
        key = jax.random.fold_in(jax.random.key(0), state.step)
        return TrainState(state.step + 1, apply(state.params, updates, key), opt_state), metrics

    return step
