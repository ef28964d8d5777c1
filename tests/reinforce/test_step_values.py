"""Values of episodes' steps, exact and by a judge, with and without noise; and what credit assignment makes of them."""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np
import pytest
from episodes import episode
from hypothesis import given
from hypothesis import strategies as st

from jorney.domain.countdown.sets import make_problem
from jorney.domain.domain import Rating
from jorney.domain.problem import Problem
from jorney.judge.exact import judge as exact_judge
from jorney.reinforce.values.step_values import StepValues, ValueNoise, exact_values, judge_values, judged_completion, scores_by
from jorney.text.step_format import ABEL
from jorney.train.policy_gradient.credit import CreditConfig, token_advantages

PROBLEM = make_problem((3, 4, 5, 9), 20)
ONE, LOST = "1. 9 - 4 = 5 (left: 3, 5, 5)", "2. 5 - 3 = 2 (left: 2, 5)"
BACK, TWO, THREE = "Wait. Go back to 3, 5, 5.", "2. 3 * 5 = 15 (left: 5, 15)", "3. 5 + 15 = 20 (left: 20)"
JOURNEY = "\n".join([ONE, LOST, BACK, TWO, THREE, "#### 20"])


def _texts(tokenizer, one, ends) -> list[str]:
    return [tokenizer.decode(one.tokens[a:b]) for a, b in itertools.pairwise([0, *(end + 1 for end in ends)])]


def test_exact_values_of_an_excursion(policy) -> None:
    one = episode(policy.tokenizer, PROBLEM, JOURNEY)
    (found,) = exact_values(policy.tokenizer, ABEL)([one])
    assert found.values == (1, 1, 0, 1, 1, 1)
    assert [text.strip() for text in _texts(policy.tokenizer, one, found.ends)] == [ONE, LOST, BACK, TWO, f"{THREE}\n#### 20"]
    assert found.ends[-1] == len(one.tokens) - 1
    judged = judged_completion(one, found.ends, found.values, 1.0, "progress")
    advantages, _ = token_advantages(CreditConfig("progress"), [judged], [0])
    expected = np.repeat([0, -1, 1, 0, 0], np.diff([-1, *found.ends]))
    np.testing.assert_array_equal(advantages[0], expected)


@pytest.mark.parametrize(
    ("text", "finished", "values"),
    [
        (f"{ONE}\n{TWO}", False, (1, 1, 0)),  # what never answers has reached nothing
        (f"{ONE}\n{TWO}\n{THREE}\n#### 21", True, (1, 1, 1, 0)),
        ("#### 20", True, (1, 0)),
        ("Hm.", False, (1, 0)),
        (f"{ONE}\n{LOST}. {BACK}\n{TWO}\n{THREE}\n#### 20", True, (1, 1, 0, 1, 1, 1)),
    ],
)
def test_the_last_value_is_the_outcome(policy, text, finished, values) -> None:
    one = episode(policy.tokenizer, PROBLEM, text, finished=finished)
    (found,) = exact_values(policy.tokenizer, ABEL)([one])
    assert found.values == values
    assert len(found.ends) == len(values) - 1
    assert found.ends[-1] == len(one.tokens) - 1


def test_problems_that_cannot_be_told_are_named(policy) -> None:
    one = episode(policy.tokenizer, Problem("p1", "1 + 1?", "2"), "1. 2\n#### 2")
    with pytest.raises(ValueError, match="'p1': exact values"):
        exact_values(policy.tokenizer, ABEL)([one])


def test_values_by_a_judge(policy) -> None:
    texts = [f"{ONE}\n{TWO}\n{THREE}\n#### 20", f"{ONE}\n{LOST}\n3. 2 * 5 = 10 (left: 10)\n#### 10", JOURNEY, ""]
    own = [episode(policy.tokenizer, PROBLEM, text, sample) for sample, text in enumerate(texts)]
    asked = []

    def judge(requests) -> list[Rating]:
        asked.extend(requests)
        return exact_judge(requests)

    found = judge_values(policy.tokenizer, ABEL, scores_by(judge, ABEL))(own)
    assert found[0].values == (0.5, 1, 1, 1)  # half of the group is right
    assert found[1].values == (0.5, 1, 0, 0)
    assert found[3] == StepValues((0,), (0.5, 0))
    assert [ABEL.bare(text) for text in _texts(policy.tokenizer, own[0], found[0].ends)[:2]] == [ONE[3:], TWO[3:]]
    assert len({tuple(steps) for _, steps in asked}) == len(asked)  # what is shared is rated once
    other = judge_values(policy.tokenizer, ABEL, lambda paths: [[0.25] * len(steps) for _, steps in paths])(own)
    assert other[0].values == (0.5, 0.25, 0.25, 1)


def test_rewards_of_steps(policy) -> None:
    one = episode(policy.tokenizer, PROBLEM, JOURNEY)
    plain = judged_completion(one, (3, len(one.tokens) - 1), (0.5, 0.25, 1.0), 0.7, "return")
    assert (plain.length, plain.outcome, plain.ends) == (len(one.tokens), 0.7, (3, len(one.tokens) - 1))
    assert plain.rewards == (0.25, 1.0)
    assert plain.values == (0.5, 0.25, 1.0)
    assert judged_completion(one, plain.ends, plain.values, 0.7, "min").rewards == (-0.5, 1.0)
    for credit in ("outcome", "return", "myopic", "min", "progress", "progress_sum"):
        judged = judged_completion(one, plain.ends, plain.values, 0.7, credit)
        assert np.isfinite(token_advantages(CreditConfig(credit), [judged, judged], [0, 0])[0]).all()


@given(st.floats(0, 1), st.floats(0, 1), st.integers(0, 100))
def test_noise_turns_the_same_values_at_every_higher_share(policy, one, other, seed) -> None:
    own = [episode(policy.tokenizer, PROBLEM, JOURNEY, sample) for sample in range(3)]
    exact = exact_values(policy.tokenizer, ABEL)
    plain = exact(own)

    def turned(share: float, episodes=own) -> list[set[int]]:
        found = ValueNoise(share, seed).on(exact)(episodes)
        assert [noisy.ends for noisy in found] == [true.ends for true in plain[: len(found)]]
        return [
            {step for step, (a, b) in enumerate(zip(noisy.values, true.values, strict=True)) if a != b}
            for noisy, true in zip(found, plain, strict=False)
        ]

    low, high = sorted([one, other])
    assert all(few <= many for few, many in zip(turned(low), turned(high), strict=True))
    assert turned(0) == [set()] * 3
    assert turned(1) == [{1, 2, 3, 4}] * 3  # neither the first nor the last
    assert turned(low, own[:1]) == turned(low)[:1]  # whatever the company


def test_noise_turns_its_share(policy) -> None:
    one = episode(policy.tokenizer, PROBLEM, JOURNEY)
    own = [dataclasses.replace(one, sample=sample) for sample in range(500)]
    plain, noisy = (ValueNoise(share, 1).on(exact_values(policy.tokenizer, ABEL))(own) for share in (0.0, 0.3))
    changed = np.array([[a != b for a, b in zip(x.values, y.values, strict=True)] for x, y in zip(plain, noisy, strict=True)])
    assert changed[:, 1:-1].mean() == pytest.approx(0.3, abs=0.03)
    with pytest.raises(ValueError, match=r"value_noise\.share = 1\.5"):
        ValueNoise(1.5)
