"""The clipped surrogate of GRPO and its relatives, from log-probabilities and advantages of tokens.

It knows nothing of models and rows: arrays are [B, T], and `segments` says which tokens are of one completion
(`aggregation`). It returns sums and one count, as every loss here does (`train.step`).
"""

from __future__ import annotations

import dataclasses
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np

from jorney.config import expect, expect_above, expect_at_least, expect_number, expect_one_of, expect_share
from jorney.train.policy_gradient.aggregation import AGGREGATES, over_completions, token_weights
from jorney.train.policy_gradient.kl import FURTHEST, KL_ESTIMATORS, kl_estimate

SURROGATES = ("clip", "cispo")
RATIO_LEVELS = ("token", "sequence")
CORRECTIONS = ("none", "token_truncate", "token_mask", "sequence_truncate", "sequence_mask")
_KL_OF_CONFIG = ("k1_reward", *KL_ESTIMATORS[1:])


@dataclasses.dataclass(frozen=True)
class SurrogateConfig:
    """What of the policy gradient is taken, and how.

    Attributes:
      surrogate: "clip", or "cispo" (MiniMax-M1, arXiv 2506.13585), where every token has a gradient whose weight is capped.
      ratio_level: "token", or "sequence" (GSPO, arXiv 2507.18071): all tokens of a completion have its mean log-ratio, and
        each its own gradient (GSPO-token, which is GSPO where a completion's tokens have one advantage).
      clip_low, clip_high: how far the ratio counts below and above 1. DAPO has 0.2 and 0.28, GSPO 3e-4 and 4e-4.
      dual_clip: the most that a ratio counts where the advantage is negative, else unbounded; verl's `clip_ratio_c` of 3 and
        TRL's `delta`. None for no bound.
      cispo_cap: the most that a token's weight may be, with "cispo".
      aggregate: "token", "sequence" or "constant", see `aggregation.token_weights`.
      max_length: tokens by which "constant" divides, which are the most a completion may have, never the longest of a batch.
      beta: price of leaving the reference; at 0 no reference is needed.
      kl: how that is measured. In the loss: "k2", "k3", "k3_ratio", see `kl`. In the reward: "k1_reward", which adds
        nothing here.
      importance: what is done about tokens that one program drew and another trains on. "token_truncate" and
        "sequence_truncate" weigh the loss by the ratio of the trainer's to the sampler's probability, of a token or of a
        whole completion, `truncate_ratio` at most. "token_mask" and "sequence_mask" leave out what is above that.
      truncate_ratio: see there; ms-swift has 2, TRL has 3.
      count_masked: whether what "token_mask" and "sequence_mask" leave out still counts in the denominator, and is held to the
        reference, as in TRL.
      entropy_share: of the tokens, those of the highest entropy, have a surrogate (arXiv 2506.01939, which takes 0.2); all
        count in the denominator.
    """

    name: ClassVar[str] = "grpo"

    surrogate: str = "clip"
    ratio_level: str = "token"
    clip_low: float = 0.2
    clip_high: float = 0.2
    dual_clip: float | None = None
    cispo_cap: float = 5.0
    aggregate: str = "token"
    max_length: int | None = None
    beta: float = 0.0
    kl: str = "k3_ratio"
    importance: str = "none"
    truncate_ratio: float = 2.0
    count_masked: bool = False
    entropy_share: float = 1.0

    def __post_init__(self) -> None:
        self.expect_surrogate()

    def expect_surrogate(self) -> None:
        """Raises ValueError where a field is out of range, or does not go with another."""
        expect_one_of(SURROGATES, self, self.name, "surrogate")
        expect_one_of(RATIO_LEVELS, self, self.name, "ratio_level")
        expect_one_of(AGGREGATES, self, self.name, "aggregate")
        expect_one_of(_KL_OF_CONFIG, self, self.name, "kl")
        expect_one_of(CORRECTIONS, self, self.name, "importance")
        expect_above(0, self, self.name, "clip_low", "clip_high", "cispo_cap", "truncate_ratio")
        expect_number(self, self.name, "beta", least=0)
        expect_number(self, self.name, "dual_clip", above=1, none="None for no bound")
        expect_at_least(1, self, self.name, "max_length", none="None")
        expect_share(self, self.name, "entropy_share")
        least = 1 + self.clip_high
        # Below it would clip what the other clip lets through.
        expect(
            lambda c: c is None or c >= least, f"1 + {self.name}.clip_high = {least:g} or more", self, self.name, "dual_clip"
        )
        if self.aggregate == "constant":
            expect(bool, f"a number of tokens with {self.name}.aggregate = 'constant'", self, self.name, "max_length")

    @property
    def needs_reference(self) -> bool:
        """Whether the loss takes the reference's log-probabilities."""
        return self.beta > 0 and self.kl != "k1_reward"


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class SurrogateTokens:
    """What is known of tokens before the update. All arrays are [B, T]; a gradient goes through none of them.

    Attributes:
      advantages: float32.
      mask: 0 for tokens without loss.
      segments: int32, which completion of its row a token is of, from 1 on; 0 for padding and prompts. None where a row's
        masked tokens are one completion.
      old: log-probabilities under the policy that started this round of updates, by the trainer's own forward; None in the
        first update, where they are the policy's.
      reference: those under the reference; only with a price.
      sampled: those that the sampler drew by.
      chosen: bool, tokens that have a surrogate (`high_entropy`); None for all.
      entropies: of the policy, for the record.
    """

    advantages: jax.Array
    mask: jax.Array
    segments: jax.Array | None = None
    old: jax.Array | None = None
    reference: jax.Array | None = None
    sampled: jax.Array | None = None
    chosen: jax.Array | None = None
    entropies: jax.Array | None = None


