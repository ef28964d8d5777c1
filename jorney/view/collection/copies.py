"""Files that have no lines to go to, and rows of other forms: as JSON lines, in the cache."""

from __future__ import annotations

import json
import os
import pathlib
from typing import NamedTuple

from jorney import storage
from jorney.domain.grading import Grader
from jorney.rows.readers.rules import RowRules
from jorney.rows.registry import IMPORTERS, tree_form
from jorney.rows.sources import Row, read_rows
from jorney.rows.tree_rows import Answers
from jorney.text.step_format import FORMATS
from jorney.view.collection import lines
from jorney.view.collection.file_index import WRONG_ROW, cache_folder, cache_name, reason
from jorney.view.collection.lines import Mark
from jorney.view.collection.sources import LINES

_VERSION = 2  # of what importers make, and of how it is kept
_TOLD = ".source.json"  # beside a copy: what it was made of
_GRADING_SECONDS = 5.0


class Readable(NamedTuple):
    """A file's rows as JSON lines.

    Attributes:
      file: that holds them: the file itself, or its copy, in which every row has the line that tells its number in the file.
      wrong: what is wrong with the rows that it lacks.
      by_row: whether the file counts rows, from 0, rather than lines.
    """

    file: str
    wrong: list[str]
    by_row: bool = False


class _Noted(RowRules):
    """Passes rows over that cannot be read, and keeps why."""

    def __init__(self) -> None:
        super().__init__()
        self.wrong: list[str] = []

    def pass_over(self, error: ValueError) -> None:
        self.wrong.append(str(error))


def as_lines(file: str, mark: Mark) -> Readable:
    """A file of JSON lines with a file's rows, trees of other forms as Jorney's; the file itself where it is one.

    A file has one copy, which is made anew when the file has changed.

    Args:
      mark: the file's, as it is now.

    Raises:
      OSError, ValueError: the file cannot be read at all; names it.
    """
    plain = file.endswith(LINES)
    if plain and not tree_form(first_row(file)):
        return Readable(file, [])
    copy = cache_folder() / f"{cache_name(file)}.jsonl"
    made = {"version": _VERSION, "source": file, "real": _real(file), "mark": [*mark]}
    made["stamp"] = lines.stamp(file, mark.size)
    told = _told(copy)
    if {name: told.get(name) for name in made} != made or told.get("copy") != _stamp(copy):
        noted = _Noted()
        by_row = _write(copy, file, noted)
        told = {**made, "copy": _stamp(copy), "by_row": by_row, "wrong": noted.wrong}
        storage.write_json(copy.with_suffix(_TOLD), told)
        _forget_gone()
    return Readable(os.fspath(copy), told["wrong"], told["by_row"])


def first_row(file: str) -> Row:
    """The first row of a file; empty where there is none, or it cannot be read."""
    if not file.endswith(LINES):
        return next((row for _, row in read_rows(file, _Noted())), {})
    for line in lines.read_lines(file, 0):
        try:
            row = json.loads(line.content.decode("utf-8-sig"))
        except (ValueError, RecursionError):
            continue  # a bad line, which the index names
        return row if isinstance(row, dict) else {}
    return {}


def _told(copy: pathlib.Path) -> Row:
    try:
        found = json.loads(copy.with_suffix(_TOLD).read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _stamp(copy: pathlib.Path) -> str:
    """Of the copy as it is: another page may have written it."""
    try:
        return lines.stamp(os.fspath(copy), lines.mark(os.fspath(copy)).size)
    except OSError:
        return ""


def _write(copy: pathlib.Path, file: str, noted: _Noted) -> bool:
    """Writes a copy: a row in the line of its number, so that one that is bad can be named; says whether rows count from 0."""
    by_row, line = False, 1
    with storage.open_whole(copy) as out, Grader(_GRADING_SECONDS) as grader:
        answers = Answers(grader)
        for place, row in read_rows(file, noted):
            try:
                content = json.dumps(_own(row, place, answers)).encode()
            except ValueError as error:
                noted.pass_over(error)
                continue
            except WRONG_ROW as error:
                noted.pass_over(ValueError(f"{place}: {reason(error)}"))
                continue
            word, _, number = place.removeprefix(f"{file}: ").partition(" ")
            by_row = word == "row"
            at = int(number) + by_row
            out.write(b"\n" * (at - line) + content + b"\n")
            line = at + 1
    return by_row


def _own(row: Row, place: str, answers: Answers) -> Row:
    """A row in Jorney's form where it is a tree of another."""
    if not (form := tree_form(row)):
        return row
    importer = IMPORTERS[form]
    return importer.tree_of(row, place, FORMATS[importer.step_format], answers).to_json()


def _real(file: str) -> str:
    return os.path.realpath(file) if storage.is_local(file) else file


def _forget_gone() -> None:
    """Removes copies of files that are gone, and their indexes."""
    for told in cache_folder().glob(f"*{_TOLD}"):
        copy = told.with_name(told.name.removesuffix(_TOLD) + ".jsonl")
        source = _told(copy).get("real", "")
        if not storage.is_local(source) or os.path.exists(source):
            continue
        index = cache_name(os.fspath(copy))
        for one in (told, copy, copy.with_name(f"{index}.json"), *copy.parent.glob(f"{index}-*.texts")):
            one.unlink(missing_ok=True)
