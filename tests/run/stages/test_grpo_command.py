"""`jorney grpo`, from the command line to the model; and what it refuses, in a line."""

from __future__ import annotations

import dataclasses
import json
import math
import pathlib
import re

import jax
import numpy as np
import pytest

import jorney
from jorney import cli, storage
from jorney.model import params as parameters
from jorney.policy import save
from jorney.rows.problems import read_problems
from jorney.run.stages import reinforcement
from jorney.run.workspace import training_line

SMALL = [
    *("--limit", "24", "--grpo.rounds", "2", "--grpo.questions", "4", "--grpo.group", "4", "--grpo.completion-length", "24"),
    *("--grpo.optimizer.learning-rate", "1e-3", "--mesh.devices", "1"),
]
REWARDS = """
def ones(completions, **columns):
    return [text.count("1") / 10 for text in completions]

def broken(completions, id, **columns):
    if any(text.count("1") for text in completions):
        raise KeyError("no such column")
    return [0.0] * len(completions)

def nothing(completions, **columns):
    return [float("nan")] * len(completions)

def same(completions, **columns):
    return [1.0] * len(completions)

constant = 3
"""


@pytest.fixture
def rewards(tmp_path, monkeypatch) -> str:
    """A module of rewards in the working directory, of a name of its own: Python reads one of a name once."""
    name = f"rewards_of_{tmp_path.name.replace('-', '_')}"
    (tmp_path / f"{name}.py").write_text(REWARDS)
    monkeypatch.chdir(tmp_path)
    return name


def run(folder: pathlib.Path, capsys, *arguments: str, fails: bool = False) -> str:
    """The command's stderr; its result is in OUTPUT/summary.json."""
    capsys.readouterr()
    code = cli.main(["grpo", *SMALL, *arguments, "--output", str(folder / "out")])
    error = capsys.readouterr().err
    assert code == (2 if fails else 0), error
    return error


def result(folder: pathlib.Path) -> dict:
    return storage.read_json(folder / "out" / "summary.json")


def refused(folder: pathlib.Path, capsys, *arguments: str) -> str:
    """The one line that is said; nothing is left."""
    error = run(folder, capsys, *arguments, fails=True)
    (line,) = [line for line in error.splitlines() if line.startswith("jorney: ")]
    return line


def test_a_model_learns_what_is_rewarded(rewards, tmp_path, capsys) -> None:
    rounds = ("--grpo.rounds", "12", "--assess.every", "4", "--assess.limit", "4")
    run(tmp_path, capsys, "--grpo.rewards", f"{rewards}:ones", *rounds)
    found = result(tmp_path)
    assert found["reward"] > found["reward_at_first"] + 0.1  # more of the digit 1 in its texts
    assert found["steps"] == 12
    assert "eval/accuracy" in found
    stage = tmp_path / "out" / "grpo"
    assert storage.read_json(stage / "model" / ".jorney.json")["objective"] == "grpo"
    rows = [
        json.loads(line)
        for part in sorted((stage / "training/metrics").glob("*.jsonl"))
        for line in part.read_text().splitlines()
    ]
    assert len(rows) == 12
    assert [step for step, row in enumerate(rows) if "eval/accuracy" in row] == [0, 4, 8]
    name = f"{rewards}:ones"
    for row in rows:
        assert {"reward", "reward_std", "frac_reward_zero_std", f"rewards/{name}/mean", "completions/mean_length"} <= row.keys()
        assert {"entropy", "completions/clipped_ratio", "num_tokens", "sampling/sampling_logp_difference/mean"} <= row.keys()
        assert row["sampling/sampling_logp_difference/mean"] < 1e-4
        assert row["sampling/importance_sampling_ratio/mean"] == pytest.approx(1, abs=1e-5)
    assert rows[0]["loss"] == pytest.approx(0, abs=1e-5)  # all completions are equally long here
    assert rows[-1]["num_tokens"] > rows[0]["num_tokens"] * 11
    assert "reward" in training_line(rows[-1])
    (kept,) = (stage / "rollouts" / "samples" / "000003-0").glob("*.jsonl")
    sample = json.loads(kept.read_text().splitlines()[0])
    assert {"id", "sample", "text", "tokens", "log_probs", "finished"} == sample.keys()
    # The same command does nothing more, and one with other names for how much is done at a time neither.
    before = sorted((tmp_path / "out" / "stages").iterdir())
    run(tmp_path, capsys, "--grpo.rewards", f"{rewards}:ones", *rounds, "--grpo.decode-rows", "8")
    assert sorted((tmp_path / "out" / "stages").iterdir()) == before


