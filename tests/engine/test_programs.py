"""The shape of work, and what its programs need."""

from __future__ import annotations

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jorney.engine import cache
from jorney.engine.decode import DecodeRows, decode_chunk
from jorney.engine.drawing import SamplingParams
from jorney.engine.programs import Shape, Work, fit
from jorney.engine.reads import Read, batches
from jorney.engine.spans import Pool, Span
from jorney.model import params as parameters

SHAPE = Shape(problems=4, rows=4, slots=1024, chunk=8, texts=4)


def test_long_runs_are_filled_well() -> None:
    assert [SHAPE.part(n, first=False) for n in (1, 7, 8, 9, 24, 25, 40, 96, 97, 200, 384, 385, 5000)] == [
        *(1, 7, 8, 8, 8, 25, 32, 32, 97, 128, 128, 385, 512)
    ]
    for missing in range(1, 700):
        left, read = missing, 0
        while left:
            part = SHAPE.part(left, first=False)
            read += next(length for _, length in SHAPE.extends if part <= length)
            left -= part
        assert read <= max(8, missing * 4 / 3 + 8)


@given(slots=st.integers(1, 200).map(lambda n: 8 * n), of_way=st.integers(1, 40))
def test_what_no_pool_can_hold_has_no_program(slots: int, of_way: int) -> None:
    """And all that one can hold has the same one as in larger pools."""
    shape = dataclasses.replace(SHAPE, problems=of_way, slots=slots)
    for own, all_sizes, most in (
        (shape.extends, dataclasses.replace(shape, slots=4096).extends, slots),
        (shape.prefills, dataclasses.replace(shape, slots=4096).prefills, of_way * slots),
    ):
        assert own == all_sizes[: len(own)]
        assert len(own) == len(all_sizes) or own[-1][1] >= most
        assert all(length < most for _, length in own[:-1])


def beginning(length: int, problem: int = 0) -> Read:
    span = Span(None, Pool(problem, 0), 0, [])
    return Read(span, [span], [0] * length, 0, np.zeros(0, bool), complete=True, again=False)


def packs(*lengths: int) -> list[tuple[list[int], int]]:
    """(lengths of the beginnings, ids that the program takes) of every batch."""
    shape = dataclasses.replace(SHAPE, problems=64)
    return [([len(read.ids) for read in one.reads], one.length) for one in batches(shape, [beginning(n) for n in lengths])]


def test_beginnings_of_texts_are_read_side_by_side() -> None:
    assert packs(75, 50) == [([75, 50], 128)]
    assert packs(75, 54) == [([75, 54], 256)]
    assert packs(300, 200, 20, 512) == [([512], 512), ([300, 200], 512), ([20], 128)]
    assert packs(*[5] * 20) == [([5] * 16, 512), ([5] * 4, 128)]


def test_every_part_of_the_devices_reads_its_own_problems() -> None:
    """As many at a time as fit in each; a part that has nothing left waits, and the longest says how much is read."""
    shape = dataclasses.replace(SHAPE, problems=64, ways=4)  # 16 problems a part
    found = list(batches(shape, [beginning(n, problem) for n, problem in ((75, 0), (54, 1), (50, 16), (500, 63), (20, 48))]))
    lengths = [([[len(read.ids) for read in own] for own in batch.ways], batch.length, batch.places) for batch in found]
    assert lengths == [
        ([[75, 54], [50], [], [500]], 512, [0, 1, 16, 48]),
        ([[], [], [], [20]], 128, [24]),
    ]
    assert shape.extends == ((16, 8), (4, 32), (1, 128), (1, 512))
    assert dataclasses.replace(shape, problems=4).extends[:2] == ((4, 8), (1, 32))


WORK = Work(problems=16, rows=4, chunk=8, texts=4, needed=200, wanted=600)


def fitted(limit: int | None = None, shared: int = 0, **more: int) -> Shape:
    return fit(dataclasses.replace(WORK, cache_tokens=limit), prompt=100, shared=shared, positions=4096, **more)


def test_the_cache_is_as_large_as_the_work_wants() -> None:
    assert fitted() == Shape(16, 4, 768, 8, 4)
    little = dataclasses.replace(WORK, wanted=10)
    assert fit(little, 100, 0, positions=4096).slots == 384  # what one text needs
    assert fit(little, 100, 0, positions=256).slots == 256  # and the model can read
    assert fitted(ways=12).problems == 24


