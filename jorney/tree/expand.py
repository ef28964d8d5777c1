"""Growing trees: from every node of the frontier w steps, judged and pruned level by level (the paper's beam).

Every tree goes on as soon as its own level is complete. A node's random numbers follow from the seed, its problem and the
samples that led to it, so that a tree is the same whatever else grows beside it.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Iterator, Sequence

import numpy as np

from jorney.config import expect_at_least, expect_one_of
from jorney.domain.answers import final_answer
from jorney.domain.domain import Rating
from jorney.domain.grading import Grader
from jorney.domain.problem import Problem
from jorney.engine.drawing import SamplingParams
from jorney.engine.generate import Generator, row_keys
from jorney.engine.programs import Work
from jorney.engine.sampling import Sampling
from jorney.engine.spans import Span
from jorney.engine.texts import Request, Text
from jorney.judge import exact
from jorney.judge.judge import Judge, beside
from jorney.policy import Policy
from jorney.text.step_format import FORMATS, StepFormat
from jorney.tree.prune import Candidate, PruneConfig, prune
from jorney.tree.tree import ROOT, Node, Tree, path_to


@dataclasses.dataclass(frozen=True)
class ExpandConfig(Sampling):
    """How trees grow.

    Attributes:
      step_format: how steps are written; a key of `text.step_format.FORMATS`.
      w: children of a node of the beam.
      depth: D, levels at most.
      step_tokens: of a step at most, its opening not counted.
      temperature, top_p: of sampling.
      rows: steps that are sampled together.
      problem_rows: of them, those of one problem.
      chunk: tokens a row between two looks at where steps end, at most.
      cache_tokens: tokens that the cache may hold; None for what the work needs.
    """

    step_format: str = "abel"
    w: int = 3
    depth: int = 10
    step_tokens: int = 256
    temperature: float = 0.7
    top_p: float = 0.95
    rows: int = 64
    problem_rows: int = 4
    chunk: int = 16
    cache_tokens: int | None = None
    prune: PruneConfig = dataclasses.field(default_factory=PruneConfig)

    def __post_init__(self) -> None:
        expect_one_of(FORMATS, self, "expand", "step_format")
        expect_at_least(1, self, "expand", "w", "depth", "step_tokens", "rows", "problem_rows", "chunk")
        expect_at_least(1, self, "expand", "cache_tokens", none="None for what the work needs")
        self.expect_sampling("expand")


class _Growing:
    """A tree under way."""

    def __init__(self, problem: Problem, root: Span) -> None:
        self.problem = problem
        self.nodes = [Node(None)]
        self.steps: list[str] = [""]  # each node's text without its opening
        self.spans = [root]  # of each node, in the engine
        self.level = 0
        self.waits: dict[Request, int] = {}  # what is being sampled, and after which node
        self.sampled: dict[int, Request] = {}  # what was
        self.generated_tokens = 0

    def path(self, index: int) -> list[int]:
        return path_to(self.nodes, index)

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
    judge: Judge = exact.judge,
    seed: int = 0,
) -> list[Tree]:
    """Reasoning trees of problems, sampled from the policy and judged.

    Args:
      policy: from `jorney.load`; it must write steps in the format that `config.step_format` names.
      problems: `jorney.Problem`, or what `rows.problems.read_problems` gives.
      config: how trees grow.
      judge: rates the last step of each path of a level; by default the exact one, for Countdown problems.

    Returns:
      A tree for each problem, in their order.

    Raises:
      ValueError: names the problem or the setting, and what was expected.
    """
    config = config or ExpandConfig()
    found = list(grow(Generator(policy), policy, problems, judge, FORMATS[config.step_format], config, seed))
    order = {problem.id: index for index, problem in enumerate(problems)}
    return sorted(found, key=lambda tree: order[tree.id])


def grow(
    generator: Generator,
    policy: Policy,
    problems: Sequence[Problem],
    judge: Judge,
    step_format: StepFormat,
    config: ExpandConfig,
    seed: int,
) -> Iterator[Tree]:
    """Grows a tree for each problem; yields them as they are done, in any order.

    Args:
      judge: rates every step once; called with the levels that are complete at the time.

    Raises:
      ValueError: the devices have no memory for the trees and the judge together.
    """
    if problems:
        yield from Grower(generator, policy, problems, step_format, config, seed, judge).grow()


def work_of(config: ExpandConfig, problems: int, opening: int) -> Work:
    """What trees of so many problems ask of an engine; a step's opening has so many tokens at most."""
    step = config.step_tokens + opening + 1
    return Work(
        problems=min(max(1, config.rows // config.problem_rows), problems),
        rows=min(config.problem_rows, config.rows),
        chunk=config.chunk,
        texts=config.w,
        needed=config.depth * step,
        # Most steps are far shorter than the longest.
        wanted=(config.depth + config.w * config.prune.keep + config.prune.explore_wrong) * step // 2,
        cache_tokens=config.cache_tokens,
    )


class Grower:
    """Grows trees with one engine."""

    def __init__(
        self,
        generator: Generator,
        policy: Policy,
        problems: Sequence[Problem],
        step_format: StepFormat,
        config: ExpandConfig,
        seed: int,
        judge: Judge,
    ) -> None:
        self._judge = judge
        self._policy, self._format, self._config, self._seed = policy, step_format, config, seed
        prompts = [step_format.encode(policy.tokenizer, problem.question) for problem in problems]
        self._asked = list(zip(problems, prompts, strict=True))
        self._under_way: dict[Request, _Growing] = {}
        self._openings = [policy.tokenizer.encode_after(step_format.opens(k).rstrip(" ")) for k in range(config.depth + 2)]
        work = work_of(config, len(problems), max(map(len, self._openings)))
        sampling, together = SamplingParams.of(config.temperature, config.top_p), beside(judge, problems, work.needed)
        self._engine = generator.engine(prompts, work, sampling, self._breaks(), together)
        self.counts = self._engine.counts

    def _breaks(self) -> np.ndarray:
        """[V] bool: ids with a line break, which a step's end follows."""
        tokenizer, size = self._policy.tokenizer, self._policy.config.vocab_size
        found = np.zeros(size, bool)
        texts = tokenizer.decode_each(range(len(tokenizer)))
        found[[index for index, text in enumerate(texts) if "\n" in text]] = True
        return found

    def grow(self) -> Iterator[Tree]:
        with Grader() as grader:
            for done in self._engine.run(self._asked, self._begin):
                complete = [tree for request in done if (tree := self._take(request)) is not None]
                sampled = [_merge(tree, self._policy) for tree in complete]
                paths = [(tree.problem, one.steps) for tree, own in zip(complete, sampled, strict=True) for one in own]
                ratings = iter(self._judge(paths) if paths else ())
                for tree, own in zip(complete, sampled, strict=True):
                    added = [self._add(tree, one, next(ratings), grader) for one in own]
                    beam, followed = _prune(tree, added, self._config, last=tree.level == self._config.depth)
                    self._ask(tree, beam, followed)
                    if not tree.waits:
                        self._engine.close(tree.spans[ROOT])
                        yield tree.grown(self._format)

    def _begin(self, asked: tuple[Problem, list[int]]) -> None:
        problem, prompt = asked
        self._ask(_Growing(problem, self._engine.open(prompt)), [ROOT], [])

    def _take(self, request: Request) -> _Growing | None:
        """Takes note of what was sampled; returns its tree when the level is complete."""
        tree = self._under_way.pop(request)
        tree.sampled[tree.waits.pop(request)] = request
        return None if tree.waits else tree

    def _opening(self, tree: _Growing, parent: int) -> list[int]:
        """What the child of a node begins with, behind what divides steps.

        Without the space at its end: tokenizers join a space to the word behind it, so that the model has never seen one
        alone.
        """
        text, between = tree.nodes[parent].text, self._format.between
        kept = len(between) if parent == ROOT else max(i for i in range(len(between) + 1) if text.endswith(between[:i]))
        return self._policy.tokenizer.encode_after(between[kept:] + self._format.opens(tree.level).rstrip(" "))

    def _ask(self, tree: _Growing, beam: Sequence[int], followed: Sequence[int]) -> None:
        """Asks for the next level."""
        tree.level += 1
        tree.sampled.clear()
        level, end = tree.level, self._format.end_of_step
        for parent, w in [*((node, self._config.w) for node in beam), *((node, 1) for node in followed)]:
            request = self._engine.sample(
                tree.spans[parent],
                row_keys(self._seed, tree.name(parent), w),
                self._config.step_tokens,
                self._opening(tree, parent),
                functools.partial(end, k=level),
                wait=len(self._openings[level + 1]) + 1,  # the opening of the next step, and what shows that it is one
            )
            tree.waits[request], self._under_way[request] = parent, tree

    def _add(self, tree: _Growing, sample: _Sample, rating: Rating, grader: Grader) -> int:
        """Adds a node; returns its index."""
        text, step, ends, decode = sample.text, sample.steps[-1], self._policy.ends, self._policy.tokenizer.decode
        opening = text.request.after.ids if text.request.after is not tree.spans[sample.parent] else []
        answer = final_answer(step, self._format.mark)
        if answer is not None:
            status = "leaf-correct" if self._right(tree.problem, answer, grader) else "leaf-wrong"
        else:
            # It ended without an answer, or did not end: nothing can follow.
            ended = bool(text.ids) and text.ids[-1] in ends
            status = "unfinished" if ended or not text.finished else "pruned"
        tokens = tuple(token for token in text.ids if token not in ends)
        tree.nodes.append(
            Node(
                parent=sample.parent,
                text=decode([*opening, *tokens]),
                tokens=(*opening, *tokens),
                log_probs=(*(0.0 for _ in opening), *text.log_probs[: len(tokens)]),
                sibling=sample.sibling,
                count=sample.count,
                rating=rating.correct,
                score=rating.score,
                justification=rating.justification,
                status=status,
                excursion=tree.nodes[sample.parent].excursion,
                key=tuple(map(int, text.key)),
                given=len(opening),
            )
        )
        tree.steps.append(step)
        tree.spans.append(text)
        return len(tree.nodes) - 1

    @staticmethod
    def _right(problem: Problem, answer: str, grader: Grader) -> bool:
        """Whether an answer is the known one, or equal to it."""
        return answer == problem.answer or not grader.compare(problem, answer)


@dataclasses.dataclass
class _Sample:
    """A step that was sampled, equal ones merged."""

    parent: int
    sibling: int
    text: Text
    steps: list[str]  # down to it
    count: int = 1


def _merge(tree: _Growing, policy: Policy) -> list[_Sample]:
    """The different steps of the level, by parents; the texts of the others are let go."""
    found: list[_Sample] = []
    for parent in sorted(tree.sampled):
        before = [tree.steps[step] for step in tree.path(parent)]
        own: dict[str, _Sample] = {}
        for sibling, text in enumerate(tree.sampled[parent].texts):
            tree.generated_tokens += text.generated
            step = policy.tokenizer.decode(text.ids).strip()
            if step in own:
                own[step].count += 1
                text.release()
            else:
                own[step] = _Sample(parent, sibling, text, [*before, step])
        found += own.values()
        tree.spans[parent].release()
    return found


def _prune(tree: _Growing, added: Sequence[int], config: ExpandConfig, last: bool) -> tuple[list[int], list[int]]:
    """Chooses and marks (the beam, the wrong steps that are followed outside it), and lets go of the other texts."""
    open_nodes = [index for index in added if tree.nodes[index].status == "pruned"]
    beam, wrong = prune([_candidate(tree, i) for i in open_nodes if not tree.nodes[i].excursion], config.prune)
    following = [index for index in open_nodes if tree.nodes[index].excursion]
    going = {*beam, *wrong, *following}
    for index in added:
        if index not in going or last:
            tree.spans[index].release()
    # At the limit of depth what would have gone on is not finished.
    status, followed = ("unfinished", following) if last else ("kept", [*following, *wrong])
    for index in (*beam, *followed):
        node = tree.nodes[index]
        tree.nodes[index] = dataclasses.replace(node, status=status, excursion=node.excursion or index in wrong)
    return ([], []) if last else (beam, followed)


def _candidate(tree: _Growing, index: int) -> Candidate:
    node = tree.nodes[index]
    sampled = node.log_probs[node.given :]
    # A step of which nothing was sampled is not a certain one.
    likelihood = sum(sampled) / len(sampled) if sampled else -math.inf
    return Candidate(index, node.correct, node.score, likelihood)
