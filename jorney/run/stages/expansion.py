"""`jorney expand`: reasoning trees of problems."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any, ClassVar

from jorney import storage
from jorney.config import digest
from jorney.domain.equations import equations
from jorney.domain.problem import Problem
from jorney.judge import exact
from jorney.judge.judge import Judge
from jorney.machine.plan.planned import AotProgram
from jorney.machine.plan.planner import Planner
from jorney.progress import Unfinished
from jorney.run.artifact import Artifact, Model, source_digest
from jorney.run.parts import Finished, Making, Parts
from jorney.run.stage import ProblemsCommand
from jorney.run.stages.judges.kinds import JudgedBy
from jorney.run.workspace import Workspace
from jorney.thought.derive import shortcuts
from jorney.tree.expand import ExpandConfig, grow
from jorney.tree.tree import ROOT, Tree, from_json


@dataclasses.dataclass(frozen=True)
class ExpandCommand(JudgedBy, ProblemsCommand):
    """Reasoning trees of problems, judged and pruned.

    Attributes:
      shard: "i/n": grows every n-th problem, from the i-th (from 0). Programs that differ in this alone share their output,
        on as many hosts; none needs the others, and the last to end completes it.
    """

    command: ClassVar[str] = "expand"
    common = (
        *("model", "problems", "limit", "judge", "output", "expand.w", "expand.depth", "expand.step-tokens"),
        *("expand.temperature", "expand.rows", "expand.prune.keep", "expand.prune.explore-wrong", "shard", "seed"),
    )

    output: str = "runs/expand"
    limit: int | None = 100
    shard: str = "0/1"
    expand: ExpandConfig = dataclasses.field(default_factory=ExpandConfig)

    def __post_init__(self) -> None:
        super().__post_init__()
        index, slash, count = self.shard.partition("/")
        if not (slash and index.isdecimal() and count.isdecimal() and int(index) < int(count)):
            raise ValueError(f"shard = {self.shard!r}: expected i/n with i from 0 to n - 1, as 0/4")

    def plan(self, space: Workspace, model: Model) -> list[Artifact]:
        problems = self.read_problems()
        first, count = map(int, self.shard.split("/"))
        made = self.made(space, problems)
        return [made.grown(plan_trees(space, model, problems, self.expand, made.judge, made.key, (first, count)))]

    def programs(self, planner: Planner) -> list[AotProgram]:
        return planner.trees(self.expand, self.planned(planner), planner.mesh(self.mesh))


def plan_trees(
    space: Workspace,
    model: Model,
    problems: Sequence[Problem],
    config: ExpandConfig,
    judge: Callable[[], Judge] = lambda: exact.judge,
    judge_key: str = "verifier",
    shard: tuple[int, int] = (0, 1),
) -> Artifact:
    """Reasoning trees for every problem, in parts; a tree that is written is not grown again.

    Args:
      judge: makes the judge, when it is needed.
      judge_key: what the judge is known by.
      shard: (i, n): this program grows every n-th problem, from the i-th; others, on the same folder, the rest. The artifact is
        complete when the last of them is.

    Raises (when it runs):
      Unfinished: trees of other shares are not there yet.
    """

    def work(folder: storage.Path) -> dict[str, Any]:
        def grown(waiting: Iterator[Problem]) -> Making:
            generator, solved = space.generator(model), 0
            trees = grow(generator, generator.policy, list(waiting), judge(), space.format, config, space.seed)
            for count, tree in enumerate(trees, start=1):
                solved += bool(shortcuts(tree, 1))
                yield Finished([tree.to_json()], f"{solved / count:.0%} solved")

        own = problems[shard[0] :: shard[1]]
        Parts(folder / "parts").fill(space.progress, "trees", own, len(own), grown)
        there = Parts(folder / "parts").ids
        if missing := sum(problem.id not in there for problem in problems):
            raise Unfinished(f"trees: share {shard[0]} of {shard[1]} is done; {missing:,} trees of other shares are missing")
        return health(list(read_trees(folder)))

    reads = [model.key, digest(problems), judge_key, config.decides()]
    return space.plan("trees", reads, work, f"{len(problems):,} problems, w = {config.w}, K = {config.prune.keep}")


def read_trees(folder: storage.PathLike) -> Iterator[Tree]:
    """The trees of a stage's folder, or of a .jsonl file."""
    where = storage.path(folder)
    if os.fspath(where).endswith(".jsonl"):
        for number, row in storage.read_jsonl(os.fspath(where)):
            yield from_json(row, f"{where}: line {number}")
        return
    if not (where / "parts").exists():
        raise FileNotFoundError(f"{where}: expected a .jsonl file of trees, or the folder that `jorney expand` wrote (parts/)")
    yield from map(from_json, Parts(where / "parts").sorted())


def trees_key(trees: str) -> str:
    """What a file or folder of trees is known by. Raises FileNotFoundError where there is none."""
    where = storage.path(trees)
    if not where.exists():
        raise FileNotFoundError(f"{trees}: no such file or folder: expected trees that `jorney expand` wrote")
    parts = where / "parts"
    return source_digest(os.fspath(parts if parts.exists() else where))


def health(trees: Sequence[Tree]) -> dict[str, Any]:
    """What to look at before anything is trained on trees.

    `share_wrong` counts nodes, `first_step_accuracy` counts samples (a step sampled twice counts twice), `true_equations` the
    equations of all nodes. Healthy: 30-70% of the nodes wrong, at least 95% of the equations true, first-step accuracy 20-80%.
    """
    nodes = [node for tree in trees for node in tree.nodes[1:]]
    first = [node for node in nodes if node.parent == ROOT]
    true, stated = (sum(counts) for counts in zip(*(equations(node.text) for node in nodes), strict=True))
    return {
        "count": len(trees),
        "nodes": len(nodes),
        "share_wrong": sum(node.correct is False for node in nodes) / len(nodes),
        "generated_tokens": sum(tree.generated_tokens for tree in trees),
        "true_equations": true / stated if stated else None,
        "first_step_accuracy": sum(node.count * bool(node.correct) for node in first) / sum(node.count for node in first),
        "with_shortcut": sum(bool(shortcuts(tree, 1)) for tree in trees) / len(trees),
    }
