"""Copies of files without lines and of other people's trees: they follow their source, name it, and go with it."""

from __future__ import annotations

import dataclasses
import gzip
import json
import os

import pytest
import viewed

from jorney.view.collection import copies, kinds
from jorney.view.collection.file_index import cache_folder
from jorney.view.collection.index import Index, Part, peek
from jorney.view.collection.sources import find


@pytest.fixture(autouse=True)
def _cache(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", os.fspath(tmp_path / "cache"))


def opened(place: os.PathLike) -> Index:
    return Index(find([os.fspath(place)]).collections[0])


def problems(*ids: str) -> list[dict[str, str]]:
    return [{"id": one, "question": f"q{one}", "answer": "1"} for one in ids]


def stepwise(number: int) -> dict[str, object]:
    """A tree of TRL's form."""
    return {"prompt": f"What is {number}?", "completions": [f"It is {number}.", "So"], "labels": [True, False]}


def kept(end: str) -> list[str]:
    return sorted(one.name for one in cache_folder().iterdir() if one.name.endswith(end))


def test_files_without_lines_are_copied_once(tmp_path, monkeypatch) -> None:
    rows = problems("a", "b")
    (tmp_path / "a.json").write_text(json.dumps(rows))
    (tmp_path / "b.jsonl.gz").write_bytes(gzip.compress("".join(json.dumps(row) + "\n" for row in rows).encode() + b"{bad\n"))
    (tmp_path / "c.csv").write_text("id,question,answer\na,qa,1\nb,qb,2\n")
    for name, wrong in (("a.json", 0), ("b.jsonl.gz", 1), ("c.csv", 0)):
        index = opened(tmp_path / name)
        assert index.columns["id"] == ["a", "b"]
        assert index.row(1)["question"] == "qb"
        assert len(index.wrong) == wrong
        assert peek(index.collection) == index.kind == kinds.PROBLEM
    monkeypatch.setattr(copies, "_write", None)  # none is made again
    assert "b.jsonl.gz: line 3" in opened(tmp_path / "b.jsonl.gz").wrong[0]


def test_a_copy_follows_its_source(tmp_path) -> None:
    file = tmp_path / "t.json"
    file.write_text(json.dumps(problems("a", "b")))
    index = opened(file)
    assert not index.refresh()
    file.write_text(json.dumps(problems("a", "b", "c", "d")))
    assert index.refresh()
    assert index.columns["id"] == ["a", "b", "c", "d"]
    assert index.row(3)["question"] == "qd"
    file.write_text(json.dumps(problems("x")))
    assert index.refresh()
    assert index.columns["id"] == ["x"]
    assert list(index.texts("question")) == ["qx"]
    assert opened(file).columns["id"] == ["x"]
    assert len(kept(".jsonl")) == 1


def test_trees_of_another_form_are_followed_from_an_empty_file_on(tmp_path) -> None:
    file = tmp_path / "t.jsonl"
    file.write_text("")
    index = opened(file)
    assert len(index) == 0
    viewed.append(file, stepwise(1))
    assert index.refresh()
    assert (index.kind, len(index)) == ("tree", 1)
    viewed.append(file, stepwise(2), {**stepwise(3), "labels": [7]}, stepwise(4))
    assert index.refresh()
    assert [index.row(number)["question"] for number in range(3)] == ["What is 1?", "What is 2?", "What is 4?"]
    assert len(index.wrong) == 1
    assert "t.jsonl: line 3" in index.wrong[0]


def test_what_is_half_written_leaves_what_was_there(tmp_path, monkeypatch) -> None:
    file = tmp_path / "t.json"
    whole = json.dumps(problems("a", "b"))
    file.write_text(whole)
    index = opened(file)
    file.write_text(whole[:-5])
    assert index.refresh()
    assert index.columns["id"] == ["a", "b"]
    assert index.wrong[0].startswith(f"{file}: expected a list of rows")
    with monkeypatch.context() as patched:
        patched.setattr(copies, "_write", None)  # nor is it tried again before it changes
        assert not index.refresh()
    file.write_text(json.dumps(problems("a", "b", "c")))
    assert index.refresh()
    assert index.columns["id"] == ["a", "b", "c"]
    assert index.wrong == []


def test_rows_and_errors_name_the_source(tmp_path) -> None:
    file = tmp_path / "t.json"
    tree = viewed.tree(0).to_json()
    file.write_text(json.dumps([tree, 7, {"id": "no tree"}, tree]))
    index = opened(file)
    assert index.place(1) == os.fspath(file)
    assert index.wrong == [
        f"{file}: row 1: expected a JSON object, got int",
        f"{file}: row 2: no tree: the field nodes is missing",
    ]
    for one in cache_folder().glob("*.jsonl"):
        one.unlink()
    with pytest.raises(FileNotFoundError, match="no such file any more") as error:
        index.row(1)
    assert str(error.value).startswith(f"{file}: ")


def test_lines_of_a_compressed_file_are_named_as_in_it(tmp_path) -> None:
    file = tmp_path / "t.jsonl.gz"
    tree = json.dumps(viewed.tree(0).to_json())
    file.write_bytes(gzip.compress(f'{tree}\n\n{{bad\n{{"id": 1}}\n'.encode()))
    assert [one.partition(": expected")[0] for one in opened(file).wrong] == [
        f"{file}: line 3",
        f"{file}:4: no tree: the field nodes is missing",
    ]


def test_copies_of_files_that_are_gone_are_removed(tmp_path) -> None:
    for name in ("a.json", "b.json", "c.json"):
        (tmp_path / name).write_text(json.dumps(problems(name)))
    opened(tmp_path / "a.json")
    opened(tmp_path / "b.json")
    assert len(kept(".source.json")) == 2
    (tmp_path / "a.json").unlink()
    opened(tmp_path / "c.json")
    assert len(kept(".source.json")) == 2
    assert len(kept(".jsonl")) == 2
    assert len(kept(".texts")) == 2
    assert len(kept(".json")) == 4  # with the indexes
    assert opened(tmp_path / "b.json").columns["id"] == ["b.json"]


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"version": 2}'])
def test_a_copy_that_was_meddled_with_is_made_again(tmp_path, content) -> None:
    file = tmp_path / "t.json"
    file.write_text(json.dumps(problems("a")))
    opened(file)
    for one in cache_folder().iterdir():
        one.write_bytes(content)
    assert opened(file).columns["id"] == ["a"]


def test_a_source_that_is_gone_and_comes_back(tmp_path) -> None:
    file, away = tmp_path / "t.json", tmp_path / "away"
    file.write_text(json.dumps(problems("a")))
    part = Part(os.fspath(file))
    assert part.refresh()
    file.rename(away)
    assert part.refresh()
    assert part.wrong == [f"{file}: No such file or directory"]
    assert not part.refresh()
    away.rename(file)
    assert part.refresh()
    assert part.wrong == []


def test_what_an_importer_stumbles_over_is_named(tmp_path, monkeypatch) -> None:
    file = tmp_path / "t.jsonl"
    viewed.append(file, stepwise(1), stepwise(2))

    def stumbles(row, place, *_):
        raise OverflowError("too large")

    name = copies.tree_form(stepwise(1))
    monkeypatch.setitem(copies.IMPORTERS, name, dataclasses.replace(copies.IMPORTERS[name], tree_of=stumbles))
    assert opened(file).wrong == [f"{file}: line {number}: too large" for number in (1, 2)]
