"""The quality score: its factors by hand, and that planted faults are ranked last."""

from __future__ import annotations

import dataclasses
import random

import pytest
from countdown_trees import countdown_tree

from jorney.domain.countdown.sets import Countdown, sample_problems
from jorney.domain.domains import state
from jorney.domain.problem import Problem
from jorney.rows.problems import read_problems
from jorney.text.step_format import ABEL
from jorney.thought.asked.human import from_solution, segments
from jorney.thought.care.faults import FAULTS, auc, find_faults, loop
from jorney.thought.care.quality import Quality, measure, rank, summarise
from jorney.thought.derive import DeriveConfig, shortcuts, walk
from jorney.thought.refine import RefineConfig, compose

EGGS = Problem(
    "eggs",
    "A hen lays 8 eggs a week. How much do the eggs of 11 hens bring in 5 weeks at $4 an egg?",
    "1760",
    "1. 11 hens lay 8 * 11 = 88 eggs a week\n2. In 5 weeks that is 88 * 5 = 440 eggs\n3. They bring 440 * 4 = 1,760 dollars\n"
    "#### 1760",
)
UNRELATED = ["The train to Boston leaves the old station at noon.", "Her brother paints seventeen wooden boats."]


def _edit(old: str, new: str) -> Quality:
    assert old in (EGGS.solution or "")
    return measure(from_solution(dataclasses.replace(EGGS, solution=(EGGS.solution or "").replace(old, new)), ABEL))


def test_factors_by_hand() -> None:
    clean = measure(from_solution(EGGS, ABEL))
    assert (clean.consistency, clean.completeness, clean.redundancy) == (1.0, 1.0, 1.0)
    assert clean.relevance > 0.8
    assert clean.q == pytest.approx(clean.relevance)
    # One of three equations is false, and one of six operands (440) was found nowhere.
    wrong = _edit("88 * 5 = 440", "88 * 5 = 445")
    assert (wrong.consistency, wrong.completeness) == (pytest.approx(3 / 4), pytest.approx(6 / 7))
    # A step is missing: one of four operands was found nowhere, one of the question's four numbers is not used.
    dropped = _edit("2. In 5 weeks that is 88 * 5 = 440 eggs\n", "")
    assert dropped.completeness == pytest.approx(4 / 5 * 4 / 5)
    # The last step's number is not the answer.
    assert _edit("\n3. They bring 440 * 4 = 1,760 dollars", "").consistency == pytest.approx(0.5)
    # A line said twice: five lines with the answer, four of them different.
    assert _edit("2. In", "2. 11 hens lay 8 * 11 = 88 eggs a week\n3. In").redundancy == pytest.approx(5 / 4)
    # Half of what a line says occurs nowhere before.
    assert _edit("In 5 weeks", "In 5 weeks of stormy northern winter").relevance < clean.relevance


def test_a_wrong_or_missing_answer_is_worth_nothing() -> None:
    thought = from_solution(EGGS, ABEL)
    other = thought.pieces[-1]._replace(text="#### 1761")
    assert measure(dataclasses.replace(thought, pieces=(*thought.pieces[:-1], other))).consistency == 0
    assert measure(dataclasses.replace(thought, pieces=thought.pieces[:-1])).completeness == 0
    same = thought.pieces[-1]._replace(text="#### $1,760.00")
    assert measure(dataclasses.replace(thought, pieces=(*thought.pieces[:-1], same))).consistency == 1


@pytest.fixture(scope="module")
def journeys():
    found = []
    for problem in sample_problems(Countdown(), "trees", 130, 0):
        tree = countdown_tree(problem, 0)
        for leaf in shortcuts(tree, 1):
            visits = walk(tree, leaf, DeriveConfig(trials=3), 0)
            found.append(compose(tree, visits, "journey", state, RefineConfig(), 0))
    return found


def test_excursions_are_no_fault(journeys) -> None:
    """A wrong step that is left again costs nothing; the same step on the way would."""
    long = [one for one in journeys if one.excursions]
    assert len(long) > 30
    for thought in long:
        found = measure(thought)
        assert (found.consistency, found.completeness) == (1.0, 1.0)
        pieces = tuple(p._replace(kind="step") if p.kind == "excursion" else p for p in thought.pieces)
        assert measure(dataclasses.replace(thought, pieces=pieces)).q < found.q


def test_planted_faults_are_ranked_last_on_countdown(journeys) -> None:
    found = find_faults(journeys, UNRELATED)
    assert found.keys() == {*FAULTS, "all"}
    assert {name: one.planted for name, one in found.items() if name != "all"} == dict.fromkeys(FAULTS, len(journeys))
    assert {name: one.below for name, one in found.items() if one.below < 0.99} == {}
    assert found["all"].auc > 0.98


def test_planted_faults_are_ranked_last_on_gsm8k(gsm8k) -> None:
    problems = read_problems(str(gsm8k / "train.jsonl"), 260)
    thoughts = [from_solution(problem, ABEL) for problem in problems[:200]]
    found = find_faults(thoughts, [step for problem in problems[200:] for step in segments(problem, ABEL)])
    least = dict.fromkeys(FAULTS, 0.97) | {"dropped step": 0.9, "changed answer": 1.0, "truncated": 1.0}
    assert {name: one.below for name, one in found.items() if one.below < least.get(name, 0.97)} == {}
    assert found["all"].auc > 0.92


def test_a_score_that_sees_nothing_finds_nothing(journeys) -> None:
    found = find_faults(journeys[:30], UNRELATED, scorer=lambda thoughts: [Quality(1, 1, 1, 1) for _ in thoughts])
    assert {(one.below, one.auc) for one in found.values()} == {(0.0, 0.5)}
    assert auc([3, 2], [1, 2]) == pytest.approx(3.5 / 4)
    with pytest.raises(ValueError, match="no fault can be planted"):
        find_faults([], UNRELATED)


def test_ranking_and_summary() -> None:
    clean = from_solution(EGGS, ABEL)
    looped = loop(clean, random.Random(0), UNRELATED)
    assert looped is not None
    ranked = rank([looped, clean])
    assert [thought for thought, _ in ranked] == [clean, looped]
    found = summarise([quality for _, quality in ranked])
    assert found["count"] == 2
    assert found["q"] == pytest.approx((measure(clean).q + measure(looped).q) / 2)
    assert summarise([]) == {"count": 0}
