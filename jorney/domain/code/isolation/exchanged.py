"""Values as JSON: between a program and its tests travel data and names of objects, never pickles."""

from __future__ import annotations

import collections
import datetime
import decimal
import fractions
import importlib
import sys
import types
from collections.abc import Callable, Iterable
from typing import Any

_LARGE = 1 << 64  # JSON's decimals of larger integers take long to read, or are refused
_TEXTS: dict[str, Callable[[str], Any]] = {
    "datetime": datetime.datetime.fromisoformat,
    "date": datetime.date.fromisoformat,
    "time": datetime.time.fromisoformat,
}

_MAKERS: dict[str, Callable[[list[Any]], Any]] = {
    "tuple": tuple,
    "dict": dict,
    "set": set,
    "frozenset": frozenset,
    "deque": collections.deque,
    "complex": lambda parts: complex(*parts),
    "range": lambda parts: range(*parts),
    "fraction": lambda parts: fractions.Fraction(*parts),
    "timedelta": lambda parts: datetime.timedelta(*parts),
}
# Classes that a program may answer with. Not more: unittest.mock.ANY would equal any answer.
PLAIN = {kind.__name__: kind for kind in (bool, int, float, complex, str, bytes, list, tuple, dict, set, frozenset)}


def encode(value: Any, other: Callable[[Any], dict[str, Any]]) -> Any:
    """What JSON can say of a value. An instance of a subclass, such as a named tuple, is one of the class that it extends.

    Args:
      other: of an object that is no data, what stands for it: {kind: JSON} of a kind that is not used here. It may raise.

    Raises:
      RecursionError: the value holds itself, or is nested too deeply.
    """
    if value is None or value is True or value is False:
        return value
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, int):
        value = int.__int__(value)
        return value if -_LARGE < value < _LARGE else {"int": hex(value)}
    if isinstance(value, float):
        return float.__float__(value)

    def every(values: Iterable[Any]) -> list[Any]:
        return [encode(one, other) for one in values]

    if isinstance(value, list):
        return every(list.__iter__(value))
    if isinstance(value, tuple):
        return {"tuple": every(tuple.__iter__(value))}
    if isinstance(value, dict):
        return {"dict": [every(pair) for pair in dict.items(value)]}
    kinds: tuple[Any, ...] = (set, frozenset, collections.deque)
    for kind in kinds:
        if isinstance(value, kind):
            return {kind.__name__: every(kind.__iter__(value))}
    if isinstance(value, bytes | bytearray):
        return {"bytes" if isinstance(value, bytes) else "bytearray": value.hex()}
    if isinstance(value, complex):
        return {"complex": [value.real, value.imag]}
    if isinstance(value, range):
        return {"range": every((value.start, value.stop, value.step))}
    if isinstance(value, fractions.Fraction):
        return {"fraction": every((value.numerator, value.denominator))}
    if isinstance(value, decimal.Decimal):
        return {"decimal": decimal.Decimal.__str__(value)}
    if isinstance(value, datetime.timedelta):
        return {"timedelta": [value.days, value.seconds, value.microseconds]}
    if isinstance(value, datetime.date | datetime.time):
        kind_name = next(kind for kind in _TEXTS if isinstance(value, getattr(datetime, kind)))
        return {kind_name: value.isoformat()}
    if type(value).__module__ == "numpy" and hasattr(value, "item") and not getattr(value, "shape", True):
        return encode(value.item(), other)
    return other(value)


def decode(coded: Any, other: Callable[[str, Any], Any]) -> Any:
    """The inverse of `encode`.

    Args:
      other: (kind, JSON) of a kind that is not used here -> what stands for it.

    Raises:
      ValueError, TypeError, LookupError and their like: it is nothing that `encode` makes.
    """
    if isinstance(coded, list):
        return [decode(one, other) for one in coded]
    if not isinstance(coded, dict):
        return coded
    ((kind, inner),) = coded.items()
    if kind == "int":
        return int(inner, 16)
    if kind in ("bytes", "bytearray"):
        return (bytes if kind == "bytes" else bytearray).fromhex(inner)
    if kind == "decimal":
        return decimal.Decimal(inner)
    if kind in _TEXTS:
        return _TEXTS[kind](inner)
    if kind not in _MAKERS:
        return other(kind, inner)
    values = [decode(one, other) for one in inner]
    return _MAKERS[kind](values)


def named(value: Any) -> str | None:
    """The name of a function or class of the standard library, "operator:add"; None for anything else."""
    module, name = getattr(value, "__module__", None), getattr(value, "__qualname__", None)
    if not isinstance(value, type | types.BuiltinFunctionType | types.FunctionType):
        return None
    if not isinstance(module, str) or not isinstance(name, str):
        return None
    try:
        return f"{module}:{name}" if by_name(f"{module}:{name}") is value else None
    except (ValueError, ImportError, AttributeError):
        return None


def by_name(stated: str) -> Any:
    """The inverse of `named`. Raises ValueError, ImportError or AttributeError where there is none."""
    module, _, name = stated.partition(":")
    if module.partition(".")[0] not in sys.stdlib_module_names:
        raise ValueError(f"{module} is no module of Python's own")
    found: Any = importlib.import_module(module)
    for part in name.split("."):
        found = getattr(found, part)
    return found
