"""Which sides of a tree are held against each other: by hand, and by law on random trees."""

from __future__ import annotations

import dataclasses
import itertools
from collections import Counter

import pytest
from countdown_trees import countdown_tree
from hypothesis import given, settings
from hypothesis import strategies as st
from random_trees import random_tree, written_tree
from trees_by_hand import followed_tree

from jorney.domain.countdown.sets import Countdown, sample_problems
from jorney.rows import trl
from jorney.tree.contrasts import (
    CONTRASTS,
    Contrast,
    ContrastConfig,
    continuation,
    contrasts,
    detours,
    score_doubt,
    visits_doubt,
)
from jorney.tree.shape import response, solved
from jorney.tree.tree import Node, Tree

ALL = ContrastConfig(per_node=None, per_tree=None)
SEEDS = st.integers(0, 100_000)


def tree(*nodes: Node) -> Tree:
    return Tree("t", "q", "9", "abel", (Node(None), *nodes))


def node(parent: int, sibling: int, text: str, rating: int | None, status: str = "kept", **more) -> Node:
    return Node(parent, text, sibling=sibling, rating=rating, status=status, **more)


# Two right first steps, of which one leads to the answer, and two wrong ones, of which one was misjudged.
HAND = tree(
    node(0, 0, "1. a", 1, count=3, score=0.9),
    node(0, 1, "1. b", 0, "pruned", score=0.6),
    node(0, 2, "1. c", -1, count=1, score=0.4),
    node(0, 3, "1. d", -1, score=0.1),
    node(1, 0, "2. e\n#### 9", 1, "leaf-correct"),
    node(1, 1, "2. f\n#### 8", -1, "leaf-wrong"),
    node(3, 0, "2. g\n#### 7", -1, "leaf-wrong"),
    node(4, 0, "2. h\n#### 9", -1, "leaf-correct"),
)


def test_steps_by_hand() -> None:
    """Neutral is right; the fourth step was judged wrong, though the right answer stands below it."""
    assert contrasts(HAND, "step", ALL, 0) == [
        Contrast((), (1,), (3,)),
        Contrast((), (2,), (3,)),
        Contrast((1,), (5,), (6,)),
    ]


def test_first_errors_by_hand() -> None:
    """Of a path that errs twice the first error counts; a wrong step that leads nowhere is none."""
    more = tree(*HAND.nodes[1:], node(1, 2, "2. dead end", -1, "pruned"), node(3, 1, "2. i\n#### 9", 1, "leaf-wrong"))
    found = contrasts(more, "first-error", ALL, 0)
    assert [(one.prefix, one.rejected) for one in found] == [((), (3,)), ((), (3,)), ((1,), (6,))]
    assert ((1,), (9,)) in [(one.prefix, one.rejected) for one in contrasts(more, "step", ALL, 0)]


def test_subtrees_and_leaves_by_hand() -> None:
    assert contrasts(HAND, "subtree", ALL, 0) == [Contrast((), (1, 5), (3, 7)), Contrast((1,), (5,), (6,))]
    assert contrasts(HAND, "leaf", ALL, 0) == [Contrast((), (1, 5), (1, 6)), Contrast((), (1, 5), (3, 7))]
    assert detours(HAND, ALL, 0) == [Contrast((), (1, 5), (3, 7))]


def test_by_scores_visits_and_values() -> None:
    def roots(**how) -> set[tuple[int, int]]:
        config = dataclasses.replace(ALL, **how)
        return {(one.chosen[0], one.rejected[0]) for one in contrasts(HAND, "step", config, 0) if not one.prefix}

    assert roots(by="score") == {(1, 2), (1, 3), (1, 4), (2, 3), (2, 4)}  # never one that was judged wrong
    assert roots(by="score", margin=0.3) == {(1, 2), (1, 3), (1, 4), (2, 4)}
    assert roots(by="visits") == {(1, 2), (1, 3), (1, 4)}
    assert roots(by="value") == {(1, 3)}  # 1/2 against 0; of the second nothing is known, the last has 1
    assert roots(by="value", margin=0.6) == set()


def test_doubts_by_hand() -> None:
    """MCTS-DPO's visits of 3 and 1 give 0.25."""
    assert visits_doubt(3, 1) == pytest.approx(0.25)
    assert visits_doubt(1, 3) == 0.5
    assert [score_doubt(*pair) for pair in ((1, 0), (0.5, 0.5), (0.9, 0.4), (0, 1), (3, -2))] == [0, 0.5, 0.25, 0.5, 0]
    visits, scores = (
        {one.parting: one.smoothing for one in contrasts(HAND, "step", dataclasses.replace(ALL, smoothing=how), 0)}
        for how in ("visits", "score")
    )
    assert visits == {(1, 3): 0.25, (2, 3): 0.5, (5, 6): 0.5}
    assert scores == {(1, 3): pytest.approx(0.25), (2, 3): pytest.approx(0.4), (5, 6): 0}  # of the last the ratings
    bare = tree(node(0, 0, "1. a", None, count=2), node(0, 1, "1. b", None))
    by = dataclasses.replace(ALL, by="visits", smoothing="score")
    with pytest.raises(ValueError, match="tree 't': node 1: has neither score nor rating"):
        contrasts(bare, "step", by, 0)


