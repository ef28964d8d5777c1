"""Countdown trees made by hand, for tests of what is done with trees."""

from __future__ import annotations

import dataclasses

from jorney.domain.countdown.sets import make_problem
from jorney.judge import exact
from jorney.tree.rerate import request
from jorney.tree.tree import Node, Tree

# Parent, sibling, text, status, and whether it lies on an excursion.
LINES = (
    (0, 0, "1. 5 * 9 = 45 (left: 3, 4, 45)", "kept", True),
    (1, 0, "\n2. 3 * 4 = 12 (left: 12, 45)", "kept", True),
    (2, 0, "\n3. 45 - 12 = 33 (left: 33)\n#### 33", "leaf-wrong", True),
    (0, 1, "1. 9 - 4 = 5 (left: 3, 5, 5)", "kept", False),
    (4, 0, "\n2. 3 * 5 = 15 (left: 5, 15)", "kept", False),
    (5, 0, "\n3. 5 + 15 = 20 (left: 20)\n#### 20", "leaf-correct", False),
    (4, 1, "\n2. 5 * 5 = 25 (left: 3, 25)", "pruned", False),
)


def followed_tree(number: int, alike: bool = True) -> Tree:
    """3, 4, 5, 9 -> 20: a wrong first step that was followed to its end, and the right way; rated by the verifier.

    Args:
      number: makes its id.
      alike: whether its question is the same whatever the number.
    """
    problem = make_problem((3, 4, 5, 9), 20)
    question = problem.question if alike else f"{problem.question} (Puzzle {number}.)"
    nodes = [Node(None)]
    nodes += [Node(parent, text, (1,), (-0.5,), sibling, status=status) for parent, sibling, text, status, _ in LINES]
    bare = Tree(f"p{number}", question, problem.answer, "abel", tuple(nodes), 7, problem.verifier, problem.meta)
    ratings = exact.judge([request(bare, node) for node in range(1, len(nodes))])
    rated = [
        dataclasses.replace(node, rating=one.correct, score=one.score, justification=one.justification, excursion=line[-1])
        for node, one, line in zip(nodes[1:], ratings, LINES, strict=True)
    ]
    return dataclasses.replace(bare, nodes=(nodes[0], *rated))
