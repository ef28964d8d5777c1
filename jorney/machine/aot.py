"""Programs compiled for a machine that is not here, and what they need there.

`jax.experimental.topologies` describes the chips, libtpu compiles for them: what XLA accepts here fits there. Needs libtpu
(`pip install 'jorney[tpu]'`), and no TPU.
"""

from __future__ import annotations

import dataclasses
import importlib.util
import os
from typing import Any

import jax
from jax.sharding import Mesh

from jorney import sharding
from jorney.compiled import needs_more
from jorney.machine.hlo import Traffic, collective_traffic
from jorney.topology import Slice


@dataclasses.dataclass(frozen=True)
class Needs:
    """What a program needs of a chip.

    Attributes:
      fits: XLA compiled it.
      argument_bytes, temp_bytes, peak_bytes: as XLA planned them; of a program that does not fit None.
      needed_bytes: arguments and temporaries, or what XLA said that it would need.
      capacity_bytes: that programs may use.
      collectives: kind -> how often, and the bytes that a chip sends, in one run; None where the program's text cannot be read.
    """

    fits: bool
    argument_bytes: int | None
    temp_bytes: int | None
    peak_bytes: int | None
    needed_bytes: int
    capacity_bytes: int
    collectives: dict[str, Traffic] | None


def make_mesh(machine: Slice, config: sharding.MeshConfig) -> Mesh:
    """A mesh of the machine's chips.

    Raises:
      ValueError: libtpu is missing, or the sizes do not multiply to the machine's devices.
    """
    if importlib.util.find_spec("libtpu") is None:
        raise ValueError("plan: expected libtpu, the compiler: pip install 'jorney[tpu]'")
    from jax.experimental import topologies

    # It would ask the cloud which TPU this is, and complain at length that there is none.
    none = {"TPU_SKIP_MDS_QUERY": "1", "TPU_WORKER_HOSTNAMES": "localhost", "TPU_ACCELERATOR_TYPE": "v5litepod-1"}
    none["ALLOW_MULTIPLE_LIBTPU_LOAD"] = "1"  # it would let one program at a time compile
    for name, value in none.items():
        os.environ.setdefault(name, value)
    # A machine of one host is one process, which the topology is told where it has more chips than hosts have elsewhere.
    alone = machine.hosts == 1 and machine.chips > machine.generation.of_a_host
    bounds = {"chips_per_host_bounds": (*machine.generation.shapes[machine.chips], 1)} if alone else {}
    described = topologies.get_topology_desc(platform="tpu", topology_name=machine.topology, **bounds)
    return sharding.make_mesh(config, list(described.devices))


def compile_for(machine: Slice, lowered: Any, unknown_trips: int = 1) -> Needs:
    """Compiles a lowered program and tells what it needs.

    Args:
      unknown_trips: see `hlo.collective_traffic`.
    """
    try:
        compiled = compile_uncached(lowered)
    except jax.errors.JaxRuntimeError as error:
        if (found := needs_more(error)) is None:
            raise
        return Needs(False, None, None, None, *found, {})
    return needs_of(compiled, machine.capacity, unknown_trips)


def compile_uncached(lowered: Any) -> Any:
    """Compiles a lowered program without the persistent cache.

    Programs for devices that are not here are written to it, and cannot be read again.
    """
    setting = "jax_persistent_cache_min_compile_time_secs"
    before = getattr(jax.config, setting)
    jax.config.update(setting, float("inf"))
    try:
        return lowered.compile()
    finally:
        jax.config.update(setting, before)


def needs_of(compiled: Any, capacity: float, unknown_trips: int = 1) -> Needs:
    """What a compiled program needs of devices with so many usable bytes."""
    plan = compiled.memory_analysis()
    try:
        traffic = collective_traffic(compiled.as_text(), unknown_trips)
    except jax.errors.JaxRuntimeError:  # jax 0.10.2 does not understand all that libtpu writes for 7x
        traffic = None
    arguments, temporaries = plan.argument_size_in_bytes, plan.temp_size_in_bytes
    return Needs(True, arguments, temporaries, plan.peak_memory_in_bytes, arguments + temporaries, int(capacity), traffic)
