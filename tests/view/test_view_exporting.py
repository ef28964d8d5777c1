"""What is taken away is what the commands write of the same trees."""

from __future__ import annotations

import dataclasses
import json
import shlex

import pytest
from countdown_trees import countdown_tree
from random_trees import random_tree
from trees_by_hand import followed_tree

from jorney.cli import main
from jorney.domain.countdown.sets import make_problem
from jorney.rows.labels import Reading, read_row
from jorney.rows.registry import EXPORTERS, ExportConfig
from jorney.text.step_format import ABEL
from jorney.thought.derive import DeriveConfig
from jorney.tree.contrasts import ContrastConfig
from jorney.tree.tree import from_json
from jorney.view.export.exporting import FORMS, ExportSettings, command, exported, lines

TREES = [followed_tree(0), *(countdown_tree(make_problem(numbers, 20), 1) for numbers in ((3, 4, 5, 9), (2, 4, 6, 8)))]


def read(data: bytes) -> list[dict]:
    return [json.loads(line) for line in data.decode().splitlines()]


def test_trees_come_back_as_they_were() -> None:
    found = exported(TREES, "trees")
    assert [from_json(row) for row in read(found.data)] == TREES
    assert (found.rows, found.given, found.nothing, found.refused, found.command) == (3, 3, (), (), "")


SETTINGS = [
    ("long_thoughts", ExportSettings(seed=3, derive=DeriveConfig(trials=3, excursion="always", per_tree=1))),
    ("preference_pairs", ExportSettings("journey", 1, contrast=ContrastConfig(per_node=1, smoothing="visits"))),
    ("stepwise", ExportSettings(export=ExportConfig(neutral=False))),
    ("step_dpo", ExportSettings("first-error")),
    *((form, ExportSettings()) for form in ("prm800k", "openr", "math_shepherd", "messages", "prompt_completion")),
]


@pytest.mark.parametrize(("form", "settings"), SETTINGS)
def test_the_command_writes_the_same_bytes(tmp_path, monkeypatch, form: str, settings: ExportSettings) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my trees.jsonl").write_bytes(exported(TREES, "trees").data)
    found = exported(TREES, form, settings, "my trees.jsonl")
    assert found.rows == len(found.data.splitlines()) > 0
    jorney, *arguments = shlex.split(found.command)
    assert (jorney, main(arguments)) == ("jorney", 0)
    assert (tmp_path / f"{form}.jsonl").read_bytes() == found.data


def test_thoughts_are_those_of_the_command(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "trees.jsonl").write_bytes(exported(TREES, "trees").data)
    settings = ExportSettings(seed=2, derive=DeriveConfig(per_tree=1))
    found = {kind: exported(TREES, kind, settings) for kind in ("shortcut", "journey", "placebo")}
    assert len({one.command for one in found.values()}) == 1
    assert main(shlex.split(found["journey"].command)[1:]) == 0
    for kind, one in found.items():
        assert one.rows == 2
        assert (tmp_path / "runs" / "derive" / "thoughts" / f"{kind}.jsonl").read_bytes() == one.data


def test_what_gives_nothing_and_what_cannot_be_written_is_said() -> None:
    unsolved = dataclasses.replace(
        TREES[0], id="unsolved", nodes=tuple(dataclasses.replace(node, rating=-1) for node in TREES[0].nodes)
    )
    found = exported([TREES[0], unsolved], "journey")
    assert (found.rows, found.given, found.nothing) == (1, 2, ("unsolved",))
    assert found.words == "1 rows of 2; 1 gave none."
    chat = dataclasses.replace(TREES[0], step_format="step-chat")
    found = exported([chat], "preference_pairs")
    assert (found.rows, found.data) == (0, b"")
    assert found.refused[0].startswith("tree 'p0': its questions are asked in a chat")
    assert found.words.startswith("0 rows of 1; 1 cannot be written so, the first: tree 'p0': ")


def test_a_row_that_cannot_be_read_keeps_no_other_from_being_written() -> None:
    broken = ValueError("trees.jsonl:2: tree 'q': no tree")
    found = exported([followed_tree(0), broken, followed_tree(1)], "trees")
    assert (found.rows, found.given, found.refused) == (2, 3, (str(broken),))
    rows = lines([{"a": 1}, broken])
    assert (rows.rows, rows.given, rows.refused) == (1, 2, (str(broken),))


def test_labels_are_read_by_the_reward_model() -> None:
    found = exported([followed_tree(0)], "labels")
    labelled = [one for row in read(found.data) for one in read_row(row, "here", Reading(ABEL))]
    assert [one.labels for one in labelled] == [(0.0, 0.0, 0.0), (1.0, 1.0, 1.0), (None, 0.0)]


@pytest.mark.parametrize("form", FORMS)
def test_any_tree_in_any_form_is_written_told_or_refused(form: str) -> None:
    trees = [random_tree(seed) for seed in range(15)]
    found = exported(trees, form)
    assert found == exported(trees, form)  # whenever and however often
    assert found.given == 15
    assert len(found.nothing) + len(found.refused) <= 15
    assert found.rows == len(found.data.splitlines())


def test_commands_name_what_is_not_usual_alone() -> None:
    assert command("prm800k", source="a b.jsonl") == "jorney trees export 'a b.jsonl' --format prm800k --output prm800k.jsonl"
    told = command("journey", ExportSettings(seed=7, derive=DeriveConfig(per_tree=2)), "t.jsonl")
    assert told == "jorney derive --trees t.jsonl --output runs/derive --derive.per-tree 2 --seed 7"
    assert command("labels") == ""
    assert set(EXPORTERS) < set(FORMS)
    with pytest.raises(ValueError, match="form = 'csv': expected one of trees, "):
        exported([], "csv")
    with pytest.raises(ValueError, match="pairs = 'all'"):
        ExportSettings("all")


def test_rows_of_any_kind_are_written_as_they_are() -> None:
    rows = [{"id": "é", "n": [1, None]}, {"text": "\ud800"}]
    found = lines(rows, "outputs.jsonl")
    assert (found.rows, found.name) == (2, "outputs.jsonl")
    assert found.data.splitlines()[0] == '{"id": "é", "n": [1, null]}'.encode()
