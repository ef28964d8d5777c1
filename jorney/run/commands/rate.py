"""The commands for trees and thoughts that are there: `jorney judge`, `jorney refine`."""

from __future__ import annotations

import dataclasses
import os
from typing import ClassVar

from jorney import storage
from jorney.judge import exact
from jorney.judge.llm import Llm, LlmConfig
from jorney.judge.llm_judge import LlmJudgeConfig
from jorney.judge.readouts import AUTO
from jorney.run.commands.command import StageCommand
from jorney.run.stage import source_digest
from jorney.run.stages import judged, refined
from jorney.run.stages.judging import Asked, expect_scores, judge_kind
from jorney.run.stages.trees import read_trees
from jorney.run.workspace import Model, Stage, Workspace
from jorney.thought.asked.rewrite import RewriteConfig
from jorney.thought.refine import RefineConfig
from jorney.thought.thought import KINDS

LLM = "llm"
REFINERS = ("offline", LLM)


@dataclasses.dataclass(frozen=True)
class JudgeCommand(StageCommand):
    """Other ratings for trees: OUTPUT/judge is a folder of trees, as `jorney expand` writes them.

    Attributes:
      trees: a .jsonl file of trees, or the folder that `jorney expand` wrote (OUTPUT/trees).
      judge: "verifier" (exact, Countdown), "llm", or a reward model: one that `jorney prm` made, or a published one.
      readout: how the reward model is asked, a key of `judge.readouts.READOUTS`; "auto" where its head leaves no doubt.
      threshold: of a reward model's score, above which a step counts as right; None takes the one of its folder, which
        `jorney prm` found on its held-out problems, or 0.5 where there is none.
      llm: the endpoint of "llm".
      llm_judge: what it is asked.
    """

    name: ClassVar[str] = "judge"

    output: str = "runs/judge"
    trees: str = "runs/expand/trees"
    judge: str = "verifier"
    readout: str = AUTO
    threshold: float | None = None
    llm: LlmConfig = dataclasses.field(default_factory=LlmConfig)
    llm_judge: LlmJudgeConfig = dataclasses.field(default_factory=LlmJudgeConfig)

    def __post_init__(self) -> None:
        super().__post_init__()
        expect_scores(self.judge, self.threshold)

    def plan(self, space: Workspace, model: Model) -> list[Stage]:
        key, count = trees_key(self.trees), self._count()
        made = judge_kind(self.judge).make(space, Asked(self.judge, self.readout, self.threshold, self.llm, self.llm_judge))
        return [made.rated(judged.plan_judged(space, self.trees, key, count, made.rater, made.rater_key))]

    def _count(self) -> int:
        """How many trees there are, all of which are read: a bad one is refused before anything is done, or paid for."""
        seen: set[str] = set()
        for tree in read_trees(self.trees):
            if tree.id in seen:
                raise ValueError(f"{self.trees}: the tree {tree.id!r} is there twice: expected an id of its own for each")
            if self.judge == "verifier" and not exact.verifiable([tree.problem]):
                raise ValueError(
                    f"{self.trees}: the tree {tree.id!r}: judge = 'verifier': only Countdown's steps can be verified"
                )
            if len(tree.nodes) == 1:
                raise ValueError(f"{self.trees}: the tree {tree.id!r} has no steps: expected at least one")
            seen.add(tree.id)
        if not seen:
            raise ValueError(f"{self.trees}: holds no trees: expected at least one")
        return len(seen)


@dataclasses.dataclass(frozen=True)
class RefineCommand(StageCommand):
    """Thoughts in other words: OUTPUT/refine holds files of the same names as `jorney derive` writes.

    Attributes:
      thoughts: the folder that `jorney derive` wrote (OUTPUT/thoughts), or one of its files.
      trees: those that they were derived from.
      refiner: "offline" (the phrases of `refine`) or "llm".
      kinds: which thoughts are refined; the others stay as they are.
      llm: the endpoint of "llm".
    """

    name: ClassVar[str] = "refine"

    output: str = "runs/refine"
    thoughts: str = "runs/derive/thoughts"
    trees: str = "runs/expand/trees"
    refiner: str = LLM
    kinds: tuple[str, ...] = ("journey",)
    llm: LlmConfig = dataclasses.field(default_factory=LlmConfig)
    rewrite: RewriteConfig = dataclasses.field(default_factory=RewriteConfig)
    refine: RefineConfig = dataclasses.field(default_factory=RefineConfig)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.refiner not in REFINERS:
            raise ValueError(f"refiner = {self.refiner!r}: expected one of {', '.join(REFINERS)}")
        if not self.kinds or not set(self.kinds) <= set(KINDS):
            raise ValueError(f"kinds = {self.kinds!r}: expected one or more of {', '.join(KINDS)}")

    def plan(self, space: Workspace, model: Model) -> list[Stage]:
        drafts = refined.read_drafts(self.thoughts, self.trees, self.kinds)
        key = [source_digest(self.thoughts), trees_key(self.trees), sorted(self.kinds)]
        if self.refiner == LLM:
            llm = Llm(self.llm)
            by = {"llm": self.llm.decides(), "rewrite": dataclasses.asdict(self.rewrite)}
            stage = refined.plan_refined(space, drafts, key, refined.by_llm(llm, self.rewrite), by)
            return [judged.with_account(stage, space, llm)]
        return [refined.plan_refined(space, drafts, key, refined.offline(self.refine, space.seed), {"offline": self.refine})]


def trees_key(trees: str) -> str:
    """What a file or folder of trees is known by. Raises FileNotFoundError where there is none."""
    where = storage.path(trees)
    if not where.exists():
        raise FileNotFoundError(f"{trees}: no such file or folder: expected trees that `jorney expand` wrote")
    parts = where / "parts"
    return source_digest(os.fspath(parts if parts.exists() else where))


COMMANDS: dict[str, type[StageCommand]] = {kind.name: kind for kind in (JudgeCommand, RefineCommand)}
