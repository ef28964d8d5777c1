"""A random model whose tokens are letters, and generation with it as its definition has it."""

from __future__ import annotations

from collections.abc import Sequence

import forward
import jax
import jax.numpy as jnp
from jax.sharding import Mesh

from jorney.engine.drawing import SamplingParams, restrict, sample
from jorney.engine.generate import SamplingConfig, row_keys
from jorney.model import params as parameters
from jorney.model.architecture import ModelConfig
from jorney.policy import Policy

LETTERS = "abcdefghijklmnopqrstuvwxyz"


class Letters:
    """A tokenizer in which every letter is a token, and no text can be refused."""

    bos, eos, pad = 1, 2, 0

    def encode_prompt(self, text: str) -> list[int]:
        return [self.bos, *(3 + LETTERS.index(letter) for letter in text)]

    def decode(self, ids: Sequence[int]) -> str:
        return "".join(LETTERS[(i - 3) % 26] for i in ids if i > 2)


def letters_policy(config: ModelConfig, mesh: Mesh) -> Policy:
    """A random model that ends a completion now and then."""
    params = parameters.init(config, jax.random.key(0))
    return Policy(config, params, Letters(), mesh, jnp.float32, "random")  # type: ignore[arg-type]


def uncached(policy: Policy, prompt: str, index: int, sampling: SamplingConfig) -> list[int]:
    """A completion of a prompt that is its own name."""
    key = row_keys(sampling.seed, prompt, index + 1)[index]
    return uncached_text(policy, policy.tokenizer.encode_prompt(prompt), key, sampling.max_tokens, sampling.params)


def uncached_text(policy: Policy, before: Sequence[int], key: object, limit: int, sampling: SamplingParams) -> list[int]:
    """What follows ids: a whole forward pass for every token, with the same random numbers."""
    ids = list(before)
    for count in range(limit):
        padded = jnp.asarray([ids + [0] * (LENGTH - len(ids))], jnp.int32)
        scores = whole_logits(policy, padded)[:, len(ids) - 1]
        own = jax.random.fold_in(jax.random.wrap_key_data(jnp.asarray(key)), count)
        ids.append(int(_sample(scores, own[None], sampling).token[0]))
        if ids[-1] == policy.tokenizer.eos:
            break
    return ids[len(before) :]


def lead(policy: Policy, before: Sequence[int], key: object, count: int, sampling: SamplingParams) -> float:
    """How clearly an id after some was chosen, with the random numbers of a text's id `count`.

    Greedy: how far the best logit is ahead of the next. Else: how far the random share is from where another id begins, of 1.
    """
    scores = whole_logits(policy, jnp.asarray([[*before, *[0] * (LENGTH - len(before))]], jnp.int32))[:, len(before) - 1]
    weights = restrict(scores, sampling).weights.reshape(-1)
    if sampling.temperature > 0:
        share = jax.random.uniform(jax.random.fold_in(jax.random.wrap_key_data(jnp.asarray(key)), count), (), jnp.float32)
        return float(jnp.min(jnp.abs(jnp.cumsum(weights)[:-1] / jnp.sum(weights) - share)))
    first, second = jax.lax.top_k(weights, 2)[0]
    return float(first - second)


LENGTH = 96  # of the texts that `uncached_text` reads, at most


def whole_logits(policy: Policy, tokens: jax.Array) -> jax.Array:
    return forward.whole_logits(policy.config, policy.params, tokens)


_sample = jax.jit(sample)
