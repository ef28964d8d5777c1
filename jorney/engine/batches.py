"""Which runs are read together, and the arrays by which the programs are told."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from jorney.batch import packing
from jorney.engine.cache import pack_bits
from jorney.engine.decode import Beginnings, Runs
from jorney.engine.programs import Shape
from jorney.engine.spans import Run


@dataclasses.dataclass(frozen=True)
class Batch:
    """Runs that are read together.

    Attributes:
      count: how many the program takes.
      length: ids that it takes: of each run, or of all of them where they are packed.
      packed: side by side, by `decode.prefill`; else by `decode.extend`.
    """

    runs: list[Run]
    count: int
    length: int
    packed: bool


def batches(shape: Shape, runs: Sequence[Run]) -> Iterator[Batch]:
    """All runs: beginnings of texts packed, the others with those of about their length."""
    yield from _packed(shape, [run for run in runs if run.first])
    by_size: dict[tuple[int, int], list[Run]] = {size: [] for size in shape.runs}
    for run in runs:
        if not run.first:
            by_size[next(size for size in shape.runs if len(run.ids) <= size[1])].append(run)
    for (count, length), members in by_size.items():
        for start in range(0, len(members), count):
            yield Batch(members[start : start + count], count, length, packed=False)


def _packed(shape: Shape, runs: Sequence[Run]) -> Iterator[Batch]:
    """As few of the longest program as hold them all, or a shorter one that holds as much."""
    most, room = shape.packs[-1]
    for row in packing.plan([len(run.ids) for run in runs], room):
        for start in range(0, len(row), most):
            taken = [runs[index] for index in row[start : start + most]]
            total = sum(len(run.ids) for run in taken)
            count, length = next(size for size in shape.packs if len(taken) <= size[0] and total <= size[1])
            yield Batch(taken, count, length, packed=True)


def arrays(shape: Shape, batch: Batch, keys: Sequence[Iterable[np.ndarray]]) -> Runs | Beginnings:
    """What a program reads of a batch.

    Args:
      keys: of the texts after each run, [2] uint32 each; none where nothing is sampled.
    """
    of_children = np.zeros((batch.count, shape.texts, 2), np.uint32)
    for place, own in enumerate(keys):
        for child, key in enumerate(own):
            of_children[place, child] = key
    return (_beginnings if batch.packed else _runs)(shape, batch, of_children)


def _runs(shape: Shape, batch: Batch, keys: np.ndarray) -> Runs:
    count, length = batch.count, batch.length
    found = Runs(
        problems=np.zeros(count, np.int32),
        tokens=np.zeros((count, length), np.int32),
        lengths=np.zeros(count, np.int32),
        starts=np.zeros(count, np.int32),
        slots=np.full((count, length), shape.slots, np.int32),
        visible=np.zeros((count, shape.slots // 8), np.uint8),
        keys=keys,
    )
    for place, run in enumerate(batch.runs):
        size = len(run.ids)
        found.problems[place], found.lengths[place], found.starts[place] = run.span.pool.index, size, run.start
        found.tokens[place, :size], found.slots[place, :size] = run.ids, run.slots
        found.visible[place] = pack_bits(run.visible)
    return found


def _beginnings(shape: Shape, batch: Batch, keys: np.ndarray) -> Beginnings:
    count, length = batch.count, batch.length
    found = Beginnings(
        problems=np.zeros(length, np.int32),
        tokens=np.zeros(length, np.int32),
        positions=np.zeros(length, np.int32),
        slots=np.full(length, shape.slots, np.int32),
        members=np.full(length, count, np.int32),
        lasts=np.zeros(count, np.int32),
        keys=keys,
    )
    start = 0
    for place, run in enumerate(batch.runs):
        size = len(run.ids)
        own = slice(start, start + size)
        found.problems[own], found.tokens[own], found.slots[own] = run.span.pool.index, run.ids, run.slots
        found.positions[own], found.members[own] = run.start + np.arange(size), place
        start += size
        found.lasts[place] = start - 1
    return found
