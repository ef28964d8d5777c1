"""The mesh, remat policy and micro-batches that suit a training best: ranked by an estimate, the best compiled.

Axis letters as in `model.transformer`.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Callable, Iterator
from typing import Any

import jax.numpy as jnp

from jorney.machine.plan.planned import Planned, compile_program
from jorney.machine.plan.planner import Planner
from jorney.model import flops
from jorney.model import lora as adapters
from jorney.model import params as parameters
from jorney.model.architecture import ModelConfig
from jorney.policy import read_architecture
from jorney.sharding import MeshConfig
from jorney.topology import Slice
from jorney.train.objective import StepShape, TrainingConfig, objective_of, objectives

COMPILED = 3  # candidates
_REACHED = 0.6  # of a chip's operations a second, by a step that waits for nothing: to weigh compute against the network
# What a policy keeps of a layer for a token, beside the layer's input: so many times N x H of attention, F of the MLP.
_KEPT = {"full": (0, 0), "attended": (1, 0), "attention": (4, 0), "dots": (4, 2), "none": (7, 4)}
# Which share of a forward the backward pass computes again: of attention's products, of the other layers'.
_AGAIN = {"full": (1, 1), "attended": (0, 1), "attention": (0, 0.7), "dots": (0, 0), "none": (0, 0)}


@dataclasses.dataclass(frozen=True)
class Strategy:
    """A way to run a training's step, and what is expected of it.

    Attributes:
      seconds: of a step.
      needed: bytes of a device.
    """

    mesh: MeshConfig
    remat: str
    accumulate: int
    seconds: float
    needed: float

    @property
    def name(self) -> str:
        mesh = self.mesh
        return f"data {mesh.data} fsdp {mesh.fsdp} tensor {mesh.tensor}, {self.remat}, accumulate {self.accumulate}"


def run(command: Any, machine: Slice, as_json: bool, say: Callable[[str], None] = lambda line: None) -> str:
    """The candidates that promise most, compiled; as text or as one JSON object.

    Raises:
      ValueError: the configuration trains nothing, or nothing is expected to fit.
    """
    field, _ = _training(command)
    machine = Planner(command, machine, 0).machine
    ranked = rank(command, machine)
    if not ranked:
        raise ValueError(f"--search: nothing is expected to fit {machine.name}: expected more chips, or bfloat16 moments")
    found = [(one, compiled(command, one, machine, say)) for one in ranked[:COMPILED]]
    found.sort(key=lambda pair: (not pair[1].fits, pair[0].seconds))
    if as_json:
        return json.dumps([_plain(candidate, planned) for candidate, planned in found])
    lines = [f"{machine.name}: the {len(found)} of {len(ranked)} ways that promise most"]
    for candidate, planned in found:
        rate = planned.program.tokens / candidate.seconds / machine.chips
        lines += [
            candidate.name,
            f"  expected {rate:,.0f} tokens/s/chip and {candidate.needed / 1e9:.1f} GB; "
            f"{'fits' if planned.fits else 'does not fit'}: "
            f"{planned.needed_bytes / 1e9:.2f} of {planned.needs.capacity_bytes / 1e9:.2f} GB",
        ]
    best = found[0][0]
    lines.append(
        f"options: --mesh.data {best.mesh.data} --mesh.fsdp {best.mesh.fsdp} --mesh.tensor {best.mesh.tensor} "
        f"--{field}.remat {best.remat} --{field}.accumulate {best.accumulate}"
    )
    return "\n".join(lines)


def compiled(command: Any, candidate: Strategy, machine: Slice, say: Callable[[str], None]) -> Planned:
    """A candidate's step, compiled; what the configuration samples before it is not."""
    field, config = _training(command)
    own = dataclasses.replace(config, remat=candidate.remat, accumulate=candidate.accumulate)
    changed = dataclasses.replace(command, mesh=candidate.mesh, **{field: own})
    step = Planner(changed, machine, 0).programs()[-1]
    say(f"compiling {step.name}: {candidate.name}")
    return compile_program(step, machine)


def rank(command: Any, machine: Slice) -> list[Strategy]:
    """All that are expected to fit, the fastest first."""
    model, (_, config) = read_architecture(command.model), _training(command)
    step = objective_of(config).shape(model, config, jnp.dtype(command.dtype))
    found = (
        _estimate(step, config, mesh, remat, accumulate, machine)
        for mesh in _meshes(model, machine.devices)
        for accumulate in range(1, step.rows + 1)
        if step.rows % (mesh.data * mesh.fsdp * accumulate) == 0
        for remat in _KEPT
    )
    # Of equals the one with less memory.
    return sorted((one for one in found if one.needed <= machine.capacity), key=lambda one: (one.seconds, one.needed))


