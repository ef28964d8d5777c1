"""A real trained model: SmolLM2-135M-Instruct on questions of GSM8K, against transformers on torch."""

from __future__ import annotations

import pathlib
import sys

import pytest
from places import ROOT

pytest.importorskip("torch", reason="parity with transformers needs torch: make parity")
sys.path.insert(0, str(ROOT / "tools"))

import parity


@pytest.mark.slow
def test_twenty_questions(smollm2: pathlib.Path, gsm8k: pathlib.Path, mesh1) -> None:
    found = parity.compare(str(smollm2), str(gsm8k / "test.jsonl"), count=20, tokens=64, mesh=mesh1)
    assert found["questions"] == 20
    assert found["positions"] > 1_500
    assert found["argmax_equal"] == found["positions"]
    assert found["texts_equal"] == 20
    assert found["largest_difference"] <= 2e-3
