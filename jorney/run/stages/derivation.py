"""`jorney derive`: shortcuts, journeys and placebo journeys from trees."""

from __future__ import annotations

import dataclasses
import itertools
import re
from collections import Counter
from collections.abc import Sequence
from typing import Any, ClassVar

from jorney import storage
from jorney.domain import domains
from jorney.run.artifact import Artifact, Lacking, Model
from jorney.run.stage import StageCommand
from jorney.run.stages.expansion import read_trees, trees_key
from jorney.run.workspace import Workspace
from jorney.thought.derive import DeriveConfig, shortcuts, walk, walks
from jorney.thought.refine import RefineConfig, check, compose
from jorney.thought.thought import Thought, from_json

THOUGHTS = ("shortcut", "journey", "placebo", "more_shortcuts")


@dataclasses.dataclass(frozen=True)
class DeriveCommand(StageCommand):
    """Shortcuts, journeys and placebo journeys of trees.

    Attributes:
      trees: a .jsonl file of trees, or the folder that `jorney expand` wrote (OUTPUT/trees).
    """

    command: ClassVar[str] = "derive"
    common = ("trees", "output", "derive.per-tree", "derive.excursion", "refine.reflect", "seed")

    output: str = "runs/derive"
    trees: str = "runs/expand/trees"
    derive: DeriveConfig = dataclasses.field(default_factory=DeriveConfig)
    refine: RefineConfig = dataclasses.field(default_factory=RefineConfig)

    def plan(self, space: Workspace, model: Model) -> list[Artifact]:
        key = trees_key(self.trees)
        return [plan_thoughts(space, storage.path(self.trees), key, self.derive, self.refine)]


def plan_thoughts(
    space: Workspace, trees: storage.PathLike, trees_key: str, derive: DeriveConfig, refine: RefineConfig
) -> Artifact:
    """Shortcuts, journeys and placebo journeys from the same trees, in files of their own.

    The files are shortcut.jsonl, journey.jsonl and placebo.jsonl, row i of each from the same leaf, and more_shortcuts.jsonl
    with the leaves beyond `derive.per_tree`.
    """

    def work(folder: storage.Path) -> dict[str, Any]:
        found: dict[str, list[Thought]] = {name: [] for name in THOUGHTS}
        for tree in read_trees(trees):
            leaves = shortcuts(tree)
            count = derive.per_tree or len(leaves)
            for leaf in leaves[:count]:
                for kind, visits in walks(tree, leaf, derive, space.seed).items():
                    thought = compose(tree, visits, kind, domains.state, refine, space.seed)
                    wrong = check(tree, visits, thought.text)
                    assert wrong is None, f"tree {tree.id!r}: {wrong}"
                    found[kind].append(thought)
            for leaf in leaves[count:]:
                path = walk(tree, leaf, DeriveConfig(excursion="none"), space.seed)
                found["more_shortcuts"].append(compose(tree, path, "shortcut", domains.state, refine, space.seed))
        if not found["shortcut"]:
            raise Lacking(f"{trees}: no tree holds a path of right steps to the right answer: expected at least one")
        for name, thoughts in found.items():
            storage.write_jsonl(folder / f"{name}.jsonl", (thought.to_json() for thought in thoughts))
        return {name: describe(thoughts) for name, thoughts in found.items()}

    # 1: keywords are counted as whole words.
    return space.plan("thoughts", [trees_key, derive, refine], work, "shortcuts and journeys from the same trees", revision=2)


def read_thoughts(file: storage.PathLike) -> list[Thought]:
    """Thoughts of a .jsonl file. Raises FileNotFoundError or ValueError that names the file, line and field."""
    return [from_json(row, f"{file}: line {number}") for number, row in storage.read_jsonl(file)]


KEYWORDS = ("Wait", "Alternatively", "Therefore", "Let me compute", "Consider", "if", "possible", "Go back")
_WHOLE = {keyword: re.compile(rf"\b{re.escape(keyword)}\b") for keyword in KEYWORDS}  # "if" is no part of "different"


def describe(thoughts: Sequence[Thought]) -> dict[str, Any]:
    """How many thoughts, how long (lines), how often they go back, and the keywords that they hold."""
    count = len(thoughts)
    words: Counter[str] = Counter()
    for thought, keyword in itertools.product(thoughts, KEYWORDS):
        words[keyword] += len(_WHOLE[keyword].findall(thought.text))
    return {
        "count": count,
        "mean_lines": sum(len(thought.text.splitlines()) for thought in thoughts) / max(1, count),
        "mean_excursions": sum(thought.excursions for thought in thoughts) / max(1, count),
        "with_excursion": sum(thought.excursions > 0 for thought in thoughts) / max(1, count),
        "keywords": {keyword: number for keyword, number in words.items() if number},
    }
