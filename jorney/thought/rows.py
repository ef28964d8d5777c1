"""Long thoughts of trees as the paper's released rows: idx, question, answer, longCOT, which ends in `#### answer`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from jorney.domain import domains
from jorney.thought.derive import DeriveConfig, shortcuts, walk
from jorney.thought.refine import RefineConfig, compose
from jorney.tree.tree import Tree


def long_thoughts(
    tree: Tree, derive: DeriveConfig, refine: RefineConfig, seed: int, first: int = 0
) -> Iterator[dict[str, Any]]:
    """A row for every journey of a tree, numbered from `first`."""
    for idx, leaf in enumerate(shortcuts(tree, derive.per_tree), start=first):
        text = compose(tree, walk(tree, leaf, derive, seed), "journey", domains.state, refine, seed).text
        if not text.splitlines()[-1].startswith("####"):
            text = f"{text}\n#### {tree.answer}"
        yield {"idx": idx, "question": tree.question, "answer": tree.answer, "longCOT": text}
