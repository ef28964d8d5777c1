"""How sure an accuracy is, and a difference between two accuracies.

Every accuracy is reported with its n and a Wilson interval, every comparison on the same problems by McNemar's exact test
(O1 Replication Journey compares models on the same 500 problems, where 8 points are about 2.6 standard errors).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence


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
    p = 1.0
    if only_a + only_b:
        from scipy.stats import binomtest

        p = float(binomtest(only_a, only_a + only_b).pvalue)
    return Paired((only_a - only_b) / len(a), only_a, only_b, p)
