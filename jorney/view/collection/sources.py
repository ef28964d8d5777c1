"""What lies at paths: collections of rows that belong together, and trainings. Folders of runs are known by their layout."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import os
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from jorney import storage
from jorney.show.analysis import labels
from jorney.view.collection import lines

LINES = (".jsonl", ".ndjson")
OTHERS = (
    ".json",
    ".csv",
    ".tsv",
    ".parquet",
    *(f"{end}{zipped}" for end in (*LINES, ".json", ".csv", ".tsv") for zipped in (".gz", ".bz2", ".xz", ".zst")),
)
_STAGES, _PARTS, _MANIFEST, _METRICS = "stages", "parts", "manifest.json", "metrics"
_NO_ROWS = ("checkpoints", "tensorboard", "model", "models", "rounds", "rewards", ".git", "__pycache__", "cache")
_EXPECTED = "expected a run's folder, or a file of rows (.jsonl, .json, .csv, .parquet; .gz and others of text)"


@dataclasses.dataclass(frozen=True)
class Collection:
    """Rows that belong together.

    Attributes:
      name: short, unlike all others.
      place: a file; or a folder, whose files of lines are the collection's, in the order of their names, `nested` ones too.
      nested: whether its files lie in folders of it, whose names begin with a round's number.
      rewards: a folder of the same layout, whose rows are joined with these by id and sample; "" for none.
    """

    name: str
    place: str
    nested: bool = False
    rewards: str = ""

    def files(self, closed: list[str] | None = None) -> list[str]:
        """Its files as they are now.

        Args:
          closed: folders that cannot be looked into are added to it, each with what is wrong.
        """
        where = storage.follow(self.place)
        if not where.is_dir():
            return [os.fspath(where)]
        noted = [] if closed is None else closed
        folders = [where]
        if self.nested:
            folders = []
            with _noting(noted):
                folders = sorted(where.iterdir(), key=os.fspath)
        return [os.fspath(one) for folder in folders for one in _lines_in(folder, noted)]


class Course(NamedTuple):
    """A training's record of itself."""

    name: str
    folder: str


class Found(NamedTuple):
    """What lies at paths.

    Attributes:
      gone: paths that hold nothing to show, each with what was expected.
      closed: folders that cannot be looked into, each with what is wrong.
    """

    collections: list[Collection]
    courses: list[Course]
    gone: tuple[str, ...] = ()
    closed: tuple[str, ...] = ()

    def collection(self, name: str) -> Collection | None:
        return next((one for one in self.collections if one.name == name), None)


def find(paths: Sequence[str], everything: bool = False, lenient: bool = False) -> Found:
    """What lies at paths.

    Args:
      paths: files, and folders that are searched; local or gs://.
      everything: finished stages, too, that no name of their run leads to any more.
      lenient: paths that hold nothing are named, and are no error: a page that is open goes on without them.

    Raises:
      FileNotFoundError, ValueError: there is nothing, or nothing that can be shown; names the path and says what was expected.
    """
    if not paths:
        raise ValueError(f"PATH...: {_EXPECTED}")
    found: list[tuple[str, Collection | Course]] = []
    known: set[str] = set()
    gone: list[str] = []
    closed: list[str] = []
    for stated, base in zip(paths, _bases(paths), strict=True):
        try:
            for label, one in _at(stated, base, everything, closed):
                real = _real(one.place if isinstance(one, Collection) else one.folder)
                if real not in known:
                    known.add(real)
                    found.append((label, one))
        except (OSError, ValueError) as error:
            if not lenient:
                raise
            gone.append(lines.said(error) if isinstance(error, OSError) else str(error))
    collections = _named([(label, one) for label, one in found if isinstance(one, Collection)])
    courses = _named([(label, one) for label, one in found if isinstance(one, Course)])
    return Found(collections, courses, tuple(gone), tuple(dict.fromkeys(closed)))


def _at(stated: str, base: str, everything: bool, closed: list[str]) -> list[tuple[str, Collection | Course]]:
    """What lies at a path. Raises FileNotFoundError or ValueError where that is nothing."""
    where, before = storage.follow(stated), len(closed)
    if not where.exists():
        raise FileNotFoundError(f"{stated}: no such file or folder: {_EXPECTED}")
    found = [*(_in_folder(where, base, everything, closed) if where.is_dir() else _of_file(where, base))]
    if not found:
        raise ValueError("; ".join([f"{stated}: holds no rows and no training: {_EXPECTED}", *closed[before:]]))
    return found


@contextlib.contextmanager
def _noting(closed: list[str]) -> Iterator[None]:
    """Notes what cannot be looked into, instead of an error."""
    try:
        yield
    except OSError as error:
        closed.append(lines.said(error))


