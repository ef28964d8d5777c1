"""How fast a training runs, and what share of its time leads somewhere."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import numpy as np
from jax.sharding import Mesh

from jorney import devices
from jorney.compiled import Compilations
from jorney.model import flops
from jorney.model.architecture import ModelConfig
from jorney.model.flops import RowShape


def occupied(batch: Mapping[str, np.ndarray]) -> int:
    """Positions of a batch that hold a token."""
    return int(np.count_nonzero(next(batch[name] for name in ("parts", "ends", "segment_ids") if name in batch)))


def read_out(batch: Mapping[str, np.ndarray]) -> int:
    """Positions of a batch whose head is read for the loss."""
    if "labels" in batch:
        return int(np.count_nonzero(batch["labels"] >= 0))
    return sum(int(np.count_nonzero(batch[name])) for name in ("loss_mask", "chosen_mask", "rejected_mask") if name in batch)


class Throughput:
    """Measures between two looks at the devices: the step runs on while the host prepares the next.

    Args:
      row: of the batches.
      compilations: their time is not the steps'.
      started: when the training was first started, seconds since 1970.
      kept: seconds of the steps that a training that goes on starts from.
    """

    def __init__(
        self, config: ModelConfig, row: RowShape, mesh: Mesh, compilations: Compilations, started: float, kept: float
    ) -> None:
        self._config, self._row, self._compilations = config, row, compilations
        self._started, self._kept = started, kept
        found = mesh.devices.flatten().tolist()
        self._chips, self._peak = devices.chips(found), devices.peak(found[0])
        self.restart()

    def restart(self) -> None:
        """Forgets what was not measured yet: the host did something else."""
        self._tokens = self._rows = self._read = 0
        self._since, self._compiled = time.perf_counter(), sum(self._compilations.seconds)

    def count(self, batch: Mapping[str, np.ndarray]) -> float:
        """Takes note of a step's batch; returns the share of its positions that is padding."""
        tokens, rows = occupied(batch), len(batch["tokens"])
        self._tokens, self._rows, self._read = self._tokens + tokens, self._rows + rows, self._read + read_out(batch)
        return 1 - tokens / batch["tokens"].size

    def measure(self) -> dict[str, Any]:
        """The fields `metrics.TIMES` of the steps noted since the last call; the devices have finished them."""
        seconds = time.perf_counter() - self._since - (sum(self._compilations.seconds) - self._compiled)
        self._kept += seconds
        found = {
            "seconds": seconds,
            "tokens_per_second_per_chip": self._tokens / seconds / self._chips,
            "memory_gb": devices.memory_in_use() / 1e9,
            "goodput": min(1.0, self._kept / max(time.time() - self._started, 1e-9)),
        }
        if self._peak is not None:
            for convention in flops.CONVENTIONS:
                work = flops.training(self._config, self._row, self._rows, self._read, convention)
                found[f"mfu_{convention}"] = work / seconds / (self._peak * self._chips)
        self.restart()
        return found
