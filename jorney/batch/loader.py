"""Batches as a pure function of (step, seed): resuming needs one integer."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator, Mapping, Sequence
from typing import TypeVar

import grain
import numpy as np

from jorney.batch.row_arrays import RowArrays

T = TypeVar("T")


class Batches:
    """Packed rows in shuffled batches, epoch after epoch.

    Attributes:
      steps: batches in all epochs together.
      rows: those that are batched.
    """

    def __init__(self, rows: RowArrays, batch_size: int, epochs: int, seed: int) -> None:
        if len(rows) % batch_size:
            raise ValueError(f"{len(rows)} rows are no multiple of the batch size {batch_size}: pack with rows_multiple")
        shuffled = grain.MapDataset.source(rows).seed(seed).shuffle().repeat(epochs)
        self._batches = shuffled.batch(batch_size, drop_remainder=True)
        self.steps = len(self._batches)
        self.rows = rows

    @property
    def padding(self) -> float:
        """Share of positions that hold nothing."""
        return self.rows.padding

    def __getitem__(self, step: int) -> Mapping[str, np.ndarray]:
        """The batch of a step: {field: [B, T]}."""
        return self._batches[step]

    @property
    def digest(self) -> str:
        """Of all that is in the rows: what a training that goes on must find again."""
        total = hashlib.blake2b(digest_size=16)
        for name, value in self.rows.arrays.items():
            total.update(f"{name} {value.dtype} {value.shape}".encode())
            total.update(np.ascontiguousarray(value).data.cast("B"))
        return total.hexdigest()

    def start_at(self, step: int) -> Iterator[Mapping[str, np.ndarray]]:
        """The batches from `step` on, prefetched by grain's threads."""
        options = grain.ReadOptions(num_threads=1, prefetch_buffer_size=4)
        return iter(self._batches.slice(slice(step, None)).to_iter_dataset(options))


def hold_out(members: Sequence[T], share: float, seed: int) -> tuple[list[T], list[T]]:
    """(those to train on, those held out), drawn at random; the order stays.

    Raises:
      ValueError: nothing would be left to train on.
    """
    if not share:
        return list(members), []
    count = max(1, round(share * len(members)))
    if count >= len(members):
        raise ValueError(f"held_out = {share} of {len(members)} examples leaves none to train on: expected more examples")
    chosen = set(random.Random(f"held out/{seed}").sample(range(len(members)), count))
    trained, held = ([one for index, one in enumerate(members) if (index in chosen) == out] for out in (False, True))
    return trained, held
