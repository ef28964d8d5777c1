"""kill -9 at random moments of `jorney grpo`: the model is the one of a run that nobody disturbed, bit for bit."""

from __future__ import annotations

import os
import pathlib
import random
import subprocess
import sys
import time

import pytest
from places import CACHE, ROOT

REWARD = """
import time

def ones(completions, **columns):
    time.sleep(0.2)  # so that kills find rewards under way
    return [text.count("1") / 10 for text in completions]
"""
# Several updates a round, a reference that is replaced, sampling's own probabilities in the loss, more problems where one
# tells nothing: all that a training has to find again.
SMALL = [
    *("--limit", "60", "--grpo.questions", "4", "--grpo.group", "4", "--grpo.completion-length", "24", "--grpo.rounds"),
    *("12", "--grpo.optimizer.learning-rate", "1e-3", "--grpo.rewards", "slow_ones:ones", "--grpo.beta", "0.02"),
    *("--grpo.reference-every", "2", "--grpo.updates", "2", "--grpo.importance", "token_truncate", "--grpo.resample"),
    *("until_full", "--grpo.resample-limit", "3", "--grpo.loop.save-every", "5", "--assess.every", "4", "--assess.limit", "4"),
]


def start(folder: pathlib.Path, output: str) -> subprocess.Popen[str]:
    folder.joinpath("slow_ones.py").write_text(REWARD)
    settings = {"JAX_PLATFORMS": "cpu", "JAX_COMPILATION_CACHE_DIR": CACHE, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "jorney", "grpo", "--output", output, *SMALL]
    return subprocess.Popen(
        command, env={**os.environ, **settings}, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def finish(folder: pathlib.Path, output: str) -> tuple[bytes, list[str]]:
    """The model's file, and the files of its samples."""
    process = start(folder, output)
    _, error = process.communicate(timeout=600)
    assert process.returncode == 0, error[-3000:]
    stage = folder / output / "grpo"
    texts = [part.read_text() for part in sorted(stage.glob("rollouts/samples/*/*.jsonl"))]
    return (stage / "model" / "model.safetensors").read_bytes(), texts


def written(folder: pathlib.Path) -> int:
    """Files of rounds and of checkpoints that are there."""
    return sum(len(list(folder.glob(f"stages/*/{what}"))) for what in ("rollouts/*/*", "rollouts/*/*/*", "training/*/*"))


@pytest.mark.slow
@pytest.mark.parametrize("kills", [20])
def test_killed_at_random_moments_it_ends_with_the_same_model(tmp_path: pathlib.Path, kills: int) -> None:
    expected, samples = finish(tmp_path, "undisturbed")
    whole = written(tmp_path / "undisturbed")
    rng, reached = random.Random(kills), []
    for _ in range(kills):
        wanted = written(tmp_path / "killed") + rng.randint(0, 2 * whole // kills)
        process = start(tmp_path, "killed")
        while process.poll() is None and written(tmp_path / "killed") < wanted:
            time.sleep(0.01)
        time.sleep(rng.uniform(0, 0.4))
        process.kill()
        process.communicate()
        reached.append(len(list(tmp_path.glob("killed/stages/*/rollouts/rounds/*.json"))))
    found, again = finish(tmp_path, "killed")
    assert found == expected
    assert again == samples  # nothing was sampled twice, and nothing otherwise
    assert reached == sorted(reached)
    assert len(set(reached)) >= 4  # it was killed in many rounds
