"""What is to be read into the cache, what of it is read together, and the arrays by which the programs are told."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np

from jorney.batch import packing
from jorney.engine.cache import pack_bits
from jorney.engine.decode import ExtendRows, PrefillTokens
from jorney.engine.programs import Shape
from jorney.engine.spans import NO_ADAPTER, Pool, Span
from jorney.engine.texts import Request, Text


@dataclasses.dataclass(eq=False)
class Read:
    """Ids of a text that are to be read in one go.

    Attributes:
      asked_by: a request for what follows them, or a text that goes on in a row.
      path: the spans of the text.
      ids: the first that are missing in the cache, side by side.
      start: where in the text they begin.
      visible: [A] bool, slots of all that stands before them.
      complete: after them nothing is missing.
      again: nothing was; the last id is read once more, for what the model says after it.
      slots: where they are to be written.
    """

    asked_by: Request | Text
    path: list[Span]
    ids: list[int]
    start: int
    visible: np.ndarray
    complete: bool
    again: bool
    slots: list[int] = dataclasses.field(default_factory=list)

    @property
    def first(self) -> bool:
        """Its ids are the first of the text, and nothing of it is in the cache."""
        return self.start == self.path[0].start and not self.again

    @property
    def begins_in(self) -> Span:
        """The span that its first id belongs to."""
        return next(span for span in self.path if self.start < span.stop)

    @property
    def pool(self) -> Pool:
        """Of its problem."""
        return self.path[0].pool

    def written(self) -> None:
        """The slots hold the ids now."""
        slots = [] if self.again else self.slots
        for span in self.path:
            missing = len(span.ids) - len(span.slots)
            span.pool.grant(span, slots[:missing])
            slots = slots[missing:]


def plan_read(asked_by: Request | Text, part: Callable[[int, bool], int]) -> Read:
    """What to read next: for a request the text up to all that was asked for, for a text in a row all but its last id.

    Args:
      part: how many to read in one go of so many that are missing side by side, and are the first of the text or not.
    """
    path = (asked_by.after if isinstance(asked_by, Request) else asked_by).path()
    ids = [token for part in path for token in part.ids]
    slots = np.array([slot for part in path for slot in [*part.slots, *[-1] * (len(part.ids) - len(part.slots))]])
    wanted = len(ids) - isinstance(asked_by, Text)
    missing = np.flatnonzero(slots[:wanted] < 0)
    begin = int(missing[0]) if len(missing) else wanted - 1
    # Side by side: what was dropped may have something after it that was not.
    stop = begin + part(max(1, int(np.sum(missing == begin + np.arange(len(missing))))), begin == 0)
    visible = np.zeros(path[0].pool.size, bool)
    visible[slots[:begin]] = True
    own = [] if len(missing) else [int(slots[begin])]
    return Read(asked_by, path, ids[begin:stop], path[0].start + begin, visible, stop == wanted, bool(own), own)


@dataclasses.dataclass(frozen=True)
class Batch:
    """What is read together.

    Attributes:
      ways: the reads of each part of the devices, whose problems they are of.
      count: how many reads of a part the program takes.
      length: ids that it takes: of each read, or of all of a part where they are packed.
      packed: side by side, by `decode.prefill`; else by `decode.extend`.
    """

    ways: Sequence[Sequence[Read]]
    count: int
    length: int
    packed: bool

    @property
    def reads(self) -> list[Read]:
        return [read for way in self.ways for read in way]

    @property
    def places(self) -> list[int]:
        """Where each of the reads stands among all that the program takes."""
        return [way * self.count + place for way, own in enumerate(self.ways) for place in range(len(own))]


def batches(shape: Shape, reads: Sequence[Read]) -> Iterator[Batch]:
    """All reads: beginnings of texts packed, the others with those of about their length; of every part at the same time."""
    ways: list[list[Read]] = [[] for _ in range(shape.ways)]
    for read in reads:
        ways[read.pool.index // shape.of_way].append(read)
    yield from _packed(shape, [[read for read in own if read.first] for own in ways])
    shorter = -1
    for count, length in shape.extends:
        members = [[read for read in own if not read.first and shorter < len(read.ids) <= length] for own in ways]
        for together in _in_step([own[start : start + count] for start in range(0, len(own), count)] for own in members):
            yield Batch(together, count, length, packed=False)
        shorter = length


def _in_step(ways: Iterable[Sequence[list[Read]]]) -> Iterator[tuple[list[Read], ...]]:
    """The first batch of every part, the second, and so on; an empty one where a part has no more."""
    return itertools.zip_longest(*ways, fillvalue=[])


def _packed(shape: Shape, ways: Sequence[Sequence[Read]]) -> Iterator[Batch]:
    """As few of the longest program as hold them all, or a shorter one that holds as much."""
    most, room = shape.prefills[-1]

    def batches_of(reads: Sequence[Read]) -> Iterator[list[Read]]:
        for row in packing.plan([len(read.ids) for read in reads], room):
            for start in range(0, len(row), most):
                yield [reads[index] for index in row[start : start + most]]

    for together in _in_step([list(batches_of(own)) for own in ways]):
        taken, total = max(map(len, together)), max(sum(len(read.ids) for read in own) for own in together)
        count, length = next(size for size in shape.prefills if taken <= size[0] and total <= size[1])
        yield Batch(together, count, length, packed=True)


def arrays(shape: Shape, batch: Batch, adapted: bool = False) -> ExtendRows | PrefillTokens:
    """What a program reads of a batch; of an empty one, what it may read at most.

    Args:
      adapted: it is told which adapter each read is of.
    """
    keys = np.zeros((shape.ways * batch.count, shape.texts, 2), np.uint32)
    for place, read in zip(batch.places, batch.reads, strict=True):
        for child, text in enumerate(read.asked_by.texts if isinstance(read.asked_by, Request) else ()):
            keys[place, child] = text.key
    made = (_prefill_tokens if batch.packed else _extend_rows)(shape, batch, keys)
    return made._replace(adapters=_adapters(batch, made)) if adapted else made


def _adapters(batch: Batch, made: ExtendRows | PrefillTokens) -> np.ndarray:
    """Of each row, or of each token where they are packed; of padding, none."""
    if isinstance(made, ExtendRows):
        found = np.full(len(made.lengths), NO_ADAPTER, np.int32)
        found[batch.places] = [read.pool.adapter for read in batch.reads]
        return found
    found = np.full(made.members.shape, NO_ADAPTER, np.int32)
    for way, reads in enumerate(batch.ways):
        for place, read in enumerate(reads):
            found[way, made.members[way] == place] = read.pool.adapter
    return found


def _extend_rows(shape: Shape, batch: Batch, keys: np.ndarray) -> ExtendRows:
    count, length = shape.ways * batch.count, batch.length
    found = ExtendRows(
        problems=np.zeros(count, np.int32),
        tokens=np.zeros((count, length), np.int32),
        lengths=np.zeros(count, np.int32),
        starts=np.zeros(count, np.int32),
        slots=np.full((count, length), shape.slots, np.int32),
        visible=np.zeros((count, shape.slots), bool),
        keys=keys,
    )
    for place, read in zip(batch.places, batch.reads, strict=True):
        size = len(read.ids)
        found.problems[place], found.lengths[place], found.starts[place] = read.pool.index % shape.of_way, size, read.start
        found.tokens[place, :size], found.slots[place, :size] = read.ids, read.slots
        found.visible[place] = read.visible
    return found._replace(visible=pack_bits(found.visible[:, : _reach(shape, batch, found.slots, found.visible)]))


def _prefill_tokens(shape: Shape, batch: Batch, keys: np.ndarray) -> PrefillTokens:
    count, length = batch.count, batch.length
    found = PrefillTokens(
        problems=np.zeros((shape.ways, length), np.int32),
        tokens=np.zeros((shape.ways, length), np.int32),
        positions=np.zeros((shape.ways, length), np.int32),
        slots=np.full((shape.ways, length), shape.slots, np.int32),
        members=np.full((shape.ways, length), count, np.int32),
        lasts=np.zeros((shape.ways, count), np.int32),
        keys=keys,
        used=np.zeros(shape.slots // 8, np.uint8),
    )
    for way, reads in enumerate(batch.ways):
        start = 0
        for place, read in enumerate(reads):
            own = way, slice(start, start + len(read.ids))
            found.problems[own], found.tokens[own], found.slots[own] = read.pool.index % shape.of_way, read.ids, read.slots
            found.positions[own], found.members[own] = read.start + np.arange(len(read.ids)), place
            start += len(read.ids)
            found.lasts[way, place] = start - 1
    return found._replace(used=found.used[: _reach(shape, batch, found.slots) // 8])


def _reach(shape: Shape, batch: Batch, slots: np.ndarray, visible: np.ndarray | None = None) -> int:
    """S, of slots that are written and [M, A] that are read; of an empty batch as many as it may be."""
    if not batch.reads:
        return shape.slots
    used = np.zeros(shape.slots, bool) if visible is None else np.any(visible, axis=0)
    used[slots[slots < shape.slots]] = True
    return shape.reach(used)
