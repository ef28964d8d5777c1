"""The controls that spend another model's tokens on independent attempts."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any

from jorney import storage
from jorney.config import digest
from jorney.domain.grading import GRADING
from jorney.domain.problem import Problem
from jorney.engine.sampling import DRAWING
from jorney.run.artifact import Artifact, Model
from jorney.run.parts import Finished, Making, Parts
from jorney.run.stages.evaluation import read_graded
from jorney.run.workspace import Workspace
from jorney.solve.evaluate import EvaluateConfig
from jorney.solve.resample import (
    Attempts,
    ResampleConfig,
    pass_at_n,
    resampled_until_target,
    sample_attempts,
    summarise_spent,
)


def plan_resampling(
    space: Workspace,
    model: Model,
    problems: Sequence[Problem],
    limits: EvaluateConfig,
    config: ResampleConfig,
    spent_by: Artifact,
) -> Artifact:
    """The controls that spend another model's tokens on independent attempts of this one (`solve.resample`).

    Args:
      limits: of an attempt.
      spent_by: the evaluation whose mean tokens a problem are spent.
    """

    def work(folder: storage.Path) -> dict[str, Any]:
        def attempt(waiting: Iterator[Problem]) -> Making:
            for one in sample_attempts(space.generator(model), list(waiting), space.format, limits, config, space.seed):
                yield Finished([dataclasses.asdict(one)], f"{config.attempts} attempts each")

        Parts(folder / "parts").fill(space.progress, "problems", problems, len(problems), attempt)
        attempts = read_attempts(folder, problems)
        tokens = [graded.tokens for graded in read_graded(spent_by.folder, problems)]
        budget = sum(tokens) / max(1, len(tokens))  # without problems the controls say so
        controls = {"resampled_until_target": resampled_until_target, "pass_at_n": pass_at_n}
        found = {name: control(problems, attempts, budget) for name, control in controls.items()}
        storage.write_json(folder / "correct.json", {name: spent.correct for name, spent in found.items()})
        return {name: summarise_spent(spent) for name, spent in found.items()}

    reads = [model.key, digest(problems), limits.decides(), config, spent_by.key, GRADING, DRAWING]
    return space.plan("resampling", reads, work, f"{config.attempts} attempts of the shortcut model a problem")


def read_attempts(folder: storage.Path, problems: Sequence[Problem]) -> list[Attempts]:
    """What `plan_resampling` sampled, in the problems' order."""
    rows = Parts(folder / "parts").by_id()
    return [Attempts(**rows[problem.id]) for problem in problems]
