"""How good the policy is by now: greedy answers to problems that it is not trained on, and what several tries would give."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import ClassVar

import jax
import numpy as np

from jorney.config import expect_at_least, expect_number
from jorney.domain.domain import Grade
from jorney.domain.problem import Problem
from jorney.engine.generate import Generator
from jorney.reinforce.episode import Episode
from jorney.reinforce.round_figures import ways
from jorney.reinforce.samples import Kept, RoundFiles, Row
from jorney.solve.estimators import pass_at_k
from jorney.solve.evaluate import EvaluateConfig, evaluate
from jorney.text.step_format import StepFormat


@dataclasses.dataclass(frozen=True)
class AssessConfig:
    """How a policy is looked at while it is trained. Changes nothing about what is learned.

    Attributes:
      every: rounds between two assessments; 0 for one at the end alone, where problems are named.
      problems: a file, a hub id or tfds:NAME; "" for others than those that are learned from, where a domain draws them.
      limit: how many.
      tries: texts of every problem, sampled as in training, by which pass@tries is measured beside pass@1; 1 for greedy texts
        alone.
    """

    name: ClassVar[str] = "assess"

    every: int = 0
    problems: str = ""
    limit: int = 200
    tries: int = 1

    def __post_init__(self) -> None:
        expect_number(self, self.name, "every", least=0)
        expect_at_least(1, self, self.name, "limit", "tries")


class Assessment:
    """Measures a policy on the same problems, after so many rounds.

    Args:
      config: how.
      problems: on which; none measures nothing.
      greedy: limits of a text.
      heat: temperature and top_p of the tries.
      files: where the texts are kept.
      say: told each result in a line.
    """

    def __init__(
        self,
        config: AssessConfig,
        problems: Sequence[Problem],
        step_format: StepFormat,
        greedy: EvaluateConfig,
        heat: tuple[float, float],
        seed: int,
        files: RoundFiles,
        say: Callable[[str], None] = lambda line: None,
    ) -> None:
        self.config, self.problems, self._say = config, problems, say
        self._format, self._seed, self._files = step_format, seed, files
        self._asked = {"greedy": dataclasses.replace(greedy, samples=1, temperature=0.0, top_p=1.0)}
        if config.tries > 1:
            self._asked["tries"] = dataclasses.replace(greedy, samples=config.tries, temperature=heat[0], top_p=heat[1])

    def due(self, number: int) -> bool:
        """Whether it is time, before the round of this number, counted from 0."""
        return bool(self.problems and self.config.every and number % self.config.every == 0)

    def complete(self, number: int) -> bool:
        """Whether its texts are there; all processes ask together."""
        return all(self._kept(number, name).complete(self.problems) for name in self._asked)

    def measure(self, number: int, generator: Generator | None) -> dict[str, float]:
        """Figures by name; texts that are there are not asked for again, and need no generator.

        Returns:
          eval/accuracy, eval/mean_length, eval/clipped_ratio of greedy texts, with `round_figures.ways` of them; eval/pass_at_1
          and eval/pass_at_N of the tries, by the unbiased estimator.
        """
        if not self.problems:
            return {}
        for name, asked in self._asked.items():
            self._kept(number, name).fill(self.problems, functools.partial(self._texts, generator, asked))
        rows = self._kept(number, "greedy").rows(self.problems)
        episodes = [_episode(problem, row) for problem in self.problems for row in rows[problem.id]]
        found = {
            "eval/accuracy": float(np.mean([one.grade.correct for one in episodes])),
            "eval/mean_length": float(np.mean([row["tokens"] for own in rows.values() for row in own])),
            "eval/clipped_ratio": float(np.mean([not one.finished for one in episodes])),
            **{f"eval/{name}": value for name, value in ways(episodes).items()},
        }
        if "tries" in self._asked:
            tries = self._kept(number, "tries").rows(self.problems)
            counts = [(len(own), sum(row["correct"] for row in own)) for own in tries.values()]
            for k in (1, self.config.tries):
                found[f"eval/pass_at_{k}"] = float(np.mean([pass_at_k(n, right, k) for n, right in counts]))
        self._say(f"  after {number:,} rounds: {found['eval/accuracy']:.1%} of {len(self.problems):,} problems, greedily")
        return found

    def _kept(self, number: int, name: str) -> Kept:
        return self._files.texts(number, name, self._asked[name].samples)

    def _texts(self, generator: Generator | None, asked: EvaluateConfig, problems: Sequence[Problem]) -> list[Row]:
        assert generator is not None, "there are texts to be asked for"
        with jax.set_mesh(generator.policy.mesh):  # not the training's, whose arrays lie on all devices
            found = evaluate(generator, problems, self._format, asked, self._seed)
            return [dataclasses.asdict(one) for together in found for one in together]


def _episode(problem: Problem, row: Row) -> Episode:
    grade = Grade(row["correct"], row["answer"], note=row["note"])
    return Episode(problem, row["sample"], problem.question, row["text"], (), row["finished"], grade)
