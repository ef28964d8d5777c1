"""Stored tensors into sharded parameters: every byte is read once, and the model is never whole on a host.

Reading, checking, converting and transposing happen block by block while a block is in the processor's cache, and land in
the buffers of the shards that this process owns. On CPU devices those buffers become the arrays without a copy.

Most matrices are stored with the axis that is split over `fsdp` last: a process would find its share of them as stripes of
a few KiB in every row. So where a process does not own whole rows, all processes read rows, each its equal part, and the
devices exchange what the sharding asks for: over the interconnect instead of from the disk or the bucket.
"""

from __future__ import annotations

import dataclasses
import math
import os
import threading
import warnings
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import NamedSharding, PartitionSpec

from jorney import storage
from jorney.convert.stored import BFLOAT16, Buffer, StoredTensor, aligned
from jorney.model.params import Parameter

# Bytes a read, and bytes that are worked on at a time (a fraction of a core's second-level cache).
_READ, _READ_REMOTE, _BLOCK = 8 << 20, 64 << 20, 1 << 20
_READERS_REMOTE = 16  # one stream from a store is slow, many are not
_SMALL = 1 << 20  # a parameter of so few bytes is not worth an exchange

Bounds = tuple[int, int]
# The integer type in which a number is moved, and the mask of its exponent: all ones is an infinity or not a number.
_BITS: dict[np.dtype, tuple[Any, int]] = {
    np.dtype(np.float64): (np.uint64, 0x7FF << 52),
    np.dtype(np.float32): (np.uint32, 0xFF << 23),
    np.dtype(np.float16): (np.uint16, 0x1F << 10),
    BFLOAT16: (np.uint16, 0xFF << 7),
}


class Overflow(UserWarning, ValueError):
    """Weights are too large for the dtype asked for: a warning where a model is loaded, an error where one is written."""


@dataclasses.dataclass(frozen=True)
class Source:
    """A parameter and the tensors it is made of: one, or one a layer when it is stacked.

    Attributes:
      row: of the parameter table.
      tensors: by layer.
      names: of the tensors, for messages.
    """

    row: Parameter
    tensors: Sequence[StoredTensor]
    names: Sequence[str]

    @property
    def shape(self) -> tuple[int, ...]:
        return (len(self.tensors), *self.row.shape) if self.row.stacked else self.row.shape


class _Shard(NamedTuple):
    """The part of a parameter that a device holds, seen in the order of axes in which it is stored.

    Attributes:
      bounds: along the stored, split axes.
      layers: [layers, ...], to be filled; one layer where the parameter is not stacked.
    """

    bounds: tuple[Bounds, ...]
    layers: np.ndarray


