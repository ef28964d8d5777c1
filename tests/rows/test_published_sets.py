"""Rows of published benchmarks, each in its own form, written by hand."""

from __future__ import annotations

import json
import pathlib

import pytest

from jorney.rows.problems import read_problems

ARC_HUB = {
    "id": "M_1",
    "question": "What is wet?",
    "choices": {"text": ["sand", "rain", "ash"], "label": ["1", "2", "3"]},
    "answerKey": "2",
}
ARC_FILE = {
    "id": "M_1",
    "question": {"stem": "What is wet?", "choices": [{"text": "sand", "label": "A"}, {"text": "rain", "label": "B"}]},
    "answerKey": "B",
}
CSQA = {
    "id": "q1",
    "question": "Where is rain?",
    "question_concept": "rain",
    "choices": {"label": list("ABCDE"), "text": ["sea", "sky", "oven", "book", "shoe"]},
    "answerKey": "B",
}


def read(tmp_path: pathlib.Path, *rows: dict, name: str = "rows.jsonl"):
    file = tmp_path / name
    file.write_text("\n".join(json.dumps(row) for row in rows))
    return read_problems(str(file))


@pytest.mark.parametrize("row", [ARC_HUB, ARC_FILE])
def test_arc(tmp_path, row) -> None:
    """Labels may be numbers: the answer is a letter all the same."""
    (problem,) = read(tmp_path, row)
    assert (problem.id, problem.question, problem.answer, problem.verifier) == ("M_1", "What is wet?", "B", "choice")
    assert problem.meta["options"][:2] == ["sand", "rain"]


def test_commonsense_qa(tmp_path) -> None:
    (problem,) = read(tmp_path, CSQA)
    assert (problem.answer, problem.meta["options"][1]) == ("B", "sky")
    with pytest.raises(ValueError, match=r"field 'answerKey': no answer: expected a split with answers"):
        read(tmp_path, {**CSQA, "answerKey": ""})
    with pytest.raises(ValueError, match="field 'answerKey': 'F': expected one of the labels A, B, C, D, E"):
        read(tmp_path, {**CSQA, "answerKey": "F"})


def test_big_bench_hard(tmp_path) -> None:
    file = tmp_path / "dyck_languages.json"
    file.write_text(
        json.dumps({"canary": "...", "examples": [{"input": "( [", "target": "] )"}, {"input": "<", "target": ">"}]})
    )
    problems = read_problems(str(file))
    assert [(one.question, one.answer, one.verifier) for one in problems] == [("( [", "] )", "text"), ("<", ">", "text")]
    assert read(tmp_path, {"input": "( [", "target": "] )"})[0].answer == "] )"
    file.write_text(json.dumps({"canary": "...", "examples": [{"input": "( ["}]}))
    with pytest.raises(
        ValueError, match=r"dyck_languages.json: (line 1|row 0): example 0: expected an object with input and target"
    ):
        read_problems(str(file))


def test_mgsm(tmp_path) -> None:
    rows = [
        {"question": "几？", "answer": None, "answer_number": 18, "equation_solution": None},
        {"question": "多少？", "answer": None, "answer_number": 3, "equation_solution": None},
    ]
    assert [(one.question, one.answer) for one in read(tmp_path, *rows)] == [("几？", "18"), ("多少？", "3")]


def test_aime(tmp_path) -> None:
    small = {"id": 60, "problem": "Find $x$.", "solution": "...", "answer": "204", "url": "https://x", "year": "2024"}
    assert read(tmp_path, small, {**small, "id": 61})[1].id == "61"
    capital = {"ID": "2024-I-1", "Problem": "Find $x$.", "Solution": "...", "Answer": 204}
    (problem,) = read(tmp_path, capital)
    assert (problem.id, problem.question, problem.answer) == ("2024-I-1", "Find $x$.", "204")


def test_math_500(tmp_path) -> None:
    row = {"problem": "Find $x$.", "solution": "So \\boxed{\\frac12}.", "answer": "\\frac12", "subject": "Algebra"}
    rows = [{**row, "level": level, "unique_id": f"test/algebra/{level}.json"} for level in (2, 5)]
    problems = read(tmp_path, *rows)
    assert [(one.id, one.answer, one.meta["level"]) for one in problems] == [
        ("test/algebra/2.json", "\\frac12", 2),
        ("test/algebra/5.json", "\\frac12", 5),
    ]


def test_other_answers_still_say_something(tmp_path) -> None:
    """What brackets alone may be is an answer of texts, and no number."""
    with pytest.raises(ValueError, match="expected an answer"):
        read(tmp_path, {"question": "?", "answer": "()"})
