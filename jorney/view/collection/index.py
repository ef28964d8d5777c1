"""The index of a collection: those of its files one after another, and what connects rows with each other."""

from __future__ import annotations

import functools
import itertools
import os
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from jorney import storage
from jorney.rows.registry import tree_form
from jorney.view.collection import kinds
from jorney.view.collection.copies import as_lines, first_row
from jorney.view.collection.file_index import FileIndex, Row
from jorney.view.collection.sources import Collection
from jorney.view.collection.spread import Spread, spread


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
        self._files: dict[str, FileIndex] = {}
        self._wrong: dict[str, list[str]] = {}
        self.refresh()

    def refresh(self) -> bool:
        """Looks what its files have got since, and for new ones; says whether anything is new."""
        new = False
        files = self.collection.files()
        for gone in [*self._files.keys() - set(files), *self._wrong.keys() - set(files)]:
            self._files.pop(gone, None)
            self._wrong.pop(gone, None)
            new = True
        for file in files:
            try:
                if file in self._files:
                    new |= self._files[file].refresh()
                else:
                    place, self._wrong[file] = as_lines(file)
                    self._files[file] = FileIndex(place, self._join(file))
                    new = True
            except (OSError, ValueError) as error:
                new |= self._wrong.get(file) != [str(error)]
                self._wrong[file] = [str(error)]
        if new or not hasattr(self, "columns"):
            self._collect([self._files[file] for file in files if file in self._files])
        return new

    def _collect(self, parts: Sequence[FileIndex]) -> None:
        lengths = [len(one) for one in parts]
        names = dict.fromkeys(name for one in parts for name in one.columns)
        columns = {name: [*_column(name, parts, lengths)] for name in names}
        if self.collection.nested:
            folders = [os.path.basename(os.path.dirname(one.file)) for one in parts]
            rounds = [_round(folder) for folder, length in zip(folders, lengths, strict=True) for _ in range(length)]
            columns["round"] = [number for number, _ in rounds]
            columns["subject"] = [name or None for _, name in rounds]
        # The length last: others look meanwhile, and must not look beyond a column's end. Files may grow behind it.
        self.columns, self._spreads = columns, dict[str, Spread]()
        self.kind = next((one.kind for one in parts if one.kind), kinds.ROW)
        self._parts, self._lengths, self._length = list(parts), lengths, sum(lengths)
        bad = [str(line) for one in parts for line in one.bad]
        bad += [f"{one.file}: its last line is not whole yet" for one in parts if one.unfinished]
        self.wrong = [*(text for texts in self._wrong.values() for text in texts), *bad]
        self.version = getattr(self, "version", 0) + 1
        self.__dict__.pop("_rows_by_id", None)

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
        """The file that a row lies in."""
        return self._at(number)[0].file

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
        """A row's name in addresses: its id, and "~2" behind it for the second row of that id."""
        id_ = self.columns["id"][number]
        nth = self._rows_by_id[id_].index(number)
        return id_ if not nth else f"{id_}~{nth + 1}"

    def named(self, name: str) -> int | None:
        """The row of a name; None where there is none."""
        if name in self._rows_by_id:
            return self._rows_by_id[name][0]
        id_, _, nth = name.rpartition("~")
        own = self._rows_by_id.get(id_, [])
        return own[int(nth) - 1] if nth.isdecimal() and 0 < int(nth) <= len(own) else None

    def of_id(self, id_: str) -> list[int]:
        """All rows of a problem."""
        return self._rows_by_id.get(id_, [])

    @functools.cached_property
    def _rows_by_id(self) -> dict[str, list[int]]:
        found: defaultdict[str, list[int]] = defaultdict(list)
        for number, id_ in enumerate(self.columns.get("id", [])):
            found[id_].append(number)
        return dict(found)

    def _join(self, file: str) -> Callable[[Row], Row]:
        """Gives a sample of GRPO what it earned."""
        if not self.collection.rewards:
            return lambda row: row
        folder = storage.path(self.collection.rewards) / os.path.basename(os.path.dirname(file))
        earned: dict[tuple[Any, Any], Row] = {}
        for one in sorted(folder.iterdir(), key=os.fspath) if folder.exists() else ():
            for _, row in storage.read_jsonl(one):
                earned[row.get("id"), row.get("sample")] = row
        return lambda row: {**row, **earned.get((row.get("id"), row.get("sample")), {})}


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
