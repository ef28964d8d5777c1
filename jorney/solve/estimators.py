"""What k of n samples of a problem are worth, exactly: the mean over all subsets of k, and not the first k.

Samples are drawn once, as many as are affordable, and every k below is read from them. n is the number of a problem's samples,
c how many of them are right.
"""

from __future__ import annotations

import dataclasses
import math
from collections import Counter
from collections.abc import Hashable, Sequence
from fractions import Fraction

import numpy as np


def pass_at_k(n: int, c: int, k: int) -> float:
    """The chance that one of k samples is right: 1 - C(n-c, k) / C(n, k) (Chen et al., arXiv 2107.03374).

    Raises:
      ValueError: not 0 <= c <= n, or not 1 <= k <= n.
    """
    _expect(n, k)
    if not 0 <= c <= n:
        raise ValueError(f"c = {c}: expected 0 to n = {n}")
    return 1.0 if n - c < k else float(1 - math.prod(1 - k / i for i in range(n - c + 1, n + 1)))


def majority_at_k(answers: Sequence[Hashable | None], right: Sequence[bool], k: int) -> float:
    """The chance that a vote of k samples is right; where several answers have most votes, each of them wins as often.

    Args:
      answers: of each sample the class of its answer (grouped by equivalence); None, no answer, votes for nothing.
      right: whether each is right. Where the way counts beside the answer, a class may be right in part: of the answer that
        wins any sample stands.
      k: voters, those without an answer counted.

    Raises:
      ValueError: not 1 <= k <= n.
    """
    n = len(answers)
    _expect(n, k)
    sizes = Counter(answer for answer in answers if answer is not None)
    good = Counter(answer for answer, one in zip(answers, right, strict=True) if one and answer is not None)
    silent = n - sum(sizes.values())
    total = Fraction(0)  # the counts are beyond what a float holds
    for answer, among in good.items():
        others = [size for other, size in sizes.items() if other != answer]
        for most in range(1, min(sizes[answer], k) + 1):
            ways = math.comb(sizes[answer], most) * Fraction(among, sizes[answer])
            ties = _others(others, silent, k - most, most)
            total += ways * sum(Fraction(count, tied + 1) for tied, count in enumerate(ties))
    return float(total / math.comb(n, k))


def _others(sizes: Sequence[int], silent: int, votes: int, most: int) -> list[int]:
    """Ways to draw so many votes of other classes, none of them more than `most` times: by how many reach it, [classes + 1]."""
    # ways[t][v]: v votes so far, t classes at `most`.
    ways = [[0] * (votes + 1) for _ in range(len(sizes) + 1)]
    for drawn in range(min(silent, votes) + 1):
        ways[0][drawn] = math.comb(silent, drawn)
    for size in sizes:
        after = [[0] * (votes + 1) for _ in ways]
        for ties, row in enumerate(ways):
            for so_far, count in enumerate(row):
                for drawn in range(min(size, most, votes - so_far) + 1) if count else ():
                    after[ties + (drawn == most)][so_far + drawn] += count * math.comb(size, drawn)
        ways = after
    return [row[votes] for row in ways]


def best_at_k(scores: Sequence[float], right: Sequence[float], k: int) -> float:
    """The chance that the sample of the highest score of k is right; of equal scores each is chosen as often.

    Args:
      right: of each sample 1 or 0, or a share.

    Raises:
      ValueError: the lengths differ, a score is not a number, or not 1 <= k <= n.
    """
    n = len(scores)
    _expect(n, k)
    values, credit = np.asarray(scores, np.float64), np.asarray(right, np.float64)
    if len(credit) != n:
        raise ValueError(f"len(scores) = {n}, len(right) = {len(credit)}: expected one of each for every sample")
    if np.isnan(values).any():
        raise ValueError("a score is not a number: expected one for every sample")
    # Of equal scores the chance is the same for each, so that they share their mean.
    _, group = np.unique(values, return_inverse=True)
    mean = np.bincount(group, credit) / np.bincount(group)
    ranked = mean[group][np.argsort(-values, kind="stable")]
    total = math.comb(n, k)
    weights = [math.comb(n - rank, k - 1) / total for rank in range(1, n + 1)]  # of whole numbers, however large
    return float(sum(weight * one for weight, one in zip(weights, ranked, strict=True)))


@dataclasses.dataclass(frozen=True)
class MeanEstimate:
    """A mean over problems.

    Attributes:
      value: the mean.
      error: its standard error.
      permutations: by how many draws of samples it was estimated; 0 for an exact one.
    """

    value: float
    error: float
    permutations: int = 0


def weighted_vote_at_k(
    answers: Sequence[Hashable | None], weights: Sequence[float], right: Sequence[bool], k: int, draws: int = 200, seed: int = 0
) -> MeanEstimate:
    """How often the answer whose votes weigh most, of k samples, is right. There is no closed form: over random subsets.

    Args:
      weights: of each sample's vote, 0 or more; a reward model's score, most often.
      draws: of subsets of k; the error is that of the draws.

    Raises:
      ValueError: not 1 <= k <= n, or a weight is below 0 or not a number.
    """
    n = len(answers)
    _expect(n, k)
    if not all(weight >= 0 for weight in weights):  # no comparison holds of what is not a number
        raise ValueError("a weight is below 0 or not a number: expected 0 or more")
    sizes = Counter(answer for answer in answers if answer is not None)
    among = Counter(answer for answer, one in zip(answers, right, strict=True) if one and answer is not None)
    good = {answer: among[answer] / size for answer, size in sizes.items()}
    rng, found = np.random.default_rng(seed), []
    for _ in range(draws):
        total: dict[Hashable, float] = {}
        for index in rng.permutation(n)[:k]:
            if (answer := answers[index]) is not None:
                total[answer] = total.get(answer, 0.0) + weights[index]
        highest = max(total.values(), default=0.0)
        winners = [answer for answer, weight in total.items() if weight >= highest * (1 - 1e-12)]
        found.append(sum(good[answer] for answer in winners) / len(winners) if winners else 0.0)
    error = float(np.std(found, ddof=1) / math.sqrt(draws)) if draws > 1 else math.nan
    return MeanEstimate(float(np.mean(found)), error, draws)


@dataclasses.dataclass(frozen=True)
class Average:
    """Accuracy averaged over the samples of each problem (avg@k).

    Attributes:
      value: the mean over problems of their mean over samples.
      over_problems: its standard error, were other problems drawn; what a benchmark's result is uncertain by.
      over_samples: its standard error, were the same problems sampled anew; what a run is uncertain by. None of one sample.
    """

    value: float
    over_problems: float
    over_samples: float | None


def average_at_k(right: Sequence[Sequence[bool]]) -> Average:
    """avg@k of problems, each with its samples' verdicts.

    Raises:
      ValueError: there are no problems, or one has no samples.
    """
    if not right or not all(right):
        raise ValueError("expected at least one problem, and a sample of each")
    means = np.array([np.mean(one) for one in right])
    n = len(means)
    over_problems = float(np.std(means, ddof=1) / math.sqrt(n)) if n > 1 else math.nan
    over_samples = None
    if all(len(one) > 1 for one in right):
        variances = [np.var(one, ddof=1) / len(one) for one in right]
        over_samples = float(math.sqrt(sum(variances)) / n)
    return Average(float(means.mean()), over_problems, over_samples)


def _expect(n: int, k: int) -> None:
    if not 1 <= k <= n:
        raise ValueError(f"k = {k}: expected 1 to the {n} samples of a problem")
