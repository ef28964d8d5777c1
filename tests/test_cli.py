"""Wrong input: exit code 2, one line that names the file or field and what was expected, nothing written."""

from __future__ import annotations

import os
import pathlib
import re
import resource
import shutil
import subprocess
import sys
import time

import jax
import numpy as np
import pytest

from jorney import cli, policy
from jorney.run import command_registry
from jorney.run.commands.generation import GenerateCommand


@pytest.fixture
def fails(tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]):
    def run(*arguments: str) -> str:
        output = tmp_path / "output"
        before = sorted(tmp_path.rglob("*"))
        assert cli.main([*arguments, "--output", str(output)] if arguments[0] != "generate" else list(arguments)) == 2
        captured = capsys.readouterr()
        assert sorted(tmp_path.rglob("*")) == before, "something was written"
        assert len(captured.err.strip().splitlines()) == 1, captured.err
        assert captured.err.startswith("jorney: ")
        return captured.err

    return run


GOOD = '{"question": "1 + 1?", "answer": "2", "solution": "1. 1 + 1 = 2\\n#### 2"}\n'


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "problems.jsonl: no such file"),
        ("", "problems.jsonl: holds no problems: expected at least one"),
        (GOOD + '{"question": \n', "problems.jsonl: line 2: expected a JSON object"),
        (GOOD + '{"question": "x"}\n', "problems.jsonl: line 2: the field 'answer' is missing"),
        (GOOD + '["x"]\n', "problems.jsonl: line 2: expected a JSON object, got list"),
    ],
)
@pytest.mark.parametrize("command", ["quickstart", "evaluate"])
def test_problem_files(fails, tmp_path: pathlib.Path, command: str, content: str | None, message: str) -> None:
    file = tmp_path / "problems.jsonl"
    if content is not None:
        file.write_text(content)
    option = "--problems.train" if command == "quickstart" else "--problems"
    assert message in fails(command, option, str(file))


def test_problems_without_solutions_cannot_be_trained_on(fails, tmp_path: pathlib.Path) -> None:
    file = tmp_path / "problems.jsonl"
    file.write_text('{"id": "seven", "question": "1 + 1?", "answer": "2"}\n')
    assert "'seven' has no solution" in fails("quickstart", "--problems.train", str(file))


def test_train_and_test_problems_must_differ(fails, tmp_path: pathlib.Path) -> None:
    file = tmp_path / "problems.jsonl"
    file.write_text(GOOD)
    assert "share 1 questions" in fails("quickstart", "--problems.train", str(file), "--problems.test", str(file))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["quickstart", "--model", "/nowhere/at/all"], "/nowhere/at/all: no such folder"),
        (
            ["quickstart", "--sft.lerning-rate", "1"],
            "unknown option --sft.lerning-rate: did you mean --sft.optimizer",
        ),
        (["quickstart", "--seed", "x"], "--seed"),
        (["quickstart", "--problems.test-count", "0"], "problems.test_count = 0: expected 1 or more"),
        (["quickstart", "--sft.epochs", "0"], "sft.epochs = 0: expected 1 or more"),
        (["quickstart", "--sft.row-length", "32"], "expected 2 to 33"),
        (["quickstart", "--evaluate.max-tokens", "5000"], "max_tokens = 5000: expected less than 1024, the model's positions"),
        (["evaluate", "--mesh.data", "3"], "does not divide the 8 devices"),
        (["quickstart", "--step-format", "latex"], "step_format = 'latex': expected one of abel"),
        (["evaluate", "--evaluate.rows", "0"], "rows = 0: expected 1 or more"),
        (["evaluate", "--limit", "0"], "limit = 0"),
        (["evaluate", "--dtype", "int8"], "dtype = 'int8': expected one of float32, bfloat16"),
        (["evaluate", "--model", "/nowhere"], "/nowhere: no such folder"),
        (["quickstart", "--until", "trees"], "until = 'trees': expected one of sft_phase1, phase2, dpo"),
        (["quickstart", "--judge", "me"], "judge = 'me': expected one of verifier, prm, llm"),
        (["quickstart", "--share", "0.6"], "share = 0.6: expected above 0, 0.5 at most"),
        (["quickstart", "--expand.prune.keep", "0"], "prune.keep = 0: expected 1 or more"),
        (["quickstart", "--derive.excursion", "often"], "derive.excursion = 'often': expected one of sampled, always"),
        (["quickstart", "--dpo.beta", "0"], "dpo.beta = 0.0: expected a number above 0"),
        (["quickstart", "--long-tokens", "2000"], "max_tokens = 2000: expected less than 1024"),
        (["expand", "--expand.w", "0"], "expand.w = 0: expected 1 or more"),
        (["expand", "--judge", "/nowhere"], "/nowhere: no such folder"),
        (
            ["judge", "--judge", "embedded", "--threshold", "nan"],
            "threshold = nan: expected -1000000 or more, 1000000 at most, or None",
        ),
        (
            ["judge", "--judge", "embedded", "--threshold", "-inf"],
            "threshold = -inf: expected -1000000 or more, 1000000 at most, or None",
        ),
        (["thoughts", "score", "--least", "nan"], "least = nan: expected 0 or more"),
        (["judge", "--judge", "llm", "--llm.temperature", "inf"], "llm.temperature = inf: expected 0 or more, or None"),
        (["judge", "--judge", "llm", "--llm.concurrency", "1000000000"], "llm.concurrency = 1000000000: expected 1 or more"),
        (["refine", "--llm.top-p", "0"], "llm.top_p = 0.0: expected above 0, 1 at most, or None"),
        (["thoughts", "human", "--replies.temperature", "nan"], "temperature = nan: expected 0 or more"),
        (["expand", "--threshold", "0.3"], "threshold = 0.3: expected none with judge = 'verifier'"),
        (["judge", "--judge", "llm", "--threshold", "0.3"], "threshold = 0.3: expected none with judge = 'llm'"),
        (["derive", "--trees", "/nowhere/trees"], "/nowhere/trees: no such file or folder"),
        (["sft", "--data", "/nowhere/thoughts.jsonl"], "/nowhere/thoughts.jsonl: no such file"),
        (["sft", "--limit", "8", "--sft.row-length", "32"], "expected 2 to 33"),
        (["prm", "--rollouts.completions", "0"], "rollouts.completions = 0: expected 1 or more"),
        (["dpo", "--dpo.pairs", "0"], "dpo.pairs = 0: expected 1 or more"),
        (["generate", "--prompts", "a", "--sampling.w", "0"], "w = 0: expected 1 or more"),
        (["generate"], "prompts: expected either TEXT..., or --prompts-from FILE"),
        (["run"], "expected a configuration file"),
        (["run", "nowhere.py"], "nowhere.py: no such file"),
        (["journey"], "unknown command 'journey' (jorney --help lists all)"),
    ],
)
def test_fields(fails, arguments: list[str], message: str) -> None:
    assert message in fails(*arguments)


