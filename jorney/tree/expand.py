"""Growing trees: from every node of the frontier w steps, judged and pruned level by level (the paper's beam).

All trees grow together, a level at a time. A node's random numbers follow from the seed, its problem and the samples that led
to it, so that a tree is the same whatever else grows beside it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from jorney.answers import final_answer
from jorney.config import expect_at_least
from jorney.data.problems import Problem
from jorney.data.steps import FORMATS, StepFormat
from jorney.judge import verifier
from jorney.judge.verifier import Rating
from jorney.policy import Policy
from jorney.sample.generate import Completion, Generator, SamplingConfig
from jorney.tree.prune import Candidate, PruneConfig, prune
from jorney.tree.tree import ROOT, Node, Tree, path_to

# A path to judge the last step of: the problem, and the texts of the steps down to it, their openings left out.
Request = tuple[Problem, Sequence[str]]
# What a judge says of each, all those of a level together.
Judge = Callable[[Sequence[Request]], Sequence[Rating]]


@dataclasses.dataclass(frozen=True)
class ExpandConfig:
    """How trees grow.

    Attributes:
      step_format: how steps are written; a key of `data.steps.FORMATS`.
      w: children of a node of the beam.
      depth: D, levels at most.
      step_tokens: of a step at most, its opening not counted.
      temperature, top_p: of sampling.
      rows: steps that are sampled together.
      chunk: tokens a row between two looks at where steps end.
    """

    step_format: str = "abel"
    w: int = 3
    depth: int = 10
    step_tokens: int = 256
    temperature: float = 0.7
    top_p: float = 0.95
    rows: int = 64
    chunk: int = 8
    prune: PruneConfig = dataclasses.field(default_factory=PruneConfig)

    def __post_init__(self) -> None:
        if self.step_format not in FORMATS:
            raise ValueError(f"expand.step_format = {self.step_format!r}: expected one of {', '.join(FORMATS)}")
        expect_at_least(1, self, "expand", "w", "depth", "step_tokens", "rows", "chunk")
        if self.w > self.rows:
            raise ValueError(f"expand.w = {self.w}: expected no more than expand.rows = {self.rows}")

    def decides(self) -> dict[str, Any]:
        """The fields that the trees depend on; how many rows are sampled at a time is none of them."""
        return {name: value for name, value in dataclasses.asdict(self).items() if name not in ("rows", "chunk")}


class _Growing:
    """A tree under way."""

    def __init__(self, problem: Problem, prompt: list[int]) -> None:
        self.problem = problem
        self.prompt = prompt
        self.nodes = [Node(None)]
        self.steps: list[str] = [""]  # each node's text without its opening
        self.beam = [ROOT]
        self.followed: list[int] = []
        self.generated_tokens = 0

    def path(self, index: int) -> list[int]:
        return path_to(self.nodes, index)

    def ids(self, index: int) -> list[int]:
        return [*self.prompt, *(token for step in self.path(index) for token in self.nodes[step].tokens)]

    def grown(self, step_format: StepFormat) -> Tree:
        problem = self.problem
        return Tree(
            problem.id,
            problem.question,
            problem.answer,
            step_format.name,
            tuple(self.nodes),
            self.generated_tokens,
            problem.verifier,
            problem.meta,
        )

    def name(self, index: int) -> str:
        """Of a node's random numbers."""
        return "/".join([self.problem.id, *(str(self.nodes[step].sibling) for step in self.path(index))])


def expand(
    policy: Policy,
    problems: Sequence[Problem],
    config: ExpandConfig | None = None,
    judge: Judge = verifier.judge,
    seed: int = 0,
) -> list[Tree]:
    """Reasoning trees of problems, sampled from the policy and judged.

    Args:
      policy: from `jorney.load`; it must write steps in the format that `config.step_format` names.
      problems: `jorney.Problem`, or what `data.problems.read_problems` gives.
      config: how trees grow.
      judge: rates the last step of each path of a level; by default the exact one, for Countdown problems.

    Returns:
      A tree for each problem, in their order.

    Raises:
      ValueError: names the problem or the setting, and what was expected.
    """
    config = config or ExpandConfig()
    return list(grow(Generator(policy), policy, problems, judge, FORMATS[config.step_format], config, seed))


def grow(
    generator: Generator,
    policy: Policy,
    problems: Sequence[Problem],
    judge: Judge,
    step_format: StepFormat,
    config: ExpandConfig,
    seed: int,
    on_level: Callable[[int, int], None] = lambda level, nodes: None,
) -> Iterator[Tree]:
    """Grows a tree for each problem; yields them in the problems' order.

    Args:
      judge: rates every step once.
      on_level: called after every level with its number and how many nodes it added.
    """
    trees = [_Growing(p, policy.tokenizer.encode_prompt(step_format.ask(p.question))) for p in problems]
    for level in range(1, config.depth + 1):
        before = sum(len(tree.nodes) for tree in trees)
        sampled: list[_Sample] = []
        for parents, w in (([tree.beam for tree in trees], config.w), ([tree.followed for tree in trees], 1)):
            wanted = [(index, parent) for index, own in enumerate(parents) for parent in own]
            for (index, parent), completions in zip(
                wanted, _sample(generator, policy, trees, wanted, step_format, level, w, config, seed), strict=True
            ):
                sampled += _merge(trees[index], index, parent, completions)
        ratings = judge([(trees[one.tree].problem, one.steps) for one in sampled])
        fresh: list[list[int]] = [[] for _ in trees]
        for one, rating in zip(sampled, ratings, strict=True):
            opening = _opening(trees[one.tree], one.parent, step_format, level)
            fresh[one.tree].append(_add(trees[one.tree], policy, opening, one, rating))
        for tree, added in zip(trees, fresh, strict=True):
            _prune(tree, added, config, last=level == config.depth)
        on_level(level, sum(len(tree.nodes) for tree in trees) - before)
        if not any(tree.beam or tree.followed for tree in trees):
            break
    for tree in trees:
        yield tree.grown(step_format)


