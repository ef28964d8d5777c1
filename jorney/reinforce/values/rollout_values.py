"""Values of steps by rollouts: the share of a policy's own completions of a prefix that are right (VinePPO, arXiv 2410.01679).

The prefixes are the tokens that were sampled, never tokenised again.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator, Mapping, Sequence

from jorney.config import expect, expect_at_least
from jorney.domain.grading import Grader
from jorney.domain.problem import Problem
from jorney.engine.drawing import SamplingParams
from jorney.engine.generate import Generator, row_keys
from jorney.engine.programs import Work
from jorney.engine.sampling import CompletionSampling
from jorney.engine.spans import Span
from jorney.engine.texts import Request
from jorney.reinforce.episode import Episode, accuracies
from jorney.reinforce.values.episode_steps import StepsOfText, alike, steps_of
from jorney.reinforce.values.step_values import StepValues, ValueSource
from jorney.text.step_format import StepFormat

Ids = tuple[int, ...]
_TOGETHER = 16  # completions of a prefix that run at a time: more read in vain of each other's


@dataclasses.dataclass(frozen=True)
class ValueRollouts(CompletionSampling):
    """How values are estimated.

    Attributes:
      completions: of every prefix; the first are the same however many there are.
      max_tokens: of a text, the prefix counted: what an episode may have.
      temperature, top_p: of sampling; as the episodes had it, or they are values of another policy.
      rows: completions decoded together.
      chunk: tokens a row between two looks of the host.
    """

    completions: int = 4
    max_tokens: int = 1024
    temperature: float = 1.0
    top_p: float = 1.0
    rows: int = 64
    chunk: int = 32

    def __post_init__(self) -> None:
        expect_at_least(1, self, "value_rollouts", "completions", "max_tokens", "rows", "chunk")
        least = self.completions
        expect(lambda rows: rows >= least, "at least the completions of one prefix", self, "value_rollouts", "rows")
        self.expect_sampling("value_rollouts", "completions")


def rollout_values(
    generator: Generator, step_format: StepFormat, config: ValueRollouts, seed: int, grader: Grader
) -> ValueSource:
    """Values of steps by completions of what they end, drawn by the policy as it is.

    Before the first step it is the share of the group that is right. A prefix that several episodes share is completed once,
    and what prefixes begin with is read once. The random numbers of a completion follow from the seed, the problem's id and the
    prefix's tokens: it is the same in any company.

    Args:
      generator: of the policy; read when values are asked for.
      seed: of the round.
    """

    def values_of(episodes: Sequence[Episode]) -> list[StepValues]:
        tokenizer = generator.policy.tokenizer
        steps, start = [steps_of(tokenizer, one.tokens, step_format) for one in episodes], accuracies(episodes)
        problems = {one.problem.id: one.problem for one in episodes}
        wanted: dict[str, set[Ids]] = {name: set() for name in problems}
        for episode, own in zip(episodes, steps, strict=True):
            wanted[episode.problem.id].update(_prefixes(episode, own))
        found: dict[tuple[str, Ids], float] = {}
        for (name, prefix), texts in _completed(generator, problems, wanted, step_format, config, seed):
            grades = grader.grade_all([problems[name]] * len(texts), texts, step_format)
            found[name, prefix] = sum(grade.correct for grade in grades) / len(grades)
        return [
            StepValues.of(own.ends, (start[one.problem.id], *(found[one.problem.id, ids] for ids in _prefixes(one, own))), one)
            for one, own in zip(episodes, steps, strict=True)
        ]

    return values_of


def _prefixes(episode: Episode, steps: StepsOfText) -> list[Ids]:
    """The tokens up to the end of each step but the last."""
    return [episode.tokens[: end + 1] for end in steps.ends[:-1]]


def branches(prefixes: Sequence[Ids]) -> dict[Ids, Ids]:
    """The tree in which prefixes share what they begin with: {a node's ids: its parent's}, parents before children.

    Nodes are the prefixes, and where two of them part; () is the root, and no entry.
    """
    ordered = sorted(set(prefixes))
    parts = {a[: alike(a, b)] for a, b in itertools.pairwise(ordered)}
    found: dict[Ids, Ids] = {}
    path: list[Ids] = [()]
    for ids in sorted({*ordered, *parts} - {()}):
        while ids[: len(path[-1])] != path[-1]:
            path.pop()
        found[ids] = path[-1]
        path.append(ids)
    return found


def _completed(
    generator: Generator,
    problems: Mapping[str, Problem],
    wanted: Mapping[str, set[Ids]],
    step_format: StepFormat,
    config: ValueRollouts,
    seed: int,
) -> Iterator[tuple[tuple[str, Ids], list[str]]]:
    """Of each prefix of each problem the texts that its completions make, as they end."""
    policy, trees = generator.policy, {name: branches(list(own)) for name, own in wanted.items() if own}
    if not trees:
        return
    prompts = {name: step_format.encode(policy.tokenizer, problems[name].question) for name in trees}
    longest = max(len(ids) for tree in trees.values() for ids in tree)
    most = max(config.max_tokens, longest + 1)
    rows = min(config.completions, _TOGETHER)
    work = Work(
        problems=min(len(trees), max(1, config.rows // rows)),
        rows=rows,
        chunk=config.chunk,
        texts=config.completions,
        needed=most,
        wanted=max(sum(len(ids) - len(parent) for ids, parent in tree.items()) for tree in trees.values()) + rows * most,
    )
    sampling = SamplingParams.of(config.temperature, config.top_p)
    engine = generator.engine(list(prompts.values()), work, sampling)
    under_way: dict[Request, tuple[str, Ids]] = {}
    left = {name: len(own) for name, own in wanted.items()}

    def ask(name: str) -> None:
        spans: dict[Ids, Span] = {(): engine.open(prompts[name])}
        for ids, parent in trees[name].items():
            spans[ids] = span = engine.follow(spans[parent], ids[len(parent) :])
            if ids in wanted[name]:
                keys = row_keys(seed, f"{name}/{','.join(map(str, ids))}", config.completions)
                limit = max(1, min(config.max_tokens - len(ids), policy.config.positions - span.stop))
                under_way[engine.sample(span, keys, limit)] = name, ids

    for request in itertools.chain.from_iterable(engine.run(trees, ask)):
        name, ids = under_way.pop(request)
        left[name] -= 1
        if not left[name]:
            engine.close(request.after)
        yield (name, ids), [policy.tokenizer.decode([*ids, *text.ids]) for text in request.texts]
