"""`jorney generate`: completions of prompts, printed."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

from jorney.engine.generate import SamplingConfig, generate
from jorney.policy import EMBEDDED, load
from jorney.run.command import Command, use_jax


@dataclasses.dataclass(frozen=True)
class GenerateCommand(Command):
    """Completions of prompts.

    Attributes:
      prompts: texts as the model is to read them.
      model: a folder (local or gs://), a hub id or "embedded".
    """

    command: ClassVar[str] = "generate"
    places: ClassVar[dict[str, str]] = {"prompts": "TEXT..."}
    common = ("model", "sampling.w", "sampling.max-tokens", "sampling.temperature", "sampling.top-p", "sampling.seed")

    prompts: tuple[str, ...] = ()
    model: str = EMBEDDED
    sampling: SamplingConfig = dataclasses.field(default_factory=SamplingConfig)

    def __post_init__(self) -> None:
        if any(not prompt for prompt in self.prompts):
            raise ValueError("prompts: expected texts that are not empty")

    def execute(self) -> None:
        use_jax()
        for prompt, completions in zip(self.prompts, generate(load(self.model), self.prompts, self.sampling), strict=True):
            for completion in completions:
                print(prompt + completion.text)
