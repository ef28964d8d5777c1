"""The words of a command line: options and places in any order, near misses named, help by sections."""

from __future__ import annotations

import dataclasses
import difflib
import itertools
import re
import shutil
import textwrap
import typing
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from jorney import config
from jorney.judge.llm.redaction import without_secrets

HELP = ("-h", "--help")


@dataclasses.dataclass(frozen=True)
class Option:
    """A field of a configuration, or of one inside it.

    Attributes:
      name: its dotted name, as on the command line.
      default: its value, if it is not stated.
      kind: its type.
      about: what its class says of it.
    """

    name: str
    default: Any
    kind: Any
    about: str

    @property
    def field(self) -> str:
        return self.name.replace("-", "_")

    @property
    def takes(self) -> tuple[int | None, type]:
        """How many values it takes at most, None for any number, and the type of each."""
        kinds = [one for one in typing.get_args(self.kind) or (self.kind,) if one is not type(None)]
        if typing.get_origin(self.kind) is not tuple and len(kinds) == 1:
            (kind,) = kinds  # without the None of "X | None"
            kinds = list(typing.get_args(kind)) if typing.get_origin(kind) is tuple else kinds
        return (0 if kinds == [bool] else None if Ellipsis in kinds else len(kinds)), kinds[0]

    @property
    def value(self) -> str:
        """What its value looks like."""
        words = {str: "TEXT", int: "INT", float: "FLOAT", type(None): "None", Ellipsis: "..."}
        joined = " ".join if typing.get_origin(self.kind) is tuple else "|".join
        return joined(words.get(one, str(one)) for one in typing.get_args(self.kind) or (self.kind,))


def options(default: Any, prefix: str = "") -> Iterator[Option]:
    """All options of a configuration."""
    kinds, texts = typing.get_type_hints(type(default)), _texts(type(default))
    for field in dataclasses.fields(default):
        name, value = prefix + field.name.replace("_", "-"), getattr(default, field.name)
        if dataclasses.is_dataclass(value):
            yield from options(value, name + ".")
        else:
            yield Option(name, value, kinds[field.name], texts.get(field.name, ""))


def _texts(kind: type) -> dict[str, str]:
    """What a class and those that it is made of say of their fields."""
    import docstring_parser

    found: dict[str, str] = {}
    for one in reversed(kind.__mro__):
        for entry in docstring_parser.parse(vars(one).get("__doc__") or "").params:
            for name in entry.arg_name.split(", "):
                found[name] = " ".join((entry.description or "").split())
    return found


def read(
    default: Any, words: Sequence[str], usage: str, places: Mapping[str, str], common: Sequence[str], about: str | None
) -> Any:
    """The configuration that words give; None where they ask for help, which is printed.

    Args:
      default: the configuration without words.
      places, common: see `run.command.Command`.
      about: what it does, for the help.

    Raises:
      ValueError: one line that names the option or the place, and what was expected.
    """
    split_ = split(default, words, usage)
    if any(word in HELP for word in words):
        print(help_text(default, usage, common, about or ""))
        return None
    left, given = split_.places, split_.options
    filled: dict[str, Any] = {}
    for field, word in places.items():
        stated = any(re.split("[=.]", one)[0] == f"--{field.replace('_', '-')}" for one in given)
        if stated and left:
            raise ValueError(f"{left[0]!r} and --{field.replace('_', '-')}: expected one of the two: {usage}")
        if word.strip("[]").endswith("..."):
            filled[field], left = tuple(left), []
        elif left:
            filled[field] = left.pop(0)
        if not (filled.get(field) or getattr(default, field) or stated or word.startswith("[")):
            raise ValueError(f"{word.removesuffix('...')} is missing: expected {usage}")
    if left:
        raise ValueError(f"{left[0]!r} is one word too many: expected {usage}")
    default = dataclasses.replace(default, **{name: value for name, value in filled.items() if value})
    return config.override(default, given, command_of(usage))


class Split(NamedTuple):
    """Words, told apart: those that belong to no option, and the options with their values."""

    places: list[str]
    options: list[str]


