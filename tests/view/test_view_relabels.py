"""People's verdicts: appended whole, taken back, applied, and never written into what is shown."""

from __future__ import annotations

import dataclasses
import json
import multiprocessing
import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from random_trees import random_tree
from trees_by_hand import followed_tree

from jorney.domain.grading import Grader
from jorney.rows.labels import Reading, read_row
from jorney.rows.prm800k import rows_of
from jorney.rows.registry import IMPORTERS
from jorney.rows.tree_rows import Answers
from jorney.text.step_format import ABEL
from jorney.tree.shape import solved
from jorney.tree.tree import from_json
from jorney.view.judging.relabels import Relabel, Relabels, applied, label_rows

TREE = followed_tree(0)


def verdict(node: int, rating: int, tree=TREE, **more) -> Relabel:
    return Relabel("trees.jsonl", tree.id, node, tree.nodes[node].text, tree.nodes[node].rating, rating, **more)


def test_verdicts_are_appended_and_the_last_one_counts(tmp_path) -> None:
    file = Relabels(tmp_path / "mine.jsonl")
    assert file.read().standing == ()
    first = file.add(verdict(1, 1, note="it is fine", who="anna"))
    file.add(verdict(4, -1))
    last = file.add(verdict(1, 0))
    assert first.time
    assert first.relabel != last.relabel
    given = file.read()
    assert [(one.node, one.rating) for one in given.every] == [(1, 1), (4, -1), (1, 0)]
    assert [(one.node, one.rating) for one in given.standing] == [(4, -1), (1, 0)]
    assert given.of(TREE) == {4: given.standing[0], 1: given.standing[1]}
    assert given.of(TREE, "other.jsonl") == {}
    (line, *_) = (tmp_path / "mine.jsonl").read_text().splitlines()
    assert json.loads(line) == dataclasses.asdict(first)


def test_a_verdict_is_taken_back_and_the_one_before_counts_again(tmp_path) -> None:
    file = Relabels(tmp_path / "mine.jsonl")
    first, last = file.add(verdict(1, 1)), file.add(verdict(1, -1))
    file.undo(last)
    assert file.read().standing == (first,)
    file.undo(first)
    assert file.read().standing == ()
    assert len((tmp_path / "mine.jsonl").read_text().splitlines()) == 4  # nothing is ever removed
    again = file.add(verdict(1, 0))
    assert file.read().standing == (again,)


def test_bad_lines_are_named_and_stop_nothing(tmp_path) -> None:
    path = tmp_path / "mine.jsonl"
    file = Relabels(path)
    made = file.add(verdict(1, 1))
    row = dataclasses.asdict(made)
    bad = ["nonsense", "[1]", '{"undo": "nobody"}', json.dumps({**row, "rating": 2}), json.dumps({**row, "node": True}), "{}"]
    bad += [json.dumps({**row, "more": 1}), '{"relabel": "x"}', "[" * 100_000, '{"rating": ']
    with path.open("a") as opened:
        opened.write("\n".join(bad))  # the last line is unfinished
    second = file.add(verdict(4, -1))
    given = file.read()
    assert given.standing == (made, second)
    assert [one.split(": ")[1] for one in given.bad] == [f"line {number}" for number in range(2, 12)]
    assert "rating = 2: expected 1, 0 or -1" in given.bad[3]


@pytest.mark.parametrize("field", [{"node": 0}, {"rating": 2}, {"rating": True}, {"rating": None}, {"before": 3}, {"note": 1}])
def test_a_verdict_is_checked(field: dict) -> None:
    with pytest.raises(ValueError, match=f"{next(iter(field))} = "):
        dataclasses.replace(verdict(1, 1), **field)


def test_texts_come_back_as_they_were(tmp_path) -> None:
    file = Relabels(tmp_path / "mine.jsonl")
    texts = ["\ud800 half", "\x00\x1b[31m", "line\nbreak\u2028", "سلام \u202e", "x" * 300_000]
    made = [file.add(dataclasses.replace(verdict(1, 1), step=text, note=text)) for text in texts]
    assert list(file.read().every) == made
    assert file.read().bad == ()


