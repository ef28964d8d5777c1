"""Files are written whole or not at all, on local disks and in object stores alike."""

from __future__ import annotations

import errno
import json
import os
import stat
import subprocess
import sys

import object_store
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from memory_store import memory_root
from places import ROOT

from jorney import storage

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@pytest.fixture(params=["local", "gs"])
def root(request, tmp_path) -> str:
    return str(tmp_path / "run") if request.param == "local" else memory_root()


def names(folder) -> list[str]:
    return sorted(entry.name for entry in storage.path(folder).iterdir())


def test_what_is_written_is_read(root):
    where = f"{root}/a/b/data.bin"
    assert not storage.path(where).exists()
    storage.write_bytes(where, b"\x00old")
    assert storage.path(where).read_bytes() == b"\x00old"
    storage.write_bytes(where, b"new")
    assert storage.path(where).read_bytes() == b"new"
    storage.write_text(f"{root}/a/b/text", "é\r\n数")
    assert storage.path(f"{root}/a/b/text").read_bytes() == "é\r\n数".encode()
    assert names(f"{root}/a/b") == ["data.bin", "text"]
    assert storage.path(f"{root}/a").is_dir()
    assert storage.path(where).stat().length == 3


def test_local_and_remote_paths(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert os.fspath(storage.path("~/runs/a")) == f"{tmp_path}/runs/a"
    assert os.fspath(storage.path("gs://bucket/runs") / "a") == "gs://bucket/runs/a"
    assert storage.is_local(tmp_path)
    assert storage.is_local("~/runs")
    assert not storage.is_local("gs://bucket/runs")
    assert not storage.is_local(storage.path("gs://bucket/runs"))


def test_an_unknown_kind_of_store_is_refused():
    with pytest.raises(
        ValueError, match="ftp://host/file: expected a local path, or one in a store such as gs://bucket/folder"
    ):
        storage.path("ftp://host/file")


@pytest.mark.parametrize("failing", ["replace", "fsync"])
@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt()])
def test_a_write_that_fails_changes_nothing(tmp_path, monkeypatch, failing, error):
    def fail(*_: object) -> None:
        raise error

    where = tmp_path / "state.json"
    storage.write_text(where, "old")
    monkeypatch.setattr(os, failing, fail)
    for target in (where, tmp_path / "new" / "state.json"):
        with pytest.raises(type(error)):
            storage.write_text(target, "new")
    assert where.read_text() == "old"
    assert names(tmp_path) == ["new", "state.json"]
    assert names(tmp_path / "new") == []


def test_others_may_read_what_is_written(tmp_path):
    # Temporary files are their owner's alone; on a shared disk that would lock everybody else out.
    where = tmp_path / "file"
    storage.write_bytes(where, b"1")
    assert stat.S_IMODE(where.stat().st_mode) == 0o644
    where.chmod(0o600)
    storage.write_bytes(where, b"2")
    assert stat.S_IMODE(where.stat().st_mode) == 0o644


@settings(max_examples=60)
@given(st.lists(st.dictionaries(st.text(max_size=5), JSON, max_size=3), max_size=4), JSON)
def test_json_reads_back(tmp_path_factory, rows, value):
    folder = tmp_path_factory.getbasetemp()
    storage.write_jsonl(folder / "rows.jsonl", rows)
    assert list(storage.read_jsonl(folder / "rows.jsonl")) == list(enumerate(rows, start=1))
    storage.write_json(folder / "value.json", value)
    assert storage.read_json(folder / "value.json") == value


def test_json_in_a_store(root):
    rows = [{"text": "é\n\u2028"}, {}]
    storage.write_jsonl(f"{root}/rows.jsonl", iter(rows))
    assert list(storage.read_jsonl(f"{root}/rows.jsonl")) == [(1, rows[0]), (2, rows[1])]
    storage.write_json(f"{root}/value.json", {"b": [1.5, None], "a": "é"})
    # Made for people too: fields in their order, letters as they are.
    assert storage.path(f"{root}/value.json").read_text() == '{\n  "b": [\n    1.5,\n    null\n  ],\n  "a": "é"\n}\n'
    assert storage.read_json(f"{root}/value.json") == {"b": [1.5, None], "a": "é"}


