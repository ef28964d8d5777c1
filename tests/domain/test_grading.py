"""Answers that are graded side by side: the same verdicts in the same order, and nothing left behind."""

from __future__ import annotations

import os
import time

import pytest

from jorney.domain.domain import Domain
from jorney.domain.grading import Grader
from jorney.domain.problem import Problem
from jorney.domain.worker import Worker

ENDLESS = r"\sum_{k=1}^{10^{12}} k^k"  # math-verify would add them all


def problems(count: int, answer: str = "2") -> list[Problem]:
    return [Problem(f"p{index}", "?", answer) for index in range(count)]


def test_answers_that_hang_are_waited_for_together() -> None:
    """Each in its place, and what comes after each is right."""
    texts = [text for k in range(8) for text in (f"#### {ENDLESS} + {k}", "#### 4/2", f"#### {k}/7")]
    with Grader(timeout_seconds=2) as grader:
        assert grader.grade(problems(1)[0], "#### 6/3").correct  # its process has started
        begun = time.monotonic()
        grades = grader.grade_all(problems(len(texts)), texts)
        taken = time.monotonic() - begun
        assert [grade.note for grade in grades[::3]] == ["grading took longer than 2 s"] * 8
        assert all(grade.correct for grade in grades[1::3])
        assert [grade.note for grade in grades[2::3]] == [f"answers {k}/7, not 2" for k in range(8)]
        assert taken < 14  # one after another they take 16 s
        pids = [worker.pid for lane in grader._lanes for worker in lane.values()]
        assert len(pids) == 4
    for pid in pids:
        assert pid is not None
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_any_number_of_workers_gives_the_same_grades() -> None:
    texts = ["#### 2", "#### 4/2", "#### 3", "I do not know.", f"#### {ENDLESS}", "#### \\frac{6}{3}", "\\boxed{1+1}"]
    with Grader(timeout_seconds=1) as one:
        expected = [one.grade(problem, text) for problem, text in zip(problems(len(texts)), texts, strict=True)]
    assert [grade.correct for grade in expected] == [True, True, False, False, False, True, True]
    for workers in (1, 3):
        with Grader(timeout_seconds=1, workers=workers) as several:
            assert several.grade_all(problems(len(texts)), texts) == expected
            assert several.grade_all(problems(len(texts))[::-1], texts[::-1]) == expected[::-1]


def test_ordinary_answers_start_one_process() -> None:
    with Grader(timeout_seconds=30) as grader:
        assert all(grade.correct for grade in grader.grade_all(problems(50), ["#### 4/2"] * 50))
        assert [len(lane) for lane in grader._lanes] == [1, 0, 0, 0]
        assert grader.grade_all([], []) == []


def test_what_fails_is_raised_and_ends_the_others() -> None:
    with Grader(timeout_seconds=20) as grader:
        begun = time.monotonic()
        asked = [*problems(1), Problem("p", "?", "2", verifier="chess")]
        with pytest.raises(ValueError, match="verifier = 'chess'"):
            grader.grade_all(asked, [f"#### {ENDLESS}", "#### 2"])
        assert time.monotonic() - begun < 15
        assert grader.grade(problems(1)[0], "#### 4/2").correct
    with pytest.raises(ValueError, match="workers = 0: expected at least 1"):
        Grader(workers=0)


def test_a_comparison_that_stops_by_itself_keeps_its_process(monkeypatch: pytest.MonkeyPatch) -> None:
    with Grader(timeout_seconds=1) as grader:
        assert grader.grade(problems(1)[0], "#### 4/2").correct
        pid = grader.worker.pid
        for k in range(3):
            assert grader.grade(problems(1)[0], f"#### {ENDLESS} - {k}").note == "grading took longer than 1 s"
            assert grader.grade(problems(1)[0], "#### 6/3").correct
            assert not grader.grade(problems(1)[0], "#### 6/4").correct
        assert grader.worker.pid == pid


def test_a_domain_may_have_its_own_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    class Always(Worker):
        def compare(self, known: str, stated: str) -> str:
            return ""

    monkeypatch.setattr(Domain, "sandbox", Always)
    with Grader() as grader:
        assert all(grade.correct for grade in grader.grade_all(problems(3), ["#### 7", "#### 8", "#### 9"]))
