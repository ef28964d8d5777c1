"""A folder of DeepSeekMath-7B's shape at a quarter of its depth: memory and time of a load onto eight simulated devices."""

from __future__ import annotations

import pathlib
import statistics
import sys

import pytest
from places import ROOT

sys.path.insert(0, str(ROOT / "tools"))

import bench_load
import make_random_checkpoint


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["safetensors", "bin"])
def test_a_large_folder_loads_in_its_own_size(tmp_path: pathlib.Path, kind: str) -> None:
    if kind == "bin":
        pytest.importorskip("torch", reason="real torch writes the .bin files: make parity")
    folder = str(tmp_path / "model")
    make_random_checkpoint.write(tmp_path / "model", "deepseekmath-7b", kind, 8, 2_000_000_000)
    runs = [bench_load.run(folder, devices=8) for _ in range(5)]
    cat, load = statistics.median(run["cat"] for run in runs), statistics.median(run["seconds"] for run in runs)
    # Beside the reading, the first touch of the memory in which the parameters will lie: see tools/bench_load.py.
    assert load <= 2 * cat + statistics.median(run["touch"] for run in runs)
    assert max(run["peak"] for run in runs) <= 1.1 * runs[0]["bytes"] + 1e9
    assert runs[0]["bytes"] == 2 * 2_457_931_776
