"""`jorney sft` as it is run: from a configuration file, told to stop and started again, by two processes, and its lines."""

from __future__ import annotations

import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys

import numpy as np
import pytest
from places import CACHE, ROOT
from safetensors.numpy import load_file

CONFIG = """
from jorney.run.stages.fine_tuning import SftCommand
from jorney.train.loop import LoopConfig
from jorney.train.optimizer import OptimizerConfig
from jorney.train.objectives.sft import SftConfig


def config():
    loop = LoopConfig(save_every=50, log_every=2)
    sft = SftConfig(batch_rows=8, row_length=64, held_out=0.1, optimizer=OptimizerConfig(learning_rate=1e-3), loop=loop)
    return SftCommand(limit=256, sft=sft)
"""
LINE = re.compile(
    r" +\d+  loss \d+\.\d{4}  grad \d+\.\d\d  (held out \d+\.\d{4}  )?[\d,]+ tok/s/chip  \d+\.\d GB  pad \d+%  good \d+%"
)


def _start(folder: pathlib.Path, *options: str, devices: int = 1) -> subprocess.Popen[str]:
    (folder / "config.py").write_text(CONFIG)
    settings = {"JAX_PLATFORMS": "cpu", "JAX_COMPILATION_CACHE_DIR": CACHE, "JAX_NUM_CPU_DEVICES": str(devices)}
    command = [sys.executable, "-u", "-m", "jorney.cli", "sft", str(folder / "config.py"), *options]
    return subprocess.Popen(
        command,
        env={**os.environ, **settings, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def _run(folder: pathlib.Path, output: pathlib.Path, *options: str) -> list[str]:
    process = _start(folder, "--output", str(output), *options)
    out, error = process.communicate(timeout=300)
    assert process.returncode == 0, error
    return out.splitlines()


def _weights(output: pathlib.Path) -> dict[str, np.ndarray]:
    return {name: array.view(np.uint8) for name, array in load_file(output / "sft" / "model" / "model.safetensors").items()}


@pytest.mark.slow
def test_told_to_stop_it_saves_itself_and_goes_on(tmp_path: pathlib.Path) -> None:
    lines = [line for line in _run(tmp_path, tmp_path / "whole") if "tok/s" in line]
    assert len(lines) >= 5
    assert all(LINE.fullmatch(line) for line in lines), lines
    assert "held out" in lines[-1]

    process = _start(tmp_path, "--output", str(tmp_path / "stopped"))
    assert process.stdout is not None
    next(line for line in process.stdout if LINE.fullmatch(line.rstrip("\n")))
    process.send_signal(signal.SIGTERM)
    _, error = process.communicate(timeout=100)
    assert process.returncode == 128 + signal.SIGTERM
    stopped = re.fullmatch(
        r"\nfinishing the step, then saving \(Ctrl-C again stops at once\)\n"
        r"jorney: stopped after step (\d+), which is saved; the same command goes on from there\n",
        error,
    )
    assert stopped, error
    rest = [line for line in _run(tmp_path, tmp_path / "stopped") if "tok/s" in line]
    assert int(rest[0].split()[0]) > int(stopped[1])
    found, expected = _weights(tmp_path / "stopped"), _weights(tmp_path / "whole")
    assert all(np.array_equal(found[name], expected[name]) for name in expected)


@pytest.mark.slow
def test_two_processes_train_one_model(tmp_path: pathlib.Path) -> None:
    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        place = f"localhost:{probe.getsockname()[1]}"
    shared = ["--output", str(tmp_path / "two"), "--distributed.coordinator", place, "--distributed.processes", "2"]
    children = [_start(tmp_path, *shared, "--distributed.process", str(index), devices=2) for index in range(2)]
    (said, error), (silent, other) = [child.communicate(timeout=300) for child in children]
    assert [child.returncode for child in children] == [0, 0], error + other
    assert "loss" in said
    assert "loss" not in silent  # one speaks for both
    assert all(line.startswith("[Gloo]") for line in silent.splitlines())
    _run(tmp_path, tmp_path / "one")
    curves = [json.loads((tmp_path / name / "summary.json").read_text())["curve"] for name in ("two", "one")]
    np.testing.assert_allclose(curves[0], curves[1], rtol=1e-5)
    found, expected = _weights(tmp_path / "two"), _weights(tmp_path / "one")
    assert found.keys() == expected.keys()
