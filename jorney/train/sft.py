"""Supervised fine-tuning: examples in, a trained policy out."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

from jorney import storage
from jorney.compiled import Compilations
from jorney.data.loader import Batches
from jorney.data.packing import Example, pack
from jorney.policy import Policy
from jorney.train import loop as loops
from jorney.train.loop import LoopConfig, Record
from jorney.train.losses import sft_loss
from jorney.train.optimizer import OptimizerConfig


@dataclasses.dataclass(frozen=True)
class SftConfig:
    """How a policy is fine-tuned.

    Attributes:
      epochs: passes over the examples.
      batch_rows: packed rows a step, over all devices.
      row_length: tokens a row.
      accumulate: micro-batches a step.
      head_chunk: positions whose logits are held at a time.
      remat: what the backward pass recomputes: "none", "dots" or "full".
    """

    epochs: int = 1
    batch_rows: int = 64
    row_length: int = 4096
    accumulate: int = 1
    head_chunk: int = 512
    remat: str = "none"
    optimizer: OptimizerConfig = dataclasses.field(default_factory=OptimizerConfig)
    loop: LoopConfig = dataclasses.field(default_factory=LoopConfig)

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_rows", "row_length", "accumulate", "head_chunk"):
            if getattr(self, name) < 1:
                raise ValueError(f"sft.{name} = {getattr(self, name)}: expected 1 or more")
        if self.remat not in ("none", "dots", "full"):
            raise ValueError(f"sft.remat = {self.remat!r}: expected 'none', 'dots' or 'full'")
        if self.batch_rows % self.accumulate:
            raise ValueError(f"sft.batch_rows = {self.batch_rows}: expected a multiple of sft.accumulate = {self.accumulate}")

    def decides(self) -> dict[str, Any]:
        """The fields that the trained parameters depend on."""
        return {name: value for name, value in dataclasses.asdict(self).items() if name != "loop"}


def prepare(policy: Policy, examples: Sequence[Example], config: SftConfig, seed: int) -> Batches:
    """Packs the examples and lays out all batches. Raises ValueError where an example is longer than a row."""
    if config.row_length > policy.config.positions:
        raise ValueError(
            f"sft.row_length = {config.row_length}: expected at most the model's {policy.config.positions} positions"
        )
    packed = pack(examples, config.row_length, config.batch_rows)
    return Batches(packed, config.batch_rows, config.epochs, seed)


def run(
    policy: Policy,
    batches: Batches,
    config: SftConfig,
    folder: storage.PathLike,
    compilations: Compilations | None = None,
    on_step: Callable[[int, Record | None], None] = lambda step, record: None,
) -> tuple[Policy, list[Record]]:
    """Fine-tunes a policy; resumes from `folder` when it holds a checkpoint.

    Args:
      batches: from `prepare`.
      folder: of the checkpoints.
      on_step: see `train.loop.train`.

    Returns:
      The trained policy, and the metrics of every step.
    """
    loss_fn = sft_loss(policy.config, policy.dtype, config.remat, config.head_chunk)
    params, records = loops.train(
        policy.config,
        policy.params,
        loss_fn,
        batches,
        config.optimizer,
        config.loop,
        policy.mesh,
        folder,
        config.accumulate,
        compilations,
        on_step,
    )
    return dataclasses.replace(policy, params=params, source=str(folder)), records
