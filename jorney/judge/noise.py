"""A judge made worse on purpose: what does it cost a model that the judge of its trees errs?"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from jorney.domain.domain import Rating
from jorney.judge.judge import Judge, StepPath


def noised(judge: Judge, rate: float, seed: int = 0) -> Judge:
    """A judge whose verdict on a step is the other one with a probability.

    Whether it errs follows from the seed, the problem and the path's texts: it is asked in any order, in any company, and again
    after an interruption, and says the same. Of one seed, the steps that are misjudged at a rate are so at every higher one.
    A score is mirrored with its verdict. What was seen speaks for the true verdict, so a false one has no justification.

    Args:
      judge: what `tree.expand` takes.
      rate: from 0, which leaves the judge as it is, to 1, which turns every verdict round.

    Raises:
      ValueError: `rate` is no probability.
    """
    if not 0 <= rate <= 1:
        raise ValueError(f"noise = {rate}: expected 0 to 1")

    def rate_all(requests: Sequence[StepPath]) -> list[Rating]:
        return [
            _turned(rating) if _uniform(seed, problem.id, steps) < rate else rating
            for (problem, steps), rating in zip(requests, judge(requests), strict=True)
        ]

    return rate_all


def _turned(rating: Rating) -> Rating:
    verdict = None if rating.correct is None else not rating.correct
    return Rating(verdict, "", None if rating.score is None else 1.0 - rating.score)


def _uniform(seed: int, problem: str, steps: Sequence[str]) -> float:
    """A number from 0 (included) to 1, which the texts decide."""
    digest = hashlib.blake2b(repr((seed, problem, tuple(steps))).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64
