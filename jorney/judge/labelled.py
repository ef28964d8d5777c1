"""A solution whose steps have labels: what rollouts make, and what a process reward model learns from and is measured on."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True)
class Labelled:
    """A solution with a label for each of its steps; a line of a part.

    Attributes:
      id, question: of the problem.
      steps: as written, openings included.
      labels: 0 (wrong) to 1 (right); None where nothing is known.
    """

    id: str
    question: str
    steps: tuple[str, ...]
    labels: tuple[float | None, ...]