def _many(path: str, who: str) -> None:
    for node in (1, 2, 3, 4, 5, 6, 7) * 20:
        Relabels(path).add(verdict(node, 1, who=who, note=who * 2000))


def test_several_pages_at_once_lose_nothing(tmp_path) -> None:
    path = os.fspath(tmp_path / "mine.jsonl")
    others = [multiprocessing.get_context("spawn").Process(target=_many, args=(path, who)) for who in "abc"]
    for one in others:
        one.start()
    for one in others:
        one.join()
    given = Relabels(path).read()
    assert (given.bad, len(given.every)) == ((), 3 * 140)
    assert {who: [one.node for one in given.every if one.who == who] for who in "abc"} == dict.fromkeys(
        "abc", [1, 2, 3, 4, 5, 6, 7] * 20
    )


def test_what_is_shown_or_made_is_never_written_to(tmp_path) -> None:
    source = tmp_path / "trees.jsonl"
    source.write_text(json.dumps(TREE.to_json()) + "\n")
    (tmp_path / "link.jsonl").symlink_to(source)
    for name in ("trees.jsonl", "link.jsonl"):
        with pytest.raises(ValueError, match="holds what is shown"):
            Relabels(tmp_path / name, [source])
    before = source.read_bytes()
    with pytest.raises(ValueError, match="expected a file of verdicts, or none"):
        Relabels(source).add(verdict(1, 1))  # even where nobody said that it is shown
    assert source.read_bytes() == before
    run = tmp_path / "run"
    made = run / "stages" / "trees-0123"
    (made / "parts").mkdir(parents=True)
    for place in (made, made / "parts"):  # not complete yet
        with pytest.raises(ValueError, match="which Jorney has made"):
            Relabels(place / "mine.jsonl")
    (made / "manifest.json").write_text('{"reads": []}')
    (run / "trees").symlink_to(made)
    for place in (run, run / "trees", run / "new"):
        with pytest.raises(ValueError, match="which Jorney has made"):
            Relabels(place / "mine.jsonl")
    (tmp_path / "manifest.json").write_text('{"name": "of a web page"}')
    Relabels(tmp_path / "mine.jsonl").add(verdict(1, 1))


@pytest.mark.parametrize(
    ("name", "words"),
    [("gs://bucket/mine.jsonl", "a local .jsonl file"), ("mine.txt", "a .jsonl file"), ("made.jsonl", "a folder")],
)
def test_other_places_are_refused(tmp_path, name: str, words: str) -> None:
    (tmp_path / "made.jsonl").mkdir()
    with pytest.raises(ValueError, match=words):
        Relabels(name if "://" in name else tmp_path / name)


def test_a_file_of_verdicts_may_be_looked_at(tmp_path) -> None:
    """`jorney view .` finds the verdicts that were given there."""
    file = tmp_path / "verdicts.jsonl"
    first = Relabels(file).add(verdict(4, -1))
    again = Relabels(file, [file])
    again.add(verdict(5, 1))
    assert [one.node for one in again.read().standing] == [first.node, 5]


def test_a_verdict_on_a_step_that_has_changed_is_left_out(tmp_path) -> None:
    file = Relabels(tmp_path / "mine.jsonl")
    file.add(verdict(1, 1))
    nodes = (TREE.nodes[0], dataclasses.replace(TREE.nodes[1], text="1. other"), *TREE.nodes[2:])
    assert file.read().of(dataclasses.replace(TREE, nodes=nodes)) == {}


def test_a_corrected_tree_has_what_hangs_on_ratings_derived_again() -> None:
    # Node 4 begins the right way; a person calls it wrong.
    found = applied(TREE, {4: verdict(4, -1, who="anna", note="not so"), 7: verdict(7, 0)})
    assert [node.rating for node in found.nodes[1:]] == [-1, -1, -1, -1, 1, 1, 0]
    assert [node.excursion for node in found.nodes[1:]] == [True] * 7
    assert (found.nodes[4].justification, found.nodes[4].score) == ("not so", None)
    assert found.nodes[5].justification == TREE.nodes[5].justification
    assert list(solved(TREE))
    assert not list(solved(found))
    assert found.meta["judged"] == {
        "by": {"relabelled": [4, 7], "who": ["anna"]},
        "before": [node.rating for node in TREE.nodes[1:]],
    }
    assert from_json(json.loads(json.dumps(found.to_json()))) == found
    assert applied(TREE, {}) is TREE
    rows = list(rows_of(found))
    assert {one["rating"] for row in rows for one in row["label"]["steps"][0]["completions"] if "9 - 4" in one["text"]} == {-1}
    assert not any(row["label"]["finish_reason"] == "solution" for row in rows)


