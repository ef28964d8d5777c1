"""The index of a collection: those of its files one after another, and what connects rows with each other."""

from __future__ import annotations

import functools
import itertools
import os
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from jorney.rows.registry import tree_form
from jorney.view.collection import kinds, lines
from jorney.view.collection.copies import as_lines, first_row
from jorney.view.collection.file_index import FileIndex
from jorney.view.collection.joins import Join, Row
from jorney.view.collection.lines import Mark
from jorney.view.collection.sources import Collection
from jorney.view.collection.spread import Spread, spread


class Part:
    """A file of a collection.

    Args:
      file: as it was named.
      join: gives what its rows get from elsewhere, as it is now.

    Attributes:
      index: of its rows; None until they could be read.
    """

    def __init__(self, file: str, join: Callable[[], Join] = Join) -> None:
        self.file, self._join = file, join
        self.index: FileIndex | None = None
        self._seen: tuple[Mark, str] | None = None  # what was there at the last look
        self._failed = ""
        self._lacking: list[str] = []

    @property
    def wrong(self) -> list[str]:
        """What could not be read, each with its place."""
        return [*filter(None, [self._failed]), *self._lacking, *(self.index.wrong if self.index is not None else ())]

    def refresh(self) -> bool:
        """Looks what the file has got since; says whether anything is new. What was read before stays where it fails."""
        new, failed = False, ""
        try:
            join = self._join()
            seen = lines.mark(self.file), join.mark
            if seen == self._seen:
                return False
            self._seen = seen
            new = self._read(seen[0], join)
        except OSError as error:
            self._seen, failed = None, lines.said(error)  # it may pass without a change of the file
        except ValueError as error:
            failed = str(error)
        new |= failed != self._failed
        self._failed = failed
        return new

    def _read(self, mark: Mark, join: Join) -> bool:
        found = as_lines(self.file, mark)
        new, self._lacking = found.wrong != self._lacking, found.wrong
        own = self.index
        if own is not None and (own.file, own.by_row, own.joined) == (found.file, found.by_row, join.mark):
            return own.refresh() or new
        join.read()
        self.index = FileIndex(found.file, join, self.file, found.by_row)
        return True


