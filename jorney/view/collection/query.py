"""Which rows of an index are asked for, and in which order."""

from __future__ import annotations

import dataclasses
import json
import math
import time
from collections.abc import Mapping
from typing import Any

import numpy as np

from jorney.view.collection.texts import PARTS

PLACES = ("anywhere", *PARTS)
ORDERS = ("file", "hardest", "most divided", "random")
SECONDS = 2.0  # for a regular expression
LONGEST = 500  # characters of one


@dataclasses.dataclass(frozen=True)
class Query:
    """What rows have to fulfil, all of it at once.

    Attributes:
      pattern: a regular expression that their texts hold; "" for any. Without a capital letter it finds capitals, too.
      where: which texts; one of PLACES.
      numbers: by column, the least and the most; None for no limit. Rows that lack the number are left out.
      chosen: by column, texts that it may be; of flags "yes" and "no"; "none" where it has no value.
      sort: one of ORDERS, a column, or "-" and a column for the largest first.
      seed: of "random".
    """

    pattern: str = ""
    where: str = "anywhere"
    numbers: Mapping[str, tuple[float | None, float | None]] = dataclasses.field(default_factory=dict)
    chosen: Mapping[str, tuple[str, ...]] = dataclasses.field(default_factory=dict)
    sort: str = "file"
    seed: int = 0

    def __post_init__(self) -> None:
        if self.where not in PLACES:
            raise ValueError(f"where = {self.where!r}: expected one of {', '.join(PLACES)}")
        if self.seed < 0:
            raise ValueError(f"seed = {self.seed}: expected 0 or more")

    def to_params(self) -> dict[str, str]:
        """As texts by name; what asks for nothing is left out."""
        found = {
            "pattern": self.pattern,
            "where": "" if self.where == "anywhere" else self.where,
            "numbers": json.dumps({name: list(ends) for name, ends in sorted(self.numbers.items())}) if self.numbers else "",
            "chosen": json.dumps({name: list(one) for name, one in sorted(self.chosen.items())}) if self.chosen else "",
            "sort": "" if self.sort == "file" else self.sort,
            "seed": str(self.seed) if self.seed else "",
        }
        return {name: text for name, text in found.items() if text}

    @staticmethod
    def from_params(params: Mapping[str, str]) -> Query:
        """The inverse of `to_params`; other names are left alone.

        Raises:
          ValueError: names what cannot be read.
        """
        values: dict[str, Any] = {name: params[name] for name in ("pattern", "where", "sort") if params.get(name)}
        try:
            if "seed" in params:
                values["seed"] = int(params["seed"])
            if "numbers" in params:
                values["numbers"] = {str(name): _ends(ends) for name, ends in json.loads(params["numbers"]).items()}
            if "chosen" in params:
                values["chosen"] = {str(name): tuple(map(str, one)) for name, one in json.loads(params["chosen"]).items()}
        except (ValueError, AttributeError, TypeError, OverflowError, RecursionError) as error:
            raise ValueError(f"the address asks for what cannot be read: {error}") from None
        return Query(**values)


def _ends(stated: Any) -> tuple[float | None, float | None]:
    low, high = stated
    if any(one is not None and not (isinstance(one, int | float) and math.isfinite(one)) for one in stated):
        raise ValueError(f"{stated!r}: expected two numbers or null")
    return low, high


def hits(index: Any, query: Query) -> np.ndarray:
    """The rows that a query asks for.

    Args:
      index: an `Index` or a `FileIndex`.

    Returns:
      int64[n], numbers of rows in the order that it asks for; rows without a value for it come last.

    Raises:
      ValueError: the pattern is no regular expression, or takes longer than SECONDS; or a column is unknown.
    """
    keep = np.ones(len(index), bool)
    for name, (low, high) in query.numbers.items():
        values = _numbers(index, name)
        with np.errstate(invalid="ignore"):
            keep &= ~np.isnan(values)
            keep &= (values >= (-np.inf if low is None else low)) & (values <= (np.inf if high is None else high))
    for name, allowed in query.chosen.items():
        taken = set(allowed)
        keep &= np.fromiter((spelled(value) in taken for value in _column(index, name)), bool, len(index))
    if query.pattern:
        keep &= _matches(index, query, keep)
    return _ordered(index, query, np.flatnonzero(keep))


def spelled(value: Any) -> str:
    """A value as `Query.chosen` writes it."""
    return (
        "none"
        if value is None or value == ""
        else {True: "yes", False: "no"}.get(value, str(value))
        if isinstance(value, bool)
        else str(value)
    )


def _column(index: Any, name: str) -> list[Any]:
    found: list[Any] = index.columns.get(name) or [None] * len(index)
    return found


def _numbers(index: Any, name: str) -> np.ndarray:
    values = _column(index, name)
    return np.fromiter((math.nan if not isinstance(one, int | float) else float(one) for one in values), float, len(values))


def _matches(index: Any, query: Query, keep: np.ndarray) -> np.ndarray:
    """Which of the rows that are left hold the pattern."""
    import regex

    if len(query.pattern) > LONGEST:  # the search for long literal texts looks at no clock
        raise ValueError(f"the pattern has {len(query.pattern):,} characters: expected at most {LONGEST}")
    flags = regex.IGNORECASE if query.pattern == query.pattern.lower() else 0
    try:
        pattern = regex.compile(query.pattern, flags | regex.MULTILINE)
    except regex.error as error:
        raise ValueError(f"the pattern {query.pattern!r} is no regular expression: {error}") from None
    except (RecursionError, OverflowError, MemoryError):
        raise ValueError(f"the pattern {query.pattern[:40]!r}… is too large: expected a shorter one") from None
    found, ends = np.zeros(len(keep), bool), time.monotonic() + SECONDS
    for row, text in zip(range(len(keep)), index.texts(query.where), strict=False):  # it may grow meanwhile
        if keep[row]:
            try:
                found[row] = pattern.search(text, timeout=max(1e-3, ends - time.monotonic())) is not None
            except TimeoutError:
                raise ValueError(
                    f"the pattern {query.pattern!r} takes more than {SECONDS:g} seconds: expected one that does not repeat "
                    "what is repeated, such as (a+)+"
                ) from None
    return found


def _ordered(index: Any, query: Query, rows: np.ndarray) -> np.ndarray:
    if query.sort == "file":
        return rows
    if query.sort == "random":
        return np.random.default_rng(query.seed).permutation(rows)
    if query.sort in ("hardest", "most divided"):
        rates = _numbers(index, "solve rate")[rows]
        return rows[np.argsort(np.abs(rates - 0.5) if query.sort == "most divided" else rates, kind="stable")]
    name, down = query.sort.removeprefix("-"), query.sort.startswith("-")
    values = _column(index, name)
    if all(isinstance(one, int | float | None) for one in values):
        numbers = _numbers(index, name)[rows]
        return rows[np.argsort(-numbers if down else numbers, kind="stable")]
    words = sorted(rows.tolist(), key=lambda row: str(values[row] or ""), reverse=down)
    words.sort(key=lambda row: not values[row])  # those without one last
    return np.asarray(words, np.int64)
