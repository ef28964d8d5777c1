"""Cloud TPU slices, by the names under which they are ordered."""

from __future__ import annotations

from typing import NamedTuple

GIB = 1 << 30


class Slice(NamedTuple):
    """Chips that are ordered together.

    Attributes:
      name: as in Cloud TPU's accelerator type. v4 and v5p count two cores a chip, v5e and v6e count chips.
      chips: how many there are.
      hbm: bytes of memory a chip.
    """

    name: str
    chips: int
    hbm: int


# Memory a chip as Cloud TPU's documentation states it.
SLICES = (
    Slice("v4-8", 4, 32 * GIB),
    Slice("v5e-8", 8, 16 * GIB),
    Slice("v5e-16", 16, 16 * GIB),
    Slice("v5e-64", 64, 16 * GIB),
    Slice("v5p-8", 4, 95 * GIB),
    Slice("v5p-32", 16, 95 * GIB),
    Slice("v6e-8", 8, 32 * GIB),
    Slice("v6e-16", 16, 32 * GIB),
)
