"""The programs of a round, to be compiled for a machine: sampling on each host's own chips, log-probabilities, updates."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax.sharding import Mesh

from jorney import sharding
from jorney.batch.row_arrays import rounded_up
from jorney.engine.memory import weight_bytes
from jorney.machine.plan.planned import AotProgram
from jorney.machine.plan.planner import Planner
from jorney.machine.plan.rounds import JUDGE, MOMENTS, PARAMETERS, REFERENCE, Round
from jorney.machine.plan.training_step import reference_bytes, state_bytes
from jorney.model import flops
from jorney.model import lora as adapters
from jorney.model import params as parameters
from jorney.model.architecture import ModelConfig
from jorney.precision import products
from jorney.reinforce.own_weights import moved_bytes
from jorney.reinforce.round_sampler import sampling_of
from jorney.train import state as states
from jorney.train.objective import StepShape, objective_of
from jorney.train.objectives.grpo import READ, GrpoConfig, completion_log_probs

LABEL = "sampling"  # of the engine
POLICY, REFERENCES = "policy log-probs", "reference log-probs"


def round_programs(
    planner: Planner, config: GrpoConfig, mesh: Mesh, judge: ModelConfig | None = None, left_out: Sequence[str] = ()
) -> list[AotProgram]:
    """All of them, in their order; the planner is told what a round does with them.

    Args:
      mesh: of the training, all hosts'.
      judge, left_out: see `Round`.
    """
    model, dtype, hosts = planner.model, planner.dtype, planner.machine.hosts
    prompt = config.prompt_length or rounded_up(planner.prompt)
    config = objective_of(config).fitted(model, dataclasses.replace(config, prompt_length=prompt))
    params, moments = state_bytes(model, config, dtype, mesh)
    held = {PARAMETERS: params, MOMENTS: moments}
    if config.reads_reference and (not config.lora.rank or config.reference_every):  # else it is the adapters' base
        held[REFERENCE] = reference_bytes(model, dtype, mesh)
    if judge:
        held[JUDGE] = weight_bytes(judge, dtype, planner.apart(mesh))
    share, beside = -(-config.questions // hosts), {f"the {name}": held.get(name, 0.0) for name in (REFERENCE, JUDGE)}
    step = dataclasses.replace(planner.step("grpo", config, mesh), beside=sum(beside.values()))
    names = {"the training's parameters": params, "its moments": moments, **beside}
    sampling = planner.completions_beside(LABEL, sampling_of(config, 0), mesh, share, prompt, names)
    wanted = {POLICY: config.reads_policy, REFERENCES: config.reads_reference}
    reads = [_log_probs(planner, config, mesh, which, held) for which, is_read in wanted.items() if is_read]
    micro_batches = config.updates * config.accumulate
    runs = {**{one.name: micro_batches for one in reads}, step.name: config.epochs * config.updates}
    lengths = prompt, int(config.completion_length)
    moved = moved_bytes(model, dtype, mesh)
    planner.round = Round(LABEL, share, config.questions, config.group, *lengths, held, moved, runs, judge, left_out)
    return [*sampling, *reads, step]


def _log_probs(planner: Planner, config: GrpoConfig, mesh: Mesh, name: str, held: Mapping[str, float]) -> AotProgram:
    """`group_log_probs` of a micro-batch, beside what else a training holds."""
    model, dtype = planner.model, planner.dtype
    objective = objective_of(config)
    step: StepShape = objective.shape(model, config, dtype)
    rows, read_out = config.rows // config.accumulate, step.read_out / config.accumulate
    work = {one: flops.forward(model, step.row, rows, read_out, one) for one in flops.CONVENTIONS}
    # Where the reference is the base of adapters, it is among the training's parameters.
    given = held[PARAMETERS] if name == POLICY else reference_bytes(model, dtype, mesh)
    with jax.set_mesh(mesh):
        trips = objective.trips(config)
    return AotProgram(
        name,
        lambda: _lower(planner, config, mesh, step, rows, name == POLICY),
        trips,
        work,
        rows * step.row.positions,
        passes=1,
        resident={"parameters": given * planner.machine.generation.devices},
        beside=sum(held.values()) - given,
    )


def _lower(planner: Planner, config: GrpoConfig, mesh: Mesh, step: StepShape, rows: int, by_policy: bool) -> Any:
    model, dtype, lora = planner.model, planner.dtype, config.lora
    lying = states.placed(parameters.abstract(model, dtype), parameters.param_shardings(model, mesh))
    trained: Any = None
    if by_policy and lora.rank:
        shapes = adapters.abstract(model, lora, jnp.dtype(config.optimizer.master))
        trained = states.placed(shapes, adapters.shardings(model, lora, mesh))
    elif by_policy:
        shapes = parameters.abstract(model, jnp.dtype(config.optimizer.master))
        lying = states.placed(shapes, parameters.param_shardings(model, mesh))

    def read(base: Any, trained: Any, batch: Any) -> Any:
        whole = base if trained is None else adapters.join(base, trained, lora.scale)
        return completion_log_probs(model, whole, batch, dtype, "none", config.head_chunk, config.temperature, True)

    split = sharding.named(mesh, "batch")
    kept = {name: step.batch[name] for name in READ}
    batch = {name: jax.ShapeDtypeStruct((rows, *one.shape[1:]), one.dtype, sharding=split) for name, one in kept.items()}
    program = jax.jit(read, out_shardings=sharding.named(mesh, None))
    with jax.set_mesh(mesh), jax.default_matmul_precision(products(dtype, planner.command.precision)):
        return program.trace(lying, trained, batch).lower(lowering_platforms=(mesh.devices.flat[0].platform,))
