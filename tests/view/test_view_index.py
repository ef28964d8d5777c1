"""Indexes of files and collections: what they hold of rows, files that grow, lines that are bad, and where they are kept."""

from __future__ import annotations

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


@pytest.mark.parametrize("value", [10**400, -(10**400), 1e308, float("inf"), float("nan"), True, 2**53], ids="abcdefg")
def test_numbers_that_a_page_cannot_hold_count_as_missing(tmp_path, value) -> None:
    output = {"id": "a", "text": "", "correct": True}
    file = lines_of(
        tmp_path / "o.jsonl",
        {**output, "tokens": value, "sample": value, "score": value, "equations": value, "true_equations": 1},
        {**output, "tokens": 7, "sample": 1, "score": 0.5, "equations": 3, "true_equations": 1},
    )
    index = opened(file)
    assert index.wrong == []
    for name, known in (("tokens", 7), ("sample", 1), ("score", 0.5), ("false equations", 2)):
        assert index.columns[name] == [None, known]
        assert index.spread(name).most == known
    nodes = [{}, {"parent": 0, "count": value, "score": value, "rating": value, "status": "leaf-wrong"}]
    tree = summary({"id": "t", "question": "", "nodes": nodes, "generated_tokens": value}, kinds.TREE).columns
    assert (tree["duplicates"], tree["tokens"], tree["lowest"], tree["disagree"]) == (0, None, None, 0)
    earned = summary({**output, "terms": {"a": value, "b": 2.0**52, "c": 2.0**52}}, kinds.EPISODE).columns
    assert (earned["reward a"], earned["reward b"], earned["reward"]) == (None, 2.0**52, None)


def test_rows_that_no_column_can_be_made_of_are_bad_lines(tmp_path, monkeypatch) -> None:
    def made(row, kind):
        if row["id"] == "wrong":
            raise OverflowError("too large")
        return summary(row, kind)

    monkeypatch.setattr("jorney.view.collection.file_index.summary", made)
    file = lines_of(tmp_path / "t.jsonl", *({"id": one, "question": "q", "answer": "1"} for one in ("a", "wrong", "b")))
    index = opened(file)
    assert index.columns["id"] == ["a", "b"]
    assert index.wrong == [f"{file}:2: too large"]


def test_halves_of_characters_in_names_are_made_visible(tmp_path) -> None:
    sample = {"id": "\ud800", "sample": 0, "text": "\udfff", "log_probs": [], "terms": {"\ud800": 1.0}}
    index = opened(lines_of(tmp_path / "t.jsonl", sample))
    assert index.columns["reward \ufffd"] == [1.0]
    assert index.name(0) == "\ufffd"
    assert index.row(0)["text"] == "\udfff"


def test_a_row_that_is_nested_too_deep_to_be_read_again_says_so(tmp_path, monkeypatch) -> None:
    file = lines_of(tmp_path / "t.jsonl", {"id": "a", "question": "q", "answer": "1"})
    index = opened(file)

    def too_deep(content):
        raise RecursionError

    monkeypatch.setattr("jorney.view.collection.file_index._object", too_deep)
    with pytest.raises(ValueError, match=r"t\.jsonl: row 1 is nested too deep to be shown"):
        index.row(0)


def test_a_row_of_another_kind_says_what_it_lacks(tmp_path) -> None:
    file = lines_of(tmp_path / "t.jsonl", viewed.tree(0).to_json(), {"id": "a", "text": "t", "correct": True})
    assert opened(file).wrong == [f"{file}:2: no tree: the field nodes is missing"]


def test_rows_without_an_id_are_called_by_their_number(tmp_path) -> None:
    bare = {"question": "q", "answer": "1"}
    file = tmp_path / "t.jsonl"
    lines_of(file, bare, {**bare, "id": "a"}, bare, {**bare, "id": None}, {**bare, "id": "a"})
    index = opened(file)
    names = ["#1", "a", "#3", "#4", "a~2"]
    assert [index.name(number) for number in range(5)] == names
    assert [index.named(name) for name in names] == [0, 1, 2, 3, 4]
    assert [index.named(name) for name in ("", "#", "#0", "#2", "#6", "3", "~2", "#-1", "#²", "#3~")] == [None] * 10
    assert index.of_id("") == []
    assert index.columns["id"] == ["", "a", "", "", "a"]
    viewed.append(file, bare)
    assert index.refresh()
    assert [index.name(number) for number in range(6)] == [*names, "#6"]


