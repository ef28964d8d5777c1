"""The steps of trainings, to be compiled for a machine."""

from __future__ import annotations

import math
from typing import Any

import jax
import jax.numpy as jnp
from jax.sharding import Mesh

from jorney import sharding
from jorney.machine.plan.planned import AotProgram
from jorney.model import flops
from jorney.model import lora as adapters
from jorney.model import params as parameters
from jorney.model.architecture import ModelConfig
from jorney.precision import EXACT, products
from jorney.topology import Slice
from jorney.train import state as states
from jorney.train.objective import StepShape, TrainingConfig, objective_of
from jorney.train.optimizer import make_optimizer
from jorney.train.step import make_train_step


def training_step(
    name: str, model: ModelConfig, config: TrainingConfig, dtype: Any, machine: Slice, mesh: Mesh, precision: str = EXACT
) -> AotProgram:
    """The step of `train.loop`. Raises ValueError where the rows do not divide over the machine, or a length is not stated."""
    objective = objective_of(config)
    step = objective.shape(model, config, dtype)
    ways = sharding.ways("batch", mesh) * config.accumulate
    if step.rows % ways:
        raise ValueError(f"{config.rows_told}: expected a multiple of {ways}, data x fsdp devices x {config.name}.accumulate")
    with jax.set_mesh(mesh):
        trips = objective.trips(config)
    parts = mesh.devices.size // mesh.shape["data"] / machine.generation.devices  # chips that share one replica
    count, frozen = parameters.count(step.model) / parts, 0.0
    if step.lora.rank:
        frozen, count = count * jnp.dtype(dtype).itemsize, adapters.count(step.model, step.lora) / parts
    sizes = {kind: jnp.dtype(getattr(config.optimizer, kind)).itemsize for kind in ("master", "moments")}
    return AotProgram(
        name,
        lambda: _lower(step, config, mesh, dtype, products(dtype, precision)),
        trips,
        {convention: step.flops(convention) for convention in flops.CONVENTIONS},
        step.tokens,
        passes=2,  # read, and written
        resident={
            **({"frozen parameters": frozen} if frozen else {}),
            "parameters": count * sizes["master"],
            "optimizer state": 2 * count * sizes["moments"],
        },
    )


def state_bytes(model: ModelConfig, config: TrainingConfig, dtype: Any, mesh: Mesh) -> tuple[float, float]:
    """(parameters, moments): bytes of a device that a training holds from step to step.

    Args:
      model: the policy.
      dtype: of the computation, in which parameters lie that adapters leave as they are.
    """
    own = objective_of(config).model(model)
    state = _state(own, config, mesh)
    return _held((state.params, states.base(own, mesh, dtype, config.lora))), _held(state.opt_state)


def reference_bytes(model: ModelConfig, dtype: Any, mesh: Mesh) -> float:
    """Bytes of a device of a whole model that lies as training has it."""
    return _held(states.placed(parameters.abstract(model, dtype), parameters.param_shardings(model, mesh)))


def _held(tree: Any) -> float:
    leaves = jax.tree.leaves(tree)
    return float(sum(math.prod(leaf.sharding.shard_shape(leaf.shape)) * leaf.dtype.itemsize for leaf in leaves))


def _state(model: ModelConfig, config: TrainingConfig, mesh: Mesh) -> states.TrainState:
    optimizer = make_optimizer(config.optimizer)
    params = states.trained(model, jnp.dtype(config.optimizer.master), config.lora)
    shapes = jax.eval_shape(lambda tree: states.create(tree, optimizer), params)
    state: states.TrainState = states.placed(shapes, states.state_shardings(model, mesh, optimizer, config.lora))
    return state


def _lower(step: StepShape, config: TrainingConfig, mesh: Mesh, dtype: Any, exact: str) -> Any:
    optimizer = make_optimizer(config.optimizer)
    where = states.state_shardings(step.model, mesh, optimizer, step.lora)
    state = _state(step.model, config, mesh)
    rows = sharding.named(mesh, "batch")
    batch = {name: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=rows) for name, leaf in step.batch.items()}
    run = make_train_step(step.loss_fn, optimizer, config.accumulate)
    program = jax.jit(run, donate_argnums=0, out_shardings=(where, None))
    rate = jax.ShapeDtypeStruct((), jnp.float32, sharding=sharding.named(mesh))
    with jax.set_mesh(mesh), jax.default_matmul_precision(exact):
        return program.trace(state, batch, rate, *states.base(step.model, mesh, dtype, step.lora)).lower(
            lowering_platforms=("tpu",)
        )
