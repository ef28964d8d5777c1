"""Configurations: frozen dataclasses, read from Python files, overridden on the command line, hashed. Names no stage."""

from __future__ import annotations

import contextlib
import dataclasses
import difflib
import hashlib
import io
import json
import os
import re
import runpy
import sys
import types
from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

T = TypeVar("T")
_MODULE = "jorney_config"  # the module that a configuration file is
# Modules that configuration files of version 0.1 import -> where their names are.
_MOVED = {
    "jorney.pipeline": "jorney.run.recipes.journey",
    "jorney.stages": "jorney.run.commands (SftCommand and DpoCommand in learn, others in command, rate, reward and thoughts)",
    "jorney.study": "jorney.run.recipes.experiment",
    "jorney.evaluate": "jorney.solve (EvaluateConfig in evaluate)",
    "jorney.data": "jorney.domain.countdown.sets (Countdown), jorney.domain.problem and jorney.text.step_format",
    "jorney.sample": "jorney.engine",
    "jorney.llm": "jorney.judge.llm",
    "jorney.judge.llm": "jorney.judge.llm_judge",
    "jorney.train.sft": "jorney.train.objectives.sft",
    "jorney.train.dpo": "jorney.train.objectives.dpo",
    "jorney.train.prm": "jorney.train.objectives.prm",
}


def to_json(value: Any) -> str:
    """Dataclasses, dicts, lists and plain values as JSON, equal for equal content."""

    def plain(item: Any) -> Any:
        if dataclasses.is_dataclass(item) and not isinstance(item, type):
            return dataclasses.asdict(item)
        raise TypeError(f"{item!r} cannot be hashed")

    return json.dumps(value, sort_keys=True, default=plain, ensure_ascii=False)


def digest(value: Any, length: int = 12) -> str:
    """A hash of what `to_json` takes, by content."""
    return hashlib.blake2b(to_json(value).encode(), digest_size=16).hexdigest()[:length]


def expect_at_least(least: int, config: Any, name: str, *fields: str) -> None:
    """Raises ValueError where a field is less; it is called as on the command line, `name` being the configuration's own."""
    for field in fields:
        if (value := getattr(config, field)) < least:
            raise ValueError(f"{name + '.' if name else ''}{field} = {value}: expected {least} or more")


def read(file: str, kind: type[T] | tuple[type[Any], ...]) -> T:
    """The configuration that the function `config()` of a Python file returns, of one of these kinds.

    Raises:
      FileNotFoundError, ValueError: name the file and what was expected.
    """
    if not os.path.exists(file):
        raise FileNotFoundError(f"{file}: no such file: expected a Python file with a function config()")
    if not file.endswith(".py") or not os.path.isfile(file):
        raise ValueError(f"{file}: expected a Python file (.py) with a function config()")
    try:
        # Not imported: bytecode kept beside the file would be taken for a file of the same size edited within a second.
        held = runpy.run_path(file, run_name=_MODULE)
    except (SyntaxError, TypeError, ValueError, NameError, ImportError, AttributeError) as error:
        gone = error.name if isinstance(error, ImportError) else None
        moved = f": {gone} has moved: import from {_MOVED[gone]}" if gone in _MOVED else ""
        raise ValueError(f"{file}: {type(error).__name__}: {_one_line(str(error))}{moved}") from None
    # Where the names are looked up that classes of the file are annotated with.
    sys.modules[_MODULE] = types.ModuleType(_MODULE)
    vars(sys.modules[_MODULE]).update(held)
    make = held.get("config")
    expected = " or a ".join(one.__name__ for one in (kind if isinstance(kind, tuple) else (kind,)))
    if not callable(make):
        raise ValueError(f"{file}: expected a function config() that returns a {expected}")
    try:
        made = make()
    except (TypeError, ValueError) as error:  # an unknown field or a value that a field refuses, most often
        raise ValueError(f"{file}: config(): {_one_line(str(error))}") from None
    if not isinstance(made, kind):
        raise ValueError(f"{file}: config() returned a {type(made).__name__}: expected a {expected}")
    return made


def override(default: T, arguments: Sequence[str], prog: str, description: str = "") -> T:
    """`default` with fields replaced from command-line arguments (`--sft.optimizer.learning-rate 1e-4`).

    Raises:
      ValueError: one line that names the field and what was expected.
      SystemExit: --help was asked for.
    """
    import tyro

    known = list(field_names(default))
    for argument in arguments:
        name = argument.split("=")[0].removeprefix("--").replace("-", "_")
        # tyro spells the negation of a flag --no-NAME.
        if argument.startswith("--") and name not in (*known, "help") and re.sub(r"(^|\.)no_", r"\1", name) not in known:
            near = difflib.get_close_matches(name, known, n=3, cutoff=0.4) or known[:3]
            raise ValueError(f"unknown field --{name}: expected one of {', '.join(near)} … ({prog} --help lists all)")
    with _one_line_errors():
        return tyro.cli(type(default), default=default, args=list(arguments), prog=prog, description=description)


@contextlib.contextmanager
def _one_line_errors() -> Iterator[None]:
    """Turns tyro's boxed error into a ValueError of one line."""
    captured = io.StringIO()
    try:
        with contextlib.redirect_stderr(captured):
            yield
    except SystemExit as stop:
        if stop.code in (0, None):
            raise
        text = re.sub(r"\x1b\[[0-9;]*m", "", captured.getvalue())
        # A title, what is wrong, the field's help, a pointer to --help; between them rules, of dashes where UTF-8 is not sure.
        rule = re.compile(r"^(?:[╭╰]|[│ ]*[─-]{3}).*$", re.MULTILINE)
        parts = [_one_line(part.replace("│", " ")) for part in rule.split(text)]
        wrong, *hints = [part for part in parts[1:] if part] or parts
        raise ValueError(f"{wrong} ({'; '.join(hints)})" if hints else wrong) from None
    finally:
        if sys.exc_info()[0] is None:
            sys.stderr.write(captured.getvalue())


def _one_line(text: str) -> str:
    return " ".join(text.split())


def field_names(value: Any, prefix: str = "") -> Iterator[str]:
    """Dotted names of all values in a dataclass and in those inside it."""
    for field in dataclasses.fields(value):
        inner = getattr(value, field.name)
        if dataclasses.is_dataclass(inner):
            yield from field_names(inner, f"{prefix}{field.name}.")
        else:
            yield prefix + field.name
