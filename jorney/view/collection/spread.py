"""What values a column has, for the controls that choose among them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from jorney.view.collection.query import spelled

MANY = 48  # different texts that may be chosen from


class Spread(NamedTuple):
    """The values of a column.

    Attributes:
      tells: whether they differ.
      counts: how often each is there, as `Query.chosen` writes it; empty where there are more than MANY.
      least, most: of its numbers; None where it has none.
      whole: whether all of them are whole.
    """

    tells: bool
    counts: Mapping[str, int]
    least: float | None
    most: float | None
    whole: bool


def spread(values: Sequence[Any]) -> Spread:
    """The spread of a column."""
    counts: dict[str, int] = {}
    for value in values:
        name = spelled(value)
        if name in counts or len(counts) <= MANY:
            counts[name] = counts.get(name, 0) + 1
    numbers = [float(one) for one in values if isinstance(one, int | float) and math.isfinite(one)]
    least, most = min(numbers, default=None), max(numbers, default=None)
    return Spread(len(counts) > 1, counts if len(counts) <= MANY else {}, least, most, all(map(float.is_integer, numbers)))
