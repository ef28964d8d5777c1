"""training.json: what a training was started with, beside its checkpoints."""

from __future__ import annotations

import importlib.metadata
import json
import os
import subprocess
import time
from collections.abc import Iterator, Mapping
from typing import Any

from jorney import __version__, config, distributed, storage

NAME = "training.json"


def begin(folder: storage.PathLike, decides: Mapping[str, Any], notes: Mapping[str, Any]) -> float:
    """Writes the file at a training's first start; afterwards holds it against what the training is called with now.

    Args:
      decides: all that the result depends on.
      notes: what is recorded only.

    Returns:
      When the training was first started, in seconds since 1970.

    Raises:
      ValueError: a field that decides had another value; names it.
    """
    return distributed.from_main(lambda: _begin(storage.path(folder) / NAME, decides, notes), "training.json")


def _begin(file: storage.Path, decides: Mapping[str, Any], notes: Mapping[str, Any]) -> float:
    now = json.loads(config.to_json(decides))
    if not file.exists():
        started = time.time()
        about = {"jorney": __version__, "git": revision(), "versions": versions()}
        storage.write_json(file, {"started": started, "decides": now, **json.loads(config.to_json(notes)), **about})
        return started
    found = storage.read_json(file)
    before, after = dict(_flat(found["decides"])), dict(_flat(now))
    if changed := [name for name in {**before, **after} if before.get(name) != after.get(name)]:
        listed = "; ".join(f"{name} was {before.get(name)!r}, is {after.get(name)!r}" for name in changed)
        raise ValueError(
            f"{file}: the training in this folder was started otherwise: {listed}: expected the same, or another folder"
        )
    return found["started"]


def _flat(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in tree.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value


def revision() -> str | None:
    """The commit of the source that runs, "+changes" where files differ from it; None where it is no checkout."""
    here = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))  # the package

    def git(*arguments: str) -> str:
        return subprocess.run(["git", "-C", here, *arguments], capture_output=True, text=True, check=True, timeout=10).stdout

    try:
        if not git("ls-files", __file__):  # a checkout of something else, around an installed package
            return None
        return git("rev-parse", "HEAD").strip() + ("+changes" if git("status", "--porcelain", here).strip() else "")
    except (OSError, subprocess.SubprocessError):
        return None


def versions() -> dict[str, str]:
    """Of the libraries that decide what is computed."""
    names = ("jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "grain", "numpy", "transformers")
    return {name: importlib.metadata.version(name) for name in names}
