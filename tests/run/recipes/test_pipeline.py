"""The quickstart in seconds, as a user runs it: every stage, again, and killed at any moment."""

from __future__ import annotations

import json
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import time

import pytest
from places import CACHE

from jorney.judge.threshold import threshold_of

# Enough training that trees hold right paths; everything else as small as it can be.
OPTIONS = {
    "phase2.optimizer.learning-rate": 5e-5,
    "problems.train-count": 1280,
    "problems.trees-count": 20,
    "problems.test-count": 16,
    "share": 0.5,
    "long-tokens": 128,
    "evaluate.rows": 16,
    "evaluate.max-tokens": 48,
    "sft.batch-rows": 8,
    "sft.loop.save-every": 8,
    "expand.rows": 32,
    "phase2.epochs": 1,
    "rollouts.rows": 32,
    "rollouts.solutions": 2,
    "rollouts.completions": 4,
    "rollouts.max-tokens": 48,
    "prm.epochs": 1,
    "dpo.samples": 20,
    "dpo.batch-pairs": 4,
    "resample.attempts": 2,
}
SMALL = [word for name, value in OPTIONS.items() for word in (f"--{name}", str(value))]
SETTINGS = {**os.environ, "JAX_COMPILATION_CACHE_DIR": CACHE, "JAX_NUM_CPU_DEVICES": "1"}
MODELS = ("base", "sft_phase1", "phase2_shortcut", "phase2_journey", "dpo")
CONTROLS = ("resampled_until_target", "pass_at_n", "shortcut_token_matched", "placebo_journey")
STAGES = (
    *("problems", "evaluate_base", "sft_phase1", "evaluate_sft_phase1", "rollouts", "prm", "trees", "thoughts"),
    *("phase2_shortcut", "evaluate_phase2_shortcut", "phase2_journey", "evaluate_phase2_journey", "resampling"),
    *("shortcut_token_matched", "evaluate_shortcut_token_matched", "placebo_journey", "evaluate_placebo_journey"),
    *("pairs", "dpo", "evaluate_dpo"),
)


def _start(output: pathlib.Path, *more: str) -> subprocess.Popen[str]:
    # A job that a shell put in the background ignores SIGINT, and so would its children.
    program = "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); from jorney.cli import main; "
    command = [sys.executable, "-c", program + "sys.exit(main())", "quickstart", "--output", str(output), *SMALL, *more]
    return subprocess.Popen(command, env=SETTINGS, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def _finish(output: pathlib.Path) -> str:
    process = _start(output)
    text, _ = process.communicate(timeout=900)
    assert process.returncode == 0, text
    return text


def _report(output: pathlib.Path) -> dict:
    report = json.loads((output / "report.json").read_text())
    assert tuple(report.pop("seconds")) == STAGES
    return report


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory) -> tuple[pathlib.Path, str]:
    output = tmp_path_factory.mktemp("whole") / "run"
    return output, _finish(output)


def test_report_is_complete(undisturbed: tuple[pathlib.Path, str]) -> None:
    report = _report(undisturbed[0])
    assert report["problems"] == {"train": 1280, "trees": 20, "test": 16}
    assert tuple(report["models"]) == MODELS
    assert tuple(report["controls"]) == CONTROLS
    for name, found in (report["models"] | report["controls"]).items():
        assert found["n"] == 16, name
        assert 0 <= found["ci_low"] <= found["accuracy"] <= found["ci_high"] <= 1
        assert 0 < found["mean_tokens"] <= found["token_limit"]
    assert report["models"]["base"]["mean_tokens"] == report["models"]["base"]["token_limit"] == 48  # it knows no end
    assert report["models"]["phase2_journey"]["token_limit"] == 128
    for comparison in report["comparisons"]:
        assert set(comparison) == {"a", "b", "difference", "mcnemar_p", "only_a", "only_b"}
        assert comparison["only_a"] - comparison["only_b"] == pytest.approx(16 * comparison["difference"])
    assert (report["comparisons"][0]["a"], report["comparisons"][0]["b"]) == ("phase2_journey", "phase2_shortcut")
    for behaviour in report["behaviour"].values():
        assert set(behaviour) == {"first_attempt_accuracy", "justified_backtracks", "recovery_rate", "true_equations"}
    assert 0 <= report["prm"]["f1_step"] <= 1
    assert report["prm"]["threshold"] == threshold_of(undisturbed[0] / "prm" / "model")
    assert 0 <= report["prm"]["f1_solution"] <= 1
    assert report["trees"]["count"] == 20
    assert report["trees"]["nodes"] > 100
    assert report["trees"]["generated_tokens"] > report["trees"]["nodes"]


