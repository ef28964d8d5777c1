"""One training step, blind to the objective."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import optax

from jorney.model.params import Params
from jorney.sharding import constrain
from jorney.train.optimizer import apply
from jorney.train.state import TrainState

Batch = Mapping[str, jax.Array]
# (parameters, batch) -> (sum of the loss, {name: sum}). Sums over tokens, never means, so that micro-batches and hosts add up;
# the entry "count" is what every sum is divided by.
LossFn = Callable[[Params, Batch], tuple[jax.Array, dict[str, jax.Array]]]
Metrics = dict[str, jax.Array]


def make_train_step(
    loss_fn: LossFn, optimizer: optax.GradientTransformation, accumulate: int = 1
) -> Callable[[TrainState, Batch, Any], tuple[TrainState, Metrics]]:
    """A step for any loss of the form `LossFn`. Pure: jit it with the state donated (`train.loop` does).

    Args:
      loss_fn: returns sums; gradients and metrics are divided by its "count" once, over the whole batch, so that the
        result does not depend on how the batch is cut.
      accumulate: micro-batches a step; must divide the batch. Their gradients are added in float32.

    Returns:
      (state, batch, rate) -> (state, metrics): the optimizer's updates are multiplied by `rate`; metrics are the sums of
      `loss_fn` over "count", with "count" itself and "grad_norm".
    """

    def step(state: TrainState, batch: Batch, rate: Any = 1.0) -> tuple[TrainState, Metrics]:
        gradient = jax.grad(loss_fn, has_aux=True)
        if accumulate == 1:
            grads, sums = gradient(state.params, batch)
        else:
            # Row i goes to micro-batch i mod `accumulate`, so that every device's rows stay on it.
            micro = {
                name: constrain(
                    jnp.swapaxes(leaf.reshape(-1, accumulate, *leaf.shape[1:]), 0, 1), None, "batch", *(None,) * (leaf.ndim - 1)
                )
                for name, leaf in batch.items()
            }

            def add(total: Any, piece: Any) -> tuple[Any, None]:
                return jax.tree.map(jnp.add, total, gradient(state.params, piece)), None

            shapes = jax.eval_shape(gradient, state.params, jax.tree.map(lambda leaf: leaf[0], micro))
            zeros = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, jnp.float32), shapes)
            (grads, sums), _ = jax.lax.scan(add, zeros, micro)
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
