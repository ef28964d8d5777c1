from __future__ import annotations

import re
import subprocess
import sys

import jax.numpy as jnp
import numpy as np
import pytest
from places import ROOT

import jorney


def test_import_is_fast_and_pulls_in_nothing() -> None:
    """Under 0.3 s, the best of three, in a fresh interpreter."""
    program = (
        "import sys, time; t = time.perf_counter(); import jorney; s = time.perf_counter() - t; "
        "assert not {'jax', 'numpy', 'flax', 'transformers'} & set(sys.modules); print(s)"
    )
    seconds = [float(subprocess.run([sys.executable, "-c", program], capture_output=True, check=True).stdout) for _ in range(3)]
    assert min(seconds) < 0.3


def test_the_readmes_example_runs(capsys: pytest.CaptureFixture[str]) -> None:
    (example,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    exec(example, {})
    lines = capsys.readouterr().out.splitlines()
    assert re.fullmatch(r"\(1, \d+, 512\)", lines[0])


def test_the_guides_example_runs(capsys: pytest.CaptureFixture[str]) -> None:
    """Every function of the pipeline, after its rooms were imported as packages."""

    (example,) = re.findall(r"```python\n(.*?)```", (ROOT / "jorney" / "run" / "README.md").read_text(), re.DOTALL)
    exec(example, {})
    said = capsys.readouterr().out
    assert re.search(r"^Rating\(correct=True, ", said, re.MULTILINE)
    assert re.search(r"^mine-24 (True|False) 2$", said, re.MULTILINE)


def test_every_public_name_exists() -> None:
    assert set(jorney.__all__) <= set(dir(jorney))
    for name in jorney.__all__:
        assert getattr(jorney, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'expend'"):
        _ = jorney.expend


def test_logits_shape_and_refusal(policy: jorney.Policy) -> None:
    assert jorney.logits(policy, [[0, 5, 6]]).shape == (1, 3, 512)
    with pytest.raises(ValueError, match="expected \\[batch, length\\]"):
        jorney.logits(policy, [0, 5, 6])


def test_embedded_models_logits_equal_transformers(policy: jorney.Policy) -> None:
    """To 1e-4, on texts of the task and off it; written by tools/make_golden.py with transformers and torch."""
    golden = np.load(ROOT / "tests" / "golden" / "embedded_logits.npz")
    found = jorney.logits(policy, golden["tokens"])
    assert float(jnp.max(jnp.abs(found - golden["logits"]))) < 1e-4


def test_saved_policy_loads_equal(policy: jorney.Policy, mesh1, tmp_path) -> None:
    jorney.save(policy, tmp_path)
    again = jorney.load(str(tmp_path), mesh=mesh1)
    tokens = [[0, 9, 8, 7]]
    np.testing.assert_array_equal(jorney.logits(policy, tokens), jorney.logits(again, tokens))
    assert again.config == policy.config


def test_hub_ids_are_looked_up_and_their_absence_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    program = "import jorney, sys\ntry: jorney.load('nobody/nothing')\nexcept FileNotFoundError as e: print(e)"
    out = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert out.startswith("nobody/nothing: neither a folder here nor a model that the hub gives")
