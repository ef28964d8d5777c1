"""The engine: many trees of texts over one cache, read and sampled together.

`open` a problem, `sample` texts after any span of it, and `step` until they are done. A step reads what is missing in the
cache, hands texts to rows that are free, and samples one chunk. Nothing is read twice, unless the cache is too small for the
work: then what is not in use is dropped, and read again when it is needed.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence

import jax
import numpy as np

from jorney.engine.batches import Batch, arrays, batches
from jorney.engine.cache import pack_bits
from jorney.engine.decode import Chunk, Rows
from jorney.engine.drawing import Knobs, Sampled
from jorney.engine.programs import Programs
from jorney.engine.spans import Pool, Run, Span, is_read, plan_run
from jorney.engine.texts import NEVER, Counts, Cut, Group, Text


class Engine:
    """Problems, their rows and the cache.

    Args:
      programs: of a model, for one shape.
      shared: ids that all prompts begin with, read once; there may be none.
      knobs: how ids are drawn.
      decode: ids -> text, for cuts.
      breaks: [V] bool, ids after which a text that has a cut may be near its end.
    """

    def __init__(
        self,
        programs: Programs,
        shared: Sequence[int],
        knobs: Knobs,
        decode: Callable[[Sequence[int]], str],
        breaks: np.ndarray | None = None,
    ) -> None:
        self._programs, self._shape, self._knobs, self._decode = programs, programs.shape, knobs, decode
        self._breaks = np.zeros(programs.vocab_size, bool) if breaks is None else breaks
        self._shared_length = len(shared)
        self._shared, self._cache = programs.share(shared), programs.empty()
        self._idle = [Pool(index, self._shape.slots) for index in range(self._shape.problems)][::-1]
        self._rows: list[Text | None] = [None] * self._shape.all_rows
        self._visible = np.zeros((len(self._rows), self._shape.slots), bool)
        self._ready: dict[Pool, deque[Text]] = {pool: deque() for pool in self._idle}
        self._unread: list[tuple[Span, Group | None]] = []  # a group that waits for its span; without one, a text for its row
        self._done: list[Group] = []
        self.counts = Counts()

    @property
    def free(self) -> int:
        """Problems that can be opened."""
        return len(self._idle)

    def open(self, ids: Sequence[int]) -> Span:
        """A problem, whose texts begin with ids, `shared` among them."""
        assert len(ids) > self._shared_length, "a prompt has an id of its own, at least"
        return Span(None, self._idle.pop(), self._shared_length, list(ids[self._shared_length :]))

    def close(self, root: Span) -> None:
        """Frees a problem, with all that follows it. Nothing of it is under way."""
        root.pool.clear()
        self._idle.append(root.pool)

    def sample(
        self,
        after: Span,
        keys: np.ndarray,
        limit: int,
        opening: Sequence[int] = (),
        cut: Cut | None = None,
        wait: int = 0,
    ) -> Group:
        """Asks for texts that follow a span.

        Args:
          keys: [w, 2] uint32, key data of each text.
          limit: ids of a text at most.
          opening: ids that all of them begin with, read once; they are no part of the texts.
          cut: where a text is over; looked at `wait` ids after one of `breaks`, and between chunks.

        Raises:
          ValueError: the cache cannot hold such a text, whatever else is dropped.
        """
        assert len(keys) <= self._shape.texts, f"{len(keys)} texts after one span, the shape has {self._shape.texts}"
        self._expect_room(after.stop + len(opening) + limit)
        if opening:
            after = self.follow(after, opening)
            after.held = False
        group = Group(after, under_way=len(keys), limit=limit, cut=cut, wait=wait if cut else NEVER)
        after.children += len(keys)
        for key in keys:
            group.texts.append(Text(parent=after, pool=after.pool, start=after.stop, ids=[], group=group, key=key))
        self._unread.append((after, group))
        return group

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

    def read(self, after: Span, ids: Sequence[int] = ()) -> Group:
        """Asks for the head's values at the end of a span, or of ids that follow it: those are `Group.after` then."""
        after = self.follow(after, ids) if ids else after
        self._expect_room(after.stop)
        group = Group(after)
        self._unread.append((after, group))
        return group

    def step(self) -> list[Group]:
        """Goes on with everything by one chunk; returns the groups that are complete."""
        self._fill_rows()
        if self._unread and not (any(self._rows) or self._done):
            self._fill_rows()  # all that waited for a row had been dropped for others, which are done
        if any(self._rows):
            self._sample()
        else:
            assert self._done or not self._unread, "what is asked for can be read"
        done, self._done = self._done, []
        return done

    # --- reading what is missing

    def _fill_rows(self) -> None:
        """Reads all that can be read, then hands texts to rows."""
        while runs := self._plan():
            for batch in batches(self._shape, runs):
                self._read(batch)
        self._assign()

    def _plan(self) -> list[Run]:
        """A run for every span that is waited for, but those that begin with what another run reads already."""
        found: list[Run] = []
        full: set[Pool] = set()
        for span, group in self._unread:
            if span.pool in full:
                continue
            run = plan_run(span, self._shape.part, last=group is not None)
            if any(run.begins_in is other.begins_in for other in found):
                continue
            if not run.again:
                pinned = lambda run=run: self._pinned(run.span.pool, [run, *found], ready=True)  # noqa: E731
                if not run.span.pool.make_room(len(run.ids), pinned):
                    full.add(span.pool)  # what came later waits too, or the two would drop each other's for ever
                    continue
                run.slots = run.span.pool.take(len(run.ids))
            found.append(run)
        return found

    def _pinned(self, pool: Pool, runs: Iterable[Run] = (), ready: bool = False) -> Iterable[Span]:
        """Spans of a problem that are in use: by rows, by runs, and by texts that only wait for a row."""
        texts = [text for text in self._of(pool) if text is not None] + (list(self._ready[pool]) if ready else [])
        return [span for path in [*(text.path() for text in texts), *(run.path for run in runs)] for span in path]

    def _read(self, batch: Batch) -> None:
        waiting = dict(self._unread)
        groups = [waiting[run.span] for run in batch.runs]
        keys = [[text.key for text in group.texts] if group else [] for group in groups]
        what = arrays(self._shape, batch, keys)
        self._cache, found, writes = self._programs.read(self._shared, self._cache, what, self._knobs)
        found, writes = jax.device_get((found, writes))
        self.counts.writes += int(writes)
        for place, (run, group) in enumerate(zip(batch.runs, groups, strict=True)):
            self.counts.read += len(run.ids)
            run.written()
            if not run.complete:
                continue
            self._unread.remove((run.span, group))
            if group is None:
                assert isinstance(run.span, Text)
                self._ready[run.span.pool].appendleft(run.span)
            elif isinstance(found, Sampled):
                for child, text in enumerate(group.texts):
                    first = Sampled(*(leaf[place, child : child + 1] for leaf in found))
                    self._append(text, first, 1)
                    if not self._over(text):
                        self._ready[text.pool].append(text)
            else:
                group.values = found[place]
                self._done.append(group)

    # --- sampling in rows

    def _of(self, pool: Pool) -> list[Text | None]:
        """The rows of a problem."""
        return self._rows[pool.index * self._shape.rows : (pool.index + 1) * self._shape.rows]

    def _assign(self) -> None:
        """Hands texts to rows, as far as the next chunk of all of them has room."""
        for pool, ready in self._ready.items():
            rows = [row for row, text in enumerate(self._of(pool), pool.index * self._shape.rows) if text is None]
            while rows and ready:
                text = ready[0]
                if not is_read(text):  # it was dropped since
                    self._unread.append((ready.popleft(), None))
                    continue
                pinned = lambda pool=pool, text=text: [*text.path(), *self._pinned(pool)]  # noqa: E731
                taken = sum(self._next(other) for other in self._of(pool) if other is not None)
                if not pool.make_room(taken + self._next(text), pinned):
                    break
                row = rows.pop(0)
                self._rows[row] = ready.popleft()
                self._visible[row] = False
                for span in text.path():
                    self._visible[row, span.slots] = True

    def _next(self, text: Text) -> int:
        """Ids that it is given in the next chunk, at most."""
        return min(self._shape.chunk, text.group.limit - len(text.ids))

    def _sample(self) -> None:
        """One chunk of every row."""
        for pool in self._ready:
            self._suspend(pool)
        rows, start = self._row_arrays(), time.perf_counter()
        self._cache, chunk = self._programs.decode(
            self._shared, self._cache, rows, self._breaks, max(1, len(self._rows) // 32), self._knobs
        )
        chunk = Chunk(*jax.device_get(chunk))
        self.counts.decoding += time.perf_counter() - start
        self.counts.writes += int(chunk.writes)
        self.counts.steps += int(chunk.steps)
        self.counts.places += int(chunk.steps) * len(self._rows)
        for row, text in enumerate(self._rows):
            if text is None:
                continue
            count = int(chunk.counts[row])
            slots = rows.slots[row, : self._next(text)].tolist()
            text.pool.grant(text, slots[:count])
            text.pool.give_back(slots[count:])
            self._visible[row, slots[:count]] = True
            text.watch = int(chunk.watches[row])
            self._append(text, Sampled(*(leaf[row] for leaf in chunk[:3])), count)
            if self._over(text):
                self._rows[row] = None

    def _suspend(self, pool: Pool) -> None:
        """Where the next chunk has no room for all rows of a problem, takes texts from rows until it has."""
        while texts := [text for text in self._of(pool) if text is not None]:
            if pool.make_room(sum(map(self._next, texts)), lambda: self._pinned(pool)):
                return
            assert len(texts) > 1, "one text alone fits"
            last = texts[-1]
            self._rows[self._rows.index(last)] = None
            self._ready[pool].appendleft(last)

    def _row_arrays(self) -> Rows:
        R, A = len(self._rows), self._shape.slots
        arrays = Rows(
            active=np.zeros(R, bool),
            tokens=np.zeros(R, np.int32),
            positions=np.zeros(R, np.int32),
            counts=np.zeros(R, np.int32),
            limits=np.zeros(R, np.int32),
            watches=np.full(R, -1, np.int32),
            waits=np.full(R, NEVER, np.int32),
            keys=np.zeros((R, 2), np.uint32),
            slots=np.full((R, self._shape.chunk), A, np.int32),
            visible=pack_bits(self._visible),
        )
        for row, text in enumerate(self._rows):
            if text is not None:
                arrays.active[row], arrays.tokens[row], arrays.positions[row] = True, text.ids[-1], text.stop - 1
                arrays.counts[row], arrays.limits[row] = len(text.ids), text.group.limit
                arrays.watches[row], arrays.waits[row], arrays.keys[row] = text.watch, text.group.wait, text.key
                arrays.slots[row, : self._next(text)] = text.pool.take(self._next(text))
        return arrays

    def _append(self, text: Text, sampled: Sampled, count: int) -> None:
        """The next ids of a text."""
        for own, more in zip((text.ids, text.log_probs, text.sampling_log_probs), sampled, strict=True):
            own += np.asarray(more)[:count].tolist()
        if count and len(text.ids) == count and text.generated == 0:
            text.watch = text.group.wait if self._breaks[text.ids[-1]] else -1
        text.generated += count
        self.counts.sampled += count

    def _over(self, text: Text) -> bool:
        """Whether a text is done; cuts it where it is over, and takes note of its group when that is complete."""
        group = text.group
        ended = text.ids[-1] in self._programs.ends
        kept = group.cut(self._decode(text.ids)) if group.cut else None
        if kept is not None:
            count = self._ids_within(text.ids, kept)
            for own in (text.ids, text.log_probs, text.sampling_log_probs):
                del own[count:]
            text.pool.drop(text, count)
        elif not ended and len(text.ids) < group.limit:
            return False
        text.finished = ended or kept is not None
        self.counts.in_rows += max(0, len(text.ids) - 1)
        group.under_way -= 1
        if not group.under_way:
            self._done.append(group)
        return True

    def _ids_within(self, ids: Sequence[int], characters: int) -> int:
        """The most ids whose text is no longer than `characters`."""
        count = len(ids)
        while count and len(self._decode(ids[:count])) > characters:
            count -= 1
        return count