def test_prompts_need_no_answers(rewards, tmp_path, capsys) -> None:
    file = tmp_path / "prompts.jsonl"
    file.write_text("".join(json.dumps({"prompt": f"Count to {number}."}) + "\n" for number in range(8)))
    source = ("--problems", str(file), "--columns", "question=prompt", "--step-format", "abel")
    run(tmp_path, capsys, *source, "--grpo.rewards", f"{rewards}:ones,format=0.1")
    found = result(tmp_path)
    assert math.isfinite(found["reward"])
    assert "accuracy" not in found
    for what in (("--grpo.rewards", "accuracy"), ("--grpo.rewards", f"{rewards}:ones", "--grpo.credit", "return")):
        line = refused(tmp_path, capsys, *source, *what, "--grpo.values", "rollouts")
        assert re.search(r"prompts.jsonl: problem '\w+' has no answer: expected one \(grpo.credit = 'outcome' and", line)
    looked = ("--assess.every", "1", "--assess.problems", str(file))
    assert "has no answer: expected one" in refused(tmp_path, capsys, *source, *looked, "--grpo.rewards", f"{rewards}:ones")


def test_models_of_the_wrong_kind_are_told_before_anything_is_read(tmp_path, capsys) -> None:
    policy = jorney.load()
    config = dataclasses.replace(policy.config, head="linear", labels=2, tie_embeddings=False)
    judge = dataclasses.replace(policy, config=config, params=parameters.init(config, jax.random.key(0)))
    save(judge, tmp_path / "prm", np.float32)
    where = str(tmp_path / "prm")
    said = refused(tmp_path, capsys, "--model", where, "--problems", "nowhere.jsonl")
    assert said == f"jorney: {where}: has the head 'linear': expected a language model, to generate with"
    judged = ("--grpo.credit", "return", "--grpo.values", "judge")
    line = refused(tmp_path, capsys, *judged, "--judge", "embedded")
    assert line.startswith("jorney: embedded: a language model may be read in several ways: expected readout = one of jorney")
    line = refused(tmp_path, capsys, *judged, "--judge", where, "--readout", "rlhflow")
    assert re.search(r"prm: readout = 'rlhflow' reads a language model's logits: expected one", line)
    assert not (tmp_path / "out").exists()


def slow(*arguments: str):
    return pytest.param(arguments, marks=pytest.mark.slow)