def test_line_numbers_count_blank_lines(root):
    storage.write_text(f"{root}/rows.jsonl", '\n{"a": 1}\n  \n{"a": 2}')
    assert list(storage.read_jsonl(f"{root}/rows.jsonl")) == [(2, {"a": 1}), (4, {"a": 2})]


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (b'{}\n{"a": 1', "line 2: expected a JSON object, Expecting ',' delimiter"),
        (b"{}\n\n3", "line 3: expected a JSON object, got int"),
        (b'{"a": "\xff"}', "line 1: expected a JSON object, 'utf-8' codec can't decode byte 0xff"),
    ],
)
def test_a_bad_line_is_named(root, content, error):
    storage.write_bytes(f"{root}/rows.jsonl", content)
    with pytest.raises(ValueError, match=f"{root}/rows.jsonl: {error}") as raised:
        list(storage.read_jsonl(f"{root}/rows.jsonl"))
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (b'{\n"a": }', "line 2: expected JSON, Expecting value"),
        (b"\xff", "expected JSON, 'utf-8' codec can't decode byte 0xff"),
    ],
)
def test_a_file_that_is_no_json_is_named(root, content, error):
    storage.write_bytes(f"{root}/value.json", content)
    with pytest.raises(ValueError, match=f"{root}/value.json: {error}"):
        storage.read_json(f"{root}/value.json")


def test_a_missing_file_is_named(root):
    for read in (storage.read_json, lambda where: next(storage.read_jsonl(where))):
        with pytest.raises(FileNotFoundError, match=f"{root}/no.json: no such file"):
            read(f"{root}/no.json")


def test_rows_are_read_one_by_one(root):
    storage.write_text(f"{root}/rows.jsonl", json.dumps({"a": 1}) + "\nbroken")
    assert next(storage.read_jsonl(f"{root}/rows.jsonl")) == (1, {"a": 1})


def test_names_stand_for_what_was_written_last(root):
    storage.write_text(f"{root}/stages/sft-1/model/config.json", "1")
    storage.write_text(f"{root}/stages/sft-2/model/config.json", "2")
    for number in (1, 2):
        storage.link(f"{root}/sft", f"stages/sft-{number}")
        assert storage.follow(f"{root}/sft/model/config.json").read_text() == f"{number}"
        assert storage.read_json(f"{root}/sft/model/config.json") == number
    assert storage.follow(f"{root}/sft").exists()
    missing = f"{root}/sft/model/nothing"
    assert not storage.follow(missing).exists()
    assert not storage.follow(f"{root}/nothing/at/all").exists()


def test_a_copy_of_a_store_is_read_by_the_same_names(tmp_path):
    storage.write_text(tmp_path / "stages" / "sft-1" / "a", "one")
    storage.write_text(tmp_path / "sft.path", "stages/sft-1\n")
    assert storage.follow(tmp_path / "sft" / "a").read_text() == "one"


def test_a_whole_path_is_followed_too():
    """As earlier versions wrote it."""
    root = memory_root()
    storage.write_text(f"{root}/stages/sft-1/a", "one")
    storage.write_text(f"{root}/sft.path", f"{root}/stages/sft-1\n")
    assert storage.follow(f"{root}/sft/a").read_text() == "one"


def test_names_that_lead_in_a_circle_are_refused(root):
    for name, target in (("a", "b"), ("b", "a"), ("self", "self")):
        storage.write_text(f"{root}/{name}.path", target)
    for name in ("a", "self"):
        with pytest.raises(ValueError, match=f"{name}/model: its names lead in a circle: expected NAME.path files that end"):
            storage.follow(f"{root}/{name}/model")


FAILS = """
import gc
from jorney import storage
try:
    with storage.open_whole("gs://bucket/rows.jsonl") as file:
        file.write(b"x" * {size})
        raise RuntimeError("midway")
except RuntimeError:
    del file
    gc.collect()
"""


