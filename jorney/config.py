"""Configurations: frozen dataclasses, read from Python files, overridden on the command line, hashed. Names no stage."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import io
import json
import math
import numbers
import os
import re
import runpy
import signal
import sys
import threading
import traceback
import types
import typing
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any, NoReturn, TypeVar

T = TypeVar("T")
_MODULE = "jorney_config"  # the module that a configuration file is
_SECONDS = 120  # that its code may take: importing jax takes some
# The most that a field of numbers may be, by what its name ends with, where its class states nothing else: what is more is no
# setting but a slip, and would be told by no field, but by whatever it overflows first.
_MOST = {
    "rate": 10**36,  # whose weights are ruined is told by step and batch
    "seed": 2**32 - 1,
    "temperature": 100,
    "tokens": 10_000_000,  # more than any model holds
    "length": 10_000_000,
    "prompt": 10_000_000,
    "completion": 10_000_000,
    "chunk": 1_000_000,
    **dict.fromkeys(("rows", "pairs", "w", "n", "width", "keep", "depth", "samples", "attempts", "solutions"), 100_000),
    **dict.fromkeys(("completions", "trials", "concurrent"), 100_000),
    "seconds": 86_400,
    "bytes": 2**50,
    "memory": 2**50,
}
_MOST_WHOLE, _MOST_BROKEN = 2**31 - 1, 10**12
# Modules that configuration files of version 0.1 import -> where their names are.
_MOVED = {
    "jorney.pipeline": "jorney.run.recipes.journey",
    "jorney.stages": "jorney.run.stages (SftCommand in fine_tuning, DpoCommand in preferences, ...)",
    **dict.fromkeys(
        ("jorney.run.commands.rate", "jorney.run.commands.reward", "jorney.run.stages.judging", "jorney.run.stages.judged"),
        "jorney.run.stages.judges (and RefineCommand in jorney.run.stages.refinement)",
    ),
    "jorney.run.commands.thoughts": "jorney.run.stages.thoughts",
    "jorney.run.stages.trees": "jorney.run.stages (plan_trees in expansion, plan_thoughts in derivation)",
    "jorney.run.stages.evaluations": "jorney.run.stages.evaluation",
    "jorney.run.stages.searches": "jorney.run.stages.searching",
    "jorney.run.stages.finetune": "jorney.run.stages.fine_tuning",
    "jorney.run.stages.preference": "jorney.run.stages.preferences",
    "jorney.run.stages.rewards": "jorney.run.stages.judges",
    "jorney.run.commands.learn": "jorney.run.stages (SftCommand in fine_tuning, DpoCommand in preferences)",
    "jorney.run.commands.command": "jorney.run.stages (ExpandCommand in expansion, EvaluateCommand in evaluation, ...)",
    "jorney.study": "jorney.run.recipes.experiment",
    "jorney.evaluate": "jorney.solve (EvaluateConfig in evaluate)",
    "jorney.data": "jorney.domain.countdown.sets (Countdown), jorney.domain.problem and jorney.text.step_format",
    "jorney.sample": "jorney.engine",
    "jorney.llm": "jorney.judge.llm",
    "jorney.judge.llm": "jorney.judge.llm_judge",
    "jorney.thought.analyse": "jorney.thought.care.analyse",
    "jorney.thought.augment": "jorney.thought.asked.augment",
    "jorney.thought.dedupe": "jorney.thought.care.dedupe",
    "jorney.thought.diversity": "jorney.thought.care.diversity",
    "jorney.thought.mix": "jorney.thought.care.mix",
    "jorney.thought.propose_critique": "jorney.thought.asked.dialogue",
    "jorney.thought.rewrite": "jorney.thought.asked.rewrite",
    "jorney.model.config": "jorney.model.architecture",
    "jorney.bench": "jorney.machine.bench",
    "jorney.plan": "jorney.machine.plan",
    "jorney.judge.prm": "jorney.judge.reward_model",
    "jorney.judge.verifier": "jorney.judge.exact",
    "jorney.answers": "jorney.domain.answers",
    "jorney.tree.exchange": "jorney.rows",
    "jorney.train.sft": "jorney.train.objectives.sft",
    "jorney.train.dpo": "jorney.train.objectives.dpo",
    "jorney.train.prm": "jorney.train.objectives.prm",
}


class AtMost(int):
    """A default that gives way: where nobody states the field, it is no more than what the chosen model holds.

    What a user states is a plain number, and is refused where it does not fit.
    """


class Usual(float):
    """A default that gives way to what a benchmark's protocol has; what a user states is a plain number."""


class UsualCount(int):
    """The same of a whole number."""


GIVES_WAY = (AtMost, Usual, UsualCount)  # what nobody has stated, as long as a field holds one


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


