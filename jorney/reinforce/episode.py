"""A completion that was sampled to learn from."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from jorney.domain.domain import Grade
from jorney.domain.problem import Problem


@dataclasses.dataclass(frozen=True)
class Episode:
    """A completion, graded.

    Attributes:
      problem: that it answers; the episodes of one problem id are a group.
      sample: which of the problem's completions, from 0.
      prompt: the question as asked.
      text: its tokens, decoded.
      tokens: as sampled, the end token included where it ended by itself.
      finished: it ended by itself, not at the limit.
      grade: of its text.
    """

    problem: Problem
    sample: int
    prompt: str
    text: str
    tokens: tuple[int, ...]
    finished: bool
    grade: Grade

    @property
    def name(self) -> str:
        """For messages."""
        return f"problem {self.problem.id!r}, sample {self.sample}"


def outcome(episode: Episode) -> float:
    """1.0 where it is right, else 0.0."""
    return float(episode.grade.correct)


def accuracies(episodes: Sequence[Episode]) -> dict[str, float]:
    """{problem id: share of its episodes that are right}."""
    found: dict[str, list[float]] = {}
    for episode in episodes:
        found.setdefault(episode.problem.id, []).append(outcome(episode))
    return {name: sum(own) / len(own) for name, own in found.items()}
