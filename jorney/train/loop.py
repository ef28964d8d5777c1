"""The training loop: any loss, resumable, the same for every objective."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh

from jorney import sharding, storage
from jorney.checkpoint import Checkpoints
from jorney.compiled import Compilations
from jorney.data.loader import Batches
from jorney.model.config import ModelConfig
from jorney.model.params import Params
from jorney.train import state as states
from jorney.train.losses import LossFn
from jorney.train.optimizer import OptimizerConfig, make_optimizer, make_schedule
from jorney.train.step import make_train_step


@dataclasses.dataclass(frozen=True)
class LoopConfig:
    """How often a training loop looks, logs and saves. Changes nothing about what is learned.

    Attributes:
      save_every: steps between checkpoints.
      keep: checkpoints that stay.
      log_every: steps between two looks at the metrics.
    """

    save_every: int = 50
    keep: int = 2
    log_every: int = 10

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            if getattr(self, field.name) < 1:
                raise ValueError(f"loop.{field.name} = {getattr(self, field.name)}: expected 1 or more")


# One row of the training record: metrics by name, with "step" (from 1).
Record = dict[str, float]


def train(
    config: ModelConfig,
    params: Params,
    loss_fn: LossFn,
    batches: Batches,
    optimizer_config: OptimizerConfig,
    loop: LoopConfig,
    mesh: Mesh,
    folder: storage.PathLike,
    accumulate: int = 1,
    compilations: Compilations | None = None,
    on_step: Callable[[int, Record | None], None] = lambda step, record: None,
) -> tuple[Params, list[Record]]:
    """Trains until the batches end. Killed and called again with equal arguments it ends with equal parameters.

    Args:
      params: the training tree to start from; copied, since the step donates its state.
      folder: of the checkpoints; when it holds one, training goes on from there.
      accumulate: micro-batches a step.
      on_step: called after each step with the steps done, and its record every `log_every` steps.

    Returns:
      The trained parameters, and the metrics of every step.

    Raises:
      ValueError: the loss is not finite; names the step.
    """
    optimizer = make_optimizer(optimizer_config)
    rates = np.asarray(jax.vmap(make_schedule(optimizer_config, batches.steps))(jnp.arange(batches.steps)))
    where = states.state_shardings(config, mesh, optimizer)
    compilations = compilations or Compilations()
    # Neither the number of steps nor the rate is part of the program: trainings of one loss and one shape share it.
    shared = dataclasses.replace(optimizer_config, learning_rate=1.0, schedule="constant", warmup=0.0, final_fraction=0.0)
    program = compilations.program(
        ("train step", loss_fn, shared, accumulate, mesh),
        "train step",
        make_train_step(loss_fn, optimizer, accumulate),
        donate_argnums=0,
        out_shardings=(where, None),
    )
    records: list[Record] = []
    waiting: list[tuple[int, dict[str, jax.Array]]] = []

    def collect() -> Record | None:
        """Moves the metrics that wait on the devices to the host: one transfer for many steps."""
        for number, metrics in jax.device_get(waiting):
            records.append({"step": number, **{name: float(value) for name, value in metrics.items()}})
            if not np.isfinite(records[-1]["loss"]):
                raise ValueError(
                    f"step {number}: the loss is {records[-1]['loss']}: expected a finite number (try a lower rate)"
                )
        waiting.clear()
        return records[-1] if records else None

    with jax.set_mesh(mesh), Checkpoints(folder, loop.keep) as checkpoints:
        create = jax.jit(lambda tree: states.create(jax.tree.map(jnp.copy, tree), optimizer), out_shardings=where)
        latest = checkpoints.latest()
        if latest is None:
            state = create(params)
        else:
            shapes = jax.eval_shape(create, params)
            like = jax.tree.map(lambda leaf, place: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=place), shapes, where)
            state, record = checkpoints.restore(latest, like)
            records.extend(record["records"])
        done = latest or 0
        for step, batch in enumerate(batches.start_at(done), start=done + 1):
            state, metrics = program(state, put(batch, mesh), rates[step - 1])
            waiting.append((step, metrics))
            due = step % loop.log_every == 0 or step == batches.steps
            on_step(step, collect() if due else None)
            if step % loop.save_every == 0 or step == batches.steps:
                collect()
                checkpoints.save(step, state, {"records": records})
        return state.params, records


def put(batch: Any, mesh: Mesh) -> dict[str, jax.Array]:
    """A host's batch {field: [B] or [B, T]} onto the mesh, rows split over data and fsdp."""
    places = {1: sharding.named(mesh, "batch"), 2: sharding.named(mesh, "batch", "length")}
    return {name: jax.make_array_from_callback(rows.shape, places[rows.ndim], rows.__getitem__) for name, rows in batch.items()}
