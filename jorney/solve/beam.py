"""Searches that grow trees: a beam of steps, chosen level by level by the score of the last, and trees apart.

The beam is Tree of Thoughts' breadth-first search (arXiv 2305.10601, b = keep), and that of search-and-learn (Hugging Face;
arXiv 2408.03314), whose N beams of width M are keep = N / M here. Diverse verifier tree search (theirs too) grows `keep` trees
apart, each of which keeps one step a level, so that what scores high once does not crowd out all others.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence

from jorney.domain.domain import Rating
from jorney.domain.grading import Grader
from jorney.domain.problem import Problem
from jorney.judge.judge import Judge, score
from jorney.solve.choice import Solutions, equal_answers
from jorney.solve.solver import Budget, Sampler, Solver
from jorney.text.step_format import ABEL, FORMATS
from jorney.tree.expand import ExpandConfig, grow
from jorney.tree.prune import PruneConfig
from jorney.tree.tree import Tree


class Beam(Solver):
    """One tree a problem, `budget.keep` steps a level. The leaves are its solutions."""

    name = "beam"

    def keep(self, budget: Budget) -> int:
        """Steps of a level that a tree keeps."""
        return budget.keep

    def planted(self, problem: Problem, budget: Budget) -> list[Problem]:
        """What trees are grown for, to answer a problem; of several their ids tell their random numbers apart."""
        return [problem]

    def expand(self, budget: Budget, step_format: str) -> ExpandConfig:
        """How the trees grow."""
        return ExpandConfig(
            step_format=step_format,
            w=budget.width,
            depth=budget.depth,
            step_tokens=budget.step_tokens,
            temperature=budget.temperature,
            top_p=budget.top_p,
            rows=budget.rows,
            chunk=budget.chunk,
            prune=PruneConfig(keep=self.keep(budget), by="score", explore_wrong=0),
        )

    def found(self, problem: Problem, trees: Sequence[Tree], grader: Grader) -> tuple[Solutions, list[str]]:
        """What the trees of a problem hold: their leaves as solutions, and the texts of those."""
        solutions, texts = leaves(problem, trees, grader)
        return dataclasses.replace(solutions, spent=sum(tree.generated_tokens for tree in trees)), texts

    def solve(self, problems: Sequence[Problem], sampler: Sampler, judge: Judge, budget: Budget) -> Iterator[Solutions]:
        planted = [(problem, self.planted(problem, budget)) for problem in problems]
        owner = {root.id: (problem, roots) for problem, roots in planted for root in roots}
        grown: dict[str, Tree] = {}
        config, policy = self.expand(budget, sampler.step_format.name), sampler.generator.policy
        seeds = [root for _, roots in planted for root in roots]
        with Grader(budget.grading_seconds) as grader:
            for tree in grow(sampler.generator, policy, seeds, judge, sampler.step_format, config, sampler.seed):
                grown[tree.id] = tree
                problem, roots = owner[tree.id]
                if all(root.id in grown for root in roots):
                    yield self.found(problem, [grown.pop(root.id) for root in roots], grader)[0]


class DiverseTrees(Beam):
    """`budget.keep` trees a problem, each of which keeps one step a level."""

    name = "dvts"

    def keep(self, budget: Budget) -> int:
        return 1

    def planted(self, problem: Problem, budget: Budget) -> list[Problem]:
        return [dataclasses.replace(problem, id=f"{problem.id} tree {number}") for number in range(budget.keep)]


def leaves(problem: Problem, trees: Sequence[Tree], grader: Grader) -> tuple[Solutions, list[str]]:
    """The leaves of a problem's trees as solutions, and their texts.

    A leaf stands there as often as it was sampled after its parent, so that votes count as they do among solutions; what leaves
    have in common counts as tokens of each.
    """
    found = [(tree, tree.path(leaf)) for tree in trees for leaf in tree.leaves() for _ in range(tree.nodes[leaf].count)]
    nodes = [[tree.nodes[step] for step in path] for tree, path in found]
    texts = ["".join(node.text for node in path) for path in nodes]
    written = FORMATS[trees[0].step_format] if trees else ABEL  # a problem's trees are written alike
    grades = grader.grade_all([problem] * len(texts), texts, written)
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
