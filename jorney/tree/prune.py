"""Which candidates of a level are expanded: a beam over all of them, whatever their parents."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import NamedTuple

from jorney.config import expect_at_least, expect_one_of

PRUNING = ("binary", "score")


@dataclasses.dataclass(frozen=True)
class PruneConfig:
    """How a level is pruned.

    Attributes:
      keep: K, steps a level that are expanded.
      by: "binary" keeps steps judged right, the likeliest first; "score" keeps the highest scores, right or not.
      explore_wrong: steps judged wrong that are followed outside the beam, unbranched, to where they fail; the likeliest first.
    """

    keep: int = 3
    by: str = "binary"
    explore_wrong: int = 1

    def __post_init__(self) -> None:
        expect_at_least(1, self, "prune", "keep")
        expect_one_of(PRUNING, self, "prune", "by")
        expect_at_least(0, self, "prune", "explore_wrong")


class Candidate(NamedTuple):
    """A step of the level that neither states an answer nor was cut short.

    Attributes:
      node: index in the tree.
      correct: the judge's verdict.
      score: the judge's score, where it gives one.
      likelihood: mean log-probability of its tokens that were sampled; -inf where none was.
    """

    node: int
    correct: bool | None
    score: float | None
    likelihood: float


def prune(candidates: Sequence[Candidate], config: PruneConfig) -> tuple[list[int], list[int]]:
    """(nodes of the beam, wrong nodes that are followed outside it).

    Raises:
      ValueError: pruning goes by score, and a candidate has none.
    """

    def likely(candidate: Candidate) -> tuple[float, int]:
        return -candidate.likelihood, candidate.node

    def scored(candidate: Candidate) -> tuple[float, float, int]:
        if candidate.score is None:
            raise ValueError("prune.by = 'score': expected a judge that gives scores, got one that gives verdicts")
        return -candidate.score, *likely(candidate)

    if config.by == "score":
        beam = sorted(candidates, key=scored)[: config.keep]
    else:
        beam = sorted((c for c in candidates if c.correct is not False), key=likely)[: config.keep]
    chosen = {candidate.node for candidate in beam}
    wrong = sorted((c for c in candidates if c.correct is False and c.node not in chosen), key=likely)
    return sorted(chosen), sorted(candidate.node for candidate in wrong[: config.explore_wrong])
