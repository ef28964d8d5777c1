"""The engine's programs, to be compiled for a machine, and how much work its memory holds."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh

from jorney import sharding
from jorney.engine import cache
from jorney.engine.cache import POOL_AXES, Layer, Pools, Shared
from jorney.engine.decode import DecodeRows, decode_chunk, extend, prefill, share
from jorney.engine.drawing import SamplingParams
from jorney.engine.programs import Shape
from jorney.engine.reads import Batch, arrays
from jorney.machine.plan.planned import AotProgram, Planned, compile_program
from jorney.model import flops
from jorney.model import params as parameters
from jorney.model.architecture import ModelConfig
from jorney.model.flops import RowShape
from jorney.model.params import layer_name
from jorney.topology import Slice

_ENDS = (0,)  # ids that end a text; which they are changes nothing


def weight_bytes(model: ModelConfig, dtype: Any, mesh: Mesh) -> float:
    """Of a model's parameters on one device, as the engine holds them."""
    found = 0.0
    for row in parameters.table(model).values():
        ways = np.prod([sharding.ways(axis, mesh) for axis in row.axes])
        found += np.prod(parameters.full_shape(model, row)) * jnp.dtype(dtype).itemsize / ways
    return found


def token_bytes(model: ModelConfig, dtype: Any, mesh: Mesh) -> float:
    """Of a cached token's keys and values on one device that holds it."""
    return cache.nbytes(model, 1, jnp.dtype(dtype).itemsize, "tpu") / sharding.ways("kv_heads", mesh)


def engine_programs(
    label: str, model: ModelConfig, shape: Shape, dtype: Any, machine: Slice, mesh: Mesh, beside: float = 0.0
) -> list[AotProgram]:
    """All programs of an engine of this shape.

    Args:
      label: what the engine is for; their names begin with it.
      beside: bytes of a device that are taken by something else.
    """
    cached = shape.tokens / sharding.ways("batch", mesh) * token_bytes(model, dtype, mesh)
    of_chip = machine.generation.devices
    resident = {"parameters": weight_bytes(model, dtype, mesh) * of_chip, "cache": cached * of_chip}
    lower = _Lowering(model, shape, dtype, mesh)

    def program(name: str, tokens: int, read_out: int, make: Callable[[], Any], steps: int = 1) -> AotProgram:
        pairs = tokens * (shape.slots + shape.shared)
        row = RowShape(tokens, dict.fromkeys(flops.CONVENTIONS, pairs))
        work = {convention: flops.forward(model, row, 1, read_out, convention) for convention in flops.CONVENTIONS}
        return AotProgram(f"{label} {name}", make, steps, work, tokens, steps, resident, beside)

    found = []
    if shape.shared:
        found.append(program(f"share {shape.shared}", shape.shared, 0, lower.share))
    for packed, sizes in ((True, shape.prefills), (False, shape.extends)):
        for count, length in sizes:
            batch = Batch([], count, length, packed)
            name, tokens = (f"prefill {length}", length) if packed else (f"extend {count}x{length}", count * length)
            found.append(program(name, tokens, count, partial(lower.read, batch)))
    if model.head == "lm":
        tokens = shape.all_rows * shape.chunk
        found.append(program(f"decode {shape.all_rows}x{shape.chunk}", tokens, tokens, lower.decode, shape.chunk))
    return found


