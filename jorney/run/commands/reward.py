"""Reward models as commands: `jorney prm [train]`, `prm label`, `prm eval`."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

from jorney import storage
from jorney.config import digest
from jorney.domain import domains
from jorney.judge.readouts import AUTO
from jorney.judge.rollouts import RolloutConfig
from jorney.judge.threshold import THRESHOLD, threshold_of
from jorney.machine.plan.planned import AotProgram
from jorney.machine.plan.planner import Planner
from jorney.rows.labels import Reading
from jorney.rows.problems import read_problems
from jorney.run import inputs
from jorney.run.commands.command import StageCommand
from jorney.run.stages import rewards
from jorney.run.stages.judging import read_model
from jorney.run.stages.rewards import plan_prm, plan_rollouts, plan_scores
from jorney.run.workspace import Model, Stage, Workspace
from jorney.train.objectives.prm import PrmConfig


@dataclasses.dataclass(frozen=True)
class PrmCommand(StageCommand):
    """A process reward model from rollouts of a policy, or from labelled steps.

    Attributes:
      problems: to sample solutions for and to label their steps: "countdown", a file, a hub id or tfds:NAME.
      limit: how many of them; None takes all of a file.
      data: labelled steps in place of rollouts, from a file, a hub id or tfds:NAME: rows of question, steps and labels
        (`jorney prm label`), prompt, completions and labels (TRL's), PRM800K's, Math-Shepherd's, ProcessBench's; or trees, of a
        file or of the folder that `jorney expand` wrote, whose siblings share what comes before them.
      data_limit: how many of those rows; None takes all.
      neutral: what PRM800K's neutral steps count as: "positive", "negative" or "ignored".
      held_out: problems on which the reward model is measured; for "countdown" others than `problems`.
      held_out_limit: how many of those.
    """

    name: ClassVar[str] = "prm"
    trains: ClassVar[bool] = True

    output: str = "runs/prm"
    problems: str = domains.DEFAULT
    limit: int | None = 100
    data: str = ""
    data_limit: int | None = None
    neutral: str = "positive"
    held_out: str = domains.DEFAULT
    held_out_limit: int | None = 100
    rollouts: RolloutConfig = dataclasses.field(default_factory=RolloutConfig)
    prm: PrmConfig = dataclasses.field(default_factory=PrmConfig)

    def plan(self, space: Workspace, model: Model) -> list[Stage]:
        if domain := domains.drawing(self.held_out):
            held_out = domain.draw("tuning", self.held_out_limit or 100, self.seed)
        else:
            held_out = read_problems(self.held_out, self.held_out_limit)
        if self.data:
            rows = inputs.read_labelled(self.data, self.data_limit, Reading(space.format, self.neutral))
            key = digest(rows)
            return [plan_prm(space, model, lambda: rows, key, held_out, self.rollouts, self.prm, f"the steps of {self.data}")]
        labelled = plan_rollouts(space, model, self.read(self.problems, self.limit), self.rollouts)
        found = rewards.sampled(labelled)
        return [labelled, plan_prm(space, model, found, labelled.key, held_out, self.rollouts, self.prm)]

    def programs(self, planner: Planner) -> list[AotProgram]:
        mesh = planner.mesh(self.mesh)
        sampled = [] if self.data else planner.rollouts(self.rollouts, mesh)
        return [*sampled, planner.step("prm", self.prm, mesh)]


@dataclasses.dataclass(frozen=True)
class PrmLabelCommand(StageCommand):
    """Labels for the steps of solutions, from completions of the model: sampled solutions of problems, or given ones.

    Attributes:
      problems: to sample solutions for: "countdown" (its set "trees"), a file, a hub id or tfds:NAME.
      limit: how many of them; None takes all of a file.
      data: solutions in place of sampled ones: rows of a problem (question and answer) and its steps, or trees, of a file or of
        the folder that `jorney expand` wrote.
      data_limit: how many of those rows, or trees; None takes all.
    """

    name: ClassVar[str] = "prm label"

    output: str = "runs/labels"
    problems: str = domains.DEFAULT
    limit: int | None = 100
    data: str = ""
    data_limit: int | None = None
    rollouts: RolloutConfig = dataclasses.field(default_factory=RolloutConfig)

    def plan(self, space: Workspace, model: Model) -> list[Stage]:
        if not self.data:
            return [plan_rollouts(space, model, self.read(self.problems, self.limit), self.rollouts)]
        given = inputs.read_solutions(self.data, self.data_limit, Reading(space.format))
        return [plan_rollouts(space, model, [problem for problem, _ in given], self.rollouts, given)]

    def programs(self, planner: Planner) -> list[AotProgram]:
        return planner.rollouts(self.rollouts, planner.mesh(self.mesh))


@dataclasses.dataclass(frozen=True)
class PrmEvalCommand(StageCommand):
    """How good a reward model is on labelled solutions.

    Attributes:
      judge: the reward model; "scores" for those that the rows themselves have, a list each, one a step.
      readout: how it is asked, a key of `judge.readouts.READOUTS`; "auto" where its head leaves no doubt.
      data: labelled solutions, of the forms that `jorney prm --data` takes, and of MR-GSM8K and BIG-Workspace Mistake.
      limit: how many rows; None takes all.
      neutral: what PRM800K's neutral steps count as: "positive", "negative" or "ignored".
      threshold: a step is said to be right above it; None takes the one of the reward model's folder, which `jorney prm` found
        on its held-out problems, or 0.5 where there is none.
      tuning: labelled solutions by which the threshold is chosen instead (the highest macro-F1 by step).
      reasons: for the MR-Score: a .jsonl file of `correct`, whether the reason that some judge gave for the error of a solution
        is right (null where there is none), in the order of the rows.
    """

    name: ClassVar[str] = "prm eval"

    output: str = "runs/prm_eval"
    judge: str = ""
    readout: str = AUTO
    data: str = ""
    limit: int | None = None
    neutral: str = "positive"
    threshold: float | None = None
    tuning: str = ""
    reasons: str = ""

    def plan(self, space: Workspace, model: Model) -> list[Stage]:
        for field in ("judge", "data"):
            if not getattr(self, field):
                raise ValueError(
                    f"{field}: expected {'a reward model, or scores' if field == 'judge' else 'labelled solutions'}"
                )
        how = Reading(space.format, self.neutral, siblings=False)
        found = inputs.read_labelled(self.data, self.limit, how)
        stored, reasons = [], None
        if self.judge == "scores":
            if self.tuning:
                raise ValueError("tuning: expected none with judge = 'scores'")
            stored = inputs.read_scores(self.data, self.limit, found)
        if self.reasons:
            reasons = [row.get("correct") for _, row in storage.read_jsonl(self.reasons)]
            if len(reasons) != len(found):
                raise ValueError(f"{self.reasons}: {len(reasons)} rows: expected {len(found)}, one a solution of {self.data}")
        tuning = inputs.read_labelled(self.tuning, None, how) if self.tuning else []
        if reasons is not None:
            reasons = [None] * len(tuning) + reasons
        prm = None if self.judge == "scores" else read_model(self.judge)
        threshold = self.threshold
        if threshold is None:
            threshold = THRESHOLD if prm is None else threshold_of(prm.folder)
        return [plan_scores(space, prm, self.readout, [*tuning, *found], threshold, stored, reasons, len(tuning))]


COMMANDS: dict[str, type[StageCommand]] = {kind.name: kind for kind in (PrmCommand, PrmLabelCommand, PrmEvalCommand)}
