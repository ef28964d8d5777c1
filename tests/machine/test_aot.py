"""Compiling for a machine that is not here."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from jorney import topology
from jorney.machine import aot
from jorney.sharding import MeshConfig

PROGRAM = """
import sys
from jorney import topology
from jorney.machine import aot
from jorney.sharding import MeshConfig
print(aot.make_mesh(topology.find("v5e-8"), MeshConfig(fsdp=8)).size, flush=True)
sys.stdin.read()
"""


def test_two_programs_plan_at_a_time() -> None:
    """libtpu lets one program load it, unless it is told that no TPU is used."""
    pytest.importorskip("libtpu")
    environment = {name: value for name, value in os.environ.items() if name != "ALLOW_MULTIPLE_LIBTPU_LOAD"}
    programs = [
        subprocess.Popen([sys.executable, "-c", PROGRAM], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment)
        for _ in range(2)
    ]
    try:
        assert [program.stdout.readline() for program in programs] == [b"8\n", b"8\n"]
    finally:
        for program in programs:
            program.communicate()


@pytest.mark.parametrize(("name", "hosts"), [("v5e-8", 1), ("v5e-16", 4), ("v5p-8", 1), ("v5p-16", 2)])
def test_a_machine_has_as_many_processes_as_hosts(name: str, hosts: int) -> None:
    """As what samples on each host by itself counts them."""
    pytest.importorskip("libtpu")
    machine = topology.find(name)
    devices = aot.make_mesh(machine, MeshConfig(fsdp=-1, data=1)).devices.flatten().tolist()
    assert machine.hosts == hosts
    assert {device.process_index for device in devices} == set(range(hosts))