class Index:
    """The rows of a collection.

    Attributes:
      collection: whose.
      kind: of its rows; one of `kinds.NAMES`.
      columns: by name, a value a row.
      version: another number whenever there is something new.
      wrong: what could not be read: bad lines, rows of other forms that are none, files; each names its place.
    """

    def __init__(self, collection: Collection) -> None:
        self.collection = collection
        self._files: dict[str, Part] = {}
        self._closed: list[str] = []  # folders that cannot be looked into
        self.refresh()

    def refresh(self) -> bool:
        """Looks what its files have got since, and for new ones; says whether anything is new."""
        closed: list[str] = []
        files = self.collection.files(closed)
        new = closed != self._closed
        self._closed = closed
        for gone in self._files.keys() - set(files):
            del self._files[gone]
            new = True
        for file in files:
            if file not in self._files:
                self._files[file] = Part(file, functools.partial(self._join, file))
                new = True
            new |= self._files[file].refresh()
        if new or not hasattr(self, "columns"):
            self._collect([self._files[file] for file in files])
        return new

    def _collect(self, files: Sequence[Part]) -> None:
        parts = [one.index for one in files if one.index is not None]
        lengths = [len(one) for one in parts]
        names = dict.fromkeys(name for one in parts for name in one.columns)
        columns = {name: [*_column(name, parts, lengths)] for name in names}
        if self.collection.nested:
            folders = [os.path.basename(os.path.dirname(one.source)) for one in parts]
            rounds = [_round(folder) for folder, length in zip(folders, lengths, strict=True) for _ in range(length)]
            columns["round"] = [number for number, _ in rounds]
            columns["subject"] = [name or None for _, name in rounds]
        # The length last: others look meanwhile, and must not look beyond a column's end. Files may grow behind it.
        self.columns, self._spreads = columns, dict[str, Spread]()
        self.kind = next((one.kind for one in parts if one.kind), kinds.ROW)
        self._parts, self._lengths, self._length = list(parts), lengths, sum(lengths)
        self.wrong = [*self._closed, *(text for one in files for text in one.wrong)]
        self.version = getattr(self, "version", 0) + 1
        self.__dict__.pop("_rows_by_id", None)

    @property
    def mark(self) -> str:
        """What is made of its rows is known by it: another one whenever there is something new."""
        return f"{id(self)} {self.version}"

    def __len__(self) -> int:
        return self._length

    def row(self, number: int) -> Row:
        """A row, read from its file.

        Raises:
          IndexError: there are not as many.
          ValueError: the file has changed; names it.
        """
        part, at = self._at(number)
        return part.row(at)

    def place(self, number: int) -> str:
        """The file that a row lies in, as it was named; not a copy of it."""
        return self._at(number)[0].source

    def _at(self, number: int) -> tuple[FileIndex, int]:
        if number >= 0:
            for part, length in zip(self._parts, self._lengths, strict=True):
                if number < length:
                    return part, number
                number -= length
        raise IndexError(number)

    def texts(self, part: str) -> Iterator[str]:
        """Of each row the text of one of `texts.PARTS`; "anywhere": all of them."""
        for one, length in zip(self._parts, self._lengths, strict=True):
            yield from itertools.islice(one.texts(part), length)

    def spread(self, name: str) -> Spread:
        """What values a column has."""
        if name not in self._spreads:
            self._spreads[name] = spread(self.columns[name])
        return self._spreads[name]

    def name(self, number: int) -> str:
        """A row's name in addresses, unlike all others.

        Its id, and "~2" behind it for the second row of that id. A row without an id, whose `columns["id"]` is "", is called
        by its number: "#1" is the first one.
        """
        id_ = self.columns["id"][number]
        nth = self._rows_by_id[id_].index(number) if id_ else 0
        if id_ and not nth:
            return str(id_)
        name = f"{id_}~{nth + 1}" if id_ else f"#{number + 1}"
        while name in self._rows_by_id:  # somebody's id
            name += "~"
        return name

    def named(self, name: str) -> int | None:
        """The row of a name; None where there is none."""
        if name in self._rows_by_id:
            return self._rows_by_id[name][0]
        bare = name.rstrip("~")
        id_, _, nth = bare.rpartition("~")
        own = self._rows_by_id.get(id_, []) if id_ else range(len(self))
        nth = nth if id_ else bare.removeprefix("#")
        number = own[int(nth) - 1] if nth.isascii() and nth.isdecimal() and 0 < int(nth) <= len(own) else None
        return number if number is not None and self.name(number) == name else None

    def nth(self, number: int) -> int:
        """Which of the rows of its id in its file a row is, from 1."""
        file = self.place(number)
        return 1 + sum(one < number and self.place(one) == file for one in self.of_id(self.columns["id"][number]))

    def of_id(self, id_: str) -> list[int]:
        """All rows of a problem; none of "", which rows have that state no id."""
        return self._rows_by_id.get(id_, [])

    @functools.cached_property
    def _rows_by_id(self) -> dict[str, list[int]]:
        found: defaultdict[str, list[int]] = defaultdict(list)
        for number, id_ in enumerate(self.columns.get("id", [])):
            if id_:
                found[id_].append(number)
        return dict(found)

    def _join(self, file: str) -> Join:
        """What a sample of GRPO earned, as it is now."""
        rewards = self.collection.rewards
        return Join(f"{rewards.rstrip('/')}/{os.path.basename(os.path.dirname(file))}" if rewards else "")


def _round(folder: str) -> tuple[int | None, str]:
    """A round's number and what else its folder is called: "000012-0" is its first attempt, "000020-greedy" an assessment."""
    number, _, name = folder.partition("-")
    return int(number) if number.isdecimal() else None, "" if name == "0" else name


def _column(name: str, parts: Sequence[FileIndex], lengths: Sequence[int]) -> Iterator[Any]:
    for one, length in zip(parts, lengths, strict=True):
        yield from one.columns.get(name, [None] * length)[:length]


def peek(collection: Collection) -> str:
    """What a collection's rows are, by the first of them: without an index."""
    for file in collection.files():
        try:
            if row := first_row(file):
                return kinds.TREE if tree_form(row) else kinds.kind_of(row)
        except (OSError, ValueError):
            continue
    return kinds.ROW


def marks(collection: Collection) -> tuple[object, ...]:
    """What tells whether a collection's files are as they were; nothing of it is read."""

    def mark(file: str) -> object:
        try:
            return lines.mark(file)
        except OSError as error:
            return lines.said(error)

    return tuple((file, mark(file)) for file in collection.files())
