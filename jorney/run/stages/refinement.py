"""`jorney refine`: thoughts written anew; drafts in, lines of thought out."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from typing import Any, ClassVar, NamedTuple

from jorney import storage
from jorney.config import expect_one_of
from jorney.domain import domains
from jorney.domain.grading import GRADING
from jorney.judge.llm import Account, Asker, Llm, LlmConfig
from jorney.run.artifact import Artifact, Model
from jorney.run.identity import source_digest
from jorney.run.parts import Finished, Making, Parts
from jorney.run.stage import StageCommand
from jorney.run.stages.derivation import THOUGHTS, describe, read_thoughts
from jorney.run.stages.expansion import read_trees, trees_key
from jorney.run.stages.judges.kinds import with_account
from jorney.run.workspace import Workspace
from jorney.thought.asked.rewrite import RewriteConfig, Rewritten, rewrite, visits_of
from jorney.thought.derive import Visit
from jorney.thought.refine import RefineConfig, compose
from jorney.thought.thought import KINDS, Thought, from_json
from jorney.tree.tree import Tree

LLM = "llm"
REFINERS = ("offline", LLM)


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

    command: ClassVar[str] = "refine"
    common = ("thoughts", "trees", "output", "refiner", "kinds", "llm.model", "llm.base-url", "llm.max-cost", "refine.reflect")

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
        expect_one_of(REFINERS, self, "", "refiner")
        if not self.kinds or not set(self.kinds) <= set(KINDS):
            raise ValueError(f"kinds = {self.kinds!r}: expected one or more of {', '.join(KINDS)}")

    def plan(self, space: Workspace, model: Model) -> list[Artifact]:
        drafts = read_drafts(self.thoughts, self.trees, self.kinds)
        key = [source_digest(self.thoughts), trees_key(self.trees), sorted(self.kinds)]
        if self.refiner == LLM:
            llm = Llm(self.llm)
            by = {"llm": self.llm.decides(), "rewrite": dataclasses.asdict(self.rewrite)}
            return [with_account(plan_refined(space, drafts, key, by_llm(llm, self.rewrite), by), space, llm)]
        return [plan_refined(space, drafts, key, offline(self.refine, space.seed), {"offline": self.refine})]


class Draft(NamedTuple):
    """What a refiner is given: a walk, the thought that tells it now, and a name for the record."""

    id: str
    tree: Tree
    visits: Sequence[Visit]
    thought: Thought


Refiner = Callable[[Iterable[Draft]], Generator[tuple[Draft, Rewritten], None, None]]


def read_drafts(thoughts: storage.PathLike, trees: storage.PathLike, kinds: Sequence[str]) -> dict[str, list[Thought | Draft]]:
    """What `jorney derive` wrote, by the file's name: drafts of these kinds, and the other thoughts as they are.

    Args:
      thoughts: a folder of `jorney derive`, or one of its files.
      trees: the trees that they are from.

    Raises:
      FileNotFoundError, ValueError: name the file, the line and what was expected.
    """
    where = storage.follow(thoughts)
    files = [where] if where.name.endswith(".jsonl") else [where / f"{name}.jsonl" for name in THOUGHTS]
    if not where.exists() or not any(file.exists() for file in files):
        raise FileNotFoundError(f"{thoughts}: expected the folder that `jorney derive` wrote, or one of its .jsonl files")
    found = {file.name.removesuffix(".jsonl"): (file, read_thoughts(file)) for file in files if file.exists()}
    needed = {thought.id for _, own in found.values() for thought in own if thought.kind in kinds}
    if not needed:
        raise ValueError(f"{thoughts}: holds no thoughts of the kinds {', '.join(kinds)}")
    by_id = {tree.id: tree for tree in read_trees(trees) if tree.id in needed}

    def draft(name: str, file: storage.Path, number: int, thought: Thought) -> Thought | Draft:
        if thought.kind not in kinds:
            return thought
        place = f"{file}: line {number}"
        if thought.refiner != "offline":
            raise ValueError(f"{place}: refiner = {thought.refiner!r}: expected a thought as `jorney derive` wrote it")
        if thought.id not in by_id:
            raise ValueError(f"{place}: the tree {thought.id!r} is not in {trees}")
        tree = by_id[thought.id]
        return Draft(f"{name}/{number:06d}", tree, visits_of(tree, thought, place), thought)

    return {
        name: [draft(name, file, number, thought) for number, thought in enumerate(own, start=1)]
        for name, (file, own) in found.items()
    }


def plan_refined(
    space: Workspace, drafts: dict[str, list[Thought | Draft]], drafts_key: Any, refiner: Refiner, refiner_key: Any
) -> Artifact:
    """Thoughts in a refiner's words, in files of the same names; a thought that is written is not refined again.

    Args:
      refiner: yields the drafts that it is given, in any order.
      refiner_key: what it is known by; JSON values.
    """
    members = [draft for own in drafts.values() for draft in own if isinstance(draft, Draft)]

    def work(folder: storage.Path) -> dict[str, Any]:
        def refined(waiting: Iterator[Draft]) -> Making:
            total = Account()
            with contextlib.closing(refiner(list(waiting))) as told:
                for draft, (thought, account) in told:
                    total += account
                    note = f"{total.check_failures:,} texts did not hold, {total.fallbacks:,} fallbacks"
                    yield Finished(
                        [{"id": draft.id, "thought": thought.to_json(), "account": dataclasses.asdict(account)}], note
                    )

        Parts(folder / "parts").fill(space.progress, "thoughts", members, len(members), refined)
        rows = list(Parts(folder / "parts").sorted())
        made = {row["id"]: from_json(row["thought"], row["id"]) for row in rows}
        for name, own in drafts.items():
            thoughts = (made[one.id] if isinstance(one, Draft) else one for one in own)
            storage.write_jsonl(folder / f"{name}.jsonl", (thought.to_json() for thought in thoughts))
        account = sum((Account(**row["account"]) for row in rows), Account())
        return {"thoughts": len(made), **dataclasses.asdict(account), "refined": describe(list(made.values()))}

    return space.plan("refine", [drafts_key, refiner_key, GRADING], work, f"{len(members):,} thoughts")


def offline(config: RefineConfig, seed: int) -> Refiner:
    """The offline refiner, with these phrases."""

    def one(draft: Draft) -> Rewritten:
        thought = compose(draft.tree, draft.visits, draft.thought.kind, domains.state, config, seed)
        return Rewritten(thought, Account())

    return lambda drafts: ((draft, one(draft)) for draft in drafts)


def by_llm(llm: Llm, config: RewriteConfig) -> Refiner:
    """A language model; thoughts are asked for side by side."""

    async def one(ask: Asker, draft: Draft) -> Rewritten:
        rewritten = await rewrite(ask, llm.config.model, draft.tree, draft.visits, draft.thought, config)
        llm.unread.add(rewritten.account)
        return rewritten

    return lambda drafts: llm.each(one, drafts)
