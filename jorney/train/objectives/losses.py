"""Losses: sums over tokens and the counts to divide by, never means, so that micro-batches and hosts add up."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp

from jorney.model.architecture import ModelConfig
from jorney.model.params import Params
from jorney.model.transformer import branched_hidden_states, hidden_states, preference_hidden_states, read_out
from jorney.train.cross_entropy import cross_entropy, log_probs

Batch = Mapping[str, jax.Array]
# (parameters, batch) -> (sum of the loss, {name: sum}); the entry "count" is what every sum is divided by.
LossFn = Callable[[Params, Batch], tuple[jax.Array, dict[str, jax.Array]]]
PREFERENCE_LOSSES = ("sigmoid", "ipo")


@functools.cache  # equal arguments give the same function, by which trainings know that they can share a program
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


@functools.cache
def prm_loss(config: ModelConfig, dtype: Any = jnp.float32, remat: str = "none") -> LossFn:
    """Cross-entropy of a reward model's two labels at the end of every step (Math-Shepherd, arXiv 2312.08935, section 3.3).

    The batch holds what `sft_loss` takes, and labels [B, T] float32: how true a step is, 0 to 1; below 0 where no step ends.
    Or rows of `batch.branches`: ends [B, T] in place of segment_ids, and weights [B, T] float32, how many texts have the label.
    """

    def loss(params: Params, batch: Batch) -> tuple[jax.Array, dict[str, jax.Array]]:
        tokens, positions, labels = batch["tokens"], batch["positions"], batch["labels"]
        if "ends" in batch:
            hidden = branched_hidden_states(config, params, tokens, batch["ends"], positions, dtype, remat)
            weights = batch["weights"]
        else:
            hidden = hidden_states(config, params, tokens, batch["segment_ids"], positions, dtype, remat)
            weights = (labels >= 0).astype(jnp.float32)
        right = jnp.clip(labels, 0, 1)
        wrong_log_prob, right_log_prob = jnp.moveaxis(jax.nn.log_softmax(read_out(config, params, hidden)), -1, 0)
        total = -jnp.sum(weights * (right * right_log_prob + (1 - right) * wrong_log_prob))
        hits = (right_log_prob > wrong_log_prob) == (labels > 0.5)
        return total, {"loss": total, "accuracy": jnp.sum(hits * weights), "count": jnp.sum(weights)}

    return loss


def preference_log_probs(
    config: ModelConfig, params: Params, batch: Batch, dtype: Any = jnp.float32, remat: str = "none", head_chunk: int = 512
) -> tuple[jax.Array, jax.Array]:
    """[B] log-probabilities of the chosen and of the rejected completions, in one forward that reads the prompt once.

    The batch is of `batch.pairs`: tokens, positions and parts [B, P + 2L], chosen_mask and rejected_mask [B, L]. The
    head reads completion tokens only.
    """
    tokens, L = batch["tokens"], batch["chosen_mask"].shape[1]
    P = tokens.shape[1] - 2 * L
    hidden = preference_hidden_states(config, params, tokens, batch["parts"], batch["positions"], L, dtype, remat)
    # Prompts end at P - 1: both first tokens are predicted from there, each other one from the one before it.
    predicting = hidden[:, P - 1 : -1].at[:, L].set(hidden[:, P - 1])
    found, _ = log_probs(config, params, predicting, tokens[:, P:], head_chunk)
    chosen, rejected = found[:, :L] * batch["chosen_mask"], found[:, L:] * batch["rejected_mask"]
    return jnp.sum(chosen, axis=1), jnp.sum(rejected, axis=1)


@functools.cache
def dpo_loss(
    config: ModelConfig,
    beta: float,
    dtype: Any = jnp.float32,
    remat: str = "none",
    head_chunk: int = 512,
    label_smoothing: float = 0.0,
    kind: str = "sigmoid",
) -> LossFn:
    """Direct preference optimisation (arXiv 2305.18290, equation 7), or IPO (arXiv 2310.12036, equation 17).

    The batch holds what `preference_log_probs` takes, the reference's reference_chosen and reference_rejected [B], and
    pair_mask [B]: 0 for a row that only fills the batch. Metrics: accuracy is the share of pairs in which the chosen
    completion has the higher reward, margin the mean difference of the rewards.

    Args:
      label_smoothing: share of the pairs that are taken to be the wrong way round (conservative DPO); "sigmoid" only.
      kind: "sigmoid", or "ipo", whose log-probabilities are means over a completion's tokens, as TRL's are.
    """
    if kind not in PREFERENCE_LOSSES:
        raise ValueError(f"kind = {kind!r}: expected one of {', '.join(PREFERENCE_LOSSES)}")

    def loss(params: Params, batch: Batch) -> tuple[jax.Array, dict[str, jax.Array]]:
        chosen, rejected = preference_log_probs(config, params, batch, dtype, remat, head_chunk)
        chosen_reward = beta * (chosen - batch["reference_chosen"])
        rejected_reward = beta * (rejected - batch["reference_rejected"])
        if kind == "ipo":  # without the mean a long completion would be held to the same distance as a short one
            chosen_reward /= jnp.maximum(jnp.sum(batch["chosen_mask"], axis=1), 1)
            rejected_reward /= jnp.maximum(jnp.sum(batch["rejected_mask"], axis=1), 1)
        margin = chosen_reward - rejected_reward
        if kind == "ipo":
            losses = jnp.square(margin / beta - 1 / (2 * beta))
        else:
            losses = -(1 - label_smoothing) * jax.nn.log_sigmoid(margin) - label_smoothing * jax.nn.log_sigmoid(-margin)
        pairs = batch["pair_mask"].astype(jnp.float32)
        total = jnp.sum(losses * pairs)
        sums = {"loss": total, "accuracy": (margin > 0) * pairs, "margin": margin * pairs}
        sums |= {"chosen_reward": chosen_reward * pairs, "rejected_reward": rejected_reward * pairs, "count": pairs}
        return total, {name: jnp.sum(value) for name, value in sums.items()}

    return loss
