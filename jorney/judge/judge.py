"""A judge: it rates the last step of a path. One protocol for all, together or one after another, awaited or not.

Whatever the order in which ratings come, each stands in the place of its request.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Protocol, runtime_checkable

from jorney.domain.domain import Rating
from jorney.domain.problem import Problem
from jorney.engine.memory import Party

# A path whose last step is to be rated: the problem, and the texts of the steps down to it, their openings left out.
StepPath = tuple[Problem, Sequence[str]]
# Rates the last step of each path; `Rating.score` is its reward.
Judge = Callable[[Sequence[StepPath]], Sequence[Rating]]
# The same of one path, awaited: several are asked for side by side.
AsyncJudge = Callable[[StepPath], Coroutine[Any, Any, Rating]]


@runtime_checkable
class OnDevices(Protocol):
    """A judge that runs a model on the devices on which the policy samples."""

    def beside(self, problems: Sequence[Problem], path: int) -> Party:
        """What it asks of them, to judge paths of so many tokens at most, told before the first of them is sampled."""


def beside(judge: Judge, problems: Sequence[Problem], path: int) -> list[Party]:
    """What a judge asks of the devices on which a policy samples; nothing, where it runs no model there."""
    return [judge.beside(problems, path)] if isinstance(judge, OnDevices) else []


def together(judge: AsyncJudge) -> Judge:
    """An awaited judge as one that is called: all paths of a call are asked for side by side."""

    async def rate_all(requests: Sequence[StepPath]) -> list[Rating]:
        return list(await asyncio.gather(*map(judge, requests)))

    return lambda requests: asyncio.run(rate_all(requests))


def awaited(judge: Judge) -> AsyncJudge:
    """A judge that is called as one that is awaited: what is asked for before the event loop turns is rated in one call.

    The paths of a call are in the order of their texts, so that which of them came first changes nothing.
    """
    waiting: list[tuple[StepPath, asyncio.Future[Rating]]] = []

    def flush() -> None:
        batch = sorted(waiting, key=lambda pair: (pair[0][0].id, tuple(pair[0][1])))
        waiting.clear()
        try:
            ratings = judge([request for request, _ in batch])
        except Exception as error:
            for _, future in batch:
                future.set_exception(error)
            return
        for (_, future), rating in zip(batch, ratings, strict=True):
            future.set_result(rating)

    async def rate(request: StepPath) -> Rating:
        loop = asyncio.get_running_loop()
        if not waiting:
            loop.call_soon(flush)
        waiting.append((request, loop.create_future()))
        return await waiting[-1][1]

    return rate


def score(rating: Rating) -> float:
    """A judge's score; of one that gives verdicts alone, 1 or 0, and 0.5 where it has none."""
    if rating.score is not None:
        return rating.score
    return 0.5 if rating.correct is None else float(rating.correct)
