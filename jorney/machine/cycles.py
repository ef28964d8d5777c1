"""How long a program compiled for a TPU takes, by the compiler's own estimates. Estimates, no measurements.

libtpu writes `estimated_cycles` beside most instructions. What carries none has a price here: copies between memories that go
on beside the computation, by their bytes; collectives, by what a chip sends and a microsecond a neighbour; attention kernels,
by the larger of their bytes and their operations, times 1.3, and a microsecond a step of their grid (`machine.kernels`); the
rest that moves arrays, by 1.3 times its bytes over the bandwidth and a microsecond. An instruction of a kind that is not known
is an error: nothing is left out.
"""

from __future__ import annotations

import collections
import dataclasses
import functools
import re
from collections.abc import Callable, Iterable
from typing import NamedTuple

from jorney.machine.hlo import (
    CHANNEL,
    COLLECTIVES,
    COMPUTATION,
    LIMIT,
    TRIPS,
    WHILE,
    arrays_of,
    bytes_sent,
    is_within,
    ways_of,
)
from jorney.machine.kernels import is_kernel, kernel
from jorney.machine.touched import Instruction, instructions, touched
from jorney.topology import Generation

_CYCLES = re.compile(r'"estimated_cycles":"(\d+)"')
_CALLS = re.compile(r"(?:calls|to_apply)=%?([\w.\-]+)")
_BRANCHES = re.compile(r"branch_computations=\{([^}]*)\}|true_computation=%?([\w.\-]+), false_computation=%?([\w.\-]+)")
_SCALAR = re.compile(r"^\(?\w+\[[1,]*\]")
_FREE = """
    parameter tuple get-tuple-element bitcast constant partition-id replica-id after-all opt-barrier copy-done slice-done
    all-reduce-done all-gather-done collective-permute-done async-done async-update""".split()  # noqa: SIM905
_MOVES = """
    fusion copy reshape reduce-window sort dynamic-update-slice dynamic-slice compare convert select add subtract multiply and
    or broadcast iota reduce transpose concatenate pad slice gather scatter dot convolution maximum minimum bitcast-convert sign
    exponential log negate abs tanh logistic rsqrt sqrt power divide remainder clamp floor ceil is-finite not xor shift-left
    shift-right-logical shift-right-arithmetic sine cosine reverse reduce-precision rng-bit-generator""".split()  # noqa: SIM905
_LEADS = ("while", "conditional", "call", "constant")  # to other instructions, and how often
# Places, names and bounds of arrays: no work.
_FREE_CALLS = ("AllocateBuffer", "ConcatBitcast", "AssumeGatherIndicesInBound", "AsyncCollectiveStart", "AsyncCollectiveDone")
_MOVING_CALLS = ("ZeroCrop", "GatherScatterIndicesBitpacked")
_HOP, _SLOWER = 1e-6, 1.3  # seconds to a neighbour, or to begin; of what the bandwidth would allow


@dataclasses.dataclass
class _Computation:
    """Its own seconds, those of copies that go on beside it, bytes, what it calls, and its collectives by their channels."""

    busy: float = 0.0
    copies: float = 0.0
    bytes: float = 0.0
    loops: list[tuple[str, str, int | None]] = dataclasses.field(default_factory=list)
    branches: list[list[str]] = dataclasses.field(default_factory=list)
    calls: list[str] = dataclasses.field(default_factory=list)
    fused: list[str] = dataclasses.field(default_factory=list)
    collectives: list[tuple[str, float]] = dataclasses.field(default_factory=list)
    limit: int = 0


class Cost(NamedTuple):
    """What a program, or a part of it, takes.

    Attributes:
      bytes: of a chip's memory that are read or written (`touched`).
      collectives: how many run.
    """

    seconds: float = 0.0
    bytes: float = 0.0
    collectives: float = 0.0

    def times(self, count: float) -> Cost:
        return Cost(*(count * part for part in self))


def together(costs: Iterable[Cost]) -> Cost:
    """The sum."""
    return Cost(*map(sum, zip(Cost(), *costs, strict=True)))


class Estimate(NamedTuple):
    """Of a run: what is done once, and one trip of the program's own loop, for every token; nothing without such a loop."""

    once: Cost
    step: Cost


def estimate(
    text: str, generation: Generation, stepped: bool = False, scope: str = "", blocks: float | None = None
) -> Estimate:
    """How long a program takes.

    Args:
      text: of `Compiled.as_text()`, of a program that libtpu compiled.
      stepped: whether the program goes through a loop of its own for every token, as decoding does.
      scope: of `jax.named_scope`, or a module's name: only what was traced in it counts.
      blocks: of pools that decoding's kernel visits in a layer, see `kernels.kernel`.

    Raises:
      ValueError: the generation's clock is not known, or an instruction has no price; names it.
    """
    if generation.clock is None:
        raise ValueError(f"{generation.compiler}: expected a generation whose clock is known")
    found, entry = _computations(text)
    parsed = found.__getitem__
    look = functools.cache(lambda name, fused: _computation(parsed(name), generation, fused, parsed, scope, blocks))
    seen: set[str] = set()  # a collective that is spread over several fusions stands in each of them

    def run(name: str, trip: list[Cost] | None = None) -> Cost:
        """Where there is a list for them, a loop's costs are put there for one trip and not counted."""
        own = look(name, False)
        spread = [one for fused in own.fused for one in look(fused, True).collectives]
        new = {channel: seconds for channel, seconds in [*own.collectives, *spread] if channel not in seen}
        seen.update(new)
        parts = [Cost(max(own.busy, own.copies) + sum(new.values()), own.bytes, len(new)), *map(run, own.calls)]
        for names in own.branches:
            parts.append(Cost(*map(max, zip(*map(run, names), strict=True))))
        for condition, body, known in own.loops:
            one = together((run(condition), run(body)))
            trips = known or look(condition, False).limit
            if trip is not None:
                trip.append(one)
            elif trips:
                parts.append(one.times(trips))
            else:
                raise ValueError(f"{body}: expected a loop whose trips are known")
        return together(parts)

    trip: list[Cost] = []
    return Estimate(run(entry, trip if stepped else None), max(trip, default=Cost()))


