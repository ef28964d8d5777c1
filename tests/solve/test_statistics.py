"""Intervals and paired tests against published and hand-computed values."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jorney.solve.statistics import Paired, cluster_bootstrap, mcnemar, sign_flip_test, wilson


def pairs(both: int, only_a: int, only_b: int, neither: int = 0) -> tuple[list[bool], list[bool]]:
    rows = [(True, True)] * both + [(True, False)] * only_a + [(False, True)] * only_b + [(False, False)] * neither
    return [a for a, _ in rows], [b for _, b in rows]


@pytest.mark.parametrize(
    ("correct", "n", "low", "high"),
    [
        (8, 10, 0.4902, 0.9433),
        (0, 10, 0.0, 0.2775),  # at 0 of n, high = z^2 / (n + z^2) = 3.8415 / 13.8415
        (10, 10, 0.7225, 1.0),
        (81, 263, 0.2553, 0.3662),  # Newcombe 1998, table I, method 3
        (15, 148, 0.0624, 0.1605),  # the same table
        (235, 500, 0.4266, 0.5138),  # 0.470 on MATH500
    ],
)
def test_wilson_against_known_values(correct: int, n: int, low: float, high: float) -> None:
    assert wilson(correct, n) == pytest.approx((low, high), abs=5e-5)


@pytest.mark.parametrize(("confidence", "z"), [(0.90, 1.6448536), (0.95, 1.9599640), (0.99, 2.5758293)])
def test_wilson_widens_with_the_confidence(confidence: float, z: float) -> None:
    half = z / (2 * math.sqrt(2 + z**2))  # the formula at 1 of 2
    assert wilson(1, 2, confidence) == pytest.approx((0.5 - half, 0.5 + half), abs=1e-7)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 5000), st.data())
def test_wilson_solves_the_score_equation(n: int, data: st.DataObject) -> None:
    """At both ends the distance to correct / n is z standard errors of that end; 1 - p mirrors the interval."""
    correct = data.draw(st.integers(0, n))
    low, high = wilson(correct, n)
    proportion = correct / n
    assert -1e-12 <= low <= proportion + 1e-12
    assert proportion - 1e-12 <= high <= 1 + 1e-12
    for end in (low, high):
        assert (proportion - end) ** 2 == pytest.approx(3.841458820694124 * end * (1 - end) / n, abs=1e-9)
    assert wilson(n - correct, n) == pytest.approx((1 - high, 1 - low), abs=1e-9)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [((0, 0), "n = 0"), ((11, 10), "correct = 11"), ((-1, 10), "correct = -1"), ((1, 2, 1.0), "confidence = 1.0")],
)
def test_wilson_names_the_wrong_argument(arguments: tuple[int, int], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        wilson(*arguments)


@pytest.mark.parametrize(
    ("only_a", "only_b", "p"),
    [
        (0, 0, 1.0),  # nothing to tell the two apart
        (1, 0, 1.0),  # 2 / 2
        (5, 0, 0.0625),  # 2 / 2^5
        (8, 2, 0.109375),  # 2 (1 + 10 + 45) / 2^10
        (3, 3, 1.0),
        (1, 9, 0.021484375),  # 2 (1 + 10) / 2^10
    ],
)
def test_mcnemar_against_binomials_by_hand(only_a: int, only_b: int, p: float) -> None:
    a, b = pairs(both=4, only_a=only_a, only_b=only_b, neither=6)
    result = mcnemar(a, b)
    assert result == Paired((only_a - only_b) / len(a), only_a, only_b, result.p)
    assert result.p == pytest.approx(p, abs=1e-12)


def test_mcnemar_at_the_papers_size() -> None:
    """Journey 0.470 against shortcut 0.386 of 500, were 80 and 38 problems discordant."""
    result = mcnemar(*pairs(both=155, only_a=80, only_b=38, neither=227))
    assert result.difference == pytest.approx(0.084)
    assert result.p == pytest.approx(2 * sum(math.comb(118, k) for k in range(39)) / 2**118)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=60))
def test_mcnemar_properties(rows: list[tuple[bool, bool]]) -> None:
    a, b = [x for x, _ in rows], [y for _, y in rows]
    result, mirrored = mcnemar(a, b), mcnemar(b, a)
    assert result.difference == pytest.approx(sum(a) / len(a) - sum(b) / len(b))
    assert mirrored == Paired(-result.difference, result.only_b, result.only_a, mirrored.p)
    assert mirrored.p == pytest.approx(result.p)
    n, smaller = result.only_a + result.only_b, min(result.only_a, result.only_b)
    assert result.p == pytest.approx(min(1.0, 2 * sum(math.comb(n, k) for k in range(smaller + 1)) / 2**n))


def test_mcnemar_refuses_results_that_are_not_paired() -> None:
    with pytest.raises(ValueError, match=r"len\(a\) = 2, len\(b\) = 1"):
        mcnemar([True, False], [True])
    with pytest.raises(ValueError, match=r"len\(a\) = 0"):
        mcnemar([], [])


def test_clusters_of_one_give_the_usual_interval_of_a_mean():
    values = np.random.default_rng(0).integers(-1, 2, 2_000).astype(float)
    low, high = cluster_bootstrap(values, range(2_000))
    error = values.std() / np.sqrt(len(values))
    assert (low, high) == pytest.approx((values.mean() - 1.96 * error, values.mean() + 1.96 * error), abs=0.06 * error)


@pytest.mark.parametrize("size", [4, 9])
def test_values_that_repeat_within_a_cluster_are_no_news(size):
    own = np.random.default_rng(1).integers(0, 2, 400).astype(float)
    once = cluster_bootstrap(own, range(400))
    many = cluster_bootstrap(np.repeat(own, size), np.repeat(np.arange(400), size).tolist())
    assert many == pytest.approx(once)
    naive = cluster_bootstrap(np.repeat(own, size), range(400 * size))
    assert (once[1] - once[0]) / (naive[1] - naive[0]) == pytest.approx(np.sqrt(size), rel=0.1)


def test_the_interval_covers_the_mean_as_often_as_it_says():
    # 200 clusters of unequal size, each with an effect of its own; the mean of all is 0.
    rng = np.random.default_rng(2)
    covered = 0
    for seed in range(200):
        effects = rng.normal(size=100)
        sizes = rng.integers(1, 6, 100)
        values = np.repeat(effects, sizes) + rng.normal(size=sizes.sum())
        low, high = cluster_bootstrap(values, np.repeat(np.arange(100), sizes).tolist(), 0.9, draws=500, seed=seed)
        covered += low < 0 < high
    assert 165 <= covered <= 193  # 0.9 of 200, within three standard errors


@pytest.mark.parametrize(
    ("values", "clusters", "confidence", "message"),
    [([1.0], [], 0.95, "expected a cluster"), ([], [], 0.95, "at least 1 value"), ([1.0], [0], 1.0, "confidence = 1.0")],
)
def test_an_interval_that_cannot_be_is_refused(values, clusters, confidence, message):
    with pytest.raises(ValueError, match=message):
        cluster_bootstrap(values, clusters, confidence)


def test_signs_turned_round_agree_with_the_binomial_test_where_clusters_are_of_one():
    values = [1.0] * 40 + [-1.0] * 22 + [0.0] * 100
    exact = mcnemar([v > 0 for v in values], [v < 0 for v in values]).p
    assert sign_flip_test(values, range(162), draws=40_000) == pytest.approx(exact, abs=0.005)


def test_turning_signs_counts_clusters_and_not_their_members():
    own = np.random.default_rng(3).integers(-1, 2, 60).astype(float) + 0.2
    once = sign_flip_test(own, range(60))
    assert sign_flip_test(np.repeat(own, 9), np.repeat(np.arange(60), 9).tolist()) == once
    assert sign_flip_test(np.repeat(own, 9), range(540)) < once


def test_a_difference_of_nothing_is_found_as_often_as_it_says():
    rng = np.random.default_rng(4)
    found = 0
    for seed in range(200):
        sizes = rng.integers(1, 6, 50)
        values = np.repeat(rng.normal(size=50), sizes) + rng.normal(size=sizes.sum())
        found += sign_flip_test(values, np.repeat(np.arange(50), sizes).tolist(), draws=400, seed=seed) < 0.1
    assert 7 <= found <= 33  # 0.1 of 200, within three standard errors


def test_the_smallest_p_is_one_draw():
    assert sign_flip_test([1.0] * 100, range(100), draws=99) == 0.01
    with pytest.raises(ValueError, match="expected a cluster"):
        sign_flip_test([1.0], [])
