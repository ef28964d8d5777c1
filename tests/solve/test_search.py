"""Search at test time: what is chosen among solutions and leaves, and what it costs."""

from __future__ import annotations

import dataclasses
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jorney.domain.countdown.sets import Countdown, make_problem, sample_problems
from jorney.domain.domain import Rating
from jorney.domain.grading import Grader
from jorney.domain.problem import Problem
from jorney.engine.generate import Generator
from jorney.solve.beam import leaves
from jorney.solve.choice import SELECTIONS, Chosen, Solutions, aggregate, choose, equal_answers, powers_of_two, summarise
from jorney.solve.search import SearchConfig
from jorney.solve.solver import Sampler, bare_steps
from jorney.solve.statistics import wilson
from jorney.text.step_format import ABEL
from jorney.tree.prune import PruneConfig
from jorney.tree.tree import Node, Tree

ONE = Solutions(
    id="p",
    tokens=[10, 20, 30, 40, 50],
    answers=["1", "2", "2.0", None, "3"],
    groups=[0, 1, 1, -1, 4],
    correct=[False, True, True, False, False],
    scores=[[0.9, 0.2], [0.5, 0.4], [0.9, 0.3], [1.0], [0.6, 0.6]],
)


@pytest.mark.parametrize(
    ("selection", "n", "how", "correct"),
    [
        ("naive", 1, "last", False),
        ("naive", 2, "last", True),
        ("naive", 5, "last", False),  # 0.6, the last
        ("naive", 3, "min", True),
        ("naive", 3, "mean", True),  # 0.6 of the third
        ("naive", 5, "product", False),  # 0.36
        ("weighted", 5, "last", True),  # 0.4 + 0.3 against 0.6
        ("weighted", 1, "last", False),
        ("majority", 5, "last", True),
        ("majority", 2, "last", False),  # one each: the first
    ],
)
def test_choices_by_hand(selection: str, n: int, how: str, correct: bool) -> None:
    found = choose(ONE, n, selection, how)
    assert (found.id, found.correct, found.tokens) == ("p", correct, sum(ONE.tokens[:n]))
    assert found.solution is not None
    assert ONE.correct[found.solution] == correct


@pytest.mark.parametrize("selection", SELECTIONS)
def test_without_answers_nothing_is_chosen(selection: str) -> None:
    none = Solutions("p", [5, 6], [None, None], [-1, -1], [False, False], [[], [0.9]])
    assert choose(none, 2, selection, "last") == Chosen("p", False, 11, None)


@st.composite
def drawn(draw: st.DrawFn) -> Solutions:
    n = draw(st.integers(1, 8))
    answers = draw(st.lists(st.sampled_from(["1", "2", "3", None]), min_size=n, max_size=n))
    right = draw(st.sampled_from(["1", "2", "3"]))
    scores = draw(st.lists(st.lists(st.floats(0, 1), min_size=1, max_size=3), min_size=n, max_size=n))
    groups = [-1 if answer is None else answers.index(answer) for answer in answers]
    return Solutions("p", list(range(n)), answers, groups, [answer == right for answer in answers], scores)


@settings(max_examples=200, deadline=None)
@given(drawn(), st.sampled_from(SELECTIONS), st.sampled_from(["last", "min", "product", "mean"]))
def test_no_choice_beats_an_oracle_or_loses_to_none(one: Solutions, selection: str, how: str) -> None:
    n = len(one.tokens)
    found = choose(one, n, selection, how)
    assert not found.correct or any(one.correct)
    if all(one.correct):
        assert found.correct
    # A judge that knows is worth as much as the oracle.
    knowing = dataclasses.replace(one, scores=[[float(right)] for right in one.correct])
    assert choose(knowing, n, "naive", how).correct == any(one.correct)
    # The answers' texts and their order decide a majority, no score does.
    assert choose(knowing, n, "majority", how) == choose(one, n, "majority", how)


def test_aggregates() -> None:
    found = {how: aggregate([0.5, 0.25, 0.75], how) for how in ("last", "min", "product", "mean")}
    assert found == {"last": 0.75, "min": 0.25, "product": pytest.approx(0.09375), "mean": 0.5}
    assert aggregate([], "product") == 0.0


@pytest.mark.parametrize(("n", "expected"), [(1, [1]), (2, [1, 2]), (6, [1, 2, 4, 6]), (16, [1, 2, 4, 8, 16])])
def test_powers_of_two(n: int, expected: list[int]) -> None:
    assert powers_of_two(n) == expected


def test_steps_as_judges_take_them() -> None:
    assert bare_steps(ABEL, "1. 3 + 4 = 7\n2. so\n\nit is\n#### 7") == ["3 + 4 = 7", "so\n\nit is\n#### 7"]


def test_equal_answers_are_one() -> None:
    problem = Problem("p", "?", "1/2")
    with Grader(60) as grader:
        answers = ["0.5", r"\frac{1}{2}", None, "2", "0.5", r"\frac{2}{4}"]
        assert equal_answers(problem, answers, grader) == [0, 0, -1, 3, 0, 0]


def test_a_comparison_that_never_ends_is_stopped_once() -> None:
    """Towers of powers are no reason to wait for every pair of them."""
    problem = Problem("p", "?", "2")
    answers = ["2", "3", "9^{9^{9^9}}", "8^{9^{9^9}}", "4", "9^{9^{9^9}}"]
    with Grader(1.0) as grader:
        begun = time.monotonic()
        assert equal_answers(problem, answers, grader) == [0, 1, 2, 3, 4, 2]
    assert time.monotonic() - begun < 30


