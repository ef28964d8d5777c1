"""The commands that train: `jorney sft`, `jorney dpo`, and any objective that a configuration file registers."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

from jorney.batch.packing import TOO_LONG
from jorney.domain import domains
from jorney.machine.plan.planned import AotProgram
from jorney.machine.plan.planner import Planner
from jorney.run import inputs
from jorney.run.commands.command import StageCommand, TrainCommand
from jorney.run.stages import preference as preferences
from jorney.run.stages.finetune import plan_training
from jorney.run.stages.preference import plan_pairs
from jorney.run.workspace import Model, Stage, Workspace
from jorney.solve.evaluate import EvaluateConfig
from jorney.train.objective import TrainingConfig, objective_of
from jorney.train.objectives.dpo import DpoConfig
from jorney.train.objectives.sft import SftConfig


@dataclasses.dataclass(frozen=True)
class SftCommand(TrainCommand):
    """Supervised fine-tuning on thoughts, problems with solutions, chats, prompts with completions, or texts.

    Attributes:
      data: "countdown", a .jsonl, .parquet or .csv file (local or gs://), a hub id (NAME[:CONFIGURATION][@SPLIT]) or tfds:NAME.
        Its rows are told apart by the first one's columns: prompt and completion (the completion bears loss), messages (the
        assistant's turns bear loss), text (all of it does), question and answer (problems with solutions), or pieces (thoughts
        of `jorney derive`).
      limit: how many rows; None takes all.
      too_long: what becomes of examples that are longer than a row: "error", "drop", or "truncate", which keeps the beginning.
      excursion_loss: whether the excursions of journeys bear loss.
    """

    name: ClassVar[str] = "sft"
    split: ClassVar[str] = "train"

    output: str = "runs/sft"
    data: str = domains.DEFAULT
    limit: int | None = None
    too_long: str = "error"
    excursion_loss: bool = True
    sft: SftConfig = dataclasses.field(default_factory=SftConfig)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.too_long not in TOO_LONG:
            raise ValueError(f"too_long = {self.too_long!r}: expected one of {', '.join(TOO_LONG)}")

    def plan(self, space: Workspace, model: Model) -> list[Stage]:
        if domains.drawing(self.data):
            found = inputs.solutions(self.read(self.data, self.limit), space.format, self.data)
        else:
            found = inputs.read_examples(self.data, self.limit, space.format, self.excursion_loss)
        make = inputs.fitting(found, self.sft.row_length, self.too_long, self.data)
        reads = [found.key, self.excursion_loss, self.too_long]
        return [plan_training(space, "sft", model, make, reads, self.sft, self.data)]

    @property
    def all_hosts(self) -> bool:
        return True

    def programs(self, planner: Planner) -> list[AotProgram]:
        return [planner.step("sft", self.sft, planner.mesh(self.mesh))]


@dataclasses.dataclass(frozen=True)
class DpoCommand(TrainCommand):
    """Direct preference optimisation on pairs of the model's own samples, or on given ones.

    Attributes:
      problems: to sample for: "countdown", a file, a hub id or tfds:NAME with questions and answers.
      limit: how many of them; None takes all of a file.
      data: pairs in place of samples: rows of chosen and rejected, with prompt or with a beginning in common, texts or
        messages; from a .jsonl, .parquet or .csv file (local or gs://), a hub id (NAME[:CONFIGURATION][@SPLIT]) or tfds:NAME.
      data_limit: how many of those pairs; None takes all.
      evaluate: limits of a sample, and how many are decoded together.
    """

    name: ClassVar[str] = "dpo"

    output: str = "runs/dpo"
    problems: str = domains.DEFAULT
    limit: int | None = 100
    data: str = ""
    data_limit: int | None = None
    evaluate: EvaluateConfig = dataclasses.field(default_factory=EvaluateConfig)
    dpo: DpoConfig = dataclasses.field(default_factory=DpoConfig)

    def plan(self, space: Workspace, model: Model) -> list[Stage]:
        if self.data:
            given = inputs.read_pairs(self.data, self.data_limit)
            return [plan_training(space, "dpo", model, given.make, given.key, self.dpo, f"the pairs of {self.data}")]
        if self.distributed.coordinator:
            raise ValueError(
                "distributed.coordinator: expected data, pairs sampled before: training is shared by processes, sampling is not"
            )
        pairs = plan_pairs(space, model, self.read(self.problems, self.limit), self.evaluate, self.dpo)
        return [pairs, plan_training(space, "dpo", model, preferences.sampled(pairs), pairs.key, self.dpo, preferences.OWN)]

    @property
    def all_hosts(self) -> bool:
        return bool(self.data)

    def programs(self, planner: Planner) -> list[AotProgram]:
        mesh, drawn = planner.mesh(self.mesh), preferences.samples(self.dpo, self.evaluate, self.seed)
        sampled = [] if self.data else planner.completions("pairs", drawn, mesh)
        return [*sampled, planner.step("dpo", self.dpo, mesh)]


@dataclasses.dataclass(frozen=True)
class ObjectiveCommand(TrainCommand):
    """Training by any objective that is registered, on rows that it reads itself: for configuration files (`jorney run`).

    Attributes:
      data: a .jsonl, .parquet or .csv file (local or gs://), a hub id (NAME[:CONFIGURATION][@SPLIT]) or tfds:NAME.
      limit: how many rows; None takes all.
      training: the objective's settings.
    """

    name: ClassVar[str] = "train"

    output: str = "runs/train"
    data: str = ""
    limit: int | None = None
    training: TrainingConfig = dataclasses.field(default_factory=SftConfig)

    def plan(self, space: Workspace, model: Model) -> list[Stage]:
        encode = objective_of(self.training).encode
        found = inputs.read_encoded(self.data, self.limit, lambda *given: encode(given[0], space.format, *given[1:]))
        return [plan_training(space, self.training.name, model, found.make, [found.key], self.training, self.data)]

    @property
    def all_hosts(self) -> bool:
        return True

    def programs(self, planner: Planner) -> list[AotProgram]:
        return [planner.step(self.training.name, self.training, planner.mesh(self.mesh))]


COMMANDS: dict[str, type[StageCommand]] = {kind.name: kind for kind in (SftCommand, DpoCommand)}
