"""The record of a training: a row a step, in immutable parts as JSON lines and for TensorBoard.

A part is written whole at every checkpoint and holds the steps since the last; so that a training that goes on from a
checkpoint finds exactly the rows that led to it, on a store without append too.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from typing import Any

from jorney import storage
from jorney.train.tracking import Tracker

# One row of the training record: metrics by name, with "step" (from 1).
Record = dict[str, float]

# What depends on the machine, not on what is learned; stands in the rows at which the loop looked.
TIMES = ("seconds", "tokens_per_second_per_chip", "mfu_full", "mfu_causal", "memory_gb", "goodput")
# The same of batches that are sampled as the training goes.
SAMPLING_TIMES = ("seconds/sampling", "seconds/rewards", "sampled_tokens_per_second")


class Metrics:
    """The rows so far.

    Args:
      folder: of the training; parts lie in its metrics/ and tensorboard/.
      writes: whether this process is the one that writes.
      trackers: are told every row, too.
    """

    def __init__(self, folder: storage.PathLike, writes: bool = True, trackers: Sequence[Tracker] = ()) -> None:
        self._folder = storage.path(folder)
        self._writes, self._trackers = writes, trackers
        self._rows: list[Record] = []
        self._written = 0

    def resume(self, step: int) -> None:
        """Takes up the rows of the steps up to a checkpoint's."""
        parts = sorted((self._folder / "metrics").glob("*.jsonl"))
        rows = (row for part in parts for _, row in storage.read_jsonl(os.fspath(part)))
        # Where a training was saved at other steps before, parts overlap; their rows are the same but for the times.
        self._rows = list({row["step"]: row for row in rows if row["step"] <= step}.values())
        self._written = len(self._rows)

    def add(self, row: Record) -> None:
        self._rows.append(row)

    def time(self, times: Record) -> Record:
        """Puts measured times into the last row; returns it whole."""
        self._rows[-1] |= times
        return self._rows[-1]

    @property
    def kept_seconds(self) -> float:
        """What the steps took that led here."""
        return sum(row.get("seconds", 0.0) for row in self._rows)

    @property
    def learned(self) -> list[Record]:
        """The rows without what depends on the machine: equal for equal trainings, however often they were stopped."""
        return [{name: value for name, value in row.items() if name not in (*TIMES, *SAMPLING_TIMES)} for row in self._rows]

    def write(self) -> None:
        """The rows since the last part become a part."""
        fresh = self._rows[self._written :]
        self._written = len(self._rows)
        if fresh and self._writes:
            name = f"{int(fresh[-1]['step']):08d}"
            storage.write_jsonl(self._folder / "metrics" / f"{name}.jsonl", fresh)
            _write_events(self._folder / "tensorboard" / f"events.out.tfevents.{name}", fresh)
            for tracker in self._trackers:
                tracker.log(fresh)


def _write_events(where: storage.Path, rows: list[Record]) -> None:
    """TensorBoard's file of some rows; it reads the files of a folder in the order of their names."""
    import tensorboardX

    with tempfile.TemporaryDirectory() as local:
        writer: Any = tensorboardX.SummaryWriter(local, write_to_disk=True)
        for row in rows:
            for name, value in row.items():
                if name != "step":
                    writer.add_scalar(name, value, int(row["step"]))
        writer.close()
        (file,) = os.listdir(local)
        storage.write_bytes(where, (storage.path(local) / file).read_bytes())
