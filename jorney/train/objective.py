"""What a training minimises: an objective's settings, its rows, its loss; and the registry that commands find them by.

An objective is one file: a `TrainingConfig`, a loss and an `Objective` that is registered. The loop, the stage that trains, the
bench and the planner know no objective by name.
"""

from __future__ import annotations

import abc
import dataclasses
import importlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Generic, TypeVar

import jax
from jax.sharding import Mesh

from jorney import sharding, storage
from jorney.batch.loader import BatchStream
from jorney.batch.packing import Example, pack
from jorney.batch.row_arrays import RowArrays
from jorney.compiled import Compilations
from jorney.config import AtMost, expect, expect_at_least, expect_number, expect_one_of
from jorney.model import flops
from jorney.model.architecture import ModelConfig
from jorney.model.flops import RowShape
from jorney.model.lora import LoraConfig, over_base
from jorney.model.transformer import REMAT_POLICIES
from jorney.policy import Policy
from jorney.text.step_format import StepFormat
from jorney.text.tokenizer import Tokenizer
from jorney.train.loop import LoopConfig
from jorney.train.metrics import Record
from jorney.train.optimizer import OptimizerConfig
from jorney.train.step import LossFn


@dataclasses.dataclass(frozen=True)
class TrainingConfig:
    """How a model is trained, whatever the objective.

    Attributes:
      epochs: passes over the examples.
      accumulate: micro-batches a step.
      remat: what of a layer is kept for the backward pass, from the most to the least memory: "none" keeps all, "dots",
        "attention", "attended", "full" nothing but its input.
      held_out: share of the examples that is not trained on, but measured at every checkpoint.
      best: whether the checkpoint of the lowest held-out loss is the result, and not the last.
      optimizer: AdamW's settings, and the dtypes that parameters and moments are held in.
      loop: how often it saves, logs and looks.
      lora: adapters that are trained in the place of the model, see `model.lora`.
    """

    name: ClassVar[str]  # of the objective
    batch: ClassVar[str]  # the field that says how many rows are a batch
    counts: ClassVar[tuple[str, ...]] = ("epochs", "accumulate")  # other fields that are 1 or more

    epochs: int = 1
    accumulate: int = 1
    remat: str = "none"
    held_out: float = 0.0
    best: bool = False
    optimizer: OptimizerConfig = dataclasses.field(default_factory=OptimizerConfig)
    loop: LoopConfig = dataclasses.field(default_factory=LoopConfig)
    lora: LoraConfig = dataclasses.field(default_factory=LoraConfig)

    def __post_init__(self) -> None:
        expect_at_least(1, self, self.name, *self.counts, self.batch)
        expect_one_of(REMAT_POLICIES, self, self.name, "remat")
        expect_number(self, self.name, "held_out", least=0)
        expect(lambda share: share < 1, "a share of 0 or more, below 1", self, self.name, "held_out")
        if self.best and not self.held_out:
            raise ValueError(f"{self.name}.best = True: expected {self.name}.held_out above 0, by which the best is known")
        if self.rows % self.accumulate:
            raise ValueError(f"{self.rows_told}: expected a multiple of {self.name}.accumulate = {self.accumulate}")

    @property
    def rows(self) -> int:
        """Of a step, over all devices."""
        return getattr(self, self.batch)

    @property
    def rows_told(self) -> str:
        """Where the rows of a step come from, for messages."""
        return f"{self.name}.{self.batch} = {self.rows}"

    def expect_split(self, mesh: Mesh, name: str = "") -> None:
        """Raises ValueError where a mesh cannot split the batches evenly.

        Args:
          name: of these settings in the message, if not the objective's.
        """
        ways = sharding.ways("batch", mesh)
        together = ways * self.accumulate
        if self.rows % together:
            told = f"{name or self.name}{self.rows_told.removeprefix(self.name)}"
            micro = f" in {self.accumulate} micro-batches" if self.accumulate > 1 else ""
            raise ValueError(
                f"{told}: expected a multiple of {together}, since {ways} devices split a batch{micro} "
                "(--mesh.devices takes fewer of them)"
            )

    def decides(self) -> dict[str, Any]:
        """The fields that the trained parameters depend on."""
        more = {"loop"} if self.lora.rank else {"loop", "lora"}
        found = {name: value for name, value in dataclasses.asdict(self).items() if name not in more}
        # Held-out examples are measured, and the best parameters chosen, where checkpoints are.
        return found | ({"save_every": self.loop.save_every} if self.held_out else {})


@dataclasses.dataclass(frozen=True)
class StepShape:
    """A training's step, known without data.

    Attributes:
      model: that is trained; of a reward model with its head.
      row: what a row of the batch asks of it.
      rows: of a step.
      read_out: positions of a step at which the head is read, at most.
      batch: shape and dtype of each array of a step, rows first.
      lora: adapters that are trained in the place of the model; the loss takes their base last then.
    """

    model: ModelConfig
    loss_fn: LossFn
    row: RowShape
    rows: int
    read_out: int
    batch: dict[str, jax.ShapeDtypeStruct]
    lora: LoraConfig

    @property
    def tokens(self) -> int:
        """Of a step, padding included."""
        return self.rows * self.row.positions

    def flops(self, convention: str) -> float:
        """Operations of a step."""
        return flops.training(self.model, self.row, self.rows, self.read_out, convention, self.lora)


C = TypeVar("C", bound=TrainingConfig)
E = TypeVar("E")