@pytest.mark.parametrize(
    "arguments",
    [
        ("--grpo.credit", "progress", "--grpo.resample", "drop"),
        ("--grpo.credit", "return", "--grpo.beta", "0.02", "--grpo.kl", "k1_reward"),
        slow("--grpo.credit", "min", "--grpo.updates", "2", "--grpo.epochs", "2", "--grpo.beta", "0.02"),
        ("--grpo.lora.rank", "2", "--grpo.entropy-share", "0.5", "--grpo.beta", "0.02"),
        slow("--grpo.credit", "progress-sum", "--grpo.values", "rollouts", "--grpo.rollouts", "2"),
        slow("--grpo.aggregate", "constant", "--grpo.row-completions", "2", "--grpo.accumulate", "2", "--grpo.mask-truncated"),
    ],
    ids=lambda arguments: arguments[1],
)
def test_every_way_ends_with_a_model(rewards, tmp_path, capsys, arguments) -> None:
    words = tuple(word.replace("progress-sum", "progress_sum") for word in arguments)
    run(tmp_path, capsys, "--grpo.rewards", f"{rewards}:ones,accuracy,format=0.5", *words)
    found = result(tmp_path)
    assert math.isfinite(found["reward"])
    assert all(math.isfinite(loss) for _, loss, _ in found["curve"])
    assert any((tmp_path / "out" / "grpo" / "model").iterdir())


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--grpo.rewards", "acuracy"), "'acuracy' is no reward|got 'acuracy'"),
        (("--grpo.rewards", "accuracy=x"), "accuracy"),
        (("--grpo.rewards", "no_such_module:f"), "module 'no_such_module' cannot be imported"),
        (("--grpo.rewards", "{}:oness"), "there is no 'oness'.*did you mean 'ones'"),
        (("--grpo.rewards", "{}:constant"), "it is of type int: expected a function"),
        (("--grpo.rewards", "length"), "overlong_cache"),
        (("--grpo.rewards", "language", "--grpo.language", "klingon"), "klingon"),
        (("--grpo.group", "1"), "grpo.group = 1: expected 2 or more"),
        (("--grpo.questions", "30"), "grpo.questions = 30: expected at most the 24 problems"),
        (("--grpo.completion-length", "5000"), "grpo.completion-length = 5,000, behind a prompt of"),
        (("--grpo.prompt-length", "4"), "grpo.prompt-length = 4: expected at least 20, the longest prompt"),
        (("--grpo.kl", "k1_reward"), "grpo.beta = 0: expected a price above 0"),
        (("--grpo.kl", "k1_reward", "--grpo.beta", "0.1", "--grpo.credit", "min"), "grpo.credit = 'min': expected"),
        (("--grpo.top-p", "0.9", "--grpo.importance", "token_truncate"), "grpo.top_p = 0.9: expected 1.0 with"),
        (("--grpo.updates", "3"), "grpo.questions = 4: expected a multiple of grpo.updates = 3"),
        (("--assess.every", "-1"), "assess.every = -1"),
        (("--mesh.devices", "8"), "grpo.questions = 4: expected a multiple of 8, since 8 devices split a batch"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_what_cannot_be_is_refused_in_a_line(rewards, tmp_path, capsys, arguments, told) -> None:
    line = refused(tmp_path, capsys, *(word.format(rewards) for word in arguments))
    assert re.search(told, line), line
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("broken", r"reward.*:broken': problem 'countdown-.*', sample \d: it raised KeyError: 'no such column'"),
        ("nothing", r"reward.*:nothing.*problem 'countdown-.*sample \d.*nan"),
    ],
)
def test_a_function_that_fails_is_named_with_its_completion_and_loses_no_samples(rewards, tmp_path, capsys, name, told) -> None:
    line = refused(tmp_path, capsys, "--grpo.rewards", f"{rewards}:{name}")
    assert re.search(told, line), line
    (kept,) = (tmp_path / "out" / "stages").glob("*/rollouts/samples/000000-0/*.jsonl")
    assert len(kept.read_text().splitlines()) == 16


def test_a_rate_that_breaks_the_model_is_told_of_before_it_samples_again(rewards, tmp_path, capsys) -> None:
    line = refused(
        tmp_path, capsys, "--grpo.rewards", f"{rewards}:ones", "--grpo.rounds", "4", "--grpo.optimizer.learning-rate", "1e30"
    )
    assert re.search(r"step \d: .*(finite|beyond)", line), line


def test_rounds_that_teach_nothing_end_it(rewards, tmp_path, capsys) -> None:
    line = refused(tmp_path, capsys, "--grpo.rewards", f"{rewards}:same", "--grpo.patience", "2")
    assert "grpo.patience = 2: so many rounds taught nothing" in line


def test_what_is_assessed_on_is_named_where_problems_are_a_file(rewards, tmp_path, capsys) -> None:
    file = tmp_path / "problems.jsonl"
    storage.write_jsonl(file, ({"question": f"What is {n} + 1?", "answer": str(n + 1)} for n in range(8)))
    line = refused(tmp_path, capsys, "--problems", str(file), "--assess.every", "2")
    assert "assess.every = 2: expected assess.problems, others than those of" in line


def test_exact_values_are_of_problems_that_can_be_verified(rewards, tmp_path, capsys) -> None:
    file = tmp_path / "problems.jsonl"
    storage.write_jsonl(file, ({"question": f"What is {n} + 1?", "answer": str(n + 1)} for n in range(8)))
    assert len(read_problems(str(file), None)) == 8
    line = refused(tmp_path, capsys, "--problems", str(file), "--grpo.credit", "progress")
    assert "grpo.values = 'exact' with grpo.credit = 'progress': expected 'judge' or 'rollouts'" in line
    assert reinforcement.GrpoCommand().grpo.values == "exact"
