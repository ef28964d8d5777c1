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
from jorney.tree.tree import ROOT, Tree

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
    nodes = [tree.nodes[ROOT]]
    for node, rating in zip(tree.nodes[1:], ratings, strict=True):
        assert node.parent is not None
        excursion = nodes[node.parent].excursion or (rating.correct is False and node.status == "kept")
        told: dict[str, Any] = {"rating": rating.correct, "score": rating.score, "justification": rating.justification}
        nodes.append(dataclasses.replace(node, **told, excursion=excursion))
    judged = {**by, "before": [node.rating for node in tree.nodes[1:]]}
    return dataclasses.replace(tree, nodes=tuple(nodes), meta={**tree.meta, JUDGED: judged})
