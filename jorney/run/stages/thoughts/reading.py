"""What stages over sets of texts read and write: rows of any source, one after another."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from jorney import storage
from jorney.config import digest
from jorney.rows.sources import TFDS, files_of, read_rows
from jorney.run.artifact import rows_folder
from jorney.run.identity import source_digest

JOURNEYS = "runs/derive/thoughts/journey.jsonl"  # what `jorney derive` writes by default
THOUGHTS = "thoughts.jsonl"

Row = dict[str, Any]


def rows_of(source: str) -> Iterator[tuple[str, Row]]:
    """(place, row) pairs of anything `read_rows` reads, or of a folder with parts, such as `jorney evaluate` writes.

    Raises:
      FileNotFoundError, ValueError: name the file, the line and what was expected.
    """
    for file in _files(source):
        yield from read_rows(file)


def _files(source: str) -> list[str]:
    where = storage.follow(source)
    if source.startswith(TFDS) or not where.is_dir():
        return files_of(source)
    folder = rows_folder(where) or rows_folder(where / "evaluate")
    if folder is not None:
        return [os.fspath(part) for part in sorted(folder.glob("*.jsonl"))]
    try:
        return files_of(source)
    except ValueError as error:
        raise ValueError(f"{error}, or the folder that `jorney evaluate` wrote (OUTPUT/evaluate)") from None


def count_rows(source: str) -> int:
    """How many rows there are, at least one; a file of JSON lines is not parsed for it."""
    total = 0
    for file in _files(source):
        if file.endswith(".jsonl") and (where := storage.follow(file)).exists():
            storage.expect_file(where, file)
            with where.open("rb") as lines:
                total += sum(1 for line in lines if line.strip())
        else:
            total += sum(1 for _ in read_rows(file))
    if not total:
        raise ValueError(f"{source}: holds no rows: expected at least one")
    return total


def key_of(source: str) -> str:
    """What the content of a source is known by."""
    return digest([source_digest(file) for file in _files(source)])


def write_rows(where: storage.PathLike, rows: Iterable[Mapping[str, Any]]) -> None:
    """Writes a file of JSON lines row by row, whole or not at all."""
    with storage.open_whole(where) as file:
        file.writelines((json.dumps(row, ensure_ascii=False) + "\n").encode() for row in rows)
