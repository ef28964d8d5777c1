"""How fast a training runs, and what share of its time leads somewhere."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import numpy as np
from jax.sharding import Mesh

from jorney import devices
from jorney.batch.loader import BatchStream
from jorney.compiled import Compilations
from jorney.model import flops
from jorney.model.architecture import ModelConfig
from jorney.model.lora import LoraConfig


class Throughput:
    """Measures between two looks at the devices: the step runs on while the host prepares the next.

    Args:
      batches: whose steps are measured.
      compilations: their time is not the steps'.
      started: when the training was first started, seconds since 1970.
      kept: seconds of the steps that a training that goes on starts from.
      lora: adapters that are trained in the place of the model.
    """

    def __init__(
        self,
        config: ModelConfig,
        batches: BatchStream,
        mesh: Mesh,
        compilations: Compilations,
        started: float,
        kept: float,
        lora: LoraConfig | None = None,
    ) -> None:
        self._config, self._batches, self._compilations, self._lora = config, batches, compilations, lora
        self._started, self._kept = started, kept
        found = mesh.devices.flatten().tolist()
        self._chips, self._peak = devices.chips(found), devices.peak(found[0])
        self.restart()

    def restart(self) -> None:
        """Forgets what was not measured yet: the host did something else."""
        self._tokens, self._work = 0, dict.fromkeys(flops.CONVENTIONS, 0.0)
        self._since, self._compiled = time.perf_counter(), sum(self._compilations.seconds)

    def count(self, batch: Mapping[str, np.ndarray]) -> float:
        """Takes note of a step's batch; returns the share of its positions that is padding."""
        layout = self._batches.rows
        tokens, rows, read = layout.occupied(batch), len(batch["tokens"]), layout.read_out(batch)
        self._tokens += tokens
        for convention in flops.CONVENTIONS:
            self._work[convention] += flops.training(self._config, layout.row, rows, read, convention, self._lora)
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
                found[f"mfu_{convention}"] = self._work[convention] / seconds / (self._peak * self._chips)
        self.restart()
        return found
