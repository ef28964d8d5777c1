"""The key-value cache: a segment that all problems share, and for each problem a pool of slots.

A pool holds every token of its problem once, in whatever slot was free: prompt, steps, siblings. What a row may look at is a
set of slots, its ancestors' and its own. A branch of a tree is therefore never copied when something grows from it and never
moved, and siblings read their common past in one matrix product.

Where devices divide the problems, W parts of them have N/W problems each, and the rows of these problems: a row never reads a
pool that lies elsewhere (`sharding.side_by_side`).

Axis letters beside the model's: N problems, W parts, A slots of a pool, R rows that decode (R/N consecutive ones read one
pool), M rows that are read (M/W of each part), P length of the shared segment.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jorney.model.architecture import ModelConfig
from jorney.model.attention import Segment, attend, causal_attention
from jorney.model.transformer import Attend
from jorney.sharding import constrain, platform, side_by_side

POOL_AXES = ("batch", "kv_heads", None, "head_dim")  # logical axes of a pool's keys and values


class Layer(NamedTuple):
    """One layer's keys and values: [N, K, A, H], or [1, K, P, H] of the shared segment."""

    keys: jax.Array
    values: jax.Array


class Shared(NamedTuple):
    """What all problems begin with; read only.

    Attributes:
      layers: of [1, K, P, H].
      length: [] int32, tokens in it.
    """

    layers: list[Layer]
    length: jax.Array


class Pools(NamedTuple):
    """Every problem's slots.

    Attributes:
      layers: of [N, K, A, H].
      positions: [N, A] int32, where in its text the token of each slot stands.
    """

    layers: list[Layer]
    positions: jax.Array


_LANES = 128  # a TPU's memory holds a head's dimensions in multiples of it


