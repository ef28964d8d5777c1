"""Rows of a training, whatever the objective: arrays by name, of which rows are read, batched and counted."""

from __future__ import annotations

import abc
import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from jorney.model.flops import RowShape, packed_row

MULTIPLE = 32  # lengths are rounded up to one of these, so that few shapes compile


def rounded_up(count: int, multiple: int = MULTIPLE) -> int:
    """The least multiple that is no less."""
    return -(-count // multiple) * multiple


def fitted_length(name: str, given: int | None, needed: Sequence[int], member: str) -> int:
    """The length given, or the longest needed, rounded up.

    Args:
      name: of the length, in messages.
      needed: tokens, of each member.
      member: what one is called there.

    Raises:
      ValueError: a member needs more than the length given; names it.
    """
    longest = max(needed)
    if given is None:
        return rounded_up(longest)
    if longest > given:
        raise ValueError(f"{member} {needed.index(longest)} needs {longest} tokens: expected at most {name} = {given}")
    return given


class RowArrays(abc.ABC):
    """The base of dataclasses whose fields are arrays [R, ...] of R rows, or None where there is no such array.

    Attributes:
      filled: name of the array [R, T] that is 0 where a position holds no token.
      tokens: [R, T] int32.
    """

    filled: ClassVar[str]
    tokens: np.ndarray

    @property
    def arrays(self) -> dict[str, np.ndarray]:
        """Those that there are, by name, in the order of the fields."""
        mine: Any = self
        return {one.name: value for one in dataclasses.fields(mine) if (value := getattr(self, one.name)) is not None}

    def __len__(self) -> int:
        return len(self.tokens)

    def __getitem__(self, row: int) -> dict[str, np.ndarray]:
        return {name: value[row] for name, value in self.arrays.items()}

    def groups(self, size: int) -> Iterator[dict[str, np.ndarray]]:
        """The arrays of so many rows at a time, in their order."""
        for start in range(0, len(self), size):
            yield {name: value[start : start + size] for name, value in self.arrays.items()}

    @property
    def padding(self) -> float:
        """Share of positions that hold nothing."""
        return float((self.arrays[self.filled] == 0).mean())

    @property
    def row(self) -> RowShape:
        """What a row asks of a model."""
        return packed_row(self.tokens.shape[1])

    @classmethod
    def occupied(cls, batch: Mapping[str, np.ndarray]) -> int:
        """Positions of a batch of such rows that hold a token."""
        return int(np.count_nonzero(batch[cls.filled]))

    @classmethod
    @abc.abstractmethod
    def read_out(cls, batch: Mapping[str, np.ndarray]) -> int:
        """Positions of a batch of such rows whose head is read for the loss."""
