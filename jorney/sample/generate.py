"""The door to generation: prompts in, completions out, batched, bucketed and independent of the batching."""

from __future__ import annotations

import dataclasses
import hashlib
import math
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jorney.compiled import Compilations, Program
from jorney.config import expect_at_least
from jorney.model import params as parameters
from jorney.policy import Policy
from jorney.sample.decode import Rows, decode_chunk, prefill
from jorney.sample.sampling import Knobs

_BUCKET = 32  # prompt and row lengths are rounded up to a multiple, then to a power of two of it


@dataclasses.dataclass(frozen=True)
class SamplingConfig:
    """How completions are drawn.

    Attributes:
      w: completions of every prompt; they share its prefill and its cache.
      max_tokens: of a completion, its end token counted.
      temperature: 0 is greedy.
      top_p, top_k, min_p: cuts of the sampling distribution; 1, 0, 0 cut nothing.
      seed: with the prompt's id and the completion's index it decides every random number, whatever the batching.
      rows: completions decoded together.
      chunk: tokens a row between two looks of the host.
    """

    w: int = 1
    max_tokens: int = 256
    temperature: float = 0.7
    top_p: float = 0.95
    top_k: int = 0
    min_p: float = 0.0
    seed: int = 0
    rows: int = 64
    chunk: int = 32

    def __post_init__(self) -> None:
        expect_at_least(1, self, "", "w", "max_tokens", "rows", "chunk")
        if self.temperature < 0:
            raise ValueError(f"temperature = {self.temperature}: expected 0 (greedy) or more")
        if not 0 < self.top_p <= 1:
            raise ValueError(f"top_p = {self.top_p}: expected above 0, 1 at most")
        if self.top_k < 0:
            raise ValueError(f"top_k = {self.top_k}: expected 0 (off) or more")
        if not 0 <= self.min_p <= 1:
            raise ValueError(f"min_p = {self.min_p}: expected 0 to 1")
        if self.w > self.rows:
            raise ValueError(f"w = {self.w}: expected no more than rows = {self.rows}")


# Where a completion is over although the model would go on: (index of the prompt, text so far) -> characters to keep, or None.
Cut = Callable[[int, str], int | None]
Prompt = str | Sequence[int]  # a text, or the ids of one: what was sampled is never tokenised again


@dataclasses.dataclass(frozen=True)
class Completion:
    """One completion.

    Attributes:
      text: decoded tokens, special ones left out.
      tokens: as sampled; ends with one of the policy's `ends` when `finished`.
      log_probs: of each token under the model's own distribution.
      sampling_log_probs: of each token under the distribution it was drawn from.
      finished: it ended by itself or was cut, not at the limit.
      generated: tokens that were sampled, those behind a cut counted.
    """

    text: str
    tokens: tuple[int, ...]
    log_probs: tuple[float, ...]
    sampling_log_probs: tuple[float, ...]
    finished: bool
    generated: int = 0


