"""Ratings that a person gives to steps: one JSON line each, in a file of their own, never in the trees' file.

A line is appended whole by one write, so that several pages at once lose none. Nothing is ever changed: a verdict is taken back
by a line that says so, and of several on one node the last that stands counts.
"""

from __future__ import annotations

import dataclasses
import datetime
import json
import os
import pathlib
import uuid
from collections.abc import Iterable, Iterator
from typing import Any

from jorney import storage
from jorney.rows.labels import NEUTRAL
from jorney.text.step_format import FORMATS
from jorney.tree.rerate import corrected
from jorney.tree.shape import ends
from jorney.tree.tree import ROOT, Tree

_MADE = (
    ("manifest.json", "reads"),
    ("training.json", "decides"),
)  # what Jorney writes into folders that it makes, a field of each
_MARK = "relabel"  # the field by which a line is known, the verdict's own id


@dataclasses.dataclass(frozen=True)
class Relabel:
    """A person's verdict on a step.

    Attributes:
      file: of the tree, as the viewer names it.
      tree: its id.
      node: index in the tree.
      step: its text: a verdict holds for a node that still has it.
      before: the rating that it had, 1, 0, -1, or None.
      rating: the one that is given, 1 right, 0 neutral, -1 wrong.
      nth: which of the file's trees of this id, from 1.
      note: why, in the person's words; "" for none.
      who: who says so; "" where nobody is named.
      time: when, UTC, ISO 8601; "" for now.
      relabel: its own id; "" for a new one.
    """

    file: str
    tree: str
    node: int
    step: str
    before: int | None
    rating: int
    nth: int = 1
    note: str = ""
    who: str = ""
    time: str = ""
    relabel: str = ""

    def __post_init__(self) -> None:
        for name in ("file", "tree", "step", "note", "who", "time", "relabel"):
            _expect(isinstance(getattr(self, name), str), name, getattr(self, name), "a text")
        _expect(type(self.node) is int and self.node >= 1, "node", self.node, "a whole number, 1 or more")
        _expect(type(self.nth) is int and self.nth >= 1, "nth", self.nth, "a whole number, 1 or more")
        _expect(type(self.rating) is int and self.rating in (1, 0, -1), "rating", self.rating, "1, 0 or -1")
        known = self.before is None or (type(self.before) is int and self.before in (1, 0, -1))
        _expect(known, "before", self.before, "1, 0, -1 or null")


def _expect(holds: bool, name: str, value: object, what: str) -> None:
    if not holds:
        raise ValueError(f"{name} = {value!r:.80}: expected {what}")


@dataclasses.dataclass(frozen=True)
class Given:
    """What a file of verdicts says.

    Attributes:
      standing: of every node the verdict that counts, in the order in which they were given.
      every: all that were ever given, those taken back included.
      bad: lines that are no verdicts, each named with what is wrong.
    """

    standing: tuple[Relabel, ...]
    every: tuple[Relabel, ...]
    bad: tuple[str, ...]

    def of(self, tree: Tree, file: str | None = None, nth: int = 1) -> dict[int, Relabel]:
        """{node: the verdict that counts} of a tree; those on another step than the node has now are left out.

        Args:
          file: that the tree lies in; None takes verdicts on trees of its id in any file.
          nth: which of the file's trees of its id it is, from 1.
        """
        mine = [one for one in self.standing if (one.tree, one.nth) == (tree.id, nth) and file in (None, one.file)]
        return {one.node: one for one in mine if one.node < len(tree.nodes) and tree.nodes[one.node].text == one.step}


