"""Packing: many examples in one row of fixed length, each in a segment of its own."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np

from jorney.batch.row_arrays import RowArrays


@dataclasses.dataclass(frozen=True)
class Example:
    """Token ids of one training example.

    Attributes:
      tokens: prompt and completion.
      prompt: how many of them, from the start, are the prompt; they bear no loss.
      silent: indices of tokens after the prompt that bear no loss either: an excursion's where a configuration says so, and
        in a chat what others say between the assistant's turns.
      labels: {index of a token: what is true there, 0 to 1}; for reward models, which are read at the end of each step.
    """

    tokens: tuple[int, ...]
    prompt: int = 0
    silent: tuple[int, ...] = ()
    labels: tuple[tuple[int, float], ...] = ()

    @property
    def bearing(self) -> int:
        """How many tokens bear loss. The first token never does: nothing predicts it."""
        return len(self.tokens) - max(1, self.prompt) - len(self.silent)

    def first(self, count: int) -> Example:
        """The first `count` tokens of it."""
        silent = tuple(index for index in self.silent if index < count)
        labels = tuple((index, value) for index, value in self.labels if index < count - 1)
        return Example(self.tokens[:count], min(self.prompt, count), silent, labels)


TOO_LONG = ("error", "drop", "truncate")


def fit(examples: Sequence[Example], row_length: int, too_long: str, places: Sequence[str], source: str) -> list[Example]:
    """The examples that fit in rows of `row_length` positions, which hold `row_length` + 1 tokens.

    Args:
      too_long: what becomes of longer ones: "error" refuses them, "drop" leaves them out, "truncate" keeps their beginning (and
        leaves out those of which nothing that bears loss is kept). What was left out or cut is told as a warning.
      places: where each example comes from, and `source` all of them, for messages.

    Raises:
      ValueError: an example is too long, or none is left.
    """
    most = row_length + 1
    kept: list[Example] = []
    long = cut = 0
    for example, place in zip(examples, places, strict=True):
        if len(example.tokens) <= most:
            kept.append(example)
            continue
        if too_long == "error":
            raise ValueError(
                f"{place}: {len(example.tokens)} tokens: expected 2 to {most}, which a row holds (row_length = {row_length}); "
                "too_long = 'drop' leaves longer examples out, 'truncate' keeps their beginning"
            )
        long += 1
        if too_long == "truncate" and (short := example.first(most)).bearing > 0:
            kept.append(short)
            cut += 1
    if not kept:
        raise ValueError(f"{source}: no example is left with too_long = {too_long!r}: expected a row_length above {row_length}")
    if long:
        ends = {"cut there": cut, "left out": long - cut}
        became = " and ".join(f"{count:,} {end}" for end, count in ends.items() if count)
        warnings.warn(
            f"{source}: {long:,} of {len(examples):,} examples have more than {most:,} tokens: {became} "
            f"(too_long = {too_long!r})",
            stacklevel=2,
        )
    return kept


@dataclasses.dataclass(frozen=True)
class Packed(RowArrays):
    """Rows [R, T] int32. A position predicts `targets`; `loss_mask` is 1 where the target is a token that bears loss.

    Segment ids count from 1 in a row, 0 is padding; positions start at 0 in every segment. `labels` [R, T] float32 holds the
    examples' labels at the positions of their tokens, -1 elsewhere; None where no example has any.
    """

    filled: ClassVar[str] = "segment_ids"

    tokens: np.ndarray
    targets: np.ndarray
    positions: np.ndarray
    segment_ids: np.ndarray
    loss_mask: np.ndarray
    labels: np.ndarray | None = None

    @classmethod
    def read_out(cls, batch: Mapping[str, np.ndarray]) -> int:
        return int(np.count_nonzero(batch["labels"] >= 0 if "labels" in batch else batch["loss_mask"]))


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


def positions_of(examples: Sequence[Example], row_length: int) -> list[int]:
    """How many positions each example takes: its last token is only a target, and can have no label.

    Raises:
      ValueError: there are no examples, one does not fit in a row, or one has a label at its last token.
    """
    if not examples:
        raise ValueError("there are no examples to pack")
    lengths = [len(example.tokens) - 1 for example in examples]
    for index, length in enumerate(lengths):
        if not 1 <= length <= row_length:
            raise ValueError(f"example {index} has {length + 1} tokens: expected 2 to {row_length + 1}")
        if any(place >= length for place, _ in examples[index].labels):
            raise ValueError(
                f"example {index} has a label at its last token, which is only a target: expected a token after it"
            )
    return lengths


def pack(examples: Sequence[Example], row_length: int, rows_multiple: int = 1) -> Packed:
    """Packs examples into rows of `row_length` positions; the number of rows is padded to a multiple of `rows_multiple`.

    An example of n tokens takes n - 1 positions: its last token is only a target, and can have no label.

    Raises:
      ValueError: there are no examples, one does not fit in a row, or one has a label at its last token.
    """
    lengths = positions_of(examples, row_length)
    rows = plan(lengths, row_length)
    count = -(-len(rows) // rows_multiple) * rows_multiple
    tokens, targets, positions, segment_ids, loss_mask = (np.zeros((count, row_length), np.int32) for _ in range(5))
    labels = np.full((count, row_length), -1, np.float32) if any(example.labels for example in examples) else None
    for row, members in enumerate(rows):
        start = 0
        for segment, index in enumerate(members, start=1):
            example, stop = examples[index], start + lengths[index]
            ids = example.tokens
            tokens[row, start:stop] = ids[:-1]
            targets[row, start:stop] = ids[1:]
            positions[row, start:stop] = np.arange(lengths[index])
            segment_ids[row, start:stop] = segment
            loss_mask[row, start + max(0, example.prompt - 1) : stop] = 1
            for place in example.silent:
                loss_mask[row, start + place - 1] = 0
            for place, value in example.labels:
                assert labels is not None
                labels[row, start + place] = value
            start = stop
    return Packed(tokens, targets, positions, segment_ids, loss_mask, labels)
