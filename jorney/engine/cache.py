"""The key-value cache: a segment that all problems share, and for each problem a pool of slots.

A pool holds every token of its problem once, in whatever slot was free: prompt, steps, siblings. What a row may look at is a
set of slots, its ancestors' and its own. A branch of a tree is therefore never copied when something grows from it and never
moved, and siblings read their common past in one matrix product.

Where devices divide the problems, W parts of them have N/W problems each, and the rows of these problems: a row never reads a
pool that lies elsewhere (`sharding.side_by_side`).

Slots are handed out low first, and a pool lies in pieces: a program reads those that hold the first S slots, all that are in
use. What it adds it writes to its slots when everything is read (`settle`).

Axis letters beside the model's: N problems, W parts, A slots of a pool, R rows that decode (R/N consecutive ones read one
pool), M rows that are read (M/W of each part), P length of the shared segment, C tokens of a chunk.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jorney.model.architecture import ModelConfig
from jorney.model.attention import Segment, attend, causal_attention
from jorney.model.transformer import Attend
from jorney.sharding import constrain, platform, side_by_side, ways

if TYPE_CHECKING:
    from jorney.model.ragged import Blocks

POOL_AXES = ("batch", "kv_heads", None, "head_dim")  # logical axes of a pool's keys and values
TURNED_AXES = ("batch", "kv_heads", "head_dim", None)  # of keys on CPUs


class Layer(NamedTuple):
    """One layer's keys and values: [N, K, A, H], or [1, K, P, H] of the shared segment; on CPUs the keys are [N, K, H, A]."""

    keys: jax.Array
    values: jax.Array


def turned() -> bool:
    """Whether keys are kept as CPUs read them faster: SmolLM2-135M's scores of 16 rows in 11 ms a step in place of 18."""
    return platform() not in ("tpu", "gpu")


def arranged(keys: jax.Array, values: jax.Array, of_pool: str | None = "batch") -> Layer:
    """Keys and values [N, A, K, H] as they are kept, `of_pool` the logical axis of N."""
    kept = keys.transpose(0, 2, 3, 1) if turned() else keys.swapaxes(1, 2)
    axes = TURNED_AXES if turned() else POOL_AXES
    return Layer(constrain(kept, of_pool, *axes[1:]), constrain(values.swapaxes(1, 2), of_pool, *POOL_AXES[1:]))


class Shared(NamedTuple):
    """What all problems begin with; read only.

    Attributes:
      layers: of [1, K, P, H], the keys as `Layer` has them.
      length: [] int32, tokens in it.
    """

    layers: list[Layer]
    length: jax.Array


class Pools(NamedTuple):
    """Every problem's slots.

    Attributes:
      layers: each a list of pieces [N, K, slots of the piece, H], the keys as `Layer` has them.
      positions: [N, A] int32, where in its text the token of each slot stands.
    """

    layers: list[list[Layer]]
    positions: jax.Array


_LANES = 128  # a TPU's memory holds a head's dimensions in multiples of it