def split(default: Any, words: Sequence[str], usage: str, strict: bool = True) -> Split:
    """Tells words apart. A list takes all words up to the next option; one of numbers, all that are numbers.

    Args:
      strict: whether an option must be known; else an unknown one takes a word.

    Raises:
      ValueError: an option is unknown; names those that are near.
    """
    known = {option.name: option for option in options(default)}
    found = Split([], [])
    rest = [word for word in words if word not in HELP]
    while rest:
        word = rest.pop(0)
        if not word.startswith("-"):
            found.places.append(word)
            continue
        name, equals, _ = word.removeprefix("--").replace("_", "-").partition("=")
        option = known.get(name) or known.get(re.sub(r"(^|\.)no-", r"\1", name))
        if strict and (option is None or not word.startswith("--")):
            shown = f"{word.partition('=')[0]}{near(name, known, '--')}"
            raise ValueError(f"unknown option {shown} ({command_of(usage)} --help lists all)")
        most, kind = option.takes if option else (1, str)
        found.options.append(word)
        count = 0 if equals else len(rest) if most is None else most
        while rest and count and not rest[0].startswith("--") and (most is not None or _is(rest[0], kind)):
            found.options.append(rest.pop(0))
            count -= 1
    return found


def of_either(default: Any, words: Sequence[str]) -> tuple[list[str], list[str]]:
    """Words of this configuration, places among them; and the options that it does not know, with the value of each."""
    known = {option.name for option in options(default)}
    found = split(default, words, "", strict=False)
    own, others = [*found.places, *(word for word in words if word in HELP)], list[str]()
    into = own
    for word in found.options:
        if word.startswith("--"):
            name = re.sub(r"(^|\.)no-", r"\1", word.removeprefix("--").replace("_", "-").partition("=")[0])
            into = own if name in known else others
        into.append(word)
    return own, others


def _is(word: str, kind: type) -> bool:
    try:
        kind(word)
    except ValueError:
        return False
    return True


# What other programs call an option.
_ELSEWHERE = {
    "lr": ".learning-rate",
    "learning-rate": ".learning-rate",
    "batch-size": ".batch-rows",
    "per-device-train-batch-size": ".batch-rows",
    "num-train-epochs": ".epochs",
    "max-length": ".row-length",
    "max-seq-length": ".row-length",
    "gradient-accumulation-steps": ".accumulate",
    "lora-r": ".lora.rank",
    "lora-alpha": ".lora.alpha",
    "max-new-tokens": ".max-tokens",
    "model-name-or-path": "model",
    "output-dir": "output",
}


def near(name: str, known: Iterable[str], before: str = "") -> str:
    """What might have been meant, as the end of a message."""

    def likeness(one: str) -> float:
        ends = name.split(".")[-1], one.split(".")[-1]  # a word may be right, but for where it belongs
        whole, last = (difflib.SequenceMatcher(None, *pair).ratio() for pair in ((name, one), ends))
        return max(whole, 0.99 * last)

    known = list(known)
    name = next((one for one in known if one.endswith(_ELSEWHERE.get(name, "\0"))), name)
    if inside := [before + one for one in known if one.startswith(name + ".")]:
        return f": it has several: {', '.join(inside[:3])}, ..."
    likely = sorted(((likeness(one), one) for one in known), reverse=True)[:3]
    found = [before + one for share, one in likely if share >= max(0.7, likely[0][0] - 0.1)]
    return f": did you mean {' or '.join(found)}?" if found else ""


def command_of(usage: str) -> str:
    """The words of a usage that are the command itself."""
    return " ".join(itertools.takewhile(lambda word: not re.match(r"[A-Z\[]", word), usage.split()))


def help_text(default: Any, usage: str, common: Sequence[str], about: str) -> str:
    """What --help prints: the options that people change first, then all others, by the configuration that they belong to."""
    about = " ".join(about.split("\n\n")[0].split())
    width = max(48, min(100, shutil.get_terminal_size().columns))
    all_ = list(options(default))
    first = [option for name in common for option in all_ if option.name == name]
    sections = {"options": first or [option for option in all_ if "." not in option.name]}
    for option in all_:
        if option not in sections["options"]:
            group = option.name.rpartition(".")[0]
            sections.setdefault(f"{group} options" if group else "more options", []).append(option)
    lines = [f"usage: {usage}", "", *textwrap.wrap(about, width)]
    for title, members in sections.items():
        lines += ["", f"{title}:", *(line for option in members for line in _described(option, width))]
    more = "--config FILE.yaml (or .py) reads options from a file, --save-config FILE.yaml writes those of this call."
    return "\n".join([*lines, "", *textwrap.wrap(more, width)])


def _described(option: Option, width: int) -> Iterator[str]:
    before, dot, last = option.name.rpartition(".")
    head = f"  --{option.name} " + (f"--{before}{dot}no-{last}" if option.kind is bool else option.value)
    default = " ".join(map(str, option.default)) if isinstance(option.default, tuple) else str(option.default)
    default = without_secrets(default)
    about = f"{option.about.rstrip('.')} (default: {default})" if default else option.about
    lines = textwrap.wrap(about.strip(), width - 26) or [""]
    yield f"{head:25} {lines.pop(0)}" if len(head) < 26 else head
    yield from (" " * 26 + line for line in lines)
