"""Batches as a pure function of (step, seed): resuming needs one integer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Protocol

import grain
import numpy as np


class Rows(Protocol):
    """What can be batched: rows of arrays by name, and the share of their positions that is padding."""

    def __len__(self) -> int: ...

    def __getitem__(self, row: int) -> Mapping[str, np.ndarray]: ...

    @property
    def padding(self) -> float: ...


class Batches:
    """Packed rows in shuffled batches, epoch after epoch.

    Attributes:
      steps: batches in all epochs together.
      padding: share of positions that hold nothing.
    """

    def __init__(self, packed: Rows, batch_size: int, epochs: int, seed: int) -> None:
        if len(packed) % batch_size:
            raise ValueError(f"{len(packed)} rows are no multiple of the batch size {batch_size}: pack with rows_multiple")
        source: Any = packed
        rows = grain.MapDataset.source(source).seed(seed).shuffle().repeat(epochs)
        self._batches = rows.batch(batch_size, drop_remainder=True)
        self.steps = len(self._batches)
        self.padding = packed.padding

    def __getitem__(self, step: int) -> Mapping[str, np.ndarray]:
        """The batch of a step: {field: [B, T]}."""
        return self._batches[step]

    def start_at(self, step: int) -> Iterator[Mapping[str, np.ndarray]]:
        """The batches from `step` on, prefetched by grain's threads."""
        options = grain.ReadOptions(num_threads=1, prefetch_buffer_size=4)
        return iter(self._batches.slice(slice(step, None)).to_iter_dataset(options))
