"""Objects of a program, as its tests hold them: what is done to one is done in the program's process."""

from __future__ import annotations

import builtins
import socket
from collections.abc import Iterator
from typing import Any

from jorney.domain.code.isolation import exchanged, frames


class GoneError(BaseException):
    """The program's process is gone, or speaks no longer as it should; a test's `except Exception` does not catch it."""


class Remote:
    """An object of the program that is no data. It equals itself alone, whatever its own class says of it."""

    __slots__ = ("__number", "__side")
    __number: int
    __side: Side

    def __init__(self, side: Side, number: int) -> None:
        object.__setattr__(self, "_Remote__side", side)
        object.__setattr__(self, "_Remote__number", number)

    def __do(self, what: str, *args: Any, **named: Any) -> Any:
        return self.__side.do(what, self, *args, **named)

    def __call__(self, *args: Any, **named: Any) -> Any:
        return self.__do("call", *args, **named)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and name != "__name__":
            raise AttributeError(name)
        return self.__do("get", name)

    def __setattr__(self, name: str, value: Any) -> None:
        self.__do("set", name, value)

    def __getitem__(self, key: Any) -> Any:
        return self.__do("item", key)

    def __setitem__(self, key: Any, value: Any) -> None:
        self.__do("put", key, value)

    def __contains__(self, value: Any) -> bool:
        return self.__do("has", value) is True

    def __iter__(self) -> Iterator[Any]:
        return iter(self.__do("iterate").__next__, _NOTHING)

    def __next__(self) -> Any:
        return self.__do("next")

    def __len__(self) -> int:
        length: int = self.__do("length")
        return length

    def __bool__(self) -> bool:
        return self.__do("truth") is True

    def __str__(self) -> str:
        text = self.__do("text")
        return text if isinstance(text, str) else ""

    def __repr__(self) -> str:
        text = self.__do("shown")
        return text if isinstance(text, str) else ""

    def __instancecheck__(self, value: Any) -> bool:
        return self.__side.do("hold", value, self) is True

    def __reduce__(self) -> str:
        raise TypeError("an object of the program cannot be copied")

    @staticmethod
    def number(one: Remote) -> int:
        """What the program's process knows it by."""
        return one.__number


_NOTHING = object()


class Side:
    """The tests' end of the channel to the program.

    Attributes:
      last: what the program answered last to a call, if it was called.
      gone: whether the program's process is.
    """

    def __init__(self, channel: socket.socket) -> None:
        self._channel = channel
        self._known: dict[int, Remote] = {}
        self.last: list[Any] = []
        self.gone = False

    def load(self, program: str) -> None:
        """Runs the program. Raises what it raises."""
        self._ask({"load": program})

    def names(self, names: list[str]) -> dict[str, Any]:
        """Those of these names that the program gave to something."""
        found = self._ask({"names": names})
        return {name: value for name, value in found.items() if name in names} if isinstance(found, dict) else {}

    def do(self, what: str, *args: Any, **named: Any) -> Any:
        """Does something with objects; arguments that the program changes are changed here too."""
        coded = [exchanged.encode(one, self._other) for one in args]
        value = self._ask({"do": what, "args": coded, "named": exchanged.encode(named, self._other)}, args)
        if what == "call":
            self.last = [value]
        return value

    def _ask(self, question: dict[str, Any], args: tuple[Any, ...] = ()) -> Any:
        try:
            frames.write(self._channel, question)
            answer = frames.read(self._channel)
            if "error" in answer:
                error = _error(answer)
            else:
                if "args" in answer:
                    for mine, changed in zip(args, exchanged.decode(answer["args"], self._stands_for), strict=True):
                        _change(mine, changed)
                return exchanged.decode(answer["value"], self._stands_for)
        except MemoryError:
            raise
        except Exception as broken:
            self.gone = True
            raise GoneError from broken
        self.gone = self.gone or isinstance(error, GoneError)
        raise error

    def _other(self, value: Any) -> dict[str, Any]:
        if isinstance(value, Remote) and type(value) is Remote:
            return {"handle": Remote.number(value)}
        if (name := exchanged.named(value)) is not None:
            return {"standard": name}
        raise TypeError(f"a {type(value).__name__} cannot be given to a program: expected data")

    def _stands_for(self, kind: str, inner: Any) -> Any:
        if kind == "class":
            return exchanged.PLAIN[inner]
        if kind != "handle" or type(inner) is not int:
            raise ValueError(f"{kind}: expected a handle")
        return self._known.setdefault(inner, Remote(self, inner))


def _change(mine: Any, changed: Any) -> None:
    """Gives a list, dictionary or set what the program left in it."""
    if type(mine) is not type(changed):
        return
    if isinstance(mine, list | bytearray):
        mine[:] = changed
    elif isinstance(mine, dict | set):
        mine.clear()
        mine.update(changed)


def _error(answer: dict[str, Any]) -> BaseException:
    """The error that a program raised, as Python's own class of its name, or of the nearest class that it extends."""
    names, text = [str(name) for name in answer["error"]], str(answer["text"])
    if "Exception" not in names:
        return GoneError(names[0])
    for name in names:
        kind = getattr(builtins, name, None)
        if isinstance(kind, type) and issubclass(kind, Exception):
            try:
                error: Exception = kind(*exchanged.decode(answer["args"], lambda kind, inner: f"<{kind} {inner}>"))
            except Exception:  # UnicodeDecodeError and its like want arguments of their own
                error = Exception(text)
            if name != names[0]:
                error.add_note(f"{names[0]}: {text}")
            return error
    return Exception(text)
