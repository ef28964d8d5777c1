"""What the objectives share: their settings, and the way from a policy to a trained policy."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, ClassVar

from jax.sharding import Mesh

from jorney import sharding, storage
from jorney.batch.loader import Batches
from jorney.compiled import Compilations
from jorney.config import expect_at_least
from jorney.model.flops import RowShape
from jorney.model.transformer import REMAT_POLICIES
from jorney.policy import Policy
from jorney.train import loop as loops
from jorney.train.loop import LoopConfig, Training
from jorney.train.metrics import Record
from jorney.train.objectives.losses import LossFn
from jorney.train.optimizer import OptimizerConfig

OnStep = Callable[[int, Record | None], None]


def no_one(step: int, record: Record | None) -> None:
    """Hears of the steps and does nothing."""


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
    """

    name: ClassVar[str]
    batch: ClassVar[str]  # the field that says how many rows are a batch

    epochs: int = 1
    accumulate: int = 1
    remat: str = "none"
    held_out: float = 0.0
    best: bool = False
    optimizer: OptimizerConfig = dataclasses.field(default_factory=OptimizerConfig)
    loop: LoopConfig = dataclasses.field(default_factory=LoopConfig)

    def __post_init__(self) -> None:
        expect_at_least(1, self, self.name, "epochs", "accumulate", self.batch)
        if self.remat not in REMAT_POLICIES:
            raise ValueError(f"{self.name}.remat = {self.remat!r}: expected one of {', '.join(REMAT_POLICIES)}")
        if not 0 <= self.held_out < 1:
            raise ValueError(f"{self.name}.held_out = {self.held_out}: expected a share of 0 or more, below 1")
        if self.best and not self.held_out:
            raise ValueError(f"{self.name}.best = True: expected {self.name}.held_out above 0, by which the best is known")
        rows = getattr(self, self.batch)
        if rows % self.accumulate:
            raise ValueError(
                f"{self.name}.{self.batch} = {rows}: expected a multiple of {self.name}.accumulate = {self.accumulate}"
            )

    def expect_at_most(self, positions: int, name: str) -> None:
        """Raises ValueError where rows of a field's length have more positions than the model knows."""
        if getattr(self, name) > positions:
            raise ValueError(f"{self.name}.{name} = {getattr(self, name)}: expected at most the model's {positions} positions")

    def expect_split(self, mesh: Mesh, name: str = "") -> None:
        """Raises ValueError where a mesh cannot split the batches evenly.

        Args:
          name: of these settings in the message, if not the objective's.
        """
        ways = sharding.ways("batch", mesh)
        rows, together = getattr(self, self.batch), ways * self.accumulate
        if rows % together:
            micro = f" in {self.accumulate} micro-batches" if self.accumulate > 1 else ""
            why = f"{ways} devices split a batch{micro} (--mesh.devices takes fewer of them)"
            raise ValueError(f"{name or self.name}.{self.batch} = {rows}: expected a multiple of {together}, since {why}")

    def decides(self) -> dict[str, Any]:
        """The fields that the trained parameters depend on."""
        found = {name: value for name, value in dataclasses.asdict(self).items() if name != "loop"}
        # Held-out examples are measured, and the best parameters chosen, where checkpoints are.
        return found | ({"save_every": self.loop.save_every} if self.held_out else {})


def fit(
    policy: Policy,
    loss_fn: LossFn,
    row: RowShape,
    batches: Batches,
    held_out: Batches | None,
    config: TrainingConfig,
    seed: int,
    folder: storage.PathLike,
    compilations: Compilations | None,
    on_step: OnStep,
    donate: bool,
) -> tuple[Policy, list[Record]]:
    """Trains a policy by `train.loop`; what the objectives' own functions return and raise."""
    config.expect_split(policy.mesh)
    decides = {config.name: config.decides(), "seed": seed, "dtype": str(policy.dtype), "data": batches.digest}
    training = Training(
        policy.config, loss_fn, batches, row, config.optimizer, decides, config.accumulate, held_out, config.best
    )
    params, records = loops.train(training, policy.params, policy.mesh, folder, config.loop, compilations, on_step, donate)
    return dataclasses.replace(policy, params=params, source=str(folder)), records
