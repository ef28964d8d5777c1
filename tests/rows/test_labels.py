"""Rows of published forms become labelled solutions, and the bad row is named."""

from __future__ import annotations

import json

import pytest
from places import ROOT

from jorney.judge.labelled import Labelled
from jorney.rows.labels import Reading, read_row
from jorney.rows.sources import read_rows
from jorney.text.step_format import ABEL

HOW = Reading(ABEL)
SHEPHERD = "q Step 1: a ки\nStep 2: b ки\nStep 3: c ки"
SHARED = ROOT.parent / "shared" / "data"


def read(row: dict, how: Reading = HOW) -> list[tuple]:
    return [(one.question, one.steps, one.labels) for one in read_row(row, "f: line 3", how)]


@pytest.mark.parametrize(
    ("row", "labels"),
    [
        ({"prompt": "q", "completions": ["a", "b", "c"], "labels": [True, False, True]}, (1, 0, 1)),
        ({"question": "q", "steps": ["1. a", "b", "c"], "labels": [0.5, None, 1]}, (0.5, None, 1)),
        ({"id": "x", "generator": "g", "problem": "q", "steps": ["a", "b", "c"], "label": 1}, (1, 0, None)),
        ({"id": "x", "problem": "q", "steps": ["a", "b", "c"], "label": -1, "final_answer_correct": True}, (1, 1, 1)),
        ({"input": "q", "steps": ["a", "b", "c"], "mistake_index": 0, "answer": "1"}, (0, None, None)),
        ({"input": "q", "steps": ["a", "b", "c"], "mistake_index": None}, (1, 1, 1)),
        (
            {"question": "q", "model_output_steps": "['a', 'b', 'c']", "model_output_solution_first_error_step": "3"},
            (1, 1, 0),
        ),
        (
            {"question": "q", "model_output_steps": ["a", "b", "c"], "model_output_solution_first_error_step": "N/A"},
            (1, 1, 1),
        ),
        ({"input": SHEPHERD, "label": SHEPHERD.replace("ки", "-").replace("a -", "a +")}, (1, 0, 0)),
    ],
)
def test_forms(row, labels) -> None:
    assert read(row) == [("q", ("1. a", "2. b", "3. c"), labels)]


def completion(text: str, rating: int | None) -> dict:
    return {"text": text, "rating": rating}


def prm800k(*steps: tuple) -> dict:
    levels = [{"completions": c, "chosen_completion": at, "human_completion": human} for c, at, human in steps]
    return {"question": {"problem": "q", "ground_truth_answer": "1"}, "label": {"steps": levels, "finish_reason": "solution"}}


ROW = prm800k(
    ([completion("a", 1), completion("x", -1)], 0, None),
    ([completion("y", -1)], None, completion("b", None)),
    ([completion("z", 0), completion("c", 1)], 1, None),
)


@pytest.mark.parametrize(
    ("process", "label", "values"),
    [
        ("Step 1: a ки\nStep 2: b ки", ["+", "-"], (1, 0)),
        ("a\n\n\n\n\nb\n\n\n\n\n", ["-", "+"], (0, 1)),
        ("a\n\n\n\n\nb", [1, 0], (1, 0)),
        ("a ки b\n\nки", [True, False], (1, 0)),
    ],
)
def test_openrs_rows(process, label, values) -> None:
    ((question, steps, labels),) = read({"question": "q", "process": process, "label": label})
    assert (question, labels) == ("q", values)
    assert [step[-1] for step in steps] == ["a", "b"]


@pytest.mark.parametrize(
    ("row", "error"),
    [
        ({"process": "a", "label": ["+"]}, "field 'process': expected steps that end in 'ки' or in five line breaks"),
        ({"process": "a ки b ки", "label": ["+"]}, "field 'label': 1 of them: expected 2, one for each step of 'process'"),
        ({"process": "a ки ки", "label": ["+", "+"]}, "field 'label': 2 of them"),
        ({"process": "a ки", "label": ["?"]}, r"field 'label\[0\]': expected '\+' or '-', 1 or 0, got '\?'"),
        ({"process": "a ки", "label": [None]}, r"field 'label\[0\]': expected '\+' or '-', 1 or 0, got None"),
        ({"process": "a ки", "label": "+"}, "field 'label': expected a list, got '\\+'"),
        ({"process": ["a ки"], "label": ["+"]}, "field 'process': expected a text, got"),
    ],
)
def test_what_is_wrong_with_openrs_rows_is_named(row, error) -> None:
    with pytest.raises(ValueError, match=f"^f: line 3: {error}"):
        read({"question": "q", **row})


def test_first_errors_of_csv_are_numbers(tmp_path) -> None:
    """Their cells are texts."""
    (tmp_path / "x.csv").write_text("input,steps,mistake_index\nq,\"['a', 'b']\",1\nq,\"['a', 'b']\",\n")
    (tmp_path / "y.csv").write_text("problem,steps,label\nq,\"['a', 'b']\",-1\nq,\"['a', 'b']\",0\n")
    found = [[read(row)[0][2] for _, row in read_rows(f"{tmp_path}/{name}.csv")] for name in "xy"]
    assert found == [[(1, 0), (1, 1)], [(1, 1), (0, None)]]


