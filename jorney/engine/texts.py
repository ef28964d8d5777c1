"""What is asked of the engine: requests for texts that follow a span; their states; and the count of what was done."""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Callable

import numpy as np

from jorney.engine.spans import Pool, Span

# Where a text is over although the model would go on: text so far -> characters to keep, or None.
Stop = Callable[[str], int | None]
NEVER = 1 << 30  # tokens


class State(enum.Enum):
    """How far a text is."""

    WAITING = "what stands before it, or some of itself, is to be read"
    READY = "it is in the cache, and waits for a row"
    DECODING = "it is in a row"
    DONE = "nothing is sampled for it any more"


# A text that waits for a row may be dropped for others and is read again then; one in a row may have to give it back.
_FOLLOWS = {
    State.WAITING: (State.READY, State.DONE),  # its first id, sampled when what precedes it was read, may be its last
    State.READY: (State.DECODING, State.WAITING),
    State.DECODING: (State.DONE, State.READY),
    State.DONE: (),
}


@dataclasses.dataclass(eq=False, kw_only=True)
class Text(Span):
    """A span that is sampled.

    Attributes:
      request: that it was asked for with.
      key: [2] uint32, of its random numbers.
      state: how far it is; changed by `becomes`.
      log_probs, sampling_log_probs: of each id (see `Sampled`).
      generated: ids that were sampled, those behind a stop counted.
      finished: it ended by itself or was stopped, not at the limit.
      watch: see `decode_chunk`.
    """

    request: Request
    key: np.ndarray
    state: State = State.WAITING
    log_probs: list[float] = dataclasses.field(default_factory=list)
    sampling_log_probs: list[float] = dataclasses.field(default_factory=list)
    generated: int = 0
    finished: bool = False
    watch: int = -1

    def becomes(self, state: State) -> None:
        """The text's next state."""
        assert state in _FOLLOWS[self.state], f"a text that is {self.state.name} becomes {state.name}"
        self.state = state


@dataclasses.dataclass(eq=False)
class Request:
    """What was asked for after one span.

    Attributes:
      after: the span, its opening included.
      texts: that follow it.
      values: [labels], of a model with another head: its values at the last id of `after`.
      limit, stop, wait: see `Engine.sample`.
    """

    after: Span
    texts: list[Text] = dataclasses.field(default_factory=list)
    values: np.ndarray | None = None
    limit: int = 0
    stop: Stop | None = None
    wait: int = NEVER

    @property
    def pool(self) -> Pool:
        """Of its problem."""
        return self.after.pool

    @property
    def done(self) -> bool:
        """All that was asked for is there."""
        return all(text.state is State.DONE for text in self.texts) if self.texts else self.values is not None


@dataclasses.dataclass
class Counts:
    """What an engine did.

    Attributes:
      read: ids that were given and read: prompts, openings, last ids of texts.
      sampled: ids that were sampled.
      in_rows: of those, that took a row's step and that no stop left behind; a text's first id takes none.
      active: ids that were sampled in rows, those that a stop left behind too.
      places: rows times decode steps.
      steps: decode steps of all rows together.
      writes: ids written to the cache, as the programs count them.
      chunks: of decode steps, between which the host looks at what was sampled.
      decoding: seconds in decode steps, the host's part left out.
      reading: seconds in which what was given was read.
      between: seconds from a chunk's end to the begin of the next, reading left out: the host's part.
    """

    read: int = 0
    sampled: int = 0
    in_rows: int = 0
    active: int = 0
    places: int = 0
    steps: int = 0
    writes: int = 0
    chunks: int = 0
    decoding: float = 0.0
    reading: float = 0.0
    between: float = 0.0

    @property
    def busy(self) -> float:
        """Share of the rows' decode steps that gave an id."""
        return self.active / max(1, self.places)

    @property
    def occupancy(self) -> float:
        """Share of the rows' decode steps that gave an id which was kept."""
        return self.in_rows / max(1, self.places)