def nbytes(config: ModelConfig, tokens: int, itemsize: int, platform: str = "cpu") -> int:
    """Bytes of the keys and values of so many tokens (N x A + P), all layers, as they lie on a platform's devices."""
    head = -(-config.head_dim // _LANES) * _LANES if platform == "tpu" else config.head_dim
    return 2 * config.layers * config.kv_heads * head * itemsize * tokens


def empty(config: ModelConfig, problems: int, slots: int, dtype: Any) -> Pools:
    """Pools that hold nothing."""
    shape = (problems, config.kv_heads, slots, config.head_dim)
    layers = [Layer(*(constrain(jnp.zeros(shape, dtype), *POOL_AXES) for _ in range(2))) for _ in range(config.layers)]
    return Pools(layers, constrain(jnp.zeros((problems, slots), jnp.int32), "batch", None))


def pack_bits(visible: np.ndarray) -> np.ndarray:
    """[..., A] bool -> [..., A/8] uint8, to hand to a program."""
    return np.packbits(visible, axis=-1, bitorder="little")


def unpack_bits(packed: jax.Array) -> jax.Array:
    """The inverse of `pack_bits`."""
    bits = packed[..., None] >> jnp.arange(8, dtype=jnp.uint8) & 1
    return bits.reshape(*packed.shape[:-1], -1).astype(bool)


def _near(positions: jax.Array, keys: jax.Array, window: int | None) -> jax.Array:
    """positions [B, T] of queries, [B or 1, S] of keys -> [B, T or 1, S] bool: within the window, where there is one."""
    if window is None:
        return jnp.ones((1, 1, keys.shape[-1]), bool)
    return positions[:, :, None] - keys[:, None, :] < window


def decode_attends(
    config: ModelConfig, shared: Shared | None, pools: Pools, positions: jax.Array, slots: jax.Array, visible: jax.Array
) -> tuple[list[Attend], jax.Array]:
    """One new token a row: written to a slot of its problem's pool, then attending to what is visible to the row.

    Args:
      positions: [R, 1] of the new tokens.
      slots: [R] where each is written; A writes nothing.
      visible: [R, A] bool, the new token's own slot included.

    Returns:
      An attention a layer, which gives back its `Layer`, updated; and `Pools.positions`, updated.
    """
    before = _shared_segments(config, shared, positions)

    def read(placed: jax.Array) -> Read:
        of_row = jnp.repeat(placed, slots.shape[0] // placed.shape[0], axis=0)
        mask = visible[:, None] & _near(positions, of_row, config.window)
        return lambda number, query, fresh, pool: attend(query, [*before(number), Segment(*pool, mask)])

    # The row's place among those of its part leads to its problem's.
    return _attends(pools, None, positions, slots[:, None], read)


def extend_attends(
    config: ModelConfig,
    shared: Shared | None,
    pools: Pools,
    problems: jax.Array,
    positions: jax.Array,
    slots: jax.Array,
    visible: jax.Array,
) -> tuple[list[Attend], jax.Array]:
    """Rows of new tokens, each within one problem: attending to what is visible to the row and causally to itself.

    Args:
      problems: [M] which pool of its part each row reads and writes.
      positions: [M, T].
      slots: [M, T] where each token is written; A writes nothing (padding, at a row's end).
      visible: [M, A] bool, the row's own slots left out.

    Returns:
      An attention a layer, which gives back its `Layer`, updated; and `Pools.positions`, updated.
    """
    before = _shared_segments(config, shared, positions)

    def seen_by(rows: tuple[jax.Array, ...], _: Any) -> jax.Array:
        problems, positions, slots, visible, placed = rows
        M, T = slots.shape
        # Where in its row the token of a slot stands; beyond the row where the slot holds none of it.
        order = jnp.full((M, placed.shape[1]), T).at[jnp.arange(M)[:, None], slots].set(jnp.arange(T), mode="drop")
        seen = visible[:, None] | (order[:, None] <= jnp.arange(T)[:, None])
        return seen & _near(positions, placed[problems], config.window)

    def of_problems(rows: tuple[jax.Array, Layer], _: Any) -> Layer:
        problems, pool = rows
        return Layer(pool.keys[problems], pool.values[problems])

    def pools_of_rows(pool: Layer) -> Layer:
        found: Layer = side_by_side("batch", of_problems, (problems, pool))
        return found

    def read(placed: jax.Array) -> Read:
        mask = side_by_side("batch", seen_by, (problems, positions, slots, visible, placed))
        return lambda number, query, fresh, pool: attend(query, [*before(number), Segment(*pools_of_rows(pool), mask)])

    return _attends(pools, problems[:, None], positions, slots, read)


def prefill_attends(
    config: ModelConfig,
    shared: Shared | None,
    pools: Pools,
    problems: jax.Array,
    positions: jax.Array,
    slots: jax.Array,
    members: jax.Array,
) -> tuple[list[Attend], jax.Array]:
    """Beginnings of texts, packed: each token attends to earlier ones of its own member, and to what is shared.

    Args:
      problems: [W, T] which pool of its part each token is written to.
      positions: [W, T].
      slots: [W, T] where it is written; A writes nothing (padding).
      members: [W, T] which beginning of its part it is a token of.

    Returns:
      An attention a layer, which gives back its `Layer`, updated; and `Pools.positions`, updated.
    """

    def read(placed: jax.Array) -> Read:
        if shared is None:
            return lambda number, query, fresh, pool: causal_attention(query, *fresh, members, members, config.window)
        before = _shared_segments(config, shared, positions)
        order = jnp.arange(members.shape[1])
        own = (members[:, :, None] == members[:, None]) & (order[:, None] >= order)
        mask = own & _near(positions, positions, config.window)
        return lambda number, query, fresh, pool: attend(
            query, [*before(number), Segment(fresh.keys.swapaxes(1, 2), fresh.values.swapaxes(1, 2), mask)]
        )

    return _attends(pools, problems, positions, slots, read)


# A layer's queries [B, T, N, H] -> what they read. Also given: the layer's number, the fresh keys and values [B, T, K, H], and
# the pool that they were written to.
Read = Callable[[int, jax.Array, Layer, Layer], jax.Array]


def _shared_segments(config: ModelConfig, shared: Shared | None, positions: jax.Array) -> Callable[[int], list[Segment]]:
    """What queries at positions [B, T] see of the shared segment, in the layer of a number; nothing where there is none."""
    if shared is None:
        return lambda number: []
    places = jnp.arange(shared.layers[0].keys.shape[2])
    mask = (places < shared.length) & _near(positions, places[None], config.window)
    return lambda number: [Segment(*shared.layers[number], mask)]


def _attends(
    pools: Pools, problems: jax.Array | None, positions: jax.Array, slots: jax.Array, read: Callable[[jax.Array], Read]
) -> tuple[list[Attend], jax.Array]:
    """Tokens [B, T] that are written to their slots before anything is read.

    Args:
      problems: [B, 1] or [B, T], which pool of its part each token belongs to; None where as many rows belong to each.
      positions, slots: [B, T].
      read: `Pools.positions`, updated -> what the queries read.
    """

    def owners(slots: jax.Array, problems: jax.Array | None, pool: jax.Array) -> jax.Array:
        return jnp.arange(len(slots))[:, None] // (len(slots) // len(pool)) if problems is None else problems

    def place(rows: Any, _: Any) -> jax.Array:
        problems, slots, positions, placed = rows
        return placed.at[owners(slots, problems, placed), slots].set(positions, mode="drop")

    def write(rows: Any, _: Any) -> jax.Array:
        problems, slots, fresh, pool = rows
        problems = owners(slots, problems, pool)
        if platform() == "tpu":  # a head at a time: a TPU would turn the whole pool round to write all heads of a slot
            heads = jnp.arange(pool.shape[1])
            return pool.at[problems[..., None], heads, slots[..., None]].set(fresh, mode="drop")
        return pool.at[problems, :, slots].set(fresh, mode="drop")

    placed = constrain(side_by_side("batch", place, (problems, slots, positions, pools.positions)), "batch", None)
    look = read(placed)

    def of_layer(number: int) -> Attend:
        def attend_in_layer(query: jax.Array, keys: jax.Array, values: jax.Array) -> tuple[jax.Array, Layer]:
            old = pools.layers[number]
            # Written first and read from there: were it the other way round, the pool would be copied.
            pairs = zip((keys, values), old, strict=True)
            written = (side_by_side("batch", write, (problems, slots, fresh, pool)) for fresh, pool in pairs)
            new = Layer(*(constrain(pool, *POOL_AXES) for pool in written))
            return look(number, query, Layer(keys, values), new), new

        return attend_in_layer

    return [of_layer(number) for number in range(len(pools.layers))], placed
