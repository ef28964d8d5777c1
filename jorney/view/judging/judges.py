"""A judge's ratings held against what is true, or against another judge's: which steps, how often, and the worst of them.

What is true is told by the verifier, where the problem's domain verifies every step; else by the grade of a leaf's answer,
which says nothing of the steps before it.
"""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from jorney.judge import exact
from jorney.solve.statistics import wilson
from jorney.tree.rerate import JUDGED, request
from jorney.tree.tree import RATINGS, Tree
from jorney.tree.tree_statistics import BINS, Calibration
from jorney.view.comparing.strips import same_paths

MOST_STEPS = 20_000  # about a second of verifying on one core
VERIFIER, GRADE, BEFORE = "the verifier", "the grade of the answer", "the judge before"


class JudgedStep(NamedTuple):
    """A step of which two things are known.

    Attributes:
      number: of its tree, as the caller counts.
      tree: the tree's id.
      node: its index in the tree.
      step: as written.
      rating: the judge's, 1, 0, -1; None where it gave none.
      score: the judge's; None where it gave none.
      truth: whether the step is right, or the other judge says so.
      justification: the judge's words.
      by: who tells the truth.
      probability: the score, where all scores are from 0 to 1, so that they may be probabilities; else None.
    """

    number: int
    tree: str
    node: int
    step: str
    rating: int | None
    score: float | None
    truth: bool
    justification: str
    by: str
    probability: float | None = None

    @property
    def verdict(self) -> bool | None:
        """The rating as a verdict, neutral counting as right."""
        return None if self.rating is None else self.rating >= 0

    @property
    def distance(self) -> float:
        """How far the judge is from the truth, by its probability, or where it gave none by its verdict; 0 without either."""
        if self.probability is not None:
            return abs(self.probability - self.truth)
        return float(self.verdict is not None and self.verdict != self.truth)


@dataclasses.dataclass(frozen=True)
class Held:
    """Ratings held against something.

    Attributes:
      steps: of all trees that were read.
      trees: how many were read.
      lacking: how many of those nothing was known of.
      whole: whether all trees that there were have been read.
      refused: of the trees of which nothing is known: those that whoever tells the truth cannot take, and why.
    """

    steps: tuple[JudgedStep, ...]
    trees: int
    lacking: int
    whole: bool
    refused: tuple[str, ...] = ()

    @property
    def by(self) -> str:
        """Who tells the truth."""
        return " and ".join(dict.fromkeys(step.by for step in self.steps)) or "nothing"

    def words(self, of: int | None = None) -> str:
        """What was read, in a sentence.

        Args:
          of: how many trees there are in all; the caller gave them in random order.
        """
        part = "" if of is None or of <= self.trees else f" of {of:,}" if self.whole else f" of {of:,}, drawn at random"
        limit = "" if self.whole or part else f", the first ones up to {len(self.steps):,} steps"
        lacking = f"; nothing is known of {self.lacking:,} of the trees" if self.lacking else ""
        lacking += f" ({self.refused[0]})" if self.refused else ""
        trees = f"{self.trees:,} tree{'s' * (self.trees != 1)}"
        return f"{len(self.steps):,} steps of {trees}{part}{limit}, against {self.by}{lacking}."


def sampled(count: int, seed: int = 0) -> list[int]:
    """The numbers 0 to `count` - 1 in an order that the seed decides; the beginning of it is a sample of any size."""
    return random.Random(f"judges/{seed}").sample(range(count), count)


def against_truth(trees: Iterable[tuple[int, Tree]], most: int = MOST_STEPS) -> Held:
    """The judge against the verifier or, where steps cannot be verified, at leaves against the answer's grade.

    Args:
      trees: (number, tree) pairs, read one by one: with the numbers of `sampled` those that are read are a sample.
      most: steps after which no other tree is read.
    """

    def of(number: int, tree: Tree) -> list[JudgedStep]:
        nodes = range(1, len(tree.nodes))
        if exact.verifiable([tree.problem]):
            told = [bool(one.correct) for one in exact.judge([request(tree, node) for node in nodes])]
            return [_step(number, tree, node, truth, VERIFIER) for node, truth in zip(nodes, told, strict=True)]
        return [_step(number, tree, node, tree.nodes[node].status == "leaf-correct", GRADE) for node in tree.leaves()]

    return _held(trees, of, most)


def against_before(trees: Iterable[tuple[int, Tree]], most: int = MOST_STEPS) -> Held:
    """The judge of trees that were judged again (`jorney judge`) against the one before it."""

    def of(number: int, tree: Tree) -> list[JudgedStep]:
        judged = tree.meta.get(JUDGED)
        before = judged.get("before") if isinstance(judged, Mapping) else None
        if not isinstance(before, list | tuple) or len(before) != len(tree.nodes) - 1:
            return []
        known = [(node, rating) for node, rating in enumerate(before, start=1) if type(rating) is int and rating in RATINGS]
        return [_step(number, tree, node, rating >= 0, BEFORE) for node, rating in known]

    return _held(trees, of, most)


