"""Files that have no lines to go to, and rows of other forms: as JSON lines, once, in the cache."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator

import xxhash

from jorney import storage
from jorney.domain.grading import Grader
from jorney.rows.readers.rules import RowRules
from jorney.rows.registry import IMPORTERS, tree_form
from jorney.rows.sources import Row, read_rows
from jorney.rows.tree_rows import Answers
from jorney.text.step_format import FORMATS
from jorney.view.collection import lines
from jorney.view.collection.file_index import cache_folder
from jorney.view.collection.sources import LINES

_VERSION = 1  # of what importers make
_GRADING_SECONDS = 5.0


class _Noted(RowRules):
    """Passes rows over that cannot be read, and keeps why."""

    def __init__(self) -> None:
        super().__init__()
        self.wrong: list[str] = []

    def pass_over(self, error: ValueError) -> None:
        self.wrong.append(str(error))


def as_lines(file: str) -> tuple[str, list[str]]:
    """A file of JSON lines with a file's rows, trees of other forms as Jorney's; the file itself where it is one.

    Returns:
      (the file, what is wrong with the rows that it lacks).

    Raises:
      ValueError: the file cannot be read at all; names it.
    """
    plain = file.endswith(LINES)
    form = tree_form(first_row(file)) if plain else ""
    if plain and not form:
        return file, []
    stamp = f"{_VERSION} {os.path.realpath(file) if storage.is_local(file) else file} {lines.stamp(file, lines.size_of(file))}"
    copy = cache_folder() / (xxhash.xxh3_128_hexdigest(stamp.encode(errors="surrogateescape")) + ".jsonl")
    told = copy.with_suffix(".wrong.json")
    if not (copy.exists() and told.exists()):
        noted = _Noted()
        storage.write_jsonl(copy, _rows(file, noted))
        storage.write_json(told, noted.wrong)
    wrong: list[str] = storage.read_json(told)
    return os.fspath(copy), wrong


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


def _rows(file: str, noted: _Noted) -> Iterator[Row]:
    with Grader(_GRADING_SECONDS) as grader:
        answers = Answers(grader)
        for place, row in read_rows(file, noted):
            if not (form := tree_form(row)):
                yield row
                continue
            importer = IMPORTERS[form]
            try:
                tree = importer.tree_of(row, place, FORMATS[importer.step_format], answers).to_json()
            except ValueError as error:
                noted.pass_over(error)
            else:
                yield tree