class Generator:
    """A policy's programs of generation. Weights are split by layer once, programs compile once a bucket."""

    def __init__(self, policy: Policy, compilations: Compilations | None = None) -> None:
        if policy.config.head != "lm":
            raise ValueError(
                f"{policy.source}: has the head {policy.config.head!r}: expected a language model, to generate with"
            )
        self._policy = policy
        self._compilations = compilations or Compilations()
        with jax.set_mesh(policy.mesh):
            split = jax.jit(lambda params: parameters.unstack(params, policy.config.layers))
            self._params = split(policy.params)

    def _program(self, name: str, function: Callable[..., Rows], size: int, **options: Any) -> Program:
        """`prefill` for rows of `size`, or `decode_chunk` of `size` tokens; shared with other models of this shape."""
        policy = self._policy
        statics = (policy.config, policy.dtype, policy.ends, size)
        return self._compilations.program((name, *statics, policy.mesh), name, partial(function, *statics), **options)

    def generate(
        self, prompts: Sequence[Prompt], sampling: SamplingConfig, ids: Sequence[str] | None = None, cut: Cut | None = None
    ) -> list[list[Completion]]:
        """Completions of every prompt, in the prompts' order: the list of `stream`, complete."""
        found: list[list[Completion]] = [[] for _ in prompts]
        for index, completions in self.stream(prompts, sampling, ids, cut):
            found[index] = completions
        return found

    def stream(
        self, prompts: Sequence[Prompt], sampling: SamplingConfig, ids: Sequence[str] | None = None, cut: Cut | None = None
    ) -> Iterator[tuple[int, list[Completion]]]:
        """(index of the prompt, its completions), as batches end; prompts of similar length run together.

        Args:
          ids: of the prompts, for the random keys; by default the prompts themselves.
          cut: looked at after every chunk of tokens; ids after the cut are dropped.

        Raises:
          ValueError: a prompt and its completions do not fit the model's positions; names the prompt.
        """
        names = list(map(str, prompts)) if ids is None else ids
        if len(names) != len(prompts):
            raise ValueError(f"ids has {len(names)} entries: expected one for each of the {len(prompts)} prompts")
        tokens = encode_prompts(self._policy, prompts, names, sampling.max_tokens)
        order = sorted(range(len(prompts)), key=lambda i: (len(tokens[i]), i))
        size = sampling.rows // sampling.w
        for start in range(0, len(order), size):
            members = order[start : start + size]
            cut_row = (lambda row, text: cut(members[row // sampling.w], text)) if cut else None  # noqa: B023
            rows, kept = self._run([tokens[i] for i in members], [names[i] for i in members], size, sampling, cut_row)
            for place, index in enumerate(members):
                yield index, [self._completion(rows, place * sampling.w + j, kept) for j in range(sampling.w)]

    def _run(
        self, tokens: list[list[int]], names: list[str], size: int, sampling: SamplingConfig, cut: Cut | None
    ) -> tuple[Rows, dict[int, int]]:
        """Prefills one batch and decodes it to its end; arrays of the result are numpy. Also {row: tokens kept} of cut rows."""
        length, row_length = bucket(max(map(len, tokens))), bucket(sampling.max_tokens)
        batch, lengths = np.zeros((size, length), np.int32), np.zeros(size, np.int32)
        keys = np.zeros((size, sampling.w, 2), np.uint32)
        for place, (ids, name) in enumerate(zip(tokens, names, strict=True)):
            batch[place, : len(ids)], lengths[place] = ids, len(ids)
            keys[place] = row_keys(sampling.seed, name, sampling.w)
        knobs = Knobs(
            jnp.float32(sampling.temperature),
            jnp.int32(sampling.top_k),
            jnp.float32(sampling.top_p),
            jnp.float32(sampling.min_p),
        )
        limit = np.full(size * sampling.w, sampling.max_tokens, np.int32)
        with jax.set_mesh(self._policy.mesh):
            rows = self._program("prefill", prefill, row_length)(
                self._params, batch, lengths, jax.random.wrap_key_data(jnp.asarray(keys.reshape(-1, 2))), limit, knobs
            )
            decode = self._program("decode", decode_chunk, sampling.chunk, donate_argnums=1)
            kept: dict[int, int] = {}
            while True:
                if cut:
                    kept |= self._cut(rows, kept, len(tokens) * sampling.w, cut)
                    done = np.asarray(rows.done) | np.isin(np.arange(len(limit)), list(kept))
                    rows = rows._replace(done=jax.device_put(done, rows.done.sharding))
                if bool(jnp.all(rows.done)):
                    break
                rows = decode(self._params, rows, knobs)
        return jax.device_get(rows._replace(caches=[], keys=None)), kept

    def _cut(self, rows: Rows, known: dict[int, int], count: int, cut: Cut) -> dict[int, int]:
        """{row: tokens kept} of the rows that are cut now: the most ids whose text is no longer than what is kept."""
        found = {}
        tokens, lengths = np.asarray(rows.tokens), np.asarray(rows.length)
        decode = self._policy.tokenizer.decode
        for row in range(count):
            if row in known:
                continue
            ids = tokens[row, : lengths[row]].tolist()
            characters = cut(row, decode(ids))
            if characters is not None:
                while ids and len(decode(ids)) > characters:
                    ids.pop()
                found[row] = len(ids)
        return found

    def _completion(self, rows: Rows, row: int, kept: dict[int, int]) -> Completion:
        count = kept.get(row, int(rows.length[row]))
        ids = tuple(rows.tokens[row, :count].tolist())
        return Completion(
            text=self._policy.tokenizer.decode(ids),
            tokens=ids,
            log_probs=tuple(rows.log_probs[row, :count].tolist()),
            sampling_log_probs=tuple(rows.sampling_log_probs[row, :count].tolist()),
            finished=row in kept or (bool(ids) and ids[-1] in self._policy.ends),
            generated=int(rows.length[row]),
        )


def encode_prompts(policy: Policy, prompts: Sequence[Prompt], names: Sequence[str], max_tokens: int) -> list[list[int]]:
    """Ids of every prompt. Raises ValueError where one leaves no room for `max_tokens` more; names it."""
    room = policy.config.positions - max_tokens
    encode = policy.tokenizer.encode_prompt
    encoded = [encode(prompt) if isinstance(prompt, str) else list(prompt) for prompt in prompts]
    for index, ids in enumerate(encoded):
        if not 0 < len(ids) <= room:
            raise ValueError(
                f"prompt {index} ({names[index]!r}) has {len(ids)} tokens: expected 1 to {room}, the model's "
                f"{policy.config.positions} positions less max_tokens = {max_tokens}"
            )
    return encoded


def bucket(length: int) -> int:
    """Lengths are rounded up to 32, 64, 128, … so that few programs serve all."""
    return _BUCKET * 2 ** max(0, math.ceil(math.log2(length / _BUCKET)))


def row_keys(seed: int, name: str, w: int) -> np.ndarray:
    """[w, 2] uint32 key data: fold_in(fold_in(key(seed), hash of the prompt's id), index of the completion)."""
    digest = int.from_bytes(hashlib.blake2b(name.encode(), digest_size=4).digest(), "big")
    return np.asarray(_row_keys(seed, np.uint32(digest), np.arange(w)))


@jax.jit
def _row_keys(seed: jax.Array, digest: jax.Array, index: jax.Array) -> jax.Array:
    root = jax.random.fold_in(jax.random.key(seed), digest)
    return jax.random.key_data(jax.vmap(lambda i: jax.random.fold_in(root, i))(index))


def generate(
    policy: Policy, prompts: Sequence[str], sampling: SamplingConfig | None = None, **settings: float
) -> list[list[Completion]]:
    """Completions of every prompt.

    Args:
      policy: from `jorney.load`.
      prompts: texts, as the model is to read them (bos is added).
      sampling: how; or its fields by keyword: `generate(policy, prompts, w=4, max_tokens=64)`.

    Returns:
      For each prompt, `w` completions.

    Raises:
      ValueError: names the setting or the prompt, and what was expected.
    """
    if sampling is not None and settings:
        raise ValueError("expected either sampling or its fields by keyword, not both")
    try:
        chosen = sampling or SamplingConfig(**settings)  # type: ignore[arg-type]
    except TypeError:
        known = ", ".join(field.name for field in dataclasses.fields(SamplingConfig))
        raise ValueError(f"unknown setting among {', '.join(settings)}: expected one of {known}") from None
    return Generator(policy).generate(prompts, chosen)
