"""What a set of trees is like: counts, shapes, and how far its scores can be believed. One tree at a time."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np

from jorney.tree.shape import children, levels, solved
from jorney.tree.tree import STATUSES, Tree

BINS = 10


class Calibration:
    """Scores from 0 to 1 against what came of them, in bins of equal width."""

    def __init__(self) -> None:
        self._bins = np.zeros((BINS, 3))  # count, sum of the scores, sum of the outcomes
        self._squares, self.outside = 0.0, 0

    def add(self, score: float, outcome: float) -> None:
        """Counts one; a score that is no probability (a value, a logit) is set aside."""
        if not 0 <= score <= 1:
            self.outside += 1
            return
        self._bins[min(int(score * BINS), BINS - 1)] += 1, score, outcome
        self._squares += (score - outcome) ** 2

    def result(self) -> dict[str, Any]:
        """The bins that hold something; the expected calibration error; Brier's score, the mean squared difference."""
        filled = [(i, int(count), *sums) for i, (count, *sums) in enumerate(self._bins.tolist()) if count]
        total = sum(count for _, count, _, _ in filled)
        gaps = sum(abs(scores - outcomes) for _, _, scores, outcomes in filled)
        return {
            "count": total,
            "outside": self.outside,
            "expected_error": gaps / total if total else None,
            "brier": self._squares / total if total else None,
            "bins": [
                {"from": i / BINS, "count": count, "mean_score": scores / count, "right": outcomes / count}
                for i, count, scores, outcomes in filled
            ],
        }


class Statistics:
    """Counts over trees that are added one after another."""

    def __init__(self) -> None:
        self._totals: Counter[str] = Counter()
        self._statuses: Counter[str] = Counter()
        self._ratings: Counter[int | None] = Counter()
        self._depths: Counter[int] = Counter()
        self._widths: Counter[int] = Counter()
        self._leaves, self._steps = Calibration(), Calibration()

    def add(self, tree: Tree) -> None:
        """Counts a tree."""
        below, nodes = children(tree), tree.nodes[1:]
        self._totals.update(
            trees=1,
            solved=next(solved(tree), None) is not None,
            answered=any(node.status == "leaf-correct" for node in nodes),
            generated=tree.generated_tokens,
            samples=sum(node.count for node in nodes),
            merged=sum(node.count - 1 for node in nodes),
            equal=sum(len(own) - len({tree.nodes[child].text.strip() for child in own}) for own in below),
        )
        self._statuses.update(node.status for node in nodes)
        self._ratings.update(node.rating for node in nodes)
        self._depths[max(levels(tree))] += 1
        self._widths.update(len(own) for own in below if own)
        # Leaves at or below each node, right ones and all; a child comes after its parent.
        right, every = [0] * len(tree.nodes), [0] * len(tree.nodes)
        for index in range(len(tree.nodes) - 1, 0, -1):
            node = tree.nodes[index]
            right[index] += node.status == "leaf-correct"
            every[index] += node.leaf
            if node.parent is not None:
                right[node.parent] += right[index]
                every[node.parent] += every[index]
            if node.score is not None and every[index]:
                (self._leaves if node.leaf else self._steps).add(node.score, right[index] / every[index])

    def result(self) -> dict[str, Any]:
        """The counts as plain values.

        `depth` is of trees, `branching` of nodes with children. `duplicates.merged` are samples that were counted with an equal
        sibling, `duplicates.kept` nodes that are equal to one. `solved` is the share of trees with a path to the right
        answer on which no step was judged wrong, `answered` of those that state it at all. The calibration compares scores with
        the share of right ones among the leaves at (leaves) or below a node (steps).
        """
        totals, nodes = self._totals, sum(self._statuses.values())
        trees, merged, equal = totals["trees"], totals["merged"], totals["equal"]
        return {
            "trees": trees,
            "nodes": nodes,
            "generated_tokens": totals["generated"],
            "solved": totals["solved"] / trees if trees else None,
            "answered": totals["answered"] / trees if trees else None,
            "status": {status: self._statuses[status] for status in STATUSES},
            "rating": {
                name: self._ratings[value] for name, value in (("right", 1), ("neutral", 0), ("wrong", -1), ("none", None))
            },
            "depth": _shape(self._depths),
            "branching": _shape(self._widths),
            "duplicates": {
                "merged": merged,
                "kept": equal,
                "share": (merged + equal) / totals["samples"] if totals["samples"] else None,
            },
            "calibration": {"leaves": self._leaves.result(), "steps": self._steps.result()},
        }


def _shape(counts: Counter[int]) -> dict[str, Any]:
    total = sum(counts.values())
    return {
        "mean": sum(value * count for value, count in counts.items()) / total if total else None,
        "max": max(counts, default=None),
        "counts": {str(value): counts[value] for value in sorted(counts)},
    }
