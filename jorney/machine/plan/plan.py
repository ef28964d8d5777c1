"""`jorney plan`: the report."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from jorney import topology
from jorney.config import expect_at_least, expect_number
from jorney.machine.plan import rank as search
from jorney.machine.plan.engine_programs import PlannedEngine
from jorney.machine.plan.expected import Expected, expect_rate, lines, name, usual_solutions
from jorney.machine.plan.lines import HELP, facts, gb, table, too_much
from jorney.machine.plan.planned import Planned, compile_program
from jorney.machine.plan.planner import Configuration, Planner
from jorney.machine.plan.rounds import PlannedRound, planned_round, round_lines
from jorney.model import params as parameters

_TREES = 8  # a problem that is under way, to be replayed


@dataclasses.dataclass(frozen=True)
class PlanConfig:
    """For which machine, and what it costs.

    Attributes:
      model: a preset, a folder or a hub id in place of the configuration's; only its architecture counts.
      topology: the machine's name: v5e-16, v5p-8, ... The number counts chips, of v4 and v5p TensorCores, two a chip.
      prompt: tokens of the longest prompt, for configurations that sample.
      contexts: for how many problems of so many tokens each a sampling configuration's machine has room.
      tokens: of a training's steps together, padding included; for chip-hours.
      price: of a chip-hour, in whatever currency.
      expected: also how long programs take by the compiler's estimates, and how many tokens a second trees then have: some of
        GSM8K's shape go through the engine's schedule. Minutes more.
      search: ranks meshes, remat policies and micro-batches of a training, and compiles the three that promise most.
      json: prints one JSON object.
    """

    topology: str = "v5e-16"
    model: str = ""
    prompt: int = 256
    contexts: tuple[int, ...] = (1024, 4096)
    tokens: float | None = None
    price: float | None = None
    expected: bool = False
    search: bool = False
    json: bool = False

    def __post_init__(self) -> None:
        expect_at_least(1, self, "", "prompt")
        expect_number(self, "", "contexts", least=1, most=10_000_000)
        expect_number(self, "", "tokens", most=1e18, none="None")
        expect_number(self, "", "price", least=0, none="None")


@dataclasses.dataclass(frozen=True)
class Room:
    """For how many problems a machine has room, with `rows` of each sampled at a time."""

    context: int
    problems: int
    rows: int
    needed_bytes: float


@dataclasses.dataclass(frozen=True)
class Plan:
    """A configuration's programs on a machine.

    Attributes:
      rooms: {label of an engine: for how many problems of each context}.
      expected: {label of an engine that grows trees: its rate}, where that was asked for.
      round: of a configuration that samples and trains in turn, where its programs fit.
    """

    machine: topology.Slice
    parameters: int
    programs: list[Planned]
    engines: dict[str, PlannedEngine]
    rooms: dict[str, list[Room]]
    expected: dict[str, Expected] = dataclasses.field(default_factory=dict)
    round: PlannedRound | None = None

    @property
    def dearest(self) -> Planned:
        """The program that needs most."""
        return max(self.programs, key=lambda one: one.needed_bytes)

    @property
    def fits(self) -> bool:
        return all(one.fits for one in self.programs)


def make(
    command: Configuration,
    machine: topology.Slice,
    prompt: int = 256,
    contexts: Sequence[int] = (),
    say: Callable[[str], None] = lambda line: None,
    expected: bool = False,
) -> Plan:
    """Compiles a configuration's programs for a machine.

    Args:
      expected: see `PlanConfig`.
      say: told what is being compiled.

    Raises:
      ValueError: mesh, rows or lengths do not suit machine and model; names the field.
    """
    planner = Planner(command, machine, prompt, weigh=True, say=say)
    programs = planner.programs()
    planned = []
    for number, program in enumerate(programs, start=1):
        if program.needs is None:
            say(f"compiling {program.name}, {number} of {len(programs)}")
        planned.append(compile_program(program, program.machine or planner.machine))
    rooms = {}
    for label, engine in planner.engines.items():
        own = [one for one in planned if one.program.name.startswith(f"{label} ")]
        if engine.model.head == "lm" and all(one.fits for one in own):
            rooms[label] = [_room(own, engine, context, say) for context in contexts]
    made = Plan(planner.machine, parameters.count(planner.model), planned, planner.engines, rooms)
    if planner.round and made.fits:
        phases = planned_round(planner.round, planned, planner.engines[planner.round.label], planner.machine)
        made = dataclasses.replace(made, round=phases)
    if not (expected and made.fits):
        return made
    trees = usual_solutions(_TREES * max(engine.shape.problems for engine in planner.engines.values()))
    rates = {
        label: expect_rate(planner.engines[label], planner.machine, trees, *widths, say=say)
        for label, widths in planner.widths.items()
    }
    return dataclasses.replace(made, expected=rates)


def _room(own: Sequence[Planned], engine: PlannedEngine, context: int, say: Callable[[str], None]) -> Room:
    say(f"looking how many problems of {context:,} tokens fit")
    found = engine.most_problems(own, context)
    if found is None:
        return Room(context, 0, 0, 0)
    shape, planned = found
    return Room(context, shape.problems, shape.all_rows, max(one.needed_bytes for one in planned))


def run(command: Any, config: PlanConfig, say: Callable[[str], None] = lambda line: None) -> str:
    """The plan of a `Configuration` as text, or as one JSON object."""
    command = dataclasses.replace(command, model=config.model or command.model)
    machine = topology.find(config.topology)
    if config.search:
        return search.run(command, machine, config.json, say)
    plan = make(command, machine, config.prompt, config.contexts, say, config.expected)
    hours = None
    if config.tokens and plan.fits and len(plan.programs) == 1:
        only = plan.programs[0]
        hours = config.tokens / only.program.tokens * only.bound * plan.machine.chips / 3600
    elif config.tokens and plan.round:
        about, step = plan.round.round, plan.programs[-1]
        of_round = about.runs[step.program.name] * step.program.tokens
        hours = config.tokens / of_round * plan.round.seconds * plan.machine.chips / 3600
    if config.json:
        return json.dumps(_plain(plan, hours, config.price))
    return "\n".join([*_heading(plan), *_lines(plan), *_hours(hours, config.price)])


def _plain(plan: Plan, hours: float | None, price: float | None) -> dict[str, Any]:
    """For machines: the program that needs most, and all of them."""
    return {
        "topology": plan.machine.name,
        "chips": plan.machine.chips,
        "hosts": plan.machine.hosts,
        "parameters": plan.parameters,
        **_of_program(plan.dearest),
        "fits": plan.fits,
        "chip_hours": hours,
        "cost": hours * price if hours and price else None,
        "expected": {label: _of_rate(found) for label, found in plan.expected.items()},
        "round": plan.round.plain() if plan.round else None,
        "programs": {one.program.name: _of_program(one) for one in plan.programs},
        "rooms": {label: [dataclasses.asdict(room) for room in rooms] for label, rooms in plan.rooms.items()},
    }


def _of_rate(found: Expected) -> dict[str, Any]:
    return {
        "tokens_per_second_per_chip": found.rate,
        "occupancy": found.replay.counts.occupancy,
        "touched_of_least": found.of_least,
        "seconds": {name(call): seconds for call, seconds in found.seconds.items()},
    }


def _of_program(one: Planned) -> dict[str, Any]:
    needs = one.needs
    return {
        "fits": one.fits,
        "peak_bytes": needs.peak_bytes,
        "argument_bytes": needs.argument_bytes,
        "temp_bytes": needs.temp_bytes,
        "beside_bytes": one.program.beside,
        "needed_bytes": one.needed_bytes,
        "capacity_bytes": needs.capacity_bytes,
        "resident_bytes": one.program.resident,
        "collectives": {kind: dataclasses.asdict(traffic) for kind, traffic in (needs.collectives or {}).items()},
        "flops": one.program.flops,
        "tokens": one.program.tokens,
        "seconds": one.seconds,
        "step_seconds_bound": one.bound if needs.fits else None,
    }


def _heading(plan: Plan) -> list[str]:
    machine = plan.machine
    hosts = "" if machine.name.startswith("a host") else f", {machine.hosts} hosts" if machine.hosts > 1 else ", 1 host"
    return [f"{machine.name}: {machine.chips} chips ({machine.topology}){hosts}", f"{plan.parameters:,} parameters; of a chip:"]


def _lines(plan: Plan) -> Iterator[str]:
    only = plan.programs[0]
    if len(plan.programs) == 1:
        yield from (f"  {name:20} {figure}" for name, figure in facts(only))
        if only.fits:
            yield f"fits; a step is {only.program.tokens:,} tokens"
    else:
        yield f"  {'capacity':20} {gb(only.needs.capacity_bytes * plan.machine.generation.devices)}"
        yield from table(plan.programs)
        for label, engine in plan.engines.items():
            shape = engine.shape
            yield f"{label}: {shape.problems} problems x {shape.rows} rows, {shape.slots:,} tokens each"
            for room in plan.rooms.get(label, ()):
                yield f"  of {room.context:,} tokens {room.problems} fit, {room.rows} rows"
            if label in plan.expected:
                yield from lines(plan.expected[label])
        if plan.round:
            yield from round_lines(plan.round, plan.engines[plan.round.round.label])
        if plan.fits:
            yield "fits"
    if not plan.fits:
        yield from (too_much(one) for one in plan.programs if not one.fits)
        yield HELP


def _hours(hours: float | None, price: float | None) -> list[str]:
    if hours is None:
        return []
    cost = f", {hours * price:,.2f} at {price:g} each" if price else ""
    return [f"all steps: at least {hours:,.2f} chip-hours{cost}"]
