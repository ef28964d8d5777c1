"""What a training's step is, from its configuration alone: loss, batch and cost. For benches and plans, which have no data."""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp

from jorney.model import flops
from jorney.model.architecture import ModelConfig
from jorney.model.flops import RowShape
from jorney.train.objectives.dpo import DpoConfig
from jorney.train.objectives.losses import LossFn, dpo_loss, prm_loss, sft_loss
from jorney.train.objectives.prm import PrmConfig, expect_window, reward_model
from jorney.train.objectives.sft import SftConfig

BRANCHED = ("tokens", "positions", "ends")  # see `batch.branches`
PACKED = ("tokens", "targets", "positions", "segment_ids", "loss_mask")  # see `batch.packing`


@dataclasses.dataclass(frozen=True)
class Objective:
    """A training's step.

    Attributes:
      model: that is trained; of a reward model with its head.
      row: what a row of the batch asks of it.
      rows: of a step.
      read_out: positions of a step at which the head is read.
      batch: shape and dtype of each array of a step, rows first.
    """

    model: ModelConfig
    loss_fn: LossFn
    row: RowShape
    rows: int
    read_out: int
    batch: dict[str, jax.ShapeDtypeStruct]

    @property
    def tokens(self) -> int:
        """Of a step, padding included."""
        return self.rows * self.row.positions

    def flops(self, convention: str) -> float:
        """Operations of a step."""
        return flops.training(self.model, self.row, self.rows, self.read_out, convention)


def describe(model: ModelConfig, config: SftConfig | DpoConfig | PrmConfig, dtype: Any) -> Objective:
    """The step of a configuration.

    Args:
      model: the policy; `config` says what becomes of it.
      dtype: of the computation.

    Raises:
      ValueError: a length is not stated; names it.
    """
    rows: int = getattr(config, config.batch)
    ints = lambda *shape: jax.ShapeDtypeStruct(shape, jnp.int32)  # noqa: E731
    floats = lambda *shape: jax.ShapeDtypeStruct(shape, jnp.float32)  # noqa: E731
    if isinstance(config, DpoConfig):
        P, L = config.prompt_length, config.completion_length
        if not P or not L:
            raise ValueError("expected dpo.prompt_length and dpo.completion_length, which else the pairs decide")
        loss = dpo_loss(model, config.beta, dtype, config.remat, config.head_chunk, config.label_smoothing, config.kind)
        batch = {name: ints(rows, P + 2 * L) for name in ("tokens", "positions", "parts")}
        batch |= {"chosen_mask": ints(rows, L), "rejected_mask": ints(rows, L), "pair_mask": ints(rows)}
        batch |= {"reference_chosen": floats(rows), "reference_rejected": floats(rows)}
        return Objective(model, loss, flops.preference_row(P, L), rows, 2 * rows * L, batch)
    T = config.row_length
    row, batch = flops.packed_row(T), {name: ints(rows, T) for name in PACKED}
    if isinstance(config, SftConfig):
        loss = sft_loss(model, dtype, config.remat, config.head_chunk)
        return Objective(model, loss, row, rows, rows * T, batch)
    model, batch["labels"] = reward_model(model), floats(rows, T)
    if config.share:
        expect_window(model, config)
        batch = {name: ints(rows, T) for name in BRANCHED} | {name: floats(rows, T) for name in ("labels", "weights")}
    return Objective(model, prm_loss(model, dtype, config.remat), row, rows, rows * T, batch)
