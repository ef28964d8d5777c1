"""One budget for all that lives together on a mesh's devices: weights, caches, and what programs hold while they run.

`jorney plan` and a run share it out by the same function: what a plan promises is what a run takes, and what does not fit is
refused before anything is sampled.
"""

from __future__ import annotations

import dataclasses
import gc
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh

from jorney import devices, sharding
from jorney.compiled import needs_more
from jorney.engine import cache
from jorney.engine.decode import DecodeRows
from jorney.engine.programs import Programs, Shape, Work, fit, needed
from jorney.engine.reads import Batch, arrays
from jorney.model import params as parameters
from jorney.model.architecture import ModelConfig

_FOR_CACHES = 0.8  # of what weights leave, where programs do not say that they need more of the rest


@dataclasses.dataclass(frozen=True)
class Memory:
    """A device's.

    Attributes:
      limit: bytes that may be used.
      held: bytes of what lies there already, by what it is.
    """

    limit: float
    held: Mapping[str, float]

    @property
    def free(self) -> float:
        return self.limit - sum(self.held.values())


@dataclasses.dataclass(frozen=True)
class Tenant:
    """A model whose engine lives on devices, maybe beside others.

    Attributes:
      name: "policy", "judge".
      work: what is asked of the engine.
      prompt, shared: see `programs.fit`.
    """

    name: str
    config: ModelConfig
    dtype: Any
    mesh: Mesh
    work: Work
    prompt: int
    shared: int = 0

    @property
    def ways(self) -> int:
        """Over how many devices its problems are spread."""
        return sharding.ways("batch", self.mesh)

    @property
    def weights(self) -> float:
        """Bytes of a device."""
        return weight_bytes(self.config, self.dtype, self.mesh)

    @property
    def least(self) -> float:
        """Bytes of a device for the smallest cache that will do: of one problem each, with one text at a time."""
        slots = needed(self.work, self.prompt, self.config.positions)
        return self.cache(Shape(self.ways, self.work.rows, slots, self.work.chunk, self.work.texts, self.shared))

    def cache(self, shape: Shape) -> float:
        """Bytes of a device."""
        of_token = token_bytes(self.config, self.dtype, self.mesh)
        return shape.problems / self.ways * shape.slots * (of_token + _PLACE) + shape.shared * of_token

    def fit(self, room: float | None) -> Shape:
        """The engine's shape, with so many bytes of a device for its cache; None for as many as the work wants."""
        tokens, of_token = None, token_bytes(self.config, self.dtype, self.mesh)
        if room is not None:
            tokens = int((room - self.shared * of_token) / (of_token + _PLACE)) * self.ways + self.shared
        return fit(self.work, self.prompt, self.shared, self.config.positions, self.ways, tokens)


_PLACE = 4  # bytes: where in its text a cached token stands
Temporaries = Callable[[Tenant, Shape], float]  # bytes of a device that the hungriest of an engine's programs holds


def share_out(tenants: Sequence[Tenant], memory: Memory, temporaries: Temporaries) -> list[Shape]:
    """The shapes of engines that live together.

    All of them get what they want, if it leaves room for the programs. Else the caches are smaller: what is not in use is
    dropped and read again. Judges have half of what is then to be shared, at most; the first tenant has the rest.

    Args:
      memory: with all weights among what is held.

    Raises:
      ValueError: even the smallest caches are too much; names all parts.
    """
    least = [tenant.least for tenant in tenants]
    for_caches = max(_FOR_CACHES * memory.free, sum(least))
    while True:
        shapes = _shapes(tenants, least, for_caches)
        working = max(temporaries(tenant, shape) for tenant, shape in zip(tenants, shapes, strict=True))
        if sum(tenant.cache(shape) for tenant, shape in zip(tenants, shapes, strict=True)) + working <= memory.free:
            return shapes
        if for_caches <= sum(least):
            break
        for_caches = max(memory.free - working, sum(least))
    parts = {f"the {tenant.name}'s cache": size for tenant, size in zip(tenants, least, strict=True)}
    raise ValueError(too_much(memory, {**parts, "temporaries of programs": working}))


def _shapes(tenants: Sequence[Tenant], least: Sequence[float], room: float) -> list[Shape]:
    others = [
        tenant.fit(own + (room - sum(least)) / 2 / (len(tenants) - 1))
        for tenant, own in zip(tenants[1:], least[1:], strict=True)
    ]
    taken = sum(tenant.cache(shape) for tenant, shape in zip(tenants[1:], others, strict=True))
    return [tenants[0].fit(room - taken), *others]


def too_much(memory: Memory, more: Mapping[str, float]) -> str:
    """One line on what does not fit: all parts, and how much is needed."""
    parts = {name: size for name, size in {**memory.held, **more}.items() if size >= 1}
    listed = ", ".join(f"{name} {math.ceil(size):,}" for name, size in parts.items())
    needs = math.ceil(sum(parts.values()))
    return (
        f"memory: a device has {math.floor(memory.limit):,} bytes: expected at least {needs:,} ({listed}); more devices for "
        "mesh.tensor or mesh.fsdp, or less at a time, would help"
    )


class Party(NamedTuple):
    """A tenant of devices that are here.

    Attributes:
      programs: those of its engine, for a shape.
      settle: called with the shape that it has been given.
    """

    tenant: Tenant
    programs: Callable[[Shape], Programs]
    settle: Callable[[Shape], None] = lambda shape: None


