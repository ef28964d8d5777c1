"""Decoding's attention over pools on TPUs: a Pallas kernel that reads the blocks which some row of a problem sees, no others.

All rows of a problem look at a block together. Blocks are brought from memory one after the other, the next one while one is
computed with, whatever problem they are of: a problem that has little costs little. What the rows were given in this chunk is
read first, that of all rows of a problem in one product.

Axis letters beside the model's: P problems, R rows (R/P consecutive ones of each problem), S slots, C tokens of a chunk,
G = N/K; Y rows of a problem, filled up to whole tiles; E blocks of a problem.
"""

from __future__ import annotations

import contextlib
import contextvars
import functools
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.experimental import pallas as pl
from jax.experimental.pallas import tpu as pltpu

from jorney.sharding import spec

BLOCK = 128  # slots
NAME = "ragged_attention"
# Blocks a problem that XLA is told of. As long as it believes the kernel to run, it brings the next weights meanwhile: with six
# `tools/replay.py` expects the most of DeepSeekMath-7B on v5e-8 (of two to twelve).
_TOLD = 6
_PROBLEMS, _HELD = 8, 6e6  # of a step of the kernel's grid at most; and bytes of them in vector memory
_TILE = 8  # rows of a tile of float32
_NEVER = float(jnp.finfo(jnp.float32).min)
_HIDDEN = 0.5 * _NEVER  # no score that is seen is as low


_without: contextvars.ContextVar[bool] = contextvars.ContextVar("without", default=False)


@contextlib.contextmanager
def by_xla() -> Iterator[None]:
    """Programs that are traced within do without the kernel: to compare."""
    before = _without.set(True)
    try:
        yield
    finally:
        _without.reset(before)