def test_equal_texts_are_no_pair() -> None:
    same = tree(node(0, 0, "1. a  b", 1), node(0, 1, "1.  a\nb ", -1), node(0, 2, "1.", -1), node(0, 3, "1. a b", 1))
    assert contrasts(same, "step", ALL, 0) == []


def test_whole_solutions_are_those_that_are_exported() -> None:
    for seed in range(30):
        one = written_tree(seed)
        rows = {(row["chosen"], row["rejected"]) for row in trl.leaves(one, 100)}
        pairs = {(response(one, c.chosen), response(one, c.rejected)) for c in contrasts(one, "leaf", ALL, 0)}
        assert rows <= pairs


def test_a_continuation_goes_to_an_answer() -> None:
    assert [continuation(HAND, 1, right) for right in (True, False)] == [[5], [6]]
    assert continuation(HAND, 2, True) == continuation(HAND, 5, True) == []


def test_followed_steps_of_countdown() -> None:
    one = followed_tree(0)
    assert contrasts(one, "step", ALL, 0) == [Contrast((), (4,), (1,)), Contrast((4,), (5,), (7,))]
    assert contrasts(one, "first-error", ALL, 0) == [Contrast((), (4,), (1,))]
    assert detours(one, ALL, 0) == contrasts(one, "subtree", ALL, 0) == [Contrast((), (4, 5, 6), (1, 2, 3))]


@settings(max_examples=60)
@given(SEEDS, st.sampled_from(CONTRASTS), st.integers(1, 3), st.integers(1, 4), st.integers(0, 9))
def test_laws(seed: int, kind: str, per_node: int, per_tree: int, draw: int) -> None:
    one = random_tree(seed)
    # Steps' texts must differ, or they are no pairs.
    one = dataclasses.replace(
        one, nodes=tuple(dataclasses.replace(n, text=f"{i}") if i else n for i, n in enumerate(one.nodes))
    )
    every = contrasts(one, kind, ALL, draw)
    config = ContrastConfig(per_node, per_tree)
    found = contrasts(one, kind, config, draw)
    assert found == contrasts(one, kind, config, draw)
    assert len(found) == min(per_tree, len(every)) if kind == "leaf" else len(found) <= per_tree
    assert bool(found) == bool(every)
    assert len({c[:3] for c in found}) == len(found)
    if kind != "subtree":  # of which each limit draws the answers alike, too
        assert set(found) <= set(every)
    if kind != "leaf":
        assert all(count <= per_node for count in Counter(c.prefix for c in found).values())
    right = {path[-1] for path in solved(one)}
    for prefix, chosen, rejected, smoothing in every:
        assert smoothing is None
        assert chosen != rejected
        for side in (chosen, rejected):
            assert one.path(side[-1]) == [*prefix, *side]
        if prefix:
            assert one.valid(prefix[-1])
        if kind in ("subtree", "leaf"):
            assert chosen[-1] in right
            assert one.nodes[rejected[-1]].status == "leaf-wrong"
        else:
            assert one.valid(chosen[0])
            assert one.nodes[rejected[0]].rating == -1
            assert len(chosen) == len(rejected) == 1
    if kind == "first-error":
        assert set(every) <= set(contrasts(one, "step", ALL, draw))


def test_what_is_taken_depends_on_the_seed() -> None:
    problem = sample_problems(Countdown(), "train", 1, 0)[0]
    one = countdown_tree(problem, 0, w=8)
    config = ContrastConfig(per_node=1, per_tree=2)
    drawn = {tuple(contrasts(one, "step", config, seed)) for seed in range(20)}
    assert len(drawn) > 3
    assert all(len(pairs) == 2 for pairs in drawn)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"per_node": 0}, "contrast.per_node = 0: expected 1 or more, or None for all"),
        ({"per_tree": 1.5}, "contrast.per_tree = 1.5: expected a whole number"),
        ({"by": "luck"}, "contrast.by = 'luck': expected one of rating, score, visits, value"),
        ({"smoothing": "some"}, "contrast.smoothing = 'some': expected one of none, visits, score"),
        ({"margin": -1.0}, "contrast.margin = -1.0: expected 0 or more"),
        ({"margin": 0.2}, "contrast.margin = 0.2: expected 0 with contrast.by = 'rating'"),
    ],
)
def test_fields(fields, message) -> None:
    with pytest.raises(ValueError, match=message):
        ContrastConfig(**fields)


def test_an_unknown_kind() -> None:
    with pytest.raises(ValueError, match="pairs = 'node': expected one of step, first-error, subtree, leaf"):
        contrasts(HAND, "node", ALL, 0)
    assert len(list(itertools.chain(*(contrasts(HAND, kind, ALL, 0) for kind in CONTRASTS)))) == 10