class Loader:
    """Reads parameters onto a mesh. A context: it holds threads.

    Args:
      dtype: of the parameters.
      nbytes: of all files that will be read.
    """

    def __init__(self, dtype: Any, nbytes: int) -> None:
        # Kept in the page cache, files this large would drive out what else the memory is needed for: the parameters.
        self._direct = nbytes > os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 4
        self._dtype = np.dtype(dtype)
        # numpy moves integers several times faster than the numbers they stand for.
        self._bits = np.dtype(_BITS[self._dtype][0])
        self._pools: dict[bool, ThreadPoolExecutor] = {}
        self._previous: jax.Array | None = None
        self.vanished = 0  # numbers that were not 0 and are, in all parameters so far
        self._scratch = threading.local()

    def __enter__(self) -> Loader:
        self._pools = {
            True: ThreadPoolExecutor(min(3 * (os.cpu_count() or 1), 32)),  # some wait for the disk while others work
            False: ThreadPoolExecutor(_READERS_REMOTE),
        }
        return self

    def __exit__(self, *_: object) -> None:
        for pool in self._pools.values():
            pool.shutdown(cancel_futures=True)

    def load(self, source: Source, sharding: NamedSharding) -> jax.Array:
        """One parameter, sharded. All processes of the mesh call it for the same parameters in the same order.

        Warns:
          a tensor holds infinities or what is not a number, or (`Overflow`) what the dtype cannot hold: how many.

        Raises:
          ValueError: a file ends too early.
        """
        reading = self._reading_sharding(source, sharding)
        leaf = self._read(source, reading)
        if reading != sharding:
            leaf = jax.jit(lambda x: x, out_shardings=sharding)(leaf)
        # Two parameters under way at most: one being read, one being moved to its devices.
        if self._previous is not None:
            self._previous.block_until_ready()
        self._previous = leaf
        return leaf

    def _reading_sharding(self, source: Source, sharding: NamedSharding) -> NamedSharding:
        """How the parameter is read: as it is to lie, unless a process would then need parts of rows, or all of them."""
        axes = _stored_axes(source.row)
        by_process: dict[int, list[set[Bounds]]] = {}
        for device, index in sharding.devices_indices_map(source.shape).items():
            # Which parts of each stored axis a process owns.
            owned = by_process.setdefault(device.process_index, [set() for _ in axes])  # type: ignore[attr-defined]
            for parts, axis in zip(owned, axes, strict=True):
                parts.add(_bounds(index, source.shape)[axis])
        if len(by_process) == 1 or math.prod(source.shape) * self._dtype.itemsize <= _SMALL:
            return sharding
        rows, *rest = zip(*by_process.values(), strict=True)
        if all(len(parts) == len(set.union(*axis)) for axis in rest for parts in axis) and rows[0] != set.union(*rows):
            return sharding
        mesh, first = sharding.mesh, axes[0]
        if source.shape[first] % mesh.size:
            return sharding  # every process reads the rows it needs a part of
        return NamedSharding(mesh, PartitionSpec(*[None] * first, mesh.axis_names))

    def _read(self, source: Source, sharding: NamedSharding) -> jax.Array:
        places = {
            device: _bounds(index or (), source.shape)
            for device, index in sharding.addressable_devices_indices_map(source.shape).items()
        }
        # Devices that hold the same part share a buffer.
        buffers = {part: _aligned([stop - start for start, stop in part], self._bits) for part in set(places.values())}
        axes = _stored_axes(source.row)
        shards = []
        for bounds, buffer in buffers.items():
            layers = buffer.transpose((0, *axes)) if source.row.stacked else buffer.transpose(axes)[None]
            shards.append(_Shard(tuple(bounds[axis] for axis in axes), layers))
        self._fill(source, shards)
        arrays = [
            jax.device_put(buffers[bounds].view(self._dtype), device, may_alias=True) for device, bounds in places.items()
        ]
        return jax.make_array_from_single_device_arrays(source.shape, sharding, arrays)

    def _fill(self, source: Source, shards: list[_Shard]) -> None:
        """Reads every row that a shard needs, once, and copies it into all shards that hold a part of it."""
        local = storage.is_local(source.tensors[0].file)
        entry = math.prod(source.row.stored) // source.row.split[0] * source.tensors[0].dtype.itemsize
        step = max(1, (_READ if local else _READ_REMOTE) // max(1, entry))
        tasks = [
            (layer, low, min(low + step, source.row.split[0]))
            for layer in range(len(source.tensors))
            for low in range(0, source.row.split[0], step)
            if any(shard.bounds[0][0] < low + step and low < shard.bounds[0][1] for shard in shards)
        ]
        bad, large = [0] * len(source.tensors), [0] * len(source.tensors)
        for (layer, _, _), (infinite, beyond, vanished) in zip(
            tasks, self._pools[local].map(lambda task: self._copy(source, shards, *task), tasks), strict=True
        ):
            bad[layer] += infinite
            large[layer] += beyond
            self.vanished += vanished
        for name, tensor, infinite, beyond in zip(source.names, source.tensors, bad, large, strict=True):
            place, total = f"{tensor.file}: {name}", math.prod(tensor.shape)
            if infinite:
                warnings.warn(f"{place}: {infinite:,} of {total:,} weights are not finite", stacklevel=5)
            if beyond:
                warnings.warn(overflow(place, beyond, total, self._dtype), Overflow, stacklevel=5)

    def _copy(self, source: Source, shards: list[_Shard], layer: int, low: int, high: int) -> tuple[int, int, int]:
        """Entries [low, high) of a tensor's first split axis, to all shards.

        Returns:
          How many numbers are not finite, how many more are not once they are converted, and how many are 0 only then.
        """
        row, tensor = source.row, source.tensors[layer]
        per_entry = row.stored[0] // row.split[0]
        low, high = max(low, min(s.bounds[0][0] for s in shards)), min(high, max(s.bounds[0][1] for s in shards))
        if not hasattr(self._scratch, "buffer"):
            self._scratch.buffer = Buffer(_READ, self._direct)
            self._scratch.exponents = np.empty(_BLOCK, np.uint8)
        data = tensor.rows(low * per_entry, high * per_entry, self._scratch.buffer)
        bits, exponent = _BITS[tensor.dtype]
        with np.errstate(over="ignore"):  # a dtype that holds less than the other holds all of it
            largest = int(np.array(jnp.finfo(self._dtype).max).astype(tensor.dtype).view(bits)) & exponent
        bad = large = vanished = 0
        step = max(1, _BLOCK // (tensor.dtype.itemsize * math.prod(row.split[1:])))
        for begin in range(low, high, step):
            end = min(begin + step, high)
            block = data[(begin - low) * per_entry : (end - low) * per_entry]
            room = self._scratch.exponents
            out = room[: block.nbytes].view(bits).reshape(block.shape) if block.nbytes <= room.size else None
            exponents = np.bitwise_and(block.view(bits), bits(exponent), out=out)
            highest = np.max(exponents, initial=0)
            infinite = int(np.count_nonzero(exponents == exponent)) if highest == exponent else 0
            if tensor.dtype != self._dtype:
                with np.errstate(over="ignore", invalid="ignore", under="ignore"):  # counted
                    converted = block.astype(self._dtype)
                if has_less_range(self._dtype, tensor.dtype):
                    vanished += int(np.count_nonzero(block)) - int(np.count_nonzero(converted))
                block = converted
                if highest >= largest:
                    mine, full = _BITS[self._dtype]
                    large += int(np.count_nonzero(block.view(mine) & mine(full) == full)) - infinite
            bad += infinite
            block = block.view(self._bits).reshape(end - begin, *row.split[1:])
            for bounds, layers in shards:
                first, last = max(begin, bounds[0][0]), min(end, bounds[0][1])
                if first < last:
                    part = block[(slice(first - begin, last - begin), *(slice(a, b) for a, b in bounds[1:]))]
                    layers[layer, first - bounds[0][0] : last - bounds[0][0]] = part
        return bad, large, vanished


def overflow(place: str, count: int, total: int, dtype: Any) -> str:
    """What to tell of weights that a dtype cannot hold."""
    what = f"{count:,} of {total:,} weights are too large for {np.dtype(dtype).name}"
    return f"{place}: {what}: expected a dtype that holds them, such as float32"


def has_less_range(dtype: Any, stored: Any) -> bool:
    """Whether numbers of the stored dtype may be too small for another."""
    return bool(jnp.finfo(dtype).smallest_normal > jnp.finfo(stored).smallest_normal)


def underflow(place: str, count: int, total: int, dtype: Any) -> str:
    """What to tell of weights that another dtype makes 0."""
    what = f"{count:,} of {total:,} weights are too small for {np.dtype(dtype).name} and become 0"
    return f"{place}: {what}: expected a dtype that holds them, such as bfloat16"


def _stored_axes(row: Parameter) -> list[int]:
    """The axis of the whole parameter that each stored, split axis becomes."""
    return [row.order.index(axis) + row.stacked for axis in range(len(row.order))]


def _bounds(index: tuple[slice, ...], shape: tuple[int, ...]) -> tuple[Bounds, ...]:
    return tuple(part.indices(size)[:2] for part, size in zip(index, shape, strict=True))


def _aligned(shape: Sequence[int], dtype: np.dtype) -> np.ndarray:
    """An uninitialised array that begins on 64 bytes: what XLA's CPU devices take over without copying."""
    return aligned(dtype.itemsize * math.prod(shape), 64).view(dtype).reshape(shape)
