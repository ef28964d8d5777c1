"""Values of a completion's steps: the chance of a right answer from there on, exact or by a judge, or by `rollout_values`.

Whatever the source, the value behind the last step is whether the completion is right: what never answers has reached nothing.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable, Sequence

from jorney.config import expect_number
from jorney.domain.domains import domain_of
from jorney.judge.judge import Judge, StepPath
from jorney.judge.judge import score as score_of
from jorney.reinforce.episode import Episode, accuracies, outcome
from jorney.reinforce.values.episode_steps import last_tokens, steps_of
from jorney.text.step_format import StepFormat
from jorney.text.tokenizer import Tokenizer
from jorney.train.policy_gradient.credit import JudgedCompletion


@dataclasses.dataclass(frozen=True)
class StepValues:
    """What the steps of a completion are worth.

    Attributes:
      ends: index of the last token of each step, rising.
      values: one more than steps, before the first and after each, from 0 to 1; the last is whether the completion is right.
    """

    ends: tuple[int, ...]
    values: tuple[float, ...]

    @classmethod
    def of(cls, ends: Sequence[int], before: Sequence[float], episode: Episode) -> StepValues:
        """Of an episode, given the values before each step; behind the last is the outcome.

        Args:
          before: the first alone counts where there are no steps.
        """
        return cls(tuple(ends), (*before, outcome(episode)) if ends else tuple(before[:1]))


# Values of the steps of every episode, in their order. Those of a problem id are a group.
ValueSource = Callable[[Sequence[Episode]], list[StepValues]]
# The score of every step of each path, 0 to 1, steps given with their openings: as `PrmJudge.score` has it.
ScorePaths = Callable[[Sequence[StepPath]], Sequence[Sequence[float]]]


def exact_values(tokenizer: Tokenizer, step_format: StepFormat) -> ValueSource:
    """Whether the goal can still be reached, as the problem's domain tells it for certain (`Domain.values`).

    A step ends where the domain has a value: a line that moves, or goes back.

    Raises:
      ValueError: when it is called with a problem of another domain; names it.
    """

    def values_of(episode: Episode) -> StepValues:
        text = tokenizer.decode(episode.tokens)
        (_, before), *behind = domain_of(episode.problem).values(episode.problem, text, step_format)
        if not episode.tokens:
            return StepValues((), (before,))
        stops = [stop for stop, _ in behind] or [0]
        values = [value for _, value in behind] or [before]
        ends, kept = last_tokens(tokenizer, episode.tokens, stops)
        return StepValues.of(ends, (before, *(values[part] for part in kept[:-1])), episode)

    return lambda episodes: [values_of(episode) for episode in episodes]


def judge_values(tokenizer: Tokenizer, step_format: StepFormat, scores: ScorePaths) -> ValueSource:
    """A judge's scores of the steps. Before the first it is the share of the group that is right.

    Args:
      scores: `PrmJudge.score`, or `scores_by` of any other judge.

    Raises:
      ValueError: when it is called, and the judge gives another number of scores than there are steps, or one that is no number
        from 0 to 1; names the completion.
    """

    def values_of(episodes: Sequence[Episode]) -> list[StepValues]:
        steps, start = [steps_of(tokenizer, one.tokens, step_format) for one in episodes], accuracies(episodes)
        found = score_steps(scores, episodes, [own.texts for own in steps])
        return [
            StepValues.of(own.ends, (start[episode.problem.id], *scored[:-1]), episode)
            for episode, own, scored in zip(episodes, steps, found, strict=True)
        ]

    return values_of


def score_steps(scores: ScorePaths, episodes: Sequence[Episode], steps: Sequence[Sequence[str]]) -> list[tuple[float, ...]]:
    """A judge's scores of the steps of each episode, none where there are no steps. Raises as `judge_values` does."""
    asked = [index for index, own in enumerate(steps) if own]
    given = scores([(episodes[index].problem, steps[index]) for index in asked]) if asked else []
    if len(given) != len(asked):
        raise ValueError(f"the judge scores {len(given)} completions: expected {len(asked)}")
    found: list[tuple[float, ...]] = [() for _ in episodes]
    for index, own in zip(asked, given, strict=True):
        found[index] = tuple(map(float, own))
        if len(own) != len(steps[index]):
            raise ValueError(f"{episodes[index].name}: the judge gives {len(own)} scores: expected {len(steps[index])}")
        for wrong in (value for value in found[index] if not 0 <= value <= 1):
            raise ValueError(f"{episodes[index].name}: the judge gives the score {wrong}: expected a number from 0 to 1")
    return found


def scores_by(judge: Judge, step_format: StepFormat) -> ScorePaths:
    """Scores of every step by a judge that rates the last step of a path; paths that several share are rated once."""

    def score_all(paths: Sequence[StepPath]) -> list[list[float]]:
        bare = [(problem, tuple(map(step_format.bare, steps))) for problem, steps in paths]
        wanted = {
            (problem.id, steps[:count]): (problem, steps[:count])
            for problem, steps in bare
            for count in range(1, len(steps) + 1)
        }
        known = dict(zip(wanted, map(score_of, judge(list(wanted.values()))), strict=True))
        return [[known[problem.id, steps[:count]] for count in range(1, len(steps) + 1)] for problem, steps in bare]

    return score_all


@dataclasses.dataclass(frozen=True)
class ValueNoise:
    """Values that are wrong on purpose: what does it cost a policy that they are?

    Attributes:
      share: of the values between the first and the last that are turned round (1 - v).
      seed: with the problem's id, the sample and the step it decides which. Those turned at a share are so at every higher one.
    """

    share: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        expect_number(self, "value_noise", "share", least=0, most=1)
        expect_number(self, "value_noise", "seed", least=0)

    def on(self, source: ValueSource) -> ValueSource:
        """A source that errs."""
        if not self.share:
            return source
        return lambda episodes: [
            self._turned(episode, found) for episode, found in zip(episodes, source(episodes), strict=True)
        ]

    def _turned(self, episode: Episode, found: StepValues) -> StepValues:
        values = list(found.values)
        for step in range(1, len(values) - 1):
            key = repr((self.seed, episode.problem.id, episode.sample, step)).encode()
            drawn = int.from_bytes(hashlib.blake2b(key, digest_size=8).digest(), "big") / 2**64
            values[step] = 1.0 - values[step] if drawn < self.share else values[step]
        return StepValues(found.ends, tuple(values))


def judged_completion(
    episode: Episode, ends: Sequence[int], values: Sequence[float], reward: float, credit: str
) -> JudgedCompletion:
    """An episode as credit assignment takes it.

    Args:
      ends, values: of `StepValues`.
      reward: of the completion as a whole.
      credit: of `policy_gradient.credit`. A step's reward is the value behind it; for "min" it is the chance of right less that
        of wrong, 2v - 1, as PURE has it (arXiv 2504.15275).
    """
    behind = values[1:]
    rewards = tuple(2 * value - 1 for value in behind) if credit == "min" else tuple(behind)
    return JudgedCompletion(len(episode.tokens), reward, tuple(ends), rewards, tuple(values))
