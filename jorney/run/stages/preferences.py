"""`jorney dpo`: preference training, on given pairs, on pairs of trees, or on pairs of a policy's own samples, graded."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

from jorney.batch.pairs import Preference
from jorney.config import expect_one_of
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
from jorney.text.step_format import StepFormat
from jorney.thought.refine import RefineConfig
from jorney.thought.tree_pairs import JOURNEY, PAIR_KINDS
from jorney.train.objectives.dpo import DpoConfig
from jorney.tree.contrasts import ContrastConfig


@dataclasses.dataclass(frozen=True)
class DpoCommand(TrainCommand, ProblemsCommand):
    """Direct preference optimisation on pairs of the model's own samples, of reasoning trees, or on given ones.

    Attributes:
      data: pairs in place of samples: rows of chosen and rejected, with prompt or with a beginning in common, texts or
        messages; from a .jsonl, .parquet or .csv file (local or gs://), a hub id (NAME[:CONFIGURATION][@SPLIT]) or tfds:NAME.
        Step-DPO's rows (initial_reason_steps), and those that `jorney trees export` writes, are pairs of steps.
      data_limit: how many of those pairs, or of the trees; None takes all.
      trees: makes pairs of reasoning trees: a .jsonl file of them, or the folder that `jorney expand` wrote (OUTPUT/trees).
      pairs: what the sides of trees' pairs are. "step": two steps after the same right ones; "first-error": the same, the wrong
        one being where a wrong solution first errs; "subtree": both go on to an answer; "leaf": whole solutions; "journey":
        after the same wrong step, one goes back to the right way, the other goes on.
      contrast: which sides are held against each other, and how many.
      refine: words of journeys, where they go back.
      evaluate: limits of a sample, and how many are decoded together.
    """

    command: ClassVar[str] = "dpo"
    common = (
        *("model", "data", "trees", "pairs", "problems", "limit", "output", "dpo.beta", "dpo.optimizer.learning-rate"),
        *("dpo.epochs", "dpo.batch-pairs", "evaluate.max-tokens", "dtype", "mesh.fsdp", "seed"),
    )

    output: str = "runs/dpo"
    data: str = ""
    data_limit: int | None = None
    trees: str = ""
    pairs: str = "step"
    contrast: ContrastConfig = dataclasses.field(default_factory=ContrastConfig)
    refine: RefineConfig = dataclasses.field(default_factory=RefineConfig)
    evaluate: EvaluateConfig = dataclasses.field(default_factory=EvaluateConfig)
    dpo: DpoConfig = dataclasses.field(default_factory=DpoConfig)

    def __post_init__(self) -> None:
        super().__post_init__()
        expect_one_of(PAIR_KINDS, self, "", "pairs")
        if self.trees and self.data:
            raise ValueError(f"trees = {self.trees!r}: expected either trees or data, got both (data = {self.data!r})")
        if self.trees and self.dpo.smoothing == "own" and self.contrast.smoothing == "none":
            raise ValueError("contrast.smoothing = 'none': expected visits or score with dpo.smoothing = 'own'")
        if self.trees and self.pairs == JOURNEY and self.dpo.step_weights != "none":
            raise ValueError(f"dpo.step_weights = {self.dpo.step_weights!r}: expected 'none' with pairs = 'journey'")

    def plan(self, space: Workspace, model: Model) -> list[Artifact]:
        more = [Model.at(self.dpo.reference, self.verify).key] if self.dpo.reference else []
        if self.given:
            given, detail = self._read(space.format)
            more = [*self.taken, *more]
            make, key = self.allowed(given.make), [given.key, *more] if more else given.key
            return [plan_training(space, "dpo", model, make, key, self.dpo, detail)]
        if self.distributed.coordinator:
            raise ValueError(
                "distributed.coordinator: expected data, pairs that `jorney pairs` sampled before: training is shared by "
                "processes, sampling is not"
            )
        problems = self.read_problems()
        evaluate = fit_completions(self.evaluate, "evaluate", model, problems, space.format, space.progress.say)
        pairs = plan_pairs(space, model, problems, evaluate, self.dpo)
        key = [pairs.key, *more] if more else pairs.key
        return [pairs, plan_training(space, "dpo", model, sampled_pairs(pairs, problems), key, self.dpo, OWN)]

    @property
    def given(self) -> str:
        """Where the pairs come from that are not sampled here; "" where they are."""
        return self.data or self.trees

    def _read(self, step_format: StepFormat) -> tuple[inputs.Input[Preference], str]:
        """Those pairs, and what they are in words."""
        if self.data:
            return inputs.read_pairs(self.data, self.data_limit, step_format, self.rules), f"the pairs of {self.data}"
        how = (self.pairs, self.contrast, self.refine, step_format, self.seed)
        return inputs.read_tree_pairs(self.trees, self.data_limit, *how), f"{self.pairs} pairs of {self.trees}"

    @property
    def all_hosts(self) -> bool:  # type: ignore[override]
        return bool(self.given)

    def programs(self, planner: Planner) -> list[AotProgram]:
        drawn = samples(self.dpo, self.evaluate, self.seed)
        own = [] if self.given else sampling_programs(planner, drawn, planner.sampling_mesh(self.mesh))
        return [*own, planner.step("dpo", self.dpo, planner.mesh(self.mesh))]
