"""Rows that hold texts with a beginning in common once: trees of tokens, in depth-first order.

Siblings of a reasoning tree, and the solutions of one problem, begin alike. In a row of such a tree every token is there once;
it looks at its ancestors alone, which are the tokens before it whose last descendant comes after it (`ends`).
"""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np

from jorney.batch.packing import Example, plan, positions_of
from jorney.batch.row_arrays import RowArrays


@dataclasses.dataclass(frozen=True)
class BranchedRows(RowArrays):
    """Rows [R, T] of trees of tokens.

    Attributes:
      tokens: int32.
      positions: int32, of each token in its text.
      ends: int32, where in the row the last descendant of each token ends, one behind it; 0 for padding.
      labels: float32, the mean of the labels that texts have at a token; -1 where none has any.
      weights: float32, how many of them have one.
    """

    filled: ClassVar[str] = "ends"

    tokens: np.ndarray
    positions: np.ndarray
    ends: np.ndarray
    labels: np.ndarray
    weights: np.ndarray

    @classmethod
    def read_out(cls, batch: Mapping[str, np.ndarray]) -> int:
        return int(np.count_nonzero(batch["labels"] >= 0))


@dataclasses.dataclass
class TokenTree:
    """Tokens of texts that were merged, in depth-first order.

    Attributes:
      tokens, positions, ends: of each place, see `BranchedRows`.
      labels: {place: those that texts have there}.
      path: places of the last text's tokens.
    """

    tokens: list[int] = dataclasses.field(default_factory=list)
    positions: list[int] = dataclasses.field(default_factory=list)
    ends: list[int] = dataclasses.field(default_factory=list)
    labels: dict[int, list[float]] = dataclasses.field(default_factory=dict)
    path: list[int] = dataclasses.field(default_factory=list)

    def shared(self, ids: Sequence[int]) -> int:
        """How many tokens a text has in common with the last one."""
        pairs = zip(self.path, ids, strict=False)
        return sum(1 for _ in itertools.takewhile(lambda pair: self.tokens[pair[0]] == pair[1], pairs))

    def add(self, ids: Sequence[int]) -> list[int]:
        """Adds a text; texts come in lexicographic order. Returns the `path` of its tokens."""
        common = self.shared(ids)
        del self.path[common:]
        for position in range(common, len(ids)):
            self.path.append(len(self.tokens))
            self.tokens.append(ids[position])
            self.positions.append(position)
            self.ends.append(0)
        for place in self.path:
            self.ends[place] = len(self.tokens)
        return self.path


def fill(
    trees: Sequence[TokenTree], rows: Sequence[Sequence[int]], shape: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray, np.ndarray, dict[int, tuple[int, int]]]:
    """Tokens, positions and ends of rows of trees, int32 of `shape` [R, T]; and each tree's row and its begin there.

    Args:
      rows: which trees share a row, as `packing.plan` has it.
    """
    tokens, positions, ends = (np.zeros(shape, np.int32) for _ in range(3))
    begins = {}
    for row, members in enumerate(rows):
        start = 0
        for index in members:
            tree = trees[index]
            where = slice(start, start + len(tree.tokens))
            tokens[row, where], positions[row, where] = tree.tokens, tree.positions
            ends[row, where] = np.array(tree.ends) + start
            begins[index] = row, start
            start = where.stop
    return tokens, positions, ends, begins


def branch(examples: Sequence[Example], row_length: int, rows_multiple: int = 1) -> BranchedRows:
    """Merges the examples of each prompt into trees and packs those into rows of `row_length` positions.

    The sum of `prm_loss` over them is that over the same examples in rows of `packing.pack`. A tree that is longer than a row
    is cut between texts, and what the parts have in common is in both. An example of n tokens takes n - 1 positions at most.

    Raises:
      ValueError: there are no examples, one does not fit in a row, or one has a label at its last token.
    """
    positions_of(examples, row_length)
    trees: list[TokenTree] = []
    order = sorted(examples, key=lambda one: (one.tokens[: one.prompt], one.tokens[:-1]))
    for _, own in itertools.groupby(order, key=lambda one: one.tokens[: one.prompt]):
        tree = None
        for example in own:
            ids = example.tokens[:-1]
            if tree is None or len(tree.tokens) + len(ids) - tree.shared(ids) > row_length:
                trees.append(tree := TokenTree())
            path = tree.add(ids)
            for position, value in example.labels:
                tree.labels.setdefault(path[position], []).append(value)
    rows = plan([len(tree.tokens) for tree in trees], row_length)
    count = math.ceil(len(rows) / rows_multiple) * rows_multiple
    tokens, positions, ends, begins = fill(trees, rows, (count, row_length))
    labels, weights = np.full((count, row_length), -1, np.float32), np.zeros((count, row_length), np.float32)
    for index, (row, start) in begins.items():
        for place, values in trees[index].labels.items():
            labels[row, start + place], weights[row, start + place] = sum(values) / len(values), len(values)
    return BranchedRows(tokens, positions, ends, labels, weights)
