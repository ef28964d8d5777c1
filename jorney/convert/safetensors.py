"""The headers of safetensors files, read; and files written, one tensor at a time."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from jorney import storage
from jorney.convert.stored import BFLOAT16, StoredTensor, read_bytes, row_major

DTYPES: dict[str, np.dtype] = {
    "F64": np.dtype(np.float64),
    "F32": np.dtype(np.float32),
    "F16": np.dtype(np.float16),
    "BF16": BFLOAT16,
}
_LONGEST_HEADER = 100_000_000  # the format's own limit
_MOST_AXES, _LARGEST = 64, 2**63 - 1  # numpy's


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
    length = int.from_bytes(read_bytes(file, 0, 8), "little")
    if length > min(size - 8, _LONGEST_HEADER):
        raise ValueError(f"{file}: its header claims {length} bytes of a file of {size}: expected a safetensors file")
    try:
        header = json.loads(bytes(read_bytes(file, 8, length)), object_pairs_hook=_unique, parse_constant=_refuse)
        if not isinstance(header, Mapping):
            raise ValueError("not an object")
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{file}: its header is not JSON ({error}): expected a safetensors file") from None
    header = {name: entry for name, entry in header.items() if name != "__metadata__"}
    found = {name: _tensor(file, name, entry, 8 + length, size) for name, entry in header.items()}
    end = max((entry["data_offsets"][1] for entry in header.values()), default=0)
    if 8 + length + end != size:  # the format's own rule: a header of a wrong length would shift all numbers
        raise ValueError(f"{file}: its tensors end at byte {8 + length + end:,} of {size:,}: expected a complete file")
    return found


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name stands twice")
    return found


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no number")


def _tensor(file: str, name: str, entry: Any, base: int, size: int) -> StoredTensor:
    try:
        kind, shape, (begin, end) = entry["dtype"], tuple(entry["shape"]), entry["data_offsets"]
        whole = len(shape) <= _MOST_AXES and all(type(n) is int and 0 <= n <= _LARGEST for n in (*shape, begin, end))
    except (KeyError, TypeError, ValueError):
        whole = False
    if not whole:
        raise ValueError(f"{file}: {name}: expected dtype, shape and data_offsets in the header, got {entry!r:.200}")
    if not isinstance(kind, str) or kind not in DTYPES:
        raise ValueError(f"{file}: {name}: dtype {kind!r:.50} is not supported: expected one of {', '.join(DTYPES)}")
    if end - begin != DTYPES[kind].itemsize * math.prod(shape) or base + end > size:
        raise ValueError(
            f"{file}: {name}: bytes {begin} to {end} do not hold {kind} {list(shape)} within a file of {size} bytes"
        )
    return StoredTensor(file, DTYPES[kind], shape, row_major(shape), base + begin)


def write(file: storage.PathLike, tensors: Iterable[tuple[str, np.dtype, tuple[int, ...]]], read: Any) -> None:
    """Writes a safetensors file whole, holding one tensor in memory at a time.

    Args:
      tensors: (name, dtype, shape) of each, in the order in which they are to stand in the file.
      read: name -> array, called once a tensor, in that order.
    """
    names = {dtype: name for name, dtype in DTYPES.items()}
    entries: dict[str, Any] = {}
    end = 0
    for name, dtype, shape in tensors:
        begin, end = end, end + dtype.itemsize * math.prod(shape)
        entries[name] = {"dtype": names[dtype], "shape": shape, "data_offsets": [begin, end]}
    text = json.dumps({"__metadata__": {"format": "pt"}, **entries}, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # the data is aligned, as the library's own writer does
    with storage.open_whole(file) as stream:
        stream.write(len(text).to_bytes(8, "little") + text)
        for name in entries:
            stream.write(np.ascontiguousarray(read(name)).reshape(-1).view(np.uint8).data)
