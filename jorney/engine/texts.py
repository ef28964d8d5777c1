"""What is asked of the engine: texts that follow a span, in groups; and the count of what it did."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np

from jorney.engine.spans import Span

# Where a text is over although the model would go on: text so far -> characters to keep, or None.
Cut = Callable[[str], int | None]
NEVER = 1 << 30  # tokens


@dataclasses.dataclass(eq=False, kw_only=True)
class Text(Span):
    """A span that is sampled.

    Attributes:
      group: that it was asked for with.
      key: [2] uint32, of its random numbers.
      log_probs, sampling_log_probs: of each id (see `Sampled`).
      generated: ids that were sampled, those behind a cut counted.
      finished: it ended by itself or was cut, not at the limit.
      watch: see `decode_chunk`.
    """

    group: Group
    key: np.ndarray
    log_probs: list[float] = dataclasses.field(default_factory=list)
    sampling_log_probs: list[float] = dataclasses.field(default_factory=list)
    generated: int = 0
    finished: bool = False
    watch: int = -1


@dataclasses.dataclass(eq=False)
class Group:
    """What was asked for after one span.

    Attributes:
      after: the span, its opening included.
      texts: that follow it.
      under_way: how many of them are not done.
      values: [labels], of a model with another head: its values at the last id of `after`.
      limit, cut, wait: see `Engine.sample`.
    """

    after: Span
    texts: list[Text] = dataclasses.field(default_factory=list)
    under_way: int = 0
    values: np.ndarray | None = None
    limit: int = 0
    cut: Cut | None = None
    wait: int = NEVER


@dataclasses.dataclass
class Counts:
    """What an engine did.

    Attributes:
      read: ids that were given and read: prompts, openings, last ids of texts.
      sampled: ids that were sampled.
      in_rows: of those, that took a row's step and that no cut left behind; a text's first id takes none.
      places: rows times decode steps.
      steps: decode steps of all rows together.
      writes: ids written to the cache, as the programs count them.
      decoding: seconds in decode steps, the host's part left out.
    """

    read: int = 0
    sampled: int = 0
    in_rows: int = 0
    places: int = 0
    steps: int = 0
    writes: int = 0
    decoding: float = 0.0

    @property
    def occupancy(self) -> float:
        """Share of the rows' decode steps that gave an id which was kept."""
        return self.in_rows / max(1, self.places)
