"""Trees of Countdown problems whose steps are drawn at random and judged exactly."""

from __future__ import annotations

import random

from jorney.domain.countdown.game import moves
from jorney.domain.countdown.sets import make_problem
from jorney.domain.countdown.verify import rate
from jorney.domain.problem import Problem
from jorney.tree.tree import Node, Tree


def countdown_tree(problem: Problem, seed: int, w: int = 3) -> Tree:
    """Every right step is expanded, and the first wrong one of a node, unbranched."""
    rng = random.Random(f"{problem.id}/{seed}")
    nodes = [Node(None)]

    def grow(parent: int, numbers: tuple[int, ...], steps: list[str], off: bool) -> None:
        options = list(moves(numbers))
        followed = off
        for sibling, step in enumerate(rng.sample(options, min(len(options), 1 if off else w))):
            ends = len(step.left) == 1
            text = str(step) + (f"\n#### {step.result}" if ends else "")
            path = [*steps, text]
            rating = rate(problem, path)
            status = "kept"
            if ends:
                status = "leaf-correct" if str(step.result) == problem.answer else "leaf-wrong"
            elif not rating.correct and followed and not off:
                status = "pruned"
            followed = followed or not rating.correct
            tokens, line = (1, 2), f"{len(path)}. {text}"
            likely = (-rng.random(), -rng.random())
            excursion = off or not rating.correct
            about = (rating.correct, rating.score, rating.justification, status, excursion)
            nodes.append(Node(parent, line, tokens, likely, sibling, 1, *about))
            if status == "kept":
                grow(len(nodes) - 1, step.left, path, excursion)

    numbers = tuple(sorted(problem.meta["numbers"]))
    grow(0, numbers, [], False)
    again = make_problem(numbers, int(problem.answer))
    return Tree(again.id, again.question, again.answer, "abel", tuple(nodes), 2 * len(nodes), again.verifier, again.meta)
