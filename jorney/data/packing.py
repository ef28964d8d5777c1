"""Packing: many examples in one row of fixed length, each in a segment of its own."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np


@dataclasses.dataclass(frozen=True)
class Example:
    """Token ids of one training example, and how many of them, from the start, are the prompt (no loss on those)."""

    tokens: tuple[int, ...]
    prompt: int = 0


@dataclasses.dataclass(frozen=True)
class Packed:
    """Rows [R, T] int32. A position predicts `targets`; `loss_mask` is 1 where the target is a completion token.

    Segment ids count from 1 in a row, 0 is padding; positions start at 0 in every segment.
    """

    tokens: np.ndarray
    targets: np.ndarray
    positions: np.ndarray
    segment_ids: np.ndarray
    loss_mask: np.ndarray

    def __len__(self) -> int:
        return len(self.tokens)

    def __getitem__(self, row: int) -> dict[str, np.ndarray]:
        return {field.name: getattr(self, field.name)[row] for field in dataclasses.fields(self)}

    @property
    def padding(self) -> float:
        """Share of positions that hold nothing."""
        return float((self.segment_ids == 0).mean())


def plan(lengths: Sequence[int], row_length: int) -> list[list[int]]:
    """Which examples share a row: best fit, longest first. Deterministic.

    Returns:
      Indices of `lengths`, a list a row.
    """
    rows: list[list[int]] = []
    by_room: list[list[int]] = [[] for _ in range(row_length + 1)]  # rows by the room that is left in them
    for index in sorted(range(len(lengths)), key=lambda i: (-lengths[i], i)):
        length = lengths[index]
        room = next((r for r in range(length, row_length + 1) if by_room[r]), None)
        if room is None:
            rows.append([])
            row, room = len(rows) - 1, row_length
        else:
            row = by_room[room].pop()
        rows[row].append(index)
        by_room[room - length].append(row)
    return rows


def pack(examples: Sequence[Example], row_length: int, rows_multiple: int = 1) -> Packed:
    """Packs examples into rows of `row_length` positions; the number of rows is padded to a multiple of `rows_multiple`.

    An example of n tokens takes n - 1 positions: its last token is only a target.

    Raises:
      ValueError: there are no examples, or one does not fit in a row.
    """
    if not examples:
        raise ValueError("there are no examples to pack")
    lengths = [len(example.tokens) - 1 for example in examples]
    for index, length in enumerate(lengths):
        if not 1 <= length <= row_length:
            raise ValueError(f"example {index} has {length + 1} tokens: expected 2 to {row_length + 1}")
    rows = plan(lengths, row_length)
    count = -(-len(rows) // rows_multiple) * rows_multiple
    tokens, targets, positions, segment_ids, loss_mask = (np.zeros((count, row_length), np.int32) for _ in range(5))
    for row, members in enumerate(rows):
        start = 0
        for segment, index in enumerate(members, start=1):
            ids, stop = examples[index].tokens, start + lengths[index]
            tokens[row, start:stop] = ids[:-1]
            targets[row, start:stop] = ids[1:]
            positions[row, start:stop] = np.arange(lengths[index])
            segment_ids[row, start:stop] = segment
            loss_mask[row, start + max(0, examples[index].prompt - 1) : stop] = 1
            start = stop
    return Packed(tokens, targets, positions, segment_ids, loss_mask)
