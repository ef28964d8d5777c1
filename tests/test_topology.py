"""The table of machines: against libtpu, and what users may call them."""

from __future__ import annotations

import pytest

from jorney import devices, topology
from jorney.machine import aot
from jorney.sharding import MeshConfig


@pytest.mark.parametrize(
    ("name", "described", "chips", "hosts"),
    [
        ("v5e-16", "v5e:4x4", 16, 4),
        ("v5litepod-8", "v5e:2x4", 8, 1),
        ("v4-8", "v4:2x2x1", 4, 1),
        ("V5P-8", "v5p:2x2x1", 4, 1),
        ("v5p-128", "v5p:4x4x4", 64, 16),
        ("v6e-8", "v6e:2x4", 8, 1),
        ("v6e-64", "v6e:8x8", 64, 16),
        ("7x-4", "tpu7x:2x2x1", 4, 1),
    ],
)
def test_names(name: str, described: str, chips: int, hosts: int) -> None:
    machine = topology.find(name)
    assert (machine.topology, machine.chips, machine.hosts) == (described, chips, hosts)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("v5e", "topology = 'v5e': expected one of v4, v5e, v5p, v6e, 7x and a size, as v5e-16"),
        ("h100-8", "topology = 'h100-8': expected one of v4, v5e"),
        ("v5e-7", "topology = 'v5e-7': expected one of v5e-1, v5e-4, v5e-8, v5e-16"),
        ("v5p-4", "topology = 'v5p-4': expected one of v5p-8, v5p-16"),
    ],
)
def test_names_that_are_none(name: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        topology.find(name)


@pytest.mark.parametrize("kind", topology.GENERATIONS)
def test_the_compiler_knows_them(kind: str) -> None:
    """As many chips, devices and hosts, under the names by which jax knows them."""
    pytest.importorskip("libtpu")
    generation = topology.GENERATIONS[kind]
    for chips in [size for size in generation.shapes if size <= 64]:
        machine = topology.find(f"{kind}-{chips * generation.counted}")
        found = aot.make_mesh(machine, MeshConfig(data=1, fsdp=-1)).devices.flatten().tolist()
        assert len(found) == machine.devices
        assert devices.chips(found) == machine.chips
        assert {device.device_kind for device in found} <= set(generation.kinds)
        if machine.chips != generation.alone or generation.alone == generation.of_a_host:
            assert len({device.process_index for device in found}) == machine.hosts


def test_one_table_of_peaks() -> None:
    for generation in topology.GENERATIONS.values():
        for kind in generation.kinds:
            assert devices.PEAK[kind] == generation.flops
