"""Estimators against the mean over all subsets, and the cases that the literature gives."""

from __future__ import annotations

import itertools
import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jorney.solve.estimators import average_at_k, best_at_k, majority_at_k, pass_at_k, weighted_vote_at_k

CLASSES = st.lists(st.sampled_from(["a", "b", "c", None]), min_size=1, max_size=7)


def subsets(n: int, k: int):
    return list(itertools.combinations(range(n), k))


def test_cases_by_hand() -> None:
    assert pass_at_k(5, 2, 3) == pytest.approx(0.9)
    assert majority_at_k(["A", "A", "B", "C"], [True, True, False, False], 3) == pytest.approx(2 / 3)
    assert best_at_k([1, 2, 3, 4], [0, 1, 0, 1], 2) == pytest.approx(2 / 3)
    assert best_at_k([4, 3, 2, 1], [0, 1, 0, 1], 2) == pytest.approx(1 / 3)


def test_pass_at_k_does_not_overflow() -> None:
    assert pass_at_k(100_000, 1, 50_000) == pytest.approx(0.5)
    assert pass_at_k(10, 0, 10) == 0
    assert pass_at_k(10, 1, 10) == 1


def test_many_samples_are_no_more_than_a_float_holds() -> None:
    """C(2000, 1000) is beyond it."""
    right = [True, False] * 1000
    assert majority_at_k([str(one) for one in right], right, 1001) == pytest.approx(0.5)
    assert best_at_k([1.0] * 2000, right, 1000) == pytest.approx(0.5)


@given(CLASSES, st.data())
def test_pass_is_the_mean_over_subsets(answers, data) -> None:
    right = [answer == "a" for answer in answers]
    k = data.draw(st.integers(1, len(answers)))
    expected = np.mean([any(right[i] for i in one) for one in subsets(len(right), k)])
    assert pass_at_k(len(right), sum(right), k) == pytest.approx(expected)


@given(CLASSES, st.data())
def test_majority_is_the_mean_over_subsets(answers, data) -> None:
    """Also where a class is right in part: any of the winner's samples stands."""
    right = data.draw(st.lists(st.booleans(), min_size=len(answers), max_size=len(answers)))
    k = data.draw(st.integers(1, len(answers)))

    def vote(one) -> float:
        votes = Counter(answers[i] for i in one if answers[i] is not None)
        most = max(votes.values(), default=0)
        winners = [answer for answer, count in votes.items() if count == most]
        shares = [np.mean([right[i] for i in one if answers[i] == answer]) for answer in winners]
        return float(np.mean(shares)) if shares else 0.0

    assert majority_at_k(answers, right, k) == pytest.approx(np.mean([vote(one) for one in subsets(len(right), k)]))


@given(st.lists(st.tuples(st.integers(0, 3), st.booleans()), min_size=1, max_size=7), st.data())
def test_best_is_the_mean_over_subsets(samples, data) -> None:
    scores, right = zip(*samples, strict=True)
    k = data.draw(st.integers(1, len(samples)))

    def best(one) -> float:
        most = max(scores[i] for i in one)
        return float(np.mean([right[i] for i in one if scores[i] == most]))

    assert best_at_k(scores, right, k) == pytest.approx(np.mean([best(one) for one in subsets(len(samples), k)]))


@given(CLASSES, st.data())
def test_votes_of_one_weight_are_a_majority_vote(answers, data) -> None:
    right = [answer == "a" for answer in answers]
    k = data.draw(st.integers(1, len(answers)))
    found = weighted_vote_at_k(answers, [1.0] * len(answers), right, k, draws=400)
    assert found.value == pytest.approx(majority_at_k(answers, right, k), abs=5 * (found.error or 0) + 1e-9)


def test_a_heavy_vote_wins_over_many() -> None:
    found = weighted_vote_at_k(["a", "b", "b"], [0.9, 0.2, 0.3], [True, False, False], 3)
    assert (found.value, found.error) == (1.0, 0.0)


def test_the_average_has_two_errors() -> None:
    """4 problems, always or never solved: another run would find the same, other problems would not."""
    found = average_at_k([[True] * 4, [True] * 4, [False] * 4, [False] * 4])
    assert (found.value, found.over_samples) == (0.5, 0)
    assert found.over_problems == pytest.approx(math.sqrt(1 / 3) / 2)
    found = average_at_k([[True, False]] * 4)
    assert (found.value, found.over_problems) == (0.5, 0)
    assert found.over_samples == pytest.approx(math.sqrt(4 * 0.5 / 2) / 4)
    assert average_at_k([[True], [False]]).over_samples is None


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda: pass_at_k(3, 1, 4), "k = 4: expected 1 to the 3 samples"),
        (lambda: pass_at_k(3, 4, 1), "c = 4: expected 0 to n = 3"),
        (lambda: best_at_k([1.0, math.nan], [1, 0], 1), "a score is not a number"),
        (lambda: weighted_vote_at_k(["a"], [-1.0], [True], 1), "a weight is below 0"),
        (lambda: average_at_k([[True], []]), "expected at least one problem"),
    ],
)
def test_what_cannot_be_estimated_is_refused(call, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        call()
