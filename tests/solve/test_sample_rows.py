"""What is read from the rows of texts: accuracies and their intervals, readings, groups, and costs by hand."""

from __future__ import annotations

import dataclasses
import math

import pytest

from jorney.model import flops
from jorney.model.flops import packed_row
from jorney.solve.choice import Solutions
from jorney.solve.evaluate import Graded
from jorney.solve.sample_rows import (
    SampleRow,
    accuracy,
    cost,
    estimates,
    interval,
    mean_over_groups,
    of_graded,
    of_solutions,
    readings,
)
from jorney.solve.statistics import cluster_bootstrap, wilson


def row(problem: str, right: bool, sample: int = 0, **more) -> SampleRow:
    one = Graded(problem, right, "1" if right else "2", "", 10, True, 0, 0, "", sample, int(not right), 5)
    (found,) = of_graded([one], 3, None)
    return dataclasses.replace(found, **more)


def test_intervals_of_single_texts_of_several_and_of_clusters() -> None:
    single = [row(f"p{n}", n < 3) for n in range(8)]
    found = accuracy(single)
    assert (found["accuracy"], found["n"]) == (3 / 8, 8)
    assert (found["ci_low"], found["ci_high"]) == pytest.approx(wilson(3, 8))
    several = [row(f"p{n}", sample < n, sample) for n in range(4) for sample in range(3)]
    found = accuracy(several)
    values, ids = [0, 1 / 3, 2 / 3, 1], list("abcd")
    assert (found["accuracy"], found["samples"]) == (pytest.approx(0.5), 3)
    assert (found["ci_low"], found["ci_high"]) == pytest.approx(cluster_bootstrap(values, ids))
    shared = [row(f"p{n}", n % 2 == 0, about={"cluster": str(n % 2)}) for n in range(10)]
    found = accuracy(shared)
    assert (found["ci_low"], found["ci_high"]) == (0, 1)  # of two clusters, one all right and one all wrong


def test_where_all_is_the_same_there_is_still_doubt() -> None:
    """However many texts: the problems, or their clusters, are what was drawn."""
    wrong = [row(f"p{n}", False, sample) for n in range(6) for sample in range(4)]
    assert (accuracy(wrong)["ci_low"], accuracy(wrong)["ci_high"]) == pytest.approx(wilson(0, 6))
    assert interval([1.0] * 6, ["a", "a", "b", "b", "c", "c"]) == pytest.approx(wilson(3, 3))


def test_a_reading_counts_where_it_was_read() -> None:
    rows = [
        row("a", True, others={"lenient": True, "strict": False}),
        row("b", True, others={"lenient": False}),
        row("c", True),
    ]
    assert readings(rows) == {"lenient": 0.5, "strict": 0.0}
    assert accuracy(rows)["by_reading"] == {"lenient": 0.5, "strict": 0.0}


def test_the_mean_over_groups_is_of_groups() -> None:
    """One group of one problem counts as much as one of nine."""
    rows = [row("a", True, about={"subset": "x"}), *(row(f"b{n}", n < 3, about={"subset": "y"}) for n in range(9))]
    found = mean_over_groups(rows, "subset")
    assert found["accuracy"] == pytest.approx((1 + 1 / 3) / 2)
    assert 0.5 <= found["ci_low"] < found["accuracy"] < found["ci_high"] <= 1
    same = mean_over_groups([row(f"a{n}", False, about={"subset": str(n % 2)}) for n in range(6)], "subset")
    assert (same["ci_low"], same["ci_high"]) == pytest.approx(wilson(0, 6))


def test_cost_is_that_of_the_whole_text(tiny) -> None:
    """A prompt and what follows it, apart, are a whole row but for the head, which is read where something is predicted."""
    written, read = cost(tiny, 7, 5, True)
    assert written + read == pytest.approx(flops.forward(tiny, packed_row(12), 1, 6, "causal"))
    assert cost(tiny, 7, 5, False) == (written, 0)
    assert all(map(math.isnan, cost(None, 7, 5, True)))


def test_a_problem_without_a_solution_is_there_too(tiny) -> None:
    found = list(
        of_solutions(
            [
                Solutions("a", [3, 4], ["1", "2"], [0, 1], [True, False], [[0.5, 0.9], [0.2]]),
                Solutions("b", [], [], [], [], []),
            ],
            {},
            {"a": 6},
            0,
            "last",
            tiny,
        )
    )
    assert [(one.problem, one.right, one.score, one.group) for one in found] == [
        ("a", True, 0.9, 0),
        ("a", False, 0.2, 1),
        ("b", False, None, -1),
    ]
    assert estimates(found[:2])[-1] == {
        "k": 2,
        "pass": 1.0,
        "majority": 0.5,
        "best": 1.0,
        "weighted": 1.0,
        "weighted_error": 0.0,
    }
