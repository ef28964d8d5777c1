"""The first hour of someone who knows TRL, search-and-learn and lm-eval: each works in one command, with three options at most.

The list grows with what Jorney does. Options that only make a command quick stand in `QUICK`, and do not count.
"""

from __future__ import annotations

import csv
import importlib.util
import json
import os
import pathlib
import shlex
import sys
import types
from collections.abc import Callable
from typing import Any

import pytest
from countdown_trees import countdown_tree
from places import ROOT

from jorney import cli, storage
from jorney.domain.countdown.sets import Countdown, sample_problems

TRAINING = "--sft.epochs 1"
# What a command takes besides, here alone: small numbers.
QUICK = {
    "evaluate": "--evaluate.max-tokens 24",
    "search": "--search.n 2 --search.max-tokens 24",
    "expand": "--expand.w 2 --expand.depth 2 --expand.step-tokens 16",
    "generate": "--sampling.max-tokens 8",
    "sft": "--sft.epochs 1",
    "dpo": "--dpo.epochs 1 --dpo.held-out 0",
    "prm": "--prm.epochs 1 --held-out-limit 4 --rollouts.max-tokens 96 --rollouts.completions 2",
    "pairs": "--dpo.samples 4 --evaluate.max-tokens 24",
    "bench train": "--steps 1 --runs 1",
}

