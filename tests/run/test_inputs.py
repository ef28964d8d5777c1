"""What trainings learn from: bad rows are passed over with their places, and settings reach the tokenizer."""

from __future__ import annotations

import dataclasses
import json
import re

import pytest
from chats import chat_tokenizer

from jorney.batch.packing import Example
from jorney.rows.labels import Reading
from jorney.rows.readers.rules import RowRules
from jorney.run import inputs
from jorney.run.stages.fine_tuning import SftCommand
from jorney.run.stages.preferences import DpoCommand
from jorney.text.step_format import ABEL


@pytest.fixture(scope="module")
def tokenizer():
    return chat_tokenizer()


def write(folder, *rows: object, name: str = "x.jsonl") -> str:
    lines = (row if isinstance(row, str) else json.dumps(row) for row in rows)
    (folder / name).write_text("".join(line + "\n" for line in lines))
    return str(folder / name)


def skip() -> RowRules:
    return RowRules(bad_rows="skip")


THOUGHT = {"id": "a", "question": "q", "answer": "1", "kind": "shortcut", "leaf": 1, "pieces": [["1. so", "step", 1]]}
PROBLEM = {"question": "q", "answer": "1", "solution": "1. so"}
TEXT = {"text": "1 + 2"}


@pytest.mark.parametrize(
    ("good", "bad"),
    [
        (THOUGHT, {**THOUGHT, "pieces": 5}),
        (THOUGHT, "no row"),
        (PROBLEM, {"question": "q", "answer": "####"}),
        (PROBLEM, {"question": "q", "answer": "1"}),
        (TEXT, {"text": 5}),
        (TEXT, "[1]"),
        ({"prompt": "a", "completion": "b"}, {"prompt": "a", "completion": 5}),
        ({"instruction": "a", "output": "b"}, {"instruction": "a", "output": None}),
    ],
)
def test_bad_rows_are_passed_over(tmp_path, tokenizer, good, bad) -> None:
    source = write(tmp_path, good, bad, good)
    with pytest.raises(ValueError, match=f"^{re.escape(source)}: "):
        inputs.read_examples(source, None, ABEL, True).make(tokenizer)
    with pytest.warns(
        UserWarning, match=f"^{re.escape(source)}: 1 row was passed over, the first for this: {re.escape(source)}"
    ):
        found = inputs.read_examples(source, None, ABEL, True, skip()).make(tokenizer)
    assert len(found) == 2
    assert found[0] == inputs.read_examples(write(tmp_path, good, name="one.jsonl"), None, ABEL, True).make(tokenizer)[0]


def test_places_stay_with_their_rows(tmp_path, tokenizer) -> None:
    """What is too long is named by its own line, whatever was passed over before."""
    source = write(tmp_path, {"text": 5}, TEXT, {"text": 6}, {"text": "1 + 2 " * 50})
    with (
        pytest.warns(UserWarning, match="2 rows were passed over"),
        pytest.raises(ValueError, match=f"{source}: line 4: .* tokens"),
    ):
        inputs.fitting(inputs.read_examples(source, None, ABEL, True, skip()), 20, "error", source)(tokenizer)


def test_when_no_row_is_left_that_is_said(tmp_path, tokenizer) -> None:
    source = write(tmp_path, {"text": 5})
    with pytest.warns(UserWarning, match="1 row was"), pytest.raises(ValueError, match=f"{source}: no row is left"):
        inputs.read_examples(source, None, ABEL, True, skip()).make(tokenizer)


def test_bad_pairs_and_labels_are_passed_over(tmp_path, tokenizer) -> None:
    pair = {"prompt": "a", "chosen": "b", "rejected": "c"}
    source = write(tmp_path, pair, {**pair, "chosen": "c"}, "x")
    with pytest.warns(UserWarning, match="1 row was passed over"):
        assert len(inputs.read_pairs(source, None, ABEL, skip()).make(tokenizer)) == 1
    row = {"prompt": "q", "completions": ["a"], "labels": [True]}
    source = write(tmp_path, row, {**row, "labels": [2]}, {"x": 1})
    with pytest.warns(UserWarning, match="2 rows were passed over"):
        assert len(inputs.read_labelled(source, None, Reading(ABEL), skip())) == 1


def test_columns_by_other_names(tmp_path, tokenizer) -> None:
    source = write(tmp_path, {"q": "a", "r": "b"})
    found = inputs.read_examples(source, None, ABEL, True, RowRules("prompt=q,completion=r")).make(tokenizer)
    plain = write(tmp_path, {"prompt": "a", "completion": "b"}, name="y.jsonl")
    assert found == inputs.read_examples(plain, None, ABEL, True).make(tokenizer)


@pytest.mark.parametrize("command", [SftCommand, DpoCommand])
def test_settings_reach_the_tokenizer(tokenizer, command) -> None:
    given: list[tuple[bool, bool]] = []

    def make(which) -> list[Example]:
        given.append((which.special_tokens, which.lossy))
        return []

    for settings in ({}, {"special_tokens": True}, {"lossy": True}):
        command(**settings).allowed(make)(dataclasses.replace(tokenizer, lossy=True))
    assert given == [(False, False), (True, False), (False, True)]
    assert (command().taken, command(special_tokens=True).taken) == ([], ["special tokens"])
    with pytest.raises(ValueError, match="bad_rows = 'drop': expected one of error, skip"):
        command(bad_rows="drop")
    with pytest.raises(ValueError, match="columns = 'x': expected NAME=COLUMN pairs"):
        command(columns="x")
