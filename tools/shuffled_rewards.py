"""A control for `jorney grpo`: rewards that have nothing to do with what they are given for.

    jorney grpo --grpo.rewards shuffled_rewards:permuted     # in this folder

A reward function is not told the grades, so it grades the completions itself, as "accuracy" does, and permutes what they earn
over all completions of the round. So there are as many rewards of each size as there would be, and no group's are its own.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Sequence
from typing import Any

from jorney.domain.countdown.sets import make_problem
from jorney.domain.grading import Grader
from jorney.text.step_format import ABEL


def permuted(completions: Sequence[str], numbers: Sequence[Sequence[int]], target: Sequence[int], **others: Any) -> list[float]:
    """What completions of Countdown problems earn, given to others of them: by a hash of all texts, so the same every time."""
    problems = [make_problem(tuple(own), goal) for own, goal in zip(numbers, target, strict=True)]
    with Grader() as grader:
        earned = [float(grade.correct) for grade in grader.grade_all(problems, list(completions), ABEL)]
    key = hashlib.blake2b(repr([(one.id, text) for one, text in zip(problems, completions, strict=True)]).encode()).hexdigest()
    return random.Random(key).sample(earned, len(earned))