@pytest.mark.parametrize("size", [7, 20 * 2**20])  # in one request, in several
def test_a_write_to_a_store_that_fails_changes_nothing(size):
    """Not for a moment: an object is replaced when its file is closed, so that a kill changes nothing, either."""
    with object_store.serve() as (environment, objects):
        seen = [objects.put("bucket/rows.jsonl", b"the old content", {})]
        put = objects.put
        objects.put = lambda *given: seen.append(put(*given))  # type: ignore[method-assign]
        program = [sys.executable, "-c", FAILS.format(size=size)]
        subprocess.run(program, env={**os.environ, **environment, "PYTHONPATH": str(ROOT)}, check=True)
        assert [stored.data for stored in seen] == [b"the old content"]
        assert list(objects.stored) == ["bucket/rows.jsonl"]


def test_somebody_s_own_folder_is_no_link(tmp_path):
    (tmp_path / "sft").mkdir()
    storage.link(tmp_path / "sft", "stages/sft-1")
    assert (tmp_path / "sft").is_dir()
    assert not (tmp_path / "sft").is_symlink()


def test_a_byte_order_mark_is_passed_over(tmp_path) -> None:
    (tmp_path / "x.json").write_bytes(b'\xef\xbb\xbf{"a": "\xc3\xa9"}')
    assert storage.read_json(tmp_path / "x.json") == {"a": "é"}


def test_what_never_ends_is_not_read(tmp_path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "zero").symlink_to("/dev/zero")
    (tmp_path / "folder").mkdir()
    for name in ("pipe", "zero", "folder"):
        for read in (storage.read_json, lambda where: next(storage.read_jsonl(where)), storage.expect_file):
            with pytest.raises(ValueError, match=f"{name}: a folder, a pipe or a device: expected a file"):
                read(tmp_path / name)
    with pytest.raises(FileNotFoundError, match="^as it is called: no such file$"):
        storage.expect_file(tmp_path / "no", "as it is called")


def test_names_of_one_place(tmp_path, root) -> None:
    storage.write_text(f"{root}/stages/a-1/x.txt", "x")
    storage.link(f"{root}/a", "stages/a-1")
    assert storage.is_same(f"{root}/a/x.txt", f"{root}/stages/a-1/x.txt")
    assert not storage.is_same(f"{root}/a/x.txt", f"{root}/a/y.txt")
    (tmp_path / "y.txt").symlink_to(tmp_path / "x.txt")
    assert storage.is_same(tmp_path / "y.txt", f"{tmp_path}/./x.txt")


def test_a_file_that_is_too_large_is_not_read(tmp_path):
    where = tmp_path / "config.json"
    where.touch()
    os.truncate(where, 1 << 40)
    with pytest.raises(ValueError, match=r"config.json: has 1,099,511,627,776 bytes: expected at most 1,000"):
        storage.read_json(where, 1000)


@pytest.mark.parametrize("text", [r'{"a": "\ud800 x"}', r'{"\uDFFF": 1}', r'{"a": [["b", "\ud83d"]]}'])
def test_half_a_character_is_refused_by_file_and_line(tmp_path, text: str) -> None:
    (tmp_path / "one.json").write_text(text)
    (tmp_path / "rows.jsonl").write_text('{"a": "\\ud83d\\ude00"}\n' + text + "\n")
    with pytest.raises(ValueError, match="one.json: expected JSON, but a text in it holds half a character, '.u"):
        storage.read_json(tmp_path / "one.json")
    with pytest.raises(ValueError, match="rows.jsonl: line 2: expected a JSON object, but a text in it holds half a character"):
        list(storage.read_jsonl(tmp_path / "rows.jsonl"))


def test_what_is_not_made_yet_is_asked_of_disks_alone(tmp_path):
    """Of a store there are no folders; to ask for its bucket would take the right to list all buckets."""
    (tmp_path / "a").mkdir()
    assert storage.not_made(storage.path(tmp_path / "a" / "b" / "c")) == [tmp_path / "a" / "b" / "c", tmp_path / "a" / "b"]
    assert storage.not_made(storage.path("gs://bucket/a/b")) == []
