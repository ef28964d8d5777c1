"""The door to generation: prompts in, completions out, batched, bucketed and independent of the batching."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import itertools
from collections.abc import Callable, Iterator, Sequence

import jax
import numpy as np

from jorney.compiled import Compilations
from jorney.config import expect, expect_at_least, expect_number
from jorney.engine.drawing import SamplingParams
from jorney.engine.engine import Engine
from jorney.engine.memory import Party, Tenant, admit
from jorney.engine.programs import Programs, Shape, Work, bucket
from jorney.engine.sampling import CompletionSampling, Sampling
from jorney.engine.spans import NO_ADAPTER
from jorney.engine.texts import Request, Text
from jorney.model.params import Params, unstack
from jorney.policy import Policy, expect_language_model

_WORTH_SHARING = 32  # ids that all prompts begin with


@dataclasses.dataclass(frozen=True)
class SamplingConfig(CompletionSampling):
    """How completions are drawn.

    Attributes:
      w: completions of every prompt; they share its prefill and its cache.
      max_tokens: of a completion, its end token counted.
      temperature: 0 is greedy.
      top_p, top_k, min_p: cuts of the sampling distribution; 1, 0, 0 cut nothing.
      seed: with the prompt's id and the completion's index it decides every random number, whatever the batching.
      rows: completions decoded together.
      chunk: tokens a row between two looks of the host.
      cache_tokens: tokens that the cache may hold; None for what the work needs.
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
    cache_tokens: int | None = None

    def __post_init__(self) -> None:
        expect_at_least(1, self, "", "w", "max_tokens", "rows", "chunk")
        self.expect_sampling()
        expect_number(self, "", "top_k", "seed", least=0)
        expect_number(self, "", "min_p", least=0, most=1)
        expect_at_least(1, self, "", "cache_tokens", none="None for what the work needs")
        expect(lambda w: w <= self.rows, f"no more than rows = {self.rows}", self, "", "w")

    @classmethod
    def of(cls, sampling: Sampling, limits: CompletionSampling, w: int, seed: int) -> SamplingConfig:
        """By other configurations: how tokens are drawn, and how much is decoded; rows of whole prompts, of one at least."""
        rows = max(w, limits.rows // w * w)
        return cls(w, limits.max_tokens, sampling.temperature, sampling.top_p, seed=seed, rows=rows, chunk=limits.chunk)

    @property
    def params(self) -> SamplingParams:
        """For the programs."""
        return SamplingParams.of(self.temperature, self.top_p, self.top_k, self.min_p)


# Where a completion is over although the model would go on: (index of the prompt, text so far) -> characters to keep, or None.
PromptStop = Callable[[int, str], int | None]
Prompt = str | Sequence[int]  # a text, or the ids of one: what was sampled is never tokenised again


@dataclasses.dataclass(frozen=True)
class Completion:
    """One completion.

    Attributes:
      text: decoded tokens, special ones left out.
      tokens: as sampled; ends with one of the policy's `ends` when `finished`.
      log_probs: of each token under the model's own distribution.
      sampling_log_probs: of each token under the distribution it was drawn from.
      finished: it ended by itself or was stopped, not at the limit.
      generated: tokens that were sampled, those behind a stop counted.
    """

    text: str
    tokens: tuple[int, ...]
    log_probs: tuple[float, ...]
    sampling_log_probs: tuple[float, ...]
    finished: bool
    generated: int = 0


class Generator:
    """A policy that generates: its weights split by layer once, its programs compiled once for each shape of work.

    Args:
      donate: whether the policy's parameters are given away, so that they are not held twice.
    """

    def __init__(self, policy: Policy, compilations: Compilations | None = None, donate: bool = False) -> None:
        expect_language_model(policy.config, policy.source)
        self.policy = policy
        self._compilations = compilations or Compilations()
        self._params = engine_params(policy, donate)

    def engine(
        self,
        prompts: Sequence[Sequence[int]],
        work: Work,
        sampling: SamplingParams,
        breaks: np.ndarray | None = None,
        beside: Sequence[Party] = (),
    ) -> Engine:
        """An engine for problems that begin with these prompts; what all of them begin with is read once.

        Args:
          sampling, breaks: see `Engine`.
          beside: whose engines will live on the same devices, and are told their shapes where memory is known.

        Raises:
          ValueError: the cache that it may have does not hold one problem, or the devices have no memory for all; names the
            parts.
        """
        policy = self.policy
        shared = [] if policy.adapters else common_start(prompts)  # each adapter reads it otherwise
        longest, length = max(map(len, prompts)) - len(shared), bucket(len(shared)) if shared else 0
        own = Tenant("policy", policy.config, policy.dtype, policy.mesh, work, longest, length)
        admitted = admit([Party(own, self._programs), *beside], policy.memory)
        shape, *others = admitted or [own.fit(None)]
        for party, given in zip(beside, others, strict=False):
            party.settle(given)
        return Engine(self._programs(shape), shared, sampling, policy.tokenizer.decode, breaks, spacious=admitted is None)

    def _programs(self, shape: Shape) -> Programs:
        policy = self.policy
        about = (policy.config, self._params, policy.mesh, policy.dtype, policy.ends)
        return Programs(*about, shape, self._compilations, policy.precision)

    def generate(
        self,
        prompts: Sequence[Prompt],
        sampling: SamplingConfig,
        ids: Sequence[str] | None = None,
        stop: PromptStop | None = None,
        adapters: Sequence[str | None] | None = None,
    ) -> list[list[Completion]]:
        """Completions of every prompt, in the prompts' order: the list of `stream`, complete."""
        found = dict(self.stream(prompts, sampling, ids, stop, adapters=adapters))
        return [found[index] for index in range(len(prompts))]

    def stream(
        self,
        prompts: Sequence[Prompt],
        sampling: SamplingConfig,
        ids: Sequence[str] | None = None,
        stop: PromptStop | None = None,
        work: Work | None = None,
        beside: Sequence[Party] = (),
        adapters: Sequence[str | None] | None = None,
    ) -> Iterator[tuple[int, list[Completion]]]:
        """(index of the prompt, its completions), as they end.

        Args:
          ids: of the prompts, for the random keys; by default the prompts themselves.
          stop: looked at after every chunk of tokens; ids behind it are dropped.
          work: what the programs are made for; by default for as many prompts as there are.
          beside: see `engine`.
          adapters: of each prompt the one that answers it, by its name (`jorney.load`); None for the model without any.

        Raises:
          ValueError: a prompt and its completions do not fit the model's positions, or the cache; names the prompt. Or there is
            no such adapter.
        """
        names = list(map(str, prompts)) if ids is None else ids
        if len(names) != len(prompts):
            raise ValueError(f"ids has {len(names)} entries: expected one for each of the {len(prompts)} prompts")
        if not prompts:
            return
        which = _which(self.policy, adapters or [None] * len(prompts), names)
        tokens = encode_prompts(self.policy, prompts, names, sampling.max_tokens)
        engine = self.engine(tokens, work or work_of(len(tokens), sampling), sampling.params, beside=beside)
        under_way: dict[Request, int] = {}

        def ask(index: int) -> None:
            keys = row_keys(sampling.seed, names[index], sampling.w)
            own_stop = functools.partial(stop, index) if stop else None
            opened = engine.open(tokens[index], which[index])
            under_way[engine.sample(opened, keys, sampling.max_tokens, stop=own_stop)] = index

        for request in itertools.chain.from_iterable(engine.run(range(len(prompts)), ask)):
            engine.close(request.after)
            yield under_way.pop(request), [completion(self.policy, text) for text in request.texts]


def _which(policy: Policy, adapters: Sequence[str | None], names: Sequence[str]) -> list[int]:
    """The index of each prompt's adapter."""
    if len(adapters) != len(names):
        raise ValueError(f"adapters has {len(adapters)} entries: expected one for each of the {len(names)} prompts")
    for index, name in enumerate(adapters):
        if name is not None and name not in policy.adapters:
            known = ", ".join(policy.adapters) or "none: load the model with adapters"
            raise ValueError(f"prompt {index} ({names[index]!r:.100}): adapter = {name!r}: expected None or one of {known}")
    return [NO_ADAPTER if name is None else policy.adapters.index(name) for name in adapters]


def engine_params(policy: Policy, donate: bool = False) -> Params:
    """The policy's parameters as the engine reads them, a subtree a layer; `donate` as in `unstack`."""
    with jax.set_mesh(policy.mesh):
        return unstack(policy.params, policy.config.layers, donate)


def work_of(prompts: int, sampling: SamplingConfig) -> Work:
    """What completions of so many prompts ask of an engine."""
    # The more completions of a prompt run together, the more each reads in vain of the others: past 16 they take turns, unless
    # rows would stand idle.
    rows = min(sampling.w, max(16, sampling.rows // prompts))
    return Work(
        problems=min(prompts, max(1, sampling.rows // rows)),
        rows=rows,
        chunk=sampling.chunk,
        texts=sampling.w,
        needed=sampling.max_tokens,
        wanted=rows * sampling.max_tokens,
        cache_tokens=sampling.cache_tokens,
    )


def common_start(prompts: Sequence[Sequence[int]]) -> list[int]:
    """The ids that all prompts begin with, each of them going on; none where reading them once would not pay."""
    if len(prompts) < 2:
        return []
    # Whatever all share, the first and the last of them in the order of lists do.
    pairs = zip(min(map(tuple, prompts)), max(map(tuple, prompts)), strict=False)
    same = [a for a, _ in itertools.takewhile(lambda pair: pair[0] == pair[1], pairs)][: min(map(len, prompts)) - 1]
    return same if len(same) >= _WORTH_SHARING else []


def completion(policy: Policy, text: Text) -> Completion:
    """A text of the engine as one of the public API."""
    return Completion(
        text=policy.tokenizer.decode(text.ids),
        tokens=tuple(text.ids),
        log_probs=tuple(text.log_probs),
        sampling_log_probs=tuple(text.sampling_log_probs),
        finished=text.finished,
        generated=text.generated,
    )


def encode_prompts(policy: Policy, prompts: Sequence[Prompt], names: Sequence[str], max_tokens: int) -> list[list[int]]:
    """Ids of every prompt. Raises ValueError where one leaves no room for `max_tokens` more, or has an id that the model lacks.

    Each is named: an index beyond an array's end would be taken for its last, without a word.
    """
    room = policy.config.positions - max_tokens
    if room < 1:
        raise ValueError(
            f"max_tokens = {max_tokens}: expected less than {policy.config.positions}, the model's positions, which a prompt "
            "and what follows it share"
        )
    encode = policy.tokenizer.encode_prompt
    encoded = [encode(prompt) if isinstance(prompt, str) else list(prompt) for prompt in prompts]
    for index, ids in enumerate(encoded):
        if not 0 < len(ids) <= room:
            raise ValueError(
                f"prompt {index} ({names[index]!r}) has {len(ids)} tokens: expected 1 to {room}, the model's "
                f"{policy.config.positions} positions less max_tokens = {max_tokens}"
            )
        if min(ids) < 0 or max(ids) >= policy.config.vocab_size:
            wrong = next(one for one in ids if not 0 <= one < policy.config.vocab_size)
            raise ValueError(
                f"prompt {index} ({names[index]!r:.100}) has the token {wrong}: expected 0 to {policy.config.vocab_size - 1}, "
                "the model's vocabulary; is it another model's tokenizer?"
            )
    return encoded


def row_keys(seed: int, name: str, w: int) -> np.ndarray:
    """[w, 2] uint32 key data: fold_in(fold_in(key(seed), hash of the prompt's id), index of the completion)."""
    digest = int.from_bytes(hashlib.blake2b(name.encode(), digest_size=4).digest(), "big")
    return np.asarray(_row_keys(seed, np.uint32(digest), np.arange(w)))


@jax.jit
def _row_keys(seed: jax.Array, digest: jax.Array, index: jax.Array) -> jax.Array:
    root = jax.random.fold_in(jax.random.key(seed), digest)
    return jax.random.key_data(jax.vmap(jax.random.fold_in, (None, 0))(root, index))


def generate(
    policy: Policy,
    prompts: Sequence[str],
    sampling: SamplingConfig | None = None,
    adapters: Sequence[str | None] | None = None,
    **settings: float,
) -> list[list[Completion]]:
    """Completions of every prompt.

    Args:
      policy: from `jorney.load`.
      prompts: texts, as the model is to read them (bos is added). Special tokens that they write are text, unless the
        tokenizer's `special_tokens` says otherwise.
      sampling: how; or its fields by keyword: `generate(policy, prompts, w=4, max_tokens=64)`.
      adapters: of each prompt the one that answers it, by its name (`jorney.load`); None for the model without any.

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
    return Generator(policy).generate(prompts, chosen, adapters=adapters)
