"""Labels from rollouts: by hand with completions that are known, and independent of the grouping with a real model."""

from __future__ import annotations

import pytest
from prompts import TEXTS

from jorney.domain.countdown.sets import make_problem
from jorney.engine.generate import Completion, Generator
from jorney.judge import rollouts
from jorney.judge.rollouts import RolloutConfig, label
from jorney.text.step_format import ABEL

PROBLEM = make_problem((1, 2, 3), 9)
GOOD = "1. 1 + 2 = 3 (left: 3, 3)\n2. 3 * 3 = 9 (left: 9)\n#### 9"
BAD = "1. 1 + 2 = 3 (left: 3, 3)\n2. 3 + 3 = 6 (left: 6)\n#### 6"
LOST = "1. 3 - 2 = 1 (left: 1, 1)\n2. 1 + 1 = 2 (left: 2)\n#### 2"


def _completion(text: str, finished: bool = True) -> Completion:
    return Completion(text, (1,), (0.0,), (0.0,), finished, 1)


class FakeGenerator:
    """Solutions as given."""

    policy = TEXTS

    def __init__(self, solutions: list[Completion]) -> None:
        self.solutions = solutions

    def generate(self, prompts, sampling, ids):
        return [self.solutions for _ in prompts]


def complete(generator, policy, problems, solutions, step_format, config, seed):
    """A completion of 3, 3 is right half of the time, of anything else never."""
    for steps in {begun[:count] for begun in solutions[0] for count in range(1, len(begun) + 1)}:
        right = "2. 3 * 3 = 9 (left: 9)\n#### 9" if "left: 3, 3" in steps[-1] else "2. 1 * 1 = 1 (left: 1)\n#### 1"
        wrong = "2. 3 - 3 = 0 (left: 0)\n#### 0"
        yield (0, steps), [right if i % 2 else wrong for i in range(config.completions)]


@pytest.mark.parametrize(("hard", "expected"), [(True, 1.0), (False, 0.5)])
def test_labels_by_hand(policy, monkeypatch, hard, expected) -> None:
    monkeypatch.setattr(rollouts, "_complete", complete)
    fake = FakeGenerator(
        [_completion(GOOD), _completion(BAD), _completion(GOOD), _completion(LOST), _completion(GOOD[:9], False)]
    )
    config = RolloutConfig(solutions=5, completions=4, hard=hard)
    found = label(fake, policy, [PROBLEM], ABEL, config, 0)
    assert [one.labels for one in found] == [(expected, 1.0), (expected, 0.0), (0.0, 0.0)]
    assert found[0].steps == tuple(ABEL.split(GOOD))
    assert found[0].question == PROBLEM.question
    # Equal solutions count once, an unfinished text is no solution.


def test_labels_do_not_depend_on_the_grouping(policy) -> None:
    problems = [make_problem((1, 2, 3 + i), 6 + i) for i in range(3)]
    generator = Generator(policy)
    config = RolloutConfig(solutions=2, completions=2, max_tokens=24, rows=8, chunk=8)

    class Making:
        """The embedded model never ends a text: what it wrote is taken as finished."""

        def generate(self, prompts, sampling, ids):
            import dataclasses

            found = generator.generate(prompts, sampling, ids)
            return [[dataclasses.replace(one, finished=True) for one in own] for own in found]

        engine = staticmethod(generator.engine)
        policy = generator.policy

    together = label(Making(), policy, problems, ABEL, config, 0)
    assert len(together) >= 3
    alone = [one for problem in problems for one in label(Making(), policy, [problem], ABEL, config, 0)]
    assert alone == together


def test_completions_are_those_of_the_whole_prompt(policy) -> None:
    """Read in a tree or each prefix anew: the same texts. A prefix that two solutions share is completed once."""
    problem = make_problem((1, 2, 3), 9)
    solutions = [[tuple(ABEL.split(text))[:1] for text in (GOOD, BAD, LOST)]]
    config = RolloutConfig(completions=3, max_tokens=16, temperature=1.0)
    generator = Generator(policy)
    found = dict(rollouts._complete(generator, policy, [problem], solutions, ABEL, config, 5))
    assert sorted(steps for _, steps in found) == sorted(set(solutions[0]))
    for (_, steps), texts in found.items():
        before = "".join(step + "\n" for step in steps)
        ids = [*policy.tokenizer.encode_prompt(ABEL.ask(problem.question)), *policy.tokenizer.encode_after(before)]
        expected = generator.generate([ids], config.sampling(3, 5), [f"{problem.id}/{before}"])[0]
        assert texts == [one.text for one in expected]


@pytest.mark.parametrize(
    ("field", "value"), [("solutions", 0), ("completions", 0), ("completions", 65), ("temperature", 0.0), ("top_p", 0.0)]
)
def test_settings_out_of_range_are_named(field, value) -> None:
    with pytest.raises(ValueError, match=r"rollouts\."):
        RolloutConfig(**{field: value})
