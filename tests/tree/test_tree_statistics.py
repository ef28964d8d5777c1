"""Statistics of trees, by hand."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from random_trees import random_tree

from jorney.tree.tree import Node, Tree
from jorney.tree.tree_statistics import Calibration, Statistics


def test_by_hand() -> None:
    nodes = (
        Node(None),
        Node(0, "1. a", sibling=0, count=3, rating=1, score=0.75),
        Node(0, "1. b", sibling=3, rating=-1, score=0.25, status="pruned"),
        Node(0, "1. b ", sibling=4, rating=0, score=12.0),
        Node(1, "2. c\n#### 9", sibling=0, rating=1, score=0.95, status="leaf-correct"),
        Node(1, "2. d\n#### 8", sibling=1, score=0.05, status="leaf-wrong"),
        Node(3, "2. e\n#### 9", sibling=0, rating=-1, score=0.35, status="leaf-correct"),
    )
    statistics = Statistics()
    statistics.add(Tree("a", "q", "9", "abel", nodes, 70))
    statistics.add(Tree("b", "q", "9", "abel", nodes[:3], 30))
    found = statistics.result()
    assert found["trees"] == 2
    assert found["nodes"] == 8
    assert found["generated_tokens"] == 100
    assert (found["solved"], found["answered"]) == (0.5, 0.5)
    assert found["status"] == {"kept": 3, "pruned": 2, "leaf-correct": 2, "leaf-wrong": 1, "unfinished": 0}
    assert found["rating"] == {"right": 3, "neutral": 1, "wrong": 3, "none": 1}
    assert found["depth"] == {"mean": 1.5, "max": 2, "counts": {"1": 1, "2": 1}}
    assert found["branching"] == {"mean": pytest.approx(8 / 4), "max": 3, "counts": {"1": 1, "2": 2, "3": 1}}
    assert found["duplicates"] == {"merged": 4, "kept": 1, "share": pytest.approx(5 / 12)}
    leaves, steps = found["calibration"]["leaves"], found["calibration"]["steps"]
    assert leaves["count"] == 3
    assert leaves["expected_error"] == pytest.approx((0.05 + 0.05 + 0.65) / 3)
    assert leaves["brier"] == pytest.approx((0.05**2 + 0.05**2 + 0.65**2) / 3)
    assert [(row["from"], row["count"], row["right"]) for row in leaves["bins"]] == [
        (0.0, 1, 0.0),
        (0.3, 1, 1.0),
        (0.9, 1, 1.0),
    ]
    # Only steps with leaves below them; half of those below the first are right. A score of 12 is no probability.
    assert (steps["count"], steps["outside"], steps["expected_error"]) == (1, 1, 0.25)


def test_of_nothing() -> None:
    found = Statistics().result()
    assert (found["trees"], found["solved"], found["depth"]["mean"]) == (0, None, None)
    assert found["calibration"]["leaves"]["brier"] is None


@settings(deadline=None)
@given(st.integers(0, 1000), st.integers(1, 30))
def test_calibration_is_bounded(seed, count) -> None:
    calibration, rng = Calibration(), random.Random(seed)
    pairs = [(rng.random(), rng.choice((0.0, 1.0, rng.random()))) for _ in range(count)]
    for pair in pairs:
        calibration.add(*pair)
    found = calibration.result()
    assert 0 <= found["expected_error"] <= 1
    assert found["expected_error"] <= found["brier"] ** 0.5 + 1e-9
    assert sum(row["count"] for row in found["bins"]) == found["count"] == len(pairs)


@settings(deadline=None)
@given(st.integers(0, 1000))
def test_counts_add_up(seed) -> None:
    tree, statistics = random_tree(seed), Statistics()
    statistics.add(tree)
    found = statistics.result()
    nodes = len(tree.nodes) - 1
    assert sum(found["status"].values()) == sum(found["rating"].values()) == found["nodes"] == nodes
    assert sum(int(width) * count for width, count in found["branching"]["counts"].items()) == nodes
