"""Configurations as YAML: a command's options, nested or dotted, as `--config FILE.yaml` reads and `--save-config` writes."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import yaml

from jorney import storage
from jorney.config import GIVES_WAY
from jorney.judge.llm.redaction import without_secrets
from jorney.run.options import Option, near, options

ENDS = (".yaml", ".yml")


def words_of(file: str, default: Any) -> list[str]:
    """The words of a command line that say what a file does: they go before those that a user writes, which win.

    Args:
      default: the configuration without options.

    Raises:
      FileNotFoundError, ValueError: name the file and the field, and what was expected.
    """
    where = storage.path(file)
    if not where.exists():
        raise FileNotFoundError(f"{file}: no such file: expected a YAML file of options")
    try:
        found = yaml.safe_load(where.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ValueError(f"{file}: {' '.join(str(error).split()):.300}") from None
    if found is None:
        return []
    if not isinstance(found, dict):
        raise ValueError(f"{file}: expected options, a name and a value on each line, got a {type(found).__name__}")
    known = {option.name: option for option in options(default)}
    return [word for name, value in _flat(found) for word in _words(file, name, value, known)]


def _flat(found: Mapping[Any, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in found.items():
        dotted = f"{before}{name}".replace("_", "-")
        if isinstance(value, dict) and value:
            yield from _flat(value, dotted + ".")
        else:
            yield dotted, value


def _words(file: str, name: str, value: Any, known: Mapping[str, Option]) -> list[str]:
    if name not in known:
        raise ValueError(f"{file}: unknown option {name!r}{near(name, known)}")
    if isinstance(value, bool) and known[name].takes[1] is bool:
        before, dot, last = name.rpartition(".")
        return [f"--{name}" if value else f"--{before}{dot}no-{last}"]
    if isinstance(value, bool):  # YAML's word for what was written as yes or no
        value = "yes" if value else "no"
    values: Sequence[Any] = value if isinstance(value, list) else [value]
    return [f"--{name}", *("None" if one is None else str(one) for one in values)]


def save(chosen: Any, file: str) -> None:
    """Writes all fields of a configuration, so that `--config` makes it again; keys in addresses are left out."""
    if not file.endswith(ENDS):
        raise ValueError(f"--save-config {file}: expected a name that ends in .yaml")

    def plain(value: Any) -> Any:
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            held = ((field.name, getattr(value, field.name)) for field in dataclasses.fields(value))
            # What gives way to a model or a benchmark is not stated: it would be refused where it does not fit.
            return {name: plain(one) for name, one in held if not isinstance(one, GIVES_WAY)}
        if isinstance(value, tuple | list):
            return [plain(one) for one in value]
        return without_secrets(value) if isinstance(value, str) else value

    text = yaml.safe_dump(plain(chosen), sort_keys=False, allow_unicode=True)
    storage.write_text(os.path.abspath(file) if "://" not in file else file, text)