def test_names_are_unlike_ids(tmp_path) -> None:
    ids = ["a", "a", "a~2", "#5", None, "a~2", "a~2~"]
    index = opened(lines_of(tmp_path / "t.jsonl", *({"id": one, "question": "q", "answer": "1"} for one in ids)))
    names = [index.name(number) for number in range(len(ids))]
    assert names == ["a", "a~2~~", "a~2", "#5", "#5~", "a~2~2", "a~2~"]
    assert [index.named(name) for name in names] == list(range(len(ids)))


def test_a_question_is_no_id(tmp_path) -> None:
    rows = [{"problem": "How many?", "solution": "1"}, {"problem": "p1", "sample": 0, "right": True}]
    index = opened(lines_of(tmp_path / "t.jsonl", *rows))
    assert index.columns["id"] == ["", "p1"]


def test_bad_lines_after_a_last_line_without_an_end_have_their_number(tmp_path) -> None:
    file = tmp_path / "t.jsonl"
    row = json.dumps({"id": "a", "question": "q", "answer": "1"})
    lines_of(file, row)
    index = opened(file)
    viewed.append(file, "\n{bad\n", row)
    assert index.refresh()
    assert [line.partition(": ")[0] for line in index.wrong] == [f"{file}:2"]
    again = opened(file)  # by what is kept
    viewed.append(file, "\n\n{worse\n")
    for one in (index, again):
        assert one.refresh()
        assert [line.partition(": ")[0] for line in one.wrong] == [f"{file}:2", f"{file}:5"]
        assert len(one) == 2


def test_a_file_that_is_rewritten_at_the_same_size_is_read_anew(tmp_path) -> None:
    file = tmp_path / "t.jsonl"
    long = "q" * (1 << 17)  # longer than the ends that are compared

    def write(middle: str) -> None:
        before = file.stat().st_mtime_ns if file.exists() else 0
        file.unlink(missing_ok=True)
        lines_of(file, *({"id": one, "question": long, "answer": "1"} for one in ("a", middle, "z")))
        os.utime(file, ns=(before + 10**6, before + 10**6))

    write("b")
    index = opened(file)
    write("c")
    assert index.refresh()
    assert index.columns["id"] == ["a", "c", "z"]
    assert not index.refresh()
    write("d")
    assert opened(file).columns["id"] == ["a", "d", "z"]  # nor is what is kept believed


def test_a_last_line_that_was_not_whole_is_told_by_what_is_kept(tmp_path) -> None:
    file = tmp_path / "t.jsonl"
    lines_of(file, {"id": "a", "question": "q", "answer": "1"}, '{"id": ')
    assert opened(file).wrong == opened(file).wrong == [f"{file}: its last line is not whole yet"]


def test_rewards_that_come_later_are_noticed(tmp_path) -> None:
    rollouts = tmp_path / "grpo" / "rollouts"
    sample = {"id": "a", "sample": 0, "text": "t", "tokens": [1], "log_probs": [0.0]}
    storage.write_jsonl(rollouts / "samples" / "000000-0" / "x.jsonl", [sample])
    storage.write_jsonl(rollouts / "rewards" / "000000-0" / "w.jsonl", [])
    index = Index(find([os.fspath(tmp_path / "grpo")]).collections[0])
    assert "reward" not in index.columns or index.columns["reward"] == [None]
    assert not index.refresh()
    earned = {"id": "a", "sample": 0, "correct": True, "terms": {"accuracy": 1.0}}
    storage.write_jsonl(rollouts / "rewards" / "000000-0" / "y.jsonl", [earned])
    assert index.refresh()
    assert index.columns["reward"] == [1.0]
    assert index.row(0)["correct"] is True
    assert Index(index.collection).columns["reward"] == [1.0]  # by what is kept


def test_folders_that_cannot_be_looked_into_are_named(tmp_path, monkeypatch) -> None:
    parts = tmp_path / "trees" / "parts"
    storage.write_jsonl(parts / "000000000-a.jsonl", [viewed.tree(0).to_json()])
    index = opened(tmp_path / "trees")
    locked = f"{parts}: Permission denied"
    with monkeypatch.context() as patched:
        viewed.lock(patched, parts)
        assert index.refresh()
        assert index.wrong == [locked]
        assert peek(index.collection) == kinds.ROW
    assert index.refresh()
    assert (index.columns["id"], index.wrong) == (["p0"], [])


def test_rows_of_one_id_are_counted_in_their_file(tmp_path) -> None:
    for name, ids in (("a", "xyx"), ("b", "xx")):
        storage.write_jsonl(
            tmp_path / "t" / "parts" / f"{name}.jsonl", [{**viewed.tree(0).to_json(), "id": one} for one in ids]
        )
    index = opened(tmp_path / "t")
    assert [index.nth(number) for number in range(5)] == [1, 1, 2, 1, 2]
    assert [index.name(number) for number in range(5)] == ["x", "y", "x~2", "x~3", "x~4"]
