"""`jorney sft`, and the training of a model whatever the objective."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from jorney import __version__, devices, distributed, storage
from jorney.batch.packing import TOO_LONG
from jorney.config import AtMost, expect_one_of, to_json
from jorney.distributed import DistributedConfig
from jorney.domain import domains
from jorney.machine.plan.planned import AotProgram
from jorney.machine.plan.planner import Planner
from jorney.policy import ABOUT, Policy, save
from jorney.run import inputs
from jorney.run.artifact import Artifact, Model
from jorney.run.command import line
from jorney.run.fitting import fit_rows
from jorney.run.stage import RowsCommand
from jorney.run.workspace import TRAINING, Workspace
from jorney.text.step_format import AUTO
from jorney.text.tokenizer import Tokenizer
from jorney.train import tracking, training
from jorney.train.objective import TrainingConfig, objective_of
from jorney.train.objectives.sft import SftConfig

_FEW = 10  # steps, of which a model learns next to nothing
# What a training learns from: made with the tokenizer, when it is needed.
MakeExamples = Callable[[Tokenizer], Sequence[Any]]


@dataclasses.dataclass(frozen=True)
class TrainCommand(RowsCommand):
    """What commands take whose training several processes can share: each starts the same command.

    Attributes:
      special_tokens: whether special tokens that are written in the data are tokens; else they are text.
      lossy: whether data may be learned from that hold characters which no token of the model holds.
      track: who is told a training's steps beside its own record, as "wandb,mlflow"; TensorBoard's files are always written.
      distributed: how the processes find each other. Sampling is not shared: every host does its own.
    """

    trains: ClassVar[bool] = True
    by_model: ClassVar[bool] = True
    # What hosts may each have a copy of, under its own name: its content is compared when it is read.
    own: ClassVar[tuple[str, ...]] = ("distributed", "model", "data", "trees", "held_out_data", "output")

    step_format: str = AUTO
    special_tokens: bool = False
    lossy: bool = False
    track: str = tracking.ALWAYS
    distributed: DistributedConfig = dataclasses.field(default_factory=DistributedConfig)

    def __post_init__(self) -> None:
        super().__post_init__()
        tracking.names_of(self.track)  # so that what is not there is refused before anything runs

    @property
    def trackers(self) -> Sequence[str]:
        return tracking.names_of(self.track)

    def execute(self) -> None:
        devices.keep_freed_memory()
        distributed.initialize(self.distributed, self.common_fields())
        super().execute()

    def common_fields(self) -> dict[str, Any]:
        """The fields in which no two processes may differ, as JSON values, and the command's name."""
        fields = json.loads(to_json(self))
        return {"command": self.command, **{name: value for name, value in fields.items() if name not in self.own}}

    def allowed(self, make: MakeExamples) -> MakeExamples:
        """Examples that are made as these settings allow it."""
        return lambda tokenizer: make(dataclasses.replace(tokenizer, special_tokens=self.special_tokens, lossy=self.lossy))

    @property
    def taken(self) -> list[str]:
        """What a key holds of these settings: special tokens, where they are tokens. `lossy` refuses or changes nothing."""
        return ["special tokens"] if self.special_tokens else []


@dataclasses.dataclass(frozen=True)
class SftCommand(TrainCommand):
    """Supervised fine-tuning on thoughts, problems with solutions, chats, prompts with completions, or texts.

    Attributes:
      data: "countdown", a .jsonl, .parquet or .csv file (local or gs://), a hub id (NAME[:CONFIGURATION][@SPLIT]) or tfds:NAME.
        Its rows are told apart by the first one's columns: prompt and completion (the completion bears loss), messages (the
        assistant's turns bear loss), text (all of it does), question and answer (problems with solutions), pieces (thoughts of
        `jorney derive`), conversations (ShareGPT's chats), or instruction and output (Alpaca's).
      limit: how many rows; None takes all.
      too_long: what becomes of examples that are longer than a row: "error", "drop", or "truncate", which keeps the beginning.
      excursion_loss: whether the excursions of journeys bear loss.
    """

    command: ClassVar[str] = "sft"
    split: ClassVar[str] = "train"
    all_hosts: ClassVar[bool] = True
    common = (
        *("model", "data", "limit", "output", "sft.optimizer.learning-rate", "sft.epochs", "sft.batch-rows", "sft.row-length"),
        *("too-long", "excursion-loss", "dtype", "mesh.fsdp", "mesh.tensor", "seed"),
    )

    output: str = "runs/sft"
    data: str = domains.DEFAULT
    limit: int | None = None
    too_long: str = "error"
    excursion_loss: bool = True
    sft: SftConfig = dataclasses.field(default_factory=SftConfig)

    def __post_init__(self) -> None:
        super().__post_init__()
        expect_one_of(TOO_LONG, self, "", "too_long")

    def plan(self, space: Workspace, model: Model) -> list[Artifact]:
        if domains.drawing(self.data):
            found = inputs.solutions(self.read(self.data, self.limit), space.format, self.data, self.rules)
        else:
            found = inputs.read_examples(self.data, self.limit, space.format, self.excursion_loss, self.rules)
        sft = fit_rows(self.sft, model, space.progress.say)
        make = self.allowed(inputs.fitting(found, sft.row_length, self.too_long, self.data))
        reads = [found.key, self.excursion_loss, self.too_long, *self.taken]
        return [plan_training(space, "sft", model, make, reads, sft, self.data)]

    def programs(self, planner: Planner) -> list[AotProgram]:
        return [planner.step("sft", self.sft, planner.mesh(self.mesh))]


