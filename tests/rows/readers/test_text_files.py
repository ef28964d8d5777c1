"""Files of text: every value as it is written, whatever they are compressed with; what is no row is named."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import os
import pathlib
import re
import subprocess
import sys

import fsspec
import pytest
from places import ROOT

from jorney.rows.readers import text_files
from jorney.rows.readers.text_files import Written, csv_rows, json_lines
from jorney.rows.sources import read_rows

ROWS = [{"a": "x,y", "b": None}, {"a": "é 数", "b": "2"}]
LINES = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in ROWS).encode()
CSV = 'a,b\n"x,y",\né 数,2\n'.encode()


def put(folder: pathlib.Path, name: str, content: bytes) -> str:
    (folder / name).write_bytes(content)
    return str(folder / name)


def rows(source: str) -> list[dict]:
    return [row for _, row in read_rows(source)]


def zstd(content: bytes) -> bytes:
    import pyarrow

    out = pyarrow.BufferOutputStream()
    with pyarrow.CompressedOutputStream(out, "zstd") as stream:
        stream.write(content)
    return out.getvalue().to_pybytes()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("x.jsonl", LINES),
        ("x.ndjson", LINES.replace(b"\n", b"\r\n")),
        ("x.json", LINES),
        ("x.json", b"\xef\xbb\xbf" + json.dumps(ROWS, indent=1).encode()),
        ("x.csv", CSV),
        ("x.csv", b"\xef\xbb\xbf" + CSV.replace(b"\n", b"\r\n")),
        ("x.csv", b"a;b\nx,y;\n" + "é 数;2".encode()),
        ("x.tsv", b"a\tb\nx,y\t\n" + "é 数\t2\n\n".encode()),
        ("x.jsonl.gz", gzip.compress(LINES)),
        ("x.jsonl.gz", gzip.compress(LINES[:9]) + gzip.compress(LINES[9:])),
        ("x.jsonl.bz2", bz2.compress(LINES)),
        ("x.json.xz", lzma.compress(LINES)),
        ("x.ndjson.zst", zstd(LINES)),
        ("x.jsonl.zst", zstd(LINES[:9]) + zstd(LINES[9:])),
        ("x.csv.gz", gzip.compress(CSV)),
        ("x.tsv.zst", zstd(CSV.replace(b'"x,y",', b"x,y\t").replace(b"a,b", b"a\tb").replace(b",2", b"\t2"))),
    ],
)
def test_every_kind_of_file_gives_the_same_rows(tmp_path, name, content) -> None:
    assert rows(put(tmp_path, name, content)) == ROWS


def test_cells_are_texts_as_they_are_written(tmp_path) -> None:
    cells = ["007", "12345678901234567", "0.50", "NA", "null", "True", " x ", "2024-01-02", "1e5", "-0"]
    file = put(tmp_path, "x.csv", "\n".join(["n", *cells]).encode())
    assert [row["n"] for row in rows(file)] == cells
    quoted = put(tmp_path, "q.csv", b'a,b\n"1\r\n2","say ""hi"""\n')
    assert rows(quoted) == [{"a": "1\r\n2", "b": 'say "hi"'}]


def test_numbers_keep_how_they_are_written(tmp_path) -> None:
    (row,) = rows(put(tmp_path, "x.jsonl", b'{"a": 1.10, "b": [2E3], "c": 7, "d": 12345678901234567890}'))
    assert (row["a"], row["a"].text, row["b"][0].text, row["c"], row["d"]) == (1.1, "1.10", "2E3", 7, 12345678901234567890)
    assert json.dumps(row["a"]) == "1.1"
    assert isinstance(row["a"], Written)
    (row,) = rows(put(tmp_path, "y.jsonl", b'{"a": -0.5}'))
    assert type(row["a"]) is float


def test_characters_may_be_written_by_their_numbers(tmp_path) -> None:
    assert rows(put(tmp_path, "x.jsonl", b'{"a": "\\ud83d\\ude00 \\u00e9 \\\\ud835"}')) == [{"a": "\U0001f600 \u00e9 \\ud835"}]


def test_a_json_file_may_be_one_row(tmp_path) -> None:
    assert rows(put(tmp_path, "x.json", b'{\n  "a": 1\n}\n')) == [{"a": 1}]
    assert rows(put(tmp_path, "y.json", b'{"a": 1}')) == [{"a": 1}]
    assert [place for place, _ in read_rows(str(tmp_path / "x.json"))] == [f"{tmp_path}/x.json: row 0"]


