"""Decoding's kernel against attention by XLA, run by Pallas' interpreter."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jorney.model.attention import Segment, attend
from jorney.model.ragged import BLOCK, blocks_of, by_xla, fits, problems_of_step, ragged_attention


def _case(P: int, rows: int, K: int, G: int, S: int, seen: float, seed: int = 0):
    keys = iter(jax.random.split(jax.random.key(seed), 4))
    H, R = 16, P * rows
    query = jax.random.normal(next(keys), (R, 1, K * G, H))
    pool = tuple(jax.random.normal(next(keys), (P, K, S, H)) for _ in range(2))
    return query, pool, np.array(jax.random.uniform(next(keys), (R, S)) < seen)


def halves(pool):
    """A pool in pieces, where it is of more blocks than one."""
    size = pool[0].shape[2] // BLOCK // 2 * BLOCK
    return [tuple(one[:, :, :size] for one in pool), tuple(one[:, :, size:] for one in pool)] if size else [pool]


@pytest.mark.parametrize(
    ("P", "rows", "K", "G", "S"),
    [(8, 4, 2, 1, 512), (3, 4, 1, 2, 256), (2, 16, 2, 4, 128), (1, 1, 1, 1, 512)],
)
def test_it_is_attention_by_xla(P: int, rows: int, K: int, G: int, S: int) -> None:
    query, pool, visible = _case(P, rows, K, G, S, 0.3)
    visible[:rows, BLOCK // 2 :] = False  # the first problem has one block
    visible[-1] = False  # and the last row sees nothing of its pool
    own = jax.random.normal(jax.random.key(9), (4, P * rows, K, 16, 16))
    staged = Segment(own[0], own[1], jnp.arange(16)[None, None] <= 5)
    elsewhere = Segment(own[2][:1], own[3][:1], jnp.ones((1, 1, 16), bool))
    segments = [staged, Segment(*pool, jnp.asarray(visible[:, None]))]
    read = ragged_attention(query, halves(pool), blocks_of(jnp.asarray(visible), P), staged[:2], jnp.int32(5), False, True)
    np.testing.assert_allclose(read[0].reshape(query.shape), attend(query, segments), atol=2e-6)
    np.testing.assert_allclose(attend(query, [elsewhere], [read]), attend(query, [*segments, elsewhere]), atol=2e-6)


def test_no_block_is_read_that_no_row_of_the_problem_sees() -> None:
    query, pool, visible = _case(4, 4, 2, 1, 512, 0.5)
    visible[:, 128:256] = False
    visible[:4] = False
    blocks = blocks_of(jnp.asarray(visible), 4)
    assert blocks.counts.tolist() == [0, 3, 3, 3]
    assert blocks.order[1, :3].tolist() == [0, 2, 3]
    staged = tuple(one.repeat(4, axis=0)[:, :, :16] for one in pool)
    read = ragged_attention(query, halves(pool), blocks, staged, jnp.int32(3), False, True)
    poisoned = tuple(one.at[0].set(jnp.nan).at[:, :, 128:256].set(jnp.nan) for one in pool)
    again = ragged_attention(query, halves(poisoned), blocks, staged, jnp.int32(3), False, True)
    for one, other in zip(read, again, strict=True):
        np.testing.assert_array_equal(one, other)


def test_pools_of_whole_blocks_fit() -> None:
    assert fits([128, 256], 1 << 20)
    assert not fits([128, 200], 1 << 20)
    assert not fits([128], 2 << 20)  # what a chunk holds is more than the vector memory would
    with by_xla():
        assert not fits([128], 1)


def test_a_step_of_the_grid_holds_what_the_vector_memory_has_room_for() -> None:
    assert problems_of_step(32, 32 * (4 * 4 * 16 + 4 * 8) * 128 * 2) == 8
    assert problems_of_step(32, 32 * (4 * 32 * 16 + 32 * 8) * 128 * 2) == 2  # all 32 heads on a chip
    assert problems_of_step(7, 7) == 7
    assert problems_of_step(22, 22) == 2
    assert problems_of_step(3, 3 << 30) == 1