def against_other(pairs: Iterable[tuple[int, Tree, Tree]], name: str, most: int = MOST_STEPS) -> Held:
    """The judge of trees against the one of the same trees in another file; steps that both have are compared.

    Args:
      pairs: (number, tree, the other file's tree of the same id).
      name: of the other judge.
    """

    def of(number: int, tree: Tree, other: Tree) -> list[JudgedStep]:
        verdicts = [(node, other.nodes[match].correct) for node, match in same_paths(tree, other).items() if node]
        return [_step(number, tree, node, verdict, name) for node, verdict in verdicts if verdict is not None]

    return _held(pairs, of, most)


def _held(given: Iterable[tuple[Any, ...]], of: Callable[..., list[JudgedStep]], most: int) -> Held:
    """The steps that `of` finds in what comes, one tree after another, up to the tree in which there are `most`."""
    steps: list[JudgedStep] = []
    refused: list[str] = []
    trees, lacking, whole, coming = 0, 0, True, iter(given)
    for one in coming:
        try:
            own = of(*one)
        except ValueError as error:  # of one tree: the others can be held against the truth all the same
            own = []
            refused.append(f"tree {one[1].id!r}: {error}")
        steps += own
        trees, lacking = trees + 1, lacking + (not own)
        if len(steps) >= most:
            whole = not any(True for _ in coming)
            break
    if all(0 <= step.score <= 1 for step in steps if step.score is not None):
        steps = [step._replace(probability=step.score) for step in steps]
    return Held(tuple(steps), trees, lacking, whole, tuple(refused))


def _step(number: int, tree: Tree, node: int, truth: bool, by: str) -> JudgedStep:
    one = tree.nodes[node]
    return JudgedStep(number, tree.id, node, one.text, one.rating, one.score, truth, one.justification, by)


@dataclasses.dataclass(frozen=True)
class Bin:
    """Steps whose scores lie close together.

    Attributes:
      start, stop: of the scores, from 0 to 1.
      count: how many.
      mean_score: of them.
      right: the share of them that is right.
      low, high: the Wilson interval of that share.
    """

    start: float
    stop: float
    count: int
    mean_score: float
    right: float
    low: float
    high: float


@dataclasses.dataclass(frozen=True)
class Measures:
    """How well a judge does. "wrong" is what it is to find; what cannot be told is None.

    Attributes:
      counts: {(rating, truth): steps}, rating None included.
      accuracy: the share of its verdicts that are true.
      precision: of the steps that it calls wrong, the share that is.
      recall: of the steps that are wrong, the share that it calls so; steps without a verdict are left out.
      f1: the harmonic mean of both.
      kappa: Cohen's: accuracy beyond what the shares of both would give by chance.
      scored: steps with a score that may be a probability; `outside` have another, since not all are from 0 to 1.
      brier: the mean squared difference of score and truth.
      expected_error: the mean difference of score and share of right ones over bins (expected calibration error).
      bins: of the scores, those that hold any.
    """

    counts: Mapping[tuple[int | None, bool], int]
    accuracy: float | None
    precision: float | None
    recall: float | None
    f1: float | None
    kappa: float | None
    scored: int
    outside: int
    brier: float | None
    expected_error: float | None
    bins: tuple[Bin, ...]


def measured(steps: Sequence[JudgedStep]) -> Measures:
    """What the steps tell of the judge."""
    counts = {(rating, truth): 0 for rating in RATINGS for truth in (True, False)}
    calibration = Calibration()
    for step in steps:
        counts[step.rating, step.truth] += 1
        if step.probability is not None:
            calibration.add(step.probability, float(step.truth))
    hits, misses, false_alarms = counts[-1, False], counts[1, False] + counts[0, False], counts[-1, True]
    passes = counts[1, True] + counts[0, True]
    rated = hits + misses + false_alarms + passes
    accuracy = _share(hits + passes, rated)
    found = calibration.result()
    return Measures(
        counts,
        accuracy,
        _share(hits, hits + false_alarms),
        _share(hits, hits + misses),
        _share(2 * hits, 2 * hits + misses + false_alarms),
        _kappa(hits, misses, false_alarms, passes),
        found["count"],
        sum(step.score is not None and step.probability is None for step in steps),
        found["brier"],
        found["expected_error"],
        tuple(
            Bin(
                one["from"],
                one["from"] + 1 / BINS,
                one["count"],
                one["mean_score"],
                one["right"],
                *wilson(round(one["right"] * one["count"]), one["count"]),
            )
            for one in found["bins"]
        ),
    )


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def _kappa(hits: int, misses: int, false_alarms: int, passes: int) -> float | None:
    rated = hits + misses + false_alarms + passes
    chance = (hits + misses) * (hits + false_alarms) + (passes + misses) * (passes + false_alarms)
    return (rated * (hits + passes) - chance) / (rated**2 - chance) if rated**2 != chance else None


def worst(steps: Iterable[JudgedStep], most: int = 100) -> list[JudgedStep]:
    """The steps on which the judge is furthest from the truth, the worst first; more than half the way, or another verdict."""
    off = [step for step in steps if step.distance > 0.5 or (step.verdict is not None and step.verdict != step.truth)]
    return sorted(off, key=lambda step: (-step.distance, step.number, step.node))[:most]
