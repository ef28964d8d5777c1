"""A judge's ratings stand in the places of their requests, in whatever order they come."""

from __future__ import annotations

import asyncio
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jorney.domain.domain import Rating
from jorney.domain.problem import Problem
from jorney.judge.judge import StepPath, awaited, score, together

REQUESTS: list[StepPath] = [(Problem(f"p{k % 3}", "?", "1"), [f"step {step}" for step in range(k)]) for k in range(1, 8)]


def rating(request: StepPath) -> Rating:
    problem, steps = request
    return Rating(len(steps) % 2 == 0, f"{problem.id}: {steps[-1]}", len(steps) / 10)


@settings(max_examples=25, deadline=None)
@given(st.permutations(range(len(REQUESTS))))
def test_replies_may_come_in_any_order(order: list[int]) -> None:
    turns = dict(zip((len(steps) for _, steps in REQUESTS), order, strict=True))

    async def slow(request: StepPath) -> Rating:
        for _ in range(turns[len(request[1])]):
            await asyncio.sleep(0)
        return rating(request)

    assert together(slow)(REQUESTS) == [rating(request) for request in REQUESTS]


@settings(max_examples=25, deadline=None)
@given(st.permutations(REQUESTS))
def test_what_is_asked_for_at_once_is_rated_in_one_call_of_one_order(asked: list[StepPath]) -> None:
    calls: list[list[StepPath]] = []

    def judge(requests):
        calls.append(list(requests))
        return [rating(request) for request in requests]

    assert together(awaited(judge))(asked) == [rating(request) for request in asked]
    assert calls == [sorted(REQUESTS, key=lambda request: (request[0].id, tuple(request[1])))]


def test_a_judge_that_fails_fails_every_request() -> None:
    def judge(requests):
        raise ValueError(f"{len(requests)} paths")

    async def ask():
        rate = awaited(judge)
        return await asyncio.gather(*map(rate, REQUESTS[:3]), return_exceptions=True)

    found = asyncio.run(ask())
    assert [str(error) for error in found] == ["3 paths"] * 3


def test_a_later_turn_is_another_call() -> None:
    sizes: list[int] = []

    def judge(requests):
        sizes.append(len(requests))
        return [rating(request) for request in requests]

    async def ask() -> None:
        rate = awaited(judge)
        await asyncio.gather(*map(rate, random.Random(0).sample(REQUESTS, 4)))
        await rate(REQUESTS[0])

    asyncio.run(ask())
    assert sizes == [4, 1]


@pytest.mark.parametrize(
    ("said", "expected"),
    [(Rating(False, "", 0.25), 0.25), (Rating(True, ""), 1.0), (Rating(False, ""), 0.0), (Rating(None, ""), 0.5)],
)
def test_a_verdict_without_a_score_is_one(said: Rating, expected: float) -> None:
    assert score(said) == expected
