"""`jorney generate`: completions of prompts, printed."""

from __future__ import annotations

import dataclasses

from jorney.engine.generate import SamplingConfig
from jorney.policy import EMBEDDED


@dataclasses.dataclass(frozen=True)
class GenerateCommand:
    """What to complete, and how.

    Attributes:
      prompts: texts as the model is to read them.
      model: a folder (local or gs://), a hub id or "embedded".
    """

    prompts: tuple[str, ...] = ()
    model: str = EMBEDDED
    sampling: SamplingConfig = dataclasses.field(default_factory=SamplingConfig)

    def __post_init__(self) -> None:
        if any(not prompt for prompt in self.prompts):
            raise ValueError("prompts: expected texts that are not empty")
