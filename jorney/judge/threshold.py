"""The score above which a reward model's step counts as right, kept in the model's folder."""

from __future__ import annotations

import math
from typing import Any

from jorney import storage
from jorney.config import expect_number

THRESHOLD = 0.5  # where a folder states none
_FILE = "judge.json"


def expect_threshold(config: Any) -> None:
    """Raises ValueError, as `expect_number` does, where a field `threshold` is given and no score can be it."""
    expect_number(config, "", "threshold", least=-1_000_000, most=1_000_000, none="None")


def threshold_of(folder: storage.PathLike, given: float | None = None) -> float:
    """The given threshold, or else that which a reward model's folder states (`jorney prm` writes one), or else 0.5.

    Raises:
      ValueError: names the file.
    """
    if given is not None:
        return given
    file = storage.path(folder) / _FILE
    if not file.exists():
        return THRESHOLD
    stated = storage.read_json(file)
    found = stated.get("threshold") if isinstance(stated, dict) else None
    if isinstance(found, bool) or not isinstance(found, int | float) or not math.isfinite(found):
        raise ValueError(f"{file}: threshold = {found!r}: expected a number")
    return float(found)


def write_threshold(folder: storage.PathLike, threshold: float) -> None:
    """States it, unless it is the one that is taken anyway."""
    if threshold != THRESHOLD:
        storage.write_json(storage.path(folder) / _FILE, {"threshold": threshold})
