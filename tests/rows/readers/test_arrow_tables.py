"""Parquet files, folders of them, and what `datasets` saved: every value as the file has it, or refused by row and field."""

from __future__ import annotations

import datetime
import decimal
import os
import pathlib
import re

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest

from jorney.rows.sources import files_of, read_rows

ROWS = [{"question": "é", "answer": "007", "n": 12345678901234567}, {"question": "b", "answer": "1", "n": None}]


def rows(source: str) -> list[dict]:
    return [row for _, row in read_rows(source)]


def put(file: pathlib.Path, members: list[dict] | object) -> str:
    import pyarrow
    import pyarrow.parquet

    file.parent.mkdir(parents=True, exist_ok=True)
    table = pyarrow.Table.from_pylist(members) if isinstance(members, list) else members
    pyarrow.parquet.write_table(table, file)
    return str(file)


def test_values_are_those_of_the_file(tmp_path) -> None:
    assert rows(put(tmp_path / "x.parquet", ROWS)) == ROWS
    assert [place for place, _ in read_rows(str(tmp_path / "x.parquet"))] == [f"{tmp_path}/x.parquet: row {i}" for i in (0, 1)]


def test_a_file_that_was_replaced_is_read_anew(tmp_path) -> None:
    """Of the same size and time: a cache by these would give what is gone."""
    for name, contents in (("x.csv", (b"a\n1\n", b"a\n2\n")), ("x.jsonl", (b'{"a": "1"}', b'{"a": "2"}'))):
        found = []
        for content in contents:
            (tmp_path / name).write_bytes(content)
            os.utime(tmp_path / name, (1e9, 1e9))
            found.append(rows(str(tmp_path / name)))
        assert found == [[{"a": "1"}], [{"a": "2"}]]
    found = []
    for value in "12":
        put(tmp_path / "x.parquet", [{"a": value}])
        os.utime(tmp_path / "x.parquet", (1e9, 1e9))
        found.append(rows(str(tmp_path / "x.parquet")))
    assert found == [[{"a": "1"}], [{"a": "2"}]]


def test_other_types_are_as_they_are_written(tmp_path) -> None:
    row = {
        "when": datetime.datetime(2025, 1, 2, 3, 4, 5),
        "day": datetime.date(2025, 1, 2),
        "price": decimal.Decimal("7.50"),
        "raw": b"text",
        "nested": [{"at": datetime.time(1, 2)}],
        "none": None,
    }
    assert rows(put(tmp_path / "x.parquet", [row])) == [
        {
            "when": "2025-01-02T03:04:05",
            "day": "2025-01-02",
            "price": "7.50",
            "raw": "text",
            "nested": [{"at": "01:02:00"}],
            "none": None,
        }
    ]


def test_numbers_of_fewer_bits_are_as_they_are_written(tmp_path) -> None:
    kinds = {
        "single": (pyarrow.float32(), 0.1),
        "half": (pyarrow.float16(), 0.3),
        "double": (pyarrow.float64(), 0.1 + 0.2),
        "large": (pyarrow.float32(), 16777216.0),
        "list": (pyarrow.list_(pyarrow.float32()), [0.7, None, 1e-7]),
        "object": (pyarrow.struct([("x", pyarrow.float32())]), {"x": 3.14}),
        "none": (pyarrow.float32(), None),
    }
    arrays = [pyarrow.array([np.float16(value) if name == "half" else value], kind) for name, (kind, value) in kinds.items()]
    pyarrow.parquet.write_table(pyarrow.table(arrays, names=[*kinds]), tmp_path / "x.parquet")
    assert rows(str(tmp_path / "x.parquet")) == [{name: value for name, (_, value) in kinds.items()}]


def test_what_is_no_text_is_named(tmp_path) -> None:
    import pyarrow

    image = [{"question": "a", "image": {"bytes": b"\x89PNG", "path": "x"}}]
    for members, error in (
        (image, "row 0: field 'image', 'bytes': 4 bytes that are no text in UTF-8: expected text"),
        ([{"a": b"fine"}, {"a": b"\xff"}], "row 1: field 'a': 1 bytes that are no text"),
        (
            pyarrow.table({"a": pyarrow.array([2**60], pyarrow.timestamp("ms"))}),
            "row 0: field 'a': ",
        ),
        (pyarrow.table([["1"], ["2"]], names=["a", "a"]), "two columns have one name"),
    ):
        file = put(tmp_path / "x.parquet", members)
        with pytest.raises(ValueError, match="^" + re.escape(f"{file}: {error}")) as raised:
            rows(file)
        assert "\n" not in str(raised.value)


