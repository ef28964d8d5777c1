"""Shortcuts and journeys from a tree (O1 Replication Journey, Part 1, section on long thoughts).

A shortcut is a path of steps judged right that ends on the right answer. A journey takes the same path, and on the way walks
wrong steps to where they fail, notices, goes back and goes on. Both come from the same trees, so that the journey is all that
differs.
"""

from __future__ import annotations

import dataclasses
import math
import random
from collections.abc import Sequence
from typing import NamedTuple

from jorney.config import expect_at_least, expect_one_of
from jorney.tree.tree import ROOT, Tree

EXCURSIONS = ("sampled", "always", "one-step", "none")


@dataclasses.dataclass(frozen=True)
class DeriveConfig:
    """How thoughts are derived.

    Attributes:
      trials: K, children of one node that a journey tries at most, the right one included; 1 makes shortcuts of journeys.
      excursion: which wrong children are walked. "sampled": those that were sampled before the right one, so that excursions
        are as frequent as the policy's own errors; "always": one at every node that has a wrong child, whenever it was
        sampled; "one-step": as "sampled", but back after the wrong step itself; "none".
      per_tree: shortcuts a tree gives at most; None takes all.
    """

    trials: int = 2
    excursion: str = "sampled"
    per_tree: int | None = None

    def __post_init__(self) -> None:
        expect_at_least(1, self, "derive", "trials")
        expect_one_of(EXCURSIONS, self, "derive", "excursion")
        expect_at_least(1, self, "derive", "per_tree", none="None for all")


class Visit(NamedTuple):
    """One stop of a walk.

    Attributes:
      node: index in the tree.
      excursion: it lies on a wrong step that was walked.
      back_to: the node to which the walk returns after this one; None where it goes on.
    """

    node: int
    excursion: bool = False
    back_to: int | None = None


def shortcuts(tree: Tree, per_tree: int | None = None) -> list[int]:
    """Leaves of a tree's shortcuts: the answer is right and no step was judged wrong. The likeliest first.

    Likelihood is the mean log-probability of the path's sampled tokens; paths without any come last.
    """
    found = [leaf for leaf in tree.leaves() if tree.nodes[leaf].status == "leaf-correct" and tree.valid(leaf)]
    return sorted(found, key=lambda leaf: (-_mean_log_prob(tree, leaf), leaf))[:per_tree]


def _mean_log_prob(tree: Tree, leaf: int) -> float:
    # Ids that were given, as a step's opening, have none.
    nodes = [tree.nodes[step] for step in tree.path(leaf)]
    log_probs = [value for node in nodes for value in node.log_probs[node.given or 0 :]]
    return sum(log_probs) / len(log_probs) if log_probs else -math.inf


def walk(tree: Tree, leaf: int, config: DeriveConfig, seed: int) -> list[Visit]:
    """The journey to a shortcut's leaf: depth first, wrong children walked before the right one.

    Off the path one child is picked at random and nothing branches. What is picked depends on the seed, the tree and the leaf
    alone.

    Raises:
      ValueError: `leaf` is not the end of a shortcut.
    """
    if leaf not in shortcuts(tree):
        raise ValueError(f"tree {tree.id!r}: node {leaf}: expected the leaf of a shortcut")
    rng = random.Random(f"{seed}/{tree.id}/{leaf}")
    visits: list[Visit] = []
    path = tree.path(leaf)
    for parent, step in zip([ROOT, *path], path, strict=False):
        for wrong in _wrong_before(tree, parent, step, config):
            visits += _excursion(_follow(tree, wrong, config, rng), parent)
        visits.append(Visit(step))
    return visits


def _excursion(steps: Sequence[int], back_to: int) -> list[Visit]:
    return [Visit(step, excursion=True, back_to=back_to if step == steps[-1] else None) for step in steps]


def walks(tree: Tree, leaf: int, config: DeriveConfig, seed: int) -> dict[str, list[Visit]]:
    """The walks to a leaf by the kind of thought that they make: "shortcut", "journey", and "placebo" of the same lengths."""
    journey = walk(tree, leaf, config, seed)
    return {
        "shortcut": [visit for visit in journey if not visit.excursion],
        "journey": journey,
        "placebo": placebo(tree, journey, seed),
    }


def placebo(tree: Tree, visits: Sequence[Visit], seed: int) -> list[Visit]:
    """The walk with every excursion replaced by right steps, as many where the tree has them, from the same node.

    A control: it goes back as often as the journey and is as long, but nothing on it ever was wrong.
    """
    rng = random.Random(f"{seed}/{tree.id}/placebo")
    on_path = {visit.node for visit in visits if not visit.excursion}
    found: list[Visit] = []
    pending = 0
    for visit in visits:
        pending += visit.excursion
        if not visit.excursion:
            found.append(visit)
        elif visit.back_to is not None:
            found += _excursion(_right_steps(tree, visit.back_to, pending, on_path, rng), visit.back_to)
            pending = 0
    return found


def _right_steps(tree: Tree, parent: int, count: int, on_path: set[int], rng: random.Random) -> list[int]:
    """Right steps down from a node, `count` of them or as many as lie below it; others than the path's where there are."""
    ways: list[list[int]] = [[]]
    for _ in range(count):
        ways = [
            [*way, child]
            for way in ways
            for child in tree.children(way[-1] if way else parent)
            if tree.nodes[child].correct is not False
        ] or ways
    others = [way for way in ways if way[0] not in on_path]
    return rng.choice(others or ways)


def _wrong_before(tree: Tree, parent: int, right: int, config: DeriveConfig) -> list[int]:
    """The wrong children that are walked before the right one, K - 1 at most."""
    if config.excursion == "none":
        return []
    wrong = [child for child in tree.children(parent) if tree.nodes[child].correct is False and _fails(tree, child)]
    if config.excursion == "always":
        # Followed ones first: one step shows no failure.
        return sorted(wrong, key=lambda child: not tree.children(child))[: min(1, config.trials - 1)]
    order = tree.nodes[right].sibling
    return [child for child in wrong if tree.nodes[child].sibling < order][: config.trials - 1]


def _fails(tree: Tree, node: int) -> bool:
    """The node, or some way down from it, ends without the right answer."""
    children = tree.children(node)
    return any(_fails(tree, child) for child in children) if children else tree.nodes[node].status != "leaf-correct"


def _follow(tree: Tree, node: int, config: DeriveConfig, rng: random.Random) -> list[int]:
    """From a wrong child down to where it fails."""
    found = [node]
    while config.excursion != "one-step" and (options := [child for child in tree.children(found[-1]) if _fails(tree, child)]):
        found.append(rng.choice(options))
    return found
