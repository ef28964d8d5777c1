"""The steps of trainings, to be compiled for a machine."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from jax.sharding import Mesh

from jorney import sharding
from jorney.machine import aot
from jorney.machine.plan.planned import AotProgram
from jorney.model import flops
from jorney.model import params as parameters
from jorney.model.architecture import ModelConfig
from jorney.topology import Slice
from jorney.train.objective import TrainingConfig, objective_of


def training_step(name: str, model: ModelConfig, config: TrainingConfig, dtype: Any, machine: Slice, mesh: Mesh) -> AotProgram:
    """The step of `train.loop`.

    Raises:
      ValueError: the rows do not divide over the machine, or a length is not stated.
    """
    objective = objective_of(config)
    step = objective.shape(model, config, dtype)
    ways = sharding.ways("batch", mesh) * config.accumulate
    if step.rows % ways:
        field = f"{config.name}.{config.batch}"
        raise ValueError(
            f"{field} = {step.rows}: expected a multiple of {ways}, data x fsdp devices x {config.name}.accumulate"
        )
    with jax.set_mesh(mesh):
        trips = objective.trips(config)
    parts = mesh.devices.size // mesh.shape["data"] / machine.generation.devices  # chips that share one replica
    count = parameters.count(step.model) / parts
    sizes = {kind: jnp.dtype(getattr(config.optimizer, kind)).itemsize for kind in ("master", "moments")}
    return AotProgram(
        name,
        lambda: aot.train_step(step.model, step.loss_fn, config.optimizer, config.accumulate, step.batch, mesh),
        trips,
        {convention: step.flops(convention) for convention in flops.CONVENTIONS},
        step.tokens,
        passes=2,  # read, and written
        resident={"parameters": count * sizes["master"], "optimizer state": 2 * count * sizes["moments"]},
    )
