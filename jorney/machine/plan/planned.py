"""A program that is to be compiled for a machine, and what is known of it then."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

from jorney.machine import aot
from jorney.topology import Slice


@dataclasses.dataclass(frozen=True)
class AotProgram:
    """A program of a configuration, to be compiled ahead of time.

    Attributes:
      name: unique within a configuration.
      lower: makes what `aot.compile_for` takes.
      trips: how often a loop runs of which the program's text does not tell.
      flops: {convention: operations of a run, of all chips}.
      tokens: of a run, padding included.
      passes: how often a run goes through its arguments' memory at least.
      resident: {name: bytes of a chip}, of the arguments, for the report.
      beside: bytes of a device that something else holds while the program runs.
      needs: what it needs, where it was compiled already.
      machine: that it is for, where it is a part of the configuration's: one host's, beside programs of all hosts.
    """

    name: str
    lower: Callable[[], Any]
    trips: int
    flops: dict[str, float]
    tokens: int
    passes: int
    resident: dict[str, float]
    beside: float = 0.0
    needs: aot.Needs | None = None
    machine: Slice | None = None


@dataclasses.dataclass(frozen=True)
class Planned:
    """A program, compiled.

    Attributes:
      seconds: {"compute", "memory", "network": the least that a chip is busy with it in a run}. Memory counts that
        arguments are gone through `passes` times; network, that all links are used at once, and is left out where the
        program's traffic is not known.
    """

    program: AotProgram
    machine: Slice
    needs: aot.Needs
    seconds: dict[str, float]

    @property
    def needed_bytes(self) -> float:
        """Of a device: arguments, temporaries, and what lies beside."""
        return self.needs.needed_bytes + self.program.beside

    @property
    def fits(self) -> bool:
        return self.needs.fits and self.needed_bytes <= self.needs.capacity_bytes

    @property
    def bound(self) -> float:
        """The least seconds of a run: the three go on at the same time."""
        return max(self.seconds.values())

    @property
    def tokens_per_second_per_chip(self) -> float:
        """At the bound."""
        return self.program.tokens / self.bound / self.machine.chips

    def mfu(self, convention: str) -> float:
        """At the bound."""
        return self.program.flops[convention] / self.bound / self.machine.chips / self.machine.generation.flops


def compile_program(program: AotProgram, machine: Slice) -> Planned:
    """Compiles a program for a machine; the bounds of one that does not fit are of its operations alone."""
    return planned(program, machine, program.needs or aot.compile_for(machine, program.lower(), program.trips))


def planned(program: AotProgram, machine: Slice, needs: aot.Needs) -> Planned:
    """What follows from a program's needs."""
    chip = machine.generation
    seconds = {
        "compute": program.flops["causal"] / machine.chips / chip.flops,
        "memory": program.passes * (needs.argument_bytes or 0) * chip.devices / chip.bandwidth,
    }
    if needs.collectives is not None:
        seconds["network"] = sum(traffic.bytes for traffic in needs.collectives.values()) * chip.devices / chip.links
    return Planned(program, machine, needs, seconds)
