"""Group relative policy optimisation: completions with advantages in, a policy out that writes the better ones more often."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jorney import sharding
from jorney.batch.groups import Group, GroupRows, Trajectory, lay_out_groups
from jorney.batch.row_arrays import RowArrays
from jorney.compiled import Compilations
from jorney.config import AtMost
from jorney.model.architecture import ModelConfig
from jorney.model.params import Params
from jorney.model.transformer import forked_hidden_states, predicting_states
from jorney.policy import Policy
from jorney.train.cross_entropy import masked_log_probs, piece_length
from jorney.train.loop import put
from jorney.train.objective import Objective
from jorney.train.objectives.grpo_config import GrpoConfig
from jorney.train.policy_gradient.surrogate import SurrogateConfig, SurrogateTokens, surrogate_loss
from jorney.train.step import Batch, LossFn

SCORING = "group log-probs"  # the program's label
READ = ("tokens", "positions", "parts", "segments", "lengths")  # of a batch, what the model is given


def completion_log_probs(
    config: ModelConfig,
    params: Params,
    batch: Batch,
    dtype: Any = jnp.float32,
    remat: str = "none",
    head_chunk: int = 512,
    temperature: float = 1.0,
    entropies: bool = False,
) -> tuple[jax.Array, jax.Array | None]:
    """Log-probabilities of completion tokens, in one forward that reads each prompt once. The head reads these tokens only.

    Args:
      batch: of `batch.groups`: tokens, positions, parts [B, P + C*L], segments [B, C*L], lengths [B, C].
      temperature: what logits are divided by.
      entropies: whether those are wanted as well, in nats; no gradient goes through them.

    Returns:
      [B, C*L] float32 log-probabilities, and [B, C*L] float32 entropies or None; 0 where there is no token.
    """
    tokens, segments, C = batch["tokens"], batch["segments"], batch["lengths"].shape[1]
    width = segments.shape[1]
    P, L = tokens.shape[1] - width, width // C
    hidden = forked_hidden_states(config, params, tokens, batch["parts"], batch["positions"], L, C, dtype, remat)
    predicting = predicting_states(hidden, L, C)
    return masked_log_probs(config, params, predicting, tokens[:, P:], segments, head_chunk, temperature, entropies)


@functools.cache
def grpo_loss(
    config: ModelConfig,
    surrogate: SurrogateConfig,
    dtype: Any = jnp.float32,
    remat: str = "none",
    head_chunk: int = 512,
    temperature: float = 1.0,
    entropy: bool = False,
) -> LossFn:
    """GRPO (arXiv 2402.03300, equation 3) and its relatives, as `surrogate` says.

    The batch holds what `completion_log_probs` takes and advantages [B, C*L]; and where there are any old, reference and
    sampled [B, C*L], log-probabilities, and chosen [B, C*L]: see `policy_gradient.surrogate.SurrogateTokens`. Metrics are
    those of `surrogate_loss`.

    Args:
      temperature: that the completions were sampled at: what logits are divided by.
      entropy: whether the policy's entropy is measured, which takes another pass over the logits.
    """

    def loss(params: Params, batch: Batch) -> tuple[jax.Array, dict[str, jax.Array]]:
        found, entropies = completion_log_probs(config, params, batch, dtype, remat, head_chunk, temperature, entropy)
        segments = batch["segments"]
        known = {name: batch.get(name) for name in ("old", "reference", "sampled", "chosen")}
        tokens = SurrogateTokens(batch["advantages"], segments > 0, segments, **known, entropies=entropies)
        return surrogate_loss(surrogate, found, tokens)

    return loss


def group_log_probs(
    policy: Policy, rows: GroupRows, config: GrpoConfig, compilations: Compilations | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Log-probabilities and entropies under a policy by the trainer's own forward, at the temperature of sampling.

    What `old` and `reference` are made of, and which tokens have a high entropy.

    Args:
      rows: as many as some micro-batches hold: laid out for the steps of `config`.

    Returns:
      [R, C*L] float32 each, 0 where there is no token; on every process.

    Raises:
      ValueError: the number of rows is no multiple of a micro-batch's.
    """
    size = config.rows // config.accumulate
    if len(rows) % size:
        raise ValueError(f"{len(rows)} rows are no multiple of the {size} of a micro-batch: lay out with it")
    compilations = compilations or Compilations()
    # Programs outlive the policy: what they hold on to must not be its parameters.
    model, dtype, chunk, temperature = policy.config, policy.dtype, config.head_chunk, config.temperature
    program = compilations.program(
        (SCORING, model, dtype, chunk, temperature, policy.mesh),
        SCORING,
        lambda params, batch: completion_log_probs(model, params, batch, dtype, "none", chunk, temperature, True),
        policy.products,
        out_shardings=sharding.named(policy.mesh, None),  # every process reads all of them
    )
    found = []
    with jax.set_mesh(policy.mesh):
        for batch in rows.groups(size):
            found.append(jax.device_get(program(policy.params, put({name: batch[name] for name in READ}, policy.mesh))))
    log_probs, entropies = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return log_probs, entropies


class Grpo(Objective[GrpoConfig, Group]):
    """Groups in, whose completions the policy itself has sampled."""

    config = GrpoConfig
    programs = (SCORING,)

    def fitted(self, model: ModelConfig, config: GrpoConfig) -> GrpoConfig:
        if not isinstance(config.completion_length, AtMost) or config.prompt_length is None:
            return config
        room = model.positions - config.prompt_length
        return dataclasses.replace(config, completion_length=room) if 0 < room < config.completion_length else config

    def layout(self, config: GrpoConfig, examples: Sequence[Group], multiple: int = 1) -> GroupRows:
        return lay_out_groups(examples, config.row_branches, multiple, config.prompt_length, config.completion_length)

    def check(self, model: ModelConfig, config: GrpoConfig, rows: RowArrays | None = None) -> None:
        if rows is None:
            longest = (config.prompt_length or 0) + config.completion_length
            what = f"grpo.prompt_length + grpo.completion_length = {longest}"
        else:
            longest = int(rows.arrays["positions"].max()) + 1
            what = f"a prompt and its completion need {longest} positions"
        if longest > model.positions:
            raise ValueError(f"{what}: expected at most the model's {model.positions} positions")

    def loss(self, model: ModelConfig, config: GrpoConfig, dtype: Any) -> LossFn:
        more = (config.remat, config.head_chunk, config.temperature)
        return grpo_loss(model, config.surrogate_config, dtype, *more, entropy=True)

    def trips(self, config: GrpoConfig) -> int:
        # The head's loop, which ends with the last token of a completion.
        length = config.row_branches * config.completion_length
        return length // piece_length(config.rows // config.accumulate, length, config.head_chunk)

    def full(self, config: GrpoConfig, draw: Callable[[int], tuple[int, ...]]) -> Group:
        if not config.prompt_length:
            raise ValueError("expected grpo.prompt_length, which else the problems decide")
        L = int(config.completion_length)
        number = (-1.0,) * L
        one = Trajectory(
            (),
            number,
            sampled=number,
            old=number if config.needs_old else None,
            reference=number if config.needs_reference else None,
            chosen=(True,) * L if config.entropy_share < 1 else None,
        )
        completions = tuple(dataclasses.replace(one, tokens=draw(L)) for _ in range(config.row_branches))
        return Group(draw(config.prompt_length), completions)
