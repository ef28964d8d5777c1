"""Search at test time: accuracy that is bought with tokens, with any judge of steps.

Best of N samples whole solutions and picks among their answers; beam search picks among steps, level by level, by the score of
the last. This beam is Tree of Thoughts' breadth-first search (arXiv 2305.10601, b = keep), and that of search-and-learn
(Hugging Face; arXiv 2408.03314), whose N beams of width M are keep = N / M here. Diverse verifier tree search ("dvts", theirs
too) grows keep trees apart, each of which keeps one step a level, so that what scores high once does not crowd out all others.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from jorney.config import expect_at_least
from jorney.domain.domain import Rating
from jorney.domain.grading import Grader
from jorney.domain.problem import Problem
from jorney.engine.generate import Completion, Generator, SamplingConfig
from jorney.judge.reward_model import AGGREGATES
from jorney.solve.statistics import wilson
from jorney.text.step_format import FORMATS, StepFormat
from jorney.tree.expand import ExpandConfig, Judge
from jorney.tree.prune import PruneConfig
from jorney.tree.tree import Tree

METHODS = ("best-of-n", "beam", "dvts")
SELECTIONS = ("naive", "weighted", "majority")


@dataclasses.dataclass(frozen=True)
class SearchConfig:
    """How answers are searched for.

    Attributes:
      method: "best-of-n" (reported for every power of two up to n, by three ways of choosing), "beam" or "dvts".
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
    max_tokens: int = 1024
    step_tokens: int = 256
    temperature: float = 0.8
    top_p: float = 1.0
    rows: int = 64
    chunk: int = 16
    grading_seconds: float = 5.0

    def __post_init__(self) -> None:
        for name, allowed in (("method", METHODS), ("aggregate", AGGREGATES)):
            if getattr(self, name) not in allowed:
                raise ValueError(f"search.{name} = {getattr(self, name)!r}: expected one of {', '.join(allowed)}")
        counts = ("n", "keep", "width", "depth", "max_tokens", "step_tokens", "rows", "chunk")
        expect_at_least(1, self, "search", *counts)
        if not self.temperature > 0:
            raise ValueError(f"search.temperature = {self.temperature}: expected above 0, or all samples are the same")
        if not 0 < self.top_p <= 1:
            raise ValueError(f"search.top_p = {self.top_p}: expected above 0, 1 at most")
        if not self.grading_seconds > 0:
            raise ValueError(f"search.grading_seconds = {self.grading_seconds}: expected a number above 0")

    def sampling(self, seed: int) -> SamplingConfig:
        """Of best-of-n."""
        rows = max(self.n, self.rows // self.n * self.n)
        return SamplingConfig(self.n, self.max_tokens, self.temperature, self.top_p, seed=seed, rows=rows, chunk=self.chunk)

    def expand(self, step_format: str) -> ExpandConfig:
        """Of beam and dvts: the trees."""
        return ExpandConfig(
            step_format=step_format,
            w=self.width,
            depth=self.depth,
            step_tokens=self.step_tokens,
            temperature=self.temperature,
            top_p=self.top_p,
            rows=self.rows,
            chunk=self.chunk,
            prune=PruneConfig(keep=1 if self.method == "dvts" else self.keep, by="score", explore_wrong=0),
        )

    def planted(self, problem: Problem) -> list[Problem]:
        """What trees are grown for, to answer a problem: dvts grows several, whose ids tell their random numbers apart."""
        if self.method != "dvts":
            return [problem]
        return [dataclasses.replace(problem, id=f"{problem.id} tree {number}") for number in range(self.keep)]


@dataclasses.dataclass(frozen=True)
class Solutions:
    """One problem's solutions, in the order in which they were drawn; a line of a part.

    Attributes:
      tokens: generated for each.
      answers: what each states; None where it states none.
      groups: of each answer, the index of the first solution that states an equal one; -1 where there is none.
      correct: whether each is right.
      scores: of each, those of its steps.
    """

    id: str
    tokens: list[int]
    answers: list[str | None]
    groups: list[int]
    correct: list[bool]
    scores: list[list[float]]


class Chosen(NamedTuple):
    """What a search settled on for a problem.

    Attributes:
      correct: whether that is right; False where there was nothing to settle on.
      tokens: generated for the problem.
      solution: its index; None where there was nothing.
    """

    id: str
    correct: bool
    tokens: int
    solution: int | None


def solve(
    generator: Generator,
    problems: Sequence[Problem],
    judge: Judge,
    step_format: StepFormat,
    config: SearchConfig,
    seed: int,
) -> Iterator[Solutions]:
    """`config.n` solutions of every problem, judged step by step and graded; as they are done, in any order."""
    prompts = [step_format.encode(generator.policy.tokenizer, problem.question) for problem in problems]
    with Grader(config.grading_seconds) as grader:
        stream = generator.stream(prompts, config.sampling(seed), [problem.id for problem in problems])
        for index, completions in stream:
            yield _judged(problems[index], completions, judge, grader, step_format)


def _judged(
    problem: Problem, completions: Sequence[Completion], judge: Judge, grader: Grader, step_format: StepFormat
) -> Solutions:
    texts = [completion.text for completion in completions]
    steps = [bare_steps(step_format, text) for text in texts]
    # A beginning that several solutions share is rated once.
    paths = dict.fromkeys(tuple(own[:count]) for own in steps for count in range(1, len(own) + 1))
    ratings = dict(zip(paths, judge([(problem, path) for path in paths]) if paths else (), strict=True))
    grades = [grader.grade(problem, text, step_format) for text in texts]
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


def score(rating: Rating) -> float:
    """A judge's score; of one that gives verdicts alone, 1 or 0, and 0.5 where it has none."""
    if rating.score is not None:
        return rating.score
    return 0.5 if rating.correct is None else float(rating.correct)


def equal_answers(problem: Problem, answers: Sequence[str | None], grader: Grader) -> list[int]:
    """For each answer the index of the first equal one, itself where it is that; -1 for None.

    Mathematics that is written otherwise but equal is one answer, by the grader; one whose comparison has to be stopped equals
    nothing but its own text.
    """
    first: dict[str, int] = {}
    distinct: list[str] = []
    for index, answer in enumerate(answers):
        if answer is None or answer in first:
            continue
        first[answer] = index
        stopped = False
        for other in distinct:
            note = grader.compare(dataclasses.replace(problem, answer=other), answer)
            stopped = bool(note) and not note.startswith("answers ")
            if not note:
                first[answer] = first[other]
            if not note or stopped:
                break
        if first[answer] == index and not stopped:
            distinct.append(answer)
    return [-1 if answer is None else first[answer] for answer in answers]


def aggregate(scores: Sequence[float], how: str) -> float:
    """The score of a solution from those of its steps; without any, 0."""
    if not scores:
        return 0.0
    found: dict[str, Callable[[], float]] = {
        "last": lambda: scores[-1],
        "min": lambda: min(scores),
        "product": lambda: math.prod(scores),
        "mean": lambda: sum(scores) / len(scores),
    }
    return found[how]()


def choose(one: Solutions, n: int, selection: str, how: str) -> Chosen:
    """The choice among the first n solutions of a problem.

    "naive" takes the solution of the highest score; "weighted" the answer whose solutions have the highest sum of scores, and
    of these the best; "majority" the answer that most of them state, without a judge, and of these the first. The first wins
    ties; solutions that state no answer are chosen by none of them.

    Args:
      how: scores are aggregated.
    """
    stated = [index for index in range(n) if one.groups[index] >= 0]
    scores = {index: aggregate(one.scores[index], how) for index in stated}
    votes: dict[int, float] = {}
    for index in stated:
        votes[one.groups[index]] = votes.get(one.groups[index], 0.0) + (1.0 if selection == "majority" else scores[index])
    if selection != "naive":
        best = max(votes, key=lambda group: votes[group], default=None)
        stated = [index for index in stated if one.groups[index] == best]
    if selection == "majority":
        stated = stated[:1]
    chosen = max(stated, key=lambda index: scores[index], default=None)
    return Chosen(one.id, chosen is not None and one.correct[chosen], sum(one.tokens[:n]), chosen)


def powers_of_two(n: int) -> list[int]:
    """1, 2, 4, ... below n, and n itself."""
    return [*itertools.takewhile(lambda count: count < n, (2**power for power in itertools.count())), n]


def leaves(problem: Problem, trees: Sequence[Tree], grader: Grader) -> tuple[Solutions, list[str]]:
    """The leaves of a problem's trees as solutions, and their texts.

    A leaf stands there as often as it was sampled after its parent, so that votes count as they do among solutions; what leaves
    have in common counts as tokens of each.
    """
    found = [(tree, tree.path(leaf)) for tree in trees for leaf in tree.leaves() for _ in range(tree.nodes[leaf].count)]
    nodes = [[tree.nodes[step] for step in path] for tree, path in found]
    texts = ["".join(node.text for node in path) for path in nodes]
    grades = [grader.grade(problem, text, FORMATS[tree.step_format]) for (tree, _), text in zip(found, texts, strict=True)]
    answers = [grade.answer for grade in grades]
    made = Solutions(
        problem.id,
        [sum(len(node.tokens) for node in path) for path in nodes],
        answers,
        equal_answers(problem, answers, grader),
        [grade.correct for grade in grades],
        [[score(Rating(node.correct, "", node.score)) for node in path] for path in nodes],
    )
    return made, texts


def summarise(chosen: Sequence[Chosen]) -> dict[str, Any]:
    """Accuracy with its Wilson 95% interval, n, and generated tokens a problem."""
    n, right = len(chosen), sum(one.correct for one in chosen)
    low, high = wilson(right, n)
    mean_tokens = sum(one.tokens for one in chosen) / n
    return {"accuracy": right / n, "n": n, "ci_low": low, "ci_high": high, "mean_tokens": mean_tokens}
