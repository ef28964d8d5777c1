"""A round of reinforcement learning on a machine: what lies in a chip's memory in each phase, and how long it takes at least.

The phases come one after another: the weights go to where a host samples with them, every host samples its share, what was
sampled is read by a reward model, where one is asked, and by the trainer's forward; then the policy is updated.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from jorney import sharding
from jorney.engine.memory import token_bytes, weight_bytes
from jorney.machine.plan.engine_programs import PlannedEngine
from jorney.machine.plan.planned import Planned
from jorney.model import flops
from jorney.model.architecture import ModelConfig
from jorney.topology import Slice

# What lies in memory.
PARAMETERS, MOMENTS, REFERENCE, WEIGHTS, CACHE = "parameters", "moments", "reference", "weights to sample with", "cache"
JUDGE = "judge"
_COLUMNS = {PARAMETERS: "params", MOMENTS: "Adam", REFERENCE: "ref.", JUDGE: "judge", WEIGHTS: "copy", CACHE: "cache"}
_CELLS = 7  # of a line of 80 columns
TO_SAMPLER, SAMPLING, JUDGING = "weights to sampler", "sampling", "judge's scores"


@dataclasses.dataclass(frozen=True)
class Round:
    """What a round is made of.

    Attributes:
      label: of the engine that samples.
      share: problems that a host samples for, of the host that has most.
      questions, group: problems of a round, completions of each.
      prompt, length: tokens of a prompt and of a completion.
      held: {what: bytes of a device} that the training holds in all phases.
      moved: bytes that a device receives when the weights go to where they are sampled with.
      runs: {program: how often it runs} of what comes after sampling, in this order.
      judge: a reward model that reads every completion, on the chips that sample.
      left_out: what a round does beside, and is not counted.
    """

    label: str
    share: int
    questions: int
    group: int
    prompt: int
    length: int
    held: Mapping[str, float]
    moved: float
    runs: Mapping[str, int]
    judge: ModelConfig | None = None
    left_out: Sequence[str] = ()


@dataclasses.dataclass(frozen=True)
class Phase:
    """One of them.

    Attributes:
      held: {what: bytes of a device}.
      needed: bytes of a device in all; while weights move, and while a judge reads as many completions at a time as there is
        room for, of what lies there, without what is made on the way.
      seconds: at least.
    """

    name: str
    held: Mapping[str, float]
    needed: float
    seconds: float


@dataclasses.dataclass(frozen=True)
class DecodeBound:
    """Of decoding a host's share, all completions of full length.

    Attributes:
      waves: how often all rows begin with new texts.
      steps: a token of every row each.
      seconds: {"compute", "memory", "network": of a step, at least}. Memory counts the weights and the cached tokens that texts
        have on average, half of their length; not the whole cache.
    """

    waves: int
    steps: int
    seconds: Mapping[str, float]

    @property
    def step(self) -> float:
        """Seconds, at least."""
        return max(self.seconds.values())


@dataclasses.dataclass(frozen=True)
class PlannedRound:
    """A round, its programs compiled."""

    round: Round
    machine: Slice
    phases: Sequence[Phase]
    decode: DecodeBound

    @property
    def seconds(self) -> float:
        """At least: the phases wait for each other."""
        return sum(phase.seconds for phase in self.phases)

    @property
    def sampling_share(self) -> float:
        """Of the seconds."""
        return next(phase.seconds for phase in self.phases if phase.name == SAMPLING) / self.seconds

    @property
    def rate(self) -> float:
        """Tokens that are sampled a second and chip, at the bound."""
        return self.round.questions * self.round.group * self.round.length / self.seconds / self.machine.chips

    def plain(self) -> dict[str, Any]:
        """For machines."""
        return {
            "phases": {
                phase.name: {"seconds": phase.seconds, "needed_bytes": phase.needed, "held_bytes": dict(phase.held)}
                for phase in self.phases
            },
            "moved_bytes": self.round.moved,
            "decode_waves": self.decode.waves,
            "decode_step_seconds": dict(self.decode.seconds),
            "seconds": self.seconds,
            "sampling_share": self.sampling_share,
            "sampled_tokens_per_second_per_chip": self.rate,
        }


def planned_round(one: Round, programs: Sequence[Planned], engine: PlannedEngine, machine: Slice) -> PlannedRound:
    """What follows from compiled programs, all of which fit.

    Args:
      machine: the whole.
    """
    own = [planned for planned in programs if planned.program.name.startswith(f"{one.label} ")]
    chip, weights = machine.generation, weight_bytes(engine.model, engine.dtype, engine.mesh)
    with_weights = {**one.held, WEIGHTS: weights}
    cached = own[-1].program.resident["cache"] / chip.devices
    decode = decode_bound(one, engine, own[-1])
    seconds = prefill_seconds(one, engine, own) + decode.steps * decode.step
    phases = [
        Phase(TO_SAMPLER, with_weights, sum(with_weights.values()), one.moved * chip.devices / chip.links),
        Phase(SAMPLING, {**with_weights, CACHE: cached}, max(planned.needed_bytes for planned in own), seconds),
    ]
    if one.judge:
        phases.append(Phase(JUDGING, with_weights, sum(with_weights.values()), judging_seconds(one, one.judge, engine, own)))
    named = {planned.program.name: planned for planned in programs}
    phases += [Phase(name, one.held, named[name].needed_bytes, runs * named[name].bound) for name, runs in one.runs.items()]
    return PlannedRound(one, machine, phases, decode)


def decode_bound(one: Round, engine: PlannedEngine, program: Planned) -> DecodeBound:
    """Of a host's share of completions, each of full length.

    Args:
      program: that decodes, compiled.
    """
    shape, model, machine = engine.shape, engine.model, program.machine
    turns = -(-one.group // shape.rows)  # of a problem's texts, after one another
    waves = -(-one.share // shape.problems) * turns
    texts = one.share * one.group / waves  # of a step, on average
    tokens = one.share * (turns * one.prompt + one.group * one.length / 2) / waves / sharding.ways("batch", engine.mesh)
    touched = weight_bytes(model, engine.dtype, engine.mesh) + tokens * token_bytes(model, engine.dtype, engine.mesh)
    row = flops.RowShape(1, {"causal": one.prompt + one.length // 2})
    work = flops.forward(model, row, texts, texts, "causal")
    network = program.seconds.get("network", 0.0) / shape.chunk
    return DecodeBound(waves, waves * one.length, _seconds(work, touched, network, machine))


def prefill_seconds(one: Round, engine: PlannedEngine, own: Sequence[Planned]) -> float:
    """Of a host's prompts, each of full length, by the program that reads most at a time; at least.

    Args:
      own: the engine's programs, compiled.
    """
    longest = max((planned for planned in own if " prefill " in planned.program.name), key=lambda one: one.program.tokens)
    runs = -(-one.share * one.prompt // longest.program.tokens)
    work = flops.forward(engine.model, flops.packed_row(one.prompt), one.share, one.share, "causal")
    weights = weight_bytes(engine.model, engine.dtype, engine.mesh)
    return max(_seconds(work, runs * weights, runs * longest.seconds.get("network", 0.0), longest.machine).values())


def judging_seconds(one: Round, judge: ModelConfig, engine: PlannedEngine, own: Sequence[Planned]) -> float:
    """Of a host's completions, each of full length behind its prompt, read by a reward model; at least.

    Args:
      own: the engine's programs, compiled.
    """
    texts = one.share * one.group
    work = flops.forward(judge, flops.packed_row(one.prompt + one.length), texts, texts, "causal")
    return max(_seconds(work, weight_bytes(judge, engine.dtype, engine.mesh), 0.0, own[-1].machine).values())


def _seconds(work: float, touched: float, network: float, machine: Slice) -> dict[str, float]:
    """At least, of so many operations of all chips, and bytes of a device."""
    chip = machine.generation
    compute, memory = work / machine.chips / chip.flops, touched * chip.devices / chip.bandwidth
    return {"compute": compute, "memory": memory, "network": network}


def round_lines(found: PlannedRound, engine: PlannedEngine) -> Iterator[str]:
    """Of at most 80 columns: the phases, and what a round takes."""
    one, decode, shape, chip = found.round, found.decode, engine.shape, found.machine.generation
    yield f"a round: {one.questions:,} questions x {one.group:,} completions of {one.length:,} tokens, in phases"
    shown = {column: name for column, name in _COLUMNS.items() if any(phase.held.get(column) for phase in found.phases)}
    ends = ("rest", "all")[len(shown) - _CELLS :]
    names = "".join(f" {name:>6}" for name in (*shown.values(), *ends))
    yield f"{'GB of a chip':20}{names} {'at least':>10}"
    for phase in found.phases:
        cells = [phase.held.get(column) for column in shown]
        cells += [phase.needed - sum(phase.held.values()), phase.needed][-len(ends) :]
        sizes = "".join(f" {_gb(count, chip.devices):>6}" for count in cells)
        yield f"{phase.name:20}{sizes} {phase.seconds:8,.2f} s"
    moved = one.moved * chip.devices
    yield f"the copy to sample with: a chip receives {moved / 1e9:.2f} GB, {moved / chip.links:.3f} s by its links"
    name = max(decode.seconds, key=lambda name: decode.seconds[name])
    yield f"a host samples for {one.share:,} problems: {shape.all_rows:,} rows, {decode.waves:,} x {one.length:,} tokens,"
    yield f"  {1e3 * decode.step:.2f} ms each at least, by the chips' {_WHOSE[name]}"
    yield f"a round takes {found.seconds:,.1f} s at least, {found.sampling_share:.0%} of it sampling"
    yield f"{found.rate:,.0f} tokens/s/chip sampled at most"
    yield from (f"not counted: {what}" for what in one.left_out)


_WHOSE = {"compute": "operations", "memory": "memory", "network": "links"}


def _gb(count: float | None, devices: int) -> str:
    return "-" if not count or count < 5e6 else f"{count * devices / 1e9:.2f}"
