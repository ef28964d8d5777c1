"""The jitted programs of the engine: `share` and `extend` read tokens that are given, `decode_chunk` samples new ones.

All that lives on the device from call to call is the cache; what a call needs to know of the trees, the host hands to it.
Axis letters: see `engine.cache`; B tokens of a read, C of a chunk, w texts that follow a read.

Where devices divide the problems, no program sends anything from one part of them to another, but for how many rows are left
that sample.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jorney.engine.cache import (
    Layer,
    Pools,
    Shared,
    arranged,
    blocks,
    decode_attends,
    extend_attends,
    prefill_attends,
    settle,
    some_of,
    stage,
    unpack_bits,
    unstaged,
)
from jorney.engine.drawing import Sampled, SamplingParams, draw, restrict, sample
from jorney.model.architecture import ModelConfig
from jorney.model.attention import causal_attention, turns
from jorney.model.lora import choose
from jorney.model.params import Params
from jorney.model.transformer import read_out, run_layers
from jorney.sharding import constrain, side_by_side, ways

SAMPLING = "sampling"  # the part of a decode step that chooses tokens, in a compiled program's text

# An array that the host makes and a program reads.
FromHost = Any


class ExtendRows(NamedTuple):
    """Tokens to be read, each row of them within one problem; M/W rows for the problems of each part.

    Attributes:
      problems: [M] int32, which pool of its part a row belongs to.
      tokens: [M, B] int32, padded on the right.
      lengths: [M] int32; 0 for a row that only fills the batch.
      starts: [M] int32, where in its text a row begins.
      slots: [M, B] int32, where each token is written; A for padding.
      visible: [M, S/8] uint8 (`cache.pack_bits`), as in `DecodeRows`; the row's own slots left out.
      keys: [M, w, 2] uint32, key data of the texts whose first tokens are sampled after the row.
      adapters: [M] int32, which adapter the row's problem has, -1 for none; None where the model has none to choose from.
    """

    problems: FromHost
    tokens: FromHost
    lengths: FromHost
    starts: FromHost
    slots: FromHost
    visible: FromHost
    keys: FromHost
    adapters: FromHost | None = None


class PrefillTokens(NamedTuple):
    """First tokens of texts, packed side by side: M/W of them and B tokens for the problems of each part.

    Attributes:
      problems: [W, B] int32, which pool of its part a token belongs to.
      tokens: [W, B] int32, padded on the right.
      positions: [W, B] int32, where in its text a token stands.
      slots: [W, B] int32, where it is written; A for padding.
      members: [W, B] int32, which beginning of its part it is a token of; M/W for padding.
      lasts: [W, M/W] int32, where the last token of each beginning is.
      keys: [M, w, 2] uint32, as those of `ExtendRows`.
      used: [S/8] uint8, of which the length alone counts: no slot behind the first S, whole pieces of the pools, is written.
      adapters: [W, B] int32, of each token, as those of `ExtendRows`.
    """

    problems: FromHost
    tokens: FromHost
    positions: FromHost
    slots: FromHost
    members: FromHost
    lasts: FromHost
    keys: FromHost
    used: FromHost
    adapters: FromHost | None = None


class DecodeRows(NamedTuple):
    """What each row is to go on with; R/N consecutive rows belong to one problem.

    Attributes:
      active: [R] bool; the others do nothing.
      tokens: [R] int32, the last of a row's text, which is not in the cache yet.
      positions: [R] int32, where in its text that token stands.
      counts: [R] int32, how many tokens of it were sampled; token i is drawn with fold_in(key, i).
      limits: [R] int32, tokens to sample at most.
      watches: [R] int32, see `decode_chunk`; -1 where nothing is watched.
      waits: [R] int32, tokens after a break at which a row pauses.
      keys: [R, 2] uint32, key data.
      slots: [R, C] int32, where the tokens that are read in this chunk are written.
      visible: [R, S/8] uint8 (`cache.pack_bits`), of the first S slots, whole pieces of the pools: what lies behind them is
        neither read nor written.
      problems: [N] int32, the pool of its part that each problem has, where those of some are left out; else None.
      adapters: [R] int32, of each row, as those of `ExtendRows`.
    """

    active: FromHost
    tokens: FromHost
    positions: FromHost
    counts: FromHost
    limits: FromHost
    watches: FromHost
    waits: FromHost
    keys: FromHost
    slots: FromHost
    visible: FromHost
    problems: FromHost | None = None
    adapters: FromHost | None = None


class Chunk(NamedTuple):
    """What was sampled.

    Attributes:
      sampled: of [R, C].
      counts: [R] int32, how many of the C a row has.
      watches: [R] int32, to hand to the next chunk.
      steps: [] int32, tokens a row that the program ran for.
      writes: [R] int32, tokens that were written to the cache, counted where they are written.
    """

    sampled: Sampled
    counts: jax.Array
    watches: jax.Array
    steps: jax.Array
    writes: jax.Array


def share(config: ModelConfig, dtype: Any, params: Params, tokens: jax.Array, length: jax.Array) -> Shared:
    """Reads what all problems begin with: tokens [1, P], padded on the right, `length` of them real."""
    positions = jnp.arange(tokens.shape[1])[None]
    real = (positions < length).astype(jnp.int32)

    def attend(query: jax.Array, keys: jax.Array, values: jax.Array) -> tuple[jax.Array, Layer]:
        found = causal_attention(query, keys, values, real, real, config.window)
        return found, arranged(keys, values, None)

    _, layers = run_layers(config, dtype, params, tokens, positions, [attend] * config.layers)
    return Shared(layers, length)


def prefill(
    config: ModelConfig,
    dtype: Any,
    params: Params,
    shared: Shared | None,
    pools: Pools,
    begun: PrefillTokens,
    sampling: SamplingParams,
) -> tuple[Pools, Sampled | jax.Array, jax.Array]:
    """`extend` for texts of which nothing is in the pools yet: many short ones are read as one sequence."""
    attends = prefill_attends(config, shared, begun.positions, begun.members)
    params = choose(params, begun.adapters)
    hidden, fresh = run_layers(config, dtype, params, begun.tokens, begun.positions, attends)
    writes = jnp.sum(begun.slots < pools.positions.shape[1], axis=1)
    last = _positions_of(hidden, begun.lasts).reshape(-1, hidden.shape[-1])
    pools = settle(pools, begun.problems, begun.slots, begun.positions, fresh, 8 * len(begun.used))
    return pools, _what_follows(config, params, last, begun.keys, sampling), writes


def extend(
    config: ModelConfig,
    dtype: Any,
    params: Params,
    shared: Shared | None,
    pools: Pools,
    rows: ExtendRows,
    sampling: SamplingParams,
) -> tuple[Pools, Sampled | jax.Array, jax.Array]:
    """Reads rows of tokens into the cache; `pools` is to be donated.

    Returns:
      The pools; of a language model the first token of every text after each row, [M, w], else the head's values at each
      row's last token, [M, labels]; and how many tokens were written, [M] (of `prefill` [W]).
    """
    positions = rows.starts[:, None] + jnp.arange(rows.tokens.shape[1])
    visible = unpack_bits(rows.visible)
    attends = extend_attends(config, shared, pools, rows.problems, positions, visible)
    params = choose(params, None if rows.adapters is None else rows.adapters[:, None])
    found = run_layers(config, dtype, params, rows.tokens, positions, attends)
    # Behind a barrier: what is new is written when all is read.
    hidden, fresh = jax.lax.optimization_barrier(found)
    writes = jnp.sum(rows.slots < pools.positions.shape[1], axis=1)
    last = _positions_of(hidden, jnp.maximum(rows.lengths - 1, 0)[:, None])[:, 0]
    pools = settle(pools, rows.problems[:, None], rows.slots, positions, fresh, visible.shape[1])
    return pools, _what_follows(config, params, last, rows.keys, sampling), writes


def _positions_of(hidden: jax.Array, places: jax.Array) -> jax.Array:
    """hidden [B, T, D], places [B, M] -> [B, M, D]."""
    return side_by_side("batch", lambda rows, _: jnp.take_along_axis(rows[0], rows[1][..., None], axis=1), (hidden, places))


def _what_follows(
    config: ModelConfig, params: Params, last: jax.Array, keys: jax.Array, sampling: SamplingParams
) -> Sampled | jax.Array:
    """After hidden states [M, D]: the first token of each text [M, w], of keys [M, w, 2]; or another head's [M, labels]."""
    found = read_out(config, params, last)
    if config.head != "lm":
        return found
    distribution = restrict(found, sampling)
    own = jax.vmap(lambda key: jax.random.fold_in(key, 0))(jax.random.wrap_key_data(keys).reshape(-1))
    # One text after the other: logits of all at once would be the largest array of the program.
    firsts = jax.lax.map(lambda keys: draw(distribution, keys, sampling), own.reshape(last.shape[0], -1).swapaxes(0, 1))
    return jax.tree.map(lambda leaf: leaf.swapaxes(0, 1), firsts)


