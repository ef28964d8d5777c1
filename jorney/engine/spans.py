"""What the cache holds, as the host sees it: spans of a tree of texts, and the slots that their ids are in."""

from __future__ import annotations

import dataclasses
import heapq
from collections.abc import Iterable, Sequence


@dataclasses.dataclass(eq=False)
class Span:
    """Ids that follow those of a parent: a prompt, an opening, a step.

    Attributes:
      parent: the span before it in its text; None for a problem's prompt.
      pool: of the problem.
      start: where in the text its first id stands.
      ids: known so far.
      slots: of its leading ids, those that are in the cache.
      children: spans that follow it and are still needed.
      held: somebody may still ask for what follows it.
    """

    parent: Span | None
    pool: Pool
    start: int
    ids: list[int]
    slots: list[int] = dataclasses.field(default_factory=list)
    children: int = 0
    held: bool = True

    @property
    def stop(self) -> int:
        """Where in the text the next id would stand."""
        return self.start + len(self.ids)

    def path(self) -> list[Span]:
        """The spans of the text, from the prompt to this one."""
        found: list[Span] = []
        span: Span | None = self
        while span is not None:
            found.append(span)
            span = span.parent
        return found[::-1]

    @property
    def is_read(self) -> bool:
        """Its text is in the cache, all but its last id."""
        *before, own = self.path()
        return all(len(span.slots) == len(span.ids) for span in before) and len(own.slots) >= len(own.ids) - 1

    def release(self) -> None:
        """Nothing will be asked for after this span any more: its slots are free once no span after it is needed."""
        assert self.held, "a span is released once"
        self.held = False
        span: Span | None = self
        while span is not None and not span.held and not span.children:
            span.pool.drop(span)
            if span.parent is not None:
                span.parent.children -= 1
            span = span.parent


NO_ADAPTER = -1


class Pool:
    """The slots of one problem.

    Args:
      index: of the pool in the cache.
      size: A.

    Attributes:
      adapter: which of the model's adapters its problem has.
    """

    def __init__(self, index: int, size: int) -> None:
        self.index, self.size = index, size
        self.adapter = NO_ADAPTER
        self.clear()

    def clear(self) -> None:
        """Frees every slot."""
        self._free = list(range(self.size))  # a heap: the lowest are handed out first, so that what is in use lies together
        self._holders: dict[Span, None] = {}  # in the order in which they came

    def grant(self, span: Span, slots: Sequence[int]) -> None:
        """The span's next ids are in these slots."""
        if slots:
            span.slots += slots
            self._holders[span] = None

    def drop(self, span: Span, keep: int = 0) -> None:
        """Frees the slots of a span's ids beyond the first `keep`."""
        self.give_back(span.slots[keep:])
        del span.slots[keep:]
        if not span.slots:
            self._holders.pop(span, None)

    def make_room(self, count: int, pinned: Iterable[Span]) -> bool:
        """Whether `count` slots are free; for that, drops spans that are not pinned, the youngest first.

        What is dropped is read again when it is needed. Nothing is dropped where it would not be enough, and what is pinned is
        not looked at where there is room.
        """
        if count <= len(self._free):
            return True
        kept = set(pinned)
        loose = [span for span in reversed(self._holders) if span not in kept]
        if count > len(self._free) + sum(len(span.slots) for span in loose):
            return False
        for span in loose:
            self.drop(span)
            if count <= len(self._free):
                break
        return True

    def take(self, count: int) -> list[int]:
        """The lowest slots that are free, to be granted or given back."""
        assert count <= len(self._free), f"{count} slots are wanted, {len(self._free)} are free"
        return [heapq.heappop(self._free) for _ in range(count)]

    def give_back(self, slots: Sequence[int]) -> None:
        """Slots that are not used, or not any more."""
        for slot in slots:
            heapq.heappush(self._free, slot)
