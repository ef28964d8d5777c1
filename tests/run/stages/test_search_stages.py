"""Searches as stages: what they report, and that they go on where they were interrupted."""

from __future__ import annotations

import json
import os

import pytest

from jorney import cli, storage
from jorney.domain.countdown.sets import Countdown, sample_problems
from jorney.judge import exact
from jorney.policy import EMBEDDED, resolve
from jorney.progress import Progress
from jorney.run import parts
from jorney.run import workspace as workspaces
from jorney.run.artifact import Model
from jorney.run.stages import expansion
from jorney.run.stages.searching import plan_search
from jorney.run.workspace import Workspace
from jorney.sharding import MeshConfig
from jorney.solve.search import SearchConfig
from jorney.solve.statistics import wilson
from jorney.tree.tree import Node, Tree

PROBLEMS = sample_problems(Countdown(), "test", 5, 0)


@pytest.fixture
def spaces_of(monkeypatch, mesh1, tmp_path):
    monkeypatch.setattr(workspaces, "make_mesh", lambda _: mesh1)
    return lambda name: Workspace(str(tmp_path / name), MeshConfig(), "float32", "abel", 0, Progress())


@pytest.mark.parametrize("method", ["best-of-n", *(pytest.param(one, marks=pytest.mark.slow) for one in ("beam", "dvts"))])
def test_an_interrupted_search_goes_on(spaces_of, monkeypatch, method: str) -> None:
    config = SearchConfig(method, n=4, keep=2, width=2, depth=2, max_tokens=40, step_tokens=20, rows=8, chunk=8)
    model, calls, limit = Model(resolve(EMBEDDED), "embedded"), 0, 1 << 30

    def judge(requests):
        nonlocal calls
        calls += 1
        if calls > limit:
            raise KeyboardInterrupt
        return exact.judge(requests)

    def search(name: str) -> dict:
        space = spaces_of(name)
        return [space.run(one) for one in plan_search(space, model, PROBLEMS, config, lambda: judge, "verifier")][-1].result

    def written(name: str) -> dict[str, bytes]:
        first, *_ = plan_search(spaces_of(name), model, PROBLEMS, config, lambda: judge, "verifier")
        return {os.fspath(file): file.read_bytes() for file in (first.folder / "parts").glob("*.jsonl")}

    monkeypatch.setattr(parts, "ROWS", 1)
    whole = search("whole")
    assert (whole["method"], whole["judge"], whole["n"]) == (method, "verifier (an oracle)", 5)
    assert (whole["ci_low"], whole["ci_high"]) == wilson(round(5 * whole["accuracy"]), 5)
    assert whole["mean_tokens"] > 20
    if method == "best-of-n":
        naive = whole["selections"]["naive"]
        assert [point["of"] for point in naive] == [1, 2, 4]
        assert naive[0]["mean_tokens"] < naive[1]["mean_tokens"] < naive[2]["mean_tokens"] == whole["mean_tokens"]
        assert naive[2]["accuracy"] == whole["naive_accuracy"]
    # The judge is an oracle of Countdown's steps: the best of its choices is the best there is.
    assert whole["naive_accuracy"] == whole["pass_at_n"] >= whole["majority_accuracy"]
    calls, limit = 0, calls - 1
    with pytest.raises(KeyboardInterrupt):
        search("again")
    before, limit, rows = written("again"), 1 << 30, len(PROBLEMS) * (config.keep if method == "dvts" else 1)
    assert 0 < len(before) < rows
    assert search("again") == whole
    assert before.items() <= written("again").items()
    assert len(written("again")) == rows


@pytest.mark.parametrize(("method", "accuracy"), [("beam", 0.4), ("dvts", 0.8)])
def test_what_trees_found_is_chosen_among(spaces_of, monkeypatch, method: str, accuracy: float) -> None:
    """Of five problems, two have a right leaf in their first tree, two others in their second."""

    def grow(generator, policy, problems, judge, step_format, config, seed):
        for problem in problems:
            index, second = [one.id for one in PROBLEMS].index(problem.id.split(" ")[0]), problem.id.endswith(" tree 1")
            right = index in ((2, 3) if second else (0, 1))
            text = problem.solution if right else "1. so\n#### 99"
            leaf = Node(0, text, (1, 2), (-0.5, -0.5), score=0.9 if right else 0.2, status="leaf-wrong", rating=1)
            yield Tree(problem.id, problem.question, problem.answer, "abel", (Node(None), leaf), 10, "countdown", problem.meta)

    monkeypatch.setattr(expansion, "grow", grow)
    config = SearchConfig(method, keep=2, width=2, depth=4, step_tokens=20)
    space, model = spaces_of("out"), Model(resolve(EMBEDDED), "embedded")
    grown, search = plan_search(space, model, PROBLEMS, config, lambda: exact.judge, "prm")
    space.run(grown)
    found = space.run(search).result
    assert found["accuracy"] == found["weighted_accuracy"] == found["naive_accuracy"] == found["pass_at_n"] == accuracy
    assert found["mean_tokens"] == (10 if method == "beam" else 20)
    rows = [row for _, row in storage.read_jsonl(search.folder / "search.jsonl")]
    assert [row["id"] for row in rows] == [problem.id for problem in PROBLEMS]
    assert [row["text"] == problem.solution for row, problem in zip(rows, PROBLEMS, strict=True)] == [
        row["correct"] for row in rows
    ]
    assert rows[4]["text"].endswith("#### 99")


def test_the_command_takes_judges_and_names_what_is_wrong(tmp_path, capsys) -> None:
    file = tmp_path / "problems.jsonl"
    file.write_text(json.dumps({"question": "1 + 1?", "answer": "2"}) + "\n")
    assert cli.main(["search", "--problems", str(file), "--output", str(tmp_path / "out")]) == 2
    assert "judge = 'verifier': expected a reward model's folder" in capsys.readouterr().err
    assert cli.main(["search", "--search.method", "mcts", "--output", str(tmp_path / "out")]) == 2
    assert "search.method = 'mcts': expected one of best-of-n, beam, dvts" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