@dataclasses.dataclass(frozen=True)
class _Lowering:
    """An engine's programs (`engine.programs.Programs`), lowered for a mesh whose devices are not here."""

    model: ModelConfig
    shape: Shape
    dtype: Any
    mesh: Mesh

    def share(self) -> Any:
        tokens = self._given(np.zeros((1, self.shape.shared), np.int32))
        return self._lower(share, self._params(), tokens, self._given(np.int32(0)))

    def read(self, batch: Batch) -> Any:
        what = self._given(arrays(self.shape, batch))
        function = prefill if batch.packed else extend
        return self._lower(function, self._params(), self._shared(), self._pools(), what, self._sampling(), donate=2)

    def decode(self) -> Any:
        R, C, A = self.shape.all_rows, self.shape.chunk, self.shape.slots
        of_rows = {name: np.zeros(R, np.int32) for name in DecodeRows._fields}
        more = {"active": np.zeros(R, bool), "keys": np.zeros((R, 2), np.uint32), "slots": np.zeros((R, C), np.int32)}
        rows = DecodeRows(**{**of_rows, **more, "visible": np.zeros((R, A // 8), np.uint8)})
        given = (self._given(rows), self._given(np.zeros(self.model.vocab_size, bool)), self._given(np.int32(0)))
        arguments = (self._params(), self._shared(), self._pools(), *given, self._sampling())
        return self._lower(decode_chunk, *arguments, statics=(_ENDS, C), donate=2)

    def _lower(self, function: Any, *arguments: Any, statics: tuple[Any, ...] = (), donate: int | None = None) -> Any:
        program = jax.jit(partial(function, self.model, self.dtype, *statics), donate_argnums=donate)
        with jax.set_mesh(self.mesh):
            return program.trace(*arguments).lower(lowering_platforms=("tpu",))

    def _array(self, shape: tuple[int, ...], dtype: Any, *axes: str | None) -> Any:
        return jax.ShapeDtypeStruct(shape, dtype, sharding=sharding.named(self.mesh, *axes))

    def _given(self, tree: Any) -> Any:
        """What the host hands over: every device has all of it."""
        return jax.tree.map(lambda leaf: self._array(np.shape(leaf), leaf.dtype), tree)

    def _sampling(self) -> SamplingParams:
        plain: tuple[Any, ...] = (np.float32(1), np.int32(0), np.float32(1), np.float32(0))
        return self._given(SamplingParams(*plain))

    def _params(self) -> Any:
        flat = {}
        for path, row in parameters.table(self.model).items():
            for layer in range(self.model.layers) if row.stacked else (0,):
                own = (layer_name(layer), *path[1:]) if row.stacked else path
                flat[own] = self._array(row.shape, self.dtype, *row.axes)
        return parameters.nest(flat)

    def _layers(self, problems: int, slots: int, *axes: str | None) -> list[Layer]:
        kept = self._array((problems, self.model.kv_heads, slots, self.model.head_dim), self.dtype, *axes)
        return [Layer(kept, kept)] * self.model.layers

    def _shared(self) -> Shared | None:
        if not self.shape.shared:
            return None
        return Shared(self._layers(1, self.shape.shared, None, *POOL_AXES[1:]), self._given(np.int32(0)))

    def _pools(self) -> Pools:
        N, A = self.shape.problems, self.shape.slots
        return Pools(self._layers(N, A, *POOL_AXES), self._array((N, A), jnp.int32, "batch", None))


def most_problems(
    planned: Sequence[Planned], model: ModelConfig, like: Shape, slots: int, dtype: Any, mesh: Mesh
) -> tuple[Shape, list[Planned]] | None:
    """The engine for as many problems of so many slots as a machine holds.

    The two programs that need most are compiled for it, decoding and another; the others need less.

    Args:
      planned: an engine's programs, compiled for `like`: which of them needs most, and for which machine.
      like: rows of a problem, chunk and texts.

    Returns:
      Its shape, and the two programs; None where not one problem a device fits.
    """
    machine, beside = planned[0].machine, planned[0].program.beside
    ways = sharding.ways("batch", mesh)
    free = machine.capacity - weight_bytes(model, dtype, mesh) - beside
    of_problem = slots * token_bytes(model, dtype, mesh)
    # Its place, counted from the end: names change with the shape, and what is shared is read once, before there are problems.
    others = range(-len(planned) + bool(like.shared), -1)
    dearest = max(others, key=lambda place: planned[place].needs.temp_bytes or 0)
    problems = int((free - (planned[-1].needs.temp_bytes or 0)) // of_problem) * ways
    while problems > 0:
        shape = dataclasses.replace(like, problems=problems, slots=slots, shared=0)
        programs = engine_programs("", model, shape, dtype, machine, mesh, beside)
        found = [compile_program(programs[-1], machine)]
        if found[0].fits:
            found.append(compile_program(programs[dearest], machine))
        if found[-1].fits:
            return shape, found
        # What a problem takes in all: its cache, and its part of the temporaries.
        each = (found[-1].needed_bytes - machine.capacity + free) * ways / problems
        problems = min(problems - ways, int(free // each) * ways)
    return None
