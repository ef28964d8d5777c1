"""The texts of an index's rows, to be searched: in a file that is mapped, so that they take no memory of the program's own."""

from __future__ import annotations

import mmap
import os
import pathlib
import uuid
from array import array
from collections.abc import Iterator, Mapping
from typing import Any

PARTS = ("question", "steps", "justifications")  # of a row, in this order


class Texts:
    """Texts of rows, one after another.

    Args:
      folder: for the file; where none can be written, the texts are held in memory.
      name: the file's begins with it. Each has an ending of its own: a file that another page has mapped is never changed.
    """

    def __init__(self, folder: pathlib.Path, name: str) -> None:
        self._folder, self._name = folder, name
        self.clear()

    def clear(self) -> None:
        """Forgets all."""
        self._ends = array("q", [0])  # of the parts of all rows, in bytes
        self._mapped: bytes | mmap.mmap = b""
        self._held: list[bytes] = []  # what follows
        self._kept: dict[str, Any] = {}

    def add(self, *parts: str) -> None:
        """Adds the texts of a row, one for each of PARTS."""
        for part in parts:
            content = part.encode(errors="replace")
            self._held.append(content)
            self._ends.append(self._ends[-1] + len(content))

    def keep(self) -> dict[str, Any]:
        """Writes what is held; returns what `open` needs, nothing where that cannot be done."""
        if not self._held and isinstance(self._mapped, mmap.mmap):
            return self._kept
        file = self._folder / f"{self._name}-{uuid.uuid4().hex[:8]}.texts"
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            with open(file, "xb") as out:
                out.write(self._mapped)
                out.writelines(self._held)
            if not self._map(file, self._ends[-1]):
                return {}
            for other in self._folder.glob(f"{self._name}-*.texts"):
                if other != file:
                    other.unlink(missing_ok=True)
        except OSError:
            return {}
        self._held = []
        self._kept = {"file": file.name, "ends": self._ends.tolist()}
        return self._kept

    def open(self, kept: Mapping[str, Any]) -> bool:
        """Takes what `keep` has written; says whether it is there."""
        if not kept or not self._map(self._folder / kept["file"], kept["ends"][-1]):
            return False
        self._ends, self._kept = array("q", kept["ends"]), dict(kept)
        return True

    def read(self, part: str) -> Iterator[str]:
        """Of each row the text of one of PARTS; "anywhere": all of them, a line apart."""
        whole = part == "anywhere"
        first, count = (0, len(PARTS)) if whole else (PARTS.index(part), 1)
        held, written = b"".join(self._held), len(self._mapped)
        for row in range(0, len(self._ends) - 1, len(PARTS)):
            texts = []
            for at in range(row + first, row + first + count):
                start, stop = self._ends[at], self._ends[at + 1]
                content = self._mapped[start:stop] if stop <= written else held[start - written : stop - written]
                texts.append(content.decode(errors="replace"))
            yield "\n".join(texts)

    def _map(self, file: pathlib.Path, size: int) -> bool:
        if not size:
            self._mapped = b""
            return file.exists()
        with open(file, "rb") as opened:
            if os.fstat(opened.fileno()).st_size != size:
                return False
            self._mapped = mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ)
        return True
