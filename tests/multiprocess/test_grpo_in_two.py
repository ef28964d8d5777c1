"""`jorney grpo` in two processes: each samples its share on its own devices, and both learn what one process learns."""

from __future__ import annotations

import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import time

import numpy as np
import pytest
from places import CACHE, ROOT
from safetensors.numpy import load_file

REWARD = """
import os
import jax

def ones(completions, **columns):
    return [text.count("1") / 10 for text in completions]

def fragile(completions, **columns):
    if jax.process_index() == 1 and os.path.exists("broken"):
        raise KeyError("no such column")
    return ones(completions)
"""
SMALL = [
    *("--limit", "40", "--grpo.rounds", "3", "--grpo.questions", "8", "--grpo.group", "4", "--grpo.completion-length", "48"),
    *("--grpo.optimizer.learning-rate", "1e-4", "--grpo.rewards", "ones_in_text:ones", "--grpo.beta", "0.02"),
    *("--assess.every", "2", "--assess.limit", "4", "--mesh.data", "2", "--mesh.fsdp", "4", "--grpo.loop.save-every", "1"),
]


def start(folder: pathlib.Path, output: str, devices: int, *more: str) -> subprocess.Popen[str]:
    folder.joinpath("ones_in_text.py").write_text(REWARD)
    settings = {"JAX_PLATFORMS": "cpu", "JAX_NUM_CPU_DEVICES": str(devices), "JAX_CPU_COLLECTIVES_IMPLEMENTATION": "gloo"}
    environment = {**os.environ, **settings, "JAX_COMPILATION_CACHE_DIR": CACHE, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "jorney", "grpo", "--output", output, *SMALL, *more]
    return subprocess.Popen(command, env=environment, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def two(folder: pathlib.Path, output: str, *more: str) -> list[subprocess.Popen[str]]:
    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        port = probe.getsockname()[1]
    meet = ["--distributed.coordinator", f"localhost:{port}", "--distributed.processes", "2", "--distributed.process"]
    return [start(folder, output, 4, *meet, str(index), *more) for index in range(2)]


def finish(children: list[subprocess.Popen[str]]) -> None:
    try:
        for child in children:
            _, error = child.communicate(timeout=400)
            assert child.returncode == 0, error[-3000:]
    finally:
        for child in children:
            child.kill()


def rewards(folder: pathlib.Path) -> list[float]:
    parts = sorted((folder / "grpo" / "training" / "metrics").glob("*.jsonl"))
    return [json.loads(line)["reward"] for part in parts for line in part.read_text().splitlines()]


def weights(folder: pathlib.Path) -> dict[str, np.ndarray]:
    return load_file(folder / "grpo" / "model" / "model.safetensors")


@pytest.mark.slow
def test_two_processes_learn_what_one_does_and_go_on_after_a_kill(tmp_path) -> None:
    """The same rewards; parameters within 1e-5. Killed in the midst, both go on from files that either of them wrote."""
    finish([start(tmp_path, "one", 8)])
    children = two(tmp_path, "two")
    deadline = time.monotonic() + 300
    while not list((tmp_path / "two").glob("stages/*/rollouts/samples/000001-0/*.jsonl")):
        assert time.monotonic() < deadline, "the second round was not reached"
        time.sleep(0.2)
    children[1].send_signal(signal.SIGKILL)
    for child in children:  # the one that is left ends by itself
        child.communicate(timeout=120)
    assert children[0].returncode != 0
    finish(two(tmp_path, "two"))
    assert rewards(tmp_path / "two") == rewards(tmp_path / "one")
    one, other = (weights(tmp_path / name) for name in ("one", "two"))
    assert max(float(np.abs(one[name] - other[name]).max()) for name in one) < 1e-5
    parts = list((tmp_path / "two" / "grpo" / "rollouts" / "samples" / "000002-0").glob("*.jsonl"))
    assert [len(part.read_text().splitlines()) for part in parts] == [16, 16]  # each process sampled half


@pytest.mark.slow
def test_a_reward_that_fails_in_one_process_ends_both_and_loses_no_samples(tmp_path) -> None:
    """It says so in a line; mended, the same command goes on with what was sampled."""
    (tmp_path / "broken").touch()
    fragile = ("--grpo.rewards", "ones_in_text:fragile")
    children = two(tmp_path, "out", *fragile)
    _, error = children[1].communicate(timeout=300)
    assert children[1].returncode == 2
    (line,) = [line for line in error.splitlines() if line.startswith("jorney: ")]
    assert "ones_in_text:fragile" in line
    assert "KeyError" in line
    children[0].communicate(timeout=200)
    assert children[0].returncode != 0
    (samples,) = (tmp_path / "out").glob("stages/*/rollouts/samples/000000-0")
    before = {part.name: part.read_bytes() for part in samples.iterdir()}
    assert sum(len(part.splitlines()) for part in before.values()) == 8 * 4
    (tmp_path / "broken").unlink()
    finish(two(tmp_path, "out", *fragile))
    assert {part.name: part.read_bytes() for part in samples.iterdir()} == before
