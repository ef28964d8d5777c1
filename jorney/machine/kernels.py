"""What the Pallas kernels of a compiled program read and compute: their instructions carry no estimate of the compiler's."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from jorney.machine.hlo import arrays_of, sizes_of
from jorney.machine.touched import Instruction, in_memory
from jorney.topology import Generation

_TARGET = 'custom_call_target="tpu_custom_call"'
_SPLASH_BLOCK = 512  # tokens of a step of its grid
_STEP, _SLOWER = 1e-6, 1.3  # seconds to begin a step of a grid; of what the bandwidth, or the peak, would allow


class Kernel(NamedTuple):
    """A run of it.

    Attributes:
      bytes: of a chip's memory that are read or written.
      moved: the same, of whatever memory.
      flops: of its products.
      steps: of its grid.
    """

    bytes: float
    moved: float
    flops: float
    steps: float

    def seconds(self, generation: Generation) -> float:
        """By the larger of what its bytes and its products take."""
        return _SLOWER * max(self.moved / generation.bandwidth, self.flops / generation.flops) + self.steps * _STEP


def is_kernel(one: Instruction) -> bool:
    """Whether an instruction is a Pallas kernel."""
    return _TARGET in one.line


def kernel(one: Instruction, given: Sequence[str], blocks: float | None) -> Kernel:
    """Which it is, its operands say.

    Args:
      given: shapes of the operands.
      blocks: that decoding's kernel visits (`model.ragged`); None for all that the pools have.

    Raises:
      ValueError: neither decoding's kernel nor attention of whole sequences.
    """
    from jorney.model import ragged

    if ragged.NAME in one.line:
        return _ragged(one, given, blocks)
    heads = [sizes for sizes in sizes_of(one.shape) if len(sizes) == 3]
    if not heads:
        raise ValueError(f"a kernel without a price: {one.line.strip()[:160]}")
    count, tokens, head = max(heads, key=math.prod)
    moved = sum(sum(arrays_of(shape)) for shape in (one.shape, *given))
    touched = sum(map(sum, map(in_memory, (one.shape, *given))))
    steps = count * math.ceil(tokens / _SPLASH_BLOCK) ** 2
    return Kernel(touched, moved, 4 * count * tokens**2 * head, steps)  # of all pairs of tokens


def _ragged(one: Instruction, given: Sequence[str], blocks: float | None) -> Kernel:
    """Of order, counts, a place, queries [P, K, Q, H], staged keys and values, what is shut [P, E, Y, 128], and pieces."""
    from jorney.model.ragged import problems_of_step

    _, _, _, query, *staged, shut = given[:7]
    pieces = given[7:]
    P, K, Q, H = sizes_of(query)[0]
    _, E, Y, size = sizes_of(shut)[0]
    visited = P * E if blocks is None else blocks
    of_pool = sum(sum(arrays_of(piece)) / math.prod(sizes_of(piece)[0]) for piece in (pieces[0], pieces[-1])) * K * size * H
    whole = (one.shape, query, *staged)
    read = visited * (of_pool + 4 * Y * size)
    touched, moved = sum(map(sum, map(in_memory, whole))), sum(map(sum, map(arrays_of, whole)))
    steps = P // problems_of_step(P, int(3 * sum(arrays_of(query)) + sum(arrays_of(staged[0]))))
    return Kernel(touched + read, moved + read, 4 * visited * K * Q * size * H, steps)