@pytest.mark.parametrize(
    ("name", "content", "error"),
    [
        ("x.csv", b"a,b\n1,2,3\n", "row 0: 3 cells: expected 2, one for each of a, b"),
        ("x.csv", b"a,b\n1,2\n1\n", "row 1: 1 cells: expected 2"),
        ("x.csv", b"a,b\n1,\xff\n", "row 0: field 'b': expected text in UTF-8, found the byte 0xff"),
        ("x.csv", b"a,a\n1,2\n", "two columns are called 'a': expected different names"),
        ("x.csv", b'a,b\n"1"2,3\n', "row 0: expected a row of CSV, "),
        ("x.csv", "a,b\n1,2\n".encode("utf-16"), "text in UTF-16: expected UTF-8"),
        ("x.tsv", b'a\tb\n"one\t1\ntwo"\t2\n', "row 0: 'one\\t1\\ntwo'... begins with a quote and holds the next line's cells"),
        ("x.tsv", b'a\tb\n1\t"2\n3\t4\n5"\t6\n', "row 0: '2\\n3\\t4\\n5'... begins with a quote"),
        ("x.tsv", b'a\tb\n"5\tinches\n"6"\tfeet\n', "row 0: expected a row of CSV, "),
        ("x.csv", b"\n\n", "holds nothing: expected a line of column names"),
        ("x.jsonl", '{"a": 1}'.encode("utf-16"), "text in UTF-16: expected UTF-8"),
        ("x.jsonl", b'{"a": 1, "a": 2}', "line 1: expected a JSON object, the field 'a' stands in it twice"),
        ("x.jsonl", b'{"a": {"b": 1, "b": 1}}', "line 1: expected a JSON object, the field 'b' stands in it twice"),
        ("x.jsonl", b"[" * 100_000, "line 1: expected a JSON object, "),
        ("x.jsonl", b'{"a": ' + b"1" * 5000 + b"}", "line 1: expected a JSON object, Exceeds the limit"),
        ("x.jsonl", b'{"a": "\\ud835"}', "line 1: field 'a': holds half a character"),
        ("x.jsonl", b'{"b": 1, "a": [{"c": "x\\uDC00y"}]}', "line 1: field 'a': holds half a character"),
        ("x.json", b'[{"b": 1}, {"\\ud8001": 1}]', "row 1: field '\\ud8001': holds half a character"),
        ("x.json", b'{\n"a": 1,\n}', "expected a list of rows, one row, or JSON lines: "),
        ("x.json", b"[1, 2", "expected a list of rows, one row, or JSON lines: "),
        ("x.jsonl.gz", LINES, "line 1: expected a file of the kind .gz, Not a gzipped file"),
        ("x.jsonl.gz", gzip.compress(LINES)[:-12], "expected a file of the kind .gz, "),
        ("x.jsonl.zst", LINES, "line 1: expected a file of the kind .zst, "),
        ("x.jsonl.bz2", LINES, "line 1: expected a file of the kind .bz2, "),
        ("x.jsonl.xz", LINES, "line 1: expected a file of the kind .xz, "),
        ("x.parquet.gz", LINES, "expected a file that ends in .jsonl"),
    ],
)
def test_what_is_no_row_is_named(tmp_path, name, content, error) -> None:
    file = put(tmp_path, name, content)
    with pytest.raises(ValueError, match=f"^{re.escape(file)}: .*{re.escape(error)}") as raised:
        rows(file)
    assert "\n" not in str(raised.value)


def test_rows_after_a_bad_one_are_read(tmp_path) -> None:
    file = put(tmp_path, "x.csv", b'a,b\n1,2\n3\n"x"y,1\n5,6\n')
    assert [row if isinstance(row, dict) else "bad" for _, row in csv_rows(file)] == [
        {"a": "1", "b": "2"},
        "bad",
        "bad",
        {"a": "5", "b": "6"},
    ]
    lines = put(tmp_path, "x.jsonl", b'{"a": 1}\nbad\n{"a": 2}\n')
    assert [isinstance(row, ValueError) for _, row in json_lines(lines)] == [False, True, False]


def test_what_never_ends_is_not_read(tmp_path) -> None:
    os.mkfifo(tmp_path / "pipe.jsonl")
    (tmp_path / "zero.csv").symlink_to("/dev/zero")
    (tmp_path / "null.parquet").symlink_to("/dev/null")
    (tmp_path / "random.json").symlink_to("/dev/urandom")
    for name in ("pipe.jsonl", "zero.csv", "null.parquet", "random.json"):
        with pytest.raises(ValueError, match=f"{name}: a folder, a pipe or a device: expected a file"):
            rows(str(tmp_path / name))


def test_a_row_without_end_is_refused_before_it_is_held(tmp_path) -> None:
    """A compressed file of a few kilobytes may hold a line of gigabytes."""
    (tmp_path / "x.jsonl.gz").write_bytes(gzip.compress(b'{"a": "' + b"x" * (300 << 20), compresslevel=1))
    program = (
        "import resource, sys\nfrom jorney.rows.sources import read_rows\n"
        "start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "try:\n    list(read_rows(sys.argv[1]))\nexcept ValueError as error:\n    print(error)\n"
        "print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - start) // 1024)"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", program, str(tmp_path / "x.jsonl.gz")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    error, megabytes = done.stdout.splitlines()
    assert error.endswith(f"line 1: more than {text_files.LONGEST_ROW:,} bytes: expected a row")
    assert int(megabytes) < 200


@pytest.mark.parametrize("content", [LINES, LINES[:-1]])
def test_a_stores_file_is_read_by_lines(content: bytes) -> None:
    """Of gcsfs and s3fs, unlike that of memory://: its `readline` takes no limit."""

    class Remote(fsspec.spec.AbstractBufferedFile):
        def _fetch_range(self, start: int, end: int) -> bytes:
            return content[start:end]

    file = text_files._decompressed(Remote(fsspec.filesystem("memory"), "x.jsonl", size=len(content)), "jsonl")
    assert [json.loads(file.readline(1000)) for _ in ROWS] == ROWS
    assert file.readline(1000) == b""
