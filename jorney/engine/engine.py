"""The engine: many trees of texts over one cache, read and sampled together.

`open` a problem, `sample` texts after any span of it, and `step` until they are done. A step reads what is missing in the
cache, hands texts to rows that are free, and samples one chunk. Nothing is read twice, unless the cache is too small for the
work: then what is not in use is dropped, and read again when it is needed.
"""

from __future__ import annotations

import itertools
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

import jax
import numpy as np

from jorney.engine.cache import pack_bits
from jorney.engine.decode import DecodeRows
from jorney.engine.drawing import Sampled, SamplingParams
from jorney.engine.programs import Programs
from jorney.engine.reads import Batch, Read, arrays, batches, plan_read
from jorney.engine.spans import NO_ADAPTER, Pool, Span
from jorney.engine.texts import NEVER, Counts, Request, State, Stop, Text

P = TypeVar("P")


class Engine:
    """Problems, their rows and the cache.

    Args:
      programs: of a model, for one shape.
      shared: ids that all prompts begin with, read once; there may be none.
      sampling: how ids are drawn.
      decode: ids -> text, for stops.
      breaks: [V] bool, ids after which a text that has a stop may be near its end.
      spacious: nobody says how much memory there is: problems that decode may be copied to leave out those that do not.
    """

    def __init__(
        self,
        programs: Programs,
        shared: Sequence[int],
        sampling: SamplingParams,
        decode: Callable[[Sequence[int]], str],
        breaks: np.ndarray | None = None,
        spacious: bool = False,
    ) -> None:
        self._programs, self._shape, self._sampling, self._decode = programs, programs.shape, sampling, decode
        self._breaks = np.zeros(programs.vocab_size, bool) if breaks is None else breaks
        self._shared_length, self._adapted = len(shared), programs.adapted
        self._shared, self._cache = programs.share(shared), programs.empty()
        pools = [Pool(index, self._shape.slots) for index in range(self._shape.problems)]
        self._pools = pools
        # By the part of the devices that holds them.
        own = self._shape.of_way
        self._idle = [pools[start : start + own][::-1] for start in range(0, len(pools), own)]
        # Indexes: how far a text is, its own state says.
        self._rows: list[Text | None] = [None] * self._shape.all_rows
        self._ready: dict[Pool, deque[Text]] = {pool: deque() for pool in reversed(pools)}
        self._unread: list[Request | Text] = []  # in the order in which they came
        self._done: list[Request] = []
        self._visible = np.zeros((len(self._rows), self._shape.slots), bool)
        self._sizes = self._shape.chunks(fewer=spacious)
        self._ended: tuple[float, float] | None = None  # when the last chunk did, and the seconds of reading until then
        self.counts = Counts()

    @property
    def problems(self) -> int:
        """That can be open at a time."""
        return self._shape.problems

    @property
    def free(self) -> int:
        """Problems that can be opened."""
        return sum(map(len, self._idle))

    def open(self, ids: Sequence[int], adapter: int = NO_ADAPTER) -> Span:
        """A problem, whose texts begin with ids, `shared` among them, and are of one of the model's adapters, or its base."""
        assert len(ids) > self._shared_length, "a prompt has an id of its own, at least"
        pool = max(self._idle, key=len).pop()  # of the part that has least to do
        pool.adapter = adapter
        return Span(None, pool, self._shared_length, list(ids[self._shared_length :]))

    def close(self, span: Span) -> None:
        """Frees the problem that a span is of, with all its spans. Nothing of it is under way."""
        span.pool.clear()
        self._idle[span.pool.index // self._shape.of_way].append(span.pool)

    def sample(
        self,
        after: Span,
        keys: np.ndarray,
        limit: int,
        opening: Sequence[int] = (),
        stop: Stop | None = None,
        wait: int = 0,
    ) -> Request:
        """Asks for texts that follow a span.

        Args:
          keys: [w, 2] uint32, key data of each text.
          limit: ids of a text at most.
          opening: ids that all of them begin with, read once; they are no part of the texts.
          stop: where a text is over; looked at `wait` ids after one of `breaks`, and between chunks.

        Raises:
          ValueError: the cache cannot hold such a text, whatever else is dropped.
        """
        assert len(keys) <= self._shape.texts, f"{len(keys)} texts after one span, the shape has {self._shape.texts}"
        self._expect_room(after.stop + len(opening) + limit)
        if opening:
            after = self.follow(after, opening)
            after.held = False
        request = Request(after, limit=limit, stop=stop, wait=wait if stop else NEVER)
        after.children += len(keys)
        for key in keys:
            request.texts.append(Text(parent=after, pool=after.pool, start=after.stop, ids=[], request=request, key=key))
        self._unread.append(request)
        return request

    def _expect_room(self, needed: int) -> None:
        if needed > self._shared_length + self._shape.slots:
            raise ValueError(
                f"a text of {needed} tokens does not fit the cache: {self._shape.slots} slots a problem"
                + (f" beside the {self._shared_length} tokens that all share" if self._shared_length else "")
            )

    def follow(self, after: Span, ids: Sequence[int]) -> Span:
        """A span of given ids after another; read when something is asked for behind it."""
        after.children += 1
        return Span(after, after.pool, after.stop, list(ids))

    def read(self, after: Span, ids: Sequence[int] = ()) -> Request:
        """Asks for the head's values at the end of a span, or of ids that follow it: those are `Request.after` then."""
        after = self.follow(after, ids) if ids else after
        self._expect_room(after.stop)
        self._unread.append(request := Request(after))
        return request

    def step(self) -> list[Request]:
        """Goes on with everything by one chunk; returns the requests that are done."""
        self._fill_rows()
        if self._unread and not (any(self._rows) or self._done):
            self._fill_rows()  # all that waited for a row had been dropped for others, which are done
        if any(self._rows):
            self._sample()
        else:
            assert self._done or not self._unread, "what is asked for can be read"
        done, self._done = self._done, []
        return done

    def run(self, problems: Iterable[P], ask: Callable[[P], None]) -> Iterator[list[Request]]:
        """Steps until nothing is left, each problem begun when there is room for it; yields what `step` returns.

        Args:
          ask: opens a problem, and asks for something. After each step more may be asked for.
        """
        waiting = deque(problems)
        while waiting or self._unread or any(self._rows) or any(self._ready.values()):
            while waiting and self.free:
                ask(waiting.popleft())
            yield self.step()

    # --- reading what is missing

    def _fill_rows(self) -> None:
        """Reads all that can be read, then hands texts to rows."""
        while reads := self._plan():
            for batch in batches(self._shape, reads):
                self._read(batch)
        self._assign()

    def _plan(self) -> list[Read]:
        """A read for everything that waits for one, but what begins with ids that another reads already."""
        found: list[Read] = []
        full: set[Pool] = set()
        for waiting in self._unread:
            if waiting.pool in full:
                continue
            read = plan_read(waiting, self._shape.part)
            if any(read.begins_in is other.begins_in for other in found):
                continue
            if not read.again:
                if not read.pool.make_room(len(read.ids), self._pinned(read.pool, [read, *found], ready=True)):
                    full.add(read.pool)  # what came later waits too, or the two would drop each other's for ever
                    continue
                read.slots = read.pool.take(len(read.ids))
            found.append(read)
        return found

    def _pinned(self, pool: Pool, reads: Iterable[Read] = (), ready: bool = False) -> Iterator[Span]:
        """Spans of a problem that are in use: by rows, by reads, and by texts that only wait for a row."""
        texts = [*self._decoding(pool), *(self._ready[pool] if ready else ())]
        yield from (span for path in [*(text.path() for text in texts), *(read.path for read in reads)] for span in path)

    def _read(self, batch: Batch) -> None:
        what, start = arrays(self._shape, batch, self._adapted), time.perf_counter()
        self._cache, *made = self._programs.read(self._shared, self._cache, what, self._sampling)
        found, writes = jax.device_get(made)
        self.counts.reading += time.perf_counter() - start
        self.counts.writes += int(np.sum(writes))
        for place, read in zip(batch.places, batch.reads, strict=True):
            self.counts.read += len(read.ids)
            read.written()
            if not read.complete:
                continue
            self._unread.remove(read.asked_by)
            if isinstance(read.asked_by, Text):
                self._queue(read.asked_by, first=True)
            elif isinstance(found, Sampled):
                for child, text in enumerate(read.asked_by.texts):
                    self._append(text, Sampled(*(leaf[place, child : child + 1] for leaf in found)), 1)
                    if not self._over(text):
                        self._queue(text)
            else:
                read.asked_by.values = found[place]
                self._done.append(read.asked_by)

    # --- sampling in rows

    def _queue(self, text: Text, first: bool = False) -> None:
        """Lets a text wait for a row; before all others where it was in one already."""
        text.becomes(State.READY)
        queue = self._ready[text.pool]
        queue.insert(0 if first else len(queue), text)

    def _rows_of(self, pool: Pool) -> range:
        return range(pool.index * self._shape.rows, (pool.index + 1) * self._shape.rows)

    def _decoding(self, pool: Pool) -> list[Text]:
        """Texts of a problem that are in rows."""
        return [text for row in self._rows_of(pool) if (text := self._rows[row]) is not None]

    def _assign(self) -> None:
        """Hands texts to rows, as far as the next chunk of all of them has room."""
        for pool, ready in self._ready.items():
            rows = [row for row in self._rows_of(pool) if self._rows[row] is None]
            while rows and ready:
                text = ready[0]
                if not text.is_read:  # it was dropped since
                    text.becomes(State.WAITING)
                    self._unread.append(ready.popleft())
                    continue
                pinned = itertools.chain(text.path(), self._pinned(pool))
                if not pool.make_room(sum(map(self._next, [*self._decoding(pool), text])), pinned):
                    break
                text.becomes(State.DECODING)
                row = rows.pop(0)
                self._rows[row] = ready.popleft()
                self._visible[row] = False
                for span in text.path():
                    self._visible[row, span.slots] = True

    def _next(self, text: Text) -> int:
        """Ids that it is given in the next chunk, at most."""
        return min(self._shape.chunk, text.request.limit - len(text.ids))

    def _sample(self) -> None:
        """One chunk of every row."""
        for pool in self._ready:
            self._suspend(pool)
        pools, where = self._running()
        rows, patience, start = (
            self._row_arrays(pools, where),
            max(1, int(len(where) * self._programs.patience)),
            time.perf_counter(),
        )
        self._cache, found = self._programs.decode(self._shared, self._cache, rows, self._breaks, patience, self._sampling)
        chunk = jax.device_get(found)
        if self._ended is not None:
            ended, reading = self._ended
            self.counts.between += start - ended - (self.counts.reading - reading)
        self._ended = time.perf_counter(), self.counts.reading
        self.counts.decoding += self._ended[0] - start
        self.counts.chunks += 1
        self.counts.writes += int(np.sum(chunk.writes))
        self.counts.steps += int(chunk.steps)
        self.counts.active += int(np.sum(chunk.counts))
        self.counts.places += int(chunk.steps) * len(where)
        for place, row in enumerate(where):
            if (text := self._rows[row]) is None:
                continue
            count = int(chunk.counts[place])
            slots = rows.slots[place, : self._next(text)].tolist()
            text.pool.grant(text, slots[:count])
            text.pool.give_back(slots[count:])
            self._visible[row, slots[:count]] = True
            text.watch = int(chunk.watches[place])
            self._append(text, Sampled(*(leaf[place] for leaf in chunk.sampled)), count)
            if self._over(text):
                self._rows[row] = None

    def _running(self) -> tuple[list[Pool], list[int]]:
        """The problems of a chunk and its rows: of each part as many problems, of each of them as many rows."""
        found = [sorted(self._rows_of(pool), key=lambda row: self._rows[row] is None) for pool in self._pools]
        busy = [sum(self._rows[row] is not None for row in rows) for rows in found]
        own = self._shape.of_way
        ways = [self._pools[start : start + own] for start in range(0, len(self._pools), own)]
        needed = max(sum(busy[pool.index] > 0 for pool in way) for way in ways), max(busy)
        for size in self._sizes:
            if size[0] >= needed[0] and size[1] >= needed[1] and self._programs.worth(size):
                break
        chosen = [pool for way in ways for pool in sorted(way, key=lambda pool: busy[pool.index] == 0)[: size[0]]]
        pools = sorted(chosen, key=lambda pool: pool.index)
        return pools, [row for pool in pools for row in found[pool.index][: size[1]]]

    def _suspend(self, pool: Pool) -> None:
        """Where the next chunk has no room for all rows of a problem, takes texts from rows until it has."""
        while texts := self._decoding(pool):
            if pool.make_room(sum(map(self._next, texts)), self._pinned(pool)):
                return
            assert len(texts) > 1, "one text alone fits"
            self._rows[self._rows.index(texts[-1])] = None
            self._queue(texts[-1], first=True)

    def _row_arrays(self, pools: Sequence[Pool], where: Sequence[int]) -> DecodeRows:
        R, A = len(where), self._shape.slots
        some = len(pools) < len(self._pools)
        arrays = DecodeRows(
            active=np.zeros(R, bool),
            tokens=np.zeros(R, np.int32),
            positions=np.zeros(R, np.int32),
            counts=np.zeros(R, np.int32),
            limits=np.zeros(R, np.int32),
            watches=np.full(R, -1, np.int32),
            waits=np.full(R, NEVER, np.int32),
            keys=np.zeros((R, 2), np.uint32),
            slots=np.full((R, self._shape.chunk), A, np.int32),
            visible=np.zeros(0, np.uint8),
            problems=np.array([pool.index % self._shape.of_way for pool in pools], np.int32) if some else None,
            adapters=np.repeat([pool.adapter for pool in pools], R // len(pools)).astype(np.int32) if self._adapted else None,
        )
        for row, text in enumerate(self._rows[row] for row in where):
            if text is not None:
                assert text.state is State.DECODING
                arrays.active[row], arrays.tokens[row], arrays.positions[row] = True, text.ids[-1], text.stop - 1
                arrays.counts[row], arrays.limits[row] = len(text.ids), text.request.limit
                arrays.watches[row], arrays.waits[row], arrays.keys[row] = text.watch, text.request.wait, text.key
                arrays.slots[row, : self._next(text)] = text.pool.take(self._next(text))
        visible = self._visible[where]
        used = np.any(visible, axis=0, where=arrays.active[:, None])
        used[arrays.slots[arrays.slots < A]] = True
        return arrays._replace(visible=pack_bits(visible[:, : self._shape.reach(used)]))

    def _append(self, text: Text, sampled: Sampled, count: int) -> None:
        """The next ids of a text."""
        for own, more in zip((text.ids, text.log_probs, text.sampling_log_probs), sampled, strict=True):
            own += np.asarray(more)[:count].tolist()
        if count and len(text.ids) == count and text.generated == 0:
            text.watch = text.request.wait if self._breaks[text.ids[-1]] else -1
        text.generated += count
        self.counts.sampled += count

    def _over(self, text: Text) -> bool:
        """Whether a text is done; stops it where it is over, and takes note of its request when that is done too."""
        request = text.request
        ended = text.ids[-1] in self._programs.ends
        kept = request.stop(self._decode(text.ids)) if request.stop else None
        if kept is not None:
            # The most ids whose text is no longer than what is kept.
            count = next(n for n in range(len(text.ids), -1, -1) if len(self._decode(text.ids[:n])) <= kept)
            for own in (text.ids, text.log_probs, text.sampling_log_probs):
                del own[count:]
            text.pool.drop(text, count)
        elif not ended and len(text.ids) < request.limit:
            return False
        text.becomes(State.DONE)
        text.finished = ended or kept is not None
        self.counts.in_rows += max(0, len(text.ids) - 1)
        if request.done:
            self._done.append(request)
        return True
