"""Fields of rows. An error names the row's place, the field, what was found and what was expected."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from jorney.domain.answers import short

LONGEST_TEXT = 1_000_000  # characters of a field; no model reads a text that is longer
_KINDS = {str: "a text", int: "a whole number", float: "a number", bool: "true or false", dict: "an object", list: "a list"}


class Steps(NamedTuple):
    """What a row says of a solution: what it answers, its steps, and how right each is, 0 to 1 (None: not known)."""

    prompt: str
    steps: Sequence[str]
    labels: Sequence[float | None]


def holds(row: Mapping[str, Any], *names: str) -> bool:
    """Whether the row has all these columns. A null is none: Parquet has every column in every row."""
    return all(row.get(name) is not None for name in names)


def columns(row: Mapping[str, Any]) -> str:
    """The row's columns, for messages."""
    return ", ".join(name for name in row if row[name] is not None) or "none"


def others(row: Mapping[str, Any], *taken: str) -> dict[str, Any]:
    """The fields of a row but these."""
    return {name: value for name, value in row.items() if name not in taken}


def shown(value: Any) -> str:
    """A value in a message, on one line and not without end."""
    return short(repr(value))


def field(row: Mapping[str, Any], name: str, place: str, *kinds: type, null: bool = False) -> Any:
    """A field of one of these kinds; `name` may lead through objects and lists, for the message ("label.steps[3].rating").

    Raises:
      ValueError: it is missing or of another kind.
    """
    last = name.rpartition(".")[2]
    if last not in row:
        raise ValueError(f"{place}: the field {name!r} is missing")
    return expect(row[last], name, place, *kinds, null=null)


def expect(value: Any, name: str, place: str, *kinds: type, null: bool = False) -> Any:
    """A value of one of these kinds: a number that is finite, a text not without end. Raises ValueError for another."""
    wanted = (*kinds, int) if float in kinds else kinds
    kind = isinstance(value, wanted) and (bool in kinds or not isinstance(value, bool))
    if (value is None and null) or (kind and (not isinstance(value, float) or math.isfinite(value))):
        return bounded(value, name, place) if isinstance(value, str) else value
    what = " or ".join([*(_KINDS[kind] for kind in kinds), *(["null"] if null else [])])
    raise ValueError(f"{place}: field {name!r}: expected {what}, got {shown(value)}")


def filled(row: Mapping[str, Any], name: str, place: str) -> str:
    """A text that is not empty. Raises ValueError for anything else."""
    value = row[name]
    if not isinstance(value, str) or not value:
        raise ValueError(f"{place}: field {name!r}: expected a text that is not empty, got {shown(value)}")
    return bounded(value, name, place)


def bounded(text: str, name: str, place: str) -> str:
    """A text that is no longer than LONGEST_TEXT. Raises ValueError for a longer one."""
    if len(text) > LONGEST_TEXT:
        raise ValueError(f"{place}: field {name!r}: {len(text):,} characters: expected at most {LONGEST_TEXT:,}")
    return text


def texts(value: Any, name: str, place: str, show: Callable[[Any], str] = lambda value: f"{value!s:.80}") -> list[str]:
    """A list of texts, at least one and none of them empty. Raises ValueError for anything else, which `show` puts in words."""
    if not isinstance(value, list) or not value or not all(isinstance(one, str) and one.strip() for one in value):
        raise ValueError(f"{place}: field {name!r}: expected a list of texts, none of them empty, got {show(value)}")
    return [bounded(one, name, place) for one in value]
