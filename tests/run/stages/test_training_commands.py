"""`jorney sft`, `dpo` and `prm` on rows of files and data sets: from the command line to the model, or one line of error."""

from __future__ import annotations

import json
import pathlib
import re
import shutil

import pytest
from chats import TEMPLATE
from tfds_sets import prepare

from jorney import cli, storage
from jorney.batch.solutions import encode_solutions
from jorney.domain.countdown.sets import Countdown, sample_problems
from jorney.policy import resolve
from jorney.progress import Progress
from jorney.rows.labels import Reading
from jorney.run import inputs
from jorney.run.artifact import Model
from jorney.run.workspace import Workspace
from jorney.sharding import MeshConfig
from jorney.text.step_format import ABEL

SFT = ["--sft.batch-rows", "8", "--sft.row-length", "64", "--sft.head-chunk", "64"]
DPO = ["--dpo.batch-pairs", "8"]


def said(role: str, content: str) -> dict[str, str]:
    return {"role": role, "content": content}


CHATS = [{"messages": [said("user", f"{n} + 2 = ?"), said("assistant", f"{n} + 2 = {n + 2}")]} for n in range(1, 10)]
TEXTS = [{"prompt": f"{n} + 2", "completion": f" = {n + 2}"} for n in range(1, 10)]
PAIRS = [{"prompt": f"{n} + 2 =", "chosen": f" {n + 2}", "rejected": f" {n + 3}"} for n in range(1, 10)]


@pytest.fixture
def model(tmp_path) -> str:
    """The embedded model with a chat template."""
    folder = tmp_path / "model"
    shutil.copytree(resolve("embedded"), folder)
    config = storage.read_json(folder / "tokenizer_config.json")
    storage.write_json(folder / "tokenizer_config.json", {**config, "chat_template": TEMPLATE})
    return str(folder)


def write(folder: pathlib.Path, rows: list[dict], name: str = "rows.jsonl") -> str:
    storage.write_jsonl(folder / name, rows)
    return str(folder / name)


def run(folder: pathlib.Path, capsys, *arguments: str, fails: bool = False) -> str:
    """The command's stderr; its result is in OUTPUT/summary.json."""
    capsys.readouterr()
    code = cli.main([*arguments, "--output", str(folder / "out")])
    error = capsys.readouterr().err
    assert code == (2 if fails else 0), error
    if fails:
        assert len(error.strip().splitlines()) == 1, error
        assert not (folder / "out").exists(), "something was written"
    return error


def result(folder: pathlib.Path) -> dict:
    return storage.read_json(folder / "out" / "summary.json")


def test_sft_on_chats_and_the_same_rows_in_another_kind_of_file(tmp_path, model, capsys) -> None:
    from tensorflow_datasets import features as kinds

    run(tmp_path, capsys, "sft", "--model", model, "--data", write(tmp_path, CHATS), *SFT)
    assert result(tmp_path)["examples"] == 9
    stages = sorted((tmp_path / "out" / "stages").iterdir())
    assert (stages[0] / "model" / "config.json").exists()
    # The same rows, prepared by TFDS: the stage is addressed by its content, and is not run again.
    message = {"role": kinds.Text(), "content": kinds.Text()}
    folder = prepare(tmp_path / "tfds", CHATS, {"messages": kinds.Sequence(message)}, "array_record")
    run(tmp_path, capsys, "sft", "--model", model, "--data", f"tfds:{folder}", *SFT)
    assert sorted((tmp_path / "out" / "stages").iterdir()) == stages
    # A row more: another stage.
    more = [*CHATS, {"messages": [said("user", "9 + 9 = ?"), said("assistant", "18")]}]
    run(tmp_path, capsys, "sft", "--model", model, "--data", write(tmp_path, more), "--limit", "10", *SFT)
    assert len(list((tmp_path / "out" / "stages").iterdir())) == 2
    run(tmp_path, capsys, "sft", "--model", model, "--data", write(tmp_path, more), "--limit", "9", *SFT)
    assert len(list((tmp_path / "out" / "stages").iterdir())) == 2


def test_dpo_on_given_pairs_samples_nothing(tmp_path, capsys) -> None:
    run(tmp_path, capsys, "dpo", "--data", write(tmp_path, PAIRS), *DPO)
    (stage,) = (tmp_path / "out" / "stages").iterdir()
    assert stage.name.startswith("dpo-")
    assert result(tmp_path)["examples"] == 9


@pytest.mark.filterwarnings("always")  # the command shows it on a line
def test_long_examples_are_left_out_and_counted(tmp_path, capsys) -> None:
    rows = [*TEXTS, {"text": "1 + 2 = 3\n" * 30}]
    data = write(tmp_path, rows)
    message = run(tmp_path, capsys, "sft", "--data", data, *SFT, fails=True)
    assert f"{data}: line 10: " in message
    assert "tokens: expected 2 to 65, which a row holds (row_length = 64); too_long = 'drop'" in message
    message = run(tmp_path, capsys, "sft", "--data", data, "--too-long", "drop", *SFT)
    assert f"jorney: warning: {data}: 1 of 10 examples have more than 65 tokens: 1 left out (too_long = 'drop')\n" in message
    assert result(tmp_path)["examples"] == 9


