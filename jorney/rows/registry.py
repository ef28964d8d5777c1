"""The formats by name: what reads them, what writes them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from jorney.rows import game24, math_shepherd, openr, prm800k, trl
from jorney.rows.tree_rows import Answers
from jorney.text.step_format import StepFormat
from jorney.tree.tree import Tree


@dataclasses.dataclass(frozen=True)
class Importer:
    """How rows of a format become trees.

    Attributes:
      tree_of: (row, its place for messages, step format, what grades answers) -> its tree.
      step_format: how steps are written unless another format is asked for.
    """

    tree_of: Callable[[Mapping[str, Any], str, StepFormat, Answers], Tree]
    step_format: str = "abel"


@dataclasses.dataclass(frozen=True)
class ExportConfig:
    """How trees become rows.

    Attributes:
      neutral: whether steps that were rated neutral count as right where labels are made.
      soft: whether stepwise labels are scores, where steps have them.
      pairs: preference pairs of one node or one tree at most.
    """

    neutral: bool = True
    soft: bool = False
    pairs: int = 5

    def __post_init__(self) -> None:
        if self.pairs < 1:
            raise ValueError(f"export.pairs = {self.pairs}: expected 1 or more")


Exporter = Callable[[Tree, ExportConfig], Iterator[dict[str, Any]]]

IMPORTERS = {
    prm800k.NAME: Importer(prm800k.tree_of),
    openr.NAME: Importer(openr.tree_of, "blank"),
    math_shepherd.NAME: Importer(math_shepherd.tree_of),
    game24.NAME: Importer(game24.tree_of),
    trl.NAME: Importer(trl.tree_of),
}
EXPORTERS: dict[str, Exporter] = {
    prm800k.NAME: lambda tree, _: prm800k.rows_of(tree),
    openr.NAME: lambda tree, _: openr.rows_of(tree),
    math_shepherd.NAME: lambda tree, config: math_shepherd.rows_of(tree, config.neutral),
    trl.NAME: lambda tree, config: trl.stepwise(tree, config.neutral, config.soft),
    "preference_siblings": lambda tree, config: trl.siblings(tree, config.pairs),
    "preference_leaves": lambda tree, config: trl.leaves(tree, config.pairs),
    "prompt_completion": lambda tree, _: trl.completions(tree),
    "messages": lambda tree, _: trl.messages(tree),
}
