"""Other ratings for a tree that is there.

What was sampled stays: texts and statuses (no rating changes whether a step was expanded, or what a leaf answers).
What hangs on ratings is derived again: the verdicts, scores and justifications, which nodes lie on an excursion, and with them
which leaves end a valid path. `meta["judged"]` keeps who judged, and the verdicts before.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from jorney.domain.domain import Rating
from jorney.domain.problem import Problem
from jorney.text.step_format import FORMATS
from jorney.tree.tree import ROOT, Node, Tree

JUDGED = "judged"  # in Tree.meta


def request(tree: Tree, node: int) -> tuple[Problem, list[str]]:
    """What a judge is given of a node: the problem, and the steps down to it without their openings."""
    bare = FORMATS[tree.step_format].bare
    return tree.problem, [bare(tree.nodes[step].text) for step in tree.path(node)]


def rerate(tree: Tree, ratings: Sequence[Rating], by: Mapping[str, Any]) -> Tree:
    """The tree with other ratings.

    Args:
      ratings: of every node but the root, in their order.
      by: who gave them; kept in `meta["judged"]`.
    """
    assert len(ratings) == len(tree.nodes) - 1
    told = [{"rating": one.correct, "score": one.score, "justification": one.justification} for one in ratings]
    return _told(tree, dict(enumerate(told, start=1)), by)


def corrected(tree: Tree, given: Mapping[int, tuple[int | None, str]], by: Mapping[str, Any]) -> Tree:
    """The tree with other ratings of some nodes. Their scores go with the ratings that they belonged to; others keep theirs.

    Args:
      given: {node: (rating 1, 0, -1 or None, justification)}.
      by: who gave them; kept in `meta["judged"]`.

    Raises:
      ValueError: a node is the root or is not there, or a rating is none.
    """
    if unknown := sorted(given.keys() - set(range(1, len(tree.nodes)))):
        raise ValueError(f"tree {tree.id!r}: node {unknown[0]}: expected 1 to {len(tree.nodes) - 1}")
    told = {node: {"rating": rating, "score": None, "justification": why} for node, (rating, why) in given.items()}
    return _told(tree, told, by)


def _told(tree: Tree, told: Mapping[int, Mapping[str, Any]], by: Mapping[str, Any]) -> Tree:
    """The tree with other fields of some nodes, and what hangs on ratings derived again."""
    nodes: list[Node] = [tree.nodes[ROOT]]
    for index, node in enumerate(tree.nodes[1:], start=1):
        node = dataclasses.replace(node, **told.get(index, {}))
        assert node.parent is not None
        excursion = nodes[node.parent].excursion or (node.correct is False and node.status == "kept")
        nodes.append(dataclasses.replace(node, excursion=excursion))
    judged = {**by, "before": [node.rating for node in tree.nodes[1:]]}
    return dataclasses.replace(tree, nodes=tuple(nodes), meta={**tree.meta, JUDGED: judged})