@dataclasses.dataclass(frozen=True)
class ObjectiveCommand(TrainCommand):
    """Training by any objective that is registered, on rows that it reads itself: for configuration files (`jorney run`).

    Attributes:
      data: a .jsonl, .parquet or .csv file (local or gs://), a hub id (NAME[:CONFIGURATION][@SPLIT]) or tfds:NAME.
      limit: how many rows; None takes all.
      training: the objective's settings.
    """

    command: ClassVar[str] = "train"
    all_hosts: ClassVar[bool] = True

    output: str = "runs/train"
    data: str = ""
    limit: int | None = None
    training: TrainingConfig = dataclasses.field(default_factory=SftConfig)

    def plan(self, space: Workspace, model: Model) -> list[Artifact]:
        training = fit_rows(self.training, model, space.progress.say)
        encode = objective_of(training).encode
        found = inputs.read_encoded(
            self.data, self.limit, lambda *given: encode(given[0], space.format, *given[1:]), self.rules
        )
        make, reads = self.allowed(found.make), [found.key, *self.taken]
        return [plan_training(space, training.name, model, make, reads, training, self.data)]

    def programs(self, planner: Planner) -> list[AotProgram]:
        return [planner.step(self.training.name, self.training, planner.mesh(self.mesh))]


def plan_training(
    space: Workspace,
    name: str,
    model: Model,
    examples: MakeExamples,
    examples_key: Any,
    config: TrainingConfig,
    detail: str,
    measure: Callable[[storage.Path], dict[str, Any]] = lambda folder: {},
    measured_by: Sequence[Any] = (),
) -> Artifact:
    """Training of a model, by the objective that `config` is of.

    Args:
      examples_key: all that the examples depend on, beside the step format.
      measure: measures the trained model, in the artifact's folder; what it returns is part of the result.
      measured_by: all that `measure` depends on.
    """
    objective, asked = objective_of(config), config

    def work(folder: storage.Path) -> dict[str, Any]:
        counts = train(folder)  # returns first: two models at once may not fit
        return {**measure(folder), **counts}

    def train(folder: storage.Path) -> dict[str, Any]:
        policy = space.take(model, asked.lora.rank > 0)
        made = examples(policy.tokenizer)
        config = training.fitted(policy, made, asked, space.seed)
        if config != asked:
            space.progress.say(f"  {config.name}.{config.batch}: {config.rows}, all that {len(made):,} examples fill")
        data = training.prepare(policy, made, config, space.seed)
        where, steps = folder / TRAINING, data.batches.steps
        if steps < _FEW:
            many = "step" if steps == 1 else "steps"
            space.progress.say(f"  {steps} {many} in all: more {config.name}.epochs, or fewer {config.batch}, teach more")
        with space.progress.bar("steps", steps) as bar:
            follow = space.follow(bar)
            trained, records = training.train(
                policy, data, config, space.seed, where, space.compilations, follow, True, space.track
            )
        counts = {"steps": steps, "examples": len(made), **objective.summary(config, made, data.batches, records)}
        save_trained(space, name, model, policy, trained, folder, config, counts, detail)
        return {**counts, "curve": [[record["step"], record["loss"], record.get("accuracy")] for record in records]}

    # A batch that gives way is another than one of the same size that is stated.
    way = ["fitted"] if isinstance(getattr(config, config.batch), AtMost) else []
    return space.plan(name, [model.key, examples_key, *measured_by, config.decides(), *way], work, detail)


def save_trained(
    space: Workspace,
    name: str,
    model: Model,
    policy: Policy,
    trained: Policy,
    folder: storage.Path,
    config: TrainingConfig,
    counts: dict[str, Any],
    detail: str,
) -> None:
    """Writes a trained model, and how it came to be.

    Args:
      policy: that training started from, of `model`.
      folder: of the artifact.
      counts: what there is to tell of the training.
      detail: what it learned from, in words.
    """
    if trained.lora is not None:  # by the name it was asked for: a hub's, or a folder's
        trained = dataclasses.replace(trained, base=policy.base or model.source or model.folder)
    save(trained, folder / "model", space.dtype)
    if distributed.is_main():
        about: dict[str, Any] = {
            "step_format": space.format.name,
            "version": __version__,
            "base": model.source or model.folder,
        }
        about |= {"objective": name, "data": detail, "settings": config.decides(), "figures": counts}
        storage.write_json(folder / "model" / ABOUT, {**about, "command": line()})
