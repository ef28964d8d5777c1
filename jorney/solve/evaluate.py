"""Evaluating a policy on problems: completions, graded."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from jorney.config import AtMost, expect_above, expect_at_least
from jorney.domain.grading import Grader
from jorney.domain.problem import Problem
from jorney.engine.generate import Completion, Generator, SamplingConfig
from jorney.engine.sampling import CompletionSampling
from jorney.solve.statistics import wilson
from jorney.text.step_format import StepFormat

_TOGETHER = 8  # completions that are graded at a time: answers that take long are waited for together


@dataclasses.dataclass(frozen=True)
class EvaluateConfig(CompletionSampling):
    """How a policy is evaluated: one completion a problem.

    Attributes:
      max_tokens: limit of a completion; as long as nobody states it, no more than the model's positions leave.
      temperature: 0 is greedy, as the paper's results are.
      top_p: of the sampling distribution, where the temperature is above 0.
      rows: problems decoded together.
      chunk: tokens a row between two looks of the host.
      grading_seconds: a longer grading is stopped and counts as wrong.
    """

    max_tokens: int = AtMost(1024)
    temperature: float = 0.0
    top_p: float = 1.0
    rows: int = 64
    chunk: int = 32
    grading_seconds: float = 5.0

    def __post_init__(self) -> None:
        expect_above(0, self, "", "grading_seconds")
        expect_at_least(1, self, "", "max_tokens", "rows", "chunk")
        self.expect_sampling()

    def sampling(self, seed: int) -> SamplingConfig:
        return SamplingConfig.of(self, self, 1, seed)


@dataclasses.dataclass(frozen=True)
class Graded:
    """One problem's completion and its grade; a row of an evaluation's parts.

    Attributes:
      tokens: generated, the end token counted.
      finished: ended by itself, not at the limit.
      true_equations, equations: counted by verifiers that check steps; else 0.
    """

    id: str
    correct: bool
    answer: str | None
    note: str
    tokens: int
    finished: bool
    true_equations: int
    equations: int
    text: str


def evaluate(
    generator: Generator, problems: Sequence[Problem], step_format: StepFormat, config: EvaluateConfig, seed: int
) -> Iterator[Graded]:
    """Grades one completion of every problem, in the order in which they end."""
    prompts = [step_format.encode(generator.policy.tokenizer, problem.question) for problem in problems]
    with Grader(timeout_seconds=config.grading_seconds) as grader:
        stream = generator.stream(prompts, config.sampling(seed), [problem.id for problem in problems])
        for ended in _groups(stream):
            own, completions = [problems[index] for index, _ in ended], [completion for _, (completion,) in ended]
            grades = grader.grade_all(own, [completion.text for completion in completions], step_format)
            for problem, completion, grade in zip(own, completions, grades, strict=True):
                yield Graded(
                    id=problem.id,
                    correct=grade.correct,
                    answer=grade.answer,
                    note=grade.note,
                    tokens=len(completion.tokens),
                    finished=completion.finished,
                    true_equations=grade.true_equations,
                    equations=grade.equations,
                    text=completion.text,
                )


def _groups(stream: Iterator[tuple[int, list[Completion]]]) -> Iterator[list[tuple[int, list[Completion]]]]:
    """Completions as they end, a few at a time; what had ended when the sampling is broken off, too."""
    group: list[tuple[int, list[Completion]]] = []
    try:
        for one in stream:
            group.append(one)
            if len(group) == _TOGETHER:
                yield group
                group = []
    except (Exception, KeyboardInterrupt):
        if group:
            yield group
        raise
    if group:
        yield group


def outcome(one: Graded) -> str:
    """What became of a problem, in a few words: right, or why not."""
    if one.correct:
        return "right"
    if one.answer is None:
        return "no answer" if one.finished else "no answer, cut at the limit"
    return "not compared" if one.note.startswith(("grading ", "the grading worker")) else "wrong answer"


def summarise(graded: Sequence[Graded], config: EvaluateConfig) -> dict[str, Any]:
    """Accuracy with its Wilson 95% interval, n, mean tokens and their limit, the share of true equations (None without any).

    Also how many problems had which outcome, and how many completions were cut at the limit.
    """
    if not graded:
        raise ValueError("there are no problems to evaluate: expected at least one")
    n, right = len(graded), sum(one.correct for one in graded)
    low, high = wilson(right, n)
    equations = sum(one.equations for one in graded)
    return {
        "accuracy": right / n,
        "n": n,
        "outcomes": dict(Counter(map(outcome, graded)).most_common()),
        "cut": sum(not one.finished for one in graded),
        "ci_low": low,
        "ci_high": high,
        "mean_tokens": sum(one.tokens for one in graded) / n,
        "token_limit": config.max_tokens,
        "true_equations": sum(one.true_equations for one in graded) / equations if equations else None,
    }
