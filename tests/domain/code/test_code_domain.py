"""The domain of code: HumanEval's own solutions, what is refused, and what graders make of programs."""

from __future__ import annotations

import pathlib

import pytest

from jorney.domain import domains
from jorney.domain.code.code import Code
from jorney.domain.grading import Grader
from jorney.domain.problem import Problem
from jorney.rows.problems import read_problems
from jorney.solve.choice import equal_answers

META = {"prompt": "", "entry_point": "f", "setup": "k = 2", "tests": ["assert f(1) == k", "assert f(2) == 3"]}
ADDS = Problem("adds", "Add one.", "def f(x):\n    return x + 1", verifier="code", meta=META)


@pytest.fixture(scope="module")
def human_eval(shared_data: pathlib.Path) -> list[Problem]:
    path = shared_data / "humaneval" / "HumanEval.jsonl.gz"
    if not path.exists():
        pytest.skip("HumanEval is not in the shared data folder")
    return read_problems(str(path))


@pytest.fixture(scope="module")
def grader(refused: str):
    with Grader(timeout_seconds=10, memory_limit=1 << 30, isolation="none" if refused else "auto") as one:
        yield one


def test_published_solutions_pass_and_nothing_does_not(human_eval: list[Problem], grader: Grader) -> None:
    assert len(human_eval) == 164
    assert {problem.id: note for problem in human_eval if (note := grader.compare(problem, problem.answer))} == {}
    bodies = [problem.answer[len(problem.meta["prompt"]) :] for problem in human_eval]
    grades = grader.grade_all(human_eval, [f"```python\n{problem.answer}\n```" for problem in human_eval])
    assert [grade.note for grade in grades if not grade.correct] == []
    grades = grader.grade_all(human_eval, bodies)
    assert [grade.note for grade in grades if not grade.correct] == []
    assert not any(grade.correct for grade in grader.grade_all(human_eval, ["    pass\n"] * 164))
    assert {grade.note for grade in grader.grade_all(human_eval, [""] * 164)} == {"no answer"}


def test_grades(grader: Grader) -> None:
    right, wrong, none = grader.grade_all([ADDS] * 3, ["```python\ndef f(x): return x + 1\n```", "def f(x): return 2", " "])
    assert (right.correct, right.answer, right.note) == (True, "def f(x): return x + 1\n", "")
    assert (wrong.correct, wrong.note) == (False, "AssertionError: assert f(2) == 3 (got 2)")
    assert (none.correct, none.answer, none.note) == (False, None, "no answer")
    assert grader.compare(ADDS, ADDS.answer) == ""
    assert not grader.grade(ADDS, "").correct


def test_programs_are_equal_by_their_text_when_answers_are_counted(grader: Grader) -> None:
    """Not by the tests: who chooses among answers does not know them."""
    assert equal_answers(ADDS, ["def f(x): return x + 1", ADDS.answer, None, ADDS.answer], grader) == [0, 1, -1, 1]


def test_what_grading_needs_is_checked() -> None:
    code = domains.named("code", "p")
    assert code.runs_code
    assert isinstance(code, Code)
    assert not domains.named("math", "p").runs_code
    code.check(META, "p")
    code.check({"tests": "assert True"}, "p")
    for change, message in (
        ({"tests": ""}, "p: field 'meta.tests': expected a text or a list of lines, got ''"),
        ({"tests": [1]}, "field 'meta.tests'"),
        ({"setup": 3}, "p: field 'meta.setup': expected a text, got 3"),
        ({"entry_point": "a b"}, "p: field 'meta.entry_point': expected a name, got 'a b'"),
    ):
        with pytest.raises(ValueError, match=message):
            code.check({**META, **change}, "p")


def test_isolation_reaches_what_runs_programs_alone() -> None:
    with Grader(isolation="none") as grader:
        assert grader.grade(ADDS, ADDS.answer).correct
        assert grader.grade(Problem("p", "?", "2"), "#### 4/2").correct
    with Grader(isolation="else") as grader:
        with pytest.raises(ValueError, match="isolation = 'else'"):
            grader.grade(ADDS, ADDS.answer)
        assert grader.grade(Problem("p", "?", "2"), "#### 4/2").correct
