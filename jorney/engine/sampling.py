"""What the configurations that sample have in common: the fields, their checks, and which of them results depend on."""

from __future__ import annotations

import dataclasses
from typing import Any, Self

from jorney.config import AtMost, expect, expect_number, expect_share

# How much is done at a time: no result depends on it.
_BATCHING = ("rows", "problem_rows", "chunk", "cache_tokens")

# In the keys of all stages that sample. Whoever changes which token a random number chooses raises it.
DRAWING = {"drawing": 1}


class Sampling:
    """A configuration that says how tokens are drawn. Its own fields state the defaults, and in what order they are shown.

    Attributes:
      temperature: of the sampling distribution; 0, where it is allowed, is greedy.
      top_p: of the sampling distribution.
    """

    temperature: float
    top_p: float

    def expect_sampling(self, name: str = "", samples: str = "") -> None:
        """Raises ValueError where a field is out of range; it is called as on the command line.

        Args:
          name: of the configuration, there.
          samples: what it draws several of, which greedy decoding would make all the same; "" where that is no matter.
        """
        expect_number(self, name, "temperature", least=0)
        if samples:
            expect(lambda heat: heat > 0, f"above 0, or all {samples} are the same", self, name, "temperature")
        expect_share(self, name, "top_p")

    def decides(self) -> dict[str, Any]:
        """The fields that results depend on; how much is done at a time is none of them."""
        fields: Any = self
        return {name: value for name, value in dataclasses.asdict(fields).items() if name not in _BATCHING}


class CompletionSampling(Sampling):
    """A configuration that also says how much is decoded.

    Attributes:
      max_tokens: of a completion.
      rows: completions decoded together.
      chunk: tokens a row between two looks of the host.
    """

    max_tokens: int
    rows: int
    chunk: int

    def fitted(self, positions: int, longest: int) -> Self:
        """`max_tokens`, where nobody stated it, is no more than what a prompt leaves of a model's positions.

        Args:
          longest: ids of the longest prompt. Where it leaves nothing, what samples says so and names it.
        """
        room = positions - longest
        if not isinstance(self.max_tokens, AtMost) or not 0 < room < self.max_tokens:
            return self
        fields: Any = self
        return dataclasses.replace(fields, max_tokens=room)
