"""The index of one file of JSON lines: where each row lies, its columns, and its texts; kept in a cache, never beside the file.

Folders of runs are addressed by their content, so that nothing may be added to them.
"""

from __future__ import annotations

import json
import os
import pathlib
from array import array
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import xxhash

from jorney import storage
from jorney.view.collection import kinds, lines
from jorney.view.collection.summaries import id_of, summary
from jorney.view.collection.texts import Texts

VERSION = 2  # of what is kept; raised when columns or texts change
Row = dict[str, Any]


class BadLine(NamedTuple):
    """A line that is no row.

    Attributes:
      number: from 1.
    """

    file: str
    number: int
    wrong: str

    def __str__(self) -> str:
        return f"{self.file}:{self.number}: {self.wrong}"


def cache_folder() -> pathlib.Path:
    """Where indexes are kept: `jorney/view` in $XDG_CACHE_HOME, else in ~/.cache."""
    return pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "jorney" / "view"


class FileIndex:
    """The rows of one file.

    Args:
      file: of JSON lines, local or gs://.
      join: gives fields that a row gets from elsewhere.

    Attributes:
      kind: of its rows, told by the first; "" while there is none.
      starts, lengths: bytes of each row.
      columns: by name, a value a row; numbers, texts, flags or None.
      bad: its lines that are no rows.
      unfinished: whether it ends in half a line, which waits for the rest.
    """

    def __init__(self, file: str, join: Callable[[Row], Row] = lambda row: row) -> None:
        self.file, self._join = file, join
        self._clear()
        self._texts = Texts(cache_folder(), _name(file))
        if not self._read():
            self._clear()
            self._texts.clear()
        self.refresh()

    def _clear(self) -> None:
        self.kind = ""
        self.starts, self.lengths = array("q"), array("q")
        self.columns: dict[str, list[Any]] = {}
        self.bad: list[BadLine] = []
        self._end = self._lines = self._seen = 0  # bytes and lines that are read, the file's size when they were
        self._stamp = ""
        self.unfinished = False

    def __len__(self) -> int:
        return len(self.starts)

    def refresh(self) -> bool:
        """Reads what the file has got since; the whole file where it is another one now. Says whether anything is new."""
        size = lines.size_of(self.file)
        if size == self._seen and self._stamp:
            return False
        if self._stamp and (size < self._end or lines.stamp(self.file, self._end) != self._stamp):
            self._clear()
            self._texts.clear()
        before = len(self), len(self.bad)
        for start, content in lines.read_lines(self.file, self._end):
            self._add(start, content)
            self._end = start + len(content) + 1
        # A last line may do without its end; half a line, which is no JSON, waits for the rest.
        rest = lines.last_line(self.file, self._end)
        if rest.strip() and _whole(rest):
            self._add(self._end, rest)
            self._end += len(rest)
            rest = b""
        self.unfinished = bool(rest.strip())
        self._seen, self._stamp = size, lines.stamp(self.file, self._end)
        self._keep()
        return before != (len(self), len(self.bad))

    def row(self, index: int) -> Row:
        """A row, read from the file.

        Raises:
          ValueError: the file is another one now; names it.
        """
        content = lines.read_at(self.file, self.starts[index], self.lengths[index])
        try:
            row = self._join(_object(content))
            if len(content) != self.lengths[index] or id_of(row) != self.columns["id"][index]:
                raise ValueError("another row")
            return row
        except ValueError:
            raise ValueError(f"{self.file}: row {index + 1} is not where it was: the file has changed; look again") from None

    def texts(self, part: str) -> Iterator[str]:
        """Of each row the text of one of PARTS; "anywhere": all of them."""
        return self._texts.read(part)

    def _add(self, start: int, content: bytes) -> None:
        self._lines += 1
        if not content.strip(b" \t\r\xef\xbb\xbf"):
            return
        try:
            row = self._join(_object(content))
            self.kind = self.kind or kinds.kind_of(row)
            made = summary(row, self.kind)
        except (ValueError, RecursionError, KeyError, TypeError) as error:
            said = "nested too deep" if isinstance(error, RecursionError) else str(error) or type(error).__name__
            self.bad.append(BadLine(self.file, self._lines, said[:200]))
            return
        for name in made.columns:
            self.columns.setdefault(name, [None] * len(self))
        for name, values in self.columns.items():
            values.append(made.columns.get(name))
        self.starts.append(start)
        self.lengths.append(len(content))
        self._texts.add(made.question, made.steps, made.justifications)

    def _keep(self) -> None:
        """Writes the cache, where that can be done: it only saves time."""
        about = {"version": VERSION, "file": self.file, "kind": self.kind, "stamp": self._stamp, "end": self._end}
        about |= {"lines": self._lines, "bad": [list(one) for one in self.bad], "columns": self.columns}
        about |= {"starts": self.starts.tolist(), "lengths": self.lengths.tolist(), "texts": self._texts.keep()}
        try:
            storage.write_bytes(cache_folder() / f"{_name(self.file)}.json", json.dumps(about).encode())
        except OSError:
            return

    def _read(self) -> bool:
        """Takes what the cache has of this file, if it has it whole."""
        try:
            about = json.loads((cache_folder() / f"{_name(self.file)}.json").read_bytes())
            if about["version"] != VERSION or about["file"] != self.file:
                return False
            self.kind, self._stamp, self._end, self._lines = (about[name] for name in ("kind", "stamp", "end", "lines"))
            self.bad = [BadLine(*one) for one in about["bad"]]
            self.columns = about["columns"]
            self.starts, self.lengths = array("q", about["starts"]), array("q", about["lengths"])
            return self._texts.open(about["texts"]) and all(len(one) == len(self) for one in self.columns.values())
        except (OSError, ValueError, KeyError, TypeError):
            return False


def _name(file: str) -> str:
    where = os.path.realpath(file) if storage.is_local(file) else file
    return xxhash.xxh3_128_hexdigest(where.encode(errors="surrogateescape"))


def _object(content: bytes) -> Row:
    row = json.loads(content.decode("utf-8-sig", errors="replace"))
    if not isinstance(row, dict):
        raise ValueError(f"expected a JSON object, got {type(row).__name__}")
    return row


def _whole(content: bytes) -> bool:
    try:
        json.loads(content)
    except (ValueError, RecursionError):
        return False
    return True