def surrogate_loss(
    config: SurrogateConfig, log_probs: jax.Array, tokens: SurrogateTokens
) -> tuple[jax.Array, dict[str, jax.Array]]:
    """Sum of the loss, and sums of metrics with their "count", as a `train.step.LossFn` returns.

    At the first update all ratios are 1, and where advantages, by their weights, sum to 0, so does the loss; its gradient does
    not.

    Args:
      log_probs: [B, T] of the tokens under the policy, which the gradient goes through.
      tokens: what else is known of them.

    Returns:
      [] float32, and {name: [] float32}. Metrics over the count are means over tokens, and with aggregates "sequence" and
      "constant" means over completions of their means. Names are TRL's where it has one. kl is k3; clip_ratio/dual_mean the
      share of tokens that only the dual clip bounds; .../completion_min and .../completion_max are means of every
      completion's own; sampling/masked is how many tokens a mask left out for each that it kept.

    Raises:
      ValueError: the configuration needs log-probabilities that are not there.
    """
    if config.needs_reference and tokens.reference is None:
        raise ValueError(f"{config.name}.beta = {config.beta}: expected log-probabilities under the reference")
    if config.importance != "none" and tokens.sampled is None:
        raise ValueError(f"{config.name}.importance = {config.importance!r}: expected log-probabilities of the sampler")
    there = tokens.mask > 0
    segments = there.astype(jnp.int32) if tokens.segments is None else tokens.segments
    there &= segments > 0
    # Padding may hold anything; NaN times 0 is NaN, in gradients too.
    clean = lambda x: jnp.where(there, x, 0).astype(jnp.float32)  # noqa: E731
    log_probs, advantages = clean(log_probs), clean(jax.lax.stop_gradient(tokens.advantages))
    now = jax.lax.stop_gradient(log_probs)
    old = now if tokens.old is None else clean(jax.lax.stop_gradient(tokens.old))
    log_ratio = log_probs - old

    metrics: dict[str, jax.Array] = {}
    importance, kept = jnp.ones_like(advantages), there
    if tokens.sampled is not None:
        gap = old - clean(jax.lax.stop_gradient(tokens.sampled))
        drift, importance, kept = _importance(config, gap, there, segments)
        metrics["sampling/sampling_logp_difference/mean"] = jnp.abs(gap)
        metrics["sampling/sampling_logp_difference/completion_max"] = over_completions(jnp.abs(gap), segments, "max")
        metrics["sampling/importance_sampling_ratio/mean"] = drift if config.importance == "none" else importance
        metrics["sampling/capped"] = (drift > config.truncate_ratio).astype(jnp.float32)
    everything = token_weights(config.aggregate, there, segments, config.max_length)
    weights = everything if config.count_masked else token_weights(config.aggregate, kept, segments, config.max_length)

    ratio = jnp.exp(_cut(_levelled(config, log_ratio, there, segments)))
    losses = _per_token(config, ratio, log_probs, advantages) * importance
    if tokens.chosen is not None:
        losses *= tokens.chosen
    metrics |= _clip_metrics(config, ratio, advantages)
    if tokens.reference is not None:
        reference = clean(jax.lax.stop_gradient(tokens.reference))
        metrics["kl"] = kl_estimate("k3", now, reference, log_ratio)
        if config.needs_reference:
            losses += config.beta * kl_estimate(config.kl, log_probs, reference, _cut(log_ratio))
    if tokens.entropies is not None:
        metrics["entropy"] = clean(tokens.entropies)
    held = jax.lax.stop_gradient(ratio)
    metrics["ratio/mean"] = held
    for how, edge in (("min", jnp.inf), ("max", -jnp.inf)):
        metrics[f"ratio/completion_{how}"] = clean(over_completions(jnp.where(there, held, edge), segments, how))

    total = jnp.sum(losses * weights.loss)
    sums = {name: jnp.sum(jax.lax.stop_gradient(value) * weights.metric) for name, value in metrics.items()}
    if config.importance.endswith("_mask"):
        sums["sampling/masked"] = jnp.sum(jnp.where(kept, 0, everything.metric))
    return total, {"loss": total, **sums, "count": weights.count}