def _opening(tree: _Growing, parent: int, step_format: StepFormat, level: int) -> str:
    """What the child's text begins with, on a line of its own.

    Without the space at its end: tokenizers join a space to the word behind it, so that the model has never seen one alone.
    """
    text = tree.nodes[parent].text
    return ("" if parent == ROOT or text.endswith("\n") else "\n") + step_format.opens(level).rstrip(" ")


def _sample(
    generator: Generator,
    policy: Policy,
    trees: Sequence[_Growing],
    wanted: Sequence[tuple[int, int]],
    step_format: StepFormat,
    level: int,
    w: int,
    config: ExpandConfig,
    seed: int,
) -> list[list[Completion]]:
    """w steps after each of the (tree, node) pairs."""
    if not wanted:
        return []
    prompts, names = [], []
    for index, parent in wanted:
        opening = policy.tokenizer.encode_after(_opening(trees[index], parent, step_format, level))
        prompts.append([*trees[index].ids(parent), *opening])
        names.append(trees[index].name(parent))
    sampling = SamplingConfig(
        w=w,
        max_tokens=config.step_tokens,
        temperature=config.temperature,
        top_p=config.top_p,
        seed=seed,
        rows=max(w, config.rows // w * w),
        chunk=config.chunk,
    )
    return generator.generate(prompts, sampling, names, lambda _, text: step_format.end_of_step(text, level))


@dataclasses.dataclass
class _Sample:
    """A step that was sampled, equal ones merged."""

    tree: int
    parent: int
    sibling: int
    completion: Completion
    steps: list[str]  # down to it
    count: int = 1


def _merge(tree: _Growing, index: int, parent: int, completions: Sequence[Completion]) -> list[_Sample]:
    """The different steps among the completions of one node."""
    before = [tree.steps[step] for step in tree.path(parent)]
    found: dict[str, _Sample] = {}
    for sibling, completion in enumerate(completions):
        tree.generated_tokens += completion.generated
        step = completion.text.strip()
        if step in found:
            found[step].count += 1
        else:
            found[step] = _Sample(index, parent, sibling, completion, [*before, step])
    return list(found.values())


def _add(tree: _Growing, policy: Policy, opening: str, sample: _Sample, rating: Rating) -> int:
    """Adds a node; returns its index."""
    completion, step = sample.completion, sample.steps[-1]
    answer = final_answer(step)
    if answer is not None:
        status = "leaf-correct" if answer == tree.problem.answer else "leaf-wrong"
    else:
        # It ended without an answer, or did not end: nothing can follow.
        ended = completion.tokens and completion.tokens[-1] in policy.ends
        status = "unfinished" if ended or not completion.finished else "pruned"
    forced = policy.tokenizer.encode_after(opening)
    tokens = tuple(token for token in completion.tokens if token not in policy.ends)
    tree.nodes.append(
        Node(
            parent=sample.parent,
            text=opening + policy.tokenizer.decode(tokens),
            tokens=(*forced, *tokens),
            log_probs=(*(0.0 for _ in forced), *completion.log_probs[: len(tokens)]),
            sibling=sample.sibling,
            count=sample.count,
            correct=rating.correct,
            score=rating.score,
            justification=rating.justification,
            status=status,
            excursion=tree.nodes[sample.parent].excursion,
        )
    )
    tree.steps.append(step)
    return len(tree.nodes) - 1


def _prune(tree: _Growing, added: Sequence[int], config: ExpandConfig, last: bool) -> None:
    """Chooses what is expanded next, and marks it."""
    open_nodes = [index for index in added if tree.nodes[index].status == "pruned"]
    candidates = [_candidate(tree, index) for index in open_nodes if not tree.nodes[index].excursion]
    beam, wrong = prune(candidates, config.prune)
    following = [index for index in open_nodes if tree.nodes[index].excursion]
    if last:
        # The limit of depth: what would have gone on is not finished.
        for index in (*beam, *following):
            tree.nodes[index] = dataclasses.replace(tree.nodes[index], status="unfinished")
        tree.beam, tree.followed = [], []
        return
    for index in (*beam, *wrong, *following):
        tree.nodes[index] = dataclasses.replace(tree.nodes[index], status="kept")
    for index in wrong:
        tree.nodes[index] = dataclasses.replace(tree.nodes[index], excursion=True)
    tree.beam, tree.followed = beam, [*following, *wrong]


def _candidate(tree: _Growing, index: int) -> Candidate:
    node = tree.nodes[index]
    sampled = [value for value in node.log_probs if value != 0.0]
    return Candidate(index, node.correct, node.score, sum(sampled) / max(1, len(sampled)))