def expect(holds: Callable[[Any], bool], expected: str, config: Any, name: str, *fields: str) -> None:
    """Raises ValueError where a field's value does not hold.

    Args:
      expected: what it should have been, in words.
      name: of the configuration, as on the command line; "" for a command's own fields.
    """
    for field in fields:
        if not holds(value := getattr(config, field)):
            raise ValueError(f"{name + '.' if name else ''}{field} = {_shown(value)}: expected {expected}")


def _shown(value: Any) -> str:
    """A value for a message: no longer than a line, and where it cannot be shown, what it is."""
    try:
        return f"{value!r:.200}"
    except Exception:  # of 5,000 digits, for which Python has no text, or of a class of the file's own
        return f"a {type(value).__name__}"


def expect_one_of(allowed: Collection[str], config: Any, name: str, *fields: str) -> None:
    """Raises ValueError, as `expect` does, where a field is none of the values that there are."""
    expect(lambda value: value in allowed, f"one of {', '.join(allowed)}", config, name, *fields)


def expect_number(
    config: Any,
    name: str,
    *fields: str,
    least: float | None = None,
    above: float = 0,
    most: float | None = None,
    none: str = "",
) -> None:
    """Raises ValueError, as `expect` does, where a field is no finite number of a range; one of whole numbers takes no others.

    Args:
      least, above, most: the range: from the least, or else above a number, and no more than the most, or than fields of such a
        name may be.
      none: where a field may be None, how that is told: "None for all".
    """
    if least is None:
        expected = f"a number above {above}" if most is None else f"above {above}, {most} at most"
    else:
        expected = f"{least} or more" if most is None else f"{least} or more, {most} at most"
    expected += f", or {none}" if none else ""

    def in_range(value: Any) -> bool:
        return _finite(value) and (value > above if least is None else value >= least) and (most is None or value <= most)

    for field in fields:
        kind = next(str(one.type) for one in dataclasses.fields(config) if one.name == field)
        whole, several = kind.removeprefix("tuple[").startswith("int"), kind.startswith("tuple[")
        limit = _MOST.get(field.rpartition("_")[2], _MOST_WHOLE if whole else _MOST_BROKEN)
        checks: list[tuple[Callable[[Any], bool], str]] = [(in_range, expected)]
        if whole:
            checks.append((lambda value: isinstance(value, numbers.Integral), "a whole number"))
        if most is None:
            checks.append((lambda value, limit=limit: value <= limit, f"{limit} at most"))  # type: ignore[misc]
        for holds, what in checks:
            _expect_each(holds, what, config, name, field, several, bool(none))


def _expect_each(
    holds: Callable[[Any], bool], expected: str, config: Any, name: str, field: str, several: bool, none: bool
) -> None:
    """As `expect`, of a field that is a value, a tuple of values, or may be None."""

    def all_hold(value: Any) -> bool:
        if several:
            return isinstance(value, tuple | list) and all(map(holds, value))
        return none if value is None else holds(value)

    expect(all_hold, expected, config, name, field)


def _finite(value: Any) -> bool:
    return isinstance(value, numbers.Real) and not isinstance(value, bool) and value not in (math.inf, -math.inf)


def expect_at_least(least: int, config: Any, name: str, *fields: str, none: str = "") -> None:
    """Raises ValueError, as `expect_number` does, where a field is less."""
    expect_number(config, name, *fields, least=least, none=none)


def expect_above(least: int, config: Any, name: str, *fields: str) -> None:
    """Raises ValueError, as `expect_number` does, where a field is not a number above the least."""
    expect_number(config, name, *fields, above=least)


def expect_seed(config: Any, name: str, field: str = "seed") -> None:
    """Raises ValueError, as `expect_number` does, where a field is no seed (or several)."""
    expect_number(config, name, field, least=0)


def expect_share(config: Any, name: str, *fields: str) -> None:
    """Raises ValueError, as `expect_number` does, where a field is not above 0, and 1 at most."""
    expect_number(config, name, *fields, most=1)


