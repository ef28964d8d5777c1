"""Every kind of source gives the same rows, and what cannot be read is named."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys

import fsspec
import numpy as np
import pytest
from memory_store import MemoryStore, memory_root
from places import ROOT
from tfds_sets import prepare

from jorney import storage
from jorney.domain.problem import Problem, hash_id
from jorney.rows.problems import read_problems
from jorney.rows.sources import digest_rows, read_rows

ROWS = [
    {
        "n": 3,
        "prompt": "é 数",
        "messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}],
        "tags": [],
    },
    {"n": 1, "prompt": "two", "messages": [{"role": "user", "content": ""}], "tags": ["x", "y"]},
    {"n": 2, "prompt": "three", "messages": [{"role": "system", "content": "s"}], "tags": ["z"]},
]


def rows(source: str) -> list[dict]:
    return [row for _, row in read_rows(source)]


def features():
    from tensorflow_datasets import features as kinds

    return {
        "n": kinds.Scalar(np.int64),
        "prompt": kinds.Text(),
        "messages": kinds.Sequence({"role": kinds.Text(), "content": kinds.Text()}),
        "tags": kinds.Sequence(kinds.Text()),
    }


@pytest.fixture
def bucket() -> str:
    fsspec.register_implementation("gs", MemoryStore, clobber=True)
    return memory_root()


def parquet(members: list[dict]) -> bytes:
    import pyarrow
    import pyarrow.parquet

    out = pyarrow.BufferOutputStream()
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(members), out)
    return out.getvalue().to_pybytes()


def test_every_kind_of_source_gives_the_same_rows(tmp_path, monkeypatch) -> None:
    lines = tmp_path / "rows.jsonl"
    storage.write_jsonl(lines, ROWS)
    (tmp_path / "rows.json").write_text(json.dumps(ROWS))
    (tmp_path / "rows.parquet").write_bytes(parquet(ROWS))
    array_record = prepare(tmp_path / "records", ROWS, features(), "array_record")
    prepared = prepare(tmp_path / "parquet", ROWS, features(), "parquet")
    assert array_record.endswith("records/tiny/1.0.0")
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "records"))
    sources = [
        *(str(tmp_path / f"rows.{suffix}") for suffix in ("jsonl", "json", "parquet")),
        *(f"tfds:{array_record}", f"tfds:{prepared}", f"tfds:{prepared}@train"),
        *("tfds:tiny", "tfds:tiny@train", "tfds:tiny:1.0.0@train"),
    ]
    for source in sources:
        assert rows(source) == ROWS, source
        assert digest_rows(rows(source)) == digest_rows(ROWS)
    assert rows("tfds:tiny@test") == ROWS[:1]
    assert rows("tfds:tiny@train[1:]") == ROWS[1:]
    assert digest_rows(ROWS[:2]) != digest_rows(ROWS)
    assert [place for place, _ in read_rows(str(lines))] == [f"{lines}: line {n}" for n in (1, 2, 3)]
    assert [place for place, _ in read_rows("tfds:tiny")] == [f"tfds:tiny: row {n}" for n in (0, 1, 2)]


def test_files_in_a_store(bucket) -> None:
    storage.write_jsonl(f"{bucket}/rows.jsonl", ROWS)
    storage.write_bytes(f"{bucket}/rows.parquet", parquet(ROWS))
    storage.write_bytes(f"{bucket}/rows.csv", b"prompt,completion\na,b\n")
    assert rows(f"{bucket}/rows.jsonl") == rows(f"{bucket}/rows.parquet") == ROWS
    assert rows(f"{bucket}/rows.csv") == [{"prompt": "a", "completion": "b"}]
    with pytest.raises(FileNotFoundError, match=f"{bucket}/no.parquet: no such file"):
        rows(f"{bucket}/no.parquet")
    storage.write_bytes(f"{bucket}/more/a.jsonl.gz", gzip.compress(b'{"a": "1"}\n'))
    storage.write_bytes(f"{bucket}/more/b.jsonl.gz", gzip.compress(b'{"a": "2"}\n'))
    storage.write_bytes(f"{bucket}/list.json", b'\xef\xbb\xbf[{"a": "1"}, {"a": "2"}]')
    both = [{"a": "1"}, {"a": "2"}]
    assert rows(f"{bucket}/more") == rows(f"{bucket}/more/*.gz") == rows(f"{bucket}/list.json") == both
    assert rows(f"{bucket}/more/[b].jsonl.gz") == both[1:]


def test_a_hub_id_is_taken_apart(monkeypatch) -> None:
    import datasets

    asked: list[object] = []
    hub = datasets.Dataset.from_list(ROWS)
    monkeypatch.setattr(datasets, "load_dataset", lambda *names, split: asked.append((*names, split)) or hub)
    assert rows("openai/gsm8k:main@test") == rows("trl-lib/Capybara") == ROWS
    assert asked == [("openai/gsm8k", "main", "test"), ("trl-lib/Capybara", None, "train")]


def test_problems_of_tfds(tmp_path) -> None:
    from tensorflow_datasets import features as kinds

    members = [{"question": "Why?", "answer": "So\n#### 7"}]
    folder = prepare(tmp_path, members, {"question": kinds.Text(), "answer": kinds.Text()}, "array_record")
    assert read_problems(f"tfds:{folder}") == [Problem(hash_id("Why?"), "Why?", "7", "1. So\n#### 7")]


def test_nested_features_are_kept(tmp_path) -> None:
    from tensorflow_datasets import features as kinds

    members = [
        {
            "flag": True,
            "label": "no",
            "none": None,
            "grid": [["a"], ["é"]],
            "inner": {"x": 0.5},
            "many": [{"role": "q", "n": 1}, {"role": "r", "n": 2}],
        }
    ]
    shapes = {
        "flag": np.bool_,
        "label": kinds.ClassLabel(names=["yes", "no"]),
        "none": kinds.Text(optional=True),
        "grid": kinds.Tensor(shape=(2, 1), dtype=np.object_),
        "inner": {"x": np.float32},
        "many": kinds.Dataset({"role": kinds.Text(), "n": np.int64}),
    }
    assert rows(f"tfds:{prepare(tmp_path, members, shapes, 'array_record')}") == [{**members[0], "label": 1}]


def test_tfds_is_read_without_tensorflow(tmp_path) -> None:
    folder = prepare(tmp_path, ROWS, features(), "array_record")
    stub = tmp_path / "installed" / "tensorflow" / "__init__.py"
    stub.parent.mkdir(parents=True)
    stub.write_text("raise AssertionError('TensorFlow is imported')\n")
    program = (
        "import sys\n"
        "from jorney.rows.sources import read_rows\n"
        "assert 'tensorflow_datasets' not in sys.modules\n"
        f"print(len(list(read_rows('tfds:{folder}'))), 'tensorflow' in sys.modules)"
    )
    path = os.pathsep.join([str(tmp_path / "installed"), str(ROOT)])
    environment = {**os.environ, "PYTHONPATH": path}
    done = subprocess.run([sys.executable, "-W", "error", "-c", program], env=environment, capture_output=True, text=True)
    assert done.stdout.split() == ["3", "False"], done.stderr


@pytest.mark.parametrize(
    ("source", "error"),
    [
        ("tfds:", "expected tfds:NAME"),
        ("tfds:nothing", "nothing that is prepared in .*: expected array_record or parquet, as `tfds build"),
        ("tfds:tiny:2.0.0", "nothing that is prepared in"),
        ("tfds:tiny@nope", "the split 'nope': Unknown split 'nope'. Should be one of .'train', 'test'"),
        ("tfds:tiny@train[", "the split 'train\\[': Error parsing split"),
        ("tfds:{tmp}", "holds no dataset_info.json: expected a folder that TFDS prepared"),
        # TFDS reads Parquet files whole, whatever part was asked for.
        ("tfds:tiny@train[:1]", "gives 3 examples of Parquet for 1: expected a whole split"),
        ("{tmp}/list.json", "row 1: expected a JSON object, got int"),
        ("{tmp}/tiny", "a folder: expected a file that ends in .jsonl, .parquet or .csv .*, a hub id, or tfds:NAME"),
    ],
)
def test_what_cannot_be_read_is_named(tmp_path, monkeypatch, source, error) -> None:
    prepare(tmp_path, ROWS, features(), "parquet")
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    (tmp_path / "list.json").write_text(' [{"a": 1}, 2]')
    source = source.format(tmp=tmp_path)
    with pytest.raises((ValueError, FileNotFoundError), match=error) as raised:
        rows(source)
    assert str(raised.value).startswith(source)
    assert "\n" not in str(raised.value)


def test_bytes_that_are_no_text_are_named(tmp_path) -> None:
    from tensorflow_datasets import features as kinds

    folder = prepare(tmp_path, [{"text": b"\xff"}], {"text": kinds.Text()}, "array_record")
    with pytest.raises(ValueError, match="row 0: field 'text': expected text in UTF-8"):
        rows(f"tfds:{folder}")
