"""Supervised fine-tuning: examples in, a trained policy out."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import ClassVar

from jorney import storage
from jorney.batch.loader import Batches, hold_out
from jorney.batch.packing import Example, pack
from jorney.compiled import Compilations
from jorney.config import expect_at_least
from jorney.model.flops import packed_row
from jorney.policy import Policy
from jorney.train.metrics import Record
from jorney.train.objectives.losses import sft_loss
from jorney.train.training import OnStep, TrainingConfig, fit, no_one


@dataclasses.dataclass(frozen=True)
class SftConfig(TrainingConfig):
    """How a policy is fine-tuned.

    Attributes:
      batch_rows: packed rows a step, over all devices.
      row_length: tokens a row.
      head_chunk: tokens of a device whose logits are held at a time.
    """

    name: ClassVar[str] = "sft"
    batch: ClassVar[str] = "batch_rows"

    batch_rows: int = 64
    row_length: int = 4096
    head_chunk: int = 512

    def __post_init__(self) -> None:
        super().__post_init__()
        expect_at_least(1, self, self.name, "row_length", "head_chunk")


@dataclasses.dataclass(frozen=True)
class SftData:
    """All batches of a training, and those of the examples that are held out."""

    batches: Batches
    held_out: Batches | None


def prepare(policy: Policy, examples: Sequence[Example], config: SftConfig, seed: int) -> SftData:
    """Packs the examples and lays out all batches. Raises ValueError where an example is longer than a row."""
    config.expect_at_most(policy.config.positions, "row_length")
    config.expect_split(policy.mesh)
    train, held = hold_out(examples, config.held_out, seed)

    def batches(members: Sequence[Example], epochs: int) -> Batches:
        return Batches(pack(members, config.row_length, config.batch_rows), config.batch_rows, epochs, seed)

    return SftData(batches(train, config.epochs), batches(held, 1) if held else None)


def run(
    policy: Policy,
    data: SftData,
    config: SftConfig,
    seed: int,
    folder: storage.PathLike,
    compilations: Compilations | None = None,
    on_step: OnStep = no_one,
    donate: bool = False,
) -> tuple[Policy, list[Record]]:
    """Fine-tunes a policy; resumes from `folder` when it holds a checkpoint.

    Args:
      data: from `prepare`, with the same seed.
      folder, on_step, donate: see `train.loop.train`.

    Returns:
      The trained policy, and the metrics of every step.
    """
    loss_fn = sft_loss(policy.config, policy.dtype, config.remat, config.head_chunk)
    row = packed_row(config.row_length)
    return fit(policy, loss_fn, row, data.batches, data.held_out, config, seed, folder, compilations, on_step, donate)