def _training(command: Any) -> tuple[str, TrainingConfig]:
    """The settings of the training that a configuration is for, and the field that holds them."""
    fields = {field.name: getattr(command, field.name) for field in dataclasses.fields(command)}
    found = [(name, value) for name, value in fields.items() if isinstance(value, TrainingConfig)]
    if len(found) != 1:
        *others, last = objectives()
        raise ValueError(f"--search: expected a configuration of {', '.join(others)} or {last}, got a {type(command).__name__}")
    return found[0]


def _meshes(model: ModelConfig, devices: int) -> Iterator[MeshConfig]:
    sizes = [size for size in range(1, devices + 1) if devices % size == 0]
    for tensor in sizes:
        if any(count % tensor for count in (model.heads, model.kv_heads, model.mlp, model.vocab_size)):
            continue
        for fsdp in sizes:
            if devices % (tensor * fsdp) == 0 and model.embed % fsdp == 0:
                yield MeshConfig(data=devices // (tensor * fsdp), fsdp=fsdp, tensor=tensor)


def _estimate(step: StepShape, config: Any, mesh: MeshConfig, remat: str, accumulate: int, machine: Slice) -> Strategy:
    model, chip = step.model, machine.generation
    count, parts = parameters.count(model), mesh.fsdp * mesh.tensor
    master, moments = (jnp.dtype(getattr(config.optimizer, name)).itemsize for name in ("master", "moments"))
    layer = sum(math.prod(row.shape) for row in parameters.table(model).values() if row.stacked)
    tokens = step.tokens / (mesh.data * mesh.fsdp) / accumulate  # of a device and micro-batch
    # Memory: the state, the gradients (twice, where they are added up), what layers keep, one layer at work, the logits.
    trained, frozen = (adapters.count(model, step.lora), 2 * count) if step.lora.rank else (count, 0)
    state = (trained * (master + 2 * moments + 4 * (2 if accumulate > 1 else 1)) + frozen) / parts
    attention, mlp = _KEPT[remat]
    kept = (
        model.layers * tokens * 2 * (model.embed + (attention * model.heads * model.head_dim + mlp * model.mlp) / mesh.tensor)
    )
    working = 2 * layer / parts * (2 * 2 + 4) + tokens * 2 * (6 * model.embed + 5 * model.mlp / mesh.tensor)
    logits = min(tokens, getattr(config, "head_chunk", tokens)) * model.vocab_size / mesh.tensor * 6
    # Time: operations, with those done again; the weights gathered twice and their gradients summed in every micro-batch; what
    # tensor parallelism sums, four times a layer.
    forward = flops.forward(model, step.row, step.rows, step.read_out, "causal")
    scores = forward - flops.forward(
        model,
        dataclasses.replace(step.row, pairs=dict.fromkeys(flops.CONVENTIONS, 0)),
        step.rows,
        step.read_out,
        "causal",
    )
    again_attention, again_rest = _AGAIN[remat]
    work = step.flops("causal") + again_attention * scores + again_rest * (forward - scores)
    compute = work / machine.chips / (chip.flops * _REACHED)
    gathered = accumulate * (2 * 2 * count + 4 * trained) / mesh.tensor * (mesh.fsdp - 1) / mesh.fsdp
    replicas = 2 * trained / parts * 4 * (mesh.data - 1) / mesh.data
    summed = accumulate * model.layers * 4 * 2 * tokens * model.embed * 2 * (mesh.tensor - 1) / mesh.tensor
    # Gathering goes on beside the products; what tensor parallelism sums is waited for.
    seconds = max(compute, (gathered + replicas) * chip.devices / chip.links) + summed * chip.devices / chip.links
    return Strategy(mesh, remat, accumulate, seconds, state + kept + working + logits)


def _plain(candidate: Strategy, planned: Planned) -> dict[str, Any]:
    return {
        **dataclasses.asdict(candidate),
        "fits": planned.fits,
        "needed_bytes": planned.needed_bytes,
        "capacity_bytes": planned.needs.capacity_bytes,
        "peak_bytes": planned.needs.peak_bytes,
    }
