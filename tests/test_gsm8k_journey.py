"""The whole pipeline on GSM8K as published, judged by a reward model: it comes to its report, whatever the model can do."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys

import pytest
from places import CACHE, ROOT

COUNTS = {"train": 16, "trees": 8, "test": 8}
SIZES = {
    "evaluate.max-tokens": 48,
    "long-tokens": 96,
    "expand.depth": 3,
    "expand.step-tokens": 24,
    "rollouts.max-tokens": 48,
    "rollouts.completions": 2,
    "phase2.epochs": 1,
    "dpo.samples": 4,
}
LETTERS = {f"{part}.row-length": 960 for part in ("sft", "phase2", "prm")}  # to the embedded model a letter is a token


@pytest.mark.slow
def test_it_comes_to_its_report(gsm8k: pathlib.Path, tmp_path: pathlib.Path) -> None:
    """With the checkpoint of JORNEY_TEST_SMOLLM2, or with the embedded model, which has never seen a word of English."""
    rows = (gsm8k / "train.jsonl").read_text().splitlines()
    files = {"train": rows[:16], "trees": rows[16:24], "test": (gsm8k / "test.jsonl").read_text().splitlines()}
    model = os.environ.get("JORNEY_TEST_SMOLLM2")
    options = {**SIZES, **({} if model else LETTERS), "model": model or "embedded", "output": tmp_path / "run"}
    for split, lines in files.items():
        (tmp_path / f"{split}.jsonl").write_text("\n".join(lines) + "\n")
        options |= {f"problems.{split}": tmp_path / f"{split}.jsonl", f"problems.{split}-count": COUNTS[split]}
    words = [word for option, value in options.items() for word in (f"--{option}", str(value))]
    config = str(ROOT / "configs" / "gsm8k_journey_smollm2.py")
    command = [sys.executable, "-m", "jorney.cli", "run", config, *words]
    settings = {**os.environ, "JAX_COMPILATION_CACHE_DIR": CACHE, "JAX_NUM_CPU_DEVICES": "1"}
    done = subprocess.run(command, cwd=ROOT, env=settings, capture_output=True, text=True, timeout=3600, check=False)
    assert done.returncode == 0, done.stdout + done.stderr

    report = json.loads((tmp_path / "run" / "report.json").read_text())
    assert report["problems"] == COUNTS
    models, left_out = report["models"], report.get("left_out", {})
    assert {"base", "sft_phase1"} <= set(models)
    assert all(found["n"] == 8 and found["ci_low"] <= found["accuracy"] <= found["ci_high"] for found in models.values())
    # Every part of the run is there, or its absence is explained, on the page as well.
    for part in ("prm", "trees", "thoughts"):
        assert (part in report) != (part in left_out), part
    for model in ("phase2_shortcut", "phase2_journey", "dpo"):
        assert (model in models) != (f"evaluate_{model}" in left_out), model
    page = (tmp_path / "run" / "report.html").read_text()
    assert ("Left out" in page) is bool(left_out)
    for name, reason in left_out.items():
        assert reason.startswith("needs ") or ": " in reason, (name, reason)
