"""Evaluating a policy on problems: texts, graded; or the likelihood of options."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from jorney.config import GIVES_WAY, AtMost, Usual, UsualCount, expect_above, expect_at_least
from jorney.domain.code.sandbox import OFF
from jorney.domain.domain import Grade
from jorney.domain.domains import domain_of
from jorney.domain.grading import Grader
from jorney.domain.problem import Problem
from jorney.engine.generate import Completion, Generator, SamplingConfig
from jorney.engine.sampling import CompletionSampling
from jorney.solve.benchmarks.task_protocol import TaskProtocol
from jorney.solve.choice import equal_answers
from jorney.solve.statistics import wilson
from jorney.text.step_format import BOX, StepFormat
from jorney.text.tokenizer import Tokenizer

_TOGETHER = 8  # texts that are graded at a time: answers that take long are waited for together
_SINCE = {"samples": 1}  # fields that came later, as results before them were made


@dataclasses.dataclass(frozen=True)
class EvaluateConfig(CompletionSampling):
    """How a policy is evaluated.

    Attributes:
      samples: texts of every problem; above 1 the temperature must be above 0.
      max_tokens: limit of a text. If it is not stated, a benchmark's own limit, else no more than the model's positions leave.
      temperature: 0 is greedy, as the paper's results are.
      top_p: of the sampling distribution, where the temperature is above 0.
      rows: texts decoded together.
      chunk: tokens a row between two looks of the host.
      grading_seconds: a longer grading is stopped and counts as wrong.
    """

    samples: int = UsualCount(1)
    max_tokens: int = AtMost(1024)
    temperature: float = Usual(0.0)
    top_p: float = Usual(1.0)
    rows: int = 64
    chunk: int = 32
    grading_seconds: float = 5.0

    def __post_init__(self) -> None:
        expect_above(0, self, "", "grading_seconds")
        expect_at_least(1, self, "", "samples", "max_tokens", "rows", "chunk")
        self.expect_sampling()

    def sampling(self, seed: int) -> SamplingConfig:
        """Raises ValueError where several texts of a problem would all be the same."""
        self.expect_sampling("evaluate", "samples" if self.samples > 1 else "")
        return SamplingConfig.of(self, self, self.samples, seed)

    def decides(self) -> dict[str, Any]:
        fields = super().decides()
        return {name: value for name, value in fields.items() if name not in _SINCE or value != _SINCE[name]}

    def by(self, protocol: TaskProtocol) -> EvaluateConfig:
        """With what a protocol has, where nobody stated it."""
        usual = {name: getattr(protocol, name) for name in ("samples", "max_tokens", "temperature", "top_p")}
        unstated = {name: value for name, value in usual.items() if isinstance(getattr(self, name), GIVES_WAY)}
        return dataclasses.replace(self, **unstated)


@dataclasses.dataclass(frozen=True)
class Graded:
    """One text and its grade; a row of an evaluation's parts.

    Attributes:
      id: of the problem.
      tokens: of the text, the end token and the ids of a stop counted.
      finished: ended by itself or at a stop, not at the limit.
      true_equations, equations: counted by verifiers that check steps; else 0.
      sample: which of the problem's texts.
      group: the first of the problem's texts that states an equal answer; -1 where it states none.
      prompt_tokens: of the prompt, shots included.
      others: what other readings give: their answers, and whether each is right.
      about: of the problem, what results are told apart by: its subset, level, subject or language.
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
    sample: int = 0
    group: int = 0
    prompt_tokens: int = 0
    others: dict[str, Any] = dataclasses.field(default_factory=dict)
    about: dict[str, str] = dataclasses.field(default_factory=dict)


_TOLD_APART = ("subset", "level", "subject", "type", "language", "category")


def about(problem: Problem) -> dict[str, str]:
    """What results of a problem are told apart by; and its cluster, where others share it."""
    found = {name: str(problem.meta[name]) for name in _TOLD_APART if isinstance(problem.meta.get(name), str | int)}
    cluster = domain_of(problem).cluster(problem)
    return found if cluster == problem.id else {**found, "cluster": str(cluster)}