def test_corrected_labels_go_back_into_the_published_form(shared_data) -> None:
    importer = IMPORTERS["prm800k"]
    lines = (shared_data / "prm_samples" / "samples_prm800k.jsonl").read_text().splitlines()
    with Grader() as grader:
        trees = [importer.tree_of(json.loads(line), "here", ABEL, Answers(grader)) for line in lines]
    for tree in trees:
        for node in range(1, len(tree.nodes)):
            rating = -1 if tree.nodes[node].rating != -1 else 1
            (row,) = rows_of(applied(tree, {node: verdict(node, rating, tree)}))
            ratings = [one["rating"] for step in row["label"]["steps"] for one in step["completions"] or ()]
            (before,) = rows_of(tree)
            known = [one["rating"] for step in before["label"]["steps"] for one in step["completions"] or ()]
            assert sum(a != b for a, b in zip(ratings, known, strict=True)) == (not tree.nodes[node].meta.get("human"))


def test_rows_of_the_verdicts_alone() -> None:
    given = {4: verdict(4, 1), 6: verdict(6, -1), 7: verdict(7, 0), 2: verdict(2, -1)}
    rows = label_rows(TREE, given)
    assert [row["labels"] for row in rows] == [[None, 0.0], [1.0, None, 0.0], [None, 1.0]]
    assert rows[1]["steps"] == [
        "9 - 4 = 5 (left: 3, 5, 5)",
        "3 * 5 = 15 (left: 5, 15)",
        "5 + 15 = 20 (left: 20)\n#### 20",
    ]
    assert [row["labels"] for row in label_rows(TREE, given, "ignored")] == [[None, 0.0], [1.0, None, 0.0]]
    (labelled,) = read_row(rows[0], "here", Reading(ABEL))
    assert labelled.labels == (None, 0.0)
    assert labelled.steps[1].startswith("2. 3 * 4")
    with pytest.raises(ValueError, match="neutral = 'half'"):
        label_rows(TREE, given, "half")


@settings(max_examples=50)
@given(st.integers(0, 1000), st.data())
def test_every_verdict_has_one_label(seed: int, data) -> None:
    tree = random_tree(seed)
    nodes = data.draw(st.sets(st.integers(1, len(tree.nodes) - 1)))
    given = {node: verdict(node, data.draw(st.sampled_from([1, 0, -1])), tree) for node in nodes}
    found = applied(tree, given)
    assert {node: found.nodes[node].rating for node in nodes} == {node: one.rating for node, one in given.items()}
    labels = [label for row in label_rows(tree, given) for label in row["labels"] if label is not None]
    assert sorted(labels) == sorted(float(one.rating >= 0) for one in given.values())


def test_trees_of_one_id_in_a_file_are_told_apart(tmp_path) -> None:
    file = Relabels(tmp_path / "mine.jsonl")
    first, second = (file.add(dataclasses.replace(verdict(1, rating), nth=nth)) for nth, rating in ((1, -1), (2, 0)))
    given = file.read()
    assert given.of(TREE, first.file) == {1: first}
    assert given.of(TREE, first.file, 2) == {1: second}
    assert given.of(TREE, first.file, 3) == {}
    old = {name: value for name, value in dataclasses.asdict(first).items() if name != "nth"}  # as it was written before
    (tmp_path / "old.jsonl").write_text(json.dumps(old) + "\n")
    assert Relabels(tmp_path / "old.jsonl").read().of(TREE, first.file) == {1: first}
    with pytest.raises(ValueError, match="nth = 0: expected a whole number, 1 or more"):
        dataclasses.replace(first, nth=0)
