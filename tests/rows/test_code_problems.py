"""HumanEval's and MBPP's rows as problems."""

from __future__ import annotations

import json
import pathlib

import pytest

from jorney.rows.problems import read_problems, write_problems
from jorney.rows.readers.rules import RowRules

TESTS = ["assert last([1, 2]) == 2", "assert last([3]) == 3", "assert set(last([[4]])) == {4}"]
MBPP = {
    "task_id": 7,
    "text": "Write a function to get the last element of a list.",
    "code": "def helper(x):\r\n  return x[-1]\r\ndef last(x):\r\n  return helper(x)",
    "test_list": TESTS,
    "test_setup_code": "",
    "challenge_test_list": ["assert last([0]) == 0"],
}
SANITIZED = {
    "source_file": "a.ipynb",
    "task_id": 8,
    "prompt": MBPP["text"],
    "code": "def last(x):\n  return x[-1]",
    "test_imports": ["import math"],
    "test_list": TESTS,
}
HUMAN = {
    "task_id": "Test/0",
    "prompt": "def one():\n",
    "entry_point": "one",
    "canonical_solution": "    return 1\n",
    "test": "def check(candidate):\n    assert candidate() == 1",
}


def read(folder: pathlib.Path, *rows: dict, rules: RowRules | None = None):
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return read_problems(str(folder / "rows.jsonl"), rules=rules)


def test_mbpp(tmp_path: pathlib.Path) -> None:
    (whole,) = read(tmp_path, MBPP)
    assert whole.id == "MBPP/7"
    assert whole.question == "\n".join([MBPP["text"], "Your code should pass these tests:", "", *TESTS])
    assert whole.answer == "def helper(x):\n  return x[-1]\ndef last(x):\n  return helper(x)"
    assert (whole.verifier, whole.solution) == ("code", None)
    expected = {"text": MBPP["text"], "prompt": "", "entry_point": "last", "setup": "", "tests": TESTS}
    assert whole.meta == {**expected, "challenge_tests": MBPP["challenge_test_list"]}
    (sanitized,) = read(tmp_path, SANITIZED)
    assert (sanitized.id, sanitized.question) == ("MBPP/8", whole.question)
    assert sanitized.meta == {**expected, "setup": "import math"}
    write_problems(tmp_path / "written.jsonl", [whole, sanitized])
    assert read_problems(str(tmp_path / "written.jsonl")) == [whole, sanitized]


def test_human_eval(tmp_path: pathlib.Path) -> None:
    (problem,) = read(tmp_path, HUMAN)
    assert (problem.id, problem.question, problem.answer) == ("Test/0", "def one():\n", "def one():\n    return 1\n")
    assert problem.meta["tests"] == "def check(candidate):\n    assert candidate() == 1\ncheck(one)\n"


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({**MBPP, "test_list": ["assert", 3]}, "line 1: field 'test_list\\[1\\]': expected a text, got 3"),
        ({**MBPP, "code": 3}, "line 1: field 'code': expected a text"),
        ({**MBPP, "test_list": []}, "line 1: field 'meta.tests': expected a text or a list of lines"),
        ({**HUMAN, "entry_point": "a-b"}, "line 1: field 'entry_point': expected a name, got 'a-b'"),
        ({**HUMAN, "test": 3}, "line 1: field 'test': expected a text"),
    ],
)
def test_another_form_is_refused_by_line_and_field(tmp_path: pathlib.Path, row: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read(tmp_path, row)


def test_a_program_may_hold_what_answers_may_not(tmp_path: pathlib.Path) -> None:
    solution = '    """#### </b> \\\\boxed{}"""\n    return 1  # #### 3\n'
    (problem,) = read(tmp_path, {**HUMAN, "canonical_solution": solution})
    assert problem.answer == f"def one():\n{solution}"