class Relabels:
    """A file of verdicts.

    Args:
      file: a local .jsonl file; need not be there.
      sources: files that are shown, none of which it may be, unless it holds verdicts alone.

    Raises:
      ValueError: it is not local, no .jsonl file, one of the sources, or inside a folder that Jorney has made.
    """

    def __init__(self, file: storage.PathLike, sources: Iterable[storage.PathLike] = ()) -> None:
        name = os.fspath(file)
        if not storage.is_local(name):
            raise ValueError(f"{name}: a store has no files to append to: expected a local .jsonl file")
        if not name.endswith(".jsonl"):
            raise ValueError(f"{name}: expected a .jsonl file")
        self.file = pathlib.Path(os.fspath(storage.path(name)))
        real = pathlib.Path(os.path.realpath(self.file))
        if real.is_dir():
            raise ValueError(f"{name}: a folder: expected a .jsonl file")
        for source in sources:
            if storage.is_local(source) and real == pathlib.Path(os.path.realpath(os.fspath(storage.path(source)))):
                try:
                    self._expect_own()
                except ValueError:
                    raise ValueError(
                        f"{name}: holds what is shown, which is never changed: expected a file of its own (--verdicts)"
                    ) from None
        if made := next(filter(_made, real.parents), None):
            raise ValueError(f"{name}: lies in {made}, which Jorney has made and nobody changes: expected a file outside of it")

    def add(self, relabel: Relabel) -> Relabel:
        """Appends a verdict; returns it with its time and its id.

        Raises:
          ValueError: the file is there and is no file of verdicts.
          OSError: it cannot be written, whole.
        """
        made = dataclasses.replace(relabel, time=relabel.time or _now(), relabel=relabel.relabel or uuid.uuid4().hex)
        self._append(dataclasses.asdict(made))
        return made

    def undo(self, relabel: Relabel, who: str = "") -> None:
        """Takes a verdict back: the one before it counts again, if there is one. Raises as `add` does."""
        self._append({"undo": relabel.relabel, "who": who, "time": _now()})

    def _append(self, fields: dict[str, Any]) -> None:
        self._expect_own()
        text = json.dumps(fields, ensure_ascii=bool(storage.HALF.search(json.dumps(fields, ensure_ascii=False))))
        self.file.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(self.file, os.O_RDWR | os.O_APPEND | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o644)
        try:
            # A line that a full disk cut short must not swallow this one.
            size = os.fstat(handle).st_size
            cut = size > 0 and os.pread(handle, 1, size - 1) != b"\n"
            line = (b"\n" if cut else b"") + text.encode() + b"\n"
            if (written := os.write(handle, line)) != len(line):
                raise OSError(f"{self.file}: {written} of {len(line)} bytes were written: expected room for the whole line")
            os.fsync(handle)
        finally:
            os.close(handle)

    def _expect_own(self) -> None:
        """Raises ValueError where the file holds anything else than verdicts."""
        if self.file.exists() and self.file.stat().st_size:
            given = self.read()
            if not given.every and given.bad:
                raise ValueError(f"{given.bad[0]}: expected a file of verdicts, or none")

    def read(self) -> Given:
        """What the file says; nothing where it is not there."""
        every: dict[str, Relabel] = {}
        undone: set[str] = set()
        bad = []
        for number, line in self._lines():
            try:
                row = json.loads(line.decode("utf-8-sig"))
                _expect(isinstance(row, dict), "the line", row, "a JSON object")
                if isinstance(row.get("undo"), str):
                    _expect(row["undo"] in every, "undo", row["undo"], "the id of a verdict above")
                    undone.add(row["undo"])
                else:
                    _expect(isinstance(row.get(_MARK), str) and row[_MARK], _MARK, row.get(_MARK), "the verdict's id")
                    every[row[_MARK]] = Relabel(**row)
            except (ValueError, TypeError, RecursionError) as error:
                bad.append(f"{self.file}: line {number}: {error}")
        standing: dict[tuple[str, str, int, int], Relabel] = {}
        for one in every.values():
            if one.relabel not in undone:
                place = (one.file, one.tree, one.nth, one.node)
                standing.pop(place, None)
                standing[place] = one
        return Given(tuple(standing.values()), tuple(every.values()), tuple(bad))

    def _lines(self) -> Iterator[tuple[int, bytes]]:
        if self.file.exists():
            with self.file.open("rb") as file:
                yield from ((number, line) for number, line in enumerate(file, start=1) if line.strip())


def _made(folder: pathlib.Path) -> bool:
    """Whether a folder is an artifact, a training's, or a run's: their files are known by what they hold."""
    if folder.parent.name == "stages" or any((folder / "stages").glob("*/manifest.json")):
        return True
    for name, field in _MADE:
        try:
            if field in json.loads((folder / name).read_bytes()):
                return True
        except (OSError, ValueError, TypeError, RecursionError):
            continue
    return False


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")


def applied(tree: Tree, relabels: dict[int, Relabel]) -> Tree:
    """The tree with the verdicts of `Given.of` as its ratings, as `tree.rerate` has it; the tree itself where there are none.

    `meta["judged"]` says which nodes they are of, and keeps the ratings before.
    """
    if not relabels:
        return tree
    people = sorted({one.who for one in relabels.values()} - {""})
    by = {"by": {"relabelled": sorted(relabels), **({"who": people} if people else {})}}
    return corrected(tree, {node: (one.rating, one.note) for node, one in relabels.items()}, by)


def label_rows(tree: Tree, relabels: dict[int, Relabel], neutral: str = "positive") -> list[dict[str, Any]]:
    """Rows of question, steps and labels, which `jorney prm --data` reads: the verdicts alone, all else unknown.

    The paths go down to the last step with a verdict; a step that several share has its label in the first of them.

    Args:
      neutral: what a neutral verdict counts as, a key of `rows.labels.NEUTRAL`.
    """
    if neutral not in NEUTRAL:
        raise ValueError(f"neutral = {neutral!r}: expected one of {', '.join(NEUTRAL)}")
    values = {1: 1.0, 0: NEUTRAL[neutral], -1: 0.0}
    known = {node: values[one.rating] for node, one in relabels.items() if values[one.rating] is not None}
    bare, rows, done = FORMATS[tree.step_format].bare, [], {ROOT}
    for path in ends(tree):
        own = [at for at, node in enumerate(path) if node in known and node not in done]
        if own:
            taken = path[: own[-1] + 1]
            labels = [known.get(node) if node not in done else None for node in taken]
            done.update(taken)
            steps = [bare(tree.nodes[node].text) for node in taken]
            rows.append({"id": tree.id, "question": tree.question, "steps": steps, "labels": labels})
    return rows