@pytest.mark.parametrize(
    ("command", "rows", "error"),
    [
        ("sft", [], "holds no rows: expected at least one"),
        ("sft", [{"a": 1}], "line 1: the columns are a: expected prompt and completion, or messages, or text, or question"),
        ("sft", PAIRS, "line 1: the columns are prompt, chosen, rejected: .*for `jorney dpo --data`"),
        ("sft", [*TEXTS, {"prompt": "x"}], "line 10: the columns are prompt: expected prompt and completion"),
        ("sft", [*TEXTS, {"text": 7}], "line 10: field 'text': expected a text that is not empty, got 7"),
        ("sft", CHATS, "line 1: the tokenizer has no chat template: expected one in tokenizer_config.json"),
        ("sft", [{"question": "x", "answer": "2"}], "has no solution"),
        ("sft", [{"pieces": []}], "line 1: the field 'id' is missing: expected a thought"),
        ("dpo", TEXTS, "line 1: the columns are prompt, completion: expected chosen and rejected"),
        ("dpo", [*PAIRS, {"chosen": "a", "rejected": "b"}], "line 10: chosen and rejected have no beginning in common"),
        ("prm", TEXTS, "line 1: the columns are prompt, completion: expected prompt, completions, labels"),
    ],
)
def test_what_is_wrong_is_named_and_nothing_is_written(tmp_path, capsys, command, rows, error) -> None:
    data = write(tmp_path, rows)
    assert re.search(
        f"jorney: {data}: {error}|jorney: {data}: .*{error}", run(tmp_path, capsys, command, "--data", data, fails=True)
    )


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["sft", "--too-long", "cut"], "too_long = 'cut': expected one of error, drop, truncate"),
        (["dpo", "--data-limit", "0"], "data_limit = 0: expected 1 or more"),
        (["sft", "--data", "tfds:nothing_here"], "tfds:nothing_here: nothing that is prepared in"),
    ],
)
def test_fields(tmp_path, capsys, arguments, error) -> None:
    assert error in run(tmp_path, capsys, *arguments, fails=True)


def test_help_describes_the_sources(capsys) -> None:
    assert cli.main(["sft", "--help"]) == 0
    text = " ".join(capsys.readouterr().out.replace("│", " ").split())
    for words in ("tfds:NAME", "prompt and completion", "messages (the", "--too-long"):
        assert words in text


def test_rows_are_told_apart_by_the_first(tmp_path, policy) -> None:
    problems = sample_problems(Countdown(), "train", 3, 0)
    rows = [{"id": p.id, "question": p.question, "answer": p.answer, "solution": p.solution} for p in problems]
    found = inputs.read_examples(write(tmp_path, rows), None, ABEL, True)
    assert found.make(policy.tokenizer) == encode_solutions(policy.tokenizer, ABEL, problems, "x")
    chats = inputs.read_examples(write(tmp_path, TEXTS, "t.jsonl"), 2, ABEL, True)
    assert len(chats.make(policy.tokenizer)) == len(chats.places) == 2
    thought = {
        "id": "x",
        "question": "q",
        "answer": "3",
        "kind": "shortcut",
        "leaf": 1,
        "pieces": [["1. 1 + 2 = 3\n", "step"], ["#### 3", "conclusion"]],
    }
    (example,) = inputs.read_examples(write(tmp_path, [thought], "y.jsonl"), None, ABEL, True).make(policy.tokenizer)
    assert policy.tokenizer.decode(example.tokens[example.prompt :]) == "1. 1 + 2 = 3\n#### 3"


def test_labelled_steps_are_read(tmp_path) -> None:
    rows = [{"prompt": "q", "completions": ["1. a", "2. b"], "labels": [True, False]}]
    (one,) = inputs.read_labelled(write(tmp_path, rows), None, Reading(ABEL))
    assert (one.question, one.steps, one.labels) == ("q", ("1. a", "2. b"), (1.0, 0.0))
    assert json.dumps(one.labels) == "[1.0, 0.0]"


def test_what_samples_is_not_split_as_what_trains(tmp_path) -> None:
    """Under fsdp every weight would be gathered for every token."""
    space = Workspace(str(tmp_path), MeshConfig(data=1, fsdp=4, devices=4), "float32", "abel", 0, Progress(quiet=True))
    generator = space.generator(Model.at("embedded"))
    assert dict(generator.policy.mesh.shape) == {"data": 1, "fsdp": 1, "context": 1, "tensor": 4}
    assert dict(space.load(Model.at("embedded")).mesh.shape) == {"data": 1, "fsdp": 4, "context": 1, "tensor": 1}


@pytest.mark.parametrize("objective", ["sft", "dpo", "prm"])
def test_weights_that_the_last_update_ruins_are_no_model(objective: str, tmp_path, model, capsys) -> None:
    """One step, of which no loss tells: nothing is marked complete, and the same command fails again."""
    labelled = [{"prompt": f"{n} + 2", "completions": [f"{n} + 2 = {n + 2}"], "labels": [True]} for n in range(1, 10)]
    rows, sizes = {
        "sft": (TEXTS, SFT),
        "dpo": (PAIRS, DPO),
        "prm": (labelled, ["--prm.row-length", "128", "--prm.batch-rows", "8"]),
    }[objective]
    data, rate = write(tmp_path, rows), [f"--{objective}.epochs", "1", f"--{objective}.optimizer.learning-rate", "1e30"]
    for _ in range(2):
        capsys.readouterr()
        assert cli.main([objective, "--model", model, "--data", data, *sizes, *rate, "--output", str(tmp_path / "out")]) == 2
        error = capsys.readouterr().err
        assert re.match(r"jorney: step \d+: .*: expected finite numbers \(try a lower rate\); its batch is in ", error), error
        assert error.count("\n") == 1
    assert not list((tmp_path / "out").rglob("manifest.json"))
    assert not list((tmp_path / "out").rglob("model.safetensors"))
