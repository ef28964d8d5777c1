"""Chips, peaks and memory of devices."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import types

import jax
import numpy as np
import pytest

from jorney import devices, sharding


def _device(number: int, **stated: object) -> types.SimpleNamespace:
    return types.SimpleNamespace(**{"id": number, "process_index": 0, **stated})


def test_a_cpus_devices_are_chips_of_their_own() -> None:
    assert devices.chips(jax.devices()) == 8
    assert devices.chips(jax.devices()[:1]) == 1


def test_two_devices_at_one_place_are_one_chip() -> None:
    """As TPU v4 and 7x list them: two cores at the same coordinates."""
    cores = [_device(n, coords=(n // 4, n // 2 % 2, 0), core_on_chip=n % 2) for n in range(8)]
    assert devices.chips(cores) == 4
    assert devices.chips(cores[:1]) == devices.chips(cores[:2]) == 1
    assert devices.chips(cores[1:3]) == 2


def test_devices_without_coordinates_are_told_apart_by_number_and_process() -> None:
    assert devices.chips([_device(n, coords=None) for n in range(3)]) == 3
    assert devices.chips([_device(0), _device(1), _device(1, process_index=1)]) == 3
    assert devices.chips(iter([_device(0), _device(0)])) == 1


@pytest.mark.parametrize(
    ("kind", "peak"),
    [
        ("TPU v4", 275e12),
        ("TPU v5 lite", 197e12),
        ("TPU v5", 459e12),
        ("TPU v6 lite", 918e12),
        ("TPU7x", 2307e12),
        ("NVIDIA H100 80GB HBM3", 989e12),
        ("cpu", None),
        ("TPU v9", None),
    ],
)
def test_the_peak_of_a_chip(kind: str, peak: float | None) -> None:
    assert devices.peak(_device(0, device_kind=kind)) == peak


def test_one_chip_under_two_names_has_one_peak() -> None:
    for one, other in (("TPU v5 lite", "TPU v5e"), ("TPU v5", "TPU v5p"), ("TPU v6 lite", "TPU v6e")):
        assert devices.PEAK[one] == devices.PEAK[other]
    assert devices.peak(jax.devices()[0]) is None


def test_memory_is_the_processs_where_devices_do_not_tell() -> None:
    before = devices.memory_in_use()
    held = np.ones(int(before) // 8)  # as much again
    assert devices.memory_in_use() > 1.5 * before > 2**24  # bytes, not kilobytes
    del held


def test_memory_is_the_fullest_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    stats = [{"peak_bytes_in_use": 3}, {"peak_bytes_in_use": 7}, {}, None]
    told = [types.SimpleNamespace(memory_stats=lambda one=one: one) for one in stats]
    monkeypatch.setattr(devices.jax, "local_devices", lambda: told)
    assert devices.memory_in_use() == 7


def test_used_memory_is_the_fullest_devices() -> None:
    def device(**stats: int) -> types.SimpleNamespace:
        return types.SimpleNamespace(memory_stats=lambda: stats or None)

    told = [device(bytes_limit=10, bytes_in_use=3), device(bytes_limit=10, bytes_in_use=8)]
    assert devices.used_memory(told) == (8, 10)
    assert devices.used_memory(told, 9) == (8, 9)
    assert devices.used_memory(told, 11) == (8, 10)
    assert devices.used_memory([*told, device()]) is None
    assert devices.used_memory(devices.jax.local_devices()) is None  # of CPUs


def test_where_devices_do_not_tell_their_arrays_are_counted() -> None:
    """Of an array that is split each device's part; of several devices the fullest counts."""
    gc.collect()  # other tests' arrays

    def used() -> list[int]:
        return [devices.used_memory([device], 1e9).bytes for device in jax.devices()]

    before = used()
    four = sharding.make_mesh(devices=jax.devices()[:4])
    split = jax.device_put(np.zeros((8, 1000), np.float32), sharding.named(four, "batch", None))
    whole = jax.device_put(np.zeros(500, np.float32), jax.devices()[2])
    after = used()
    assert [now - then for now, then in zip(after, before, strict=True)] == [8000, 8000, 10000, 8000, 0, 0, 0, 0]
    assert devices.used_memory(jax.devices(), 1e9) == (max(after), 1e9)
    devices.release([split, whole])
    assert used() == before


KEEPS = """
import ctypes, resource, sys
from jorney import devices
if sys.argv[1] == "keep":
    devices.keep_freed_memory()
libc = ctypes.CDLL(None)
libc.malloc.restype, libc.free.argtypes = ctypes.c_void_p, [ctypes.c_void_p]
counts = []
for _ in range(3):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    place = libc.malloc(64 << 20)
    ctypes.memset(place, 1, 64 << 20)
    libc.free(place)
    counts.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
print(*counts)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's malloc")
def test_freed_memory_is_used_again_without_new_pages() -> None:
    def faults(word: str) -> list[int]:
        settings = {**os.environ, "JAX_PLATFORMS": "cpu"}
        done = subprocess.run([sys.executable, "-c", KEEPS, word], env=settings, capture_output=True, text=True, check=True)
        return [int(count) for count in done.stdout.split()]

    first, second, third = faults("keep")
    assert first > 1000
    assert max(second, third) < 100
    assert faults("leave")[2] > 1000


@pytest.mark.parametrize(("here", "stated", "left"), [(True, None, ""), (False, "tpu", ""), (False, None, "cpu")])
def test_without_an_accelerator_jax_looks_for_none(here: bool, stated: str | None, left: str, monkeypatch) -> None:
    """As it would where libtpu is installed to plan with."""
    set_to: dict[str, str] = {}
    monkeypatch.setattr(devices, "_accelerator", lambda: here)
    monkeypatch.setattr(devices.jax.config, "update", lambda name, value: set_to.update({name: value}))
    monkeypatch.delenv("JAX_PLATFORMS", raising=False)
    if stated:
        monkeypatch.setenv("JAX_PLATFORMS", stated)
    devices.only_what_is_here()
    assert set_to.get("jax_platforms", "") == left


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("JAX_PLATFORMS", "nonsense", "JAX_PLATFORMS=nonsense: jax starts no devices: Unable to initialize backend 'nonsense'"),
        ("JAX_NUM_CPU_DEVICES", "x", 'Invalid value "x" for JAX flag jax_num_cpu_devices'),
        ("JAX_ENABLE_X64", "maybe", "invalid truth value 'maybe' for environment 'JAX_ENABLE_X64'"),
        ("JORNEY_CACHE", "/dev/null", "[Errno 20] Not a directory: '/dev/null/jax'"),
    ],
)
def test_a_wrong_environment_is_told_in_one_line(name: str, value: str, message: str, tmp_path) -> None:
    settings = {**os.environ, "JAX_PLATFORMS": "cpu", name: value}
    settings.pop("JAX_COMPILATION_CACHE_DIR", None)
    command = [sys.executable, "-m", "jorney", "convert", "embedded", str(tmp_path / "new")]
    done = subprocess.run(command, env=settings, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("jorney: ")
    assert message in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "new").exists()
