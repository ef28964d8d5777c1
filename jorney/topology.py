"""The machines that Cloud TPU lets: one table from the name that a user asks for to chips, memory, speed and the compiler."""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Mapping


@dataclasses.dataclass(frozen=True)
class Generation:
    """A kind of chip, as its vendor states it (cloud.google.com/tpu/docs/system-architecture-tpu-vm).

    Attributes:
      compiler: what libtpu calls it, the beginning of a topology's name.
      kinds: what jax calls its devices (`device_kind`).
      flops: dense bfloat16 operations a second of a chip.
      memory: GiB of a chip, as Cloud TPU's documentation states it.
      usable: bytes of a chip's memory that a program may use, as libtpu says where one does not fit.
      bandwidth: bytes a second between a chip and its memory.
      links: bytes a second that a chip sends to its neighbours, over all links.
      devices: jax's, a chip, as the compiler lists them (a v4 that runs shows its two cores as one).
      counted: what the number in a machine's name counts, a chip: 2 where it counts TensorCores.
      shapes: chips -> the slice's shape.
      of_a_host: chips.
      alone: chips of the largest slice that is one host.
      clock: cycles a second, by which `flops` is what the chip's matrix units do together (v5e: four of 128 x 128); None where
        it is not known.
    """

    compiler: str
    kinds: tuple[str, ...]
    flops: float
    memory: int
    usable: float
    bandwidth: float
    links: float
    devices: int
    counted: int
    shapes: Mapping[int, tuple[int, ...]]
    of_a_host: int = 4
    alone: int = 4
    clock: float | None = None


_FLAT = {1: (1, 1), 4: (2, 2), 8: (2, 4), 16: (4, 4), 32: (4, 8), 64: (8, 8), 128: (8, 16), 256: (16, 16)}
_CUBES = {
    4: (2, 2, 1),
    8: (2, 2, 2),
    16: (2, 2, 4),
    32: (2, 4, 4),
    64: (4, 4, 4),
    128: (4, 4, 8),
    256: (4, 8, 8),
    512: (8, 8, 8),
    1024: (8, 8, 16),
}
_GIB = 2.0**30

GENERATIONS: dict[str, Generation] = {
    "v4": Generation("v4", ("TPU v4",), 275e12, 32, 30.5 * _GIB, 1228e9, 300e9, 2, 2, _CUBES, clock=1.05e9),
    "v5e": Generation("v5e", ("TPU v5 lite", "TPU v5e"), 197e12, 16, 15.75 * _GIB, 819e9, 200e9, 1, 1, _FLAT, 4, 8, 1.5e9),
    "v5p": Generation("v5p", ("TPU v5", "TPU v5p"), 459e12, 95, 95.73 * _GIB, 2765e9, 600e9, 1, 2, _CUBES, clock=1.75e9),
    "v6e": Generation("v6e", ("TPU v6 lite", "TPU v6e"), 918e12, 32, 31.24 * _GIB, 1640e9, 448e9, 1, 1, _FLAT, 4, 8),
    "7x": Generation("tpu7x", ("TPU7x",), 2307e12, 192, 189.48 * _GIB, 7380e9, 1200e9, 2, 1, _CUBES),
}


def of_kind(kind: str) -> Generation | None:
    """The generation of a device by jax's name for it; None where it is no TPU of the table."""
    return next((generation for generation in GENERATIONS.values() if kind in generation.kinds), None)


@dataclasses.dataclass(frozen=True)
class Slice:
    """A machine: chips that are connected.

    Attributes:
      name: as asked for, "v5e-16".
    """

    name: str
    generation: Generation
    chips: int

    @property
    def topology(self) -> str:
        """libtpu's name of it, "v5e:4x4"."""
        return f"{self.generation.compiler}:{'x'.join(map(str, self.generation.shapes[self.chips]))}"

    @property
    def devices(self) -> int:
        """As jax counts them."""
        return self.chips * self.generation.devices

    @property
    def hosts(self) -> int:
        """Virtual machines, each of which runs the program."""
        own = self.generation
        return 1 if self.chips <= own.alone else math.ceil(self.chips / own.of_a_host)

    @property
    def capacity(self) -> float:
        """Bytes of a device that programs may use."""
        return self.generation.usable / self.generation.devices

    def with_memory(self, usable: float) -> Slice:
        """The machine, of whose devices so many bytes are used."""
        generation = dataclasses.replace(self.generation, usable=usable * self.generation.devices)
        return dataclasses.replace(self, generation=generation)

    @property
    def of_one_host(self) -> Slice:
        """What one host has of it, by itself."""
        own = self.generation
        return self if self.hosts == 1 else Slice(f"a host of {self.name}", own, own.of_a_host)


_ALSO = {"v5litepod": "v5e", "v7x": "7x"}  # other names of generations


def find(name: str) -> Slice:
    """The machine of a name such as "v5e-16", "v5p-8", "7x-8".

    Raises:
      ValueError: there is none of that name; says which there are.
    """
    found = re.fullmatch(r"(?:tpu-?)?(\w+)-(\d+)", name.lower())
    kind = _ALSO.get(found[1], found[1]) if found else ""
    if found is None or kind not in GENERATIONS:
        raise ValueError(f"topology = {name!r}: expected one of {', '.join(GENERATIONS)} and a size, as v5e-16")
    generation, size = GENERATIONS[kind], int(found[2])
    chips = size // generation.counted
    if size % generation.counted or chips not in generation.shapes:
        sizes = ", ".join(f"{kind}-{chips * generation.counted}" for chips in generation.shapes)
        raise ValueError(f"topology = {name!r}: expected one of {sizes}")
    return Slice(f"{kind}-{size}", generation, chips)
