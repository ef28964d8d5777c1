"""Reading safetensors files by byte ranges, and writing them.

`pread` rather than a memory map: mapped pages count as resident memory, and a range is all that a shard needs.
"""

from __future__ import annotations

import dataclasses
import json
import math
import os
from collections.abc import Mapping
from typing import Any

import ml_dtypes
import numpy as np

from jorney import storage

DTYPES: dict[str, np.dtype] = {
    "F64": np.dtype(np.float64),
    "F32": np.dtype(np.float32),
    "F16": np.dtype(np.float16),
    "BF16": np.dtype(ml_dtypes.bfloat16),
}
_LONGEST_HEADER = 100_000_000  # the format's own limit


@dataclasses.dataclass(frozen=True)
class StoredTensor:
    """A tensor in a file: row-major, at a byte offset.

    Attributes:
      file: the file it is in.
      offset: of its first byte in the file.
    """

    file: str
    dtype: np.dtype
    shape: tuple[int, ...]
    offset: int

    @property
    def nbytes(self) -> int:
        return self.dtype.itemsize * math.prod(self.shape)

    def rows(self, start: int, stop: int) -> np.ndarray:
        """Rows [start, stop) along the first axis, reading only their bytes."""
        stride = self.dtype.itemsize * math.prod(self.shape[1:])
        data = _read(self.file, self.offset + start * stride, (stop - start) * stride)
        return np.frombuffer(data, self.dtype).reshape(stop - start, *self.shape[1:])


def _read(file: str, offset: int, length: int) -> bytes:
    if storage.is_local(file):
        handle = os.open(file, os.O_RDONLY)
        try:
            pieces = []
            while length:
                piece = os.pread(handle, min(length, 1 << 30), offset)
                if not piece:
                    break
                pieces.append(piece)
                offset, length = offset + len(piece), length - len(piece)
        finally:
            os.close(handle)
        data = pieces[0] if len(pieces) == 1 else b"".join(pieces)
    else:
        with storage.path(file).open("rb") as stream:
            stream.seek(offset)
            data = stream.read(length)
            length -= len(data)
    if length:
        raise ValueError(f"{file}: ends {length} bytes early: expected a complete file")
    return data


def read_header(file: str) -> dict[str, StoredTensor]:
    """{name: StoredTensor} of a safetensors file.

    Raises:
      FileNotFoundError, ValueError: name the file and what is wrong with it.
    """
    where = storage.path(file)
    if not where.exists():
        raise FileNotFoundError(f"{file}: no such file")
    size = where.stat().length
    if size < 8:
        raise ValueError(f"{file}: {size} bytes: expected a safetensors file")
    length = int.from_bytes(_read(file, 0, 8), "little")
    if length > min(size - 8, _LONGEST_HEADER):
        raise ValueError(f"{file}: its header claims {length} bytes of a file of {size}: expected a safetensors file")
    try:
        header = json.loads(_read(file, 8, length))
        if not isinstance(header, Mapping):
            raise ValueError("not an object")
    except ValueError as error:
        raise ValueError(f"{file}: its header is not JSON ({error}): expected a safetensors file") from None
    tensors = {}
    for name, entry in header.items():
        if name != "__metadata__":
            tensors[name] = _tensor(file, name, entry, 8 + length, size)
    return tensors


def _tensor(file: str, name: str, entry: Any, base: int, size: int) -> StoredTensor:
    try:
        kind, shape = entry["dtype"], tuple(int(n) for n in entry["shape"])
        begin, end = (int(n) for n in entry["data_offsets"])
    except (KeyError, TypeError, ValueError):
        raise ValueError(f"{file}: {name}: expected dtype, shape and data_offsets in the header, got {entry!r}") from None
    if kind not in DTYPES:
        raise ValueError(f"{file}: {name}: dtype {kind} is not supported: expected one of {', '.join(DTYPES)}")
    tensor = StoredTensor(file, DTYPES[kind], shape, base + begin)
    if min(shape, default=1) < 0 or begin < 0 or end - begin != tensor.nbytes or base + end > size:
        raise ValueError(
            f"{file}: {name}: bytes {begin} to {end} do not hold {kind} {list(shape)} within a file of {size} bytes"
        )
    return tensor


def write(file: storage.PathLike, tensors: Mapping[str, np.ndarray]) -> None:
    """Writes a safetensors file whole."""
    import safetensors.numpy

    storage.write_bytes(file, safetensors.numpy.save(dict(tensors), metadata={"format": "pt"}))
