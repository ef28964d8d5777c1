"""`jorney prm train`, `label` and `eval`, from the command line to their results; bad rows are named."""

from __future__ import annotations

import dataclasses
import json
import pathlib
import shutil

import pytest

import jorney
from jorney import cli, storage
from jorney.distributed import DistributedConfig
from jorney.domain.countdown.sets import Countdown, sample_problems
from jorney.progress import Progress
from jorney.run import inputs
from jorney.run.parts import Parts
from jorney.run.stage import read_model
from jorney.run.stages.judges.reward_training import PrmCommand
from jorney.text.step_format import ABEL
from jorney.train.objectives.prm import PrmConfig, as_reward_model
from jorney.tree.tree import Node, Tree

ROLLOUTS = [
    "--rollouts.completions",
    "2",
    "--rollouts.solutions",
    "2",
    "--rollouts.max-tokens",
    "16",
    "--rollouts.rows",
    "8",
    "--rollouts.chunk",
    "8",
]
PRM = ["--prm.batch-rows", "8", "--prm.row-length", "128", "--held-out-limit", "1"]


def write(where: pathlib.Path, rows: list[dict]) -> str:
    storage.write_jsonl(where, rows)
    return str(where)


def run(folder: pathlib.Path, capsys, *arguments: str, code: int = 0) -> str:
    capsys.readouterr()
    assert cli.main([*arguments, "--output", str(folder / "out")]) == code
    return capsys.readouterr().err


def rows_of(file: pathlib.Path) -> list[dict]:
    return [json.loads(line) for line in file.read_text().splitlines()]


def stage(folder: pathlib.Path, name: str) -> pathlib.Path:
    (found,) = (folder / "out" / "stages").glob(f"{name}-*")
    return found


@pytest.fixture(scope="module")
def problems():
    return sample_problems(Countdown(), "tuning", 6, 0)


@pytest.fixture(scope="module")
def tree(problems) -> Tree:
    """Two first steps, and a leaf under one of them."""
    problem = problems[0]
    first, *rest = ABEL.split(problem.solution)
    other = Node(0, "1. 1 + 1 = 2 (left: 2)\n", rating=-1, status="pruned", sibling=1)
    nodes = [Node(None), Node(0, first + "\n", rating=1), other, Node(1, rest[0] + "\n", rating=1)]
    leaf = Node(3, "\n".join(rest[1:]), rating=1, status="leaf-correct")
    return Tree(problem.id, problem.question, problem.answer, "abel", (*nodes, leaf), 0, problem.verifier, problem.meta)


def test_a_tree_is_paths_with_each_label_once(tree, tmp_path) -> None:
    one, other = inputs.of_tree(tree)
    assert (one.labels, len(one.steps)) == ((0,), 1)
    assert (other.labels, other.steps) == (
        (1, 1, 1),
        tuple(ABEL.split(sample_problems(Countdown(), "tuning", 1, 0)[0].solution)),
    )
    source = write(tmp_path / "trees.jsonl", [tree.to_json()])
    how = inputs.Reading(ABEL)
    assert inputs.read_labelled(source, None, how) == [one, other]
    ((problem, solutions),) = inputs.read_solutions(source, None, how)
    assert problem == tree.problem
    assert solutions == (one.steps, other.steps)


@pytest.mark.filterwarnings("always")  # the embedded model's texts do not end: it is not measured, and the command says so
def test_label_then_train(tree, problems, tmp_path, capsys) -> None:
    """Given solutions get labels, and those are what training takes; a solution that states its answer is over."""
    rows = [
        {"id": f"row {i}", "question": p.question, "answer": p.answer, "verifier": p.verifier, "meta": p.meta}
        | {"steps": ABEL.split(p.solution)}
        for i, p in enumerate(problems[:2])
    ]
    data = write(tmp_path / "rows.jsonl", [*rows, tree.to_json()])
    run(tmp_path, capsys, "prm", "label", "--data", data, *ROLLOUTS)
    labelled = stage(tmp_path, "rollouts") / "labels.jsonl"
    found = [json.loads(line) for line in labelled.read_text().splitlines()]
    assert [len(one["steps"]) for one in found] == [3, 3, 1, 3]
    assert all(one["labels"][-1] == 1 for one in found if len(one["steps"]) == 3)
    before = labelled.stat().st_mtime_ns
    run(tmp_path, capsys, "prm", "label", "--data", data, *ROLLOUTS)
    assert labelled.stat().st_mtime_ns == before
    run(tmp_path, capsys, "prm", "train", "--data", str(labelled), *PRM, *ROLLOUTS)
    assert storage.read_json(tmp_path / "out" / "summary.json")["examples"] == 4
    # Measured on labelled steps: the same four solutions, whose steps are nine right ones or wrong ones.
    run(tmp_path, capsys, "prm", "--data", str(labelled), *PRM[:4], "--held-out-data", str(labelled))
    found = storage.read_json(tmp_path / "out" / "summary.json")
    assert found["held_out_solutions"] == 4
    assert found["held_out_right"] == sum(all(label > 0.5 for label in one["labels"]) for one in rows_of(labelled)) / 4