@pytest.mark.parametrize(("neutral", "value"), [("positive", 1), ("negative", 0), ("ignored", None)])
def test_prm800k(neutral, value) -> None:
    """What was taken, then the others beside it, of which the last step alone is labelled."""
    beside = [("q", ("1. x",), (0,)), ("q", ("1. a", "2. y"), (None, 0)), ("q", ("1. a", "2. b", "3. z"), (None, None, value))]
    expected = [("q", ("1. a", "2. b", "3. c"), (1, None, 1)), *beside[: 2 if value is None else 3]]
    assert read(ROW, Reading(ABEL, neutral)) == expected
    assert read(ROW, Reading(ABEL, neutral, siblings=False)) == expected[:1]


def test_prm800k_ends_where_no_step_was_right() -> None:
    row = prm800k(([completion("a", 1)], 0, None), ([completion("y", 1), completion("x", -1)], None, None))
    assert read(row) == [("q", ("1. a", "2. x"), (1, 0)), ("q", ("1. a", "2. y"), (None, 1))]


@pytest.mark.parametrize(
    ("row", "error"),
    [
        ({"text": "x"}, "f: line 3: the columns are text: expected prompt, completions, labels, or question and steps"),
        ({"problem": "q", "steps": ["a"], "label": 1}, "field 'label': expected one of 1 steps, or -1 for none, got 1"),
        ({"problem": "q", "steps": ["a"], "label": True}, "field 'label': expected one of 1 steps, or -1 for none, got True"),
        ({"problem": "", "steps": ["a"], "label": 0}, "field 'problem': expected a text that is not empty"),
        ({"problem": "q", "steps": ["a", ""], "label": 0}, "field 'steps': expected a list of texts, none of them empty"),
        ({"question": "q", "steps": ["a"], "labels": [2]}, "field 'labels': expected 1 numbers 0 to 1, or null, one a step"),
        (
            {"input": "q Step 1: a ки", "label": "q Step 1: a ?"},
            r"field 'label': expected \+ or - for each 'ки' of 'input', at",
        ),
        ({"input": "q a ки", "label": "q a +"}, "field 'input': expected 'Step 1:' after the question"),
        ({"question": {"problem": "q"}, "label": {"steps": [{}]}}, "expected PRM800K's question and label, got KeyError"),
    ],
)
def test_what_is_wrong_is_named(row, error) -> None:
    with pytest.raises(ValueError, match="f: line 3: ") as caught:
        read(row)
    assert caught.match(error)


@pytest.mark.parametrize(
    ("row", "error"),
    [
        ({"question": {"problem": 5}, "label": {"steps": []}}, "field 'question.problem': expected a text, got 5"),
        ({"question": {}, "label": {"steps": []}}, "the field 'question.problem' is missing"),
        ({"question": {"problem": "q"}, "label": {"steps": ""}}, "field 'label.steps': expected a list, got ''"),
        (prm800k(([completion(5, 1)], 0, None)), r"field 'label.steps\[0\].completions\[0\].text': expected a text, got 5"),
        (prm800k(([completion("a", 3)], 0, None)), r"completions\[0\].rating': expected 1, 0, -1 or null, got 3"),
        (prm800k(([completion("a", 1)], 4, None)), r"field 'label.steps\[0\].chosen_completion': 4: expected 0 to 0, or null"),
        (prm800k(([completion("a", 1)], True, None)), "chosen_completion': expected a whole number or null, got True"),
        (prm800k(([completion("a", 1)], None, "b")), "human_completion': expected an object or null, got 'b'"),
        (prm800k(([], None, {"text": None, "rating": 1})), "human_completion.text': expected a text, got None"),
    ],
)
def test_fields_of_prm800k_of_other_kinds_are_named(row, error) -> None:
    with pytest.raises(ValueError, match=f"^f: line 3: .*{error}"):
        read(row)


def test_neutral_is_checked() -> None:
    with pytest.raises(ValueError, match="neutral = 'maybe': expected one of positive, negative, ignored"):
        Reading(ABEL, "maybe")


@pytest.mark.skipif(not SHARED.exists(), reason="the shared data folder is not beside the project")
def test_published_rows() -> None:
    def rows(name: str) -> list[list[Labelled]]:
        lines = (SHARED / name).read_text().splitlines()
        return [read_row(json.loads(line), f"{name}: line {i}", HOW) for i, line in enumerate(lines, start=1)]

    shepherd = rows("prm_samples/samples_math-shepherd.jsonl")
    assert len(shepherd) == 7
    assert shepherd[0][0].labels == (1, 1, 1, 1, 0)
    assert shepherd[0][0].steps[4].startswith("5. She spends 260 * 52")
    people = rows("prm_samples/samples_prm800k.jsonl")
    assert [len(own) for own in people] == [10, 4, 7, 7, 7, 1]
    assert [len(own[0].steps) for own in people] == [6, 7, 5, 7, 8, 12]
    assert people[1][0].labels[-1] == 0
    mistakes = rows("bigbench_mistake/multistep_arithmetic.jsonl")
    assert len(mistakes) == 300
    assert mistakes[0][0].labels == (1, 1, 1, 0, None)
