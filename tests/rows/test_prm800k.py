"""PRM800K's published rows: of each question the first solution that is right, in Abel's format."""

from __future__ import annotations

import json
import re

import pytest
from places import ROOT

from jorney.rows.problems import read_problems

SAMPLES = ROOT.parent / "shared" / "data" / "prm_samples" / "samples_prm800k.jsonl"


def row(question="What is 1 + 1?", truth="2", steps=("It is 1 + 1.", "That is 2.\n\n# Answer\n\n2"), **label):
    """Every step one completion, which was chosen."""
    made = [{"completions": [{"text": step, "rating": 1}], "human_completion": None, "chosen_completion": 0} for step in steps]
    return {
        "question": {"problem": question, "ground_truth_answer": truth},
        "label": {"steps": made, "finish_reason": "solution", **label},
    }


def read(tmp_path, *rows, limit=None):
    file = tmp_path / "rows.jsonl"
    file.write_text("".join(json.dumps(one) + "\n" for one in rows))
    return read_problems(str(file), limit)


def test_a_row_becomes_a_problem_with_its_solution(tmp_path) -> None:
    (problem,) = read(tmp_path, row())
    assert (problem.question, problem.answer) == ("What is 1 + 1?", "2")
    assert problem.solution == "1. It is 1 + 1.\n2. That is 2.\n#### 2"


def test_one_right_solution_a_question(tmp_path) -> None:
    wrong = row(steps=("It is 3.\n\n# Answer\n\n3",))
    bad = row()
    bad["label"]["steps"][0]["completions"][0]["rating"] = -1
    given_up, unsaid = row(finish_reason="give_up"), row(steps=("That is 2.",))
    second = row(steps=("It is two.\n\n# Answer\n\n2",))
    other = row("What is one half?", "\\frac{1}{2}", ("Half.\n\n# Answer\n\n$\\dfrac12$",))
    found = read(tmp_path, wrong, bad, given_up, unsaid, row(), second, other)
    assert [problem.question for problem in found] == ["What is 1 + 1?", "What is one half?"]
    assert found[0].solution.startswith("1. It is 1 + 1.")
    assert found[1].answer == "\\frac{1}{2}"  # equal, though written otherwise
    assert len(read(tmp_path, wrong, row(), other, limit=1)) == 1


def test_a_step_that_a_person_wrote_is_taken(tmp_path) -> None:
    made = row()
    made["label"]["steps"][0] |= {"chosen_completion": None, "human_completion": {"text": "By hand.", "rating": None}}
    assert read(tmp_path, made)[0].solution.startswith("1. By hand.\n2. ")
    made["label"]["steps"][0]["human_completion"] = None
    with pytest.raises(ValueError, match="holds no problems"):
        read(tmp_path, made)


def test_a_row_of_another_form_is_named(tmp_path) -> None:
    broken = row("Why?")
    del broken["label"]["finish_reason"]
    with pytest.raises(ValueError, match=r"line 2: expected PRM800K's question and label, got KeyError: 'finish_reason'"):
        read(tmp_path, row(), broken)


def test_published_rows() -> None:
    if not SAMPLES.exists():
        pytest.skip("the shared data folder is not beside the project")
    rows = [json.loads(line) for line in SAMPLES.read_text().splitlines()]
    problems = read_problems(str(SAMPLES))
    assert 0 < len(problems) <= len({one["question"]["problem"] for one in rows})
    truths = {one["question"]["problem"]: one["question"]["ground_truth_answer"] for one in rows}
    for problem in problems:
        assert problem.answer == truths[problem.question]
        lines = problem.solution.splitlines()
        assert [int(re.match(r"(\d+)\. ", line)[1]) for line in lines[:-1]] == list(range(1, len(lines)))
        assert lines[-1] == f"#### {problem.answer}"
        assert "# Answer" not in problem.solution.replace("####", "")