def nbytes(config: ModelConfig, tokens: int, itemsize: int, platform: str = "cpu") -> int:
    """Bytes of the keys and values of so many tokens (N x A + P), all layers, as they lie on a platform's devices."""
    head = -(-config.head_dim // _LANES) * _LANES if platform == "tpu" else config.head_dim
    return 2 * config.layers * config.kv_heads * head * itemsize * tokens


def empty(config: ModelConfig, problems: int, pieces: Sequence[int], dtype: Any) -> Pools:
    """Pools that hold nothing, of so many slots in each piece."""

    def nothing(slots: int) -> jax.Array:
        return jnp.zeros((problems, slots, config.kv_heads, config.head_dim), dtype)

    layers = [[arranged(nothing(slots), nothing(slots)) for slots in pieces] for _ in range(config.layers)]
    return Pools(layers, constrain(jnp.zeros((problems, sum(pieces)), jnp.int32), "batch", None))


def some_of(pools: Pools, problems: jax.Array, reach: int) -> Pools:
    """A copy of the pools of some problems: for little that is left to do it saves more than it takes.

    Args:
      problems: [n] int32, which pool of its part each is; n/W of each part.
      reach: S; pieces behind it are left out.
    """
    starts = list(itertools.accumulate((piece.values.shape[2] for piece in pools.layers[0]), initial=0))
    within = [[piece for start, piece in zip(starts, pieces, strict=False) if start < reach] for pieces in pools.layers]
    layers = [[Layer(*(_chosen(problems, held) for held in piece)) for piece in pieces] for pieces in within]
    return Pools(layers, _chosen(problems, pools.positions))


def _chosen(problems: jax.Array, held: jax.Array) -> jax.Array:
    """Of [N, ...] those of some problems [M], each a pool of its part: [M, ...]."""
    found: jax.Array = side_by_side("batch", lambda rows, _: rows[1][rows[0]], (problems, held))
    return found


def pack_bits(visible: np.ndarray) -> np.ndarray:
    """[..., A] bool -> [..., A/8] uint8, to hand to a program."""
    return np.packbits(visible, axis=-1, bitorder="little")


def unpack_bits(packed: jax.Array) -> jax.Array:
    """The inverse of `pack_bits`."""
    bits = packed[..., None] >> jnp.arange(8, dtype=jnp.uint8) & 1
    return bits.reshape(*packed.shape[:-1], -1).astype(bool)


def settle(
    pools: Pools, problems: jax.Array, slots: jax.Array, positions: jax.Array, fresh: Sequence[Layer], reach: int
) -> Pools:
    """Pools with what is new in its slots. It must follow from all that was read of them, or they would be copied.

    Args:
      problems: [B, 1] or [B, T], which pool of its part each token belongs to.
      slots: [B, T]; A for what is written nowhere.
      positions: [B, T].
      fresh: of each layer [B, T, K, H].
      reach: S; no slot behind it is written.
    """

    def place(rows: tuple[jax.Array, ...], _: Any) -> jax.Array:
        problems, slots, positions, placed = rows
        return placed.at[problems, slots].set(positions, mode="drop")

    placed = constrain(side_by_side("batch", place, (problems, slots, positions, pools.positions)), "batch", None)
    layers = []
    for pieces, own in zip(pools.layers, fresh, strict=True):
        start, written = 0, []
        for piece in pieces:
            size = piece.values.shape[2]
            if start < reach:
                here = jnp.where((slots >= start) & (slots < start + size), slots - start, size)
                piece = _write(piece, problems, here, own)
            written.append(piece)
            start += size
        layers.append(written)
    return Pools(layers, placed)


def _write(piece: Layer, problems: jax.Array, slots: jax.Array, fresh: Layer) -> Layer:
    """A piece with the keys and values [B, T, K, H] of tokens [B, T] in its slots."""

    def write(rows: tuple[jax.Array, ...], is_turned: bool) -> jax.Array:
        problems, slots, fresh, held = rows
        if is_turned:
            return held.at[problems, :, :, slots].set(fresh, mode="drop")
        if platform() == "tpu":  # a head at a time: a TPU would turn the whole pool round to write all heads of a slot
            heads = jnp.arange(held.shape[1])
            return held.at[problems[..., None], heads, slots[..., None]].set(fresh, mode="drop")
        return held.at[problems, :, slots].set(fresh, mode="drop")

    def written(held: jax.Array, fresh: jax.Array, is_turned: bool) -> jax.Array:
        found = side_by_side("batch", lambda rows, _: write(rows, is_turned), (problems, slots, fresh, held))
        return constrain(found, *(TURNED_AXES if is_turned else POOL_AXES))

    return Layer(written(piece.keys, fresh.keys, turned()), written(piece.values, fresh.values, False))


# --- what tokens look at: nothing is written here, each attention gives back its layer's fresh keys and values, for `settle`


def stage(config: ModelConfig, rows: int, chunk: int, dtype: Any) -> list[Layer]:
    """Room for what a chunk is given: of every layer [R, K, C, H], the keys too."""
    nothing = constrain(jnp.zeros((rows, config.kv_heads, chunk, config.head_dim), dtype), *POOL_AXES)
    return [Layer(nothing, nothing)] * config.layers


def unstaged(staged: list[Layer]) -> list[Layer]:
    """What was staged as [R, C, K, H], for `settle`."""
    return [Layer(*(one.swapaxes(1, 2) for one in layer)) for layer in staged]


def blocks(config: ModelConfig, pools: Pools, visible: jax.Array, active: jax.Array, chunk: int) -> Blocks | None:
    """What rows of a chunk see, where a kernel reads it; None where XLA does.

    Args:
      visible: [R, S] bool.
      active: [R] bool.
      chunk: C.
    """
    if platform() != "tpu" or config.window is not None:
        return None
    from jorney.model import ragged  # its import is slow, and of use on TPUs alone

    problems, values = len(pools.positions), pools.layers[0][0].values
    starts = itertools.accumulate(piece.values.shape[2] for piece in pools.layers[0])
    rows, head = len(active) // problems, config.head_dim * values.dtype.itemsize
    held = rows * chunk * config.kv_heads * head + 3 * ragged.filled(rows) * config.heads * head
    if not ragged.fits([start for start in starts if start <= visible.shape[1]], held // ways("kv_heads")):
        return None
    return ragged.blocks_of(visible & active[:, None], problems)


def decode_attends(
    config: ModelConfig,
    shared: Shared | None,
    pools: Pools,
    staged: list[Layer],
    visible: jax.Array,
    positions: jax.Array,
    at: jax.Array,
    blocks: Blocks | None = None,
) -> list[Attend]:
    """One new token a row: staged, then attending to what is visible to the row and to what was staged before it.

    Args:
      staged: see `stage`.
      visible: [R, S] bool.
      positions: [R, 1] of the new tokens.
      at: [] which of the chunk they are.
      blocks: what is visible, for a kernel; see `blocks`.

    Returns:
      An attention a layer, which gives back its staged `Layer`, updated.
    """
    before = _shared_segments(config, shared, positions)
    placed = pools.positions[:, : visible.shape[1]]
    near = _near(positions, jnp.repeat(placed, len(positions) // len(placed), axis=0), config.window)
    mask = visible[:, None] & near
    order = jnp.arange(staged[0].values.shape[2])
    own = (order <= at) & _near(positions, positions - at + order, config.window)

    def of_layer(number: int) -> Attend:
        def attend_in_layer(query: jax.Array, keys: jax.Array, values: jax.Array) -> tuple[jax.Array, Layer]:
            pairs = zip(staged[number], (keys, values), strict=True)
            new = Layer(*(jax.lax.dynamic_update_slice_in_dim(old, one.swapaxes(1, 2), at, axis=2) for old, one in pairs))
            segments, in_use = before(number), _in_use(pools.layers[number], mask)
            if blocks is None:
                return attend(query, [*segments, *in_use, Segment(*new, own)]), new
            from jorney.model.ragged import ragged_attention

            pieces = [(one.keys, one.values) for one in in_use]
            found = ragged_attention(query, pieces, blocks, new, at, not segments)
            return attend(query, segments, [found]) if segments else found, new

        return attend_in_layer

    return [of_layer(number) for number in range(config.layers)]


def extend_attends(
    config: ModelConfig, shared: Shared | None, pools: Pools, problems: jax.Array, positions: jax.Array, visible: jax.Array
) -> list[Attend]:
    """Rows of new tokens, each within one problem: attending to what is visible to the row and causally to themselves.

    Args:
      problems: [M] which pool of its part each row reads.
      positions: [M, T].
      visible: [M, S] bool, the row's own slots left out.

    Returns:
      An attention a layer, which gives back its fresh `Layer` [M, T, K, H].
    """
    before = _shared_segments(config, shared, positions)

    mask = visible[:, None] & _near(positions, _chosen(problems, pools.positions[:, : visible.shape[1]]), config.window)
    order = jnp.arange(positions.shape[1])
    own = (order[:, None] >= order) & _near(positions, positions, config.window)

    def read(number: int, query: jax.Array, fresh: Layer) -> jax.Array:
        pieces = _in_use(pools.layers[number], mask)
        of_own = [one._replace(keys=_chosen(problems, one.keys), values=_chosen(problems, one.values)) for one in pieces]
        return attend(query, [*before(number), *of_own, _of_fresh(fresh, own)])

    return _attends(config, read)


def prefill_attends(config: ModelConfig, shared: Shared | None, positions: jax.Array, members: jax.Array) -> list[Attend]:
    """Beginnings of texts, packed: each token attends to earlier ones of its own member, and to what is shared.

    Args:
      positions: [W, T].
      members: [W, T] which beginning of its part each token is of.

    Returns:
      An attention a layer, which gives back its fresh `Layer` [W, T, K, H].
    """

    def alone(number: int, query: jax.Array, fresh: Layer) -> jax.Array:
        return causal_attention(query, *fresh, members, members, config.window)

    if shared is None:
        return _attends(config, alone)
    before = _shared_segments(config, shared, positions)
    order = jnp.arange(members.shape[1])
    own = (members[:, :, None] == members[:, None]) & (order[:, None] >= order)
    mask = own & _near(positions, positions, config.window)

    def read(number: int, query: jax.Array, fresh: Layer) -> jax.Array:
        return attend(query, [*before(number), _of_fresh(fresh, mask)])

    return _attends(config, read)


def _attends(config: ModelConfig, read: Callable[[int, jax.Array, Layer], jax.Array]) -> list[Attend]:
    """By what reads of each layer: its number, the queries [B, T, N, H], and the fresh keys and values [B, T, K, H]."""

    def of_layer(number: int) -> Attend:
        def attend_in_layer(query: jax.Array, keys: jax.Array, values: jax.Array) -> tuple[jax.Array, Layer]:
            fresh = Layer(keys, values)
            return read(number, query, fresh), fresh

        return attend_in_layer

    return [of_layer(number) for number in range(config.layers)]


def _of_fresh(fresh: Layer, mask: jax.Array) -> Segment:
    return Segment(fresh.keys.swapaxes(1, 2), fresh.values.swapaxes(1, 2), mask)


def _in_use(pieces: list[Layer], mask: jax.Array) -> Iterator[Segment]:
    """The pieces of a layer that hold the first S slots, for a mask [B, T, S]."""
    start = 0
    for piece in pieces:
        stop = start + piece.values.shape[2]
        if start < mask.shape[2]:
            assert stop <= mask.shape[2], f"{mask.shape[2]} slots in use: expected whole pieces"
            yield Segment(*piece, mask[..., start:stop], turned())
        start = stop


def _shared_segments(config: ModelConfig, shared: Shared | None, positions: jax.Array) -> Callable[[int], list[Segment]]:
    """What queries at positions [B, T] see of the shared segment, in the layer of a number; nothing where there is none."""
    if shared is None:
        return lambda number: []
    places = jnp.arange(shared.layers[0].values.shape[2])
    mask = (places < shared.length) & _near(positions, places[None], config.window)
    return lambda number: [Segment(*shared.layers[number], mask, turned())]


def _near(positions: jax.Array, keys: jax.Array, window: int | None) -> jax.Array:
    """positions [B, T] of queries, [B or 1, S] of keys -> [B, T or 1, S] bool: within the window, where there is one."""
    if window is None:
        return jnp.ones((1, 1, keys.shape[-1]), bool)
    return positions[:, :, None] - keys[:, None, :] < window
