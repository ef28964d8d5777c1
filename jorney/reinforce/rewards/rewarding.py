"""What a completion earns: its grade, the terms of its reward, and the values of its steps where the credit is made of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from jorney.domain.domain import Grade
from jorney.domain.grading import Grader
from jorney.domain.problem import Problem
from jorney.engine.generate import Generator
from jorney.reinforce.episode import Episode
from jorney.reinforce.rewards.reward_terms import RewardContext, Term, score_terms
from jorney.reinforce.samples import Row
from jorney.reinforce.values.rollout_values import ValueRollouts, rollout_values
from jorney.reinforce.values.step_values import ScorePaths, StepValues, ValueNoise, ValueSource, exact_values, judge_values
from jorney.reinforce.values.step_values import judged_completion as judged
from jorney.text.step_format import StepFormat
from jorney.text.tokenizer import Tokenizer
from jorney.train.objectives.grpo import GrpoConfig
from jorney.train.policy_gradient.credit import JudgedCompletion


@dataclasses.dataclass(frozen=True)
class Earned:
    """A completion and what it earned.

    Attributes:
      terms: of its reward, without weights.
      steps: the values of its steps; None where the credit needs none.
    """

    episode: Episode
    terms: Mapping[str, float]
    steps: StepValues | None

    def judged(self, reward: float, credit: str) -> JudgedCompletion:
        """As credit assignment takes it.

        Args:
          reward: as a whole; behind the last step it stands in the place of the outcome. A credit sees of the terms what it
            sees of the last step: "min" next to nothing, where another step is worse.
        """
        if self.steps is None:
            return JudgedCompletion(len(self.episode.tokens), reward)
        values = (*self.steps.values[:-1], reward) if self.steps.ends else self.steps.values
        return judged(self.episode, self.steps.ends, values, reward, credit)


def of_steps(config: GrpoConfig) -> bool:
    """Whether credit is given to steps, and not to completions as a whole."""
    return config.credit != "outcome"


class Rewarder:
    """Rewards completions.

    Args:
      terms: {name: term} of the reward.
      judge: scores of steps, where a term or the values are a judge's.
      judge_key: what that judge is known by.
    """

    def __init__(
        self,
        tokenizer: Tokenizer,
        step_format: StepFormat,
        config: GrpoConfig,
        terms: Mapping[str, Term],
        seed: int,
        grading_seconds: float,
        judge: Callable[[], ScorePaths] | None = None,
        judge_key: Any = "",
    ) -> None:
        self._tokenizer, self._format, self._config, self._seed = tokenizer, step_format, config, seed
        self._terms, self._seconds, self._judge = terms, grading_seconds, judge
        self._scores: ScorePaths | None = None
        self._steps = of_steps(config)
        self.key = [config.rewards, config.language, grading_seconds, judge_key]

    @property
    def asks_policy(self) -> bool:
        """Whether values are those of the policy as it is, which then is asked."""
        return self._steps and self._config.values == "rollouts"

    def reward(
        self, problems: Sequence[Problem], samples: Mapping[str, Sequence[Row]], seed: int, generator: Callable[[], Generator]
    ) -> list[Row]:
        """Rows of what the completions earned, in their order.

        Args:
          samples: {id of a problem: its completions, as `Rollouts` keeps them}.
          seed: of the round.
          generator: of the policy, see `asks_policy`.

        Raises:
          ValueError: a reward cannot be had; names its term, the problem and the completion.
        """
        rows = [(problem, row) for problem in problems for row in samples[problem.id]]
        with Grader(self._seconds) as grader:
            grades = grader.grade_all([problem for problem, _ in rows], [row["text"] for _, row in rows], self._format)
            asked = {problem.id: self._format.ask(problem.question) for problem in problems}
            episodes = [
                episode_of(problem, row, grade, asked[problem.id]) for (problem, row), grade in zip(rows, grades, strict=True)
            ]
            limits = self._config.completion_length, self._config.overlong_cache
            scores = self._scored() if "judge" in self._terms else None
            about = RewardContext(self._format, self._config.language, *limits, scores)
            terms = score_terms(self._terms, episodes, about)
            steps = self._values(seed, grader, generator)(episodes) if self._steps else None
        return [
            {
                "id": one.problem.id,
                "sample": one.sample,
                "correct": one.grade.correct,
                "answer": one.grade.answer,
                "note": one.grade.note,
                "terms": {name: values[place] for name, values in terms.items()},
                **({"ends": list(steps[place].ends), "values": list(steps[place].values)} if steps else {}),
            }
            for place, one in enumerate(episodes)
        ]

    def _values(self, seed: int, grader: Grader, generator: Callable[[], Generator]) -> ValueSource:
        config = self._config
        if config.values == "exact":
            source = exact_values(self._tokenizer, self._format)
        elif config.values == "judge":
            source = judge_values(self._tokenizer, self._format, self._scored())
        else:
            how = ValueRollouts(
                config.rollouts,
                config.completion_length,
                config.temperature,
                config.top_p,
                max(config.decode_rows, config.rollouts),
                config.chunk,
            )
            source = rollout_values(generator(), self._format, how, seed, grader)
        return ValueNoise(config.value_noise, seed).on(source)

    def _scored(self) -> ScorePaths:
        assert self._judge is not None, "a judge is asked for"
        self._scores = self._scores or self._judge()
        return self._scores


def episode_of(problem: Problem, row: Row, grade: Grade, prompt: str = "") -> Episode:
    """A completion that was sampled."""
    return Episode(
        problem, row["sample"], prompt or problem.question, row["text"], tuple(row["tokens"]), row["finished"], grade
    )


def earned(problem: Problem, sample: Row, reward: Row) -> Earned:
    """A completion by what was kept of it."""
    grade = Grade(reward["correct"], reward["answer"], note=reward["note"])
    steps = StepValues(tuple(reward["ends"]), tuple(reward["values"])) if "ends" in reward else None
    return Earned(episode_of(problem, sample, grade), reward["terms"], steps)
