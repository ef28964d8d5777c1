"""The process of the tests: it runs them against a program that runs elsewhere, and says what came of it."""

from __future__ import annotations

import ast
import builtins
import contextlib
import importlib
import linecache
import os
import reprlib
import socket
import sys
import traceback
from typing import Any

from jorney.domain.code.isolation import frames
from jorney.domain.code.isolation.remote import GoneError, Side

GONE = "the program exited"
MEMORY = "memory"
_TESTS = "<tests>"
_LONGEST = 200  # characters of a note


def run(channel: socket.socket, asker: socket.socket) -> None:
    """Reads what is asked, and sends the note: "" where the program passes.

    Args:
      channel: to the program's process.
      asker: to the process that asks, which the program's process does not have.
    """
    with contextlib.suppress(EOFError, OSError):
        asked = frames.read(asker)
        try:
            note = _note(asked, Side(channel))
        except MemoryError:
            note = MEMORY
        frames.write(asker, note)
    os._exit(0)


def _note(asked: dict[str, Any], side: Side) -> str:
    try:
        side.load(asked["program"])
        space = _space(asked, side)
        for part in ("setup", "tests"):
            linecache.cache[_TESTS] = (0, None, asked[part].splitlines(True), _TESTS)
            exec(compile(asked[part], _TESTS, "exec", dont_inherit=True), space)
    except GoneError:
        return GONE
    except MemoryError:
        return MEMORY
    except BaseException as error:
        return GONE if side.gone else _told(error, side)
    return GONE if side.gone else ""


def _space(asked: dict[str, Any], side: Side) -> dict[str, Any]:
    """The names that tests see: what the prompt defines beside what is asked for, and what else they use of the program.

    Python's own functions and modules are never the program's, nor are functions that the prompt wrote out.
    """
    entry: str = asked["entry_point"]
    space: dict[str, Any] = {"__name__": "tests"}
    exec(_written_out(asked["prompt"], entry), space)
    used: set[str] = set()
    for part in ("setup", "tests"):
        used.update(node.id for node in ast.walk(ast.parse(asked[part])) if isinstance(node, ast.Name))
    used = {name for name in used if name not in space and not hasattr(builtins, name)}
    modules = {name for name in used if name in sys.stdlib_module_names and name != entry}
    space.update({name: importlib.import_module(name) for name in modules})
    space.update(side.names(sorted(used - modules | ({entry} if entry else set()))))
    return space


def _written_out(prompt: str, entry: str) -> Any:
    """What a prompt holds before the function that it asks for."""
    try:
        tree = ast.parse(f"{prompt}\n    pass\n")
    except SyntaxError:
        return ""
    tree.body = [node for node in tree.body if getattr(node, "name", None) != entry]
    return compile(tree, "<prompt>", "exec", dont_inherit=True)


def _told(error: BaseException, side: Side) -> str:
    """An error in one short line; of a test that failed also the test."""
    names = [type(error).__name__, *getattr(error, "__notes__", ())]
    lines = [frame.line for frame in traceback.extract_tb(error.__traceback__) if frame.filename == _TESTS]
    told = str(error) if not isinstance(error, SyntaxError) else f"{error.msg} (line {error.lineno})"
    if isinstance(error, AssertionError) and lines:
        told = lines[-1] or told
        got = f" (got {reprlib.repr(side.last[0])})" if side.last else ""
        return f"AssertionError: {told[: _LONGEST - len(got)]}{got}"
    line = " ".join(f"{names[-1] if len(names) > 1 else names[0] + ': ' + told}".split())
    return line[:_LONGEST].strip(": ")
