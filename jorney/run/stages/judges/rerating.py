"""`jorney judge`: other ratings for trees."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

from jorney import storage
from jorney.domain import domains
from jorney.judge import exact
from jorney.judge.llm import Account
from jorney.run.artifact import Artifact, Model
from jorney.run.parts import Finished, Making, Parts
from jorney.run.stages.expansion import health, read_trees, trees_key
from jorney.run.stages.judges.kinds import VERIFIER, JudgedBy
from jorney.run.stages.judges.rating import Rater
from jorney.run.workspace import Workspace
from jorney.tree.rerate import JUDGED, rerate
from jorney.tree.tree import Tree


@dataclasses.dataclass(frozen=True)
class JudgeCommand(JudgedBy):
    """Other ratings for trees: OUTPUT/judge is a folder of trees, as `jorney expand` writes them.

    Attributes:
      trees: a .jsonl file of trees, or the folder that `jorney expand` wrote (OUTPUT/trees).
    """

    command: ClassVar[str] = "judge"
    common = (
        "trees",
        "judge",
        "readout",
        "threshold",
        "output",
        "llm.model",
        "llm.base-url",
        "llm.max-cost",
        "llm-judge.scope",
    )

    output: str = "runs/judge"
    trees: str = "runs/expand/trees"

    def plan(self, space: Workspace, model: Model) -> list[Artifact]:
        key, count = trees_key(self.trees), self._count()
        made = self.made(space)
        return [made.rated(plan_judged(space, self.trees, key, count, made.rater, made.rater_key))]

    def _count(self) -> int:
        """How many trees there are, all of which are read: a bad one is refused before anything is done, or paid for."""
        seen: set[str] = set()
        for tree in read_trees(self.trees):
            if tree.id in seen:
                raise ValueError(f"{self.trees}: the tree {tree.id!r} is there twice: expected an id of its own for each")
            if self.judge == VERIFIER and not exact.verifiable([tree.problem]):
                raise ValueError(f"{self.trees}: the tree {tree.id!r}: judge = 'verifier': {domains.verifiable()}")
            if len(tree.nodes) == 1:
                raise ValueError(f"{self.trees}: the tree {tree.id!r} has no steps: expected at least one")
            seen.add(tree.id)
        if not seen:
            raise ValueError(f"{self.trees}: holds no trees: expected at least one")
        return len(seen)


def plan_judged(
    space: Workspace, trees: storage.PathLike, trees_key: str, count: int, rater: Rater, judge_key: Any
) -> Artifact:
    """Trees with the ratings of another judge, in parts; a tree that is written is not judged again.

    Args:
      count: how many trees there are.
      judge_key: what the judge is known by; JSON values.
    """

    def work(folder: storage.Path) -> dict[str, Any]:
        def judged(waiting: Iterator[Tree]) -> Making:
            total = Account()
            with contextlib.closing(rater(waiting)) as rated:
                for tree, ratings, account in rated:
                    by = {"by": judge_key} if account is None else {"by": judge_key, "account": dataclasses.asdict(account)}
                    total += account or Account()
                    note = f"{total.parse_failures:,} answers unread, {total.fallbacks:,} fallbacks" if account else ""
                    yield Finished([rerate(tree, ratings, by).to_json()], note)

        Parts(folder / "parts").fill(space.progress, "trees", read_trees(trees), count, judged)
        found = list(read_trees(folder))
        return {**health(found), "agreement": agreement(found), **account_of(found)}

    return space.plan("judge", [trees_key, judge_key], work, f"{count:,} trees")


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
