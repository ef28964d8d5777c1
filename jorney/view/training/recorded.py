"""What trainings recorded: a row a step, from `training/metrics/*.jsonl`, as columns of numbers."""

from __future__ import annotations

import array
import dataclasses
import json
import math
import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from jorney import storage

MOST_ROWS = 100_000
_MOST_BYTES = 1 << 20  # of a line
_MOST_BAD = 100  # lines that are named


@dataclasses.dataclass(frozen=True)
class Recorded:
    """One training.

    Attributes:
      name: as it is shown.
      steps: [S], rising.
      values: {figure: [S]}, NaN where a step has none.
      settings: of training.json; {} where there is none.
      bad: lines that could not be read, each named with what is wrong.
      every: of so many steps one is kept: 1 unless there are more than MOST_ROWS.
    """

    name: str
    steps: np.ndarray
    values: Mapping[str, np.ndarray]
    settings: Mapping[str, Any]
    bad: tuple[str, ...]
    every: int = 1

    def has(self, name: str) -> bool:
        """Whether there is a number of this figure."""
        return name in self.values and bool(np.isfinite(self.values[name]).any())


def read(name: str, folder: storage.PathLike, most: int = MOST_ROWS) -> Recorded:
    """The record of a training.

    Of rows of one step the one that was written last counts: a training that was stopped goes on from its checkpoint. A bad
    line is named and stops nothing. Where there are more than `most` steps, every second (fourth, ...) is kept, and all that
    hold a held-out figure.

    Args:
      folder: of the training (which holds metrics/), of its metrics, or a .jsonl file.

    Raises:
      FileNotFoundError: there are no metrics; says what is expected.
    """
    rows: dict[int, dict[str, float]] = {}
    bad: list[str] = []
    every = 1
    for file in _files(folder):
        with file.open("rb") as opened:
            number = 0
            while line := opened.readline(_MOST_BYTES):
                number += 1
                whole = line.endswith(b"\n") or len(line) < _MOST_BYTES
                while not whole and (rest := opened.readline(_MOST_BYTES)):
                    whole = rest.endswith(b"\n")
                try:
                    if len(line) == _MOST_BYTES and not line.endswith(b"\n"):
                        raise ValueError(f"more than {_MOST_BYTES:,} bytes: expected a row of numbers")
                    if line.strip():
                        step, row = _row(line)
                        if _kept(step, row, every):
                            rows[step] = row
                except (ValueError, RecursionError) as error:
                    bad.append(f"{os.fspath(file)}: line {number}: {error}")
                if len(rows) > most:
                    every *= 2
                    rows = {step: row for step, row in rows.items() if _kept(step, row, every)}
    steps = sorted(rows)
    if len(bad) > _MOST_BAD:
        bad[_MOST_BAD:] = [f"{os.fspath(folder)}: {len(bad) - _MOST_BAD:,} more lines that could not be read"]
    return Recorded(
        name, np.asarray(steps, np.float64), _columns([rows[step] for step in steps]), _settings(folder), tuple(bad), every
    )


def held_out(name: str) -> bool:
    """Whether a figure is measured on problems or texts that nothing is learned from: now and then, not at every step."""
    return name.startswith(("eval/", "held_out"))


def _files(folder: storage.PathLike) -> Sequence[storage.Path]:
    """The parts, in their order."""
    where = storage.follow(folder)
    if os.fspath(folder).endswith(".jsonl") and where.exists():
        return [where]
    for place in (where / "training" / "metrics", where / "metrics", where):
        if found := sorted(place.glob("*.jsonl")):
            return found
    raise FileNotFoundError(f"{folder}: no metrics: expected a training's folder (metrics/*.jsonl), or a .jsonl file of rows")


def _row(line: bytes) -> tuple[int, dict[str, float]]:
    """The step of a row, and its numbers; what is no finite number is left out."""
    try:
        row = json.loads(line.decode("utf-8-sig"))
    except ValueError as error:
        raise ValueError(f"expected a JSON object, {error}") from None
    if not isinstance(row, dict):
        raise ValueError(f"expected a JSON object, got {type(row).__name__}")
    step = row.get("step")
    if isinstance(step, bool) or not isinstance(step, int | float) or not math.isfinite(step) or step != int(step):
        raise ValueError(f"step = {step!r:.80}: expected a whole number")
    return int(step), {key: float(value) for key, value in row.items() if key != "step" and _is_number(value)}


def _is_number(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:  # an integer of hundreds of digits
        return False


def _kept(step: int, row: Mapping[str, float], every: int) -> bool:
    return step % every == 0 or any(map(held_out, row))


def _columns(rows: Sequence[Mapping[str, float]]) -> dict[str, np.ndarray]:
    found: dict[str, array.array[float]] = {}
    for at, row in enumerate(rows):
        for name, value in row.items():
            if name not in found:
                found[name] = array.array("d", [math.nan] * len(rows))
            found[name][at] = value
    return {name: np.frombuffer(own, np.float64) for name, own in found.items()}


def _settings(folder: storage.PathLike) -> dict[str, Any]:
    where = storage.follow(folder)
    for place in (where / "training.json", where / "training" / "training.json", where.parent / "training.json"):
        if place.exists():
            try:
                found = json.loads(place.read_text())
            except (OSError, ValueError, RecursionError):
                continue
            if isinstance(found, dict):
                return found
    return {}
