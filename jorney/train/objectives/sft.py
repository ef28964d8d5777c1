"""Supervised fine-tuning: cross-entropy on completions."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence
from typing import Any, ClassVar

import jax
import jax.numpy as jnp

from jorney.batch.loader import BatchStream
from jorney.batch.packing import Example
from jorney.model.architecture import ModelConfig
from jorney.model.params import Params
from jorney.model.transformer import hidden_states
from jorney.train.cross_entropy import cross_entropy, piece_length
from jorney.train.metrics import Record
from jorney.train.objective import PackedConfig, PackedObjective
from jorney.train.step import Batch, LossFn


@dataclasses.dataclass(frozen=True)
class SftConfig(PackedConfig):
    """How a policy is fine-tuned.

    Attributes:
      head_chunk: tokens of a device whose logits are held at a time.
    """

    name: ClassVar[str] = "sft"
    counts: ClassVar[tuple[str, ...]] = (*PackedConfig.counts, "head_chunk")

    head_chunk: int = 512


@functools.cache
def sft_loss(config: ModelConfig, dtype: Any = jnp.float32, remat: str = "none", head_chunk: int = 512) -> LossFn:
    """Cross-entropy on completion tokens: the loss of supervised fine-tuning.

    The batch holds tokens, targets, positions, segment_ids and loss_mask, all [B, T] (`batch.packing`).
    """

    def loss(params: Params, batch: Batch) -> tuple[jax.Array, dict[str, jax.Array]]:
        hidden = hidden_states(config, params, batch["tokens"], batch["segment_ids"], batch["positions"], dtype, remat)
        mask = batch["loss_mask"].astype(jnp.float32)
        total, hits = cross_entropy(config, params, hidden, batch["targets"], mask, head_chunk)
        return total, {"loss": total, "accuracy": jnp.sum(hits * mask), "count": jnp.sum(mask)}

    return loss


class Sft(PackedObjective[SftConfig]):
    """Examples in, a policy out that writes their completions."""

    config = SftConfig

    def loss(self, model: ModelConfig, config: SftConfig, dtype: Any) -> LossFn:
        return sft_loss(model, dtype, config.remat, config.head_chunk)

    def trips(self, config: SftConfig) -> int:
        # The head's loop, which ends with the last token that bears loss.
        return config.row_length // piece_length(config.rows // config.accumulate, config.row_length, config.head_chunk)

    def summary(
        self, config: SftConfig, examples: Sequence[Example], batches: BatchStream, records: Sequence[Record]
    ) -> dict[str, Any]:
        completions = sum(len(example.tokens) - example.prompt for example in examples)
        return {
            **super().summary(config, examples, batches, records),
            "completion_tokens": config.epochs * completions,
            "mean_tokens": completions / len(examples),
            "padding": batches.padding,
        }
