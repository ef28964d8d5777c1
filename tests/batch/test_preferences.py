"""Rows of preference pairs, by hand and by law."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jorney.batch.pairs import Preference, choose_pairs, lay_out


def test_a_row_by_hand() -> None:
    rows = lay_out([Preference((1, 5), (7, 8, 2), (9,)), Preference((1,) * 33, (4,), (6,) * 2)], rows_multiple=4)
    assert len(rows) == 4
    row = rows[0]
    assert row["tokens"].shape == (64 + 2 * 32,)
    assert row["tokens"][[61, 62, 63, 64, 65, 66, 67, 96, 97]].tolist() == [0, 1, 5, 7, 8, 2, 0, 9, 0]
    assert row["positions"][[62, 63, 64, 65, 66, 96]].tolist() == [0, 1, 2, 3, 4, 2]
    assert row["parts"][[62, 63, 61, 64, 66, 67, 96, 97]].tolist() == [1, 1, 0, 2, 2, 0, 3, 0]
    assert row["chosen_mask"].sum() == 3
    assert row["rejected_mask"].sum() == 1
    assert [int(rows[i]["pair_mask"]) for i in range(4)] == [1, 1, 0, 0]
    assert rows.padding == pytest.approx(1 - (2 + 3 + 1 + 33 + 1 + 2) / (4 * 128))


@given(st.integers(0, 30), st.integers(0, 30), st.integers(1, 8), st.integers(0, 5))
def test_pairs_are_drawn_without_repetition(right, wrong, limit, seed) -> None:
    positives, negatives = [f"+{i}" for i in range(right)], [f"-{i}" for i in range(wrong)]
    pairs = choose_pairs(positives, negatives, limit, random.Random(seed))
    assert len(pairs) == min(right, wrong, limit)
    assert len({chosen for chosen, _ in pairs}) == len({rejected for _, rejected in pairs}) == len(pairs)
    assert all(chosen in positives and rejected in negatives for chosen, rejected in pairs)
    assert choose_pairs(positives, negatives, limit, random.Random(seed)) == pairs


def test_nothing_to_lay_out() -> None:
    with pytest.raises(ValueError, match="there are no preference pairs"):
        lay_out([])
    with pytest.raises(ValueError, match="preference 1: expected a prompt and two completions"):
        lay_out([Preference((1,), (2,), (3,)), Preference((1,), (2,), ())])


def test_every_token_is_somewhere() -> None:
    rng = random.Random(0)
    draw = lambda: tuple(rng.randrange(3, 99) for _ in range(rng.randint(1, 50)))  # noqa: E731
    pairs = [Preference(draw(), draw(), draw()) for _ in range(20)]
    rows = lay_out(pairs)
    for row, pair in enumerate(pairs):
        for part, ids in ((1, pair.prompt), (2, pair.chosen), (3, pair.rejected)):
            assert tuple(np.asarray(rows[row]["tokens"])[rows[row]["parts"] == part].tolist()) == ids


def test_lengths_that_are_given() -> None:
    pairs = [Preference((1, 5), (7, 8, 2), (9,)), Preference((1,), (4,), (6,) * 5)]
    row = lay_out(pairs, prompt_length=2, completion_length=5)[0]
    assert row["tokens"].tolist() == [1, 5, 7, 8, 2, 0, 0, 9, 0, 0, 0, 0]
    assert row["positions"].tolist() == [0, 1, 2, 3, 4, 0, 0, 2, 0, 0, 0, 0]
    with pytest.raises(ValueError, match="preference 0 needs 2 tokens: expected at most prompt_length = 1"):
        lay_out(pairs, prompt_length=1)
    with pytest.raises(ValueError, match="preference 1 needs 5 tokens: expected at most completion_length = 4"):
        lay_out(pairs, completion_length=4)
