"""Everything a training run carries from step to step, and where it lives on the mesh."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from jorney.model import lora as adapters
from jorney.model.architecture import ModelConfig
from jorney.model.lora import LoraConfig
from jorney.model.params import Params, abstract, param_shardings


class TrainState(NamedTuple):
    """What a training run carries from step to step.

    Attributes:
      step: [] int32, updates done.
      params: what is trained: the training tree, or adapters (`model.lora`), whose base is no part of the state.
      opt_state: optax's.
    """

    step: jax.Array
    params: Params
    opt_state: Any


def create(params: Params, optimizer: optax.GradientTransformation) -> TrainState:
    """The state at step 0. Jit it with `state_shardings` as out_shardings to have the moments made in place."""
    return TrainState(jnp.zeros((), jnp.int32), params, optimizer.init(params))


def creator(optimizer: optax.GradientTransformation, where: TrainState) -> Any:
    """`create`, jitted: takes the parameters' memory over, and makes the moments where they belong."""
    return jax.jit(lambda params: create(params, optimizer), out_shardings=where, donate_argnums=0)


def trained(config: ModelConfig, dtype: Any = jnp.float32, lora: LoraConfig | None = None) -> Params:
    """What of a model is trained, as ShapeDtypeStructs: all of it, or adapters."""
    return adapters.abstract(config, lora, dtype) if lora and lora.rank else abstract(config, dtype)


def state_shardings(
    config: ModelConfig, mesh: Mesh, optimizer: optax.GradientTransformation, lora: LoraConfig | None = None
) -> TrainState:
    """Shardings of the whole state: moments lie where their parameters lie, everything else on every device."""
    where = adapters.shardings(config, lora, mesh) if lora and lora.rank else param_shardings(config, mesh)
    everywhere: Any = NamedSharding(mesh, PartitionSpec())
    shapes = jax.eval_shape(lambda p: create(p, optimizer), trained(config, lora=lora))
    moments = optax.tree_utils.tree_map_params(
        optimizer, lambda _, place: place, shapes.opt_state, where, transform_non_params=lambda _: everywhere
    )
    return TrainState(everywhere, where, moments)


def base(config: ModelConfig, mesh: Mesh, dtype: Any, lora: LoraConfig) -> tuple[Params, ...]:
    """What a step is given beside its state where adapters are trained, as ShapeDtypeStructs: the frozen model."""
    if not lora.rank:
        return ()
    return (placed(abstract(config, dtype), param_shardings(config, mesh)),)


def placed(state: Any, where: Any) -> Any:
    """Shapes, dtypes and shardings of a state: what a checkpoint is restored into, and a step is compiled for."""
    return jax.tree.map(lambda leaf, place: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=place), state, where)
