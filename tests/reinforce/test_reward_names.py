"""Rewards by name: how they are stated, and what each gives."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from episodes import episode

from jorney.domain.countdown.sets import make_problem
from jorney.domain.domain import Rating
from jorney.reinforce.rewards.languages import LANGUAGES, language_share
from jorney.reinforce.rewards.reward_terms import TERMS, RewardContext, load_terms, parse_rewards, score_terms
from jorney.reinforce.values.step_values import scores_by
from jorney.text.step_format import ABEL
from jorney.train.policy_gradient.rewards import total_reward

PROBLEM = make_problem((1, 2, 3), 9)
GOOD = "1. 1 + 2 = 3 (left: 3, 3)\n2. 3 * 3 = 9 (left: 9)\n#### 9"
BAD = "1. 1 + 2 = 3 (left: 3, 3)\n2. 3 + 3 = 6 (left: 6)\n#### 6"
NONE = "1. 1 + 2 = 3 (left: 3, 3)"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("accuracy", {"accuracy": 1.0}),
        ("accuracy=1,format=0.2", {"accuracy": 1.0, "format": 0.2}),
        (" tags = -1e-1 , no_such.module:brevity=0.5", {"tags": -0.1, "no_such.module:brevity": 0.5}),
        ("m:Class.method=0", {"m:Class.method": 0.0}),
        (",".join(TERMS), dict.fromkeys(TERMS, 1.0)),
    ],
)
def test_weights(text, expected) -> None:
    assert parse_rewards(text) == expected
    assert list(parse_rewards(text)) == list(expected)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"rewards = '': expected NAME=WEIGHT"),
        ("accuracy,", r"rewards: '': '' is no reward"),
        ("acuracy=1", r"rewards: 'acuracy=1': 'acuracy' is no reward: expected one of accuracy, .*: did you mean 'accuracy'\?"),
        ("my.module", r"'my.module' is no reward: expected .* package.module:function$"),
        ("my-module:f", "'my-module:f' is no reward"),
        ("m:", "'m:' is no reward"),
        ("accuracy=1,accuracy=2", r"rewards: 'accuracy=2': 'accuracy' stands there twice"),
        ("accuracy=", r"rewards: 'accuracy=': weight '': expected a finite number"),
        ("accuracy=much", "weight 'much': expected a finite number"),
        ("accuracy=nan", "weight 'nan'"),
        ("accuracy=-inf", "weight '-inf'"),
        ("accuracy=1=2", "weight '1=2'"),
    ],
)
def test_faults_name_the_part(text, message) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        parse_rewards(text)
    assert "\n" not in str(caught.value)


def _scores(names: list[str], episodes, **about) -> dict[str, list[float]]:
    return score_terms(load_terms(names), episodes, RewardContext(**about))


def test_accuracy_format_and_length(policy) -> None:
    own = [
        episode(policy.tokenizer, PROBLEM, GOOD),
        episode(policy.tokenizer, PROBLEM, BAD),
        episode(policy.tokenizer, PROBLEM, NONE),
        episode(policy.tokenizer, PROBLEM, GOOD, finished=False),
    ]
    found = _scores(["accuracy", "format", "length"], own, longest=len(own[0].tokens), overlong_cache=10)
    assert found["accuracy"] == [1, 0, 0, 1]
    assert found["format"] == [1, 1, 0, 0]
    assert found["length"] == [-1, pytest.approx(-1, abs=0.2), 0, -0.9]
    total = total_reward(found, parse_rewards("accuracy=2,format=0.5,length"))
    np.testing.assert_allclose(total, [1.5, found["length"][1] + 0.5, 0, 1.1])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("<think>so\nso</think> <answer>9</answer>", 1),
        ("\n<think></think>\n<answer>9</answer>\n", 1),
        ("<think>so</think><answer>9</answer> and more", 0),
        ("So <think>so</think> <answer>9</answer>", 0),
        ("<answer>9</answer> <think>so</think>", 0),
        ("<think>so <think>so</think> <answer>9</answer>", 0),
        ("<think>so</think> <answer>9</answer> <answer>9</answer>", 0),
        ("<think>so</think> well <answer>9</answer>", 0),
        ("<think>so</think> <answer>9", 0),
        ("", 0),
    ],
)
def test_tags(policy, text, expected) -> None:
    one = dataclasses.replace(episode(policy.tokenizer, PROBLEM, GOOD), text=text)
    assert _scores(["tags"], [one])["tags"] == [expected]


@pytest.mark.parametrize(
    ("text", "language", "share"),
    [
        ("Add the numbers.", "en", 1),
        ("Add the numbers.", "ru", 0),
        ("Сложим числа и get nine.", "ru", 3 / 5),
        ("我们把 x 和 y 相加 then stop", "zh", 6 / 8),  # each character is a word, x and y are variables
        ("数を足す answer", "ja", 4 / 5),
        ("1 + 2 = 3 (3, 3) 2x x1", "zh", 1),  # no words
        ("", "en", 1),
        (r"所以 $x = \text{one two}$ 是 \boxed{9} \frac{1}{2}", "zh", 1),
        (r"So \[ a b c \] and $$ \sum words $$ done", "en", 1),
        ("<think>思考</think>", "zh", 1),
        ("```\nprint(one)\n```\n代码", "zh", 1),
        ("don't it’s", "ko", 0),
        ("नमस्ते दुनिया world", "hi", 2 / 3),
        ("مُحَمَّد hello", "ar", 1 / 2),
        ("é à naïve", "fr", 1),
        ("α β γ λόγος", "el", 1),
    ],
)
def test_language_shares(text, language, share) -> None:
    assert language_share(text, language) == pytest.approx(share)


def test_languages() -> None:
    assert {"en", "de", "zh", "ja", "ko", "ru", "ar", "hi"} <= LANGUAGES.keys()
    with pytest.raises(ValueError, match=r"language = 'xx': expected one of ar, be, .*, zh"):
        language_share("", "xx")
    with pytest.raises(ValueError, match=r"language = 'xx'"):
        _scores(["language"], [], language="xx")


def test_the_judge_gives_its_least_score(policy) -> None:
    own = [episode(policy.tokenizer, PROBLEM, text) for text in (GOOD, BAD, "")]
    asked = []

    def judge(requests) -> list[Rating]:
        asked.extend(requests)
        return [Rating(True, "", 0.25 if "6" in steps[-1] else 0.75) for _, steps in requests]

    assert _scores(["judge"], own, scores=scores_by(judge, ABEL))["judge"] == [0.75, 0.25, 0]
    assert asked[0][1] == ("1 + 2 = 3 (left: 3, 3)",)  # without openings, and each path once
    assert len(asked) == 3


def test_terms_name_what_they_lack(policy) -> None:
    own = [episode(policy.tokenizer, PROBLEM, GOOD)]
    with pytest.raises(ValueError, match="'length' needs overlong_cache"):
        _scores(["length"], own, longest=100)
    with pytest.raises(ValueError, match="overlong cache = 200: expected from 1"):
        _scores(["length"], own, longest=100, overlong_cache=200)
    with pytest.raises(ValueError, match="'judge' needs a judge of steps"):
        _scores(["judge"], own)
    with pytest.raises(ValueError, match="sample 0: the judge gives 1 scores: expected 2"):
        _scores(["judge"], own, scores=lambda paths: [[1.0]])
    for wrong in (1.5, float("nan")):
        with pytest.raises(ValueError, match="sample 0: the judge gives the score (1.5|nan): expected a number from 0 to 1"):
            _scores(["judge"], own, scores=lambda paths, wrong=wrong: [[0.5, wrong]])
