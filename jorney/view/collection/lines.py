"""Lines of a file, local or in a store, by where they begin: read one after another once, and one by one from then on."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import NamedTuple

import xxhash

from jorney import storage

_BLOCK = 1 << 22  # bytes that are read at a time
_END = 1 << 16  # bytes at either end that tell whether a file is the one that it was


class Line(NamedTuple):
    """A line, without its end.

    Attributes:
      start: the byte with which it begins.
    """

    start: int
    content: bytes


class Mark(NamedTuple):
    """What tells without reading a file whether it was written to.

    Attributes:
      size: bytes.
      written: when it was, nanoseconds; of a store whole seconds.
    """

    size: int
    written: int


def read_lines(file: str, start: int) -> Iterator[Line]:
    """The whole lines from a byte on; what follows the last line's end waits until it is whole, too."""
    with storage.path(file).open("rb") as opened:
        opened.seek(start)
        rest = b""
        while block := opened.read(_BLOCK):
            lines = (rest + block).split(b"\n")
            rest = lines.pop()
            for content in lines:
                yield Line(start, content)
                start += len(content) + 1


def last_line(file: str, start: int) -> bytes:
    """What stands behind the last line's end."""
    return read_at(file, start, -1)


def read_at(file: str, start: int, length: int) -> bytes:
    """Bytes of a file; fewer where it ends before, and all that follow for a length of -1."""
    with storage.path(file).open("rb") as opened:
        opened.seek(start)
        found: bytes = opened.read(length)
        return found


def mark(file: str) -> Mark:
    """A file's mark.

    Raises:
      OSError: there is no such file, or it may not be looked at.
    """
    if storage.is_local(file):
        local = os.stat(file)
        return Mark(local.st_size, local.st_mtime_ns)
    stored = storage.path(file).stat()
    return Mark(int(stored.length), int(stored.mtime) * 10**9)


def said(error: OSError) -> str:
    """An error of a file in a line: the file, and what is wrong with it."""
    return f"{error.filename}: {error.strerror}" if error.filename and error.strerror else str(error)


def stamp(file: str, end: int) -> str:
    """What tells a file's first `end` bytes from others: a hash of their number, and of those at either end."""
    head = read_at(file, 0, min(_END, end))
    tail = read_at(file, max(0, end - _END), min(_END, end))
    return f"{end}-{xxhash.xxh3_64_hexdigest(head)}-{xxhash.xxh3_64_hexdigest(tail)}"
