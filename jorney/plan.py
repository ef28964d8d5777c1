"""`jorney plan`: what a configuration's programs need of a machine, compiled for it and not run."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp

from jorney import aot, sharding, topology
from jorney.aot import Needs
from jorney.bench.machine import read_model
from jorney.model import flops
from jorney.model import params as parameters
from jorney.model.config import ModelConfig
from jorney.stages.command import DpoCommand, SftCommand
from jorney.topology import Slice
from jorney.train.cross_entropy import piece_length
from jorney.train.losses import LossFn, dpo_loss, sft_loss

Trained = SftCommand | DpoCommand


@dataclasses.dataclass(frozen=True)
class PlanConfig:
    """For which machine, and what it costs.

    Attributes:
      model: a preset, a folder or a hub id in place of the configuration's; only its architecture counts.
      topology: the machine's name: v5e-16, v5p-8, ... The number counts chips, of v4 and v5p TensorCores, two a chip.
      tokens: of all steps together, padding included; for chip-hours.
      price: of a chip-hour, in whatever currency.
      json: prints one JSON object.
    """

    topology: str = "v5e-16"
    model: str = ""
    tokens: float | None = None
    price: float | None = None
    json: bool = False


@dataclasses.dataclass(frozen=True)
class Plan:
    """What a step needs, and the least time that it can take.

    Attributes:
      parameter_bytes, optimizer_bytes: of the arguments, a chip's.
      flops: {convention: operations of a step, of all chips}.
      seconds: {"compute", "memory", "network": the least that a chip is busy with it in a step}. Memory counts that
        arguments are read once and results written once; network, that all links are used at once.
      tokens: of a step, padding included.
    """

    machine: Slice
    model: ModelConfig
    needs: Needs
    parameter_bytes: float
    optimizer_bytes: float
    flops: dict[str, float]
    seconds: dict[str, float]
    tokens: int

    @property
    def step_seconds(self) -> float:
        """The bound: the three go on at the same time."""
        return max(self.seconds.values())

    def mfu(self, convention: str) -> float:
        """At the bound."""
        return self.flops[convention] / self.step_seconds / self.machine.chips / self.machine.generation.flops


def make(command: Trained, machine: Slice) -> Plan:
    """Compiles a training's step for a machine.

    Raises:
      ValueError: the mesh or the rows do not divide the machine, or a length is not stated.
    """
    model, config = read_model(command.model), command.sft if isinstance(command, SftCommand) else command.dpo
    dtype = jnp.dtype(command.dtype)
    mesh = aot.make_mesh(machine, command.mesh)
    ways = sharding.ways("batch", mesh) * config.accumulate
    rows: int = getattr(config, config.batch)
    if rows % ways:
        field = f"{config.name}.{config.batch}"
        raise ValueError(f"{field} = {rows}: expected a multiple of {ways}, data x fsdp devices x {config.name}.accumulate")
    ints, floats = (lambda *shape, kind=kind: jax.ShapeDtypeStruct(shape, kind) for kind in (jnp.int32, jnp.float32))
    loss_fn: LossFn
    if isinstance(command, SftCommand):
        T = command.sft.row_length
        command.sft.expect_at_most(model.positions, "row_length")
        row, read = flops.packed_row(T), rows * T
        loss_fn = sft_loss(model, dtype, config.remat, command.sft.head_chunk)
        batch = {name: ints(rows, T) for name in ("tokens", "targets", "positions", "segment_ids", "loss_mask")}
        length = T
    else:
        P, L = command.dpo.prompt_length, command.dpo.completion_length
        if not P or not L:
            raise ValueError("plan: expected dpo.prompt_length and dpo.completion_length, which else the pairs decide")
        row, read, length = flops.preference_row(P, L), 2 * rows * L, 2 * L
        own = command.dpo
        loss_fn = dpo_loss(model, own.beta, dtype, own.remat, own.head_chunk, own.label_smoothing, own.kind)
        batch = {name: ints(rows, P + 2 * L) for name in ("tokens", "positions", "parts")}
        batch |= {"chosen_mask": ints(rows, L), "rejected_mask": ints(rows, L), "pair_mask": ints(rows)}
        batch |= {"reference_chosen": floats(rows), "reference_rejected": floats(rows)}
    with jax.set_mesh(mesh):
        pieces = length // piece_length(rows // config.accumulate, length, config.head_chunk)
    needs = aot.compile_for(machine, aot.train_step(model, loss_fn, config.optimizer, config.accumulate, batch, mesh), pieces)
    parts = machine.devices // mesh.shape["data"]
    sizes = {name: jnp.dtype(getattr(config.optimizer, name)).itemsize for name in ("master", "moments")}
    works = {name: flops.training(model, row, rows, read, name) for name in flops.CONVENTIONS}
    of_chip, chip = machine.generation.devices, machine.generation
    seconds = {
        "compute": works["causal"] / machine.chips / chip.flops,
        "memory": 2 * (needs.argument_bytes or 0) * of_chip / chip.bandwidth,
        "network": sum(traffic.bytes for traffic in needs.collectives.values()) * of_chip / chip.links,
    }
    count = parameters.count(model) / parts * of_chip
    return Plan(
        machine, model, needs, count * sizes["master"], 2 * count * sizes["moments"], works, seconds, rows * row.positions
    )


def run(command: Trained, config: PlanConfig) -> str:
    """The plan as text, or as one JSON object."""
    command = dataclasses.replace(command, model=config.model or command.model)
    plan = make(command, topology.find(config.topology))
    hours = None
    if config.tokens and plan.needs.fits:
        hours = config.tokens / plan.tokens * plan.step_seconds * plan.machine.chips / 3600
    if config.json:
        return json.dumps(_plain(plan, hours, config.price))
    return "\n".join(_lines(plan, hours, config.price))


def _plain(plan: Plan, hours: float | None, price: float | None) -> dict[str, Any]:
    needs = plan.needs
    return {
        "topology": plan.machine.name,
        "chips": plan.machine.chips,
        "hosts": plan.machine.hosts,
        "fits": needs.fits,
        "peak_bytes": needs.peak_bytes,
        "argument_bytes": needs.argument_bytes,
        "temp_bytes": needs.temp_bytes,
        "needed_bytes": needs.needed_bytes,
        "capacity_bytes": needs.capacity_bytes,
        "parameter_bytes": plan.parameter_bytes,
        "optimizer_bytes": plan.optimizer_bytes,
        "collectives": {kind: dataclasses.asdict(traffic) for kind, traffic in needs.collectives.items()},
        "flops": plan.flops,
        "seconds": plan.seconds,
        "step_seconds_bound": plan.step_seconds if needs.fits else None,
        "chip_hours": hours,
        "cost": hours * price if hours and price else None,
    }


def _lines(plan: Plan, hours: float | None, price: float | None) -> Sequence[str]:
    """For a terminal of 80 columns."""
    needs, machine = plan.needs, plan.machine
    gb = lambda count: f"{(count or 0) / 1e9:8.2f} GB"  # noqa: E731
    lines = [
        f"{machine.name}: {machine.chips} chips ({machine.topology}), {machine.hosts} hosts",
        f"{parameters.count(plan.model):,} parameters; of a chip:",
        f"  parameters          {gb(plan.parameter_bytes)}",
        f"  optimizer state     {gb(plan.optimizer_bytes)}",
    ]
    if not needs.fits:
        return [
            *lines,
            f"  needed              {gb(needs.needed_bytes)}",
            f"  capacity            {gb(needs.capacity_bytes)}",
            f"does not fit: {(needs.needed_bytes - needs.capacity_bytes) / 1e9:.2f} GB too much. What would help: more",
            "devices for mesh.fsdp, remat nearer to full, fewer rows or more accumulate, a",
            "smaller head_chunk, bfloat16 for optimizer.moments or optimizer.master",
        ]
    lines += [
        f"  all arguments       {gb(needs.argument_bytes)}",
        f"  temporaries         {gb(needs.temp_bytes)}",
        f"  both together       {gb(needs.needed_bytes)}",
        f"  capacity            {gb(needs.capacity_bytes)}",
        f"  peak                {gb(needs.peak_bytes)}",
        *(f"  {kind:19} {gb(one.bytes)} sent, {one.count:,} a step" for kind, one in sorted(needs.collectives.items())),
        f"fits; a step of {plan.tokens:,} tokens:",
        *(f"  {work / 1e12:,.0f} TFLOP, {name} attention" for name, work in plan.flops.items()),
        *(f"  at least {seconds:.3f} s of {name}" for name, seconds in plan.seconds.items()),
        f"  at most {plan.tokens / plan.step_seconds / machine.chips:,.0f} tokens/s/chip; MFU "
        + ", ".join(f"{plan.mfu(name):.0%} {name}" for name in plan.flops),
    ]
    if hours is not None:
        cost = f", {hours * price:,.2f} at {price:g} each" if price else ""
        lines.append(f"all steps: at least {hours:,.2f} chip-hours{cost}")
    return lines
