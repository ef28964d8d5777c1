"""Labels for steps without a human or a proof: can the policy still finish from here? (Math-Shepherd, arXiv 2312.08935.)"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from jorney.answers import Grader
from jorney.config import expect_at_least
from jorney.data.problems import Problem
from jorney.data.steps import StepFormat
from jorney.policy import Policy
from jorney.sample.generate import Generator, SamplingConfig


@dataclasses.dataclass(frozen=True)
class RolloutConfig:
    """How solutions are sampled and their steps labelled.

    Attributes:
      solutions: of every problem.
      completions: N, of every prefix of a solution.
      hard: a step is right when any completion after it reaches the answer; else its label is the share that do.
      max_tokens: of a solution, and of a completion.
      temperature, top_p: of sampling.
      rows: completions decoded together.
      chunk: tokens a row between two looks of the host.
    """

    solutions: int = 4
    completions: int = 8
    hard: bool = True
    max_tokens: int = 1024
    temperature: float = 0.7
    top_p: float = 0.95
    rows: int = 64
    chunk: int = 32

    def __post_init__(self) -> None:
        expect_at_least(1, self, "rollouts", "solutions", "completions", "max_tokens", "rows", "chunk")
        if max(self.solutions, self.completions) > self.rows:
            raise ValueError(f"rollouts.rows = {self.rows}: expected at least the solutions and the completions of one prefix")
        if not self.temperature > 0:
            raise ValueError(f"rollouts.temperature = {self.temperature}: expected above 0, or all samples are the same")
        if not 0 < self.top_p <= 1:
            raise ValueError(f"rollouts.top_p = {self.top_p}: expected above 0, 1 at most")

    def decides(self) -> dict[str, Any]:
        """The fields that the labels depend on."""
        return {name: value for name, value in dataclasses.asdict(self).items() if name not in ("rows", "chunk")}

    def sampling(self, w: int, seed: int) -> SamplingConfig:
        return SamplingConfig(
            w=w,
            max_tokens=self.max_tokens,
            temperature=self.temperature,
            top_p=self.top_p,
            seed=seed,
            rows=self.rows // w * w,
            chunk=self.chunk,
        )


@dataclasses.dataclass(frozen=True)
class Labelled:
    """A solution with a label for each of its steps; a line of a part.

    Attributes:
      id, question: of the problem.
      steps: as written, openings included.
      labels: 0 to 1.
    """

    id: str
    question: str
    steps: tuple[str, ...]
    labels: tuple[float, ...]


def sample_solutions(
    generator: Generator, problems: Sequence[Problem], step_format: StepFormat, config: RolloutConfig, seed: int
) -> list[list[tuple[str, ...]]]:
    """The different solutions sampled for each problem, as steps; those that hold no step are left out."""
    prompts = [step_format.ask(problem.question) for problem in problems]
    found = generator.generate(prompts, config.sampling(config.solutions, seed), [problem.id for problem in problems])
    split = [[tuple(step_format.split(completion.text)) for completion in own if completion.finished] for own in found]
    return [[steps for steps in dict.fromkeys(own) if steps] for own in split]


def label(
    generator: Generator,
    policy: Policy,
    problems: Sequence[Problem],
    step_format: StepFormat,
    config: RolloutConfig,
    seed: int,
) -> list[Labelled]:
    """Samples solutions and labels each step by completing what it ends `config.completions` times.

    The last step, after which nothing follows, is right when the solution is. A prefix that several solutions share is
    completed once. What a problem gets does not depend on the others.
    """
    solutions = sample_solutions(generator, problems, step_format, config, seed)
    prefixes = {
        (index, steps[:count]): None for index, own in enumerate(solutions) for steps in own for count in range(1, len(steps))
    }
    prompts, names = [], []
    for index, steps in prefixes:
        text = "\n".join(steps) + "\n"
        head = policy.tokenizer.encode_prompt(step_format.ask(problems[index].question))
        prompts.append([*head, *policy.tokenizer.encode_after(text)])
        names.append(f"{problems[index].id}/{text}")
    labels: dict[tuple[int, tuple[str, ...]], float] = {}
    with Grader() as grader:
        found = generator.generate(prompts, config.sampling(config.completions, seed), names)
        for (index, steps), completions in zip(prefixes, found, strict=True):
            texts = ["\n".join((*steps, completion.text)) for completion in completions]
            reached = sum(grader.grade(problems[index], text).correct for text in texts)
            labels[index, steps] = float(reached > 0) if config.hard else reached / len(texts)
        made = []
        for index, own in enumerate(solutions):
            for steps in own:
                right = float(grader.grade(problems[index], "\n".join(steps)).correct)
                values = [labels[index, steps[:count]] for count in range(1, len(steps))]
                made.append(Labelled(problems[index].id, problems[index].question, steps, (*values, right)))
    return made
