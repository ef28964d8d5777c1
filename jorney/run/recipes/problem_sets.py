"""Which problems a run trains on, grows trees for and is tested on."""

from __future__ import annotations

import dataclasses

from jorney.config import expect_at_least
from jorney.domain import domains
from jorney.domain.countdown.sets import Countdown


@dataclasses.dataclass(frozen=True)
class ProblemsConfig:
    """Which problems a run trains on, grows trees for and is tested on.

    Attributes:
      train, trees, test: "countdown", or a file or hub id that `rows.problems.read_problems` takes; train needs solutions.
      train_count, trees_count, test_count: how many problems; None takes all of a file.
      countdown: which Countdown problems are drawn.
    """

    train: str = domains.DEFAULT
    trees: str = domains.DEFAULT
    test: str = domains.DEFAULT
    train_count: int | None = 10_000
    trees_count: int | None = 2_000
    test_count: int | None = 1_000
    countdown: Countdown = dataclasses.field(default_factory=Countdown)

    def __post_init__(self) -> None:
        for name in ("train", "trees", "test"):
            expect_at_least(1, self, "problems", f"{name}_count", none="None for all")
            if getattr(self, f"{name}_count") is None and domains.drawing(getattr(self, name)):
                raise ValueError(f"problems.{name}_count = None: expected a number, since Countdown problems are drawn")


def draws_exact(source: str) -> bool:
    """Whether a source draws problems whose steps can be verified."""
    domain = domains.drawing(source)
    return domain is not None and domain.exact
