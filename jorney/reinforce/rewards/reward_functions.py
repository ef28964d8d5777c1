"""Rewards that a user wrote: any Python function, called as TRL calls its reward functions."""

from __future__ import annotations

import contextlib
import difflib
import importlib
import math
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from jorney.reinforce.episode import Episode

# Of keyword arguments, one list each: a number for each completion, or None where it does not apply.
RewardFunction = Callable[..., Sequence[float | None]]
_SHOWN = 300  # characters of an error's text


class _Fault(Exception):
    """What is wrong with what a function did, and with which completion, where that is known."""

    def __init__(self, what: str, index: int | None = None) -> None:
        super().__init__(what)
        self.what, self.index = what, index


def load_function(name: str) -> RewardFunction:
    """The function that a name ("package.module:function") stands for.

    Its module is imported, from the working directory too. That may run any code and take long: it is done once, before
    anything is sampled.

    Raises:
      ValueError: there is no such module or function, it cannot be imported, or it cannot be called; names it.
    """
    module_name, _, path = name.partition(":")
    found: Any = _module(module_name, f"rewards: {name!r}")
    for part in path.split("."):
        if not hasattr(found, part):
            near = difflib.get_close_matches(part, [one for one in dir(found) if callable(getattr(found, one, None))])
            hint = f": did you mean {' or '.join(map(repr, near))}?" if near else ""
            raise ValueError(f"rewards: {name!r}: there is no {part!r} in {module_name}: expected a function of it{hint}")
        found = getattr(found, part)
    if not callable(found):
        raise ValueError(f"rewards: {name!r}: it is of type {type(found).__name__}: expected a function")
    return found


def _module(name: str, place: str) -> Any:
    here = os.getcwd()
    importlib.invalidate_caches()
    sys.path.insert(0, here)  # its own modules go first, as for `python -m`
    try:
        return importlib.import_module(name)
    except (Exception, SystemExit) as error:
        raise ValueError(
            f"{place}: module {name!r} cannot be imported ({_one_line(error)}): expected one that is installed, or in the "
            f"working directory {here}"
        ) from None
    finally:
        sys.path.remove(here)
        if here not in sys.path:  # what the function imports later
            sys.path.append(here)


def call(name: str, function: RewardFunction, episodes: Sequence[Episode]) -> list[float]:
    """What a function gives each completion; 0 where it gives None.

    It is called with keyword arguments, one list each: prompts, completions (texts), completion_ids, question, answer, id, and
    every field of `Problem.meta` that all problems have.

    Raises:
      ValueError: it raises, or gives another number of values, or what is no finite number. One line that names the function
        and the completion, which is found by calling it again on single ones.
    """
    if not episodes:
        return []
    try:
        return _values(function, episodes)
    except _Fault as fault:
        what, index = fault.what, fault.index
    if index is None:
        for place, episode in enumerate(episodes):
            try:
                _values(function, [episode])
            except _Fault as fault:
                what, index = fault.what, place
                break
    where = f"{len(episodes)} completions together, none of them alone" if index is None else episodes[index].name
    raise ValueError(f"reward {name!r}: {where}: {what}")


def fields(episodes: Sequence[Episode]) -> dict[str, list[Any]]:
    """The keyword arguments of a reward function."""
    metas = [one.problem.meta for one in episodes]
    shared = [key for key in metas[0] if all(key in meta for meta in metas)] if metas else []
    return {
        **{key: [meta[key] for meta in metas] for key in shared},
        "question": [one.problem.question for one in episodes],
        "answer": [one.problem.answer for one in episodes],
        "id": [one.problem.id for one in episodes],
        "prompts": [one.prompt for one in episodes],
        "completions": [one.text for one in episodes],
        "completion_ids": [list(one.tokens) for one in episodes],
    }


def _values(function: RewardFunction, episodes: Sequence[Episode]) -> list[float]:
    try:
        given = function(**fields(episodes))
    except (Exception, SystemExit) as error:
        raise _Fault(f"it raised {_one_line(error)}") from None
    if isinstance(given, str | bytes | Mapping) or not hasattr(given, "__len__") or not hasattr(given, "__iter__"):
        raise _Fault(f"it returned a {type(given).__name__}: expected a list of {len(episodes)} numbers")
    try:
        own = list(given)
    except TypeError:  # a number that is an array
        raise _Fault(f"it returned a {type(given).__name__}: expected a list of {len(episodes)} numbers") from None
    if len(own) != len(episodes):
        raise _Fault(f"it returned {len(own)} values: expected {len(episodes)}, one for each completion")
    return [_number(value, index) for index, value in enumerate(own)]


def _number(value: Any, index: int) -> float:
    if value is None:  # it does not apply
        return 0.0
    found = None
    with contextlib.suppress(Exception):  # whatever a class of the user's may raise
        found = None if isinstance(value, str | bytes) else float(value)
    if found is None or not math.isfinite(found):
        shown = f"{value!r:.80}" if isinstance(value, str | bytes) else f"a {type(value).__name__}" if found is None else found
        raise _Fault(f"it returned {shown}: expected a finite number, or None where it does not apply", index)
    return found


def _one_line(error: BaseException) -> str:
    """An error's type and text."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text:.{_SHOWN}}" if text else type(error).__name__
