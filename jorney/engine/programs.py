"""The engine's programs for one model and one shape of work: compiled once, before the work begins."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from functools import partial
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh

from jorney.compiled import Compilations, Program
from jorney.engine import cache
from jorney.engine.cache import Pools, Shared
from jorney.engine.decode import Chunk, DecodeRows, ExtendRows, PrefillTokens, decode_chunk, extend, prefill, share
from jorney.engine.drawing import Sampled, SamplingParams
from jorney.model.architecture import ModelConfig
from jorney.model.params import Params

_BUCKET = 32


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
    """

    problems: int
    rows: int
    slots: int
    chunk: int
    texts: int
    shared: int = 0

    @property
    def all_rows(self) -> int:
        """R."""
        return self.problems * self.rows

    @property
    def extends(self) -> tuple[tuple[int, int], ...]:
        """(how many, of how many ids) reads are done together, the shortest first: openings, steps, long texts."""
        return (min(32, max(self.texts, self.problems)), 8), (min(4, self.problems), 32), (1, 128), (1, 512)

    @property
    def prefills(self) -> tuple[tuple[int, int], ...]:
        """(how many at most, of how many ids in all) beginnings of texts are read as one sequence, the shortest first."""
        return (min(8, self.problems), 128), (min(16, self.problems), 512)

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


def fit(work: Work, prompt: int, shared: int, positions: int, ways: int = 1, room: int | None = None) -> Shape:
    """The shape of work, within the tokens that the cache may hold.

    Args:
      prompt: ids of the longest prompt, what all share left out.
      shared: P.
      positions: of the model; no text is longer.
      ways: over how many devices the problems are spread; each has as many as the others.
      room: tokens that the devices have memory for, all together; None where they do not tell.

    Raises:
      ValueError: not even one problem a device fits; says what is needed.
    """
    needed = min(prompt + work.needed, positions)
    needed, wanted = (-(-count // 8) * 8 for count in (needed, max(needed, prompt + work.wanted)))
    problems, slots = -(-work.problems // ways) * ways, bucket(wanted)
    limit = min((limit for limit in (work.cache_tokens, room) if limit is not None), default=None)
    if limit is not None:
        problems = min(problems, max(0, limit - shared) // needed // ways * ways)
        if not problems:
            memory = f"the devices have memory for {limit} cached tokens"
            told = f"cache_tokens = {limit}" if limit == work.cache_tokens else memory
            whose = f"one problem on each of {ways} devices needs" if ways > 1 else "one problem needs"
            raise ValueError(f"{told}: expected at least {ways * needed + shared}, what {whose}")
        slots = min(slots, (limit - shared) // problems // 8 * 8)
    return Shape(problems, work.rows, slots, work.chunk, work.texts, shared)


class Programs:
    """A model's programs for one shape.

    Args:
      params: the engine's tree (`params.unstack`), on the mesh.
      dtype: of the computation and the cache.
      ends: ids after which a text is over.
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
    ) -> None:
        self.shape, self.ends, self.vocab_size = shape, ends, config.vocab_size
        self._params, self._mesh, self._compilations = params, mesh, compilations
        statics = (config, dtype)
        self._share = self._program("share", share, statics)
        self._prefill = self._program("prefill", prefill, statics, donate_argnums=2)
        self._extend = self._program("extend", extend, statics, donate_argnums=2)
        self._decode = self._program("decode", decode_chunk, (*statics, ends, shape.chunk), donate_argnums=2)
        self._empty = self._program("empty cache", cache.empty, (config, shape.problems, shape.slots, dtype))

    def _program(self, name: str, function: Any, statics: tuple[Any, ...], **options: Any) -> Program:
        return self._compilations.program((name, *statics, self._mesh), name, partial(function, *statics), **options)

    def empty(self) -> Pools:
        """A cache that holds nothing."""
        with jax.set_mesh(self._mesh):
            return self._empty()

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
