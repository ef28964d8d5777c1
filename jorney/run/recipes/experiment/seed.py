"""One seed of an experiment: what its policy learns from one setting of trees and thoughts, and how it fares."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from jorney.domain.countdown.sets import sample_problems
from jorney.domain.domains import domain_of
from jorney.domain.problem import Problem
from jorney.progress import Progress
from jorney.run.artifact import Artifact, Done, Model
from jorney.run.recipes.journey import RunConfig
from jorney.run.stages.derivation import plan_thoughts
from jorney.run.stages.evaluation import plan_evaluation, read_graded
from jorney.run.stages.expansion import plan_trees
from jorney.run.stages.lessons import Lesson, plan_phase1, plan_phase2
from jorney.run.stages.resampling import plan_resampling
from jorney.run.workspace import Workspace
from jorney.solve.behaviour import behaviour
from jorney.solve.evaluate import EvaluateConfig, Graded


@dataclasses.dataclass(frozen=True)
class Measured:
    """A model's results.

    Attributes:
      summary: of `evaluate.summarise` and `behaviour`.
      graded: each problem's, in the problems' order.
      stage: the evaluation.
    """

    summary: dict[str, Any]
    graded: list[Graded]
    stage: Artifact


class Seed:
    """Stages of one seed, each run when it is asked for; what stands is taken as it stands.

    Args:
      run: the settings; its seed and output are not read.
      problems: the set that models are measured on.
    """

    def __init__(self, run: RunConfig, output: str, seed: int, problems: str, progress: Progress) -> None:
        self.run, self.number, self.set = run, seed, problems
        about = (output, run.mesh, run.dtype, run.step_format, seed, progress)
        self.space = Workspace(*about, sampling_mesh=run.sampling_mesh, precision=run.precision)
        count = run.problems.test_count
        assert count is not None
        self._done: dict[str, Done] = {}
        self.problems = sample_problems(run.problems.countdown, problems, count, seed)

    def base(self, run: RunConfig | None = None) -> Model:
        return Model.at((run or self.run).model)

    def phase1(self, run: RunConfig | None = None) -> Model:
        """The model that has learned solutions."""
        run = run or self.run
        train = self._drawn(run, "train")
        return self._stage(plan_phase1(self.space, self.base(run), train, "countdown", run.sft)).model

    def trees(self, run: RunConfig | None = None) -> Artifact:
        """Trees of the model after phase 1."""
        run = run or self.run
        problems = self._drawn(run, "trees")
        return self._stage(plan_trees(self.space, self.phase1(run), problems, run.expand))

    def thoughts(self, run: RunConfig | None = None) -> Artifact:
        run = run or self.run
        trees = self.trees(run)
        return self._stage(plan_thoughts(self.space, trees.folder, trees.key, run.derive, run.refine))

    def learned(
        self, kind: str, run: RunConfig | None = None, thoughts: int | None = None, phase1: bool = True
    ) -> tuple[Model, Done]:
        """The model that has learned one kind of thoughts; and what its training gave."""
        run = run or self.run
        lesson = Lesson(kind, run.excursion_loss, thoughts)
        start = self.phase1(run) if phase1 else self.base(run)
        stage = plan_phase2(self.space, f"phase2_{kind}", start, self.thoughts(run), lesson, run.phase2, f"seed {self.number}")
        return stage.model, self.ran(stage)

    def measured(self, name: str, model: Model, limits: EvaluateConfig, problems: Sequence[Problem] | None = None) -> Measured:
        """How a model fares on the problems, or on others."""
        problems = self.problems if problems is None else problems
        stage = plan_evaluation(self.space, f"evaluate_{name}", model, problems, limits)
        result = self.ran(stage).result
        graded = read_graded(stage.folder, problems)
        told = behaviour(problems, graded) if all(domain_of(problem).behaves for problem in problems) else {}
        return Measured({**result, **told}, graded, stage)

    def resampled(self, model: Model, spent_by: Artifact) -> tuple[dict[str, Any], Artifact]:
        """The controls that spend another evaluation's tokens on attempts of a model, and their stage."""
        stage = plan_resampling(self.space, model, self.problems, self.run.evaluate, self.run.resample, spent_by)
        return self.ran(stage).result, stage

    def _drawn(self, run: RunConfig, split: str) -> list[Problem]:
        count = getattr(run.problems, f"{split}_count")
        return sample_problems(run.problems.countdown, split, count, self.number)

    def ran(self, stage: Artifact) -> Done:
        """The stage, done."""
        if stage.key not in self._done:
            self._done[stage.key] = self.space.run(stage)
        return self._done[stage.key]

    def _stage(self, stage: Artifact) -> Artifact:
        self.ran(stage)
        return stage
