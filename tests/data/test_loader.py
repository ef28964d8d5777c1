"""Batches: a pure function of (step, seed), so that resuming needs one integer."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from jorney.data.loader import Batches
from jorney.data.packing import Example, Packed, pack

ROWS, BATCH, EPOCHS = 12, 4, 3


@pytest.fixture(scope="module")
def packed() -> Packed:
    """Row k holds nothing but 10 + k."""
    return pack([Example((10 + row,) * 6, prompt=2) for row in range(ROWS)], 5)


def rows(batch) -> list[int]:
    return [int(row[0]) - 10 for row in batch["tokens"]]


def test_a_batch_depends_on_step_and_seed_alone(packed):
    one, two = Batches(packed, BATCH, EPOCHS, seed=1), Batches(packed, BATCH, EPOCHS, seed=1)
    assert one.steps == ROWS * EPOCHS // BATCH == 9
    forwards = [one[step] for step in range(9)]
    backwards = [two[step] for step in reversed(range(9))][::-1]
    for a, b in zip(forwards, backwards, strict=True):
        assert a.keys() == {"tokens", "targets", "positions", "segment_ids", "loss_mask"}
        for name in a:
            assert a[name].shape == (BATCH, 5)
            np.testing.assert_array_equal(a[name], b[name])


@pytest.mark.parametrize("start", [0, 1, 4, 8, 9])
def test_starting_at_a_step_goes_on_from_there(packed, start):
    batches = Batches(packed, BATCH, EPOCHS, seed=3)
    assert [rows(batch) for batch in batches.start_at(start)] == [rows(batches[step]) for step in range(start, 9)]


def test_every_epoch_has_every_row_once_in_an_order_of_its_own(packed):
    batches = Batches(packed, BATCH, EPOCHS, seed=0)
    seen = list(itertools.chain.from_iterable(rows(batches[step]) for step in range(9)))
    epochs = [seen[at : at + ROWS] for at in range(0, len(seen), ROWS)]
    assert [sorted(epoch) for epoch in epochs] == [list(range(ROWS))] * EPOCHS
    assert len({tuple(epoch) for epoch in epochs}) == EPOCHS


def test_another_seed_is_another_order(packed):
    orders = {tuple(rows(Batches(packed, BATCH, EPOCHS, seed)[0])) for seed in range(5)}
    assert len(orders) == 5


def test_a_row_keeps_its_fields_together(packed):
    batch = Batches(packed, BATCH, 1, seed=0)[0]
    np.testing.assert_array_equal(batch["targets"], batch["tokens"])
    assert batch["loss_mask"].tolist() == [[0, 1, 1, 1, 1]] * BATCH


def test_a_batch_that_does_not_divide_the_rows_is_refused(packed):
    with pytest.raises(ValueError, match="12 rows are no multiple of the batch size 5"):
        Batches(packed, 5, 1, seed=0)


def test_padding_is_the_rows(packed):
    assert Batches(packed, BATCH, 1, 0).padding == packed.padding == 0
