"""Which nodes are drawn: all of a small tree, the beam of a large one, and what is selected in any case."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from random_trees import random_tree
from trees_by_hand import followed_tree

from jorney.show.tree_folding import FOLDS, Folding, best_path, fold
from jorney.tree.tree import Node, Tree


def wide(levels: int = 3, width: int = 8) -> Tree:
    """Each level's first node has `width` children; the first is kept, the others are pruned."""
    nodes, parent = [Node(None)], 0
    for _ in range(levels):
        for sibling in range(width):
            nodes.append(Node(parent, "s", sibling=sibling, rating=1, status="kept" if not sibling else "pruned"))
        parent = len(nodes) - width
    return Tree("wide", "q", "a", "abel", tuple(nodes))


def test_a_small_tree_is_drawn_whole():
    found = fold(followed_tree(0), Folding())
    assert found.order == [0, 1, 4, 2, 5, 7, 3, 6]
    assert (found.hidden, found.total, found.beside) == ({}, 0, 0)


def test_a_large_one_is_folded_to_its_beam():
    tree = wide()
    assert fold(tree, Folding(many=24)).total == 0
    found = fold(tree, Folding(many=23))
    assert found.order == [0, 1, 9, 17]
    assert found.hidden == {0: 7, 1: 7, 9: 7}
    assert found.total == 21


def test_the_leaves_of_solved_paths_belong_to_the_beam():
    # The wrong first step was followed: an excursion, folded with all below it. So is what was pruned.
    found = fold(followed_tree(0), Folding("beam"))
    assert found.order == [0, 4, 5, 6]
    assert found.hidden == {0: 3, 4: 1}


def test_levels_best_path_root_and_selection():
    tree = followed_tree(0)
    assert fold(tree, Folding("level", level=1)).order == [0, 1, 4]
    assert fold(tree, Folding("level", level=1)).hidden == {1: 2, 4: 3}
    assert fold(tree, Folding("best")).order == [0, 4, 5, 6]
    below = fold(tree, Folding(root=4))
    assert (below.order, below.beside) == ([4, 5, 7, 6], 4)
    assert fold(tree, Folding("best", selected=2)).order == [0, 1, 4, 2, 5, 6]
    assert fold(tree, Folding("best", unfolded={4})).order == [0, 4, 5, 7, 6]
    assert best_path(tree) == [4, 5, 6]
    assert best_path(tree, 1) == [2, 3]


def test_the_best_path_is_that_of_the_best_worst_score():
    scores = ((0, 0.9, "kept"), (0, 0.5, "kept"), (1, 0.2, "leaf-correct"), (2, 0.4, "leaf-correct"), (2, 0.9, "leaf-wrong"))
    nodes = [Node(None)]
    nodes += [
        Node(parent, "s", sibling=i, rating=1, score=score, status=status) for i, (parent, score, status) in enumerate(scores)
    ]
    assert best_path(Tree("t", "q", "a", "abel", tuple(nodes))) == [2, 4]


def test_a_chain_of_thousands_of_levels_is_cut():
    nodes = (Node(None), *(Node(index, "s", rating=1) for index in range(5_000)))
    tree = Tree("chain", "q", "a", "abel", nodes)
    found = fold(tree, Folding())
    assert len(found.order) == 301
    assert found.total == 4_700
    assert len(fold(tree, Folding(selected=5_000)).order) == 5_001


@given(st.integers(0, 200), st.sampled_from(FOLDS), st.integers(0, 3), st.integers(1, 9), st.data())
def test_every_node_is_drawn_or_counted_once(seed, by, level, many, data):
    tree = random_tree(seed)
    node = st.integers(0, len(tree.nodes) - 1)
    asked = Folding(by, level, data.draw(node), data.draw(st.none() | node), data.draw(st.frozensets(node, max_size=3)), many)
    found = fold(tree, asked)
    assert len(found.order) + found.total + found.beside == len(tree.nodes)
    assert len(set(found.order)) == len(found.order)
    assert all(tree.nodes[index].parent in found.order for index in found.order[1:])
    if asked.selected is not None and asked.root in (0, *tree.path(asked.selected)):
        assert asked.selected in found.order


def test_what_is_asked_amiss_is_told():
    with pytest.raises(ValueError, match="fold = 'some': expected one of auto, all, beam, level, best"):
        Folding("some")
    with pytest.raises(ValueError, match="root = 8: expected a node of tree 'p0', from 0 to 7"):
        fold(followed_tree(0), Folding(root=8))
    with pytest.raises(ValueError, match="selected = -1"):
        fold(followed_tree(0), Folding(selected=-1))