def test_a_name_with_brackets_is_that_very_file(tmp_path) -> None:
    for suffix, content in (("csv", b"a\n%s\n"), ("jsonl", b'{"a": "%s"}')):
        for name in ("x[1]", "x1", "x*", "x9"):
            (tmp_path / f"{name}.{suffix}").write_bytes(content % name.encode())
        assert rows(f"{tmp_path}/x[1].{suffix}") == [{"a": "x[1]"}]
        assert rows(f"{tmp_path}/x*.{suffix}") == [{"a": "x*"}]
        assert rows(f"{tmp_path}/x[19].{suffix}") == [{"a": "x1"}, {"a": "x9"}]
    put(tmp_path / "p[1].parquet", [{"a": "brackets"}])
    put(tmp_path / "p1.parquet", [{"a": "none"}])
    assert rows(f"{tmp_path}/p[1].parquet") == [{"a": "brackets"}]
    with pytest.raises(FileNotFoundError, match=r"q\*.csv: no such file, and none that fits it as a pattern"):
        rows(f"{tmp_path}/q*.csv")


def test_patterns_reach_into_folders(tmp_path, monkeypatch) -> None:
    """MATH's files hold a problem each, in a folder for each subject."""
    for subject in ("algebra", "geometry"):
        for number in (1, 2):
            (tmp_path / "MATH" / subject).mkdir(parents=True, exist_ok=True)
            (tmp_path / "MATH" / subject / f"{number}.json").write_text(f'{{\n"problem": "{subject} {number}"\n}}')
    expected = [{"problem": f"{subject} {number}"} for subject in ("algebra", "geometry") for number in (1, 2)]
    assert rows(f"{tmp_path}/MATH/*/*.json") == expected
    assert rows(f"{tmp_path}/MATH/geo*/?.json") == expected[2:]
    monkeypatch.chdir(tmp_path)
    assert rows("MATH/*/*.json") == rows("./M*/*/[12].json") == expected
    assert rows("*/algebra/1.json") == expected[:1]
    with pytest.raises(ValueError, match=r"x/\*\*/y.json: expected a pattern without \*\*"):
        rows("x/**/y.json")


def test_folders_of_files(tmp_path) -> None:
    put(tmp_path / "one" / "b.parquet", ROWS[1:])
    put(tmp_path / "one" / "a.parquet", ROWS[:1])
    (tmp_path / "one" / "README.md").write_text("about")
    assert rows(f"{tmp_path}/one") == ROWS
    # As the hub has them: splits in files, in the folder `data`.
    put(tmp_path / "hub" / "data" / "train-00000-of-00001.parquet", ROWS)
    put(tmp_path / "hub" / "data" / "test-00000-of-00001.parquet", ROWS[:1])
    (tmp_path / "hub" / "dataset_infos.json").write_text("{}")
    assert rows(f"{tmp_path}/hub@test") == ROWS[:1]
    assert rows(f"{tmp_path}/hub@train") == ROWS
    with pytest.raises(ValueError, match="hub: a folder of several splits: expected .*hub@SPLIT, one of test, train"):
        rows(f"{tmp_path}/hub")
    with pytest.raises(ValueError, match="hub@dev: a folder: expected a file"):
        rows(f"{tmp_path}/hub@dev")
    (tmp_path / "one" / "c.csv").write_text("a\n")
    with pytest.raises(ValueError, match=r"one: a folder of .csv and .parquet files: expected one kind, or a pattern"):
        rows(f"{tmp_path}/one")


def test_what_datasets_saved(tmp_path) -> None:
    import datasets

    data = datasets.Dataset.from_list(ROWS)
    data.save_to_disk(tmp_path / "one", num_shards=2)
    datasets.DatasetDict({"train": data, "test": data.select([1])}).save_to_disk(tmp_path / "more")
    assert rows(f"{tmp_path}/one") == rows(f"{tmp_path}/more") == ROWS
    assert rows(f"{tmp_path}/more@test") == ROWS[1:]
    assert [place for place, _ in read_rows(f"{tmp_path}/one")] == [f"{tmp_path}/one: row {i}" for i in (0, 1)]
    with pytest.raises(FileNotFoundError, match=r"more@dev: holds no dev/state.json"):
        rows(f"{tmp_path}/more@dev")
    (tmp_path / "one" / "state.json").write_text('{"_data_files": [{"filename": "../x"}]}')
    with pytest.raises(ValueError, match=r"state.json: field '_data_files': expected a list of files in the folder"):
        rows(f"{tmp_path}/one")
    next((tmp_path / "more" / "train").glob("*.arrow")).write_bytes(b"damaged")
    with pytest.raises(ValueError, match=r"more/train: data-.*arrow: expected a file of Arrow's, "):
        rows(f"{tmp_path}/more")


def test_the_files_that_a_source_means(tmp_path) -> None:
    for name in ("a.jsonl", "b.jsonl"):
        (tmp_path / name).write_text('{"a": 1}\n')
    both = [f"{tmp_path}/a.jsonl", f"{tmp_path}/b.jsonl"]
    assert files_of(f"{tmp_path}/*.jsonl") == files_of(str(tmp_path)) == both
    assert files_of(both[0]) == both[:1]
    assert files_of("openai/gsm8k:main@test") == ["openai/gsm8k:main@test"]
    assert files_of("openai/gsm8k:main@train[:10]") == ["openai/gsm8k:main@train[:10]"]
    assert files_of("tfds:gsm8k") == ["tfds:gsm8k"]
