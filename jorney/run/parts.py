"""Rows of an artifact in immutable parts, written as they are made, in any order: the one way in which work is resumed."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import itertools
import json
import os
import re
import time
import uuid
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from types import TracebackType
from typing import Any, NamedTuple, Protocol, TypeVar

from jorney import storage
from jorney.progress import Progress, Unfinished

ROWS, SECONDS = 128, 60.0  # a part is written when so many rows wait, or so long after the one before


_NONE = "no rows"  # the field of a row that stands for a member without any


class Member(Protocol):
    """What rows are made for."""

    @property
    def id(self) -> str: ...


M = TypeVar("M", bound=Member)


class Finished(NamedTuple):
    """Rows as they are made.

    Attributes:
      rows: all of one member, or of several.
      note: for the bar.
      ids: of the members that they are of, where several are made together: some may have no rows.
    """

    rows: Sequence[dict[str, Any]]
    note: str = ""
    ids: Sequence[str] | None = None


Making = Generator[Finished, None, None]


@dataclasses.dataclass(frozen=True)
class Share:
    """Every `count`-th member, from the `index`-th on: the part of one of several programs."""

    index: int = 0
    count: int = 1


ALL = Share()


class Numbered(NamedTuple):
    """A member that is known by its place alone."""

    id: str
    member: Any


def numbered(members: Iterable[Any]) -> Iterator[Numbered]:
    """Members that have no ids of their own, or share them."""
    return (Numbered(f"{place:08d}", member) for place, member in enumerate(members))


class Parts:
    """The parts of a folder, local or gs://; several programs may add to one folder at a time.

    A row has an id: of the member that it was made for. All rows of a member are written together, so that a member whose id
    is there has all its rows. As a context it writes what waits when it is left, by an error too.

    Args:
      key: the field that holds a row's id.
      texts: other fields that hold a text.

    Raises (when they are read):
      ValueError: a part is no file of JSON lines with ids; names it.
    """

    def __init__(self, folder: storage.Path, key: str = "id", *texts: str) -> None:
        self._folder, self._key, self._texts = folder, key, (key, *texts)
        self._waiting: list[dict[str, Any]] = []
        self._written = time.monotonic()

    @functools.cached_property
    def ids(self) -> set[str]:
        """Of the rows that are written, and of those that wait; whoever only reads the rows does not ask for them."""
        return {row[self._key] for _, row in self._rows()}

    def fill_share(
        self, progress: Progress, noun: str, members: Sequence[M], share: Share, make: Callable[[Iterator[M]], Making]
    ) -> None:
        """`fill` by one of several programs, each of which makes every n-th member; they know nothing of each other.

        Raises:
          Unfinished: its share is done, and rows of other shares are not there yet.
        """
        own = members[share.index :: share.count]
        self.fill(progress, noun, own, len(own), make)
        if share.count == 1:
            return
        there = Parts(self._folder, self._key).ids  # read anew: what the others have written since
        if missing := sum(one.id not in there for one in members):
            raise Unfinished(
                f"{noun}: share {share.index} of {share.count} is done; {missing:,} {noun} of other shares are missing"
            )

    def fill(
        self, progress: Progress, noun: str, members: Iterable[M], total: int, make: Callable[[Iterator[M]], Making]
    ) -> None:
        """Makes the rows of the members that have none yet, and adds them as they come.

        Args:
          noun: what the members are, on the bar.
          total: how many members there are.
          make: called with those that are waiting, if there are any; yields the rows of one or of several of them at a time.
        """
        done = sum(one.id in self.ids for one in members) if isinstance(members, Sequence) else len(self.ids)
        known = set(self.ids)
        waiting = (one for one in members if one.id not in known)
        if (first := next(waiting, None)) is None:
            return
        # Read as a generator: whatever ends this loop ends what it has begun, too.
        with (
            progress.bar(noun, total, done) as bar,
            self,
            contextlib.closing(make(itertools.chain([first], waiting))) as made,
        ):
            for rows, note, ids in made:
                # What has no rows leaves one that says so, or it would be made again, and others would wait for it for ever.
                missing = set(ids or ()) - {row[self._key] for row in rows}
                self.add(*rows, *({self._key: one, _NONE: True} for one in sorted(missing)))
                bar(1 if ids is None else len(ids), note)

    def add(self, *rows: dict[str, Any]) -> None:
        """Adds all rows of a member, or of some; their part is written later."""
        self.ids.update(row[self._key] for row in rows)
        self._waiting += rows
        if len(self._waiting) >= ROWS or time.monotonic() - self._written > SECONDS:
            self._write()

    def rows(self) -> Iterator[dict[str, Any]]:
        """All rows that are written, in the order in which one program added them; of a member those of one part.

        Where several programs made the same members by mistake, each of these counts once.
        """
        owner: dict[str, str] = {}
        return (row for part, row in self._rows() if owner.setdefault(row[self._key], part) == part and _NONE not in row)

    def of(self, members: Iterable[M]) -> Iterator[dict[str, Any]]:
        """The rows of the members, in their order: the same however many programs made them."""
        found: dict[str, list[dict[str, Any]]] = {}
        for row in self.rows():
            found.setdefault(row[self._key], []).append(row)
        return (row for member in members for row in found.get(member.id, ()))

    def sorted(self) -> Iterator[dict[str, Any]]:
        """A row of each id, by the ids: in the same order however they came to be."""
        lines = sorted((row[self._key], json.dumps(row, ensure_ascii=False)) for _, row in self._rows() if _NONE not in row)
        for _, own in itertools.groupby(lines, key=lambda line: line[0]):
            yield json.loads(next(own)[1])

    def by_id(self) -> dict[str, dict[str, Any]]:
        """The row of each id, where a member has one."""
        return {row[self._key]: row for row in self.rows()}

    def _write(self) -> None:
        if self._waiting:
            # After those that are there, and of a name of its own: programs that share the folder need not know of each other.
            last = max((_number(part) for part in self._files()), default=-1)
            storage.write_jsonl(self._folder / f"{last + 1:09d}-{uuid.uuid4().hex}.jsonl", self._waiting)
            self._waiting, self._written = [], time.monotonic()

    def _files(self) -> list[storage.Path]:
        """The parts, in the order in which one program wrote them."""
        return (
            sorted(self._folder.glob("*.jsonl"), key=lambda part: (_number(part), part.name)) if self._folder.exists() else []
        )

    def _rows(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """(part, row) of every row."""
        for part in self._files():
            for number, row in storage.read_jsonl(os.fspath(part)):
                for field in self._texts:
                    if not isinstance(row.get(field), str):
                        raise ValueError(f"{part}: line {number}: field {field!r}: expected a text")
                yield part.name, row

    def __enter__(self) -> Parts:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._write()


def is_part(name: str) -> bool:
    """Whether a stage's file, "parts/...", is named as `Parts._write` names those that it writes."""
    return re.fullmatch(r"parts/\d{9}-[0-9a-f]{32}\.jsonl", name) is not None


def _number(part: storage.Path) -> int:
    """Which one a part is: version 0.1 counted members or batches, or had no numbers where the order is no matter."""
    found = re.match(r"(\d+)[-.]", part.name)
    return int(found[1]) if found else 0


def in_groups(
    size: int, make: Callable[[Sequence[M]], tuple[Sequence[dict[str, Any]], str]]
) -> Callable[[Iterator[M]], Making]:
    """Makes rows for so many members at a time."""

    def made(waiting: Iterator[M]) -> Making:
        while group := list(itertools.islice(waiting, size)):
            yield Finished(*make(group), [one.id for one in group])

    return made
