"""`jorney expand`: reasoning trees of problems."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any, ClassVar

from jorney import storage
from jorney.config import digest
from jorney.domain.equations import equations
from jorney.domain.grading import GRADING
from jorney.domain.problem import Problem
from jorney.engine.sampling import DRAWING
from jorney.judge import exact
from jorney.judge.judge import Judge
from jorney.machine.plan.planned import AotProgram
from jorney.machine.plan.planner import Planner
from jorney.run.artifact import Artifact, Model, rows_folder
from jorney.run.identity import source_digest
from jorney.run.parts import ALL, Finished, Making, Parts, Share
from jorney.run.stage import SampledCommand
from jorney.run.stages.judges.kinds import JudgedBy
from jorney.run.workspace import Workspace
from jorney.thought.derive import shortcuts
from jorney.tree.expand import ExpandConfig, grow
from jorney.tree.tree import ROOT, Tree, from_json


@dataclasses.dataclass(frozen=True)
class ExpandCommand(JudgedBy, SampledCommand):
    """Reasoning trees of problems, judged and pruned."""

    command: ClassVar[str] = "expand"
    common = (
        *("model", "problems", "limit", "judge", "output", "expand.w", "expand.depth", "expand.step-tokens"),
        *("expand.temperature", "expand.rows", "expand.prune.keep", "expand.prune.explore-wrong", "shard", "seed"),
    )

    output: str = "runs/expand"
    limit: int | None = 100
    expand: ExpandConfig = dataclasses.field(default_factory=ExpandConfig)

    def plan(self, space: Workspace, model: Model) -> list[Artifact]:
        problems = self.read_problems()
        made = self.made(space, problems)
        return [made.grown(plan_trees(space, model, problems, self.expand, made.judge, made.key, self.share))]

    def programs(self, planner: Planner) -> list[AotProgram]:
        return planner.trees(self.expand, self.planned(planner), planner.sampling_mesh(self.mesh))


def plan_trees(
    space: Workspace,
    model: Model,
    problems: Sequence[Problem],
    config: ExpandConfig,
    judge: Callable[[], Judge] = lambda: exact.judge,
    judge_key: str = "verifier",
    share: Share = ALL,
) -> Artifact:
    """Reasoning trees for every problem, in parts; a tree that is written is not grown again.

    Args:
      judge: makes the judge, when it is needed.
      judge_key: what the judge is known by.
      share: of the problems; other programs, on the same folder, grow the rest, and the last of them completes the artifact.
    """

    def work(folder: storage.Path) -> dict[str, Any]:
        def grown(waiting: Iterator[Problem]) -> Making:
            generator, solved = space.generator(model), 0
            trees = grow(generator, generator.policy, list(waiting), judge(), space.format, config, space.seed)
            for count, tree in enumerate(trees, start=1):
                solved += bool(shortcuts(tree, 1))
                yield Finished([tree.to_json()], f"{solved / count:.0%} solved")

        Parts(folder / "parts").fill_share(space.progress, "trees", problems, share, grown)
        return health(list(read_trees(folder)))

    reads = [model.key, digest(problems), judge_key, config.decides(), GRADING, DRAWING]
    # 1: a step's likelihood counts all that was sampled, certain ids too.
    return space.plan("trees", reads, work, f"{len(problems):,} problems, w = {config.w}, K = {config.prune.keep}", revision=1)


def read_trees(folder: storage.PathLike) -> Iterator[Tree]:
    """The trees of a stage's folder, or of a .jsonl file."""
    where = storage.follow(folder)
    if os.fspath(where).endswith(".jsonl"):
        for number, row in storage.read_jsonl(os.fspath(where)):
            yield from_json(row, f"{where}: line {number}")
        return
    if (parts := rows_folder(where)) is None:
        raise FileNotFoundError(f"{where}: expected a .jsonl file of trees, or the folder that `jorney expand` wrote (parts/)")
    yield from map(from_json, Parts(parts).sorted())


def trees_key(trees: str) -> str:
    """What a file or folder of trees is known by. Raises FileNotFoundError where there is none."""
    where = storage.follow(trees)
    if not where.exists():
        raise FileNotFoundError(f"{trees}: no such file or folder: expected trees that `jorney expand` wrote")
    return source_digest(os.fspath(rows_folder(where) or where))


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
