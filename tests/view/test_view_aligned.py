"""Collections on the same problems, with numbers by hand."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jorney.view.comparing.aligned import HOW, align, html, side, words

A = [("p1", True), ("p2", True), ("p3", False), ("p4", False), ("p5", True), ("p6", None), ("p7", True)]
B = [("p1", True), ("p2", False), ("p3", True), ("p4", False), ("p5", False), ("p6", True), ("p8", True)]


def test_two_collections_make_four_quadrants() -> None:
    found = align([side("A", A), side("B", B)])
    assert {one.words: one.ids for one in found.quadrants} == {
        "only A": ("p2", "p5"),
        "only B": ("p3",),
        "both": ("p1",),
        "neither": ("p4",),
    }
    assert found.ids("10") == ("p2", "p5")
    assert found.ids("111") == ()
    assert [(one.right, one.n) for one in found.accuracies] == [(3, 5), (2, 5)]
    (test,) = found.tests
    # 2 against 1: both tails of three throws of a coin, 2 * (1 + 3) / 8 = 1.
    assert (test.paired.only_a, test.paired.only_b, test.paired.p, test.p_holm) == (2, 1, 1.0, 1.0)
    assert test.paired.difference == pytest.approx(0.2)


def test_what_is_left_out_is_said_with_why() -> None:
    found = align([side("A", A), side("B", B)])
    assert {one.why: one.ids for one in found.left_out} == {
        "without a grade in A": ("p6",),
        "not in B": ("p7",),
        "not in A": ("p8",),
    }
    assert words(found) == (
        "5 problems that all have (one sample a problem). Left out: 1 not in B; 1 without a grade in A; 1 not in A."
    )


@pytest.mark.parametrize(("how", "right"), [("majority", [False, True]), ("any", [True, True]), ("all", [False, False])])
def test_several_samples_are_worth_what_is_said(how: str, right: list[bool]) -> None:
    rows = [("p", True), ("q", False), ("p", False), ("q", True), ("q", True), ("p", None)]
    found = side("A", rows, how)
    assert list(found.right.values()) == right
    assert found.words == f"2 to 3 samples a problem; {HOW[how][1]}"


def test_the_first_of_several_samples() -> None:
    assert side("A", [("p", None), ("p", False), ("p", True), ("q", True)]).right == {"p": False, "q": True}


def test_more_than_two_make_patterns_and_are_corrected_for_their_number() -> None:
    c = [(id_, True) for id_, _ in A]
    found = align([side("A", A), side("B", B), side("C", c)])
    assert [(one.key, one.words, len(one.ids)) for one in found.quadrants] == [
        ("111", "all", 1),
        ("101", "only A and C", 2),
        ("011", "only B and C", 1),
        ("001", "only C", 1),
    ]
    assert [(one.a, one.b) for one in found.tests] == [("A", "B"), ("A", "C"), ("B", "C")]
    # 0 against 2: 2 / 4; 0 against 3: 2 / 8, thrice.
    assert [one.paired.p for one in found.tests] == pytest.approx([1.0, 0.5, 0.25])
    assert [one.p_holm for one in found.tests] == pytest.approx([1.0, 1.0, 0.75])


def test_no_problem_in_common() -> None:
    found = align([side("A", [("p", True)]), side("B", [("q", True)])])
    assert (found.n, found.tests, [one.low for one in found.accuracies]) == (0, (), [None, None])
    assert "0 problems that all have" in html(found)


def test_what_cannot_be_compared_is_refused() -> None:
    with pytest.raises(ValueError, match="expected two or more"):
        align([side("A", A)])
    with pytest.raises(ValueError, match="a name of its own"):
        align([side("A", A), side("A", B)])
    with pytest.raises(ValueError, match="how = 'best': expected one of majority"):
        side("A", A, "best")


def test_names_are_no_markup_and_buttons_say_what_they_ask_for() -> None:
    shown = html(align([side('<img src=x onerror="a">', A), side("B", B)]), chosen="10")
    assert "<img" not in shown
    assert shown.count("<button") == 4
    assert 'data-go="quadrant:10" aria-pressed="true"' in shown
    assert 'data-go="quadrant:01" aria-pressed="false"' in shown


@given(st.lists(st.lists(st.tuples(st.sampled_from("abcdefgh"), st.sampled_from([True, False, None]))), min_size=2, max_size=4))
def test_every_problem_is_in_one_quadrant_or_left_out(rows: list[list[tuple[str, bool | None]]]) -> None:
    found = align([side(str(at), own, "majority") for at, own in enumerate(rows)])
    placed = [id_ for one in (*found.quadrants, *found.left_out) for id_ in one.ids]
    assert sorted(placed) == sorted({id_ for own in rows for id_, _ in own})
    for at, one in enumerate(found.accuracies):
        assert one.right == sum(len(quadrant.ids) for quadrant in found.quadrants if quadrant.key[at] == "1")
