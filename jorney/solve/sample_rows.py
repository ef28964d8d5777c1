"""What was sampled, a row for each text: from these rows every figure is read, and nothing is sampled twice."""

from __future__ import annotations

import dataclasses
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from jorney.model import flops
from jorney.model.architecture import ModelConfig
from jorney.model.flops import RowShape
from jorney.solve.choice import Solutions, aggregate, powers_of_two
from jorney.solve.estimators import average_at_k, best_at_k, majority_at_k, pass_at_k, weighted_vote_at_k
from jorney.solve.evaluate import Graded, outcome
from jorney.solve.statistics import cluster_bootstrap, wilson

FILE = "rows.jsonl"


@dataclasses.dataclass(frozen=True)
class SampleRow:
    """One text of one problem.

    Attributes:
      problem: its id.
      seed: of the run.
      sample: which of the problem's texts, from 0.
      answer: what it states; None where it states none.
      group: its class of answers: the first of the problem's texts that states an equal one; -1 where it states none.
      right: whether that is right.
      outcome: in words: right, or why not.
      score: a judge's of the whole; None without one.
      step_scores: a judge's of each step.
      tokens: generated.
      prompt_tokens: of the prompt.
      judge_tokens: that a judge read or wrote.
      finished: ended by itself, not at the limit.
      flops: of the policy for the text, by causal attention, as the prompt was read.
      prompt_flops: of reading the prompt; of a problem's first text alone, for all of them share it.
      others: whether it is right by other readings.
      about: the problem's subset, level, subject, language, as far as they are known.
    """

    problem: str
    seed: int
    sample: int
    answer: str | None
    group: int
    right: bool
    outcome: str
    score: float | None
    step_scores: list[float]
    tokens: int
    prompt_tokens: int
    judge_tokens: int
    finished: bool
    flops: float
    prompt_flops: float
    others: dict[str, bool]
    about: dict[str, str]


