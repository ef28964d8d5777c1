"""The steps of trainings, to be compiled for a machine."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from jax.sharding import Mesh

from jorney import sharding
from jorney.machine import aot
from jorney.machine.plan.planned import Program
from jorney.model import flops
from jorney.model import params as parameters
from jorney.model.architecture import ModelConfig
from jorney.topology import Slice
from jorney.train.cross_entropy import piece_length
from jorney.train.objective import describe
from jorney.train.objectives.dpo import DpoConfig
from jorney.train.objectives.prm import PrmConfig
from jorney.train.objectives.sft import SftConfig


def training_step(
    name: str, model: ModelConfig, config: SftConfig | DpoConfig | PrmConfig, dtype: Any, machine: Slice, mesh: Mesh
) -> Program:
    """The step of `train.loop`.

    Raises:
      ValueError: the rows do not divide over the machine, or a length is not stated.
    """
    objective = describe(model, config, dtype)
    ways = sharding.ways("batch", mesh) * config.accumulate
    if objective.rows % ways:
        field = f"{config.name}.{config.batch}"
        raise ValueError(
            f"{field} = {objective.rows}: expected a multiple of {ways}, data x fsdp devices x {config.name}.accumulate"
        )
    trips = 1
    if isinstance(config, SftConfig):  # the head's loop, which ends with the last token that bears loss
        with jax.set_mesh(mesh):
            trips = config.row_length // piece_length(objective.rows // config.accumulate, config.row_length, config.head_chunk)
    parts = mesh.devices.size // mesh.shape["data"] / machine.generation.devices  # chips that share one replica
    count = parameters.count(objective.model) / parts
    sizes = {kind: jnp.dtype(getattr(config.optimizer, kind)).itemsize for kind in ("master", "moments")}
    return Program(
        name,
        lambda: aot.train_step(objective.model, objective.loss_fn, config.optimizer, config.accumulate, objective.batch, mesh),
        trips,
        {convention: objective.flops(convention) for convention in flops.CONVENTIONS},
        objective.tokens,
        passes=2,  # read, and written
        resident={"parameters": count * sizes["master"], "optimizer state": 2 * count * sizes["moments"]},
    )
