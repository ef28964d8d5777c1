"""A search at test time: accuracy that is bought with tokens, with any judge of steps. Each is one class."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

from jorney.config import AtMost, expect_above, expect_at_least, expect_one_of
from jorney.domain.grading import Grader
from jorney.domain.problem import Problem
from jorney.engine.generate import Completion, Generator, SamplingConfig
from jorney.engine.sampling import CompletionSampling
from jorney.judge.judge import Judge, score
from jorney.judge.reward_model import AGGREGATES
from jorney.solve.choice import Solutions, equal_answers
from jorney.text.step_format import StepFormat
from jorney.tree.expand import ExpandConfig


@dataclasses.dataclass(frozen=True)
class Budget(CompletionSampling):
    """What a search may spend on a problem, and how it samples.

    Attributes:
      method: "best-of-n" (reported for every power of two up to n, by three ways of choosing), "beam", "dvts", or any solver
        that is registered.
      n: of best-of-n, solutions of every problem.
      keep: of beam, b: steps of a level that are expanded, those of the highest scores; of dvts, trees of a problem.
      width: of beam and dvts, steps that are sampled after each of them.
      depth: of beam and dvts, levels at most.
      aggregate: how the scores of a solution's steps make one, of those that are chosen among: "last", "product", "min" or
        "mean". Which steps a tree keeps goes by their own scores.
      max_tokens: of a solution, best-of-n.
      step_tokens: of a step, beam and dvts.
      temperature, top_p: of sampling.
      rows: solutions or steps that are sampled together.
      chunk: tokens a row between two looks of the host.
      grading_seconds: a longer grading is stopped and counts as wrong.
    """

    method: str = "best-of-n"
    n: int = 16
    keep: int = 4
    width: int = 4
    depth: int = 10
    aggregate: str = "last"
    max_tokens: int = AtMost(1024)
    step_tokens: int = 256
    temperature: float = 0.8
    top_p: float = 1.0
    rows: int = 64
    chunk: int = 16
    grading_seconds: float = 5.0

    def __post_init__(self) -> None:
        expect_one_of(AGGREGATES, self, "search", "aggregate")
        expect_at_least(1, self, "search", "n", "keep", "width", "depth", "max_tokens", "step_tokens", "rows", "chunk")
        self.expect_sampling("search", "samples")
        expect_above(0, self, "search", "grading_seconds")

    def sampling(self, seed: int) -> SamplingConfig:
        """Of best-of-n."""
        return SamplingConfig.of(self, self, self.n, seed)


@dataclasses.dataclass(frozen=True)
class Sampler:
    """What a solver samples with: a policy's generator, how it writes steps, and the seed of everything random."""

    generator: Generator
    step_format: StepFormat
    seed: int


class Solver:
    """A way to search for answers.

    Attributes:
      name: what `search.method` holds.
    """

    name: ClassVar[str]

    def decides(self, budget: Budget) -> dict[str, Any]:
        """The fields of the budget that the solutions depend on; how much is done at a time is none of them."""
        return {name: value for name, value in dataclasses.asdict(budget).items() if name not in ("rows", "chunk", "aggregate")}

    def expand(self, budget: Budget, step_format: str) -> ExpandConfig | None:
        """How its trees grow; None where it grows none, and samples whole solutions."""
        return None

    def solve(self, problems: Sequence[Problem], sampler: Sampler, judge: Judge, budget: Budget) -> Iterator[Solutions]:
        """The solutions that are found for each problem, judged step by step and graded; in any order, each as it is done.

        What a problem gets does not depend on the others. One of them is chosen by `solve.choice`, whatever the solver.
        """
        raise NotImplementedError


def judged(
    problem: Problem, completions: Sequence[Completion], judge: Judge, grader: Grader, step_format: StepFormat
) -> Solutions:
    """Completions as solutions: each step scored by the judge, each answer graded."""
    texts = [completion.text for completion in completions]
    steps = [bare_steps(step_format, text) for text in texts]
    # A beginning that several solutions share is rated once.
    paths = dict.fromkeys(tuple(own[:count]) for own in steps for count in range(1, len(own) + 1))
    ratings = dict(zip(paths, judge([(problem, path) for path in paths]) if paths else (), strict=True))
    grades = grader.grade_all([problem] * len(texts), texts, step_format)
    return Solutions(
        problem.id,
        [completion.generated for completion in completions],
        [grade.answer for grade in grades],
        equal_answers(problem, [grade.answer for grade in grades], grader),
        [grade.correct for grade in grades],
        [[score(ratings[tuple(own[:count])]) for count in range(1, len(own) + 1)] for own in steps],
    )


def bare_steps(step_format: StepFormat, text: str) -> list[str]:
    """A solution's steps as judges take them: without their openings."""
    return [step_format.bare(step) for step in step_format.split(text)]
