"""Trees and thoughts as stages: health by hand, files whose rows belong together, parts that survive."""

from __future__ import annotations

import dataclasses
import json

import pytest
from random_trees import random_tree

from jorney import storage
from jorney.domain.answers import final_answer
from jorney.progress import Progress
from jorney.run.stages import expansion
from jorney.run.stages.derivation import THOUGHTS, plan_thoughts, read_thoughts
from jorney.run.stages.expansion import health, read_trees
from jorney.run.workspace import Workspace
from jorney.sharding import MeshConfig
from jorney.thought.derive import DeriveConfig, shortcuts
from jorney.thought.refine import RefineConfig
from jorney.tree.tree import Node, Tree


def _node(parent: int, text: str, correct: bool, status: str = "kept", count: int = 1) -> Node:
    return Node(parent, text, sibling=0, count=count, rating=correct, status=status)


def test_health_by_hand() -> None:
    nodes = (
        Node(None),
        _node(0, "1. 1 + 2 = 3 (left: 3, 3)", True, count=3),
        _node(0, "1. 3 - 2 = 2 (left: 1, 2)", False, count=1),  # a false equation
        _node(1, "2. 3 * 3 = 9 (left: 9)\n#### 9", True, "leaf-correct"),
        _node(1, "2. 3 + 3 = 6 (left: 6)\n#### 6", False, "leaf-wrong"),
    )
    found = health([Tree("a", "q", "9", "abel", nodes, 70), Tree("b", "q", "9", "abel", nodes[:3], 30)])
    assert found == {
        "count": 2,
        "nodes": 6,
        "share_wrong": 0.5,
        "generated_tokens": 100,
        "true_equations": pytest.approx(4 / 6),
        "first_step_accuracy": pytest.approx(6 / 8),
        "with_shortcut": 0.5,
    }


@pytest.fixture
def space(tmp_path):
    return Workspace(str(tmp_path / "run"), MeshConfig(data=8), "float32", "abel", 0, Progress())


def _derive(space, tmp_path, trees, **derive: object):
    file = tmp_path / "trees.jsonl"
    storage.write_jsonl(file, (tree.to_json() for tree in trees))
    return space.run(plan_thoughts(space, file, "key", DeriveConfig(**derive), RefineConfig()))  # type: ignore[arg-type]


def test_row_i_of_every_kind_is_of_one_leaf(space, tmp_path) -> None:
    trees = [random_tree(seed) for seed in range(60)]
    done = _derive(space, tmp_path, trees, trials=3, per_tree=2)
    kinds = {kind: read_thoughts(done.folder / f"{kind}.jsonl") for kind in THOUGHTS}
    expected = [(tree.id, leaf) for tree in trees for leaf in shortcuts(tree)[:2]]
    for kind in ("shortcut", "journey", "placebo"):
        assert [(one.id, one.leaf) for one in kinds[kind]] == expected
        assert {one.kind for one in kinds[kind]} == {kind}
    assert [(one.id, one.leaf) for one in kinds["more_shortcuts"]] == [
        (tree.id, leaf) for tree in trees for leaf in shortcuts(tree)[2:]
    ]
    assert len(kinds["more_shortcuts"]) > 5
    for shortcut, journey, placebo in zip(kinds["shortcut"], kinds["journey"], kinds["placebo"], strict=True):
        assert shortcut.excursions == 0
        assert journey.excursions == placebo.excursions
        steps = [piece for piece in journey.pieces if piece.kind in ("step", "conclusion")]
        assert steps == list(shortcut.pieces)
        assert final_answer(journey.text) == final_answer(shortcut.text)
    result = done.result["journey"]
    assert result["count"] == len(expected)
    assert result["keywords"]["Go back"] == sum(one.excursions for one in kinds["journey"])
    assert result["mean_excursions"] == pytest.approx(sum(one.excursions for one in kinds["journey"]) / len(expected))


def test_trees_without_a_way_to_the_answer_are_refused(space, tmp_path) -> None:
    dead = [tree for tree in (random_tree(seed) for seed in range(60)) if not shortcuts(tree)]
    assert dead
    with pytest.raises(ValueError, match="no tree holds a path of right steps to the right answer"):
        _derive(space, tmp_path, dead)
    assert not (tmp_path / "run" / "stages").exists()


def test_trees_are_read_from_files_and_folders(tmp_path) -> None:
    trees = [random_tree(seed) for seed in range(5)]
    storage.write_jsonl(tmp_path / "t.jsonl", (tree.to_json() for tree in trees))
    storage.write_jsonl(tmp_path / "parts" / "000000.jsonl", (tree.to_json() for tree in trees[:2]))
    storage.write_jsonl(tmp_path / "parts" / "000001.jsonl", (tree.to_json() for tree in trees[2:]))
    assert list(read_trees(tmp_path / "t.jsonl")) == list(read_trees(tmp_path)) == trees
    with pytest.raises(FileNotFoundError, match=r"expected a \.jsonl file of trees, or the folder"):
        list(read_trees(tmp_path / "parts"))


def test_a_tree_is_not_grown_again(space, policy, monkeypatch) -> None:
    from jorney.domain.countdown.sets import Countdown, sample_problems
    from jorney.engine.generate import Generator
    from jorney.policy import resolve
    from jorney.run.artifact import Model
    from jorney.tree.expand import ExpandConfig

    problems = sample_problems(Countdown(), "trees", 5, 0)
    monkeypatch.setattr(space, "generator", lambda model: Generator(policy))
    grown: list[str] = []

    def grow(generator, policy, group, judge, step_format, config, seed):
        for problem in group:
            if len(grown) == 4 and "again" not in grown:
                raise KeyboardInterrupt
            grown.append(problem.id)
            yield dataclasses.replace(random_tree(len(problem.id)), id=problem.id)

    monkeypatch.setattr(expansion, "grow", grow)
    plan = expansion.plan_trees(space, Model(resolve("embedded"), "m"), problems, ExpandConfig())
    with pytest.raises(KeyboardInterrupt):
        space.run(plan)
    grown.append("again")
    done = space.run(plan)
    assert done.result["count"] == 5
    assert grown[:4] == [problem.id for problem in problems[:4]]
    assert grown[5:] == [problems[4].id]
    assert [tree.id for tree in read_trees(done.folder)] == sorted(problem.id for problem in problems)
    parts = [part.read_text().splitlines() for part in (done.folder / "parts").iterdir()]
    assert sorted(map(len, parts)) == [1, 4]
    assert json.loads(parts[0][0])["version"] == 3
