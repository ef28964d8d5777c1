"""Values by rollouts: prefixes in a tree, the same completions as of each prefix by itself, whatever the batching."""

from __future__ import annotations

import dataclasses
import types

import pytest
from episodes import episode
from hypothesis import given
from hypothesis import strategies as st

from jorney.domain.countdown.sets import make_problem
from jorney.domain.grading import Grader
from jorney.engine.generate import Generator, SamplingConfig
from jorney.reinforce.values import rollout_values as module
from jorney.reinforce.values.rollout_values import ValueRollouts, branches, rollout_values
from jorney.text.step_format import ABEL

PROBLEM, OTHER = make_problem((1, 2, 3), 9), make_problem((2, 3, 4), 10)
GOOD = "1. 1 + 2 = 3 (left: 3, 3)\n2. 3 * 3 = 9 (left: 9)\n#### 9"
BAD = "1. 1 + 2 = 3 (left: 3, 3)\n2. 3 + 3 = 6 (left: 6)\n#### 6"
LOST = "1. 3 - 2 = 1 (left: 1, 1)\n2. 1 + 1 = 2 (left: 2)\n#### 2"
CONFIG = ValueRollouts(completions=3, max_tokens=64, rows=6, chunk=16)


@pytest.fixture(scope="module")
def generator(policy) -> Generator:
    return Generator(policy)


@pytest.fixture(scope="module")
def own(policy) -> list:
    found = [episode(policy.tokenizer, PROBLEM, text, sample) for sample, text in enumerate((GOOD, BAD, LOST, GOOD))]
    return [*found, episode(policy.tokenizer, OTHER, "1. 2 + 4 = 6 (left: 3, 6)\n2. 3 + 6 = 9 (left: 9)\n#### 9")]


def _values(generator, episodes, config=CONFIG, seed=3):
    with Grader() as grader:
        return rollout_values(generator, ABEL, config, seed, grader)(episodes)


@given(st.lists(st.lists(st.integers(0, 2), min_size=1, max_size=6).map(tuple), max_size=8))
def test_branches(prefixes) -> None:
    found = branches(prefixes)
    assert set(prefixes) <= found.keys()
    seen = {()}
    for ids, parent in found.items():
        assert parent in seen  # parents come first
        assert ids[: len(parent)] == parent
        assert len(parent) < len(ids)
        seen.add(ids)
    for parent in seen:  # what two begin with is there once
        firsts = [ids[len(parent)] for ids, other in found.items() if other == parent]
        assert len(firsts) == len(set(firsts))
    # Every node is wanted, or parts two.
    assert all(ids in prefixes or sum(parent == ids for parent in found.values()) > 1 for ids in found)


class Recording(Grader):
    """Keeps what it grades: {texts of a prefix}."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: set[tuple[str, ...]] = set()

    def grade_all(self, problems, texts, *about):
        self.seen.add(tuple(texts))
        return super().grade_all(problems, texts, *about)


def _sampled(generator, episodes, config=CONFIG):
    with Recording() as grader:
        return rollout_values(generator, ABEL, config, 3, grader)(episodes), grader.seen


def test_values_do_not_depend_on_the_batching(generator, own) -> None:
    found, texts = _sampled(generator, own)
    for one, values in zip(own, found, strict=True):
        assert values.ends[-1] == len(one.tokens) - 1
        assert len(values.values) == len(values.ends) + 1 == 3
        assert values.values[-1] == one.grade.correct
    assert [one.values[0] for one in found] == [0.5] * 4 + [0.0]
    assert len(texts) == 3  # GOOD and BAD begin alike: that is completed once
    assert all(len(set(of_prefix)) == 3 for of_prefix in texts)
    assert _sampled(generator, own, dataclasses.replace(CONFIG, rows=3, chunk=7)) == (found, texts)
    assert _sampled(generator, own[::-1]) == (found[::-1], texts)
    _, alone = _sampled(generator, own[2:3])
    assert alone < texts


def test_completions_are_those_of_the_whole_prefix(generator, own, policy) -> None:
    """As if the engine had been given the prompt and the sampled tokens, and nothing else."""
    one = own[2]
    _, texts = _sampled(generator, own[:3])
    prefix = one.tokens[: len(policy.tokenizer.encode_after(ABEL.split(one.text)[0] + "\n"))]
    sampling = SamplingConfig(w=3, max_tokens=64 - len(prefix), temperature=1.0, top_p=1.0, seed=3, rows=3)
    ids = [*ABEL.encode(policy.tokenizer, one.problem.question), *prefix]
    expected = generator.generate([ids], sampling, [f"{one.problem.id}/{','.join(map(str, prefix))}"])[0]
    assert tuple(policy.tokenizer.decode([*prefix, *found.tokens]) for found in expected) in texts


def test_the_share_that_is_right(generator, own, monkeypatch) -> None:
    def completed(generator, problems, wanted, step_format, config, seed):
        first = own[0].tokens
        for prefix in wanted[PROBLEM.id]:
            right = 2 if prefix == first[: len(prefix)] else 1
            yield (PROBLEM.id, prefix), [GOOD] * right + [BAD] * (config.completions - right)

    monkeypatch.setattr(module, "_completed", completed)
    found = _values(generator, own[:3])
    assert [one.values for one in found] == [(1 / 3, 2 / 3, 1), (1 / 3, 2 / 3, 0), (1 / 3, 1 / 3, 0)]


def test_episodes_of_one_step_need_no_completions(policy, own) -> None:
    alone = [episode(policy.tokenizer, PROBLEM, "#### 9")]
    found = _values(types.SimpleNamespace(policy=policy), alone)
    assert found[0].values == (0, 0)
    assert found[0].ends == (len(alone[0].tokens) - 1,)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("completions", 0),
        ("completions", 65),
        ("max_tokens", 0),
        ("temperature", 0.0),
        ("top_p", 0.0),
        ("rows", 0),
        ("chunk", 0),
    ],
)
def test_settings_out_of_range(field, value) -> None:
    with pytest.raises(ValueError, match=r"value_rollouts\."):
        ValueRollouts(**{field: value})
