"""`jorney generate`: completions of prompts, printed."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

from jorney.config import expect_one_of
from jorney.engine.generate import SamplingConfig, generate
from jorney.policy import EMBEDDED, load
from jorney.run.artifact import open_model
from jorney.run.command import Command, use_jax
from jorney.sharding import MeshConfig
from jorney.train.optimizer import DTYPES


@dataclasses.dataclass(frozen=True)
class GenerateCommand(Command):
    """Completions of prompts.

    Attributes:
      prompts: texts as the model is to read them.
      model: a folder (local or gs://), a hub id or "embedded".
      dtype: of the computation and of the weights, "float32" or "bfloat16".
      verify: of a model that a stage made, large files are read again and held against their digests, too.
    """

    command: ClassVar[str] = "generate"
    places: ClassVar[dict[str, str]] = {"prompts": "TEXT..."}
    common = (
        *("model", "dtype", "mesh.tensor", "sampling.w", "sampling.max-tokens", "sampling.temperature", "sampling.top-p"),
        "sampling.seed",
    )

    prompts: tuple[str, ...] = ()
    model: str = EMBEDDED
    dtype: str = "float32"
    verify: bool = False
    mesh: MeshConfig = dataclasses.field(default_factory=MeshConfig)
    sampling: SamplingConfig = dataclasses.field(default_factory=SamplingConfig)

    def __post_init__(self) -> None:
        expect_one_of(DTYPES, self, "", "dtype")
        if any(not prompt for prompt in self.prompts):
            raise ValueError("prompts: expected texts that are not empty")

    def execute(self) -> None:
        use_jax()
        policy = load(open_model(self.model, self.verify), mesh=self.mesh, dtype=self.dtype)
        policy.tokenizer.warn_of_lost(self.prompts)
        for prompt, completions in zip(self.prompts, generate(policy, self.prompts, self.sampling), strict=True):
            for completion in completions:
                print(prompt + completion.text)
