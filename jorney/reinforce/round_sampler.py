"""What a round asks of the policy: problems in an order of their own, and completions of them, each known by its place."""

from __future__ import annotations

import functools
import random
import time
from collections.abc import Callable, Mapping, Sequence

import jax

from jorney.compiled import Compilations
from jorney.domain.problem import Problem
from jorney.engine.generate import Completion, Generator, SamplingConfig
from jorney.model.params import Params
from jorney.reinforce.own_weights import OwnWeights
from jorney.reinforce.rewards.rewarding import Rewarder
from jorney.reinforce.samples import Make, RoundFiles, Row
from jorney.train.objectives.grpo import GrpoConfig

Asked = Callable[[], Generator]  # of the policy as it is; of several processes all call it


class RoundSampler:
    """Fills the files of a round.

    Args:
      prompts: {id of a problem: its ids}.
      weights: gives each process the policy as it is.
      base: of adapters, where these are trained.
    """

    def __init__(
        self,
        problems: Sequence[Problem],
        prompts: Mapping[str, Sequence[int]],
        config: GrpoConfig,
        seed: int,
        weights: OwnWeights,
        base: Params | None,
        rewarder: Rewarder,
        files: RoundFiles,
        compilations: Compilations,
    ) -> None:
        self._problems, self._prompts, self._config, self._seed = list(problems), prompts, config, seed
        self._weights, self._base, self._rewarder = weights, base, rewarder
        self._files, self._compilations = files, compilations

    def asking(self, params: Params) -> functools._lru_cache_wrapper[Generator]:
        """Makes a generator of what is trained, once, when it is first needed; `cache_clear` lets its weights go."""
        make = lambda: Generator(self._weights.policy(params, self._base), self._compilations, donate=True)  # noqa: E731
        return functools.cache(make)

    def draw(self, number: int, attempt: int, drawn: Sequence[Problem]) -> list[Problem]:
        """The problems of an attempt: in shuffled order, epoch after epoch; those of a further attempt at random."""
        count, total = self._config.questions, len(self._problems)
        if attempt == 0:
            epoch, place = divmod(number, total // count)
            order = random.Random(f"{self._seed}/questions/{epoch}").sample(self._problems, total)
            return order[place * count : (place + 1) * count]
        known = {one.id for one in drawn}
        left = [one for one in self._problems if one.id not in known]
        return random.Random(f"{self._seed}/questions/{number}/{attempt}").sample(left, min(count, len(left)))

    def fill(self, number: int, attempt: int, problems: list[Problem], asked: Asked, seconds: dict[str, float]) -> None:
        """Completions of the problems, and what they earn, into files; each process makes its share."""
        samples, rewards = self._files.samples(number, attempt), self._files.rewards(number, attempt)
        begun = time.perf_counter()
        if not samples.complete(problems):
            generator = asked()  # of all processes, whether or not anything is missing of this one's share
            samples.fill(problems, self._apart(lambda own: self._complete(number, attempt, own, generator)))
            seconds["seconds/sampling"] += time.perf_counter() - begun
        begun = time.perf_counter()
        if not rewards.complete(problems):
            if self._rewarder.asks_policy:
                asked()
            rows, seed = samples.rows(problems), _seed_of(self._seed, number)
            rewards.fill(problems, self._apart(lambda own: self._rewarder.reward(own, rows, seed, asked)))
        seconds["seconds/rewards"] += time.perf_counter() - begun

    def _apart(self, make: Make) -> Make:
        """On this process's devices alone: arrays that are made under the training's mesh lie on those of all."""

        def made(problems: Sequence[Problem]) -> Sequence[Row]:
            with jax.set_mesh(self._weights.own):
                return make(problems)

        return made

    def _complete(self, number: int, attempt: int, problems: Sequence[Problem], generator: Generator) -> list[Row]:
        """Rows of completions of the problems. The random numbers of one follow from its round, its problem and its place."""
        sampling = sampling_of(self._config, self._seed)
        names = [f"{number}.{attempt}/{one.id}" for one in problems]
        found = generator.generate([self._prompts[one.id] for one in problems], sampling, names)
        return [_row(one.id, k, text) for one, own in zip(problems, found, strict=True) for k, text in enumerate(own)]


def sampling_of(config: GrpoConfig, seed: int) -> SamplingConfig:
    """How a round's completions are drawn; rows of whole groups, of one at least."""
    group = config.group
    return SamplingConfig(
        w=group,
        max_tokens=config.completion_length,
        temperature=config.temperature,
        top_p=config.top_p,
        seed=seed,
        rows=max(group, config.decode_rows // group * group),
        chunk=config.chunk,
    )


def _row(name: str, sample: int, text: Completion) -> Row:
    """A completion as it is kept."""
    return {
        "id": name,
        "sample": sample,
        "text": text.text,
        "finished": text.finished,
        "tokens": list(text.tokens),
        "log_probs": list(text.sampling_log_probs),  # under the distribution that drew them
    }


def _seed_of(seed: int, number: int) -> int:
    """Of a round, for what is drawn beside its completions."""
    return random.Random(f"{seed}/round/{number}").randrange(2**31)
