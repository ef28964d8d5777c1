"""Rows of files of text: JSON lines, JSON, CSV and TSV, compressed or not. Every value is taken as it is written."""

from __future__ import annotations

import bz2
import contextlib
import csv
import gzip
import io
import itertools
import json
import lzma
import re
import zlib
from collections.abc import Iterator, Sequence
from typing import Any, BinaryIO

from jorney import storage
from jorney.rows.readers.rules import Member, Row

LONGEST_ROW = 64 << 20  # bytes of a line; what is longer is no row that a model could read
LARGEST_JSON = 1 << 30  # bytes of a file that is one JSON value, which is read whole
COMPRESSED = ("gz", "bz2", "xz", "zst")
_DAMAGED = (OSError, EOFError, zlib.error, lzma.LZMAError)
_BOM = b"\xef\xbb\xbf"
_WIDE = (b"\xff\xfe", b"\xfe\xff")  # what text in UTF-16 begins with


class Written(float):
    """A number of JSON that Python would write otherwise.

    Attributes:
      text: as it is written: no float holds 1.10, or 20 digits.
    """

    def __new__(cls, text: str) -> Written:
        self = super().__new__(cls, text)
        self.text = text
        return self

    text: str


def json_lines(source: str) -> Iterator[Member]:
    """(place, row) of a file of JSON lines; blank ones are skipped. Lines count from 1."""
    for number, line in _lines(source):
        if line.strip():
            place = f"{source}: line {number}"
            yield place, _object(line, place)


def json_rows(source: str) -> Iterator[Member]:
    """(place, row) of a .json file: a list of rows, which count from 0; one row; or JSON lines.

    Raises:
      ValueError: it is none of these.
    """
    first = next((line for _, line in _lines(source) if line.strip()), b"").removeprefix(_BOM)
    if not first or (not first.lstrip().startswith(b"[") and isinstance(_object(first, source), dict)):
        yield from json_lines(source)
        return
    with _open(source) as file:
        content = file.read(LARGEST_JSON + 1)
    if len(content) > LARGEST_JSON:
        raise ValueError(f"{source}: more than {LARGEST_JSON:,} bytes of one JSON value: expected JSON lines (.jsonl)")
    try:
        value = _json(content)
    except (RecursionError, ValueError) as error:
        raise ValueError(f"{source}: expected a list of rows, one row, or JSON lines: {error}") from None
    for number, row in enumerate(value if isinstance(value, list) else [value]):
        place = f"{source}: row {number}"
        yield place, _whole(row, content, place) if isinstance(row, dict) else _no_object(row, place)


def csv_rows(source: str) -> Iterator[Member]:
    """(place, row) of a CSV or TSV file with a line of column names; rows count from 0. Cells are texts, empty ones None.

    Semicolons or tabs divide the columns where the names have no comma.

    Raises:
      ValueError: the file has no names, or a name stands twice.
    """
    csv.field_size_limit(LONGEST_ROW)
    # Bytes that are no text are kept to the cell that they are in, so that it can be named.
    lines = (line.removeprefix(_BOM).decode(errors="surrogateescape") for _, line in _lines(source))
    head = next((line for line in lines if line.strip()), "")
    usual = "\t" if re.search(r"\.tsv(\.\w+)?$", source) else ","
    divider = next((one for one in (usual, ";", "\t") if one in head), usual)
    reader = csv.reader(itertools.chain([head], lines), delimiter=divider, strict=True)
    try:
        names = [name.strip() for name in next(reader, [])]
    except csv.Error as error:
        raise ValueError(f"{source}: expected a line of column names, {error}") from None
    if not names:
        raise ValueError(f"{source}: holds nothing: expected a line of column names, and rows")
    if twice := [name for name in names if names.count(name) > 1]:
        raise ValueError(f"{source}: two columns are called {twice[0]!r}: expected different names")
    for number in itertools.count():
        place = f"{source}: row {number}"
        try:
            cells = next(cells for cells in reader if cells)
        except StopIteration:
            return
        except csv.Error as error:
            yield place, ValueError(f"{place}: expected a row of CSV, {error}")
            continue
        if divider == "\t" and (joined := next((cell for cell in cells if "\n" in cell and "\t" in cell), None)):
            told = f"{joined[:40]!r}... begins with a quote and holds the next line's cells: expected none, or one that ends"
            yield place, ValueError(f"{place}: {told}")
            continue
        yield place, _row(names, cells, place)