def test_controls_spend_what_the_journeys_did(undisturbed: tuple[pathlib.Path, str]) -> None:
    report = _report(undisturbed[0])
    for name in ("resampled_until_target", "pass_at_n"):
        assert report["controls"][name]["mean_tokens"] <= report["models"]["phase2_journey"]["mean_tokens"]
    trained = report["training"]
    assert trained["shortcut_token_matched"]["completion_tokens"] >= trained["phase2_journey"]["completion_tokens"]
    assert (
        trained["phase2_shortcut"]["examples"]
        == trained["phase2_journey"]["examples"]
        == trained["placebo_journey"]["examples"]
    )
    thoughts = report["thoughts"]
    assert thoughts["placebo"]["mean_excursions"] == thoughts["journey"]["mean_excursions"] > 0
    assert thoughts["shortcut"]["mean_excursions"] == 0
    assert thoughts["placebo"]["mean_lines"] == pytest.approx(thoughts["journey"]["mean_lines"], rel=0.1)


def test_what_a_run_leaves(undisturbed: tuple[pathlib.Path, str]) -> None:
    output, text = undisturbed
    part, *_ = (output / "trees" / "parts").glob("*.jsonl")
    for file in ("report.md", "report.html", "thoughts/journey.jsonl", "thoughts/shortcut.jsonl", str(part)):
        assert (output / file).stat().st_size > 0, file
    for stage in ("sft_phase1", "phase2_journey", "dpo", "prm"):
        assert (output / stage / "model" / "model.safetensors").exists()
        assert list((output / stage / "training" / "checkpoints").iterdir())
    page = (output / "report.html").read_text()
    assert 'class="tree"' in page
    assert 'class="piece reflection"' in page
    assert "compiling empty cache (1)" in text
    assert max(map(len, text.splitlines())) <= max(80, len(str(output)) + 30)


def test_pairs_may_be_those_of_the_trees(undisturbed: tuple[pathlib.Path, str], tmp_path: pathlib.Path) -> None:
    """The same run with pairs of steps makes the DPO model anew, and nothing before it."""
    output = tmp_path / "run"
    shutil.copytree(undisturbed[0], output, symlinks=True)
    process = _start(output, "--pairs", "step")
    text, _ = process.communicate(timeout=900)
    assert process.returncode == 0, text
    assert "phase2_journey: already done" in text
    report = json.loads((output / "report.json").read_text())
    assert "pairs" not in report["seconds"]
    assert {"dpo", "evaluate_dpo"} <= report["seconds"].keys()
    assert report["models"]["dpo"]["n"] == 16


def test_compilations_are_counted(undisturbed: tuple[pathlib.Path, str]) -> None:
    lines = [line for line in undisturbed[1].splitlines() if "compiling" in line]
    assert [line.rpartition(" ")[2] for line in lines] == [f"({number})" for number in range(1, len(lines) + 1)]


def test_a_finished_run_is_not_repeated(undisturbed: tuple[pathlib.Path, str]) -> None:
    output, _ = undisturbed
    before = (output / "report.json").read_bytes()
    text = _finish(output)
    assert text.count("already done") == len(STAGES)
    assert "compiling" not in text
    assert (output / "report.json").read_bytes() == before


def _kill_and_finish(output: pathlib.Path, moments: list[str | float]) -> None:
    """kill -9 at each moment: when a file of that pattern is there, or after so many seconds; then to the end."""
    for moment in moments:
        process = _start(output)
        deadline = time.monotonic() + (moment if isinstance(moment, float) else 600)
        while process.poll() is None and time.monotonic() < deadline:
            if isinstance(moment, str) and list((output / "stages").glob(moment)):
                break
            time.sleep(0.02)
        assert process.poll() is None or isinstance(moment, float), moment
        process.send_signal(signal.SIGKILL)
        process.communicate()
    done = {path.parent.name: path.stat().st_mtime_ns for path in (output / "stages").glob("*/manifest.json")}
    text = _finish(output)
    assert text.count("already done") == len(done)
    again = {path.parent.name: path.stat().st_mtime_ns for path in (output / "stages").glob("*/manifest.json")}
    assert {name: again[name] for name in done} == done  # no finished work was redone


@pytest.mark.slow
@pytest.mark.parametrize(
    "moments",
    [
        ["sft_phase1-*/training/checkpoints/16", "rollouts-*/parts/*"],
        ["phase2_journey-*/training/checkpoints/*", "resampling-*/parts/*", "pairs-*/parts/*"],
    ],
)
def test_killed_runs_end_with_the_same_report(
    undisturbed: tuple[pathlib.Path, str], tmp_path: pathlib.Path, moments: list[str | float]
) -> None:
    _kill_and_finish(tmp_path / "run", moments)
    assert _report(tmp_path / "run") == _report(undisturbed[0])


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0])
def test_killed_ten_times_at_random(undisturbed: tuple[pathlib.Path, str], tmp_path: pathlib.Path, seed: int) -> None:
    rng = random.Random(seed)
    _kill_and_finish(tmp_path / "run", [rng.uniform(3, 25) for _ in range(10)])
    assert _report(tmp_path / "run") == _report(undisturbed[0])


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
