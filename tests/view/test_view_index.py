"""Indexes of files and collections: what they hold of rows, files that grow, lines that are bad, and where they are kept."""

from __future__ import annotations

import gzip
import json
import os
import pathlib

import pytest
import viewed

from jorney import storage
from jorney.view.collection import kinds
from jorney.view.collection.file_index import FileIndex, cache_folder
from jorney.view.collection.index import Index, peek
from jorney.view.collection.sources import find
from jorney.view.collection.summaries import summary

DATA = pathlib.Path(__file__).parents[3] / "shared" / "data"


@pytest.fixture(autouse=True)
def _cache(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", os.fspath(tmp_path / "cache"))


def lines_of(file: pathlib.Path, *rows: object) -> str:
    viewed.append(file, *rows)
    return os.fspath(file)


def opened(place: os.PathLike) -> Index:
    return Index(find([os.fspath(place)]).collections[0])


def test_a_tree_in_short() -> None:
    found = summary(viewed.tree(3).to_json(), kinds.TREE).columns
    expected = {
        "id": "p3", "outcome": "solved", "nodes": 7, "depth": 3, "right leaves": 1, "wrong leaves": 1, "solve rate": 0.5,
        "lowest": 1.0, "disagree": 0, "rejudged": None, "excursions": 1, "duplicates": 0, "tokens": 7, "verifier": "countdown",
        "says reflection": False,
    }  # fmt: skip
    assert {name: found[name] for name in expected} == expected


def test_outcomes_of_trees() -> None:
    def outcome(*nodes: tuple[int, int | None, str]) -> str:
        made = [{"parent": parent, "rating": rating, "status": status} for parent, rating, status in nodes]
        return summary({"id": "t", "question": "", "nodes": [{"parent": None}, *made]}, kinds.TREE).columns["outcome"]

    assert outcome((0, -1, "kept"), (1, 1, "leaf-correct")) == "solved over a wrong step"
    assert outcome((0, -1, "kept"), (1, 1, "leaf-correct"), (0, 0, "leaf-correct")) == "solved"
    assert outcome((0, 1, "leaf-wrong")) == "not solved"
    old = {"parent": 0, "correct": False, "status": "leaf-correct"}  # of version 1
    assert summary({"question": "", "nodes": [{}, old]}, kinds.TREE).columns["disagree"] == 1


@pytest.mark.parametrize(
    "wrong",
    [
        {"nodes": 7}, {"nodes": [3, None]}, {"nodes": [{}, {"parent": "0", "count": "x"}]}, {"meta": [1]},
        {"question": {"a": 1}},
        {"nodes": [{}, {"parent": 0, "score": float("nan"), "rating": "good", "status": 4, "text": 9}]}, {"id": None},
    ],
)  # fmt: skip
def test_values_of_other_types_count_as_missing(wrong, tmp_path) -> None:
    index = opened(
        lines_of(tmp_path / "t.jsonl", {"id": "a", "question": "q", "nodes": [{}], **wrong}, viewed.tree(0).to_json())
    )
    assert len(index) == 2
    assert index.wrong == []
    assert index.columns["outcome"] == ["not solved", "solved"]


def test_thoughts_outputs_samples_and_others(tmp_path) -> None:
    journey = summary(viewed.journey(viewed.tree(0)).to_json(), kinds.THOUGHT).columns
    assert (journey["kind"], journey["excursions"], journey["says going back"]) == ("journey", 1, True)
    row = {"id": "a", "text": "Wait", "correct": False, "tokens": [1, 2, 3], "true_equations": 1, "equations": 4, "note": "no"}
    output = summary(row, kinds.kind_of(row)).columns
    assert (output["correct"], output["tokens"], output["false equations"], output["says reflection"]) == (False, 3, 3, True)
    sample = {**row, "sample": 2, "log_probs": [], "terms": {"accuracy": 1.0, "length": -0.5}}
    assert kinds.kind_of(sample) == kinds.EPISODE
    found = summary(sample, kinds.EPISODE).columns
    assert (found["reward"], found["reward length"]) == (0.5, -0.5)
    assert kinds.kind_of({"chosen": "a", "rejected": "b"}) == kinds.PAIR
    assert kinds.kind_of({"answers": [], "correct": []}) == kinds.ATTEMPTS
    assert kinds.kind_of({"x": 1}) == kinds.ROW


def test_bad_lines_are_named_and_the_rest_is_there(tmp_path) -> None:
    file = tmp_path / "t.jsonl"
    good = json.dumps({"id": "é", "question": "x" * 100_000, "answer": "1"})
    deep = "[" * 100_000
    file.write_bytes(b"\xef\xbb\xbf" + f"{good}\r\n\n{{half\n[1]\n{deep}\n{good}".encode())
    index = opened(file)
    assert index.columns["id"] == ["é", "é"]
    assert [line.partition(": ")[0] for line in index.wrong] == [f"{file}:{number}" for number in (3, 4, 5)]
    assert index.row(1)["question"] == "x" * 100_000
    assert (index.name(0), index.name(1), index.named("é~2"), index.named("é~3")) == ("é", "é~2", 1, None)


def test_half_a_line_waits_for_the_rest(tmp_path) -> None:
    file = tmp_path / "t.jsonl"
    whole = json.dumps({"id": "b", "question": "q", "answer": "1"}) + "\n"
    lines_of(file, {"id": "a", "question": "q", "answer": "1"}, whole[:20])
    index = opened(file)
    assert len(index) == 1
    assert index.wrong == [f"{file}: its last line is not whole yet"]
    assert not index.refresh()
    viewed.append(file, whole[20:])
    assert index.refresh()
    assert index.columns["id"] == ["a", "b"]
    assert index.wrong == []
    viewed.append(file, whole.rstrip("\n"))  # whole, but for its end
    assert index.refresh()
    assert index.columns["id"] == ["a", "b", "b"]
    viewed.append(file, "\n", whole)
    assert index.refresh()
    assert index.columns["id"] == ["a", "b", "b", "b"]
    assert list(index.texts("question")) == ["q"] * 4


@pytest.mark.parametrize("other", [["x"], ["x", "y", "z"]])
def test_another_file_of_the_name_is_read_anew(tmp_path, other) -> None:
    file = tmp_path / "t.jsonl"
    lines_of(file, *({"id": one, "question": one, "answer": "1"} for one in "ab"))
    index = opened(file)
    file.unlink()
    lines_of(file, *({"id": one, "question": one * 9, "answer": "1"} for one in other))
    assert index.refresh()
    assert index.columns["id"] == other
    assert list(index.texts("question")) == [one * 9 for one in other]
    assert opened(file).columns["id"] == other


def test_a_row_that_is_gone_says_so(tmp_path) -> None:
    file = tmp_path / "t.jsonl"
    index = opened(lines_of(file, {"id": "a", "question": "q" * 99, "answer": "1"}))
    file.write_text("{}\n")
    with pytest.raises(ValueError, match=r"t\.jsonl: row 1 is not where it was: the file has changed"):
        index.row(0)


def test_an_index_is_kept_and_believed(tmp_path, monkeypatch) -> None:
    (tmp_path / "run").mkdir()
    file = lines_of(tmp_path / "run" / "t.jsonl", viewed.tree(0).to_json())
    first = FileIndex(file)
    monkeypatch.setattr("jorney.view.collection.file_index.summary", None)  # nothing is read again
    again = FileIndex(file)
    assert again.columns == first.columns
    assert again.kind == "tree"
    assert list(again.texts("steps")) == list(first.texts("steps"))
    assert "33 is not" in next(again.texts("justifications"))
    assert [one.name for one in (tmp_path / "run").iterdir()] == ["t.jsonl"]


@pytest.mark.parametrize("content", ["", "{", "[]", '{"version": 2}', '{"version": 2, "file": 3}'])
def test_a_cache_that_is_none_does_no_harm(tmp_path, content) -> None:
    file = lines_of(tmp_path / "t.jsonl", viewed.tree(0).to_json())
    FileIndex(file)
    for one in cache_folder().iterdir():
        one.write_text(content)
    assert FileIndex(file).columns["id"] == ["p0"]
    assert len(list(FileIndex(file).texts("steps"))) == 1


def test_a_cache_that_cannot_be_written_does_no_harm(tmp_path, monkeypatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", os.fspath(tmp_path / "file"))
    file = lines_of(tmp_path / "t.jsonl", viewed.tree(0).to_json())
    index = FileIndex(file)
    viewed.append(file, viewed.tree(1).to_json())
    assert index.refresh()
    assert index.columns["id"] == ["p0", "p1"]
    assert len(list(index.texts("anywhere"))) == 2


def test_two_pages_on_one_file(tmp_path) -> None:
    """Each has what it needs, whatever the other writes."""
    file = lines_of(tmp_path / "t.jsonl", viewed.tree(0).to_json())
    one, other = FileIndex(file), FileIndex(file)
    for number in (1, 2):
        viewed.append(file, viewed.tree(number).to_json())
        assert one.refresh()
        assert other.refresh()
    assert list(one.texts("steps")) == list(other.texts("steps"))
    assert len(one) == len(other) == 3
    assert len(list(cache_folder().glob("*.texts"))) == 1


def test_files_without_lines_are_copied_once(tmp_path) -> None:
    rows = [{"id": "a", "question": "q", "answer": "1"}, {"id": "b", "question": "r", "answer": "2"}]
    (tmp_path / "a.json").write_text(json.dumps(rows))
    (tmp_path / "b.jsonl.gz").write_bytes(gzip.compress("".join(json.dumps(row) + "\n" for row in rows).encode() + b"{bad\n"))
    (tmp_path / "c.csv").write_text("id,question,answer\na,q,1\nb,r,2\n")
    for name, wrong in (("a.json", 0), ("b.jsonl.gz", 1), ("c.csv", 0)):
        index = opened(tmp_path / name)
        assert index.columns["id"] == ["a", "b"]
        assert index.row(1)["question"] == "r"
        assert len(index.wrong) == wrong
        assert peek(index.collection) == index.kind == kinds.PROBLEM
    assert "b.jsonl.gz: line 3" in opened(tmp_path / "b.jsonl.gz").wrong[0]


@pytest.mark.skipif(not DATA.exists(), reason="the data sets are not beside the checkout")
@pytest.mark.parametrize(
    ("name", "trees"),
    [
        ("game24/gpt4_bfs_trees.json", 100),
        ("prm_samples/samples_prm800k.jsonl", 6),
        ("prm_samples/samples_math-aps-tree.jsonl", 3),
        ("prm_samples/samples_math-shepherd.jsonl", 7),
    ],
)
def test_trees_of_others_open_without_a_flag(name, trees) -> None:
    index = opened(DATA / name)
    assert (index.kind, len(index), index.wrong) == ("tree", trees, [])
    assert peek(index.collection) == "tree"


def test_samples_have_what_they_earned(tmp_path) -> None:
    rollouts = tmp_path / "grpo" / "rollouts"
    for number in (0, 1):
        samples = [{"id": "a", "sample": one, "text": f"t{one}", "tokens": [1], "log_probs": [0.0]} for one in (0, 1)]
        earned = [
            {"id": "a", "sample": one, "correct": one == number, "terms": {"accuracy": float(one == number)}} for one in (1, 0)
        ]
        storage.write_jsonl(rollouts / "samples" / f"00000{number}-0" / "x.jsonl", samples)
        storage.write_jsonl(rollouts / "rewards" / f"00000{number}-0" / "y.jsonl", earned)
    storage.write_jsonl(rollouts / "assessments" / "000001-greedy" / "x.jsonl", [{"id": "a", "text": "t", "correct": True}])
    samples, assessments = (Index(one) for one in find([os.fspath(tmp_path / "grpo")]).collections)
    assert samples.kind == kinds.EPISODE
    assert samples.columns["round"] == [0, 0, 1, 1]
    assert samples.columns["correct"] == [True, False, False, True]
    assert samples.columns["reward"] == [1.0, 0.0, 0.0, 1.0]
    assert samples.row(3)["terms"] == {"accuracy": 1.0}
    assert (assessments.columns["round"], assessments.columns["subject"]) == ([1], ["greedy"])


def test_new_parts_are_noticed(tmp_path) -> None:
    parts = tmp_path / "trees" / "parts"
    storage.write_jsonl(parts / "000000000-a.jsonl", [viewed.tree(0).to_json()])
    index = opened(tmp_path / "trees")
    assert not index.refresh()
    storage.write_jsonl(parts / "000000001-b.jsonl", [viewed.tree(1).to_json()])
    assert index.refresh()
    assert index.columns["id"] == ["p0", "p1"]
    assert index.place(1).endswith("1-b.jsonl")
    (parts / "000000000-a.jsonl").unlink()
    assert index.refresh()
    assert index.columns["id"] == ["p1"]