def test_configuration_file_with_an_unknown_field(fails, tmp_path: pathlib.Path) -> None:
    file = tmp_path / "c.py"
    file.write_text("from jorney.run.recipes.journey import RunConfig\ndef config():\n    return RunConfig(sede=1)\n")
    assert re.search(r"c\.py: config\(\): .*'sede'", fails("run", str(file)))


def test_full_disk(tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]) -> None:
    """On a real file system of 64 KiB: one line, and no file that claims to be complete."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = shutil.which("mount") and subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(disk)], capture_output=True, check=False
    )
    if not mounted or mounted.returncode:
        pytest.skip("mounting a small file system needs root")
    try:
        counts = ["--problems.train-count", "2000", "--problems.test-count", "10"]
        assert cli.main(["quickstart", "--output", str(disk / "run"), *counts]) == 2
        error = capsys.readouterr().err.strip()
        assert "No space left on device" in error
        assert str(disk) in error
        assert len(error.splitlines()) == 1
        assert [path for path in disk.rglob("*") if path.is_file()] == []
    finally:
        subprocess.run(["umount", str(disk)], check=True)


@pytest.mark.parametrize("command", ["sft", "convert", "export"])
def test_a_limit_of_files(command: str, tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`ulimit -f`: one line that names the file and what limits it, and nothing is left."""
    options = {"sft": ["--limit", "4", "--sft.row-length", "128", "--sft.batch-rows", "8", "--sft.head-chunk", "128"]}
    words = [command, *options.get(command, ["embedded"]), "--output", str(tmp_path / "new" / "made")]
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
    try:
        assert cli.main(words) == 2
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    error = capsys.readouterr().err.strip()
    assert "File too large" in error
    assert str(tmp_path / "new" / "made") in error
    assert len(error.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([]) == 0
    text = capsys.readouterr().out
    for name in command_registry.COMMANDS:
        first, _, kind = name.partition(" ")
        assert f"\n  {first}" in text, name
        assert kind in text, name
    assert max(map(len, text.splitlines())) <= 80
    assert len(text.splitlines()) <= 40


@pytest.mark.parametrize(
    "command",
    [
        "quickstart",
        "evaluate",
        "generate",
        "expand",
        "judge",
        "derive",
        "refine",
        "sft",
        "prm",
        "dpo",
        "bench train",
        "bench sample",
    ],
)
def test_options_are_described(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([*command.split(), "--help"]) == 0
    assert {"bench train": "remat", "bench sample": "problem-rows"}.get(command, "seed") in capsys.readouterr().out


def test_a_fault_of_the_program_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: object) -> None:
        import json

        json.loads("{")

    monkeypatch.setattr(GenerateCommand, "execute", broken)
    with pytest.raises(ValueError, match="Expecting property name"):
        cli.main(["generate", "a"])
    assert os.environ.get("JORNEY_TRACEBACK") is None


@pytest.mark.parametrize(
    ("raises", "said"),
    [
        (lambda: np.zeros(10**17), "Unable to allocate 711. PiB"),
        (lambda: bytes(1 << 62), "there is no more"),
        (lambda: jax.block_until_ready(jax.numpy.zeros(10**14)), "RESOURCE_EXHAUSTED"),
    ],
)
def test_memory_that_there_is_not_is_one_line(monkeypatch, capsys: pytest.CaptureFixture[str], raises, said: str) -> None:
    monkeypatch.delenv("JORNEY_TRACEBACK", raising=False)
    monkeypatch.setattr(GenerateCommand, "execute", lambda self: raises())
    assert cli.main(["generate", "x"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("jorney: memory: ")
    assert said in line
    assert line.endswith("expected less at a time: fewer rows or tokens, smaller samples or trees")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("expand --expand.w 99999999999999", "expand.w = 99999999999999: expected 100000 at most"),
        ("expand --expand.step-tokens 99999999999", "expand.step_tokens = 99999999999: expected 10000000 at most"),
        ("expand --expand.temperature nan", "expand.temperature = nan: expected 0 or more"),
        ("expand --expand.top-p 0", "expand.top_p = 0.0: expected above 0, 1 at most"),
        ("dpo --dpo.samples 99999999999", "dpo.samples = 99999999999: expected 100000 at most"),
        ("evaluate --evaluate.chunk 999999999999", "chunk = 999999999999: expected 1000000 at most"),
        ("evaluate --evaluate.temperature 1e300", "temperature = 1e+300: expected 100 at most"),
        ("sft --sft.row-length 9999999999999999999", "sft.row_length = 9999999999999999999: expected 10000000 at most"),
        ("sft --sft.epochs 100000000000000000000", "sft.epochs = 100000000000000000000: expected 2147483647 at most"),
        ("sft --sft.optimizer.weight-decay nan", "optimizer.weight_decay = nan: expected 0 or more"),
        ("sft --seed -1", "seed = -1: expected 0 or more"),
        ("expand --limit 10000000000000000000000", "limit = 10000000000000000000000: expected 2147483647 at most"),
        ("thoughts diversity --temperature inf", "temperature = inf: expected 0 or more"),
        ("prm eval --threshold nan", "threshold = nan: expected -1000000 or more"),
    ],
)
def test_numbers_beyond_their_limits(fails, arguments: str, message: str) -> None:
    assert message in fails(*arguments.split())


def test_an_interrupt_in_a_finaliser_is_heard(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    class Dropped:
        def __del__(self) -> None:
            raise KeyboardInterrupt

    def command(_: object) -> None:
        Dropped()
        time.sleep(5)
        pytest.fail("the interrupt was lost")

    monkeypatch.setattr(GenerateCommand, "execute", command)
    assert cli.main(["generate", "a"]) == 130
    assert capsys.readouterr().err == "\njorney: interrupted; the same command goes on from here\n"


@pytest.mark.parametrize("command", [["--version"], ["--help"], ["expand", "--help"], ["plan", "--help"]])
def test_a_reader_that_has_left_is_no_error(command: list[str]) -> None:
    """Whether what is said fills the pipe at once or only as Python shuts down, where a closed pipe would be exit code 120."""
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "wb") as pipe:
        done = subprocess.run([sys.executable, "-m", "jorney.cli", *command], stdout=pipe, stderr=subprocess.PIPE, text=True)
    assert (done.returncode, done.stderr) == (141, "")


def test_a_reader_that_leaves_is_no_error() -> None:
    line = f"{sys.executable} -m jorney.cli expand --help | head -1; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True)
    assert done.returncode in (0, 141)  # 0 where all of it fitted into the pipe
    assert done.stderr == ""


def test_a_folder_without_a_model_is_refused_first(fails, tmp_path: pathlib.Path) -> None:
    (tmp_path / "empty").mkdir()
    assert "config.json: no such file" in fails("prm", "--model", str(tmp_path / "empty"))


def test_a_training_stages_folder_is_its_model(tmp_path: pathlib.Path) -> None:
    embedded = pathlib.Path(policy.resolve("embedded"))
    shutil.copytree(embedded, tmp_path / "sft" / "model")
    assert policy.resolve(str(tmp_path / "sft")) == str(tmp_path / "sft" / "model")
    assert policy.resolve(str(tmp_path / "sft" / "model")) == str(tmp_path / "sft" / "model")


@pytest.mark.parametrize("part", ["sft", "phase2", "prm"])
def test_a_batch_that_the_devices_cannot_split_is_refused_at_once(tmp_path, capsys, part) -> None:
    words = ["--mesh.devices", "8", "--sft.batch-rows", "8", "--phase2.batch-rows", "8", "--prm.batch-rows", "8"]
    words += [f"--{part}.batch-rows", "12", "--output", str(tmp_path / "out")]
    assert cli.main(["quickstart", *words]) == 2
    assert f"{part}.batch_rows = 12: expected a multiple of 8, since 8 devices split a batch" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("code", "at_once"), [(0, False), (2, True), (130, True)])
def test_a_program_that_fails_ends_at_once(code: int, at_once: bool, monkeypatch) -> None:
    """XLA's threads may still compute, and Python is not taken apart beside them."""
    ended: list[int] = []
    monkeypatch.setattr(cli, "main", lambda: code)
    monkeypatch.setattr(cli.os, "_exit", ended.append)
    with pytest.raises(SystemExit) as ending:
        cli.program()
    assert (ended, ending.value.code) == ([code] if at_once else [], code)