def test_a_smaller_cache_means_less_at_a_time() -> None:
    """First room for what might be dropped and read again goes, then problems; what one text needs stays."""
    assert fitted(16 * 400) == Shape(16, 4, 400, 8, 4)
    assert fitted(5 * 304) == Shape(5, 4, 304, 8, 4)
    assert fitted(1000, shared=128) == Shape(2, 4, 432, 8, 4, 128)
    assert fitted(5 * 304, ways=4) == Shape(4, 4, 376, 8, 4, ways=4)
    for limit in range(304, 20_000, 111):
        shape = fitted(limit)
        assert shape.tokens <= limit
        assert shape.slots >= 300
    with pytest.raises(ValueError, match="^cache_tokens = 303: expected at least 304, what one problem needs$"):
        fitted(303)
    with pytest.raises(ValueError, match="^cache_tokens = 700: expected at least 1216, what one problem on each of 4 devices"):
        fitted(700, ways=4)


def test_the_devices_memory_is_a_limit() -> None:
    assert fitted(room=5 * 304) == fitted(5 * 304) == fitted(5 * 304, room=10**6)
    with pytest.raises(ValueError, match="^the devices have memory for 20 cached tokens: expected at least 304, what one"):
        fitted(10**6, room=20)


@pytest.mark.parametrize(
    ("slots", "pieces"), [(64, [64]), (504, [504]), (512, [256, 256]), (768, [384, 384]), (3072, [384, 384, 768, 1536])]
)
def test_pools_lie_in_pieces(slots: int, pieces: list[int]) -> None:
    shape = dataclasses.replace(SHAPE, slots=slots)
    assert list(shape.pieces) == pieces
    used = np.zeros(slots, bool)
    assert shape.reach(used) == pieces[0]
    used[pieces[0] - 1] = True
    assert shape.reach(used) == pieces[0]
    used[-1] = True
    assert shape.reach(used) == slots


@pytest.mark.parametrize("slots", range(8, 5000, 408))
def test_pieces_are_the_whole_pool(slots: int) -> None:
    """In eights, as the bits by which programs are told."""
    pieces = dataclasses.replace(SHAPE, slots=slots).pieces
    assert sum(pieces) == slots
    assert all(piece % 8 == 0 for piece in pieces)


def compile_decode(config, slots: int):
    """`decode_chunk` of 4 problems x 4 rows, ahead of time."""
    R, C, array = 16, 4, jax.ShapeDtypeStruct
    params = jax.eval_shape(lambda tree: parameters.unstack(tree, config.layers), parameters.abstract(config))
    pools = jax.eval_shape(lambda: cache.empty(config, 4, dataclasses.replace(SHAPE, slots=slots).pieces, jnp.float32))
    number = array((R,), jnp.int32)
    rows = DecodeRows(
        array((R,), bool), *[number] * 6, array((R, 2), jnp.uint32), array((R, C), jnp.int32), array((R, slots // 8), jnp.uint8)
    )
    program = jax.jit(functools.partial(decode_chunk, config, jnp.float32, (2,), C), donate_argnums=2)
    breaks, knob = array((config.vocab_size,), bool), jax.eval_shape(lambda: SamplingParams.of(0.7, 0.9))
    return program.lower(params, None, pools, rows, breaks, array((), jnp.int32), knob).compile().memory_analysis()


def test_the_cache_is_never_copied(tiny) -> None:
    """The pools are updated where they lie, and nothing as large as one layer's keys is held beside them."""
    tiny = dataclasses.replace(tiny, head_dim=64)  # as models have it: scores are small beside keys
    small, large = (compile_decode(tiny, slots) for slots in (1024, 8192))
    of_a_layer = 4 * tiny.kv_heads * tiny.head_dim * 4  # bytes a slot, of the keys alone
    for slots, found in ((1024, small), (8192, large)):
        assert found.alias_size_in_bytes >= 2 * tiny.layers * of_a_layer * slots
    assert large.temp_size_in_bytes - small.temp_size_in_bytes < of_a_layer * (8192 - 1024)