@functools.lru_cache(maxsize=2)  # a text is read once for all of its scopes
def _computations(text: str) -> tuple[dict[str, list[Instruction]], str]:
    """Instructions of each computation, and which of them is the program."""
    lines: dict[str, list[str]] = collections.defaultdict(list)
    name, entry = "", ""
    for line in text.splitlines():
        if head := COMPUTATION.match(line):
            name = head[1]
            entry = name if line.startswith("ENTRY") else entry
        elif name:
            lines[name].append(line)
    return {name: list(instructions(own)) for name, own in lines.items()}, entry


def _computation(
    lines: list[Instruction],
    generation: Generation,
    fused: bool,
    parsed: Callable[[str], list[Instruction]],
    scope: str,
    blocks: float | None,
) -> _Computation:
    """What it costs; of one that is fused, the collectives alone, for its instruction says the rest."""
    own, shapes = _Computation(), {one.name: one.shape for one in lines}
    for one in lines:
        if scope and one.kind not in _LEADS and not is_within(scope, one.line):
            continue
        if not fused and is_kernel(one):
            run = kernel(one, [shapes.get(name, "") for name in one.given], blocks)
            own.busy += run.seconds(generation)
            own.bytes += run.bytes
        elif not fused or one.kind.removesuffix("-start") in COLLECTIVES:
            given = [shapes.get(name, "") for name in one.given]
            _price(own, one.line, one.shape, one.kind, given, generation)
            own.bytes += 0.0 if fused or _is_free(one) else touched(one, given, _fused(one, parsed))
    return own


def _fused(one: Instruction, parsed: Callable[[str], list[Instruction]]) -> list[Instruction]:
    """What a fusion runs."""
    called = _CALLS.search(one.line) if one.kind == "fusion" else None
    return parsed(called[1]) if called else []


def _is_free(one: Instruction) -> bool:
    """Whether it touches nothing itself: a name, a place, what calls others."""
    return one.kind in (*_FREE, *_LEADS) or any(f'custom_call_target="{name}"' in one.line for name in _FREE_CALLS)


def _price(own: _Computation, line: str, shape: str, kind: str, given: list[str], generation: Generation) -> None:
    collective = kind.removesuffix("-start")
    if kind == "constant" and (number := LIMIT.search(line)):
        own.limit = max(own.limit, int(number[1]))
    elif kind in _FREE or any(f'custom_call_target="{name}"' in line for name in _FREE_CALLS):
        return
    elif loop := WHILE.search(line):
        trips = TRIPS.search(line)
        own.loops.append((loop[1], loop[2], int(trips[1]) if trips else None))
    elif branches := _BRANCHES.search(line):
        names = branches[1].split(",") if branches[1] else [branches[2], branches[3]]
        own.branches.append([one.strip().lstrip("%") for one in names])
    elif collective in COLLECTIVES:
        channel, starts = CHANNEL.search(line), kind.endswith("-start")
        seconds = bytes_sent(collective, shape, starts, line) / generation.links
        phases = 2 if collective == "all-reduce" else 1
        own.collectives.append((channel[0] if channel else line, seconds + phases * (ways_of(line) - 1) * _HOP))
    elif kind in ("copy-start", "slice-start"):
        own.copies += arrays_of(shape)[kind == "slice-start"] / generation.bandwidth  # (to, from), or (of, the slice)
    elif kind == "call":
        own.calls += [called[1] for called in _CALLS.finditer(line)]
    elif cycles := _CYCLES.search(line):
        assert generation.clock is not None
        own.busy += int(cycles[1]) / generation.clock
        own.fused += [called[1] for called in _CALLS.finditer(line)]
    elif kind in _MOVES or any(f'custom_call_target="{name}"' in line for name in _MOVING_CALLS):
        own.fused += [called[1] for called in _CALLS.finditer(line)] if kind == "fusion" else []
        if kind in ("fusion", "reduce") or not _SCALAR.match(shape):
            moved = (shape, *given) if kind != "dynamic-update-slice" else 2 * given[1:2]  # it lies where it lay
            own.busy += _SLOWER * sum(sum(arrays_of(one)) for one in moved) / generation.bandwidth + _HOP
    elif not _SCALAR.match(shape):
        raise ValueError(f"an instruction without a price: {line.strip()[:160]}")
