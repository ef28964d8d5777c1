"""Batches: a pure function of (step, seed), so that resuming needs one integer."""

from __future__ import annotations

import dataclasses
import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jorney.batch.loader import Batches, hold_out
from jorney.batch.packing import Example, Packed, pack
from jorney.batch.pairs import Preference, lay_out

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


def test_a_digest_is_of_the_rows_content(packed):
    same = dataclasses.replace(packed, **{f.name: getattr(packed, f.name) for f in dataclasses.fields(packed)})
    again = pack([Example((10 + row,) * 6, prompt=2) for row in range(ROWS)], 5)
    one = Batches(packed, BATCH, EPOCHS, seed=1).digest
    assert one == Batches(same, BATCH, EPOCHS, seed=1).digest == Batches(again, 3, 1, seed=2).digest
    assert len(one) == 32
    assert int(one, 16) > 0


@pytest.mark.parametrize("kind", ["packed", "labelled", "preferences"])
def test_a_digest_changes_with_any_entry_of_any_field(kind):
    """One entry of one field is another; or the same bytes in another shape, dtype or field."""
    made = {
        "packed": lambda: pack([Example((5, 6, 7, 8), prompt=2)] * 3, 4),
        "labelled": lambda: pack([Example((5, 6, 7, 8), labels=((1, 1.0),))] * 3, 4),
        "preferences": lambda: lay_out([Preference((5, 6), (7,), (8, 9))] * 3, 3, 4, 4),
    }[kind]()
    names = [field.name for field in dataclasses.fields(made) if getattr(made, field.name) is not None]
    assert len(names) == {"packed": 5, "labelled": 6, "preferences": 8}[kind]
    found = [Batches(made, 3, 1, seed=0).digest]
    for name in names:
        changed = getattr(made, name).copy()
        changed.flat[-1] += 1
        found.append(Batches(dataclasses.replace(made, **{name: changed}), 3, 1, seed=0).digest)
    wider = {name: getattr(made, name).astype(np.int64) for name in names[:1]}
    found.append(Batches(dataclasses.replace(made, **wider), 3, 1, seed=0).digest)
    swapped = {names[0]: getattr(made, names[1]), names[1]: getattr(made, names[0])}
    found.append(Batches(dataclasses.replace(made, **swapped), 3, 1, seed=0).digest)
    assert len(set(found)) == len(found)


def test_a_digest_knows_the_shape_and_labels_that_are_all_missing(packed):
    turned = dataclasses.replace(packed, **{f: getattr(packed, f).reshape(ROWS // 2, -1) for f in ("tokens", "targets")})
    labelled = dataclasses.replace(packed, labels=np.full(packed.tokens.shape, -1, np.float32))
    assert len({Batches(one, 1, 1, seed=0).digest for one in (packed, turned, labelled)}) == 3


@given(st.integers(2, 200), st.floats(0.001, 0.999), st.integers(0, 2**31))
def test_what_is_held_out_is_a_part_of_the_members_and_the_rest_is_trained_on(count, share, seed):
    members = list(range(count))
    wanted = max(1, round(share * count))
    if wanted >= count:
        with pytest.raises(ValueError, match=f"held_out = {share} of {count} examples leaves none to train on"):
            hold_out(members, share, seed)
        return
    train, held = hold_out(members, share, seed)
    assert (sorted([*train, *held]), set(train) & set(held)) == (members, set())
    assert (train, held) == (sorted(train), sorted(held))
    assert len(held) == wanted
    assert hold_out(members, share, seed) == (train, held)
    # Places are drawn, not members: equal ones stay in number.
    assert [len(part) for part in hold_out(["same"] * count, share, seed)] == [len(train), len(held)]


def test_another_seed_holds_out_others():
    drawn = {tuple(hold_out(range(100), 0.1, seed)[1]) for seed in range(20)}
    assert len(drawn) == 20
    counts = np.bincount([one for seed in range(400) for one in hold_out(range(10), 0.3, seed)[1]])
    assert np.all(np.abs(counts - 120) < 5 * math.sqrt(400 * 0.3 * 0.7))


def test_nothing_is_held_out_unasked():
    assert hold_out((3, 1, 2), 0.0, 0) == ([3, 1, 2], [])
    with pytest.raises(ValueError, match="held_out = 0.01 of 1 examples leaves none to train on: expected more examples"):
        hold_out([1], 0.01, 0)
