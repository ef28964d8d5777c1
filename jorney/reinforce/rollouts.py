"""Batches that are sampled as training goes: a round draws problems, asks the policy as it is, and rewards what it writes.

A round ends in files (`samples`), of which its batches are a function: a training that goes on, whenever it was killed, finds
the rounds that were made, and makes the next one from the parameters that it left.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import jax
import numpy as np

from jorney.batch.groups import Group, GroupRows, Trajectory, lay_out_groups
from jorney.batch.loader import Batch, BatchStream
from jorney.batch.row_arrays import rounded_up
from jorney.compiled import Compilations
from jorney.config import digest
from jorney.domain.grading import GRADING
from jorney.domain.problem import Problem
from jorney.engine.sampling import DRAWING
from jorney.model.params import Params
from jorney.reinforce.assessment import Assessment
from jorney.reinforce.own_weights import OwnWeights
from jorney.reinforce.references import References
from jorney.reinforce.rewards.earnings import Earnings, Name
from jorney.reinforce.rewards.rewarding import Rewarder
from jorney.reinforce.round_figures import round_figures
from jorney.reinforce.round_sampler import RoundSampler
from jorney.reinforce.samples import RoundFiles
from jorney.text.step_format import StepFormat
from jorney.text.tokenizer import Tokenizer
from jorney.train.objectives.grpo import GrpoConfig
from jorney.train.policy_gradient.rewards import reference_penalty
from jorney.train.policy_gradient.surrogate import high_entropy

_SHAPES = 8  # lengths of completions that rows are made for, at most: each is a program


class Rollouts(BatchStream):
    """The batches of a policy that learns from what it writes.

    Args:
      problems: to learn from.
      step_format: in which they are asked.
      config: with the length of prompts.
      weights: gives each process the policy as it is.
      base: of adapters, where these are trained.
      assessment: looks at the policy between rounds.
      weight_of: {term of the reward: its weight}.
    """

    follows = True

    def __init__(
        self,
        problems: Sequence[Problem],
        tokenizer: Tokenizer,
        step_format: StepFormat,
        config: GrpoConfig,
        seed: int,
        weights: OwnWeights,
        base: Params | None,
        rewarder: Rewarder,
        weight_of: Mapping[str, float],
        references: References,
        assessment: Assessment,
        files: RoundFiles,
        compilations: Compilations,
    ) -> None:
        if len(problems) < config.questions:
            raise ValueError(
                f"grpo.questions = {config.questions}: expected at most the {len(problems)} problems that there are"
            )
        if len({one.id for one in problems}) < len(problems):
            raise ValueError("problems: two have the same id: expected one for each, by which what was sampled is kept")
        self._prompts = {one.id: tuple(step_format.encode(tokenizer, one.question)) for one in problems}
        self._config, self.steps = config, config.steps
        self._base, self._references, self._assessment, self._files = base, references, assessment, files
        about = (config, seed, weights, base, rewarder, files, compilations)
        self._sampler = RoundSampler(problems, self._prompts, *about)
        self._earnings = Earnings(problems, config, weight_of, files)
        self._known = digest([problems, step_format, rewarder.key, GRADING, DRAWING])
        self._known_rounds: dict[int, dict[str, Any]] = {}  # what is told of them
        self._round: tuple[int, list[GroupRows]] | None = None  # the last that was laid out
        self.rows = self._full()

    @property
    def digest(self) -> str:
        return self._known

    @property
    def _of_round(self) -> int:
        """Steps of a round."""
        return self._config.epochs * self._config.updates

    def start_at(self, step: int, params: Callable[[], Params] | None = None) -> Iterator[Batch]:
        assert params is not None, "what is sampled depends on the parameters"
        for number in range(step, self.steps):
            yield self._batch(number, params)

    def __getitem__(self, step: int) -> Batch:
        return self._batch(step, None)

    def like(self, step: int) -> Batch:
        return self._full().arrays

    def figures(self, step: int) -> dict[str, float]:
        about = self._about(step // self._of_round, None)
        return {**about["figures"], **(about["assessed"] if step % self._of_round == 0 else {})}

    def _full(self, length: int | None = None) -> GroupRows:
        """Rows whose every position is in use, with completions of so many tokens: of the most, by default."""
        config, count = self._config, length or self._config.completion_length
        assert config.prompt_length, "expected the length of prompts"
        numbers: dict[str, Any] = dict.fromkeys(self._fields, (0.0,) * count)
        one = Trajectory((0,) * count, (0.0,) * count, **numbers)
        full = Group((0,) * config.prompt_length, (one,) * config.row_branches)
        return lay_out_groups([full] * config.rows, config.row_branches, 1, config.prompt_length, count)

    @property
    def _fields(self) -> list[str]:
        """What rows hold of tokens beside their advantages."""
        config = self._config
        there = {
            "sampled": True,
            "old": config.needs_old,
            "reference": config.reads_reference,
            "chosen": config.entropy_share < 1,
        }
        return [name for name, has in there.items() if has]

    def _batch(self, step: int, params: Callable[[], Params] | None) -> Batch:
        number = step // self._of_round
        if self._round is None or self._round[0] != number:
            about = self._about(number, params)
            self._round = number, self._parts(self._groups(number, about["groups"], self._files.read_arrays(number)))
        self.rows = self._round[1][step % self._config.updates]
        return self.rows.arrays

    def _about(self, number: int, params: Callable[[], Params] | None) -> dict[str, Any]:
        """What is known of a round, which is made where it is not there."""
        if number not in self._known_rounds:
            about = self._files.read_round(number)
            if about is None:
                assert params is not None, f"round {number} was not made yet"
                about = self._make(number, params())
            elif params is not None:
                self._references.at(number, params(), self._base)
            self._known_rounds[number] = about
        return self._known_rounds[number]

    def _make(self, number: int, params: Params) -> dict[str, Any]:
        """Samples and rewards a round, and writes it; what of it is there already is not made again."""
        config = self._config
        jax.block_until_ready(params)  # the update that makes them is no part of the round's time
        before = self._about(number - 1, None) if number else None
        self._references.at(number, params, self._base)
        asked = self._sampler.asking(params)
        assessed = {}
        if self._assessment.due(number):
            assessed = self._assessment.measure(number, None if self._assessment.complete(number) else asked())
        drawn: list[list[Problem]] = []
        groups, telling = list[Name](), list[Name]()
        seconds = {"seconds/sampling": 0.0, "seconds/rewards": 0.0}
        for attempt in range(config.resample_limit if config.resample == "until_full" else 1):
            problems = self._sampler.draw(number, attempt, list(itertools.chain.from_iterable(drawn)))
            if not problems:
                break
            drawn.append(problems)
            self._sampler.fill(number, attempt, problems, asked, seconds)
            names = [(attempt, one.id) for one in problems]
            telling += (tell := self._earnings.telling(number, names))
            groups += names if config.resample == "off" else tell
            if len(groups) >= config.questions:
                break
        asked.cache_clear()  # its weights make room for the update
        groups = groups[: config.questions]
        everything = [(attempt, one.id) for attempt, own in enumerate(drawn) for one in own]
        figures, sampled = self._figures(number, everything)
        figures["num_tokens"] += before["figures"]["num_tokens"] if before else 0.0
        figures |= {"attempts": float(len(drawn)), "groups": float(len(groups)), **seconds}
        if seconds["seconds/sampling"]:  # else it was there already
            figures["sampled_tokens_per_second"] = sampled / seconds["seconds/sampling"]
        silent = 0 if telling else 1 + (before["silent"] if before else 0)
        if silent >= config.patience:
            raise ValueError(_nothing_to_learn(silent, figures))
        about = {"groups": groups, "silent": silent, "figures": figures, "assessed": assessed}
        self._files.write_round(number, about, self._read(number, groups, params))
        return about

    def _figures(self, number: int, names: Sequence[Name]) -> tuple[dict[str, float], int]:
        """What there is to tell of a round, and how many tokens it sampled."""
        members = [one for one, _ in self._earnings.of(number, names)]
        rewards, terms = self._earnings.total(members)
        sampled = sum(len(one.episode.tokens) for one in members)
        prompts = sum(len(self._prompts[one.episode.problem.id]) for one in members)
        figures = round_figures([one.episode for one in members], rewards.tolist(), terms)
        return {**figures, "num_tokens": float(sampled + prompts)}, sampled

    def _read(self, number: int, names: Sequence[Name], params: Params) -> dict[str, np.ndarray]:
        """What the loss needs of a round's completions under the policy as it is, and under the reference.

        Of all their tokens, one after another: old, reference and chosen, each where it is needed.
        """
        config, references = self._config, self._references
        if not names or not (config.reads_policy or config.reads_reference):
            return {}
        groups: dict[str, list[Trajectory]] = {}
        for one, _ in self._earnings.of(number, names):
            tokens = one.episode.tokens
            groups.setdefault(one.episode.problem.id, []).append(Trajectory(tokens, (0.0,) * len(tokens)))
        rows = self._rows([Group(self._prompts[name], tuple(own)) for name, own in groups.items()], config.rows)

        def flat(values: np.ndarray) -> np.ndarray:
            return np.concatenate([own for group in rows.per_completion(values) for own in group])

        found: dict[str, np.ndarray] = {}
        if config.reads_policy:
            log_probs, entropies = references.read_policy(rows, params, self._base)
            found["old"] = flat(log_probs)
            if config.entropy_share < 1:
                found["chosen"] = flat(high_entropy(entropies, rows.segments > 0, config.entropy_share))
        if config.reads_reference:
            found["reference"] = flat(references.read_reference(rows))
        return found

    def _groups(self, number: int, names: Sequence[Sequence[Any]], arrays: Mapping[str, np.ndarray]) -> list[Group]:
        """What a round learns from, by its files.

        Args:
          names: of the problems, (attempt, id).
          arrays: of `_read`.
        """
        members = self._earnings.of(number, [(attempt, name) for attempt, name in names])
        cuts = np.cumsum([len(one.episode.tokens) for one, _ in members])[:-1]
        fields = {name: np.split(values, cuts) for name, values in arrays.items()}
        penalty = None
        if self._config.pays_in_reward and members:
            pairs = zip(fields["old"], fields["reference"], strict=True)
            beta = self._config.beta
            penalty = np.array([reference_penalty(a[None], b[None], np.ones((1, len(a))), beta)[0] for a, b in pairs])
        fields = {name: values for name, values in fields.items() if name in self._fields}
        groups: dict[str, list[Trajectory]] = {}
        for place, ((one, sample), own) in enumerate(
            zip(members, self._earnings.advantages([one for one, _ in members], penalty), strict=True)
        ):
            read = {name: tuple(values[place].tolist()) for name, values in fields.items()}
            found = groups.setdefault(one.episode.problem.id, [])
            if one.episode.finished or not self._config.mask_truncated:
                found.append(Trajectory(one.episode.tokens, tuple(own.tolist()), tuple(sample["log_probs"]), **read))
        return [Group(self._prompts[name], tuple(own)) for name, own in groups.items() if own]

    def _parts(self, groups: Sequence[Group]) -> list[GroupRows]:
        """Rows for each update of a round."""
        updates = self._config.updates
        return [self._rows(groups[part::updates], self._config.rows, exactly=True) for part in range(updates)]

    def _nothing(self, length: int) -> GroupRows:
        """Rows of an update to which no problem is left."""
        full = self._full(length)
        wiped = {name: np.zeros_like(value) for name, value in full.arrays.items()}
        return GroupRows(**{**wiped, "owners": np.full(len(full), -1, np.int32)})

    def _rows(self, groups: Sequence[Group], count: int, exactly: bool = False) -> GroupRows:
        """Rows of groups: a multiple of `count`, or exactly so many; completions as long as the longest needs, rounded up."""
        config = self._config
        most = config.completion_length
        step = rounded_up(-(-most // _SHAPES))
        longest = max((len(one.tokens) for group in groups for one in group.completions), default=1)
        length = min(most, rounded_up(longest, step))
        if not groups:
            return self._nothing(length)
        return lay_out_groups(groups, config.row_branches, count, config.prompt_length, length, rows=count if exactly else None)


def _nothing_to_learn(rounds: int, figures: Mapping[str, float]) -> str:
    shares = (("frac_all_right", "right"), ("frac_all_wrong", "wrong"))
    told = [f"{figures[name]:.0%} all {which}" for name, which in shares if name in figures]
    were = f"; of the last one's problems were {', '.join(told)}" if told else ""
    return (
        f"grpo.patience = {rounds}: so many rounds taught nothing{were}: expected problems of which some completions earn more "
        "than others (other problems, a larger group, a higher temperature, another reward)"
    )
