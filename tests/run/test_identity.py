"""What a run reads is known by its content: the same on every host, another where a byte is another."""

from __future__ import annotations

import json
import os
import pathlib
import shutil
import subprocess
import sys

import object_store
import pytest
from memory_store import memory_root
from places import ROOT

import jorney
from jorney import storage
from jorney.run import identity
from jorney.run.identity import source_digest

EMBEDDED = pathlib.Path(jorney.__file__).parent / "embedded"


@pytest.fixture(params=["local", "gs"])
def root(request, tmp_path) -> str:
    return str(tmp_path / "run") if request.param == "local" else memory_root()


@pytest.fixture
def small_is_large(monkeypatch) -> list[str]:
    """Every file counts as large; gives the files that were read for their hash."""
    read: list[str] = []
    monkeypatch.setattr(identity, "LARGE", 0)
    own = identity.read_digest
    monkeypatch.setattr(identity, "read_digest", lambda file: read.append(file.name) or own(file))
    return read


def test_a_source_is_known_by_its_content(root):
    storage.write_text(f"{root}/a.jsonl", "one")
    storage.write_text(f"{root}/folder/x", "one")
    storage.write_text(f"{root}/folder/y", "two")
    file, folder = source_digest(f"{root}/a.jsonl"), source_digest(f"{root}/folder")
    assert source_digest(f"{root}/a.jsonl") == file
    storage.write_text(f"{root}/a.jsonl", "one")  # written again, unchanged
    assert source_digest(f"{root}/a.jsonl") == file
    storage.write_text(f"{root}/a.jsonl", "eno")
    assert source_digest(f"{root}/a.jsonl") != file
    storage.write_text(f"{root}/folder/y", "twe")
    assert source_digest(f"{root}/folder") != folder
    storage.write_text(f"{root}/folder/y", "two")
    assert source_digest(f"{root}/folder") == folder
    storage.path(f"{root}/folder/y").rename(f"{root}/folder/z")
    assert source_digest(f"{root}/folder") != folder


def test_what_is_not_there_is_known_by_its_name():
    assert source_digest("openai/gsm8k:main@test") == "openai/gsm8k:main@test"


def test_what_lies_in_folders_of_a_folder_counts(root):
    """Weights of a native checkpoint lie in one: two models were one before."""
    storage.write_text(f"{root}/model/config.json", "{}")
    storage.write_text(f"{root}/model/orbax/d/0", "weights")
    first = source_digest(f"{root}/model")
    storage.write_text(f"{root}/model/orbax/d/0", "wEights")
    assert source_digest(f"{root}/model") != first


def test_what_is_hidden_counts_for_nothing(tmp_path):
    shutil.copytree(EMBEDDED, tmp_path / "model")
    first = source_digest(str(tmp_path / "model"))
    (tmp_path / "model" / ".cache").mkdir()
    (tmp_path / "model" / ".cache" / "model.safetensors.metadata").write_text("1700000000.5")
    (tmp_path / "model" / ".gitattributes").write_text("*.safetensors")
    assert source_digest(str(tmp_path / "model")) == first


def test_two_copies_of_large_files_are_one(tmp_path, small_is_large):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "weights").write_bytes(b"0" * 1000)
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    os.utime(tmp_path / "b" / "weights", (1, 1))
    assert source_digest(str(tmp_path / "a")) == source_digest(str(tmp_path / "b"))


def test_a_large_file_is_read_once_until_it_changes(tmp_path, small_is_large):
    file = tmp_path / "weights"
    file.write_bytes(b"0" * 1000)
    first = source_digest(str(file))
    assert source_digest(str(file)) == first
    assert small_is_large == ["weights"]
    before = file.stat()
    file.write_bytes(b"1" * 1000)  # of the same size, in the same file, at the same time
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert source_digest(str(file)) != first
    assert small_is_large == ["weights", "weights"]


@pytest.mark.parametrize("kept", ["", "[]", "{", json.dumps({"weights": 3}), json.dumps({"weights": [1, 2, 3, "x"]})])
def test_damaged_notes_are_not_believed(tmp_path, small_is_large, kept):
    file = tmp_path / "weights"
    file.write_bytes(b"0" * 1000)
    first = source_digest(str(file))
    (tmp_path / ".jorney-digests.json").write_text(kept)
    assert source_digest(str(file)) == first
    assert small_is_large == ["weights", "weights"]


def test_a_file_of_the_hub_is_known_by_its_blob(tmp_path, small_is_large):
    blob = "ab" * 32
    (tmp_path / "blobs").mkdir()
    (tmp_path / "blobs" / blob).write_text("weights")
    snapshot = tmp_path / "snapshots" / "rev"
    snapshot.mkdir(parents=True)
    (snapshot / "model.safetensors").symlink_to(f"../../blobs/{blob}")
    assert identity.file_digest(storage.path(snapshot / "model.safetensors")) == blob
    assert small_is_large == []


READS = """
from jorney.run import identity
identity.LARGE = 3
reads = []
own = identity.read_digest
identity.read_digest = lambda file: reads.append(file) or own(file)
print(identity.source_digest("gs://bucket/model"), len(reads))
"""


def test_a_large_object_of_a_store_is_known_by_the_stores_hash():
    """Nothing of it is read, and another content is another key."""
    with object_store.serve() as (environment, objects):

        def key() -> list[str]:
            program, surroundings = [sys.executable, "-c", READS], {**os.environ, **environment, "PYTHONPATH": str(ROOT)}
            return subprocess.run(program, env=surroundings, check=True, capture_output=True, text=True).stdout.split()

        objects.put("bucket/model/weights", b"12345", {})
        first, reads = key()
        assert reads == "0"
        assert key() == [first, "0"]
        objects.put("bucket/model/weights", b"12354", {})
        assert key()[0] != first