def decode_chunk(
    config: ModelConfig,
    dtype: Any,
    ends: tuple[int, ...],
    chunk: int,
    params: Params,
    shared: Shared | None,
    pools: Pools,
    rows: DecodeRows,
    breaks: jax.Array,
    patience: jax.Array,
    sampling: SamplingParams,
) -> tuple[Pools, Chunk]:
    """Samples up to `chunk` tokens in every active row; `pools` is to be donated.

    A row stops at an id of `ends`, at its limit, and `waits` tokens after one of `breaks`: there its text may have come to an
    end, which the host decides. The program returns early when `patience` rows have stopped, or all.

    Args:
      breaks: [V] bool, ids after which the end of a text may be near.
      patience: [] int32.
    """
    keys = jax.random.wrap_key_data(rows.keys)
    visible = unpack_bits(rows.visible)
    read = pools if rows.problems is None else some_of(pools, rows.problems, visible.shape[1])
    R, N, A = len(rows.tokens), len(read.positions), pools.positions.shape[1]
    seen = blocks(config, read, visible, rows.active, chunk)
    params = choose(params, None if rows.adapters is None else rows.adapters[:, None])
    nothing = Chunk(
        sampled=Sampled(*(jnp.zeros((R, chunk), dtype) for dtype in (jnp.int32, jnp.float32, jnp.float32))),
        counts=jnp.zeros(R, jnp.int32),
        watches=rows.watches,
        steps=jnp.zeros((), jnp.int32),
        writes=jnp.zeros(R, jnp.int32),
    )
    Carry = tuple[list[Layer], Chunk, jax.Array, jax.Array]
    order = jnp.arange(chunk)
    # Of all tokens at once: within the loop, sines and cosines would be computed in every layer anew.
    angles = turns(config, rows.positions[:, None] + order)

    def everywhere(rows: Any) -> Any:
        """Known to all devices that share the rows: else they would ask each other with every look at them."""
        return jax.tree.map(lambda leaf: constrain(leaf, "batch", *[None] * (leaf.ndim - 1)) if leaf.ndim else leaf, rows)

    def unfinished(carry: Carry) -> jax.Array:
        _, done, _, active = carry
        return (done.steps < chunk) & jnp.any(active) & (jnp.sum(rows.active) - jnp.sum(active) < patience)

    def one(carry: Carry) -> Carry:
        staged, done, tokens, active = carry
        at = done.steps
        positions = (rows.positions + at)[:, None]
        attends = decode_attends(config, shared, read, staged, visible, positions, at, seen)
        turned = jax.tree.map(lambda all_: jax.lax.dynamic_slice_in_dim(all_, at, 1, axis=1), angles)
        hidden, staged = run_layers(config, dtype, params, tokens[:, None], positions, attends, turned)
        counts = everywhere(rows.counts + done.counts)
        logits = read_out(config, params, hidden[:, 0])
        with jax.named_scope(SAMPLING):
            own = everywhere(jax.random.key_data(jax.vmap(jax.random.fold_in)(keys, counts)))
            sampled = sample(logits, jax.random.wrap_key_data(own), sampling)
        watches = jnp.where(breaks[sampled.token], rows.waits, jnp.maximum(done.watches - 1, -1))
        watches = jnp.where(active, watches, done.watches)
        stops = jnp.isin(sampled.token, jnp.array(ends)) | (counts + 1 >= rows.limits) | (watches == 0)
        done = done._replace(
            sampled=jax.tree.map(
                lambda so_far, new: jax.lax.dynamic_update_index_in_dim(so_far, jnp.where(active, new, 0), at, axis=1),
                done.sampled,
                sampled,
            ),
            counts=done.counts + active,
            watches=watches,
            steps=at + 1,
        )
        return staged, *everywhere((done, jnp.where(active, sampled.token, tokens), active & ~stops))

    start = stage(config, R, chunk, dtype), *everywhere((nothing, rows.tokens, rows.active))
    staged, done, *_ = jax.lax.while_loop(unfinished, one, start)
    slots = jnp.where(order < done.counts[:, None], rows.slots, A)  # a row that stopped was given no more
    among = jnp.arange(N) % (N // ways("batch")) if rows.problems is None else rows.problems  # pools of the part
    pools = settle(
        pools, jnp.repeat(among, R // N)[:, None], slots, rows.positions[:, None] + order, unstaged(staged), visible.shape[1]
    )
    return pools, done._replace(writes=jnp.sum(slots < A, axis=1))