def filled(rows: int) -> int:
    """Y, of so many rows of a problem."""
    return -(-rows // _TILE) * _TILE


def problems_of_step(problems: int, nbytes: int) -> int:
    """Of so many, how many a step of the kernel's grid has.

    Args:
      nbytes: of all problems: a chunk's keys on a device, and three times the queries, filled up to whole tiles.
    """
    of_one = 4 * nbytes / problems  # keys and values in two places each; queries and results too, with the sums as float32
    return next(count for count in range(_PROBLEMS, 0, -1) if problems % count == 0 and (count * of_one <= _HELD or count == 1))


class Blocks(NamedTuple):
    """What rows see, as the kernel is told.

    Attributes:
      order: [P, E] int32, of each problem the blocks that some row sees come first, in their order.
      counts: [P] int32, how many these are.
      shut: [P, E, Y, 128] float32, 0 where a row sees a slot, else the lowest number.
    """

    order: jax.Array
    counts: jax.Array
    shut: jax.Array


def fits(pieces: Sequence[int], nbytes: int) -> bool:
    """Whether the kernel may read pools that lie in pieces of so many slots: in whole blocks.

    Args:
      nbytes: of what one problem holds in vector memory, see `problems_of_step`.
    """
    return not _without.get() and 4 * nbytes <= _HELD and all(slots % BLOCK == 0 for slots in pieces)


def blocks_of(seen: jax.Array, problems: int) -> Blocks:
    """seen [R, S] bool, S in whole blocks -> of so many problems P."""
    rows = seen.reshape(problems, -1, seen.shape[1] // BLOCK, BLOCK)  # [P, R/P, E, 128]
    some = jnp.any(rows, axis=(1, 3))
    order = jnp.argsort(~some, axis=1, stable=True).astype(jnp.int32)
    shut = jnp.pad(jnp.where(rows, 0.0, _NEVER), ((0, 0), (0, -rows.shape[1] % _TILE), (0, 0), (0, 0)), constant_values=_NEVER)
    return Blocks(order, jnp.sum(some, axis=1, dtype=jnp.int32), shut.swapaxes(1, 2))


def ragged_attention(
    query: jax.Array,
    pieces: Sequence[tuple[jax.Array, jax.Array]],
    blocks: Blocks,
    staged: tuple[jax.Array, jax.Array],
    at: jax.Array,
    alone: bool = True,
    interpret: bool = False,
) -> Any:
    """Softmax attention of one new token a row over its problem's pool, and over the row's own tokens of the chunk.

    Args:
      query: [R, 1, N, H].
      pieces: keys and values [P, K, slots of the piece, H] each, that hold the first S slots; in whole blocks.
      blocks: what the rows see of them.
      staged: keys and values [R, K, C, H] of the chunk's tokens.
      at: [] int32, the last of them that a row sees.
      alone: whether there is nothing else to attend to.
      interpret: runs the kernel's program on any device, slowly; for tests.

    Returns:
      What was read, [R, 1, N, H] of the query's dtype. Where that is not all, an `attention.Read`: [R, 1, K, G, H] float32, and
      the logarithm of the sum of the scores' exponentials, [R, 1, K, G].
    """
    pools = [array for piece in zip(*pieces, strict=True) for array in piece]  # keys of all pieces, then values
    mesh = jax.sharding.get_abstract_mesh()
    local = functools.partial(_local, alone=alone, interpret=interpret)
    if mesh.empty:
        return local(query, blocks, jnp.reshape(at, 1), *staged, *pools)
    rows, held = spec("batch", None, "heads", None), spec("batch", "kv_heads", None, None)
    told = jax.tree.map(lambda leaf: spec("batch", *[None] * (leaf.ndim - 1)), blocks)
    results = rows if alone else (spec("batch", None, "kv_heads", None, None), spec("batch", None, "kv_heads", None))
    # A kernel is no program that XLA could split: each device runs its own.
    given = rows, told, spec(None), *[held] * (2 + len(pools))
    split = jax.shard_map(local, mesh=mesh, in_specs=given, out_specs=results, check_vma=False)
    return split(query, blocks, jnp.reshape(at, 1), *staged, *pools)


def _local(query: jax.Array, blocks: Blocks, at: jax.Array, *arrays: jax.Array, alone: bool, interpret: bool) -> Any:
    """On one device, of its own problems and heads."""
    staged, pools = arrays[:2], arrays[2:]
    P, K, _, H = pools[0].shape
    R, _, N, _ = query.shape
    E, Y = blocks.shut.shape[1:3]
    of_problem, G = R // P, N // K
    grouped = query.reshape(P, of_problem, K, G, H).transpose(0, 2, 3, 1, 4)  # [P, K, G, R/P, H]
    grouped = jnp.pad(grouped, (*[(0, 0)] * 3, (0, Y - of_problem), (0, 0))).reshape(P, K, G * Y, H)
    together = problems_of_step(P, staged[0].nbytes + 3 * grouped.nbytes)

    def of_step(last: int) -> pl.BlockSpec:
        return pl.BlockSpec((together, K, G * Y, last), lambda step, *_: (step, 0, 0, 0))

    own = pl.BlockSpec((together * of_problem, *staged[0].shape[1:]), lambda step, *_: (step, 0, 0, 0))
    kernel = functools.partial(_kernel, sizes=[one.shape[2] for one in pools[: len(pools) // 2]], rows=Y)
    memory = pl.BlockSpec(memory_space=pltpu.HBM)
    made = [jax.ShapeDtypeStruct((P, K, G * Y, H), query.dtype if alone else jnp.float32)]
    made += [] if alone else [jax.ShapeDtypeStruct((P, K, G * Y, BLOCK), jnp.float32)]

    def in_memory(array: jax.Array) -> jax.Array:
        """Where it lies: else XLA brings all of it into vector memory beforehand."""
        return array if interpret else pltpu.with_memory_space_constraint(array, pltpu.HBM)

    visited, of_block = P * min(E, _TOLD), 2 * K * BLOCK * H * pools[0].dtype.itemsize
    found: Any = pl.pallas_call(
        kernel,
        out_shape=made,
        grid_spec=pltpu.PrefetchScalarGridSpec(
            num_scalar_prefetch=3,
            grid=(P // together,),
            in_specs=[of_step(H), own, own, memory, *[memory] * len(pools)],
            out_specs=[of_step(one.shape[-1]) for one in made],
            scratch_shapes=[
                pltpu.VMEM((2, K, BLOCK, H), pools[0].dtype),
                pltpu.VMEM((2, K, BLOCK, H), pools[0].dtype),
                pltpu.VMEM((2, Y, BLOCK), jnp.float32),
                pltpu.VMEM((together, K, G * Y, H), jnp.float32),
                *[pltpu.VMEM((together, K, G * Y, BLOCK), jnp.float32)] * 2,
                pltpu.SMEM((together * E,), jnp.int32),
                pltpu.SemaphoreType.DMA((2, 3)),
            ],
        ),
        cost_estimate=pl.CostEstimate(
            flops=visited * 4 * K * G * Y * BLOCK * H, bytes_accessed=visited * of_block, transcendentals=0
        ),
        interpret=interpret,
        name=NAME,
    )(blocks.order, blocks.counts, at, grouped, *staged, *map(in_memory, (blocks.shut, *pools)))

    def rows_of(x: jax.Array) -> jax.Array:
        """[P, K, G Y, ...] -> [R, 1, K, G, ...]."""
        parted = x.reshape(P, K, G, Y, -1)[:, :, :, :of_problem].transpose(0, 3, 1, 2, 4)
        return parted.reshape(R, 1, K, G, -1)

    return rows_of(found[0]).reshape(query.shape) if alone else (rows_of(found[0]), rows_of(found[1][..., :1])[..., 0])


def _kernel(
    order: Any, counts: Any, at: Any, query: Any, keys: Any, values: Any, shut: Any, *refs: Any, sizes: Sequence[int], rows: int
) -> None:
    """A step of the grid: some problems, their blocks in a row.

    While blocks are read `read` holds sums that are not divided yet, `most` the highest score so far, `total` the sum of the
    exponentials. Of the results, `results[0]` is what was read, `results[1]`, where it is wanted, the logarithm of the sums.
    """
    held = refs[: len(sizes)], refs[len(sizes) : 2 * len(sizes)]  # keys and values, of every piece
    *results, own_keys, own_values, shut_own, read, most, total, list_, arrived = refs[2 * len(sizes) :]
    own = own_keys, own_values
    together, K, _, H = query.shape
    E = order.shape[1]
    first = pl.program_id(0) * together

    # Which blocks there are: their number among those of these problems, one after the other.
    def of_problem(problem: Any, so_far: Any) -> Any:
        def one(number: Any, _: Any) -> None:
            list_[so_far + number] = problem * E + order[first + problem, number]

        jax.lax.fori_loop(0, counts[first + problem], one, None)
        return so_far + counts[first + problem]

    blocks = jax.lax.fori_loop(0, together, of_problem, 0)

    def copies(number: Any, begin: bool) -> None:
        """Of a block into one of the two places: begun, or waited for."""
        problem, block, place = list_[number] // E, list_[number] % E, number % 2

        def move(origin: Any, to: Any, which: int) -> None:
            copy = pltpu.make_async_copy(origin, to.at[place], arrived.at[place, which])
            copy.start() if begin else copy.wait()

        move(shut.at[first + problem, block], shut_own, 2)
        start = 0
        for piece, slots in enumerate(sizes):
            stop = start + slots // BLOCK

            @pl.when((block >= start) & (block < stop))
            def _of_piece(piece: int = piece, start: int = start) -> None:
                within = pl.ds((block - start) * BLOCK, BLOCK)
                for which in (0, 1):
                    move(held[which][piece].at[first + problem, :, within], own[which], which)

            start = stop

    read[...], total[...] = jnp.zeros(read.shape, jnp.float32), jnp.zeros(total.shape, jnp.float32)
    most[...] = jnp.full(most.shape, _NEVER, jnp.float32)

    @pl.when(blocks > 0)
    def _first() -> None:
        copies(0, True)

    count, C = keys.shape[0] // together, keys.shape[2]
    shape = rows, count * C
    order_in_chunk = jax.lax.broadcasted_iota(jnp.int32, shape, 1) - C * jax.lax.broadcasted_iota(jnp.int32, shape, 0)
    others = jnp.where((order_in_chunk >= 0) & (order_in_chunk < C) & (order_in_chunk <= at[0]), 0.0, _NEVER)

    def add(problem: Any, head: int, keys: jax.Array, values: jax.Array, closed: jax.Array) -> None:
        """What rows read of some slots joins what they have read."""
        scores = _scores(query[problem, head], keys, closed)
        before = most[problem, head]
        now = jnp.maximum(before, jnp.max(scores, axis=1, keepdims=True))
        weights = jnp.where(scores > _HIDDEN, jnp.exp(scores - now[:, :1]), 0.0)
        kept = jnp.exp(before - now)
        total[problem, head] = kept * total[problem, head] + jnp.sum(weights, axis=1, keepdims=True)
        read[problem, head] = kept[:, :1] * read[problem, head] + _product(weights.astype(values.dtype), values, 0)
        most[problem, head] = now

    def chunk(problem: Any, _: Any) -> None:
        """What the problem's rows were given in this chunk: each row sees its own."""
        mine = pl.ds(problem * count, count)
        for head in range(K):
            own = [one[mine, head].reshape(-1, H) for one in (keys, values)]
            add(problem, head, own[0], own[1], others)

    jax.lax.fori_loop(0, together, chunk, None)

    def look(number: Any, _: Any) -> None:
        @pl.when(number + 1 < blocks)
        def _next() -> None:
            copies(number + 1, True)

        copies(number, False)
        problem, place = list_[number] // E, number % 2
        for head in range(K):
            add(problem, head, own_keys[place, head], own_values[place, head], shut_own[place])

    jax.lax.fori_loop(0, blocks, look, None)
    whole = total[...]
    some = whole > 0
    results[0][...] = (read[...] / jnp.where(some, whole, 1.0)[..., :1]).astype(results[0].dtype)
    if len(results) > 1:
        results[1][...] = jnp.where(some, most[...] + jnp.log(jnp.where(some, whole, 1.0)), _NEVER)


def _scores(query: jax.Array, keys: jax.Array, closed: jax.Array) -> jax.Array:
    """query [G Y, H], keys [S, H], closed [Y, S] -> [G Y, S] float32."""
    scores = _product(query, keys, 1) * query.shape[1] ** -0.5
    return (scores.reshape(-1, *closed.shape) + closed).reshape(scores.shape)


def _product(x: jax.Array, y: jax.Array, axis: int) -> jax.Array:
    """x [., I] with an axis of y of I, summed as float32."""
    return jax.lax.dot_general(x, y, (((1,), (axis,)), ((), ())), preferred_element_type=jnp.float32)
