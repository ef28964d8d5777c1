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
    return read_at(file, start, max(0, size_of(file) - start))


def read_at(file: str, start: int, length: int) -> bytes:
    """Bytes of a file; fewer where it ends before."""
    with storage.path(file).open("rb") as opened:
        opened.seek(start)
        found: bytes = opened.read(length)
        return found


def size_of(file: str) -> int:
    """A file's size in bytes; 0 where there is none any more."""
    if storage.is_local(file):
        try:
            return os.stat(file).st_size
        except FileNotFoundError:
            return 0
    found = storage.path(file)
    return int(found.stat().length) if found.exists() else 0


def stamp(file: str, end: int) -> str:
    """What tells a file's first `end` bytes from others: a hash of their number, and of those at either end."""
    head = read_at(file, 0, min(_END, end))
    tail = read_at(file, max(0, end - _END), min(_END, end))
    return f"{end}-{xxhash.xxh3_64_hexdigest(head)}-{xxhash.xxh3_64_hexdigest(tail)}"