def admit(parties: Sequence[Party], limit: float | None) -> list[Shape] | None:
    """The shapes of engines that are to live together, for what is free now. Their weights lie on the devices.

    Their programs are compiled: what they hold while they run is counted.

    Args:
      limit: bytes of a device that may be used, as the user states it.

    Returns:
      None where neither the user nor the devices (CPUs) tell how much there is.

    Raises:
      ValueError: see `share_out`.
    """
    tenants = [party.tenant for party in parties]
    memory = measured({f"the {one.name}'s weights": one.weights for one in tenants}, tenants[0].mesh, limit)
    if memory is None:
        return None
    makes = {party.tenant: party.programs for party in parties}

    def temporaries(tenant: Tenant, shape: Shape) -> float:
        held = tenant.weights + tenant.cache(shape)
        try:
            return temporaries_of(makes[tenant](shape), held)
        except jax.errors.JaxRuntimeError as error:
            if (found := needs_more(error)) is None:
                raise
            return found[0] - held

    return share_out(tenants, memory, temporaries)


def measured(held: Mapping[str, float], mesh: Mesh, limit: float | None) -> Memory | None:
    """The memory of the fullest of the devices that are here, as it is now; None where nothing is known of its size.

    Args:
      held: what is known of what lies there; what it does not name are "other arrays".
    """
    if devices.used_memory(mesh.local_devices, limit) is None:
        return None
    gc.collect()  # what only a cycle still holds is no reason to refuse anything
    used = devices.used_memory(mesh.local_devices, limit)
    assert used is not None
    return Memory(used.limit, {**held, "other arrays": max(0, used.bytes - sum(held.values()))})


def expect_room(name: str, config: ModelConfig, dtype: Any, mesh: Mesh, limit: float | None, split: bool = False) -> None:
    """Raises ValueError where a model's weights, which are to be loaded, do not fit beside what lies on the devices.

    Args:
      split: the engine's form is made of them; one parameter at a time is held twice then.
    """
    memory = measured({}, mesh, limit)
    if memory is None:
        return
    whole = weight_bytes(config, dtype, mesh)
    sizes = _sizes(config, dtype, mesh)
    more = {f"the {name}'s weights": whole, "one parameter twice": max(sizes) if split else 0.0}
    if sum(more.values()) > memory.free:
        raise ValueError(too_much(memory, more))


def _sizes(config: ModelConfig, dtype: Any, mesh: Mesh) -> list[float]:
    """Bytes of a device of each parameter."""
    itemsize = jnp.dtype(dtype).itemsize
    return [
        itemsize * math.prod(parameters.full_shape(config, row)) / math.prod(sharding.ways(axis, mesh) for axis in row.axes)
        for row in parameters.table(config).values()
    ]


def weight_bytes(config: ModelConfig, dtype: Any, mesh: Mesh) -> float:
    """Of a model's parameters on one device, as the engine holds them."""
    return sum(_sizes(config, dtype, mesh))


def token_bytes(config: ModelConfig, dtype: Any, mesh: Mesh) -> float:
    """Of a cached token's keys and values on one device that holds it."""
    platform = mesh.devices.flat[0].platform
    return cache.nbytes(config, 1, jnp.dtype(dtype).itemsize, platform) / sharding.ways("kv_heads", mesh)


# --- an engine's programs, compiled before its work begins


def readings(shape: Shape) -> Iterator[Batch]:
    """One of each kind of what is read, the shortest first: beginnings, then what follows them."""
    for packed, sizes in ((True, shape.prefills), (False, shape.extends)):
        for count, length in sizes:
            yield Batch([], count, length, packed)


def decoding(shape: Shape, adapted: bool = False) -> DecodeRows:
    """What decoding is given, of no text."""
    R, C, A = shape.all_rows, shape.chunk, shape.slots
    others = {"problems"} if adapted else {"problems", "adapters"}
    of_rows = {name: np.zeros(R, np.int32) for name in DecodeRows._fields if name not in others}
    more = {"active": np.zeros(R, bool), "keys": np.zeros((R, 2), np.uint32), "slots": np.zeros((R, C), np.int32)}
    return DecodeRows(**{**of_rows, **more, "visible": np.zeros((R, A // 8), np.uint8)})


def temporaries_of(programs: Programs, held: float) -> float:
    """Bytes of a device that the hungriest of an engine's programs needs while it runs, beside weights and cache.

    All of them are compiled, for their first run.

    Args:
      held: bytes of weights and cache.
    """
    shape = programs.shape
    reads = (arrays(shape, batch, programs.adapted) for batch in readings(shape))
    plans = [compiled.memory_analysis() for compiled in programs.ahead(reads, decoding(shape, programs.adapted))]
    results = (plan.output_size_in_bytes - plan.alias_size_in_bytes for plan in plans)
    return max(
        own + beside(plan.argument_size_in_bytes, plan.temp_size_in_bytes, held)
        for plan, own in zip(plans, results, strict=True)
    )


def beside(given: float, temporaries: float, held: float) -> float:
    """Bytes of a device that a program needs beside weights and cache, of which it may be given a part alone."""
    return temporaries + max(0, given - held)