def cost(config: ModelConfig | None, prompt: int, tokens: int, first: bool) -> tuple[float, float]:
    """FLOPs of a text behind a prompt, and of the prompt where it is a problem's first; of an unknown model not a number."""
    if config is None:
        return math.nan, math.nan
    read = RowShape(prompt, {"causal": prompt * (prompt + 1) // 2})
    written = RowShape(tokens, {"causal": tokens * prompt + tokens * (tokens + 1) // 2})
    reading = flops.forward(config, read, 1, 1, "causal") if first else 0.0
    return flops.forward(config, written, 1, tokens, "causal"), reading


def of_graded(graded: Iterable[Graded], seed: int, config: ModelConfig | None) -> Iterator[SampleRow]:
    """Rows of an evaluation; without a model's architecture nothing is said of their cost."""
    for one in graded:
        written, read = cost(config, one.prompt_tokens, one.tokens, one.sample == 0)
        yield SampleRow(
            problem=one.id,
            seed=seed,
            sample=one.sample,
            answer=one.answer,
            group=one.group if one.answer is not None else -1,
            right=one.correct,
            outcome=outcome(one),
            score=None,
            step_scores=[],
            tokens=one.tokens,
            prompt_tokens=one.prompt_tokens,
            judge_tokens=0,
            finished=one.finished,
            flops=written,
            prompt_flops=read,
            others={name: bool(found["correct"]) for name, found in one.others.items()},
            about=one.about,
        )


def of_solutions(
    solutions: Iterable[Solutions],
    about: Mapping[str, dict[str, str]],
    prompts: Mapping[str, int],
    seed: int,
    how: str,
    config: ModelConfig,
) -> Iterator[SampleRow]:
    """Rows of a search's solutions.

    Args:
      about, prompts: of each problem what it is told apart by, and its prompt's tokens.
      how: the scores of a solution's steps make one.
    """
    for one in solutions:
        for sample, tokens in enumerate(one.tokens or [0]):  # a problem without a solution is there too
            if not one.tokens:
                one = Solutions(one.id, [0], [None], [-1], [False], [[]])
            answer, right = one.answers[sample], one.correct[sample]
            written, read = cost(config, prompts.get(one.id, 0), tokens, sample == 0)
            yield SampleRow(
                problem=one.id,
                seed=seed,
                sample=sample,
                answer=answer,
                group=one.groups[sample],
                right=right,
                outcome="right" if right else "no answer stated" if answer is None else "wrong answer",
                score=aggregate(one.scores[sample], how) if one.scores[sample] else None,
                step_scores=one.scores[sample],
                tokens=tokens,
                prompt_tokens=prompts.get(one.id, 0),
                judge_tokens=tokens,
                finished=True,
                flops=written,
                prompt_flops=read,
                others={},
                about=about.get(one.id, {}),
            )


def by_problem(rows: Iterable[SampleRow]) -> dict[str, list[SampleRow]]:
    """The rows of each problem, in the order of their samples."""
    found: dict[str, list[SampleRow]] = {}
    for row in rows:
        found.setdefault(row.problem, []).append(row)
    return {name: sorted(own, key=lambda row: (row.seed, row.sample)) for name, own in found.items()}


def accuracy(rows: Sequence[SampleRow]) -> dict[str, Any]:
    """Accuracy, n (problems), a 95% interval, and what became of the texts.

    Of several texts a problem, `error_over_problems` and `error_over_samples` are the standard errors of avg@k.
    """
    problems = by_problem(rows)
    right = [[row.right for row in own] for own in problems.values()]
    n, k = len(problems), max(map(len, right))
    mean = average_at_k(right)
    low, high = interval([sum(own) / len(own) for own in right], [cluster_of(own[0]) for own in problems.values()])
    by_reading = readings(rows)
    return {
        "accuracy": mean.value,
        "n": n,
        "ci_low": low,
        "ci_high": high,
        **({"samples": k, "error_over_problems": mean.over_problems, "error_over_samples": mean.over_samples} if k > 1 else {}),
        **({"by_reading": by_reading} if by_reading else {}),
        "cut": sum(not row.finished for row in rows),
        "outcomes": dict(Counter(row.outcome for row in rows).most_common()),
        "mean_tokens": _mean([row.tokens for row in rows]),
        "mean_prompt_tokens": _mean([row.prompt_tokens for row in rows]),
        "teraflops_a_problem": math.fsum(row.flops + row.prompt_flops for row in rows) / n / 1e12,
    }


def cluster_of(row: SampleRow, name: str = "cluster") -> str:
    """What a problem shares with others whose results hang together; the problem itself where nothing is known."""
    return row.about.get(name, row.problem)


def interval(values: Sequence[float], clusters: Sequence[str]) -> tuple[float, float]:
    """The 95% interval of a mean over problems: Wilson's where each is right or wrong by itself, else a bootstrap's.

    Where all values are the same a bootstrap would know no doubt: Wilson's, by the clusters' number, stands for it.
    """
    count = len({*clusters})
    if all(value in (0, 1) for value in values) and count == len(values):
        return wilson(round(sum(values)), len(values))
    if len({*values}) == 1 and values[0] in (0, 1):
        return wilson(round(values[0]) * count, count)
    return cluster_bootstrap(values, clusters)


def readings(rows: Iterable[SampleRow]) -> dict[str, float]:
    """The accuracy by each other reading, over the texts that were read so."""
    found: dict[str, list[bool]] = {}
    for row in rows:
        for name, right in row.others.items():
            found.setdefault(name, []).append(right)
    return {name: _mean(own) for name, own in found.items()}


def by_group(rows: Iterable[SampleRow], name: str) -> dict[str, list[float]]:
    """Of each group of problems the share of each one's texts that is right."""
    found: dict[str, list[float]] = {}
    for own in by_problem(rows).values():
        found.setdefault(own[0].about[name], []).append(sum(row.right for row in own) / len(own))
    return found


def mean_over_groups(rows: Sequence[SampleRow], name: str, draws: int = 10_000) -> dict[str, float]:
    """The mean of the accuracies of groups, with a bootstrap interval: problems are drawn within each group."""
    shares = by_group(rows, name).values()
    rng = np.random.default_rng(0)
    drawn = np.mean([rng.choice(own, (draws, len(own))).mean(axis=1) for own in shares], axis=0)
    low, high = np.quantile(drawn, [0.025, 0.975])
    if low == high:  # each group is all right or all wrong
        low, high = interval([one for own in shares for one in own], list(by_problem(rows)))
    return {"accuracy": _mean([_mean(own) for own in shares]), "ci_low": float(low), "ci_high": float(high)}


def estimates(rows: Sequence[SampleRow], seed: int = 0) -> list[dict[str, Any]]:
    """For k of 1, 2, 4, ... what k samples of a problem are worth, over all subsets of k; the mean over problems.

    pass@k (an oracle chooses), maj@k (a vote; "self-consistency"), and, with scores, the best by score and the weighted vote
    with its error.
    """
    problems = list(by_problem(rows).values())
    most = min(map(len, problems))
    found = []
    for k in powers_of_two(most):
        own: dict[str, Any] = {"k": k}
        own["pass"] = _mean([pass_at_k(len(one), sum(row.right for row in one), k) for one in problems])
        own["majority"] = _mean([majority_at_k(groups(one), [row.right for row in one], k) for one in problems])
        if all(row.score is not None for one in problems for row in one if row.group >= 0) and any(
            row.score is not None for one in problems for row in one
        ):
            own["best"] = _mean([best_at_k(scores(one), [row.right for row in one], k) for one in problems])
            votes = [
                weighted_vote_at_k(groups(one), weights(one), [row.right for row in one], k, seed=seed + index)
                for index, one in enumerate(problems)
            ]
            own["weighted"] = _mean([vote.value for vote in votes])
            own["weighted_error"] = math.sqrt(math.fsum(vote.error**2 for vote in votes)) / len(votes)
        found.append(own)
    return found


def groups(rows: Sequence[SampleRow]) -> list[int | None]:
    """The class of each answer, as votes are counted by."""
    return [None if row.group < 0 else row.group for row in rows]


def scores(rows: Sequence[SampleRow], none: float = -math.inf) -> list[float]:
    """Whoever states no answer is chosen last."""
    return [none if row.group < 0 or row.score is None else row.score for row in rows]


def weights(rows: Sequence[SampleRow]) -> list[float]:
    """Of each vote: its score, never below 0."""
    return [max(0.0, one) for one in scores(rows, 0.0)]


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values) if values else math.nan
