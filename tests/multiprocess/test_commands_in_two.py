"""`jorney sft` in two processes, each with a copy of the model of its own: one stage, and what one process makes."""

from __future__ import annotations

import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence

import numpy as np
import pytest
from places import CACHE, ROOT
from safetensors.numpy import load_file

import jorney

EMBEDDED = pathlib.Path(jorney.__file__).parent / "embedded"
SMALL = [
    "--limit",
    "60",
    "--sft.batch-rows",
    "4",
    "--sft.row-length",
    "128",
    "--sft.head-chunk",
    "128",
    "--mesh.data",
    "1",
    "--mesh.fsdp",
    "4",
]


def start(output: pathlib.Path, devices: int, *more: str) -> subprocess.Popen[str]:
    settings = {"JAX_PLATFORMS": "cpu", "JAX_NUM_CPU_DEVICES": str(devices), "JAX_CPU_COLLECTIVES_IMPLEMENTATION": "gloo"}
    command = [sys.executable, "-m", "jorney", "sft", "--output", str(output), *SMALL, *more]
    environment = {**os.environ, **settings, "JAX_COMPILATION_CACHE_DIR": CACHE, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


Ended = list[tuple[int, str, str]]


def begin(output: pathlib.Path, *options: Sequence[str]) -> list[subprocess.Popen[str]]:
    """A process for each of the options."""
    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        port = probe.getsockname()[1]
    meet = ["--distributed.coordinator", f"localhost:{port}", "--distributed.processes", str(len(options))]
    return [start(output, 2, *meet, "--distributed.process", str(index), *more) for index, more in enumerate(options)]


def end(children: list[subprocess.Popen[str]], seconds: float = 300) -> Ended:
    """Exit codes and what they said."""
    try:
        said = [child.communicate(timeout=seconds) for child in children]
    finally:
        for child in children:
            child.kill()
    return [(child.returncode, *texts) for child, texts in zip(children, said, strict=True)]


def together(output: pathlib.Path, models: list[pathlib.Path]) -> Ended:
    return end(begin(output, *(["--model", str(model)] for model in models)))


def of_jorney(error: str) -> list[str]:
    return [line for line in error.splitlines() if line.startswith("jorney: ")]


@pytest.fixture
def copies(tmp_path) -> list[pathlib.Path]:
    """The same model in two places, at two times."""
    places = [tmp_path / "one", tmp_path / "two"]
    for hours, place in enumerate(places):
        shutil.copytree(EMBEDDED, place)
        for file in place.iterdir():
            os.utime(file, (3600 * hours, 3600 * hours))
    return places


def test_two_copies_of_a_model_are_one_stage(copies, tmp_path) -> None:
    found = together(tmp_path / "both", copies)
    assert [code for code, *_ in found] == [0, 0], found
    alone = start(tmp_path / "alone", 4, "--model", str(copies[0]))
    alone.communicate(timeout=300)
    assert alone.returncode == 0
    (both,), (one,) = ([*(tmp_path / name / "stages").iterdir()] for name in ("both", "alone"))
    assert both.name == one.name
    expected = load_file(one / "model" / "model.safetensors")
    for name, value in load_file(both / "model" / "model.safetensors").items():
        np.testing.assert_allclose(value, expected[name], atol=1e-5, err_msg=name)


def test_hosts_with_different_models_are_told_so(copies, tmp_path) -> None:
    """Before the first step, in one line, in both."""
    file = copies[1] / "config.json"
    file.write_text(file.read_text() + "\n")
    for code, _, error in together(tmp_path / "both", copies):
        assert code == 2, error
        (line,) = of_jorney(error)
        assert f"what sft reads differs: process 1 on {socket.gethostname()}: [0] is " in line
        assert "expected the same command, model and data in all 2 processes" in line
    assert not (tmp_path / "both" / "stages").exists()


def test_hosts_with_different_options_are_told_so(tmp_path) -> None:
    """Before anything is read."""
    for code, _, error in end(begin(tmp_path / "both", ["--sft.loop.save-every", "3"], ["--sft.loop.save-every", "4"]), 60):
        assert code == 2, error
        (line,) = of_jorney(error)
        assert f"process 1 on {socket.gethostname()}: sft.loop.save_every is 4, and 3 in process 0: expected the same" in line
        assert "Traceback" not in error
    assert not (tmp_path / "both").exists()


@pytest.mark.parametrize("dies", [pytest.param(0, marks=pytest.mark.slow), 1])
def test_a_process_that_dies_ends_the_other_at_once(tmp_path, dies: int) -> None:
    """In one line, long before jax misses it. Where process 0 dies, jax's client may be quicker, and has its own words."""
    children = begin(tmp_path / "both", *[["--sft.epochs", "1000", "--sft.loop.save-every", "5"]] * 2)
    deadline = time.monotonic() + 240
    while not list((tmp_path / "both").glob("stages/*/training/checkpoints/*")):
        assert time.monotonic() < deadline, end(children, 1)
        time.sleep(0.2)
    children[dies].kill()
    begun = time.monotonic()
    code, _, error = end(children, 60)[1 - dies]
    assert time.monotonic() - begun < 30
    assert "Traceback" not in error
    if dies == 0 and "Terminating process because the JAX distributed service detected fatal errors" in error:
        assert code in (1, -signal.SIGABRT)  # and ours may end it while its own are printed
        return
    assert code == 1
    assert of_jorney(error)[-1].startswith(f"jorney: process {dies} ")
    assert "has died: look at its log" in of_jorney(error)[-1]
    assert "Check failure stack trace" not in error


@pytest.mark.slow
def test_adapters_of_two_processes_are_those_of_one_after_a_kill_too(tmp_path) -> None:
    """One peft folder, written by process 0; a base that both have, and no checkpoint holds."""
    options = ["--sft.lora.rank", "4", "--sft.loop.save-every", "3", "--sft.epochs", "4"]
    children = begin(tmp_path / "both", options, options)
    deadline = time.monotonic() + 240
    while not list((tmp_path / "both").glob("stages/*/training/checkpoints/[0-9]*")):
        assert time.monotonic() < deadline, end(children, 1)
        time.sleep(0.2)
    for child in children:
        child.kill()
    end(children, 60)
    assert [code for code, *_ in end(begin(tmp_path / "both", options, options))] == [0, 0]
    alone = start(tmp_path / "alone", 4, *options)
    alone.communicate(timeout=300)
    assert alone.returncode == 0
    (both,), (one,) = ([*(tmp_path / name / "stages").iterdir()] for name in ("both", "alone"))
    assert both.name == one.name
    assert sorted(file.name for file in (both / "model").iterdir()) == sorted(file.name for file in (one / "model").iterdir())
    expected = load_file(one / "model" / "adapter_model.safetensors")
    for name, value in load_file(both / "model" / "adapter_model.safetensors").items():
        np.testing.assert_allclose(value, expected[name], atol=2e-5, err_msg=name)