def test_what_several_processes_train_is_not_measured(problems, tmp_path) -> None:
    """Sampling, which measuring takes, is no work that they share."""
    shared = DistributedConfig(coordinator="auto")
    labels = [1.0, 0.0, 1.0]
    rows = [{"question": p.question, "steps": ABEL.split(p.solution), "labels": labels} for p in problems[:2]]
    data = write(tmp_path / "labels.jsonl", rows)
    prm = PrmConfig(batch_rows=8, row_length=128)
    command = PrmCommand(data=data, output=str(tmp_path / "out"), prm=prm, distributed=shared)
    assert command.all_hosts
    assert not dataclasses.replace(command, data="").all_hosts
    space = command.space(Progress(quiet=True))
    (artifact,) = command.plan(space, read_model(command.model))
    assert artifact.detail.endswith("labels.jsonl, not measured")
    found = space.run(artifact).result
    assert found["examples"] == 2
    assert not {"f1_step", "held_out_solutions", "threshold"} & set(found)
    with pytest.raises(
        ValueError, match=r"^distributed.coordinator: expected data \(and held_out_data, or nothing is measured\)"
    ):
        dataclasses.replace(command, data="").plan(space, read_model(command.model))


def test_eval(policy, problems, tmp_path, capsys) -> None:
    jorney.save(as_reward_model(policy, 0), tmp_path / "judge", "float32")
    rows = [
        {"id": str(i), "generator": "g", "problem": p.question, "steps": ABEL.split(p.solution), "label": i % 3 - 1}
        for i, p in enumerate(problems)
    ]
    data = write(tmp_path / "rows.jsonl", rows)
    reasons = write(tmp_path / "reasons.jsonl", [{"correct": True}] * 6)
    options = ["--judge", str(tmp_path / "judge"), "--data", data, "--reasons", reasons, "--tuning", data]
    run(tmp_path, capsys, "prm", "eval", *options)
    result = storage.read_json(tmp_path / "out" / "summary.json")
    assert (result["solutions"], result["steps"]) == (6, 2 * 3 + 2 * 1 + 2 * 2)
    assert set(result["by_solution"]) == {"min", "product", "last", "mean"}
    assert result["mr_score"] == pytest.approx(
        0.2 * max(0, result["mcc"]) + 0.3 * result["step_accuracy"] + 0.5 * result["reason_accuracy"]
    )
    folder = stage(tmp_path, "prm_eval")
    assert {"measures.json", "measures.md", "calibration.png", "calibration.svg"} <= {file.name for file in folder.iterdir()}
    # Scores that the rows hold are measured alike; what was scored is not scored again.
    parts = list(Parts(storage.path(folder / "parts")).rows())
    stored = write(
        tmp_path / "scored.jsonl", [{**row, "scores": part["scores"]} for row, part in zip(rows, parts, strict=False)]
    )
    run(tmp_path, capsys, "prm", "eval", "--judge", "scores", "--data", stored, "--threshold", str(result["threshold"]))
    again = storage.read_json(tmp_path / "out" / "summary.json")
    same = {name: value for name, value in result.items() if name not in ("reason_accuracy", "mr_score", "about")}
    assert {name: again[name] for name in same} == same
    assert again["mr_score"] is None
    # Without a threshold, by the one of the reward model's folder.
    storage.write_json(tmp_path / "judge" / "judge.json", {"threshold": 0.25})
    run(tmp_path, capsys, "prm", "eval", "--judge", str(tmp_path / "judge"), "--data", data)
    assert storage.read_json(tmp_path / "out" / "summary.json")["threshold"] == 0.25


@pytest.mark.parametrize(
    ("arguments", "rows", "error"),
    [
        (["eval"], [], "jorney: judge: expected a reward model, or scores"),
        (["eval", "--judge", "scores"], [], "jorney: data: expected labelled solutions"),
        (
            ["eval", "--judge", "scores", "--data", "DATA"],
            [{"problem": "q", "steps": ["a"], "label": 0}],
            "DATA: line 1: field 'scores': expected 1 numbers, one a step, got None",
        ),
        (
            ["eval", "--judge", "embedded", "--data", "DATA"],
            [{"problem": "q", "steps": ["a"], "label": 3}],
            "DATA: line 1: field",
        ),
        (["label", "--data", "DATA"], [{"question": "q", "answer": "1", "steps": []}], "DATA: line 1: field 'steps'"),
        (["label", "--data", "DATA"], [{"question": "q", "steps": ["a"]}], "DATA: line 1: the field 'answer' is missing"),
        (["train", "--data", "DATA", "--neutral", "no"], [{}], "neutral = 'no': expected one of positive, negative, ignored"),
        (["label", "--data", "DATA"], [{"nodes": []}], "DATA: line 1: tree None: version = None: expected 3, or 1 or 2"),
    ],
)
def test_what_is_wrong_is_named_and_nothing_is_written(tmp_path, capsys, arguments, rows, error) -> None:
    data = write(tmp_path / "rows.jsonl", rows)
    said = run(tmp_path, capsys, "prm", *(data if one == "DATA" else one for one in arguments), code=2)
    assert error.replace("DATA", data) in said
    assert not (tmp_path / "out").exists()


def test_a_language_model_is_refused_without_a_readout(tmp_path, capsys) -> None:
    data = write(tmp_path / "rows.jsonl", [{"problem": "q", "steps": ["a"], "label": 0}])
    shutil.copytree(jorney.policy.resolve("embedded"), tmp_path / "model")
    said = run(tmp_path, capsys, "prm", "eval", "--judge", str(tmp_path / "model"), "--data", data, code=2)
    assert "a language model may be read in several ways: expected readout = one of jorney, math-shepherd" in said