def _bases(paths: Sequence[str]) -> list[str]:
    """As much of the end of each path as tells it from the others, its last name at least."""
    whole = [os.path.abspath(one) if storage.is_local(one) else one.rstrip("/") for one in paths]
    most = max(one.count("/") for one in whole) + 1
    for size in range(1, most + 1):
        ends = ["/".join(one.split("/")[-size:]) for one in whole]
        if len(set(ends)) == len(set(whole)):
            break
    return ends


def _real(place: str) -> str:
    return os.path.realpath(place) if storage.is_local(place) else place.rstrip("/")


def _inside(place: str, folder: str) -> bool:
    return place == folder or place.startswith(folder.rstrip("/") + "/")


def _of_file(where: storage.Path, base: str) -> Iterator[tuple[str, Collection | Course]]:
    if not where.name.endswith((*LINES, *OTHERS)):
        raise ValueError(f"{where}: {_EXPECTED}")
    yield _stem(base), Collection("", os.fspath(where))


def _in_folder(
    folder: storage.Path, name: str, everything: bool, closed: list[str]
) -> Iterator[tuple[str, Collection | Course]]:
    """What a folder holds: itself as an artifact first, then by the names in it, by which its stages are known, too."""
    entries = _entries(folder, closed)
    if _PARTS in entries:
        yield name, Collection("", os.fspath(entries.pop(_PARTS)))
    if folder.name == "rollouts" and "samples" in entries:
        rewards = os.fspath(entries["rewards"]) if "rewards" in entries else ""
        yield f"{name}/samples", Collection("", os.fspath(entries.pop("samples")), True, rewards)
        if "assessments" in entries:
            yield f"{name}/assessments", Collection("", os.fspath(entries.pop("assessments")), True)
    if _METRICS in entries and _lines_in(entries[_METRICS], closed):
        yield name.removesuffix("/training"), Course("", os.fspath(folder))
        entries.pop(_METRICS)
    stages = entries.pop(_STAGES, None)
    for label, entry in entries.items():
        inner = f"{name}/{label}"
        if entry.is_dir():
            if label not in _NO_ROWS and not label.startswith("."):
                yield from _in_folder(entry, inner, everything, closed)
        elif label.endswith(LINES) or (label.endswith(OTHERS) and _has_rows(entry, closed)):
            yield _stem(inner), Collection("", os.fspath(entry))
    for label, stage in _entries(stages, closed).items() if stages is not None else ():
        # One that is being made has no manifest yet, and one of earlier settings no name that leads to it.
        made, named = (stage / _MANIFEST).exists(), label.rpartition("-")[0] in entries
        if stage.is_dir() and (everything or not (made and named)):
            yield from _in_folder(stage, f"{name}/{label}{'' if made else ' (unfinished)'}", everything, closed)


def _entries(folder: storage.Path, closed: list[str]) -> dict[str, storage.Path]:
    """What lies in a folder by its name there; NAME.path stands for what it leads to."""
    found: dict[str, storage.Path] = {}
    with _noting(closed):
        for one in sorted(folder.iterdir(), key=os.fspath):
            name = one.name.rstrip("/")
            found[name.removesuffix(".path")] = (
                storage.follow(folder / name.removesuffix(".path")) if name.endswith(".path") else one
            )
    return found


def _lines_in(folder: storage.Path, closed: list[str]) -> list[storage.Path]:
    with _noting(closed):
        if folder.is_dir():
            return sorted((one for one in folder.iterdir() if one.name.endswith(LINES)), key=os.fspath)
    return []


def _has_rows(file: storage.Path, closed: list[str]) -> bool:
    """Of a .json file whether it is a list: others are settings and reports."""
    if not file.name.endswith(".json"):
        return True
    with _noting(closed), file.open("rb") as opened:
        return bool(opened.read(64).lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"["))
    return False


def _stem(name: str) -> str:
    for end in sorted((*LINES, *OTHERS), key=len, reverse=True):
        if name.endswith(end):
            return name.removesuffix(end).rpartition("://")[2]
    return name


def _named(found: list[tuple[str, Any]]) -> list[Any]:
    """Each with a name: the end of its path in what was stated that tells it from the others."""
    stated = [label for label, _ in found]
    folders = [label.split("/")[:-1] for label in stated]
    shared = sum(1 for _ in itertools.takewhile(lambda names: len(set(names)) == 1, zip(*folders, strict=False)))
    stated = ["/".join(label.split("/")[shared:]) for label in stated]
    if len(set(stated)) < len(stated):
        stated = labels([one.place if isinstance(one, Collection) else one.folder for _, one in found])
    return [
        dataclasses.replace(one, name=name) if isinstance(one, Collection) else one._replace(name=name)
        for name, (_, one) in zip(stated, found, strict=True)
    ]