EVERYDAY: dict[str, str] = {
    # lm-eval: a model's accuracy
    "evaluate a model": "evaluate --limit 4",
    "evaluate on one's own problems": "evaluate --problems problems.jsonl",
    "evaluate a model that was trained here": "evaluate --model {trained} --limit 4",
    "compare two models": "compare evaluated/a evaluated/b",
    "a benchmark by its published protocol": "evaluate --benchmark gsm8k --problems gsm8k/test.jsonl --protocol.count 1",
    "a majority vote of several texts": "evaluate --limit 4 --evaluate.samples 4 --evaluate.temperature 0.7",
    # TRL: training
    "SFT on prompts and completions": "sft --data completions.jsonl",
    "SFT on a CSV with column names of its own": "sft --data mine.csv --columns question=task,answer=result,solution=worked",
    "SFT on Alpaca's rows": "sft --data alpaca.jsonl",
    "SFT on plain texts": "sft --data texts.jsonl",
    "SFT of 100 rows of the default problems": "sft --limit 100",
    "DPO on given pairs": "dpo --data pairs.jsonl",
    "DPO on pairs of the model's own samples": "pairs --problems problems.jsonl",
    "a process reward model from labelled steps": "prm --data stepwise.jsonl",
    "track a training": "sft --data completions.jsonl --track wandb",
    "another learning rate": "sft --data completions.jsonl --sft.optimizer.learning-rate 1e-4",
    "keep the settings in a file": "sft --data completions.jsonl --save-config kept.yaml",
    "train by a file of settings": "sft --config settings.yaml",
    "push what was trained": "push {trained} me/mine",
    # peft: adapters
    "train an adapter (LoRA)": "sft --data completions.jsonl --sft.lora.rank 8",
    "DPO of an adapter": "dpo --data pairs.jsonl --dpo.lora.rank 8",
    "evaluate an adapter that peft trained": "evaluate --model {adapter} --limit 4",
    "merge an adapter into its model": "export {adapter} merged --merge",
    "ask a model with several adapters": "generate --prompts-from prompts.jsonl --adapters a={adapter}",
    # search-and-learn: search
    "best of n": "search --limit 4",
    "beam search": "search --search.method beam --limit 1",
    # trees and thoughts
    "grow trees": "expand --limit 2",
    "derive thoughts": "derive --trees trees.jsonl",
    "train on thoughts": "sft --data thoughts.jsonl",
    # models
    "ask a model": "generate 'Make 24 from 3, 4, 5, 9.'",
    "ask a model a file of prompts": "generate --prompts-from prompts.jsonl",
    "look at a checkpoint": "inspect {trained}",
    "give a checkpoint to transformers": "export {trained} exported",
    "measure a training step": "bench train",
}
# The others are slow tests.
QUICKEST = {
    "evaluate a model",
    "SFT on a CSV with column names of its own",
    "DPO on given pairs",
    "track a training",
    "train by a file of settings",
    "push what was trained",
    "best of n",
    "ask a model a file of prompts",
    "train an adapter (LoRA)",
    "compare two models",
    "merge an adapter into its model",
}
ADAPTER = ROOT / "tests" / "golden" / "peft_adapter"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """A folder with a user's files, and a model that was trained there."""
    folder = tmp_path_factory.mktemp("everyday")

    def write(name: str, *rows: dict[str, Any]) -> None:
        storage.write_jsonl(folder / name, rows * 4)

    problems = [{"id": str(n), "question": f"What is {n} + {n}?", "answer": str(2 * n)} for n in range(1, 5)]
    storage.write_jsonl(folder / "problems.jsonl", problems)
    for name in ("train", "test"):
        rows = [{"question": f"{n} + 1 = ?", "answer": f"{n} + 1 = {n + 1}\n#### {n + 1}"} for n in range(4)]
        storage.write_jsonl(folder / "gsm8k" / f"{name}.jsonl", rows)
    write("completions.jsonl", {"prompt": "What is 1 + 1?\n", "completion": "2"})
    write("alpaca.jsonl", {"instruction": "Add.", "input": "1, 1", "output": "2"})
    write("texts.jsonl", {"text": "one and one is two"})
    write("pairs.jsonl", {"prompt": "What is 1 + 1?\n", "chosen": "2", "rejected": "3"})
    write("stepwise.jsonl", {"prompt": "What is 1 + 1?", "completions": ["1 + 1 is 2.", "So 3."], "labels": [True, False]})
    write("prompts.jsonl", {"prompt": "What is 1 + 1?"})
    with open(folder / "mine.csv", "w", newline="") as file:
        rows = csv.DictWriter(file, ["task", "result", "worked"])
        rows.writeheader()
        rows.writerows({"task": f"What is {n} + 1?", "result": str(n + 1), "worked": f"It is {n + 1}."} for n in range(4))
    (folder / "settings.yaml").write_text("data: completions.jsonl\nsft:\n  epochs: 1\n")
    trees = [countdown_tree(problem, 0) for problem in sample_problems(Countdown(), "trees", 20, 0)]
    storage.write_jsonl(folder / "trees.jsonl", (tree.to_json() for tree in trees))
    before = os.getcwd()
    os.chdir(folder)
    try:
        assert cli.main(["derive", "--trees", "trees.jsonl", "--output", "derived"]) == 0
        (folder / "thoughts.jsonl").write_bytes((folder / "derived" / "thoughts" / "journey.jsonl").read_bytes())
        assert cli.main(["sft", "--data", "completions.jsonl", "--output", "first", *TRAINING.split()]) == 0
        for name in ("a", "b"):
            row = {"correct": name == "a", "tokens": 5, "finished": True, "answer": "4", "note": ""}
            rows = [{"id": problem["id"], **row} for problem in problems]
            storage.write_jsonl(folder / "evaluated" / name / "parts" / "000000000-a.jsonl", rows)
    finally:
        os.chdir(before)
    return folder


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing leaves this machine."""
    import huggingface_hub

    run = types.SimpleNamespace(log=lambda row, step: None, finish=lambda: None)
    monkeypatch.setitem(sys.modules, "wandb", types.SimpleNamespace(init=lambda **settings: run))
    monkeypatch.setattr("importlib.util.find_spec", _also("wandb"))
    monkeypatch.setattr(huggingface_hub.HfApi, "whoami", lambda api: {"name": "me"})
    monkeypatch.setattr(huggingface_hub, "create_repo", lambda repository, **how: repository)
    monkeypatch.setattr(huggingface_hub, "upload_folder", lambda **what: None)


def _also(there: str) -> Callable[..., Any]:
    before = importlib.util.find_spec
    return lambda name, *more: True if name == there else before(name, *more)


def words_of(text: str) -> list[str]:
    return shlex.split(text.format(trained="first/sft/model", adapter=ADAPTER))


@pytest.mark.parametrize(
    "name", [name if name in QUICKEST else pytest.param(name, marks=pytest.mark.slow) for name in EVERYDAY]
)
@pytest.mark.filterwarnings("ignore:prm. no held-out sample")  # so small a sample
def test_it_takes_one_command(name: str, place: pathlib.Path, hub: None, monkeypatch, capsys) -> None:
    monkeypatch.chdir(place)
    words = words_of(EVERYDAY[name])
    quick = next((text.split() for start, text in QUICK.items() if EVERYDAY[name].startswith(start)), [])
    stated = [option for option in quick if option.startswith("--") and option in words]
    assert cli.main(words + [word for word in quick if not stated]) == 0, capsys.readouterr().err
    said = capsys.readouterr()
    assert "Traceback" not in said.err
    assert said.out.strip()


@pytest.mark.parametrize("name", EVERYDAY)
def test_with_three_options_at_most(name: str) -> None:
    assert sum(word.startswith("--") for word in words_of(EVERYDAY[name])) <= 3


def test_the_same_command_goes_on_from_where_it_was(place: pathlib.Path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(place)
    assert cli.main(["sft", "--data", "completions.jsonl", "--output", "first", *TRAINING.split()]) == 0
    assert "sft: already done" in capsys.readouterr().out


def test_two_models_results_stand_beside_each_other(place: pathlib.Path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(place)
    quick = QUICK["evaluate"].split()
    for model in ("embedded", "first/sft/model"):
        assert cli.main(["evaluate", "--model", model, "--limit", "2", "--output", "both", *quick]) == 0
    kept = sorted(file.name for file in (place / "both").glob("evaluate-*.json"))
    assert [name.rpartition("-")[0] for name in kept] == ["evaluate-embedded", "evaluate-sft"]
    abouts = [json.loads((place / "both" / name).read_text())["about"] for name in kept]
    assert [about["settings"]["model"] for about in abouts] == ["embedded", "first/sft/model"]
    assert len({about["weights"] for about in abouts}) == 2
    assert json.loads((place / "both" / "summary.json").read_text())["about"] == abouts[1]
