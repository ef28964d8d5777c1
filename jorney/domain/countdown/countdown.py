"""Countdown as a domain."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from jorney.domain.countdown.backtracks import backtracks, walk
from jorney.domain.countdown.grade import grade_countdown, is_whole
from jorney.domain.countdown.sets import NAME, SPLITS, Countdown, sample_problems
from jorney.domain.countdown.text_values import text_values
from jorney.domain.countdown.verify import rate, state
from jorney.domain.domain import Backtrack, Compare, Domain, Grade, Rating, Walked
from jorney.domain.problem import Problem
from jorney.text.step_format import StepFormat


class CountdownDomain(Domain):
    """Make a target from a few numbers (with Game of 24, its best-known case). Every step is verified exactly."""

    name = NAME
    sets = tuple(SPLITS)
    exact = oracle = names_answer = behaves = moves = True

    def draw(self, split: str, count: int, seed: int, settings: Countdown | None = None) -> list[Problem]:
        return sample_problems(settings or Countdown(), split, count, seed)

    def check(self, meta: Mapping[str, Any], place: str) -> None:
        if not {"numbers", "target"} <= meta.keys():
            raise ValueError(
                f"{place}: field 'meta': expected 'numbers' and 'target' for the verifier 'countdown', got {meta!r}"
            )
        if not isinstance(meta["numbers"], list | tuple) or not all(map(is_whole, (*meta["numbers"], meta["target"]))):
            raise ValueError(f"{place}: field 'meta': expected whole numbers for the verifier 'countdown', got {meta!r}")

    def equal(self, known: str, stated: str, compare: Compare) -> str:
        return "" if stated == known else f"answers {stated}, not {known}"

    def grade(self, problem: Problem, text: str, step_format: StepFormat, compare: Compare) -> Grade:
        return grade_countdown(problem, text, step_format)

    def verify(self, problem: Problem, steps: Sequence[str]) -> Rating:
        return rate(problem, steps)

    def state(self, problem: Problem, steps: Sequence[str]) -> str:
        return state(problem, steps)

    def values(self, problem: Problem, text: str, step_format: StepFormat) -> list[tuple[int, float]]:
        return text_values(problem, text, step_format)

    def behaviour(self, problem: Problem, text: str) -> Walked:
        return walk(problem, text)

    def backtracks(self, problem: Problem, text: str) -> list[Backtrack]:
        return backtracks(problem, text)

    def cluster(self, problem: Problem) -> str:
        return " ".join(map(str, problem.meta["numbers"]))
