"""Rows of groups, by hand and by law: nothing is lost, nothing stands elsewhere."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jorney.batch.groups import Group, GroupRows, Trajectory, lay_out_groups
from jorney.batch.pairs import Preference, lay_out
from jorney.model.flops import group_row

OPTIONAL = ("sampled", "old", "reference", "chosen")


def by_hand() -> list[Group]:
    first = Group((1, 5), (Trajectory((7, 8, 2), (0.5, 0.5, 1.5)), Trajectory((9,), (-2.0,)), Trajectory((6, 2), (0.0, 3.0))))
    return [first, Group((1, 3, 4), (Trajectory((8,) * 4, (1.0, 2.0, 3.0, 4.0)),))]


def test_rows_by_hand() -> None:
    rows = lay_out_groups(by_hand(), 2, rows_multiple=4, prompt_length=4, completion_length=5)
    assert rows.tokens.tolist() == [
        [0, 0, 1, 5, 7, 8, 2, 0, 0, 9, 0, 0, 0, 0],
        [0, 0, 1, 5, 6, 2, 0, 0, 0, 0, 0, 0, 0, 0],
        [0, 1, 3, 4, 8, 8, 8, 8, 0, 0, 0, 0, 0, 0],
        [0] * 14,
    ]
    assert rows.positions[:3].tolist() == [
        [0, 0, 0, 1, 2, 3, 4, 0, 0, 2, 0, 0, 0, 0],
        [0, 0, 0, 1, 2, 3, 0, 0, 0, 0, 0, 0, 0, 0],
        [0, 0, 1, 2, 3, 4, 5, 6, 0, 0, 0, 0, 0, 0],
    ]
    assert rows.parts[:2].tolist() == [[0, 0, 1, 1, 2, 2, 2, 0, 0, 3, 0, 0, 0, 0], [0, 0, 1, 1, 2, 2, *[0] * 8]]
    assert rows.segments[0].tolist() == [1, 1, 1, 0, 0, 2, 0, 0, 0, 0]
    assert rows.lengths.tolist() == [[3, 1], [2, 0], [4, 0], [0, 0]]
    assert rows.owners.tolist() == [0, 0, 1, -1]
    assert rows.advantages[0].tolist() == [0.5, 0.5, 1.5, 0, 0, -2, 0, 0, 0, 0]
    assert all(getattr(rows, name) is None for name in OPTIONAL)
    assert rows.row == group_row(4, 5, 2)
    assert rows.read_out(rows.arrays) == 10
    assert rows.occupied(rows.arrays) == 2 + 4 + 2 + 2 + 3 + 4
    found = rows.per_completion(rows.advantages)
    assert [[one.tolist() for one in group] for group in found] == [[[0.5, 0.5, 1.5], [-2], [0, 3]], [[1, 2, 3, 4]]]


def test_lengths_are_rounded_up_and_rows_are_as_many_as_asked_for() -> None:
    rows = lay_out_groups(by_hand(), 3, rows=5)
    assert rows.tokens.shape == (5, 32 + 3 * 32)
    assert rows.owners.tolist() == [0, 1, -1, -1, -1]
    assert len(lay_out_groups(by_hand(), 3)) == 2


@st.composite
def some_groups(draw) -> list[Group]:
    """Of 1 to 5 completions each, with all optional numbers or some."""
    known = draw(st.sets(st.sampled_from(OPTIONAL)))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))

    def trajectory() -> Trajectory:
        count = int(rng.integers(1, 9))
        numbers = {name: rng.normal(size=count).astype(np.float32) for name in known}
        if "chosen" in numbers:
            numbers["chosen"] = numbers["chosen"] > 0
        return Trajectory(tuple(rng.integers(1, 99, count).tolist()), rng.normal(size=count).astype(np.float32), **numbers)

    sizes = draw(st.lists(st.integers(1, 5), min_size=1, max_size=4))
    return [
        Group(tuple(rng.integers(1, 99, rng.integers(1, 7)).tolist()), tuple(trajectory() for _ in range(n))) for n in sizes
    ]


def same(rows: GroupRows, name: str, groups: list[Group]) -> None:
    for found, group in zip(rows.per_completion(getattr(rows, name)), groups, strict=True):
        for values, one in zip(found, group.completions, strict=True):
            np.testing.assert_array_equal(values, getattr(one, name))


@given(some_groups(), st.integers(1, 6), st.integers(1, 4))
def test_what_is_laid_out_is_found_again(groups: list[Group], branches: int, multiple: int) -> None:
    rows = lay_out_groups(groups, branches, multiple, prompt_length=7, completion_length=9)
    wanted = sum(-(-len(group.completions) // branches) for group in groups)
    assert len(rows) % multiple == 0
    assert wanted <= len(rows) < wanted + multiple
    assert rows.tokens.shape == (len(rows), 7 + 9 * branches)
    for name in ("advantages", *OPTIONAL):
        if getattr(groups[0].completions[0], name) is None:
            assert getattr(rows, name) is None
        else:
            same(rows, name, groups)
            assert not getattr(rows, name)[rows.segments == 0].any()
    completions = dataclasses.replace(rows, advantages=rows.tokens[:, 7:])
    for found, group in zip(completions.per_completion(completions.advantages), groups, strict=True):
        assert [tuple(one.tolist()) for one in found] == [one.tokens for one in group.completions]
    for row, owner in enumerate(rows.owners):
        prompt = groups[owner].prompt if owner >= 0 else ()
        assert tuple(rows.tokens[row, :7][rows.parts[row, :7] == 1].tolist()) == tuple(prompt)
        assert rows.parts[row, 7 - len(prompt) : 7].all()
    assert rows.occupied(rows.arrays) == (rows.tokens > 0).sum()
    assert rows.read_out(rows.arrays) == rows.lengths.sum() == sum(len(t.tokens) for g in groups for t in g.completions)
    np.testing.assert_array_equal(rows.parts[:, 7:] > 0, rows.segments > 0)
    np.testing.assert_array_equal(rows.parts[:, 7:][rows.segments > 0], rows.segments[rows.segments > 0] + 1)


def test_two_branches_are_a_preference_pairs_row() -> None:
    pairs = [Preference((1, 5), (7, 8, 2), (9,)), Preference((1, 3, 4), (8,) * 4, (6, 2))]
    groups = [
        Group(one.prompt, tuple(Trajectory(ids, (1.0,) * len(ids)) for ids in (one.chosen, one.rejected))) for one in pairs
    ]
    ours, theirs = lay_out_groups(groups, 2, 4), lay_out(pairs, 4)
    for name in ("tokens", "positions", "parts"):
        np.testing.assert_array_equal(getattr(ours, name), getattr(theirs, name))
    assert ours.row == theirs.row


def test_numbers_that_are_filled_in_later_are_found_by_completion() -> None:
    rows = lay_out_groups(by_hand(), 2, 4)
    scored = dataclasses.replace(rows, old=rows.advantages - 1)
    assert scored.per_completion(scored.old)[0][2].tolist() == [-1.0, 2.0]


def changed(**fields) -> list[Group]:
    first, second = by_hand()
    completions = (dataclasses.replace(first.completions[0], **fields), *first.completions[1:])
    return [second, dataclasses.replace(first, completions=completions)]


@pytest.mark.parametrize(
    ("groups", "stated", "message"),
    [
        ([], {}, "there are no groups"),
        ([Group((1,), ())], {}, "group 0: expected a prompt and at least one completion"),
        ([Group((), by_hand()[0].completions)], {}, "group 0: expected a prompt"),
        (changed(tokens=()), {}, "group 1, completion 0: expected at least one token"),
        (changed(advantages=(1.0,)), {}, "group 1, completion 0 has 1 advantages: expected one for each of its 3 tokens"),
        (changed(old=(1.0,) * 3), {}, "group 1, completion 0: expected old of all completions, or of none"),
        (by_hand(), {"prompt_length": 2}, "group 1 needs 3 tokens: expected at most prompt_length = 2"),
        (by_hand(), {"completion_length": 3}, "group 1 needs 4 tokens: expected at most completion_length = 3"),
        (by_hand(), {"rows": 2}, "2 groups take 3 rows of 2 completions: expected at most 2"),
    ],
)
def test_what_does_not_fit_is_named(groups: list[Group], stated: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        lay_out_groups(groups, 2, **stated)
