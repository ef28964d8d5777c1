"""Random trees of the shape that expansion makes, for property tests."""

from __future__ import annotations

import random

from jorney.text.step_format import ABEL, StepFormat
from jorney.tree.tree import Node, Tree


def random_tree(seed: int) -> Tree:
    """A tree with right and wrong steps, kept, pruned and followed ones, and leaves of every status."""
    rng = random.Random(seed)
    nodes = [Node(None)]

    def grow(parent: int, level: int, excursion: bool) -> None:
        for sibling in range(1 if excursion else rng.randint(1, 4)):
            correct = rng.random() < 0.6
            ends = level >= 3 or rng.random() < 0.2
            follows = rng.random() < 0.5
            status = (
                rng.choice(("leaf-correct", "leaf-wrong", "unfinished")) if ends else "kept" if correct or follows else "pruned"
            )
            tokens = tuple(rng.randrange(100) for _ in range(rng.randint(1, 5)))
            log_probs = tuple(-rng.random() for _ in tokens)
            off = excursion or not correct
            nodes.append(Node(parent, f"step {sibling}", tokens, log_probs, sibling, 1, correct, None, "why", status, off))
            if status == "kept":
                grow(len(nodes) - 1, level + 1, off)

    grow(0, 0, False)
    return Tree(f"tree-{seed}", "question", "24", "abel", tuple(nodes), sum(len(node.tokens) for node in nodes))


WORDS = ("So", "x = 3.5", "thus 2. is", "$\\frac{1}{2}$", "\\[\n a\n\n b\n\\]", "1,600", "we get", "é", "{y}", "Answer")


def written_tree(seed: int, step_format: StepFormat = ABEL) -> Tree:
    """A tree whose steps are written in a format, rated (or not) and scored (or not), its statuses what its texts state."""
    rng = random.Random(seed)
    nodes = [Node(None)]

    def grow(parent: int, level: int) -> None:
        for sibling in range(rng.randint(1, 3)):
            steps = [rng.choice(WORDS) for _ in range(rng.randint(1, 4))]
            text = step_format.opens(level) + f"{sibling} " + rng.choice((" ", "\n")).join(steps)
            rating, score = rng.choice((1, 1, 0, -1, None)), rng.choice((None, round(rng.random(), 3)))
            status = rng.choice(("leaf-correct", "leaf-wrong", "pruned", "kept", "kept")) if level < 4 else "leaf-correct"
            if status.startswith("leaf"):
                text += "\n" + step_format.states("24" if status == "leaf-correct" else "25")
            nodes.append(Node(parent, text, sibling=sibling, rating=rating, score=score, status=status))
            if status == "kept":
                grow(len(nodes) - 1, level + 1)

    grow(0, 1)
    return Tree(f"tree-{seed}", "What is it?", "24", step_format.name, tuple(nodes))