def high_entropy(entropies: np.ndarray, mask: np.ndarray, share: float) -> np.ndarray:
    """The tokens of the highest entropy, and those that have as much as the least of them.

    Of a whole batch, on the host: micro-batches would each have a threshold of their own.

    Args:
      entropies: [B, T], nats.
      mask: [B, T], 0 where a token does not count.
      share: of the tokens, above 0.

    Returns:
      [B, T] bool.
    """
    there = np.asarray(mask) > 0
    if not there.any():
        return there
    return there & (entropies >= np.quantile(np.asarray(entropies, np.float64)[there], 1 - share))


def _cut(log_ratio: jax.Array) -> jax.Array:
    return jnp.clip(log_ratio, -FURTHEST, FURTHEST)


def _levelled(config: SurrogateConfig, log_ratio: jax.Array, there: jax.Array, segments: jax.Array) -> jax.Array:
    """Log-ratios of tokens, or their completion's mean with each token's own gradient."""
    if config.ratio_level == "token":
        return log_ratio
    held = jax.lax.stop_gradient(log_ratio)
    lengths = over_completions(there.astype(jnp.float32), segments)
    return over_completions(held, segments) / jnp.maximum(lengths, 1) + (log_ratio - held)


def _importance(
    config: SurrogateConfig, gap: jax.Array, there: jax.Array, segments: jax.Array
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Ratios of the trainer's to the sampler's probability, the weights that they make, and which tokens are kept."""
    level, _, way = config.importance.partition("_")
    ratio = jnp.exp(_cut(over_completions(gap, segments) if level == "sequence" else gap))
    if way == "truncate":
        return ratio, jnp.minimum(ratio, config.truncate_ratio), there
    if way == "mask":
        kept = there & (ratio <= config.truncate_ratio)
        return ratio, jnp.where(kept, ratio, 0), kept
    return ratio, jnp.ones_like(ratio), there


def _per_token(config: SurrogateConfig, ratio: jax.Array, log_probs: jax.Array, advantages: jax.Array) -> jax.Array:
    """The loss of every token, without what it pays to the reference."""
    if config.surrogate == "cispo":
        return -jnp.minimum(jax.lax.stop_gradient(ratio), config.cispo_cap) * advantages * log_probs
    clipped = jnp.clip(ratio, 1 - config.clip_low, 1 + config.clip_high)
    bounded = ratio if config.dual_clip is None else jnp.minimum(ratio, config.dual_clip)
    return -jnp.minimum(bounded * advantages, clipped * advantages)


def _clip_metrics(config: SurrogateConfig, ratio: jax.Array, advantages: jax.Array) -> dict[str, jax.Array]:
    """Which tokens have lost their gradient, as numbers: 1 or 0."""
    if config.surrogate == "cispo":
        found = {"cispo_clip_ratio": (ratio > config.cispo_cap) & (advantages > 0)}
    else:
        low = (ratio < 1 - config.clip_low) & (advantages < 0)
        high = (ratio > 1 + config.clip_high) & (advantages > 0)
        found = {"clip_ratio/low_mean": low, "clip_ratio/high_mean": high, "clip_ratio/region_mean": low | high}
        if config.dual_clip is not None:
            found["clip_ratio/dual_mean"] = (ratio > config.dual_clip) & (advantages < 0)
    return {name: value.astype(jnp.float32) for name, value in found.items()}
