"""The stage that gives trees other ratings."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import itertools
from collections.abc import Callable, Generator, Iterator, Sequence
from typing import Any, NamedTuple

from jorney import storage
from jorney.domain.domain import Rating
from jorney.judge.judge import Judge
from jorney.judge.llm import Account, Asker, Llm
from jorney.judge.llm_judge import LlmJudge, LlmJudgeConfig, judge
from jorney.run.parts import Parts
from jorney.run.stages.trees import health, read_trees
from jorney.run.workspace import Stage, Workspace
from jorney.tree.rerate import JUDGED, request, rerate
from jorney.tree.tree import Tree

TOGETHER = 16  # trees whose nodes a judge of this program rates in one call


class Rated(NamedTuple):
    """A tree, the ratings of its nodes without the root, and what they took of an endpoint."""

    tree: Tree
    ratings: Sequence[Rating]
    account: Account | None = None


Rater = Callable[[Iterator[Tree]], Generator[Rated, None, None]]


def plan_judged(space: Workspace, trees: storage.PathLike, trees_key: str, count: int, rater: Rater, judge_key: Any) -> Stage:
    """Trees with the ratings of another judge, in parts; a tree that is written is not judged again.

    Args:
      count: how many trees there are.
      rater: yields the trees that it is given, in any order.
      judge_key: what the judge is known by; JSON values.
    """

    def work(folder: storage.Path) -> dict[str, Any]:
        parts = Parts(folder / "parts")
        waiting = (tree for tree in read_trees(trees) if tree.id not in parts.ids)
        total = Account()
        # Read as a generator: whatever ends this loop ends what it has begun, too.
        with (
            space.progress.bar("trees", count, len(parts.ids)) as bar,
            parts,
            contextlib.closing(rater(waiting)) as rated,
        ):
            for tree, ratings, account in rated:
                by: dict[str, Any] = {"by": judge_key}
                if account is not None:
                    total += account
                    by["account"] = dataclasses.asdict(account)
                parts.add(rerate(tree, ratings, by).to_json())
                bar(1, f"{total.parse_failures:,} answers unread, {total.fallbacks:,} fallbacks" if account else "")
        found = list(read_trees(folder))
        return {**health(found), "agreement": agreement(found), **account_of(found)}

    return space.plan("judge", [trees_key, judge_key], work, f"{count:,} trees")


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

    async def rate(ask: Asker, tree: Tree) -> Rated:
        whole = config.scope == "path"
        parents = {node.parent for node in tree.nodes}
        ends = [node for node in range(1, len(tree.nodes)) if not whole or node not in parents]
        judged = await asyncio.gather(*(judge(ask, *request(tree, end), config) for end in ends))
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


def agreement(trees: Sequence[Tree]) -> float | None:
    """Share of the verdicts that are what they were before, of those that both judges gave; None where there are none."""
    pairs = [
        (before >= 0, node.correct)
        for tree in trees
        for before, node in zip(tree.meta[JUDGED]["before"], tree.nodes[1:], strict=True)
        if before is not None and node.correct is not None
    ]
    return sum(before == now for before, now in pairs) / len(pairs) if pairs else None


def account_of(trees: Sequence[Tree]) -> dict[str, Any]:
    """What the ratings of trees took of an endpoint, all runs together; nothing where no endpoint was asked."""
    accounts = [Account(**tree.meta[JUDGED]["account"]) for tree in trees if "account" in tree.meta[JUDGED]]
    return dataclasses.asdict(sum(accounts, Account())) if accounts else {}


def with_account(stage: Stage, space: Workspace, llm: Llm, judge: LlmJudge | None = None) -> Stage:
    """The stage, at whose end (by an error, too) it is said what this run has paid for.

    Args:
      judge: whose account the result gets as well, where the stage keeps none of its own.
    """

    def work(folder: storage.Path) -> Any:
        try:
            result = stage.work(folder)
        finally:
            space.progress.say(f"  {llm.config.model}: {llm.summary()}")
        return result if judge is None else {**result, **dataclasses.asdict(judge.account)}

    return dataclasses.replace(stage, work=work)
