"""The process of a program: it runs the program, and does with its objects what the tests' process asks."""

from __future__ import annotations

import contextlib
import operator
import os
import socket
import sys
import types
from collections.abc import Callable
from typing import Any

from jorney.domain.code.isolation import exchanged, frames

_LONGEST = 4000  # characters of what an error says
# What the tests may do with an object of the program.
_DO: dict[str, Callable[..., Any]] = {
    "get": getattr,
    "set": setattr,
    "item": operator.getitem,
    "put": operator.setitem,
    "has": operator.contains,
    "iterate": iter,
    "next": next,
    "length": len,
    "truth": bool,
    "text": str,
    "shown": repr,
    "hold": isinstance,
    "call": lambda function, *args, **named: function(*args, **named),
}


class _Objects:
    """Objects that the tests know by numbers."""

    def __init__(self) -> None:
        self._kept: list[Any] = []
        self._numbers: dict[int, int] = {}

    def encode(self, value: Any) -> Any:
        return exchanged.encode(value, self._other)

    def decode(self, coded: Any) -> Any:
        return exchanged.decode(coded, self._stands_for)

    def _other(self, value: Any) -> dict[str, Any]:
        if any(value is kind for kind in exchanged.PLAIN.values()):
            return {"class": value.__name__}
        number = self._numbers.setdefault(id(value), len(self._kept))
        if number == len(self._kept):
            self._kept.append(value)  # so that its id stays its own
        return {"handle": number}

    def _stands_for(self, kind: str, inner: Any) -> Any:
        return self._kept[inner] if kind == "handle" else exchanged.by_name(inner)


def run(channel: socket.socket) -> None:
    """Serves the tests' process until it goes."""
    module = types.ModuleType("program")  # not __main__: what a program does when it is run as a script is no answer
    sys.modules[module.__name__] = module
    objects = _Objects()
    while True:
        try:
            asked = frames.read(channel)
        except (EOFError, OSError):
            os._exit(0)
        try:
            answer = _answer(asked, module, objects)
        except BaseException as error:
            answer = _raised(error, objects)
        try:
            frames.write(channel, answer)
        except (OSError, ValueError, MemoryError, RecursionError):
            os._exit(1)


def _answer(asked: dict[str, Any], module: types.ModuleType, objects: _Objects) -> dict[str, Any]:
    if "load" in asked:
        exec(compile(asked["load"], "<program>", "exec", dont_inherit=True), module.__dict__)
        return {"value": None}
    if "names" in asked:
        return {"value": {"dict": [[n, objects.encode(vars(module)[n])] for n in asked["names"] if n in vars(module)]}}
    given = asked["args"]
    args = objects.decode(given)
    value = objects.encode(_DO[asked["do"]](*args, **objects.decode(asked["named"])))
    after = objects.encode(args)
    return {"value": value} if after == given else {"value": value, "args": after}


def _raised(error: BaseException, objects: _Objects) -> dict[str, Any]:
    """What tells an error: the names of its classes, and its arguments where they are data."""
    names = [kind.__name__ for kind in type(error).__mro__]
    text, args = "", [""]
    with contextlib.suppress(BaseException):
        text = str(error)[:_LONGEST]
        args = [text]
        coded = objects.encode(list(error.args))
        if len(repr(coded)) < _LONGEST:
            args = coded
    return {"error": names, "text": text, "args": args}