def read(file: str, kind: type[T] | tuple[type[Any], ...]) -> T:
    """The configuration that the function `config()` of a Python file returns, of one of these kinds.

    Raises:
      FileNotFoundError, ValueError: name the file and what was expected.
    """
    if not os.path.exists(file):
        raise FileNotFoundError(f"{file}: no such file: expected a Python file with a function config()")
    if not file.endswith(".py") or not os.path.isfile(file):
        hint = f"; options in YAML go behind --config: --config {file}" if file.endswith((".yaml", ".yml")) else ""
        raise ValueError(f"{file}: expected a Python file (.py) with a function config(){hint}")
    with _told_of(file):
        # Not imported: bytecode kept beside the file would be taken for a file of the same size edited within a second.
        held = runpy.run_path(file, run_name=_MODULE)
    # Where the names are looked up that classes of the file are annotated with.
    sys.modules[_MODULE] = types.ModuleType(_MODULE)
    vars(sys.modules[_MODULE]).update(held)
    make = held.get("config")
    expected = " or a ".join(one.__name__ for one in (kind if isinstance(kind, tuple) else (kind,)))
    if not callable(make):
        raise ValueError(f"{file}: expected a function config() that returns a {expected}")
    with _told_of(file, "config(): "):
        made = make()
    if isinstance(made, types.CoroutineType):
        made.close()  # else Python complains that nobody awaited it
    if not isinstance(made, kind):
        raise ValueError(f"{file}: config() returned a {type(made).__name__}: expected a {expected}")
    try:
        expect_kinds(made)
    except ValueError as error:
        raise ValueError(f"{file}: {error}") from None
    return made


def expect_kinds(config: Any, prefix: str = "") -> None:
    """Raises ValueError, as `expect` does, where a field at any depth is of another kind than its class says.

    Numbers have their own checks. A text is one that files and their names can hold.
    """
    kinds = typing.get_type_hints(type(config))
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        if not _is_of(value, kinds[field.name]):
            what = getattr(kinds[field.name], "__name__", str(kinds[field.name]))
            expected = {"str": "text in Unicode", "bool": "True or False", "tuple": "several, in a tuple"}.get(
                what, f"{what}(...)"
            )
            raise ValueError(f"{prefix}{field.name} = {_shown(value)}: expected {expected}")
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            expect_kinds(value, f"{prefix}{field.name}.")


def _is_of(value: Any, kind: Any) -> bool:
    inner = typing.get_args(kind)
    if isinstance(kind, types.UnionType):
        return any(_is_of(value, one) for one in inner)
    if typing.get_origin(kind) is tuple:
        return isinstance(value, tuple | list) and all(_is_of(one, inner[0]) for one in value)
    if kind is str:
        return isinstance(value, str) and not re.search("[\0\ud800-\udfff]", value)
    return kind in (int, float) or not isinstance(kind, type) or isinstance(value, kind)


@contextlib.contextmanager
def _told_of(file: str, place: str = "") -> Iterator[None]:
    """Whatever the code of a configuration file raises, or does instead of coming to an end, as a ValueError of one line."""
    try:
        with within(_SECONDS), _heard():
            yield
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        gone = error.name if isinstance(error, ImportError) else None
        moved = f": {gone} has moved: import from {_MOVED[gone]}" if gone in _MOVED else ""
        kind, text = type(error).__name__, _one_line(_text_of(error))
        if isinstance(error, SystemExit):
            text = f"it ends the program ({text}): expected it to go on"
        told = f"{kind}: {text}" if text else kind
        lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == file]
        line = f" (line {lines[-1]})" if lines else ""
        if place and isinstance(error, TypeError | ValueError):  # an unknown field or a value that a field refuses, most often
            told, line = text, ""
        raise ValueError(f"{file}: {place}{told:.1000}{line}{moved}") from error


def _text_of(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # of a class of the file's own
        return "its text cannot be shown"


@contextlib.contextmanager
def _heard() -> Iterator[None]:
    """Makes a SystemExit of os._exit, which would end the program without a word; not in processes that the code forks."""
    leave, own = os._exit, os.getpid()

    def heard(status: int) -> NoReturn:
        if os.getpid() == own:
            raise SystemExit(status)
        leave(status)

    os._exit = heard
    try:
        yield
    finally:
        os._exit = leave


@contextlib.contextmanager
def within(seconds: int) -> Iterator[None]:
    """Raises TimeoutError in what takes longer. Where there are no alarms, and in other threads, it may take any time."""
    if not hasattr(signal, "SIGALRM") or threading.current_thread() is not threading.main_thread():
        yield
        return

    over = TimeoutError(f"it takes longer than {seconds} s: expected what returns at once")
    raised = False

    def stop(*_: object) -> None:
        nonlocal raised
        raised = True
        raise over

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(seconds)
    try:
        yield
    except Exception:
        if raised:  # what was stopped may fail at handling that
            raise over from None
        raise
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def override(default: T, arguments: Sequence[str], prog: str = "") -> T:
    """`default` with fields replaced from command-line arguments (`--sft.optimizer.learning-rate 1e-4`).

    Raises:
      ValueError: one line that names the field and what was expected.
    """
    import tyro

    with _one_line_errors():
        made = tyro.cli(type(default), default=default, args=list(arguments), prog=prog)
    expect_kinds(made)
    return made


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
