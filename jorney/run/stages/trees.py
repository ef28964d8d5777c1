"""Stages that grow trees and derive thoughts from them."""

from __future__ import annotations

import itertools
import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from jorney import storage
from jorney.domain import domains
from jorney.domain.equations import equations
from jorney.domain.problem import Problem
from jorney.judge import exact
from jorney.judge.judge import Judge
from jorney.progress import Unfinished
from jorney.run.parts import Parts
from jorney.run.stage import Lacking
from jorney.run.workspace import Model, Stage, Workspace, generation
from jorney.thought.derive import DeriveConfig, placebo, shortcuts, walk
from jorney.thought.refine import RefineConfig, check, compose
from jorney.thought.thought import Thought
from jorney.thought.thought import from_json as thought_from_json
from jorney.tree.expand import ExpandConfig, grow
from jorney.tree.tree import ROOT, Tree
from jorney.tree.tree import from_json as tree_from_json

THOUGHTS = ("shortcut", "journey", "placebo", "more_shortcuts")


def plan_trees(
    space: Workspace,
    model: Model,
    problems: Sequence[Problem],
    problems_key: str,
    config: ExpandConfig,
    judge: Callable[[], Judge] = lambda: exact.judge,
    judge_key: str = "verifier",
    shard: tuple[int, int] = (0, 1),
) -> Stage:
    """Reasoning trees for every problem, in parts; a tree that is written is not grown again.

    Args:
      judge: makes the judge, when it is needed.
      judge_key: what the judge is known by.
      shard: (i, n): this program grows every n-th problem, from the i-th; others, on the same folder, the rest. The stage is
        complete when the last of them is.

    Raises (when it runs):
      Unfinished: trees of other shares are not there yet.
    """

    def work(folder: storage.Path) -> dict[str, Any]:
        parts = Parts(folder / "parts")
        own = problems[shard[0] :: shard[1]]
        waiting = [problem for problem in own if problem.id not in parts.ids]
        if waiting:
            generator, asked = space.generator(model), judge()
            trees = grow(generator, generator.policy, waiting, asked, space.format, config, space.seed)
            solved = 0
            with space.progress.bar("trees", len(own), len(own) - len(waiting)) as bar, parts:
                for grown, tree in enumerate(trees, start=1):
                    parts.add(tree.to_json())
                    solved += bool(shortcuts(tree, 1))
                    bar(1, f"{solved / grown:.0%} solved")
        there = Parts(folder / "parts").ids
        if missing := sum(problem.id not in there for problem in problems):
            raise Unfinished(f"trees: share {shard[0]} of {shard[1]} is done; {missing:,} trees of other shares are missing")
        return health(list(read_trees(folder)))

    programs = [*generation(config.rows, config.w, config.step_tokens, config.chunk), "extend by openings"]
    reads = [model.key, problems_key, judge_key, config.decides()]
    return space.plan("trees", reads, work, f"{len(problems):,} problems, w = {config.w}, K = {config.prune.keep}", programs)


def read_trees(folder: storage.PathLike) -> Iterator[Tree]:
    """The trees of a stage's folder, or of a .jsonl file."""
    where = storage.path(folder)
    if os.fspath(where).endswith(".jsonl"):
        for number, row in storage.read_jsonl(os.fspath(where)):
            yield tree_from_json(row, f"{where}: line {number}")
        return
    if not (where / "parts").exists():
        raise FileNotFoundError(f"{where}: expected a .jsonl file of trees, or the folder that `jorney expand` wrote (parts/)")
    yield from map(tree_from_json, Parts(where / "parts").sorted())


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


def plan_thoughts(
    space: Workspace, trees: storage.PathLike, trees_key: str, derive: DeriveConfig, refine: RefineConfig
) -> Stage:
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
                journey = walk(tree, leaf, derive, space.seed)
                walks = {
                    "shortcut": [visit for visit in journey if not visit.excursion],
                    "journey": journey,
                    "placebo": placebo(tree, journey, space.seed),
                }
                for kind, visits in walks.items():
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

    return space.plan("thoughts", [trees_key, derive, refine], work, "shortcuts and journeys from the same trees")


def read_thoughts(file: storage.PathLike) -> list[Thought]:
    """Thoughts of a .jsonl file. Raises FileNotFoundError or ValueError that names the file, line and field."""
    return [thought_from_json(row, f"{file}: line {number}") for number, row in storage.read_jsonl(file)]


KEYWORDS = ("Wait", "Alternatively", "Therefore", "Let me compute", "Consider", "if", "possible", "Go back")


def describe(thoughts: Sequence[Thought]) -> dict[str, Any]:
    """How many thoughts, how long (lines), how often they go back, and the keywords that they hold."""
    count = len(thoughts)
    words: Counter[str] = Counter()
    for thought, keyword in itertools.product(thoughts, KEYWORDS):
        words[keyword] += thought.text.count(keyword)
    return {
        "count": count,
        "mean_lines": sum(len(thought.text.splitlines()) for thought in thoughts) / max(1, count),
        "mean_excursions": sum(thought.excursions for thought in thoughts) / max(1, count),
        "with_excursion": sum(thought.excursions > 0 for thought in thoughts) / max(1, count),
        "keywords": {keyword: number for keyword, number in words.items() if number},
    }
