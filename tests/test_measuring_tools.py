"""The parts of tools/ that turn measurements into figures."""

from __future__ import annotations

import importlib
import json
import sys

import pytest
from places import ROOT

import jorney
from jorney import sharding
from jorney.domain.countdown.sets import make_problem


@pytest.fixture(autouse=True)
def _tools(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [str(ROOT / "tools"), *sys.path])


def _ceiling_set(module, reached):
    problems = [make_problem((1, i), 1 + i) for i in range(2, 2 + len(reached))]
    exact = [[True, False]] * len(reached)
    return module.Set(problems, [["1. a", "2. b"]] * len(reached), exact, reached)


def test_a_model_that_repeats_the_labels_is_at_the_ceiling() -> None:
    tool = importlib.import_module("prm_ceiling")
    # Of 40 solutions a quarter have a label that errs at N = 1 and none at N = 2.
    found = _ceiling_set(tool, [[[i % 4 > 0, True], [False, False]] for i in range(40)])
    first, both = found.labels(1, hard=True), found.labels(2, hard=True)
    assert tool.step_f1(found.exact, first, 0.5) < tool.step_f1(found.exact, both, 0.5) == 1
    assert tool.share_interval(found, first, 0.5, first, 0.5, draws=100) == (1.0, 1.0)
    low, high = tool.share_interval(found, first, 0.5, both, 0.5, draws=200)
    assert low < tool.step_f1(found.exact, first, 0.5) < high < 1


def test_distance_baselines_read_the_step() -> None:
    tool = importlib.import_module("prm_ceiling")
    problem = make_problem((3, 4, 5, 9), 20)
    step = "1. 3 * 4 = 12 (left: 5, 9, 12)"
    assert tool.last_result(problem, step) == -8
    assert tool.nearest_left(problem, step) == -8
    assert tool.nearest_left(problem, "1. 3 + 4 = 7 (left: 5, 7, 9)") == -11
    assert tool.last_result(problem, "nothing") == tool.nearest_left(problem, "nothing") == -1000


def test_the_noise_table_tells_seeds_apart(tmp_path) -> None:
    tool = importlib.import_module("judge_noise")
    summary = {"accuracy": 0.25, "ci_low": 0.2, "ci_high": 0.3, "mean_tokens": 39.2}
    rows = []
    for seed in (0, 1):
        rows.append({"seed": seed, "rate": None, "kind": "phase 1", **summary})
        for kind in tool.KINDS:
            rows += [
                {"seed": seed, "rate": rate, "kind": kind, "thoughts": 70, "right_paths": 0.5, **summary} for rate in (0, 0.4)
            ]
    lines = tool.table(rows).splitlines()
    assert {line.count("|") for line in lines} == {8}
    assert lines[2] == "| 0 |  | phase 1 | | | 25.0% (20.0% to 30.0%) | 39 |"
    assert lines[-1] == "| 1 | 40% | journeys | 70 | 50.0% | 25.0% (20.0% to 30.0%) | 39 |"
    tool.draw(rows, tmp_path / "noise.png")
    assert (tmp_path / "noise.png").read_bytes().startswith(b"\x89PNG")


def test_no_problem_of_a_puzzles_numbers_is_learned() -> None:
    tool = importlib.import_module("game24")
    drawn = tool.others([], "trees", 200, 0)
    puzzles = drawn[:5]
    kept = tool.others(puzzles, "trees", 100, 0)
    assert len(kept) == 100
    assert not {tuple(one.meta["numbers"]) for one in puzzles} & {tuple(one.meta["numbers"]) for one in kept}
    assert all(1 <= one.meta["target"] <= 24 for one in kept)
    with pytest.raises(SystemExit, match=r"only \d+ of 100 problems of the set 'trees'"):
        tool.others(drawn, "trees", 100, 0)


def test_the_base_models_training_runs(tmp_path, monkeypatch) -> None:
    """`make experiment` begins with it."""
    tool = importlib.import_module("train_base_model")
    monkeypatch.setattr(sys, "argv", ["train_base_model.py", str(tmp_path), "--steps", "2", "--embed", "32", "--layers", "1"])
    monkeypatch.setattr(tool, "SHORT", (2, 128))
    monkeypatch.setattr(tool, "LONG", (2, 128))
    one = sharding.make_mesh(sharding.MeshConfig(devices=1))
    monkeypatch.setattr(tool.sharding, "make_mesh", lambda *_: one)
    tool.main()
    told = json.loads((tmp_path / "model" / "training.json").read_text())
    assert told["command"] == "python tools/train_base_model.py OUT_DIR --steps 2 --seed 0 --embed 32 --layers 1"
    assert jorney.load(str(tmp_path / "model")).config.embed == 32
