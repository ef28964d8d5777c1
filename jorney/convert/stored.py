"""A tensor in a file: where its numbers are, and reading some of its rows.

`pread` rather than a memory map: mapped pages count as resident memory, and a range is all that a shard needs.
"""

from __future__ import annotations

import errno
import math
import os
from typing import NamedTuple

import ml_dtypes
import numpy as np

from jorney import storage

BFLOAT16 = np.dtype(ml_dtypes.bfloat16)
_LARGEST_READ = 1 << 30  # Linux reads at most 2 GiB a call
_PAGE = 4096


class Buffer:
    """Memory that is read into again and again: the kernel clears fresh memory, which costs more than reading does.

    Args:
      nbytes: how much.
      direct: read past the page cache. For files that would fill the memory with pages which are looked at once.
    """

    def __init__(self, nbytes: int, direct: bool = False) -> None:
        self.direct = direct
        self.memory = aligned(-(-nbytes // _PAGE) * _PAGE + _PAGE, _PAGE)


def aligned(nbytes: int, boundary: int) -> np.ndarray:
    """Uninitialised bytes that begin at a multiple of `boundary`."""
    raw = np.empty(nbytes + boundary, np.uint8)
    begin = -raw.ctypes.data % boundary
    return raw[begin : begin + nbytes]


class StoredTensor(NamedTuple):
    """A tensor in a file.

    Attributes:
      file: the file it is in.
      dtype: of its numbers, little endian.
      shape: its shape.
      strides: elements between neighbours along each axis, none negative; row-major unless a writer stored a view.
      offset: of its first element, in bytes from the file's beginning.
    """

    file: str
    dtype: np.dtype
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    offset: int

    def rows(self, start: int, stop: int, buffer: Buffer | None = None) -> np.ndarray:
        """Rows [start, stop) along the first axis, reading only the bytes between their first and last element.

        Args:
          buffer: memory to read into; the result lives there until the buffer is used again.
        """
        if not self.shape:
            raise ValueError(f"{self.file}: a tensor of no axes has no rows")
        shape = (max(stop - start, 0), *self.shape[1:])
        if 0 in shape:
            return np.empty(shape, self.dtype)
        span = extent(shape, self.strides)
        begin, nbytes = self.offset + start * self.strides[0] * self.dtype.itemsize, span * self.dtype.itemsize
        flat = np.frombuffer(read_bytes(self.file, begin, nbytes, buffer), self.dtype)
        if self.strides == row_major(self.shape):
            return flat.reshape(shape)
        return np.lib.stride_tricks.as_strided(
            flat, shape, [stride * self.dtype.itemsize for stride in self.strides], writeable=False
        )


def row_major(shape: tuple[int, ...]) -> tuple[int, ...]:
    """The strides, in elements, of a contiguous tensor."""
    return tuple(math.prod(shape[axis + 1 :]) for axis in range(len(shape)))


def extent(shape: tuple[int, ...], strides: tuple[int, ...]) -> int:
    """Elements from the first of a view to its last, both counted; 0 for an empty view."""
    if 0 in shape:
        return 0
    return 1 + sum((size - 1) * stride for size, stride in zip(shape, strides, strict=True))


def read_bytes(file: str, offset: int, length: int, buffer: Buffer | None = None) -> bytes | memoryview:
    """A range of a file, local or remote.

    Args:
      buffer: where a local file's bytes go if they fit; otherwise they get memory of their own.

    Raises:
      ValueError: the file ends before the range does.
    """
    if not storage.is_local(file):
        with storage.path(file).open("rb") as stream:
            stream.seek(offset)
            data = stream.read(length)
        missing = length - len(data)
    else:
        before = offset % _PAGE  # whole pages are read, since past the cache no less is possible
        needed = -(-(before + length) // _PAGE) * _PAGE
        if buffer is None or buffer.memory.size < needed:
            buffer = Buffer(needed)
        count = _read_pages(file, offset - before, buffer.memory[:needed].data, buffer.direct)
        data = buffer.memory[before : before + length].data
        missing = max(0, before + length - count)
    if missing:
        raise ValueError(f"{file}: ends {missing:,} bytes early: expected a complete file")
    return data


def _read_pages(file: str, offset: int, data: memoryview, direct: bool) -> int:
    """Fills `data` from a file, up to the file's end; returns how many bytes there were."""
    try:
        handle = os.open(file, os.O_RDONLY | (getattr(os, "O_DIRECT", 0) if direct else 0))
    except OSError as error:
        if not direct or error.errno != errno.EINVAL:
            raise
        return _read_pages(file, offset, data, direct=False)  # a file system that has no such thing
    try:
        done = 0
        while done < len(data):
            count = os.preadv(handle, [data[done : done + _LARGEST_READ]], offset + done)
            done += count
            if not count or count % _PAGE:  # the end
                break
        return done
    finally:
        os.close(handle)
