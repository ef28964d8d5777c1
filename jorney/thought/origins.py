"""Whether a thought is made of what it says it is made of: every piece against the node, or the turn, that it points to."""

from __future__ import annotations

import re

from jorney.thought.refine import bare
from jorney.thought.thought import Thought
from jorney.tree.tree import ROOT, Tree


def unfounded(thought: Thought, tree: Tree | None = None) -> str | None:
    """What does not fit the sources that the pieces point to; None where everything does.

    In a tree, steps go down from parent to child, a reflection leaves the node that it stands at for one above it, and the
    thought ends on `leaf`; each step holds the words of its node. Of a dialogue, turns come in the order in which they were
    said, and a reflection goes back to an earlier one. Of a human solution, its steps come in order, and none is missing.

    Args:
      tree: that the thought was derived from; for thoughts of trees.
    """
    for index, piece in enumerate(thought.pieces):
        if piece.node is None or (piece.kind == "reflection" and piece.back_to is None):
            return f"piece {index} points nowhere"
    if thought.construction == "tree":
        return "it comes from a tree, which was not given" if tree is None else _in_tree(thought, tree)
    return _in_solution(thought) if thought.construction == "human" else _in_dialogue(thought)


def _in_tree(thought: Thought, tree: Tree) -> str | None:
    at = ROOT
    for index, (text, kind, node, back_to) in enumerate(thought.pieces):
        assert node is not None
        if node >= len(tree.nodes) or (back_to or 0) >= len(tree.nodes):
            return f"piece {index} points to node {max(node, back_to or 0)} of {len(tree.nodes)}"
        if kind in ("step", "excursion"):
            if node == ROOT or (node != at and tree.nodes[node].parent != at):
                return f"piece {index}: node {node} is no child of node {at}"
            # A refiner may spread a step over pieces: all of them together hold it.
            told = "".join(piece.text for piece in thought.pieces if piece.node == node and piece.kind == kind)
            if bare(tree, node) not in told:
                return f"piece {index} is not what node {node} says"
            at = node
        elif node != at:
            return f"piece {index} speaks of node {node} at node {at}"
        elif kind == "reflection":
            assert back_to is not None
            if back_to not in (ROOT, *tree.path(node)[:-1]):
                return f"piece {index} goes back from node {node} to {back_to}, which is not above it: {text.strip()!r:.80}"
            at = back_to
    return None if at == thought.leaf else f"it ends at node {at}, not at its leaf {thought.leaf}"


def _in_dialogue(thought: Thought) -> str | None:
    last = 0
    for index, (text, kind, node, back_to) in enumerate(thought.pieces):
        words = " ".join(re.sub(r"^\s*\d+\.\s", "", text).split())  # without the step's number
        assert node is not None
        if not last <= node < len(thought.turns):
            return f"piece {index} points to turn {node} after turn {last}"
        if kind == "reflection" and (back_to is None or back_to > node):
            return f"piece {index} goes back from turn {node} to {back_to}"
        if kind in ("step", "excursion", "connective") and words not in " ".join(thought.turns[node].text.split()):
            return f"piece {index} is not what turn {node} says"
        last = node
    return None if last == thought.leaf else f"it ends at turn {last}, not at its leaf {thought.leaf}"


def _in_solution(thought: Thought) -> str | None:
    told = [piece.node or 0 for piece in thought.pieces if piece.kind == "step"]
    steps = [index for index, turn in enumerate(thought.turns) if turn.role == "human"]
    return None if sorted(set(told)) == steps and told == sorted(told) else f"its steps come from {told}: expected {steps}"
