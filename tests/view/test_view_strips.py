"""Trees of one problem from several files."""

from __future__ import annotations

import dataclasses

import pytest
from countdown_trees import countdown_tree
from hypothesis import given
from hypothesis import strategies as st
from random_trees import written_tree
from trees_by_hand import followed_tree

from jorney.domain.countdown.sets import make_problem
from jorney.text.step_format import FORMATS
from jorney.view.comparing.strips import html, same_paths, strip

ROUNDS = [
    ("round 0", [("p", "not solved"), ("q", "solved"), ("r", "not solved")]),
    ("round 1", [("p", "solved over a wrong step"), ("p", "solved"), ("q", "not solved")]),
    ("round 2", [("p", "solved"), ("q", "solved"), ("r", "not solved"), ("s", "solved")]),
]


def test_each_problem_has_an_outcome_for_each_file() -> None:
    found = strip(ROUNDS)
    assert found.outcomes == {
        "p": ("not solved", "solved", "solved"),
        "q": ("solved", "not solved", "solved"),
        "r": ("not solved", None, "not solved"),
        "s": (None, None, "solved"),
    }
    assert found.kinds() == {
        "always solved": ("s",),
        "gained": ("p",),
        "lost": (),
        "back and forth": ("q",),
        "never solved": ("r",),
    }


def test_the_strip_is_a_list_of_buttons() -> None:
    shown = html(strip(ROUNDS), "r", chosen=2)
    assert shown.count("<li>") == 3
    assert "– round 1: not there" in shown
    assert 'data-go="file:2" aria-pressed="true">✕ round 2: not solved' in shown
    assert html(strip(ROUNDS), "unknown") == ""


def test_an_unknown_outcome_is_named() -> None:
    with pytest.raises(ValueError, match="round 9: problem 'p': outcome = 'good': expected one of solved, "):
        strip([("round 9", [("p", "good")])])


def test_paths_are_the_same_by_their_steps() -> None:
    one = followed_tree(0)
    assert same_paths(one, one) == {index: index for index in range(8)}
    nodes = (
        one.nodes[0],
        *(dataclasses.replace(one.nodes[at], parent=max(0, parent)) for at, parent in ((4, 0), (5, 1), (6, 2))),
    )
    assert same_paths(one, dataclasses.replace(one, nodes=nodes)) == {0: 0, 4: 1, 5: 2, 6: 3}


@given(st.integers(0, 1000), st.integers(0, 1000))
def test_same_paths_go_both_ways(seed: int, other: int) -> None:
    problem = make_problem((3, 4, 5, 9), 20)
    for one, two in (
        (countdown_tree(problem, seed), countdown_tree(problem, other)),
        (written_tree(seed), written_tree(other)),
    ):
        found, bare = same_paths(one, two), FORMATS[one.step_format].bare
        assert same_paths(two, one) == dict(sorted((b, a) for a, b in found.items()))
        for a, b in found.items():
            assert [bare(one.nodes[at].text) for at in one.path(a)] == [bare(two.nodes[at].text) for at in two.path(b)]
