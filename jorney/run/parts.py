"""Rows of a stage in immutable parts, written as they are made, in any order; each row has an id, and is made once."""

from __future__ import annotations

import json
import os
import time
import uuid
from collections.abc import Iterator
from types import TracebackType
from typing import Any

from jorney import storage

ROWS, SECONDS = 128, 60.0  # a part is written when so many rows wait, or the first of them has waited so long


class Parts:
    """The parts of a folder, local or gs://; several programs may add to one folder at a time.

    As a context it writes what waits when it is left, by an error too.

    Raises:
      ValueError: a part is no file of JSON lines with ids; names it.
    """

    def __init__(self, folder: storage.Path) -> None:
        self._folder = folder
        self._waiting: list[dict[str, Any]] = []
        self._since = 0.0
        self.ids = {id_ for id_, _ in self._lines()}

    def add(self, row: dict[str, Any]) -> None:
        """Adds a row; its part is written later."""
        if not self._waiting:
            self._since = time.monotonic()
        self._waiting.append(row)
        self.ids.add(row["id"])
        if len(self._waiting) >= ROWS or time.monotonic() - self._since > SECONDS:
            self._write()

    def sorted(self) -> Iterator[dict[str, Any]]:
        """All rows that are written, by their ids: in the same order however they came to be, each once."""
        last = None
        for id_, line in sorted(self._lines()):
            if id_ != last:  # programs that were given the same share by mistake
                yield json.loads(line)
            last = id_

    def _write(self) -> None:
        if self._waiting:
            # A name of its own: programs that share the folder need not know of each other.
            storage.write_jsonl(self._folder / f"{uuid.uuid4().hex}.jsonl", self._waiting)
            self._waiting = []

    def _lines(self) -> Iterator[tuple[str, str]]:
        """(id, line) of every row."""
        for part in sorted(self._folder.glob("*.jsonl")) if self._folder.exists() else ():
            for number, row in storage.read_jsonl(os.fspath(part)):
                if not isinstance(row.get("id"), str):
                    raise ValueError(f"{part}: line {number}: field 'id': expected a text")
                yield row["id"], json.dumps(row, ensure_ascii=False)

    def __enter__(self) -> Parts:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._write()
