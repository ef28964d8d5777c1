"""`jorney dpo`: preference training, on given pairs or on pairs of a policy's own samples, graded."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

from jorney.machine.plan.planned import AotProgram
from jorney.machine.plan.planner import Planner
from jorney.run import inputs
from jorney.run.artifact import Artifact, Model
from jorney.run.fitting import fit_completions
from jorney.run.stage import ProblemsCommand
from jorney.run.stages.fine_tuning import TrainCommand, plan_training
from jorney.run.stages.pairing import OWN, plan_pairs, sampled_pairs, samples, sampling_programs
from jorney.run.workspace import Workspace
from jorney.solve.evaluate import EvaluateConfig
from jorney.train.objectives.dpo import DpoConfig


@dataclasses.dataclass(frozen=True)
class DpoCommand(TrainCommand, ProblemsCommand):
    """Direct preference optimisation on pairs of the model's own samples, or on given ones.

    Attributes:
      data: pairs in place of samples: rows of chosen and rejected, with prompt or with a beginning in common, texts or
        messages; from a .jsonl, .parquet or .csv file (local or gs://), a hub id (NAME[:CONFIGURATION][@SPLIT]) or tfds:NAME.
      data_limit: how many of those pairs; None takes all.
      evaluate: limits of a sample, and how many are decoded together.
    """

    command: ClassVar[str] = "dpo"
    common = (
        *("model", "data", "problems", "limit", "output", "dpo.beta", "dpo.optimizer.learning-rate", "dpo.epochs"),
        *("dpo.batch-pairs", "dpo.kind", "dpo.samples", "evaluate.max-tokens", "dtype", "mesh.fsdp", "seed"),
    )

    output: str = "runs/dpo"
    data: str = ""
    data_limit: int | None = None
    evaluate: EvaluateConfig = dataclasses.field(default_factory=EvaluateConfig)
    dpo: DpoConfig = dataclasses.field(default_factory=DpoConfig)

    def plan(self, space: Workspace, model: Model) -> list[Artifact]:
        if self.data:
            given = inputs.read_pairs(self.data, self.data_limit, self.rules)
            make, key = self.allowed(given.make), [given.key, *self.taken] if self.taken else given.key
            return [plan_training(space, "dpo", model, make, key, self.dpo, f"the pairs of {self.data}")]
        if self.distributed.coordinator:
            raise ValueError(
                "distributed.coordinator: expected data, pairs that `jorney pairs` sampled before: training is shared by "
                "processes, sampling is not"
            )
        problems = self.read_problems()
        evaluate = fit_completions(self.evaluate, "evaluate", model, problems, space.format, space.progress.say)
        pairs = plan_pairs(space, model, problems, evaluate, self.dpo)
        return [pairs, plan_training(space, "dpo", model, sampled_pairs(pairs, problems), pairs.key, self.dpo, OWN)]

    @property
    def all_hosts(self) -> bool:  # type: ignore[override]
        return bool(self.data)

    def programs(self, planner: Planner) -> list[AotProgram]:
        drawn = samples(self.dpo, self.evaluate, self.seed)
        own = [] if self.data else sampling_programs(planner, drawn, planner.sampling_mesh(self.mesh))
        return [*own, planner.step("dpo", self.dpo, planner.mesh(self.mesh))]
