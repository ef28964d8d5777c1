"""The engine's programs for one model and one shape of work: compiled once, before the work begins."""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh

from jorney import sharding
from jorney.compiled import Compilations, Program
from jorney.engine import cache
from jorney.engine.cache import Pools, Shared
from jorney.engine.decode import Chunk, DecodeRows, ExtendRows, PrefillTokens, decode_chunk, extend, prefill, share
from jorney.engine.drawing import Sampled, SamplingParams
from jorney.model.architecture import ModelConfig
from jorney.model.params import Adapted, Params, flatten
from jorney.precision import EXACT, products

_BUCKET = 32
# Chunks for which a program of fewer rows would have been enough, before it is compiled; those after which none is any more.
_WORTH, _DECIDED = 64, 8192
_PIECE = 256  # slots, of which to read fewer would save little


def bucket(length: int) -> int:
    """Lengths are rounded up to 32, 48, 64, 96, 128, ..., so that few programs serve all."""
    power = _BUCKET * 2 ** max(0, math.ceil(math.log2(max(1, length) / _BUCKET)))
    return power * 3 // 4 if power > _BUCKET and length <= power * 3 // 4 else power


@dataclasses.dataclass(frozen=True)
class Shape:
    """How much work is held at a time; a program is compiled for each.

    Attributes:
      problems: N, whose texts are under way together.
      rows: of each problem.
      slots: A, ids of a problem that the cache holds, what all problems share left out.
      chunk: C, ids a row between two looks of the host.
      texts: w, that may be asked for after one span.
      shared: P, ids that all problems may begin with; 0 for none.
      ways: W, parts of the devices that have as many of the problems each, those of consecutive numbers.
    """

    problems: int
    rows: int
    slots: int
    chunk: int
    texts: int
    shared: int = 0
    ways: int = 1

    def __post_init__(self) -> None:
        assert self.problems % self.ways == 0, f"{self.problems} problems, {self.ways} ways"

    @property
    def of_way(self) -> int:
        """N/W."""
        return self.problems // self.ways

    @property
    def all_rows(self) -> int:
        """R."""
        return self.problems * self.rows

    @property
    def pieces(self) -> tuple[int, ...]:
        """Slots of a pool that lie together, those that are handed out first before the others."""
        found = [self.slots]
        while found[0] >= 2 * _PIECE:
            first = -(-found[0] // 16) * 8
            found[:1] = first, found[0] - first
        return tuple(found)

    def chunks(self, fewer: bool) -> list[tuple[int, int]]:
        """(problems of each part, rows of each problem) that a chunk may be of, the fewest rows first, all of them last.

        Args:
          fewer: problems than all.
        """
        problems = _parts(self.of_way) if fewer else {self.of_way}
        return sorted(itertools.product(problems, _parts(self.rows)), key=lambda size: (size[0] * size[1], size[0]))

    def reach(self, used: np.ndarray) -> int:
        """S, in whole pieces, of slots [A] bool that are in use. A program is compiled for each that is met."""
        return next(reach for reach in itertools.accumulate(self.pieces) if not used[reach:].any())

    @property
    def extends(self) -> tuple[tuple[int, int], ...]:
        """(how many of each part, of how many ids) reads are done together, the shortest first: openings, steps, long texts."""
        sizes = (min(32, max(self.texts, self.of_way)), 8), (min(4, self.of_way), 32), (1, 128), (1, 512)
        return _up_to(self.slots, sizes)

    @property
    def prefills(self) -> tuple[tuple[int, int], ...]:
        """(how many at most, of how many ids in all) beginnings are read as one sequence of each part, the shortest first."""
        return _up_to(
            self.of_way * self.slots, ((min(8, self.of_way), 128), (min(12, self.of_way), 256), (min(16, self.of_way), 512))
        )

    def part(self, missing: int, first: bool) -> int:
        """How many of so many missing ids to read in one go.

        A text's first ids are packed with those of others: as many as a prefill takes. Of others the longest read that they
        fill well, to read little padding.
        """
        if first:
            return min(missing, self.prefills[-1][1])
        lengths = [length for _, length in reversed(self.extends)]
        return min(missing, next((length for length in lengths if missing > length * 3 // 4), lengths[-1]))

    @property
    def tokens(self) -> int:
        """That the cache holds."""
        return self.problems * self.slots + self.shared


def _parts(count: int) -> set[int]:
    """All, half and a quarter."""
    return {-(-count // divisor) for divisor in (1, 2, 4)}


def _up_to(most: int, sizes: Sequence[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    """Those that serve reads of so many ids at most, of (how many, of how many ids), the shortest first."""
    return tuple(size for shorter, size in zip((0, *(length for _, length in sizes)), sizes, strict=False) if shorter < most)


@dataclasses.dataclass(frozen=True)
class Work:
    """What is asked of an engine.

    Attributes:
      problems: whose texts are under way together, at most.
      rows, chunk, texts: see `Shape`.
      needed: ids after a prompt, of the longest text: a problem cannot do with less.
      wanted: ids after a prompt, of all texts of a problem at a time, where nothing is to be dropped and read again.
      cache_tokens: that the cache may hold; None for as many as are wanted and the devices have room for.
    """

    problems: int
    rows: int
    chunk: int
    texts: int
    needed: int
    wanted: int
    cache_tokens: int | None = None


def needed(work: Work, prompt: int, positions: int) -> int:
    """Slots that a problem cannot do with less than; see `fit`."""
    return -(-min(prompt + work.needed, positions) // 8) * 8


def fit(work: Work, prompt: int, shared: int, positions: int, ways: int = 1, room: int | None = None) -> Shape:
    """The shape of work, within the tokens that the cache may hold.

    Args:
      prompt: ids of the longest prompt, what all share left out.
      shared: P.
      positions: of the model; no text is longer.
      ways: over how many parts of the devices the problems are spread; each has as many as the others.
      room: tokens that the devices have memory for, all together; None where they do not tell.

    Raises:
      ValueError: not even one problem a device fits; says what is needed.
    """
    of_one = needed(work, prompt, positions)
    wanted = -(-max(min(prompt + work.needed, positions), prompt + work.wanted) // 8) * 8
    problems, slots = -(-work.problems // ways) * ways, bucket(wanted)
    limit = min((limit for limit in (work.cache_tokens, room) if limit is not None), default=None)
    if limit is not None:
        problems = min(problems, max(0, limit - shared) // of_one // ways * ways)
        if not problems:
            memory = f"the devices have memory for {limit} cached tokens"
            told = f"cache_tokens = {limit}" if limit == work.cache_tokens else memory
            whose = f"one problem on each of {ways} devices needs" if ways > 1 else "one problem needs"
            raise ValueError(f"{told}: expected at least {ways * of_one + shared}, what {whose}")
        slots = min(slots, (limit - shared) // problems // 8 * 8)
    return Shape(problems, work.rows, slots, work.chunk, work.texts, shared, ways)


def patience(platform: str) -> float:
    """Of which share of the rows the texts may have ended before a chunk ends with them, on a platform's devices.

    On CPUs a step of every idle row takes its time. On TPUs what is read between two chunks takes as long as several steps of
    all rows: by `tools/replay.py` DeepSeekMath-7B's trees on v5e-8 grow 1.5 times as fast with a quarter as with a 32nd.
    """
    return 1 / 4 if platform == "tpu" else 1 / 32


class Programs:
    """A model's programs for one shape.

    Args:
      params: the engine's tree (`params.unstack`), on the mesh.
      dtype: of the computation and the cache.
      ends: ids after which a text is over.
      precision: of matrix products, see `jorney.precision`.

    Attributes:
      adapted: the model has adapters to choose from; what is read and decoded says which.
    """

    def __init__(
        self,
        config: ModelConfig,
        params: Params,
        mesh: Mesh,
        dtype: Any,
        ends: tuple[int, ...],
        shape: Shape,
        compilations: Compilations,
        precision: str = EXACT,
    ) -> None:
        ways = sharding.ways("batch", mesh)
        assert shape.ways == ways, f"a shape for {shape.ways} ways, a mesh of {ways}"
        self.shape, self.ends, self.vocab_size = shape, ends, config.vocab_size
        self.adapted = any(isinstance(leaf, Adapted) and bool(leaf.whose) for _, leaf in flatten(params))
        self.patience = patience(mesh.devices.flat[0].platform)
        self._decodes = config.head == "lm"
        self._params, self._mesh, self._compilations = params, mesh, compilations
        self._products = products(dtype, precision)
        statics = (config, dtype)
        self._share = self._program("share", share, statics)
        self._prefill = self._program("prefill", prefill, statics, donate_argnums=2)
        self._extend = self._program("extend", extend, statics, donate_argnums=2)
        self._decode = self._program("decode", decode_chunk, (*statics, ends, shape.chunk), donate_argnums=2)
        self._wanted = self._decode.wanted[shape]
        self._empty = self._program("empty cache", cache.empty, (config, shape.problems, shape.pieces, dtype))

    def worth(self, size: tuple[int, int]) -> bool:
        """Whether a chunk of such a size (`Shape.chunks`) runs as one: of all rows, or fewer where that was wanted often."""
        if size == (self.shape.of_way, self.shape.rows):
            self._wanted[size] += 1
            return True
        if self._wanted[size] <= _WORTH and self._wanted.total() < _DECIDED:
            self._wanted[size] += 1
        return self._wanted[size] > _WORTH

    def _program(self, name: str, function: Any, statics: tuple[Any, ...], **options: Any) -> Program:
        key = (name, *statics, self._mesh)
        return self._compilations.program(key, name, partial(function, *statics), self._products, **options)

    def empty(self) -> Pools:
        """A cache that holds nothing."""
        with jax.set_mesh(self._mesh):
            return self._empty()

    def ahead(self, reads: Iterable[ExtendRows | PrefillTokens], rows: DecodeRows) -> Iterator[Any]:
        """All of them, compiled while nothing is there to run them on.

        Args:
          reads: one of each kind.
          rows: what decoding is given; a model that gives no tokens does not decode.
        """
        sampling, shared = SamplingParams.of(0.0), None
        with jax.set_mesh(self._mesh):
            pools = self._empty.made()
            if self.shape.shared:
                given = self._params, np.zeros((1, self.shape.shared), np.int32), np.int32(0)
                yield self._share.ahead(*given)
                shared = self._share.made(*given)
            for what in reads:
                program = self._prefill if isinstance(what, PrefillTokens) else self._extend
                yield program.ahead(self._params, shared, pools, what, sampling)
            if self._decodes:
                breaks = np.zeros(self.vocab_size, bool)
                yield self._decode.ahead(self._params, shared, pools, rows, breaks, np.int32(0), sampling)

    def share(self, ids: Sequence[int]) -> Shared | None:
        """Reads the ids that all problems begin with; None where there are none."""
        if not self.shape.shared:
            assert not ids, "the shape has no shared segment"
            return None
        tokens = np.zeros((1, self.shape.shared), np.int32)
        tokens[0, : len(ids)] = ids
        with jax.set_mesh(self._mesh):
            return self._share(self._params, tokens, np.int32(len(ids)))

    def read(
        self, shared: Shared | None, pools: Pools, what: ExtendRows | PrefillTokens, sampling: SamplingParams
    ) -> tuple[Pools, Sampled | jax.Array, jax.Array]:
        """`decode.extend` or `decode.prefill`; the pools are given away."""
        program = self._prefill if isinstance(what, PrefillTokens) else self._extend
        with jax.set_mesh(self._mesh):
            return program(self._params, shared, pools, what, sampling)

    def decode(
        self, shared: Shared | None, pools: Pools, rows: DecodeRows, breaks: np.ndarray, patience: int, sampling: SamplingParams
    ) -> tuple[Pools, Chunk]:
        """`decode.decode_chunk`; the pools are given away."""
        with jax.set_mesh(self._mesh):
            return self._decode(self._params, shared, pools, rows, breaks, np.int32(patience), sampling)
