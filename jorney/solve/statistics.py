"""How sure an accuracy is, and a difference between two accuracies.

Every accuracy is reported with its n and a Wilson interval, every comparison on the same problems by McNemar's exact test
(O1 Replication Journey compares models on the same 500 problems, where 8 points are about 2.6 standard errors).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Hashable, Sequence

import numpy as np


@dataclasses.dataclass(frozen=True)
class Paired:
    """Two sets of results, a and b, on the same problems.

    Attributes:
      difference: accuracy of a minus accuracy of b, from -1 to 1.
      only_a, only_b: how many problems only a, and only b, has right.
      p: the two-sided p-value of McNemar's exact test that both have the same accuracy.
    """

    difference: float
    only_a: int
    only_b: int
    p: float


def wilson(correct: int, n: int, confidence: float = 0.95) -> tuple[float, float]:
    """The Wilson score interval (low, high) of a proportion: `correct` of `n`.

    Raises:
      ValueError: n < 1, `correct` outside 0 to n, or `confidence` not between 0 and 1.
    """
    if n < 1:
        raise ValueError(f"n = {n}: an interval needs at least 1 result")
    if not 0 <= correct <= n:
        raise ValueError(f"correct = {correct}: expected 0 to n = {n}")
    if not 0 < confidence < 1:
        raise ValueError(f"confidence = {confidence}: expected more than 0 and less than 1")
    from scipy.stats import binomtest

    interval = binomtest(correct, n).proportion_ci(confidence, method="wilson")
    return float(interval.low), float(interval.high)


def mcnemar(a: Sequence[bool], b: Sequence[bool]) -> Paired:
    """Compares paired results by McNemar's exact test: a binomial test on the problems that only one of the two has right.

    Args:
      a, b: whether each problem was answered correctly; entry i of both is the same problem.

    Raises:
      ValueError: the lengths differ, or there are no results.
    """
    if len(a) != len(b):
        raise ValueError(f"len(a) = {len(a)}, len(b) = {len(b)}: paired results need one entry a problem in both")
    if len(a) == 0:
        raise ValueError("len(a) = 0: a comparison needs at least 1 problem")
    only_a = sum(bool(x) and not y for x, y in zip(a, b, strict=True))
    only_b = sum(bool(y) and not x for x, y in zip(a, b, strict=True))
    from scipy.stats import binomtest

    p = float(binomtest(only_a, only_a + only_b).pvalue) if only_a or only_b else 1.0
    return Paired((only_a - only_b) / len(a), only_a, only_b, p)


def cluster_bootstrap(
    values: Sequence[float], clusters: Sequence[Hashable], confidence: float = 0.95, draws: int = 10_000, seed: int = 0
) -> tuple[float, float]:
    """The percentile bootstrap interval (low, high) of a mean whose values come in clusters: whole clusters are drawn.

    Results of problems that have something in common (the same numbers, another target; the same problem, another seed) are no
    independent results, and an interval that takes them for such is too narrow.

    Args:
      values: such as 1, 0 or -1 for each problem: solved by the first model alone, by both or none, by the second alone.
      clusters: what each value belongs to.
      draws: of as many clusters as there are, with replacement.

    Raises:
      ValueError: the lengths differ, there are no values, or `confidence` is not between 0 and 1.
    """
    if not 0 < confidence < 1:
        raise ValueError(f"confidence = {confidence}: expected more than 0 and less than 1")
    sums, sizes = _clustered(values, clusters)
    drawn = np.random.default_rng(seed).multinomial(len(sums), np.full(len(sums), 1 / len(sums)), draws)
    low, high = np.quantile((drawn @ sums) / (drawn @ sizes), [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)


def sign_flip_test(values: Sequence[float], clusters: Sequence[Hashable], draws: int = 10_000, seed: int = 0) -> float:
    """The two-sided p of a mean difference by turning round the signs of whole clusters.

    McNemar's test for results that come in clusters: where neither of two models is better, a cluster's differences might as
    well have been the other way.

    Args:
      values: differences, as for `cluster_bootstrap`.
      clusters: what each value belongs to.
      draws: of signs; p is never below 1 / (draws + 1).

    Raises:
      ValueError: the lengths differ, or there are no values.
    """
    sums, _ = _clustered(values, clusters)
    signs = np.random.default_rng(seed).integers(0, 2, (draws, len(sums))) * 2 - 1
    as_far = np.abs(signs @ sums) >= abs(sums.sum()) - 1e-9
    return float((1 + as_far.sum()) / (1 + draws))


def _clustered(values: Sequence[float], clusters: Sequence[Hashable]) -> tuple[np.ndarray, np.ndarray]:
    """(sums, sizes) of clusters."""
    if len(values) != len(clusters):
        raise ValueError(f"len(values) = {len(values)}, len(clusters) = {len(clusters)}: expected a cluster for every value")
    if not len(values):
        raise ValueError("len(values) = 0: expected at least 1 value")
    index = {cluster: number for number, cluster in enumerate(dict.fromkeys(clusters))}
    places = np.array([index[cluster] for cluster in clusters])
    return np.bincount(places, np.asarray(values, np.float64), len(index)), np.bincount(places, minlength=len(index))


def holm(ps: Sequence[float]) -> list[float]:
    """p-values corrected for how many there are (Holm, 1979), in their order: which of several differences are none of chance.

    The smallest is multiplied by their number, the next by one less, and so on; none is below one that is smaller.
    """
    order = sorted(range(len(ps)), key=lambda index: ps[index])
    found, highest = [0.0] * len(ps), 0.0
    for rank, index in enumerate(order):
        highest = max(highest, min(1.0, (len(ps) - rank) * ps[index]))
        found[index] = highest
    return found
