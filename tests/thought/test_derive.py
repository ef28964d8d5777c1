"""Laws of derived thoughts, over random trees."""

from __future__ import annotations

import dataclasses
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from random_trees import random_tree

from jorney.thought.derive import EXCURSIONS, DeriveConfig, shortcuts, walk
from jorney.tree.tree import Node, Tree

TREES = st.integers(0, 10_000).map(random_tree)
CONFIGS = st.builds(DeriveConfig, trials=st.integers(1, 4), excursion=st.sampled_from(EXCURSIONS))


def _walks(tree: Tree, config: DeriveConfig, seed: int = 0):
    return [(leaf, walk(tree, leaf, config, seed)) for leaf in shortcuts(tree)]


@settings(max_examples=300)
@given(TREES, CONFIGS)
def test_a_journey_ends_on_its_correct_leaf(tree, config) -> None:
    for leaf, visits in _walks(tree, config):
        assert visits[-1].node == leaf
        assert tree.nodes[leaf].status == "leaf-correct"
        assert visits[-1].back_to is None


@settings(max_examples=300)
@given(TREES, CONFIGS)
def test_a_journey_holds_its_shortcut_in_order(tree, config) -> None:
    for leaf, visits in _walks(tree, config):
        assert [visit.node for visit in visits if not visit.excursion] == tree.path(leaf)


@settings(max_examples=300)
@given(TREES, CONFIGS)
def test_at_most_k_minus_1_excursions_a_node(tree, config) -> None:
    for _, visits in _walks(tree, config):
        backs = [visit.back_to for visit in visits if visit.back_to is not None]
        assert all(backs.count(node) <= config.trials - 1 for node in backs)


@settings(max_examples=300)
@given(TREES, CONFIGS)
def test_every_stop_is_a_child_of_the_one_before(tree, config) -> None:
    """Steps go down by one, and back only to the node at which the excursion began."""
    for _, visits in _walks(tree, config):
        at = 0
        for visit in visits:
            assert tree.nodes[visit.node].parent == at
            at = visit.node if visit.back_to is None else visit.back_to
            assert (visit.back_to is None) or visit.excursion


@settings(max_examples=300)
@given(TREES, CONFIGS)
def test_excursions_begin_wrong_and_fail(tree, config) -> None:
    for leaf, visits in _walks(tree, config):
        on_path = {0, *tree.path(leaf)}
        for visit in visits:
            if visit.excursion and tree.nodes[visit.node].parent in on_path:
                assert tree.nodes[visit.node].correct is False
            if visit.back_to is not None:
                assert tree.nodes[visit.node].status != "leaf-correct"
                if config.excursion != "one-step" and not tree.nodes[visit.node].leaf:
                    assert not tree.children(visit.node)


@settings(max_examples=200)
@given(TREES, CONFIGS, st.integers(0, 3))
def test_reproducible_from_its_seed(tree, config, seed) -> None:
    random.seed(0)
    first = _walks(tree, config, seed)
    random.seed(1)
    assert _walks(tree, config, seed) == first


@settings(max_examples=200)
@given(TREES)
def test_shortcuts_are_valid_and_ordered(tree) -> None:
    found = shortcuts(tree)
    for leaf in found:
        assert all(tree.nodes[step].correct is not False for step in tree.path(leaf))
    means = []
    for leaf in found:
        values = [value for step in tree.path(leaf) for value in tree.nodes[step].log_probs[tree.nodes[step].given or 0 :]]
        means.append(sum(values) / len(values))
    assert means == sorted(means, reverse=True)
    assert shortcuts(tree, per_tree=1) == found[:1]


def _tree(*nodes: Node) -> Tree:
    return Tree("t", "q", "24", "abel", (Node(None), *nodes))


def _node(parent: int, sibling: int, correct: bool = True, status: str = "kept", **more: object) -> Node:
    return Node(parent, f"{parent}.{sibling}", (1,), (-1.0,), sibling, 1, correct, status=status, **more)


def test_ids_that_were_given_do_not_make_a_shortcut_likelier() -> None:
    """Both begin with three given ids; the sampled ones of the first have -1.0 each, nine of the second -0.8."""
    end = {"status": "leaf-correct", "given": 3}
    first = Node(0, "a", (1,) * 6, (0.0,) * 3 + (-1.0,) * 3, 0, 1, True, **end)
    second = Node(0, "b", (1,) * 12, (0.0,) * 3 + (-0.8,) * 9, 1, 1, True, **end)
    assert shortcuts(_tree(first, second)) == [2, 1]


def test_order_of_sampling_decides() -> None:
    """Wrong children before the right one are walked, K - 1 of them; those after it are not."""
    tree = _tree(
        _node(0, 0, correct=False, status="unfinished"),
        _node(0, 1, correct=False, excursion=True),
        _node(0, 2),
        _node(0, 3, correct=False, status="pruned"),
        _node(2, 0, correct=False, status="leaf-wrong", excursion=True),
        _node(3, 0, status="leaf-correct"),
    )
    stops = lambda config: [(v.node, v.excursion, v.back_to) for v in walk(tree, 6, config, 0)]  # noqa: E731
    assert stops(DeriveConfig(trials=1)) == [(3, False, None), (6, False, None)]
    assert stops(DeriveConfig(trials=2)) == [(1, True, 0), (3, False, None), (6, False, None)]
    both = [(1, True, 0), (2, True, None), (5, True, 0), (3, False, None), (6, False, None)]
    assert stops(DeriveConfig(trials=3)) == stops(DeriveConfig(trials=4)) == both
    one_step = [(1, True, 0), (2, True, 0), (3, False, None), (6, False, None)]
    assert stops(DeriveConfig(trials=3, excursion="one-step")) == one_step
    # "always" takes the wrong child that was followed.
    assert stops(DeriveConfig(excursion="always"))[:2] == [(2, True, None), (5, True, 0)]
    assert stops(DeriveConfig(excursion="none")) == [(3, False, None), (6, False, None)]


def test_an_excursion_that_would_succeed_is_not_walked() -> None:
    """A wrong step may still end on the right answer; nothing failed there that could be noticed."""
    tree = _tree(
        _node(0, 0, correct=False, excursion=True), _node(0, 1, status="leaf-correct"), _node(1, 0, status="leaf-correct")
    )
    assert [visit.node for visit in walk(tree, 2, DeriveConfig(), 0)] == [2]
    assert shortcuts(tree) == [2]  # the path through the wrong step is none
    with pytest.raises(ValueError, match="node 3: expected the leaf of a shortcut"):
        walk(tree, 3, DeriveConfig(), 0)


@pytest.mark.parametrize(("field", "value"), [("trials", 0), ("excursion", "some"), ("per_tree", 0)])
def test_wrong_settings(field, value) -> None:
    with pytest.raises(ValueError, match=f"derive.{field} = "):
        dataclasses.replace(DeriveConfig(), **{field: value})
