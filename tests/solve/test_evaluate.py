from __future__ import annotations

import dataclasses
import pathlib

import pytest
from prompts import TEXTS

from jorney.domain.countdown.sets import Countdown, sample_problems
from jorney.domain.problem import Problem
from jorney.engine.generate import Completion
from jorney.solve.evaluate import EvaluateConfig, Graded, evaluate, summarise
from jorney.solve.statistics import wilson
from jorney.text.step_format import ABEL

CONFIG = EvaluateConfig(max_tokens=64, rows=4)
PROBLEMS = sample_problems(Countdown(), "test", 10, seed=0)


class Scripted:
    """Completes the first seven problems with their own solutions, the rest with a wrong answer; notes what it is asked."""

    policy = TEXTS

    def __init__(self) -> None:
        self.asked: list[str] = []

    def stream(self, prompts, sampling, ids):
        by_id = {problem.id: number for number, problem in enumerate(PROBLEMS)}
        for index, name in reversed(list(enumerate(ids))):
            assert prompts[index] == ABEL.ask(PROBLEMS[by_id[name]].question)
            self.asked.append(name)
            text = PROBLEMS[by_id[name]].solution if by_id[name] < 7 else "1. 1 + 1 = 3 (left: 3)\n#### 3"
            yield index, [Completion(text, (5,) * (10 + by_id[name]), (0.0,), (0.0,), True)]


def test_grades_as_they_end() -> None:
    found = {one.id: one for (one,) in evaluate(Scripted(), PROBLEMS, ABEL, CONFIG, 0)}
    own = [found[problem.id] for problem in PROBLEMS]
    assert [one.correct for one in own] == [True] * 7 + [False] * 3
    assert [one.tokens for one in own] == list(range(10, 20))


def test_summary_numbers() -> None:
    found = summarise([one for (one,) in evaluate(Scripted(), PROBLEMS, ABEL, CONFIG, 0)], CONFIG)
    low, high = wilson(7, 10)
    assert found == {
        "accuracy": 0.7,
        "n": 10,
        "outcomes": {"right": 7, "wrong answer": 3},
        "cut": 0,
        "ci_low": low,
        "ci_high": high,
        "mean_tokens": 14.5,
        "token_limit": 64,
        "true_equations": pytest.approx(21 / 24),
    }


def test_without_equations_their_share_is_none() -> None:
    graded = Graded("a", True, "2", "", 3, True, 0, 0, "#### 2")
    assert summarise([graded], CONFIG)["true_equations"] is None


def test_mathematics_is_graded_by_its_verifier(tmp_path: pathlib.Path) -> None:
    class One:
        policy = TEXTS

        def stream(self, prompts, sampling, ids):
            yield 0, [Completion("1. Half.\n#### $\\frac{1}{2}$", (1, 2), (0.0,), (0.0,), True)]

    ((found,),) = evaluate(One(), [Problem("half", "1/2?", "0.5")], ABEL, CONFIG, 0)
    assert found.correct
    assert found.equations == 0


def test_empty_sets_are_refused() -> None:
    with pytest.raises(ValueError, match="no problems to evaluate"):
        summarise([], CONFIG)


@pytest.mark.parametrize(
    ("field", "value"), [("max_tokens", 0), ("temperature", -1.0), ("top_p", 2.0), ("rows", 0), ("grading_seconds", 0.0)]
)
def test_settings_out_of_range_are_named(field: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"{field} = {value}"):
        dataclasses.replace(CONFIG, **{field: value})
