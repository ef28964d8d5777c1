"""Laws of other ratings for random trees."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from random_trees import random_tree

from jorney.domain.domain import Rating
from jorney.thought.derive import DeriveConfig, shortcuts, walk
from jorney.tree.rerate import corrected, request, rerate
from jorney.tree.tree import from_json


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 10_000), st.integers(0, 1000))
def test_what_hangs_on_ratings_is_derived_again_and_the_rest_stays(seed: int, draw: int) -> None:
    tree, rng = random_tree(seed), random.Random(draw)
    ratings = [Rating(rng.choice((True, False, None)), rng.choice(("", "so it is")), rng.random()) for _ in tree.nodes[1:]]
    found = rerate(tree, ratings, {"by": "dice"})
    assert rerate(found, ratings, {"by": "dice"}).nodes == found.nodes
    assert from_json(found.to_json()) == found
    assert found.meta["judged"]["before"] == [node.rating for node in tree.nodes[1:]]
    for index, (node, before, rating) in enumerate(zip(found.nodes[1:], tree.nodes[1:], ratings, strict=True), start=1):
        assert (node.correct, node.justification, node.score) == rating
        assert (node.text, node.tokens, node.status, node.parent, node.count) == (
            before.text,
            before.tokens,
            before.status,
            before.parent,
            before.count,
        )
        path = [found.nodes[step] for step in found.path(index)]
        assert node.excursion == any(step.correct is False and step.status == "kept" for step in path)
        assert found.valid(index) == all(step.correct is not False for step in path)
        problem, steps = request(found, index)
        assert problem == found.problem
        assert steps == [step.text for step in path]
    for leaf in shortcuts(found):  # they can be walked
        assert walk(found, leaf, DeriveConfig(trials=3), 0)[-1].node == leaf


@given(st.integers(0, 10_000), st.integers(0, 1000))
def test_corrections_of_all_nodes_are_another_rating(seed: int, draw: int) -> None:
    tree, rng = random_tree(seed), random.Random(draw)
    verdicts = [rng.choice((True, False, None)) for _ in tree.nodes[1:]]
    ratings = {node: (None if one is None else 1 if one else -1, "so") for node, one in enumerate(verdicts, start=1)}
    whole = rerate(tree, [Rating(one, "so") for one in verdicts], {"by": "dice"})
    assert corrected(tree, ratings, {"by": "dice"}) == whole
    halves = [{node: one for node, one in ratings.items() if node % 2 == odd} for odd in (0, 1)]
    assert corrected(corrected(tree, halves[0], {}), halves[1], {}).nodes == whole.nodes


def test_a_correction_of_what_is_not_there_is_refused() -> None:
    tree = random_tree(1)
    for node in (0, len(tree.nodes)):
        with pytest.raises(ValueError, match=f"tree 'tree-1': node {node}: expected 1 to {len(tree.nodes) - 1}"):
            corrected(tree, {node: (1, "")}, {})
    with pytest.raises(ValueError, match="node 1: rating = 5"):
        corrected(tree, {1: (5, "")}, {})