class Objective(abc.ABC, Generic[C, E]):
    """What a training minimises. C is the type of its settings, E that of its examples.

    Attributes:
      config: the type C, whose `name` is the objective's.
      programs: labels of what it compiles beside the step.
    """

    config: type[C]
    programs: tuple[str, ...] = ()

    def model(self, policy: ModelConfig) -> ModelConfig:
        """What is trained: the policy itself, or its trunk with another head."""
        return policy

    def start(self, policy: Policy, seed: int) -> Policy:
        """The policy as `model` has it, with what is new drawn at random."""
        return policy

    def fitted(self, model: ModelConfig, config: C) -> C:
        """The settings, lengths that nobody stated (`AtMost`) no longer than a model can read."""
        return config

    def encode(self, tokenizer: Tokenizer, step_format: StepFormat, row: Mapping[str, Any], place: str) -> E:
        """A row of data as an example.

        Args:
          place: where the row comes from, for messages.

        Raises:
          ValueError: the objective takes examples only.
        """
        raise ValueError(f"{place}: {self.config.name} learns from examples: expected no rows")

    @abc.abstractmethod
    def layout(self, config: C, examples: Sequence[E], multiple: int = 1) -> RowArrays:
        """The examples in rows, whose number is filled up to a multiple. Raises ValueError where one does not fit."""

    @abc.abstractmethod
    def check(self, model: ModelConfig, config: C, rows: RowArrays | None = None) -> None:
        """Raises ValueError where rows of these settings, or those given, are longer than the model can read."""

    @abc.abstractmethod
    def loss(self, model: ModelConfig, config: C, dtype: Any) -> LossFn:
        """Equal arguments give the same function, by which trainings know that they can share a program."""

    @abc.abstractmethod
    def full(self, config: C, draw: Callable[[int], tuple[int, ...]]) -> E:
        """An example that fills a row, whose every token bears loss where it can.

        Args:
          draw: so many token ids.
        """

    def trips(self, config: C) -> int:
        """How often the loop of a step runs whose trips its program does not state; under the mesh that it is for."""
        return 1

    def with_reference(
        self, policy: Policy, rows: RowArrays, config: C, folder: storage.PathLike, name: str, compilations: Compilations
    ) -> RowArrays:
        """The rows with what the loss needs of the policy as it was, which is kept in `folder`/`name`.npz."""
        return rows

    def summary(self, config: C, examples: Sequence[E], batches: BatchStream, records: Sequence[Record]) -> dict[str, Any]:
        """What a training's result tells of its examples."""
        return {}

    def shape(self, policy: ModelConfig, config: C, dtype: Any) -> StepShape:
        """The step of a configuration: for benches and plans, which have no data.

        Args:
          dtype: of the computation.

        Raises:
          ValueError: a length is not stated; names it.
        """
        model, rows = self.model(policy), self.layout(config, [self.full(config, lambda count: (0,) * count)])
        batch = {name: jax.ShapeDtypeStruct((config.rows, *one.shape), one.dtype) for name, one in rows[0].items()}
        read = config.rows * rows.read_out(rows.arrays)
        loss = self.loss(model, config, dtype)
        loss = over_base(loss, config.lora.scale) if config.lora.rank else loss
        return StepShape(model, loss, rows.row, config.rows, read, batch, config.lora)


@dataclasses.dataclass(frozen=True)
class PackedConfig(TrainingConfig):
    """How a model is trained on packed rows.

    Attributes:
      batch_rows: packed rows a step, over all devices.
      row_length: tokens a row.
    """

    batch: ClassVar[str] = "batch_rows"
    counts: ClassVar[tuple[str, ...]] = (*TrainingConfig.counts, "row_length")

    batch_rows: int = AtMost(64)
    row_length: int = AtMost(4096)


P = TypeVar("P", bound=PackedConfig)


class PackedObjective(Objective[P, Example]):
    """An objective that learns from packed rows."""

    def layout(self, config: P, examples: Sequence[Example], multiple: int = 1) -> RowArrays:
        return pack(examples, config.row_length, multiple)

    def check(self, model: ModelConfig, config: P, rows: RowArrays | None = None) -> None:
        if config.row_length > model.positions:
            raise ValueError(
                f"{config.name}.row_length = {config.row_length}: expected at most the model's {model.positions} positions"
            )

    def fitted(self, model: ModelConfig, config: P) -> P:
        if not isinstance(config.row_length, AtMost) or config.row_length <= model.positions:
            return config
        return dataclasses.replace(config, row_length=model.positions)

    def full(self, config: P, draw: Callable[[int], tuple[int, ...]]) -> Example:
        return Example(draw(config.row_length + 1))

    def summary(
        self, config: P, examples: Sequence[Example], batches: BatchStream, records: Sequence[Record]
    ) -> dict[str, Any]:
        return {"tokens": config.epochs * sum(len(example.tokens) for example in examples)}


_REGISTRY: dict[str, Objective[Any, Any]] = {}


def register(objective: Objective[Any, Any], replace: bool = True) -> None:
    """Makes an objective known under its configuration's name, in place of one that had it, if it may replace that one."""
    if replace or objective.config.name not in _REGISTRY:
        _REGISTRY[objective.config.name] = objective


def objectives() -> dict[str, Objective[Any, Any]]:
    """{name: objective}, those of this package first."""
    importlib.import_module("jorney.train.objectives")
    return _REGISTRY


def objective_of(which: str | TrainingConfig) -> Objective[Any, Any]:
    """The objective of a name, or of a training's settings.

    Raises:
      ValueError: there is none; lists those that there are.
    """
    name, known = which if isinstance(which, str) else which.name, objectives()
    if name not in known:
        raise ValueError(f"objective = {name!r}: expected one of {', '.join(known)}")
    return known[name]
