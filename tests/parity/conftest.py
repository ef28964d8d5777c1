"""Shared by the parity tests: a real trained model."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys

import pytest
from places import ROOT


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
