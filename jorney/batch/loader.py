"""Batches of a training, step after step: of rows that are there, or made as the training goes."""

from __future__ import annotations

import abc
import hashlib
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TypeVar

import grain
import numpy as np

from jorney.batch.row_arrays import RowArrays
from jorney.model.params import Params

T = TypeVar("T")
Batch = Mapping[str, np.ndarray]  # {field: [], [B] or [B, T]}


class BatchStream(abc.ABC):
    """The batches of a training: a step's is the same whenever it is asked for.

    Attributes:
      steps: how many there are.
      rows: those that are batched; of batches that are made as a training goes, those of the last.
      follows: whether batches are made of the parameters as they are.
    """

    steps: int
    rows: RowArrays
    follows: bool = False

    @property
    @abc.abstractmethod
    def digest(self) -> str:
        """Of all that batches depend on beside the parameters: what a training that goes on must find again."""

    @abc.abstractmethod
    def __getitem__(self, step: int) -> Batch:
        """The batch of a step, counted from 0."""

    @abc.abstractmethod
    def start_at(self, step: int, params: Callable[[], Params] | None = None) -> Iterator[Batch]:
        """The batches from `step` on.

        Args:
          params: what is trained, as it is when a batch is asked for.
        """

    def like(self, step: int) -> Batch:
        """A batch of the shape of a step's."""
        return self[step]

    def figures(self, step: int) -> dict[str, float]:
        """What there is to tell of a step's batch, by name; those of `train.metrics.SAMPLING_TIMES` depend on the machine."""
        return {}

    @property
    def padding(self) -> float:
        """Share of the rows' positions that hold nothing."""
        return self.rows.padding

    def changed(self, change: Callable[[RowArrays], RowArrays]) -> BatchStream:
        """The same batches of changed rows, where there are rows beforehand."""
        return self


class Batches(BatchStream):
    """Packed rows in shuffled batches, epoch after epoch: a pure function of (step, seed), to be resumed by one integer."""

    def __init__(self, rows: RowArrays, batch_size: int, epochs: int, seed: int) -> None:
        if len(rows) % batch_size:
            raise ValueError(f"{len(rows)} rows are no multiple of the batch size {batch_size}: pack with rows_multiple")
        shuffled = grain.MapDataset.source(rows).seed(seed).shuffle().repeat(epochs)
        self._batches = shuffled.batch(batch_size, drop_remainder=True)
        self.steps = len(self._batches)
        self.rows = rows
        self._settings = batch_size, epochs, seed

    def __getitem__(self, step: int) -> Batch:
        return self._batches[step]

    @property
    def digest(self) -> str:
        """Of all that is in the rows."""
        total = hashlib.blake2b(digest_size=16)
        for name, value in self.rows.arrays.items():
            total.update(f"{name} {value.dtype} {value.shape}".encode())
            total.update(np.ascontiguousarray(value).data.cast("B"))
        return total.hexdigest()

    def changed(self, change: Callable[[RowArrays], RowArrays]) -> Batches:
        return Batches(change(self.rows), *self._settings)

    def start_at(self, step: int, params: Callable[[], Params] | None = None) -> Iterator[Batch]:
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