def node(parent: int, text: str, score: float | None, status: str = "kept", correct: bool = True) -> Node:
    return Node(parent, text, (1,), (-0.5,), score=score, status=status, rating=correct)


def tree(*nodes: Node) -> Tree:
    problem = make_problem((3, 4), 12)
    return Tree(problem.id, problem.question, problem.answer, "abel", (Node(None), *nodes), 77, "countdown", problem.meta)


def test_the_leaves_of_trees_are_solutions() -> None:
    grown = tree(
        node(0, "1. 3 + 4 = 7 (left: 7)\n#### 7", 0.6, "leaf-wrong"),
        node(0, "1. 3 * 4 = 12 (left: 12)", 0.3),
        node(2, "\n#### 12", 0.9, "leaf-correct"),
        node(0, "1. 4 - 3 = 1 (left: 1)", 1.0, "unfinished"),
    )
    barren = tree(node(0, "1. 3 + 4", 1.0, "unfinished"))
    problem = make_problem((3, 4), 12)
    right = "1. 3 * 4 = 12 (left: 12)\n#### 12"
    with Grader() as grader:
        one, texts = leaves(problem, [barren, grown, grown], grader)
        assert leaves(problem, [barren], grader) == (Solutions(problem.id, [], [], [], [], []), [])
        # Verdicts alone count as 1 and 0, none at all as 0.5.
        verdicts = tree(node(0, "#### 7", None, "leaf-wrong", correct=False), node(0, "#### 12", None, "leaf-correct"))
        assert leaves(problem, [verdicts], grader)[0].scores == [[0.0], [1.0]]
    assert texts == [grown.nodes[1].text, right] * 2
    assert one.tokens == [1, 2, 1, 2]
    assert one.answers == ["7", "12", "7", "12"]
    assert one.groups == [0, 1, 0, 1]
    assert one.correct == [False, True, False, True]
    assert one.scores == [[0.6], [0.3, 0.9], [0.6], [0.3, 0.9]]
    assert choose(one, 4, "naive", "last").solution == 1
    assert choose(one, 4, "naive", "min").solution == 0
    assert choose(one, 4, "weighted", "min").correct is False


def test_a_leaf_votes_as_often_as_it_was_sampled() -> None:
    often = dataclasses.replace(node(0, "1. 3 * 4 = 12 (left: 12)\n#### 12", 0.5, "leaf-correct"), count=4)
    others = [
        node(0, f"1. {step} = 7 (left: 7)\n#### 7", score, "leaf-wrong") for step, score in (("3 + 4", 0.6), ("4 + 3", 0.5))
    ]
    with Grader() as grader:
        one, texts = leaves(make_problem((3, 4), 12), [tree(often, *others)], grader)
    assert one.answers == ["12"] * 4 + ["7"] * 2
    assert [choose(one, len(texts), how, "last").correct for how in SELECTIONS] == [False, True, True]  # naive, and by votes


def test_trees_that_are_searched() -> None:
    problem = make_problem((3, 4), 12)
    beam, dvts = SearchConfig("beam", keep=5), SearchConfig("dvts", keep=3)
    assert beam.solver.planted(problem, beam) == [problem]
    assert beam.solver.expand(beam, "abel").prune == PruneConfig(keep=5, by="score", explore_wrong=0)
    planted = dvts.solver.planted(problem, dvts)
    assert len({one.id for one in planted}) == 3
    assert [dataclasses.replace(one, id=problem.id) for one in planted] == [problem] * 3
    assert dvts.solver.expand(dvts, "abel").prune == PruneConfig(keep=1, by="score", explore_wrong=0)


def test_summary() -> None:
    found = summarise([Chosen("a", True, 10, 0), Chosen("b", False, 30, None), Chosen("c", True, 20, 5)])
    low, high = wilson(2, 3)
    assert found == {"accuracy": 2 / 3, "n": 3, "ci_low": low, "ci_high": high, "mean_tokens": 20.0}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"method": "mcts"}, "search.method = 'mcts': expected one of best-of-n, beam, dvts"),
        ({"aggregate": "max"}, "search.aggregate = 'max'"),
        ({"keep": 0}, "search.keep = 0: expected 1 or more"),
        ({"temperature": 0.0}, "search.temperature = 0.0"),
    ],
)
def test_settings_out_of_range(settings: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SearchConfig(**settings)


def test_solutions_are_scored_step_by_step_and_do_not_depend_on_their_company(policy) -> None:
    problems = sample_problems(Countdown(), "test", 3, 0)
    config = SearchConfig(n=4, max_tokens=16, rows=8, chunk=8)
    generator, asked = Generator(policy), 0

    def judge(requests):
        nonlocal asked
        asked += len(requests)
        assert len({(problem.id, tuple(steps)) for problem, steps in requests}) == len(requests)
        return [Rating(True, "", 1 / len(steps)) for _, steps in requests]

    found = {one.id: one for one in config.solver.solve(problems, Sampler(generator, ABEL, 0), judge, config)}
    assert set(found) == {problem.id for problem in problems}
    for one in found.values():
        assert len(one.tokens) == len(one.scores) == len(one.groups) == 4
        assert all(0 < tokens <= 16 for tokens in one.tokens)
        assert all(own == [1 / k for k in range(1, len(own) + 1)] for own in one.scores)
    assert 3 < asked <= sum(len(own) for one in found.values() for own in one.scores)
    (alone,) = config.solver.solve(problems[1:2], Sampler(generator, ABEL, 0), judge, config)
    assert alone == found[problems[1].id]
