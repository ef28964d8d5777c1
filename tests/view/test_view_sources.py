"""What lies at paths: runs' folders by their layout, files, stores; names that tell it apart."""

from __future__ import annotations

import errno
import json
import os

import pytest
import viewed
from memory_store import memory_root

from jorney import storage
from jorney.view.collection.index import Index
from jorney.view.collection.sources import find


@pytest.fixture(autouse=True)
def _cache(tmp_path_factory, monkeypatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", os.fspath(tmp_path_factory.mktemp("cache")))


def a_run(root: storage.Path) -> storage.Path:
    """A finished stage with its name, one of earlier settings, one that is being made, a training, and what is no rows."""
    tree = viewed.tree(0).to_json()
    for stage, finished in (("trees-1", True), ("trees-0", True), ("old-7", True), ("judged-2", False)):
        storage.write_jsonl(root / "stages" / stage / "parts" / "000000000-a.jsonl", [tree])
        if finished:
            storage.write_json(root / "stages" / stage / "manifest.json", {"reads": []})
    storage.link(root / "trees", "stages/trees-1")
    storage.write_jsonl(root / "stages" / "sft-3" / "training" / "metrics" / "00000001.jsonl", [{"step": 1, "loss": 1.0}])
    storage.write_json(root / "stages" / "sft-3" / "manifest.json", {})
    storage.write_json(root / "stages" / "sft-3" / "model" / "config.json", {})
    storage.link(root / "sft", "stages/sft-3")
    storage.write_json(root / "report.json", {"models": {}})
    storage.write_json(root / "list.json", [{"question": "q", "answer": "1"}])
    return root


def names(found) -> tuple[list[str], list[str]]:
    return [one.name for one in found.collections], [one.name for one in found.courses]


@pytest.mark.parametrize("where", ["local", "gs"])
def test_a_run_on_a_disk_and_in_a_store(where, tmp_path) -> None:
    root = storage.path(tmp_path / "run") if where == "local" else storage.path(memory_root())
    found = find([os.fspath(a_run(root))])
    assert names(found) == (["list", "trees", "judged-2 (unfinished)", "old-7"], ["sft"])
    every = find([os.fspath(root)], everything=True)
    assert names(every)[0] == ["list", "trees", "judged-2 (unfinished)", "old-7", "trees-0"]
    index = Index(found.collection("trees"))
    assert (index.kind, index.columns["id"], index.row(0)["id"]) == ("tree", ["p0"], "p0")


def test_names_tell_runs_apart(tmp_path) -> None:
    one, other = (a_run(storage.path(tmp_path / name / "run")) for name in ("a", "b"))
    found = find([os.fspath(one), os.fspath(other), os.fspath(one / "trees")])
    collections, courses = names(found)
    assert len(collections) == 8  # what was named twice is there once
    assert {"a/run/trees", "b/run/trees", "a/run/list"} <= set(collections)
    assert courses == ["a/run/sft", "b/run/sft"]


def test_a_stage_and_a_file_by_themselves(tmp_path) -> None:
    root = a_run(storage.path(tmp_path / "run"))
    assert names(find([os.fspath(root / "trees")])) == (["trees"], [])
    assert names(find([os.fspath(root / "sft")])) == ([], ["sft"])
    assert names(find([os.fspath(root / "list.json")])) == (["list"], [])


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("nothing", None, "no such file or folder"),
        ("empty", "folder", "holds no rows and no training"),
        ("a.txt", "text", "expected a run's folder, or a file of rows"),
    ],
)
def test_paths_that_hold_nothing(tmp_path, name, content, said) -> None:
    place = tmp_path / name
    if content == "folder":
        place.mkdir()
    elif content:
        place.write_text(json.dumps(content))
    with pytest.raises((FileNotFoundError, ValueError), match=said) as error:
        find([os.fspath(place)])
    assert os.fspath(place) in str(error.value)
    with pytest.raises(ValueError, match="expected a run's folder"):
        find([])


def test_folders_that_cannot_be_looked_into_are_named_and_the_rest_is_there(tmp_path, monkeypatch) -> None:
    root = a_run(storage.path(tmp_path / "run"))
    locked = (tmp_path / "run" / "stages" / "old-7", tmp_path / "run" / "sft" / "training" / "metrics")
    viewed.lock(monkeypatch, *locked)
    found = find([os.fspath(root)])
    assert names(found) == (["list", "trees", "judged-2 (unfinished)"], [])
    assert sorted(found.closed) == sorted(f"{one}: Permission denied" for one in locked)
    viewed.lock(monkeypatch, tmp_path / "run")
    with pytest.raises(ValueError, match=rf"holds no rows and no training: .*; {tmp_path}/run: Permission denied"):
        find([os.fspath(root)])


def test_a_locked_file_that_may_hold_rows_is_named(tmp_path, monkeypatch) -> None:
    root = a_run(storage.path(tmp_path / "run"))
    locked = os.fspath(tmp_path / "run" / "list.json")
    opens = type(root).open

    def refuses(self, *args, **more):
        if os.fspath(self) == locked:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), locked)
        return opens(self, *args, **more)

    monkeypatch.setattr(type(root), "open", refuses)
    found = find([os.fspath(root)])
    assert names(found)[0] == ["trees", "judged-2 (unfinished)", "old-7"]
    assert found.closed == (f"{locked}: Permission denied",)


def test_paths_that_are_gone_are_named_to_a_page_that_is_open(tmp_path) -> None:
    viewed.append(tmp_path / "a.jsonl", viewed.tree(0).to_json())
    gone = os.fspath(tmp_path / "b.jsonl")
    found = find([os.fspath(tmp_path / "a.jsonl"), gone], lenient=True)
    assert names(found) == (["a"], [])
    assert len(found.gone) == 1
    assert found.gone[0].startswith(f"{gone}: no such file or folder")
    assert names(find([gone], lenient=True)) == ([], [])
