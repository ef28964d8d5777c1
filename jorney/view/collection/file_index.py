"""The index of one file of JSON lines: where each row lies, its columns, and its texts; kept in a cache, never beside the file.

Folders of runs are addressed by their content, so that nothing may be added to them.
"""

from __future__ import annotations

import json
import os
import pathlib
from array import array
from collections.abc import Iterator
from typing import Any, NamedTuple

import xxhash

from jorney import storage
from jorney.show.samples import visible
from jorney.view.collection import kinds, lines
from jorney.view.collection.joins import Join, Row
from jorney.view.collection.lines import Mark
from jorney.view.collection.summaries import id_of, summary
from jorney.view.collection.texts import Texts

VERSION = 3  # of what is kept; raised when columns or texts change
# What comes of a row whose values are others than its fields say.
WRONG_ROW = (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError)


class BadLine(NamedTuple):
    """A line that is no row.

    Attributes:
      number: from 1.
    """

    number: int
    wrong: str


def reason(error: BaseException) -> str:
    """Why a row could not be read, in short."""
    if isinstance(error, RecursionError):
        return "nested too deep"
    said = f"the field {error.args[0]} is missing" if isinstance(error, KeyError) else str(error) or type(error).__name__
    return visible(said)[:200]


def cache_folder() -> pathlib.Path:
    """Where indexes are kept: `jorney/view` in $XDG_CACHE_HOME, else in ~/.cache."""
    return pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "jorney" / "view"


def cache_name(file: str) -> str:
    """What the names of all begin with that the cache keeps of a file."""
    where = os.path.realpath(file) if storage.is_local(file) else file
    return xxhash.xxh3_128_hexdigest(where.encode(errors="surrogateescape"))


class FileIndex:
    """The rows of one file.

    Args:
      file: of JSON lines, local or gs://.
      join: gives fields that a row gets from elsewhere.
      source: what the file is a copy of, by which its rows are named; "" for itself.
      by_row: whether the source counts rows, from 0, rather than lines.

    Attributes:
      kind: of its rows, told by the first; "" while there is none.
      starts, lengths: bytes of each row.
      columns: by name, a value a row; numbers, texts, flags or None.
      bad: its lines that are no rows.
      unfinished: whether it ends in half a line, which waits for the rest.
      by_row: see above.
      joined: the mark of what its rows have got from elsewhere.
    """

    def __init__(self, file: str, join: Join | None = None, source: str = "", by_row: bool = False) -> None:
        self.file, self.source, self.by_row = file, source or file, by_row
        self._join = join or Join()
        self.joined = self._join.mark
        self._clear()
        self._texts = Texts(cache_folder(), cache_name(file))
        if not self._read():
            self._clear()
            self._texts.clear()
        self.refresh()

    def _clear(self) -> None:
        self.kind = ""
        self.starts, self.lengths = array("q"), array("q")
        self.columns: dict[str, list[Any]] = {}
        self.bad: list[BadLine] = []
        self._end = self._ends = 0  # bytes that are read, and ends of lines among them
        self._stamp = ""
        self._mark: Mark | None = None  # the file's when it was read
        self.unfinished = False

    def __len__(self) -> int:
        return len(self.starts)

    @property
    def wrong(self) -> list[str]:
        """What could not be read, each with its place."""
        where = f"{self.source}: row " if self.by_row else f"{self.source}:"
        bad = [f"{where}{number - self.by_row}: {wrong}" for number, wrong in self.bad]
        return [*bad, *([f"{self.source}: its last line is not whole yet"] if self.unfinished else [])]

    def refresh(self) -> bool:
        """Reads what the file has got since; the whole file where it is another one now. Says whether anything is new.

        Raises:
          OSError: it cannot be read, or is gone.
        """
        mark = lines.mark(self.file)
        if mark == self._mark:
            return False
        before = len(self), len(self.bad)
        written = self._mark is not None and mark.size == self._mark.size  # anew: nothing was added
        other = written or mark.size < self._end or (self._end > 0 and lines.stamp(self.file, self._end) != self._stamp)
        if other:
            self._clear()
            self._texts.clear()
        for start, content in lines.read_lines(self.file, self._end):
            self._add(start, content)
            self._end, self._ends = start + len(content) + 1, self._ends + 1
        # A last line may do without its end; half a line, which is no JSON, waits for the rest.
        rest = lines.last_line(self.file, self._end)
        if rest.strip() and _whole(rest):
            self._add(self._end, rest)
            self._end += len(rest)
            rest = b""
        self.unfinished = bool(rest.strip())
        self._mark, self._stamp = mark, lines.stamp(self.file, self._end)
        self._keep()
        return other or before != (len(self), len(self.bad))

    def row(self, index: int) -> Row:
        """A row, read from the file.

        Raises:
          FileNotFoundError, ValueError: the file is gone, or another one now; names it.
        """
        try:
            content = lines.read_at(self.file, self.starts[index], self.lengths[index])
            row = self._join(_object(content))
            if len(content) != self.lengths[index] or id_of(row) != self.columns["id"][index]:
                raise ValueError("another row")
            return row
        except FileNotFoundError:
            raise FileNotFoundError(f"{self.source}: no such file any more") from None
        except RecursionError:
            raise ValueError(f"{self.source}: row {index + 1} is nested too deep to be shown") from None
        except ValueError:
            raise ValueError(f"{self.source}: row {index + 1} is not where it was: the file has changed; look again") from None

    def texts(self, part: str) -> Iterator[str]:
        """Of each row the text of one of PARTS; "anywhere": all of them."""
        return self._texts.read(part)

    def _add(self, start: int, content: bytes) -> None:
        if not content.strip(b" \t\r\xef\xbb\xbf"):
            return
        try:
            row = self._join(_object(content))
            self.kind = self.kind or kinds.kind_of(row)
            made = summary(row, self.kind)
        except WRONG_ROW as error:
            why = f"no {self.kind}: {reason(error)}" if isinstance(error, KeyError) else reason(error)
            self.bad.append(BadLine(self._ends + 1, why))
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
        about = {"version": VERSION, "file": self.file, "joined": self.joined, "kind": self.kind, "mark": self._mark}
        about |= {"stamp": self._stamp, "end": self._end, "line ends": self._ends, "unfinished": self.unfinished}
        about |= {"bad": self.bad, "columns": self.columns}
        about |= {"starts": self.starts.tolist(), "lengths": self.lengths.tolist(), "texts": self._texts.keep()}
        try:
            storage.write_bytes(cache_folder() / f"{cache_name(self.file)}.json", json.dumps(about).encode())
        except OSError:
            return

    def _read(self) -> bool:
        """Takes what the cache has of this file, if it has it whole and the file's ends are as they were."""
        try:
            about = json.loads((cache_folder() / f"{cache_name(self.file)}.json").read_bytes())
            if (about["version"], about["file"], about["joined"]) != (VERSION, self.file, self.joined):
                return False
            self.kind, self._stamp, self._end, self._ends = (about[name] for name in ("kind", "stamp", "end", "line ends"))
            self._mark, self.unfinished = Mark(*about["mark"]), about["unfinished"]
            self.bad = [BadLine(*one) for one in about["bad"]]
            self.columns = about["columns"]
            self.starts, self.lengths = array("q", about["starts"]), array("q", about["lengths"])
            if not self._texts.open(about["texts"]) or any(len(one) != len(self) for one in self.columns.values()):
                return False
            return lines.stamp(self.file, self._end) == self._stamp
        except (OSError, ValueError, KeyError, TypeError):
            return False


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
