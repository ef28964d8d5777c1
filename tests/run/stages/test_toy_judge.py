"""A kind of judge in one file: steps are right as long as they are short."""

from __future__ import annotations

import pytest
from random_trees import random_tree

from jorney import cli, storage
from jorney.domain.domain import Rating
from jorney.judge.judge import Judge, StepPath
from jorney.run.parts import Parts
from jorney.run.stages.judges import kinds
from jorney.run.stages.judges.kinds import JudgedBy, JudgeKind, MadeJudge
from jorney.run.stages.judges.rating import by_judge
from jorney.run.stages.judges.rerating import JudgeCommand
from jorney.run.workspace import Workspace
from jorney.tree.rerate import request


class Shortness(JudgeKind):
    """A step of fewer than 40 characters is right; the fewer, the better."""

    name = "shortness"
    scores = True

    def make(self, space: Workspace, asked: JudgedBy) -> MadeJudge:
        limit = 0.5 if asked.threshold is None else asked.threshold

        def rate(path: StepPath) -> Rating:
            score = max(0.0, 1 - len(path[1][-1]) / 80)
            return Rating(score > limit, "", score)

        def make_judge() -> Judge:
            return lambda requests: list(map(rate, requests))

        key = f"shortness {limit}"  # all that its ratings depend on
        return MadeJudge(make_judge, key, by_judge(make_judge), key)


@pytest.fixture(autouse=True)
def _known(monkeypatch) -> None:
    monkeypatch.setitem(kinds.JUDGES, Shortness.name, Shortness())


def config() -> JudgeCommand:
    """Trees rated by it, in a configuration file."""
    kinds.register(Shortness())
    return JudgeCommand(judge="shortness")


@pytest.mark.parametrize("threshold", [None, 0.3])
def test_trees_are_rated_by_it(threshold, tmp_path) -> None:
    trees = [random_tree(seed) for seed in range(5)]
    storage.write_jsonl(tmp_path / "trees.jsonl", (tree.to_json() for tree in trees))
    words = ["run", __file__, "--trees", str(tmp_path / "trees.jsonl"), "--output", str(tmp_path / "out")]
    assert cli.main([*words, *(["--threshold", str(threshold)] if threshold else [])]) == 0
    rows = list(Parts(storage.path(tmp_path / "out" / "judge" / "parts")).rows())
    assert sorted(row["id"] for row in rows) == sorted(tree.id for tree in trees)
    known = {tree.id: tree for tree in trees}
    for row in rows:
        assert row["meta"]["judged"]["by"] == f"shortness {threshold or 0.5}"
        for index, node in enumerate(row["nodes"][1:], start=1):
            length = len(request(known[row["id"]], index)[1][-1])
            assert node["score"] == pytest.approx(max(0.0, 1 - length / 80))
            assert node["rating"] == (1 if node["score"] > (threshold or 0.5) else -1)