def evaluate(
    generator: Generator,
    problems: Sequence[Problem],
    asked: StepFormat | TaskProtocol,
    config: EvaluateConfig,
    seed: int,
    isolation: str = OFF,
) -> Iterator[list[Graded]]:
    """Grades the texts of every problem, in the order in which they end; those of one problem together.

    Args:
      asked: how; a step format alone asks without shots.
      isolation: of programs that are run where the domain is code; see `domain.code.sandbox`.
    """
    protocol = asked if isinstance(asked, TaskProtocol) else TaskProtocol.of(asked)
    tokenizer = generator.policy.tokenizer
    prompts = [protocol.encode(tokenizer, problem) for problem in problems]
    names, sampling = [problem.id for problem in problems], config.sampling(seed)

    def stop(index: int, text: str) -> int | None:
        # All ids are kept: the last may hold the end of the text and the beginning of the stop. The text is cut later.
        return None if protocol.cut(text) is None else len(text)

    with Grader(timeout_seconds=config.grading_seconds, isolation=isolation) as grader:
        stream = (
            generator.stream(prompts, sampling, names, stop) if protocol.stops else generator.stream(prompts, sampling, names)
        )
        for ended in _groups(stream, config.samples):
            own = [problems[index] for index, found in ended for _ in found]
            cuts = [_cut(one, protocol, tokenizer) for _, found in ended for one in found]
            grades = grader.grade_all(own, [text for text, _ in cuts], protocol.step_format, protocol.readings)
            each = iter(zip(cuts, grades, strict=True))
            for index, found in ended:
                texts = [(one.finished, *next(each)) for one in found]
                yield list(_graded(problems[index], len(prompts[index]), texts, grader))


def _cut(completion: Completion, protocol: TaskProtocol, tokenizer: Tokenizer) -> tuple[str, int]:
    """A text up to the first stop, and how many ids it took: those of the stop counted, those behind it not."""
    end = protocol.cut(completion.text)
    if end is None:
        return completion.text, len(completion.tokens)
    low, high = 0, len(completion.tokens)  # the fewest ids whose text holds a stop
    while low < high:
        middle = (low + high) // 2
        low, high = (
            (low, middle) if protocol.cut(tokenizer.decode(completion.tokens[:middle])) is not None else (middle + 1, high)
        )
    return completion.text[:end], low


def _graded(
    problem: Problem, prompt_tokens: int, texts: Sequence[tuple[bool, tuple[str, int], Grade]], grader: Grader
) -> Iterator[Graded]:
    answers = [grade.answer for _, _, grade in texts]
    groups = equal_answers(problem, answers, grader) if len(texts) > 1 else [0 if answers[0] is not None else -1]
    for sample, (finished, (text, tokens), grade) in enumerate(texts):
        yield Graded(
            id=problem.id,
            correct=grade.correct,
            answer=grade.answer,
            note=grade.note,
            tokens=tokens,
            finished=finished,
            true_equations=grade.true_equations,
            equations=grade.equations,
            text=text,
            sample=sample,
            group=groups[sample],
            prompt_tokens=prompt_tokens,
            others={name: {"answer": one.answer, "correct": one.correct} for name, one in grade.others.items()},
            about=about(problem),
        )


def _groups(stream: Iterator[tuple[int, list[Completion]]], samples: int) -> Iterator[list[tuple[int, list[Completion]]]]:
    """Problems whose texts have ended, a few at a time; what had ended when the sampling is broken off, too."""
    group: list[tuple[int, list[Completion]]] = []
    try:
        for one in stream:
            group.append(one)
            if len(group) * samples >= _TOGETHER:
                yield group
                group = []
    except (Exception, KeyboardInterrupt):
        if group:
            yield group
        raise
    if group:
        yield group


def outcome(one: Graded) -> str:
    """What became of a text, in a few words: right, or why not; of one without an answer, the cause."""
    if one.correct:
        return "right"
    if one.answer is None:
        if not one.finished:
            return "no answer, cut at the limit"
        return "no answer, unreadable" if "####" in one.text or BOX.search(one.text) else "no answer stated"
    return "not compared" if one.note.startswith(("grading ", "the grading worker")) else "wrong answer"


def summarise(graded: Sequence[Graded], config: EvaluateConfig) -> dict[str, Any]:
    """Accuracy with its Wilson 95% interval, n, mean tokens and their limit, the share of true equations (None without any).

    Also how many texts had which outcome, how many were cut at the limit, and the accuracy by other readings.
    """
    if not graded:
        raise ValueError("there are no problems to evaluate: expected at least one")
    n, right = len(graded), sum(one.correct for one in graded)
    low, high = wilson(right, n)
    equations = sum(one.equations for one in graded)
    others = [(name, one.others[name]["correct"]) for one in graded for name in one.others]
    read = Counter(name for name, _ in others)
    by_reading = {name: sum(right for other, right in others if other == name) / read[name] for name in read}
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
        **({"by_reading": by_reading} if by_reading else {}),
    }
