"""What is known of the devices that programs run on: their peak, how many make a chip, the memory in use."""

from __future__ import annotations

import ctypes
import glob
import importlib.util
import math
import os
import resource
import sys
from collections import Counter
from collections.abc import Iterable
from typing import Any, NamedTuple

import jax

from jorney.topology import GENERATIONS

# device_kind -> dense bfloat16 operations a second of a chip, as the vendors state them.
PEAK: dict[str, float] = {
    **{kind: generation.flops for generation in GENERATIONS.values() for kind in generation.kinds},
    "NVIDIA A100-SXM4-40GB": 312e12,
    "NVIDIA A100-SXM4-80GB": 312e12,
    "NVIDIA H100 80GB HBM3": 989e12,
    "NVIDIA H200": 989e12,
}


def chips(devices: Iterable[Any]) -> int:
    """How many chips the devices are; on some TPUs a chip shows as two devices, at one place."""
    return len({(device.process_index, *(getattr(device, "coords", None) or (device.id,))) for device in devices})


def peak(device: Any) -> float | None:
    """bfloat16 operations a second of the device's chip, or None where no figure is known (CPUs)."""
    return PEAK.get(device.device_kind)


def memory_in_use() -> float:
    """The most bytes in use so far: the largest of this process's devices, or of the process where devices do not tell."""
    found = [stats.get("peak_bytes_in_use", 0) for device in jax.local_devices() if (stats := device.memory_stats())]
    if found and max(found):
        return max(found)
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return float(most if sys.platform == "darwin" else 1024 * most)


class Used(NamedTuple):
    """Of a device's memory.

    Attributes:
      bytes: in use.
      limit: bytes that may be.
    """

    bytes: int
    limit: float


def used_memory(devices: Iterable[Any], limit: float | None = None) -> Used | None:
    """What is in use of the fullest of the devices; None where neither they nor `limit` tell how much there is (CPUs).

    Args:
      limit: bytes of a device that may be used, where that is less than it has.
    """
    found, alive = [], None
    for device in devices:
        stats = device.memory_stats() or {}
        if (most := min((size for size in (limit, stats.get("bytes_limit")) if size is not None), default=None)) is None:
            return None
        if "bytes_in_use" not in stats:
            alive = alive or _alive()
        found.append(Used(stats["bytes_in_use"] if alive is None else alive[device], most))
    return min(found, key=lambda used: used.limit - used.bytes)


def _alive() -> Counter[Any]:
    """{device: bytes} of all arrays."""
    found: Counter[Any] = Counter()
    for array in jax.live_arrays():
        bytes_of_shard = array.nbytes * math.prod(array.sharding.shard_shape(array.shape)) // max(1, array.size)
        found.update(dict.fromkeys(array.sharding.addressable_devices, bytes_of_shard))
    return found


def release(tree: Any) -> None:
    """Frees the memory of all arrays of a tree, whoever else holds on to them."""
    for leaf in jax.tree.leaves(tree):
        leaf.delete()


def _accelerator() -> bool:
    """Whether a TPU is here, or what jax needs for a GPU. Asks no device."""
    tpu = glob.glob("/dev/accel*") or glob.glob("/dev/vfio/[0-9]*")
    return bool(tpu) or any(importlib.util.find_spec(name) for name in ("jax_cuda12_plugin", "jax_cuda13_plugin"))


def only_what_is_here() -> None:
    """Without an accelerator: has jax use the CPU, unless JAX_PLATFORMS says otherwise. To be called before jax looks for one.

    Where libtpu is installed, for `jorney plan`, jax would start it, and it would complain at length that there is no TPU.

    Raises:
      ValueError: jax has no such devices; names the environment variables that it goes by.
    """
    if "JAX_PLATFORMS" not in os.environ and not _accelerator():
        jax.config.update("jax_platforms", "cpu")
    try:
        jax.devices()
    except (RuntimeError, AssertionError) as error:  # the second where a plugin is not installed
        stated = ", ".join(f"{name}={value}" for name, value in sorted(os.environ.items()) if name.startswith("JAX_"))
        reason = " ".join(str(error).split()) or "there is no such platform"
        raise ValueError(f"{stated or 'JAX_PLATFORMS is not set'}: jax starts no devices: {reason:.300}") from error


def keep_freed_memory() -> None:
    """On a CPU: has the process keep the memory that it frees. To be called before jax asks for its devices.

    XLA allocates what a step needs afresh, some gigabytes, and the C library gives them back after each: on the next step the
    kernel has to clear and map every page again, an eighth of the time of SmolLM2-135M's step on two cores. Threads that
    allocated before the call go on as they were, and so does any C library but glibc.
    """
    if sys.platform != "linux" or (_accelerator() and os.environ.get("JAX_PLATFORMS") != "cpu"):
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        # glibc's malloc.h: one arena for all threads (M_ARENA_MAX), from the heap (M_MMAP_MAX), never trimmed.
        for name, value in ((-8, 1), (-4, 0), (-1, -1)):
            mallopt(name, value)
