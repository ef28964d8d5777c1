"""kill -9 at random moments, again and again: the parameters are those of a run that nobody disturbed, bit for bit."""

from __future__ import annotations

import os
import pathlib
import random
import subprocess
import sys
import time

import pytest
from places import ROOT

PROGRAM = pathlib.Path(__file__).parent / "killed.py"


def _start(folder: pathlib.Path, epochs: int) -> subprocess.Popen[str]:
    settings = {**os.environ, "JAX_PLATFORMS": "cpu", "PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}"}
    command = [sys.executable, str(PROGRAM), str(folder), str(epochs)]
    return subprocess.Popen(command, env=settings, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def _finish(folder: pathlib.Path, epochs: int) -> tuple[str, list[int]]:
    """The digest, and the steps that were done."""
    process = _start(folder, epochs)
    out, error = process.communicate(timeout=600)
    assert process.returncode == 0, error[-4000:]
    *steps, digest = out.splitlines()
    return digest, [int(line.split()[1]) for line in steps]


def _kill_at_random(folder: pathlib.Path, epochs: int, rng: random.Random) -> int:
    """The step that was seen last; 0 where the process was killed before its first."""
    process = _start(folder, epochs)
    try:
        if rng.random() < 0.2:  # while it starts, or restores
            time.sleep(rng.uniform(0, 3))
            return 0
        assert process.stdout is not None
        step, seen = 0, 0
        wanted = rng.randint(4, 12)
        for line in process.stdout:
            assert line.startswith("step"), "it ended before it could be killed: expected more epochs"
            step, seen = int(line.split()[1]), seen + 1
            if seen == wanted:
                time.sleep(rng.uniform(0, 0.03))
                break
        return step
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("kills", [3, pytest.param(20, marks=pytest.mark.slow)])
def test_killed_at_random_moments_it_ends_with_the_same_parameters(tmp_path: pathlib.Path, kills: int) -> None:
    epochs = 4 * kills
    expected, steps = _finish(tmp_path / "undisturbed", epochs)
    assert steps == list(range(1, 6 * epochs + 1))
    rng, reached = random.Random(kills), []
    for _ in range(kills):
        reached.append(_kill_at_random(tmp_path / "killed", epochs, rng))
    found, rest = _finish(tmp_path / "killed", epochs)
    assert found == expected
    # It went on from a checkpoint, not from the start, and not from the end.
    assert max(reached) - 12 <= rest[0] <= max(reached) + 3
    assert rest[0] > 1
    assert rest[-1] == 6 * epochs
