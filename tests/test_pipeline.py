"""The quickstart in seconds, as a user runs it: whole, again, and killed in the middle."""

from __future__ import annotations

import json
import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest
from places import CACHE

OPTIONS = {
    "problems.train-count": 96,
    "problems.test-count": 24,
    "evaluate.rows": 8,
    "evaluate.max-tokens": 40,
    "sft.batch-rows": 8,
    "sft.row-length": 128,
    "sft.head-chunk": 128,
    "sft.loop.save-every": 2,
}
SMALL = [word for name, value in OPTIONS.items() for word in (f"--{name}", str(value))]
SETTINGS = {**os.environ, "JAX_COMPILATION_CACHE_DIR": CACHE, "JAX_NUM_CPU_DEVICES": "1"}


def _start(output: pathlib.Path) -> subprocess.Popen[str]:
    # A job that a shell put in the background ignores SIGINT, and so would its children.
    program = "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); from jorney.cli import main; "
    command = [sys.executable, "-c", program + "sys.exit(main())", "quickstart", "--output", str(output), *SMALL]
    return subprocess.Popen(command, env=SETTINGS, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def _finish(output: pathlib.Path) -> str:
    process = _start(output)
    text, _ = process.communicate(timeout=600)
    assert process.returncode == 0, text
    return text


def _report(output: pathlib.Path) -> dict:
    report = json.loads((output / "report.json").read_text())
    assert set(report.pop("seconds")) == {"problems", "evaluate_base", "sft_phase1", "evaluate_sft_phase1"}
    return report


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory) -> tuple[pathlib.Path, str]:
    output = tmp_path_factory.mktemp("whole") / "run"
    return output, _finish(output)


def test_report_is_complete(undisturbed: tuple[pathlib.Path, str]) -> None:
    output, text = undisturbed
    report = _report(output)
    assert report["problems"] == {"train": 96, "test": 24}
    for model in ("base", "sft_phase1"):
        found = report["models"][model]
        assert found["n"] == 24
        assert found["token_limit"] == 40
        assert 0 <= found["ci_low"] <= found["accuracy"] <= found["ci_high"] <= 1
        assert 1 <= found["mean_tokens"] <= 40
    assert report["models"]["base"]["mean_tokens"] == 40  # it knows no end
    assert report["training"]["sft_phase1"]["steps"] == len(report["training"]["sft_phase1"]["curve"]) == 6
    (comparison,) = report["comparisons"]
    assert comparison["only_a"] - comparison["only_b"] == pytest.approx(24 * comparison["difference"])
    assert "compiling prefill, 1 of 3" in text
    assert "compiling decode, 2 of 3" in text
    assert "compiling train step, 3 of 3" in text
    assert (output / "report.html").stat().st_size > 5_000
    assert (output / "sft_phase1" / "model" / "model.safetensors").exists()
    assert max(map(len, text.splitlines())) <= max(80, len(str(output)) + 30)


def test_a_finished_run_is_not_repeated(undisturbed: tuple[pathlib.Path, str]) -> None:
    output, _ = undisturbed
    before = (output / "report.json").read_bytes()
    text = _finish(output)
    assert text.count("already done") == 4
    assert "compiling" not in text
    assert (output / "report.json").read_bytes() == before


def test_killed_runs_end_with_the_same_report(undisturbed: tuple[pathlib.Path, str], tmp_path: pathlib.Path) -> None:
    """kill -9 once parts are written, once a checkpoint is, and once after training; finished work is not redone."""
    output = tmp_path / "run"
    for moment in (
        "evaluate_base-*/parts/000001.jsonl",
        "sft_phase1-*/checkpoints/2",
        "evaluate_sft_phase1-*/parts/000000.jsonl",
    ):
        process = _start(output)
        deadline = time.monotonic() + 300
        while not list((output / "stages").glob(moment)) and process.poll() is None:
            assert time.monotonic() < deadline, moment
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        assert process.returncode == -signal.SIGKILL, moment
    text = _finish(output)
    assert text.count("already done") == 3
    assert _report(output) == _report(undisturbed[0])


def test_interrupt_says_how_to_go_on(tmp_path: pathlib.Path) -> None:
    output = tmp_path / "run"
    process = _start(output)
    deadline = time.monotonic() + 300
    while not list((output / "stages").glob("evaluate_base-*")) and process.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    text, _ = process.communicate(timeout=60)
    assert process.returncode == 130, text
    assert text.splitlines()[-1] == "jorney: interrupted; the same command goes on from here"
    assert "Traceback" not in text
