"""Budgets against brute force, outcomes by hand, and resuming."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prompts import TEXTS

from jorney.domain.countdown.sets import make_problem
from jorney.domain.problem import Problem
from jorney.engine.generate import Completion, SamplingConfig
from jorney.solve.evaluate import EvaluateConfig
from jorney.solve.resample import (
    Attempts,
    ResampleConfig,
    pass_at_n,
    resampled_until_target,
    sample_attempts,
    summarise_spent,
    takes_oracle,
    token_budget,
)
from jorney.text.step_format import ABEL

PROBLEMS = [make_problem((1, 2), 3), make_problem((3, 4), 12), make_problem((2, 7), 9)]
ATTEMPTS = [
    Attempts(PROBLEMS[0].id, [10, 10, 10], ["2", "3", "3"], [False, True, True]),
    Attempts(PROBLEMS[1].id, [10, 10, 10], ["12", "7", "12"], [False, False, True]),  # it claims the target, falsely
    Attempts(PROBLEMS[2].id, [10, 10, 10], ["5", None, "14"], [False, False, False]),
]


NEEDED = st.lists(st.integers(1, 60), min_size=1, max_size=12)


@given(NEEDED, st.one_of(st.floats(0, 80), st.integers(0, 80), st.fractions(0, 80, max_denominator=12).map(float)))
def test_the_budget_is_the_largest_that_fits(needed, mean) -> None:
    fits = [b for b in range(max(needed) + 1) if sum(min(n, b) for n in needed) / len(needed) <= mean]
    assert token_budget(needed, mean) == max(fits)


@given(NEEDED, st.integers(0, 60))
def test_a_mean_that_was_computed_loses_no_token_to_rounding(needed, budget) -> None:
    """60 / 11 * 11 is less than 60."""
    spent = [min(tokens, budget) for tokens in needed]
    assert token_budget(needed, sum(spent) / len(spent)) == min(budget, max(needed))


def test_rounding_by_hand() -> None:
    assert 60 / 11 * 11 < 60
    assert token_budget([6] * 5 + [5] * 6, 60 / 11) == 6


@st.composite
def attempted(draw):
    """Problems and their attempts: a right one states the target, but not all that state it are right."""
    count = draw(st.integers(1, 6))
    problems = [make_problem((1, 2 + i), 3 + i) for i in range(count)]
    attempts = []
    for problem in problems:
        kinds = draw(st.lists(st.sampled_from(["right", "lucky", "wrong", "none"]), min_size=1, max_size=5))
        answers = {"right": problem.answer, "lucky": problem.answer, "wrong": "77", "none": None}
        tokens = draw(st.lists(st.integers(1, 30), min_size=len(kinds), max_size=len(kinds)))
        attempts.append(Attempts(problem.id, tokens, [answers[kind] for kind in kinds], [kind == "right" for kind in kinds]))
    return problems, attempts


def _by_hand(one: Attempts, accepted: list[bool], budget: int) -> tuple[int, int]:
    """(tokens, whole attempts) of one problem, token by token."""
    used = whole = 0
    for tokens, stops in zip(one.tokens, accepted, strict=True):
        if used + tokens > budget:
            return budget, whole
        used, whole = used + tokens, whole + 1
        if stops:
            break
    return used, whole


CASES = st.tuples(attempted(), st.floats(0, 160))


@given(CASES)
def test_both_controls_against_brute_force(case) -> None:
    (problems, attempts), mean = case
    for control in (resampled_until_target, pass_at_n):
        spent = control(problems, attempts, mean)
        if control is pass_at_n:
            accepted = [one.correct for one in attempts]
        else:
            accepted = [
                [answer == problem.answer for answer in one.answers] for problem, one in zip(problems, attempts, strict=True)
            ]

        def use(budget, accepted=accepted):
            return [_by_hand(one, flags, budget) for one, flags in zip(attempts, accepted, strict=True)]

        def mean_of(budget, use=use):
            return sum(tokens for tokens, _ in use(budget)) / len(problems)

        assert spent.tokens == [tokens for tokens, _ in use(spent.budget)]
        assert mean_of(spent.budget) <= mean
        unbounded = mean_of(10**6) <= mean  # all that is needed fits: every stop is of the attempts' own
        assert unbounded or mean_of(spent.budget + 1) > mean
        assert not unbounded or spent.budget == max(spent.tokens)
        effective = 10**6 if unbounded else spent.budget
        out = [tokens < effective and not any(flags) for (tokens, _), flags in zip(use(effective), accepted, strict=True)]
        assert spent.exhausted == sum(out) / len(out)
        wholes = [whole for _, whole in use(spent.budget)]
        if control is pass_at_n:
            assert spent.correct == [any(one.correct[:whole]) for one, whole in zip(attempts, wholes, strict=True)]
        else:
            assert spent.correct == [whole > 0 and one.correct[whole - 1] for one, whole in zip(attempts, wholes, strict=True)]


@given(CASES, st.floats(0, 160))
def test_laws(case, other) -> None:
    """What is right states the target, so that an oracle stops no earlier than the statement does."""
    (problems, attempts), mean = case
    less, more = sorted((mean, other))
    for control in (resampled_until_target, pass_at_n):
        a, b = control(problems, attempts, less), control(problems, attempts, more)
        assert a.budget <= b.budget
        assert all(x <= y for x, y in zip(a.tokens, b.tokens, strict=True))
        assert all(x <= y for x, y in zip(a.correct, b.correct, strict=True))
    # At the same mean the oracle's budget is the smaller one, so nothing holds of the accuracies; with enough for all it does.
    stated, oracle = (control(problems, attempts, 1e9) for control in (resampled_until_target, pass_at_n))
    assert all(x <= y for x, y in zip(stated.correct, oracle.correct, strict=True))
    assert all(x <= y for x, y in zip(stated.tokens, oracle.tokens, strict=True))
    assert oracle.correct == [any(one.correct) for one in attempts]


def test_an_oracle_may_lose_at_the_same_mean() -> None:
    """It goes on where a false claim of the target satisfies the other, and so leaves the rest a smaller budget."""
    first, second = PROBLEMS[:2]
    attempts = [
        Attempts(first.id, [10, 10], ["9", "3"], [False, True]),
        Attempts(second.id, [4, 20], ["12", "9"], [False, False]),
    ]
    stated, oracle = (control(PROBLEMS[:2], attempts, 12) for control in (resampled_until_target, pass_at_n))
    assert (stated.budget, stated.correct) == (20, [True, False])
    assert (oracle.budget, oracle.correct) == (12, [False, False])


def test_misfits_are_named() -> None:
    for control in (resampled_until_target, pass_at_n):
        with pytest.raises(ValueError, match="there are no problems to spend tokens on"):
            control([], [], 10)
        with pytest.raises(ValueError, match="attempts at 2 problems: expected the 3"):
            control(PROBLEMS, ATTEMPTS[:2], 10)
        with pytest.raises(ValueError, match="in their order"):
            control(PROBLEMS, ATTEMPTS[::-1], 10)
        with pytest.raises(ValueError, match="mean_tokens = nan"):
            control(PROBLEMS, ATTEMPTS, float("nan"))


def test_until_the_target_is_stated() -> None:
    spent = resampled_until_target(PROBLEMS, ATTEMPTS, 100)
    assert spent.tokens == [20, 10, 30]  # the second stops at its false claim
    assert spent.correct == [True, False, False]
    assert spent.budget == 30
    assert spent.exhausted == pytest.approx(1 / 3)  # the third: 80 tokens a problem are left, and no attempt
    short = resampled_until_target(PROBLEMS, ATTEMPTS, 14)
    assert short.budget == 16
    assert short.tokens == [16, 10, 16]
    assert short.correct == [False, False, False]  # the right second attempt was cut off
    assert short.exhausted == 0
    hopeless = resampled_until_target(PROBLEMS[2:], ATTEMPTS[2:], 30)
    assert (hopeless.budget, hopeless.exhausted) == (30, 1.0)


def test_an_oracle_stops_at_the_first_right_one() -> None:
    spent = pass_at_n(PROBLEMS, ATTEMPTS, 100)
    assert spent.correct == [True, True, False]
    assert spent.tokens == [20, 30, 30]
    assert pass_at_n(PROBLEMS, ATTEMPTS, 25).correct == [True, False, False]
    assert pass_at_n(PROBLEMS, ATTEMPTS, 0).correct == [False] * 3


def test_summary() -> None:
    found = summarise_spent(pass_at_n(PROBLEMS, ATTEMPTS, 100))
    assert found["accuracy"] == pytest.approx(2 / 3)
    assert found["n"] == 3
    assert found["mean_tokens"] == pytest.approx(80 / 3)
    assert found["token_limit"] == 30
    assert found["true_equations"] is None
    assert found["exhausted"] == pytest.approx(1 / 3)
    assert 0 < found["ci_low"] < 2 / 3 < found["ci_high"] < 1


class FakeGenerator:
    """Attempt i of a problem states i; every prompt is counted."""

    policy = TEXTS

    def __init__(self, fail_after: int | None = None) -> None:
        self.asked: list[str] = []
        self._fail_after = fail_after

    def stream(self, prompts, sampling, ids):
        for index, name in enumerate(ids):
            if index == self._fail_after:
                raise KeyboardInterrupt
            self.asked.append(name)
            self.sampling = sampling
            texts = [f"1. 1 + 2 = {i} (left: {i})\n#### {i}" for i in range(sampling.w)]
            yield index, [Completion(text, (1,) * (i + 4), (), (), True, i + 4) for i, text in enumerate(texts)]


def test_attempts_as_they_end() -> None:
    problems = [make_problem((1, 2 + i), 3 + i) for i in range(7)]
    found = list(sample_attempts(FakeGenerator(), problems, ABEL, EvaluateConfig(rows=8), ResampleConfig(attempts=4), 0))
    right, ones = [False, False, False, True], [1] * 4
    assert found[0] == Attempts(problems[0].id, [4, 5, 6, 7], ["0", "1", "2", "3"], right, [0, 0, 0, 1], ones)
    assert [one.id for one in found] == [problem.id for problem in problems]


@pytest.mark.parametrize(("rows", "expected"), [(64, 60), (10, 10), (4, 5)])
def test_rows_are_a_multiple_of_the_attempts(rows, expected) -> None:
    generator = FakeGenerator()
    limits = EvaluateConfig(max_tokens=70, rows=rows, chunk=3, temperature=0.0, top_p=1.0)
    config = ResampleConfig(attempts=5, temperature=0.9, top_p=0.8)
    assert len(list(sample_attempts(generator, PROBLEMS, ABEL, limits, config, 3))) == 3
    assert generator.sampling == SamplingConfig(5, 70, 0.9, 0.8, seed=3, rows=expected, chunk=3)


@pytest.mark.parametrize(("field", "value"), [("attempts", 0), ("temperature", 0.0), ("top_p", 1.5)])
def test_settings_out_of_range_are_named(field, value) -> None:
    with pytest.raises(ValueError, match=f"resample.{field} = {value}"):
        ResampleConfig(**{field: value})


def test_only_where_the_question_names_the_answer_no_oracle_is_asked() -> None:
    """ "What is 3 x 4?" does not say 12: to stop there takes whoever knows."""
    assert not takes_oracle(PROBLEMS)
    assert takes_oracle([*PROBLEMS, Problem("one", "What is 3 x 4?", "12")])
