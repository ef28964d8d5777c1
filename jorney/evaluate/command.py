"""`jorney evaluate`: one model, one set of problems, one summary."""

from __future__ import annotations

import dataclasses
import os
from typing import Any

from jorney import storage
from jorney.compiled import Compilations
from jorney.config import digest
from jorney.data.countdown import Countdown, sample_problems
from jorney.data.problems import read_problems
from jorney.data.steps import FORMATS
from jorney.evaluate.benchmarks import EvaluateConfig, evaluate, summarise
from jorney.policy import EMBEDDED, load, resolve
from jorney.progress import Progress
from jorney.sample.generate import Generator
from jorney.sharding import MeshConfig
from jorney.stage import Stages, source_digest


@dataclasses.dataclass(frozen=True)
class EvaluateCommand:
    """What is evaluated, and where the graded completions go.

    Attributes:
      model: a folder (local or gs://), a hub id, or "embedded".
      problems: "countdown" (its test set), a file or a hub id with questions and answers.
      limit: how many problems; None takes all of a file.
      output: folder for the graded completions.
      step_format: how prompts are written; a key of `data.steps.FORMATS`.
      dtype: of the computation, "float32" or "bfloat16".
      seed: of sampling, and of the drawing of Countdown problems.
    """

    model: str = EMBEDDED
    problems: str = "countdown"
    limit: int | None = None
    output: str = "runs/evaluate"
    step_format: str = "abel"
    dtype: str = "float32"
    seed: int = 0
    evaluate: EvaluateConfig = dataclasses.field(default_factory=EvaluateConfig)
    mesh: MeshConfig = dataclasses.field(default_factory=MeshConfig)

    def __post_init__(self) -> None:
        if self.step_format not in FORMATS:
            raise ValueError(f"step_format = {self.step_format!r}: expected one of {', '.join(FORMATS)}")
        if self.limit is not None and self.limit < 1:
            raise ValueError(f"limit = {self.limit}: expected 1 or more, or None for all")


def run(command: EvaluateCommand, progress: Progress) -> dict[str, Any]:
    """Evaluates, resumes where it was interrupted, and returns the summary.

    Raises:
      FileNotFoundError, ValueError: name the file, line or field; nothing is written then.
    """
    model = resolve(command.model)
    if command.problems == "countdown":
        problems = sample_problems(Countdown(), "test", command.limit or 1000, command.seed)
    else:
        problems = read_problems(command.problems, command.limit)
    step_format = FORMATS[command.step_format]
    policy = load(model, mesh=command.mesh, dtype=command.dtype)

    def work(folder: storage.Path) -> dict[str, Any]:
        generator = Generator(policy, Compilations(announce=progress.announce, expected=2))
        with progress.bar("problems", len(problems)) as bar:
            graded = evaluate(generator, problems, step_format, command.evaluate, command.seed, folder, bar)
        return summarise(graded, command.evaluate)

    # The problems whole: a file may keep its ids and change its questions.
    reads = [source_digest(model), digest(problems), step_format, command.evaluate.decides(), command.dtype, command.seed]
    done = Stages(command.output, progress).run("evaluate", reads, work, f"{command.model} on {len(problems):,} problems")
    storage.write_json(os.path.join(command.output, "summary.json"), done.result)
    return done.result
