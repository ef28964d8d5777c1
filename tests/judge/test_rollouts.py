"""Labels from rollouts: by hand with completions that are known, and independent of the grouping with a real model."""

from __future__ import annotations

import pytest

from jorney.data.countdown import make_problem
from jorney.data.steps import ABEL
from jorney.judge.rollouts import RolloutConfig, label
from jorney.sample.generate import Completion, Generator

PROBLEM = make_problem((1, 2, 3), 9)
GOOD = "1. 1 + 2 = 3 (left: 3, 3)\n2. 3 * 3 = 9 (left: 9)\n#### 9"
BAD = "1. 1 + 2 = 3 (left: 3, 3)\n2. 3 + 3 = 6 (left: 6)\n#### 6"
LOST = "1. 3 - 2 = 1 (left: 1, 1)\n2. 1 + 1 = 2 (left: 2)\n#### 2"


def _completion(text: str, finished: bool = True) -> Completion:
    return Completion(text, (1,), (0.0,), (0.0,), finished, 1)


class FakeGenerator:
    """Solutions as given; a completion of 3, 3 is right half of the time, of anything else never."""

    def __init__(self, solutions: list[Completion]) -> None:
        self.solutions = solutions
        self.prefixes: list[str] = []

    def generate(self, prompts, sampling, ids):
        if isinstance(prompts[0], str):
            return [self.solutions for _ in prompts]
        self.prefixes += ids
        right = ["2. 3 * 3 = 9 (left: 9)\n#### 9" if "left: 3, 3" in name else "2. 1 * 1 = 1 (left: 1)\n#### 1" for name in ids]
        wrong = "2. 3 - 3 = 0 (left: 0)\n#### 0"
        return [[_completion(text if i % 2 else wrong) for i in range(sampling.w)] for text in right]


@pytest.mark.parametrize(("hard", "expected"), [(True, 1.0), (False, 0.5)])
def test_labels_by_hand(policy, hard, expected) -> None:
    fake = FakeGenerator(
        [_completion(GOOD), _completion(BAD), _completion(GOOD), _completion(LOST), _completion(GOOD[:9], False)]
    )
    config = RolloutConfig(solutions=5, completions=4, hard=hard)
    found = label(fake, policy, [PROBLEM], ABEL, config, 0)
    assert [one.labels for one in found] == [(expected, 1.0), (expected, 0.0), (0.0, 0.0)]
    assert found[0].steps == tuple(ABEL.split(GOOD))
    assert found[0].question == PROBLEM.question
    # Equal solutions count once, a prefix that two share is completed once, an unfinished text is no solution.
    assert len(fake.prefixes) == 2


def test_labels_do_not_depend_on_the_grouping(policy) -> None:
    problems = [make_problem((1, 2, 3 + i), 6 + i) for i in range(3)]
    generator = Generator(policy)
    config = RolloutConfig(solutions=2, completions=2, max_tokens=24, rows=8, chunk=8)

    class Finishing:
        """The embedded model never ends a text: what it wrote is taken as finished."""

        def generate(self, prompts, sampling, ids):
            import dataclasses

            found = generator.generate(prompts, sampling, ids)
            return [[dataclasses.replace(one, finished=True) for one in own] for own in found]

    together = label(Finishing(), policy, problems, ABEL, config, 0)
    assert len(together) >= 3
    alone = [one for problem in problems for one in label(Finishing(), policy, [problem], ABEL, config, 0)]
    assert alone == together


@pytest.mark.parametrize(
    ("field", "value"), [("solutions", 0), ("completions", 0), ("completions", 65), ("temperature", 0.0), ("top_p", 0.0)]
)
def test_settings_out_of_range_are_named(field, value) -> None:
    with pytest.raises(ValueError, match=r"rollouts\."):
        RolloutConfig(**{field: value})
