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
from jorney.engine.decode import DecodeRows, ExtendRows, decode_chunk, extend, prefill, share
from jorney.engine.drawing import SamplingParams
from jorney.engine.memory import decoding, readings, token_bytes, weight_bytes
from jorney.engine.programs import Shape
from jorney.engine.reads import Batch, arrays
from jorney.machine.plan.planned import AotProgram, Planned, compile_program
from jorney.machine.plan.replay import Call
from jorney.model import flops
from jorney.model import params as parameters
from jorney.model.architecture import ModelConfig
from jorney.precision import EXACT, products
from jorney.topology import Slice

_ENDS = (0,)  # ids that end a text; which they are changes nothing


def _nearest(wanted: Batch, kinds: Sequence[Batch]) -> int:
    """Which of an engine's readings is most like one of another."""
    like = [number for number, kind in enumerate(kinds) if kind.packed == wanted.packed]
    return min(like, key=lambda number: abs(kinds[number].length - wanted.length))


@dataclasses.dataclass(frozen=True)
class PlannedEngine:
    """An engine of a configuration: its programs (`engine.programs.Programs`) on a mesh whose devices are not here."""

    model: ModelConfig
    shape: Shape
    dtype: Any
    mesh: Mesh
    precision: str = EXACT

    def programs(self, label: str, machine: Slice, beside: float = 0.0) -> list[AotProgram]:
        """All of them.

        Args:
          label: what the engine is for; their names begin with it.
          beside: bytes of a device that are taken by something else.
        """
        model, shape, of_chip = self.model, self.shape, machine.generation.devices
        cached = shape.tokens / sharding.ways("batch", self.mesh) * token_bytes(model, self.dtype, self.mesh)
        resident = {"parameters": weight_bytes(model, self.dtype, self.mesh) * of_chip, "cache": cached * of_chip}

        def program(name: str, tokens: int, read_out: int, make: Callable[[], Any], steps: int = 1) -> AotProgram:
            row = flops.RowShape(tokens, dict.fromkeys(flops.CONVENTIONS, tokens * (shape.slots + shape.shared)))
            work = {convention: flops.forward(model, row, 1, read_out, convention) for convention in flops.CONVENTIONS}
            return AotProgram(f"{label} {name}", make, steps, work, tokens, steps, resident, beside)

        found = [program(f"share {shape.shared}", shape.shared, 0, self._share)] if shape.shared else []
        for batch in readings(shape):
            reads = shape.ways * batch.count
            tokens = shape.ways * batch.length * (1 if batch.packed else batch.count)
            name = f"prefill {tokens}" if batch.packed else f"extend {reads}x{batch.length}"
            found.append(program(name, tokens, reads, partial(self._read, batch)))
        if model.head == "lm":
            tokens = shape.all_rows * shape.chunk
            found.append(program(f"decode {shape.all_rows}x{shape.chunk}", tokens, tokens, self._decode, shape.chunk))
        return found

    def most_problems(self, planned: Sequence[Planned], slots: int) -> tuple[Shape, list[Planned]] | None:
        """The engine for as many problems of so many slots as a machine holds.

        The two programs that need most are compiled for it, decoding and another; the others need less.

        Args:
          planned: this engine's programs, compiled: which of them needs most, and for which machine.

        Returns:
          Its shape, and the two programs; None where not one problem a device fits.
        """
        machine, beside = planned[0].machine, planned[0].program.beside
        ways = sharding.ways("batch", self.mesh)
        free = machine.capacity - weight_bytes(self.model, self.dtype, self.mesh) - beside
        of_problem = slots * token_bytes(self.model, self.dtype, self.mesh)
        # What is shared is read once, before there are problems.
        kinds = zip(readings(self.shape), planned[bool(self.shape.shared) : -1], strict=True)
        dearest, _ = max(kinds, key=lambda kind: kind[1].needs.temp_bytes or 0)
        problems = int((free - (planned[-1].needs.temp_bytes or 0)) // of_problem) * ways
        while problems > 0:
            shape = dataclasses.replace(self.shape, problems=problems, slots=slots, shared=0)
            programs = dataclasses.replace(self, shape=shape).programs("", machine, beside)
            found = [compile_program(programs[-1], machine)]
            if found[0].fits:
                found.append(compile_program(programs[_nearest(dearest, list(readings(shape)))], machine))
            if found[-1].fits:
                return shape, found
            # What a problem takes in all: its cache, and its part of the temporaries.
            each = (found[-1].needed_bytes - machine.capacity + free) * ways / problems
            problems = min(problems - ways, int(free // each) * ways)
        return None

    def lower(self, call: Call) -> Any:
        """The program of a call, to be compiled."""
        if call.kind == "decode":
            rows = decoding(self.shape)
            rows = jax.tree.map(lambda leaf: leaf[: call.number], rows)
            return self._decode(rows._replace(visible=rows.visible[:, : call.reach // 8]))
        count = call.number if call.kind == "prefill" else call.number // self.shape.ways
        return self._read(Batch([], count, call.length, call.kind == "prefill"), call.reach)

    def _share(self) -> Any:
        return self._lower(share, self._params(), *self._given((np.zeros((1, self.shape.shared), np.int32), np.int32(0))))

    def _read(self, batch: Batch, reach: int = 0) -> Any:
        found = arrays(self.shape, batch)
        if reach:
            within = slice(reach // 8)
            if isinstance(found, ExtendRows):
                found = found._replace(visible=found.visible[:, within])
            else:
                found = found._replace(used=found.used[within])
        what = self._given(found)
        function = prefill if batch.packed else extend
        return self._lower(function, self._params(), self._shared(), self._pools(), what, self._sampling(), donate=2)

    def _decode(self, rows: DecodeRows | None = None) -> Any:
        given = self._given((rows or decoding(self.shape), np.zeros(self.model.vocab_size, bool), np.int32(0)))
        held, statics = (self._params(), self._shared(), self._pools()), (_ENDS, self.shape.chunk)
        return self._lower(decode_chunk, *held, *given, self._sampling(), statics=statics, donate=2)

    def _lower(self, function: Any, *arguments: Any, statics: tuple[Any, ...] = (), donate: int | None = None) -> Any:
        program = jax.jit(partial(function, self.model, self.dtype, *statics), donate_argnums=donate)
        with jax.set_mesh(self.mesh), jax.default_matmul_precision(products(self.dtype, self.precision)):
            return program.trace(*arguments).lower(lowering_platforms=(self.mesh.devices.flat[0].platform,))

    def _array(self, shape: tuple[int, ...], dtype: Any, *axes: str | None) -> Any:
        return jax.ShapeDtypeStruct(shape, dtype, sharding=sharding.named(self.mesh, *axes))

    def _given(self, tree: Any) -> Any:
        """What the host hands over: every device has all of it."""
        return jax.tree.map(lambda leaf: self._array(np.shape(leaf), leaf.dtype), tree)

    def _sampling(self) -> SamplingParams:
        plain: tuple[Any, ...] = (np.float32(1), np.int32(0), np.float32(1), np.float32(0))
        return self._given(SamplingParams(*plain))

    def _params(self) -> Any:
        flat: dict[parameters.Path, Any] = {}
        for path, row in parameters.table(self.model).items():
            with jax.set_mesh(self.mesh):
                inputs = parameters.turned_inputs(path)
            shape, axes = (*row.shape[inputs:], *row.shape[:inputs]), (*row.axes[inputs:], *row.axes[:inputs])
            kept = self._array(shape, self.dtype, *axes)
            for layer in range(self.model.layers if row.stacked else 1):
                own = (parameters.layer_name(layer), *path[1:]) if row.stacked else path
                flat[own] = parameters.OutputsFirst(kept) if inputs else kept
        return parameters.nest(flat)

    def _layers(self, problems: int, slots: int, of_pool: str | None) -> list[cache.Layer]:
        with jax.set_mesh(self.mesh):
            turned = cache.turned()
        head = (problems, self.model.kv_heads)
        lying = self._array((*head, slots, self.model.head_dim), self.dtype, of_pool, *cache.POOL_AXES[1:])
        standing = self._array((*head, self.model.head_dim, slots), self.dtype, of_pool, *cache.TURNED_AXES[1:])
        return [cache.Layer(standing if turned else lying, lying)] * self.model.layers

    def _shared(self) -> cache.Shared | None:
        if not self.shape.shared:
            return None
        return cache.Shared(self._layers(1, self.shape.shared, None), self._given(np.int32(0)))

    def _pools(self) -> cache.Pools:
        N, A = self.shape.problems, self.shape.slots
        pieces = [self._layers(N, slots, "batch") for slots in self.shape.pieces]
        return cache.Pools(list(map(list, zip(*pieces, strict=True))), self._array((N, A), jnp.int32, "batch", None))
