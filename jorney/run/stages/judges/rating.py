"""How whole trees are rated: by a judge of this program, or by a language model, many nodes side by side."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import Callable, Generator, Iterator, Sequence
from typing import NamedTuple

from jorney.domain.domain import Rating
from jorney.judge.judge import Judge
from jorney.judge.llm import Account, Asker, Llm
from jorney.judge.llm_judge import Judged, LlmJudgeConfig, judge
from jorney.tree.rerate import request
from jorney.tree.tree import Tree

TOGETHER = 16  # trees whose nodes a judge of this program rates in one call


class Rated(NamedTuple):
    """A tree, the ratings of its nodes without the root, and what they took of an endpoint."""

    tree: Tree
    ratings: Sequence[Rating]
    account: Account | None = None


# Rates the trees that it is given, in any order.
Rater = Callable[[Iterator[Tree]], Generator[Rated, None, None]]


def by_judge(make: Callable[[], Judge]) -> Rater:
    """Ratings of a judge of this program, which is made when it is needed."""

    def rater(trees: Iterator[Tree]) -> Generator[Rated, None, None]:
        asked = None
        while group := list(itertools.islice(trees, TOGETHER)):
            asked = asked or make()
            ratings = iter(asked([request(tree, node) for tree in group for node in range(1, len(tree.nodes))]))
            for tree in group:
                yield Rated(tree, list(itertools.islice(ratings, len(tree.nodes) - 1)))

    return rater


def by_llm(llm: Llm, config: LlmJudgeConfig) -> Rater:
    """Ratings of a language model; the nodes of a tree, and trees, are asked for side by side."""

    async def one(ask: Asker, tree: Tree, node: int) -> Judged:
        judged = await judge(ask, *request(tree, node), config)
        llm.unread.add(judged.account)
        return judged

    async def rate(ask: Asker, tree: Tree) -> Rated:
        whole = config.scope == "path"
        parents = {node.parent for node in tree.nodes}
        ends = [node for node in range(1, len(tree.nodes)) if not whole or node not in parents]
        judged = await asyncio.gather(*(one(ask, tree, end) for end in ends))
        found: dict[int, Rating] = {}
        for end, (ratings, _) in zip(ends, judged, strict=True):
            # What several paths share has its rating from the first of them.
            for step, rating in zip(tree.path(end) if whole else [end], ratings, strict=True):
                found.setdefault(step, rating)
        account = sum((one.account for one in judged), Account())
        return Rated(tree, [found[node] for node in range(1, len(tree.nodes))], account)

    def rater(trees: Iterator[Tree]) -> Generator[Rated, None, None]:
        with contextlib.closing(llm.each(rate, trees)) as done:
            for _, rated in done:
                yield rated

    return rater
