"""A real trained model: SmolLM2-135M-Instruct on questions of GSM8K, against transformers on torch."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys

import pytest
from places import ROOT

pytest.importorskip("torch", reason="parity with transformers needs torch: make parity")
sys.path.insert(0, str(ROOT / "tools"))

import parity


@pytest.fixture(scope="session")
def smollm2(tmp_path_factory) -> pathlib.Path:
    """Its folder: JORNEY_SMOLLM2, or made by the script beside the project."""
    if folder := os.environ.get("JORNEY_SMOLLM2"):
        return pathlib.Path(folder)
    script = ROOT.parent / "shared" / "tools" / "make_smollm2.py"
    if not script.exists():
        pytest.skip("expected JORNEY_SMOLLM2, the folder of SmolLM2-135M-Instruct")
    folder = tmp_path_factory.mktemp("smollm2") / "model"
    made = subprocess.run([sys.executable, str(script), str(folder)], capture_output=True, text=True)
    if made.returncode:
        pytest.skip(f"{script} failed: {made.stderr.strip().splitlines()[-1]}")
    return folder


@pytest.mark.slow
def test_twenty_questions(smollm2: pathlib.Path, gsm8k: pathlib.Path, mesh1) -> None:
    found = parity.compare(str(smollm2), str(gsm8k / "test.jsonl"), count=20, tokens=64, mesh=mesh1)
    assert found["questions"] == 20
    assert found["positions"] > 1_500
    assert found["argmax_equal"] == found["positions"]
    assert found["texts_equal"] == 20
    assert found["largest_difference"] <= 2e-3