def _row(names: Sequence[str], cells: Sequence[str], place: str) -> Row | ValueError:
    if len(cells) != len(names):
        return ValueError(f"{place}: {len(cells)} cells: expected {len(names)}, one for each of {', '.join(names)}")
    for name, cell in zip(names, cells, strict=True):
        if wrong := re.search("[\udc80-\udcff]", cell):
            return ValueError(f"{place}: field {name!r}: expected text in UTF-8, found the byte 0x{ord(wrong[0]) - 0xDC00:02x}")
    return {name: cell or None for name, cell in zip(names, cells, strict=True)}


def _object(line: bytes, place: str) -> Row | ValueError:
    try:
        row = _json(line)
    except (RecursionError, ValueError) as error:  # no JSON, no UTF-8, nested without end, thousands of digits
        return ValueError(f"{place}: expected a JSON object, {error}")
    return _whole(row, line, place) if isinstance(row, dict) else _no_object(row, place)


def _whole(row: Row, content: bytes, place: str) -> Row | ValueError:
    """The row, unless some text of it holds half a character, which nothing can encode. JSON writes one by its number alone."""
    if storage.ESCAPED_HALF.search(content):
        for name, value in row.items():
            if half := storage.HALF.search(json.dumps(value, ensure_ascii=False) + name):
                return ValueError(f"{place}: field {name!a}: holds half a character, {half[0]!a}: expected text in Unicode")
    return row


def _no_object(value: Any, place: str) -> ValueError:
    return ValueError(f"{place}: expected a JSON object, got {type(value).__name__}")


def _json(content: bytes) -> Any:
    return json.loads(content.decode("utf-8-sig"), parse_float=_number, object_pairs_hook=_once)


def _number(text: str) -> float:
    value = float(text)
    return value if repr(value) == text else Written(text)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    row = dict(pairs)
    if len(row) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"the field {next(name for name in names if names.count(name) > 1)!r} stands in it twice")
    return row


def _lines(source: str) -> Iterator[tuple[int, bytes]]:
    """(number from 1, line)."""
    with _open(source) as file:
        for number in itertools.count(1):
            try:
                line = file.readline(LONGEST_ROW + 1)
            except _DAMAGED as error:
                if (suffix := source.rpartition(".")[2]) not in COMPRESSED:
                    raise
                raise ValueError(f"{source}: line {number}: expected a file of the kind .{suffix}, {error}") from None
            if len(line) > LONGEST_ROW:
                raise ValueError(f"{source}: line {number}: more than {LONGEST_ROW:,} bytes: expected a row")
            if number == 1 and line.startswith(_WIDE):
                raise ValueError(f"{source}: text in UTF-16: expected UTF-8")
            if not line:
                return
            yield number, line


@contextlib.contextmanager
def _open(source: str) -> Iterator[BinaryIO]:
    """A file's content, what is compressed as it was before."""
    where = storage.follow(source)
    storage.expect_file(where, source)
    with where.open("rb") as file:
        yield _decompressed(file, source.rpartition(".")[2])


def _decompressed(file: BinaryIO, suffix: str) -> Any:
    if suffix == "zst":
        import pyarrow

        return io.BufferedReader(pyarrow.CompressedInputStream(pyarrow.PythonFile(file, mode="r"), "zstd"))
    known: dict[str, Any] = {"gz": gzip.open, "bz2": bz2.open, "xz": lzma.open}
    # Buffered: a store's file has no lines of a limited length.
    return known[suffix](file) if suffix in known else io.BufferedReader(file)
