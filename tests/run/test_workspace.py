"""What a workspace holds: one model at a time, and within the memory that is stated."""

from __future__ import annotations

import gc
import pathlib

import jax
import pytest
from live import lasting_bytes, live_bytes

import jorney
from jorney.policy import resolve
from jorney.progress import Progress
from jorney.run.artifact import Model
from jorney.run.stages.judges.kinds import prm_judge
from jorney.run.workspace import Workspace, training_line
from jorney.sharding import MeshConfig
from jorney.train.objectives.prm import as_reward_model

POLICY = Model(resolve("embedded"), "policy")


@pytest.fixture(scope="module")
def judge(policy, tmp_path_factory) -> Model:
    folder = tmp_path_factory.mktemp("judge")
    jorney.save(as_reward_model(policy, 0), folder, "float32")
    return Model(str(folder), "judge")


def space(folder: pathlib.Path, memory: float | None = None) -> Workspace:
    return Workspace(str(folder), MeshConfig(devices=1, memory=memory), "float32", "abel", 0, Progress(quiet=True))


def test_a_judge_that_is_asked_alone_is_loaded_when_the_policy_is_gone(judge, policy, tmp_path) -> None:
    weights = sum(leaf.nbytes for leaf in jax.tree.leaves(policy.params))
    gc.collect()
    before, own = lasting_bytes(), space(tmp_path)
    own.generator(POLICY)
    beside = prm_judge(own, judge)
    assert live_bytes() - before > 1.9 * weights
    del beside
    alone = prm_judge(own, judge, alone=True)
    assert live_bytes() - before < 1.1 * weights
    assert alone is not None


def test_a_model_that_does_not_fit_is_not_loaded(judge, policy, tmp_path) -> None:
    weights = sum(leaf.nbytes for leaf in jax.tree.leaves(policy.params))
    gc.collect()
    before = lasting_bytes()
    own = space(tmp_path, before + 1.9 * weights)
    own.generator(POLICY)
    with pytest.raises(ValueError, match=r"^memory: a device has [\d,]+ bytes: .* \(.*the judge's weights [\d,]+, one"):
        prm_judge(own, judge)
    assert live_bytes() - before < 1.1 * weights
    with pytest.raises(ValueError, match="the model's weights"):
        space(tmp_path, before + 0.9 * weights).take(POLICY)


LEARNED = {"step": 50, "loss": 1.25, "grad_norm": 0.5, "memory_gb": 12.3, "padding": 0.12, "goodput": 0.99}
LEARNED |= {"tokens_per_second_per_chip": 4321.0}
ROUND = {"step": 50, "loss": 0.0, "grad_norm": 0.05, "memory_gb": 3.1, "reward": 0.281, "accuracy": 0.281, "seconds": 75.8}
ROUND |= {"completions/mean_length": 149.0, "frac_reward_zero_std": 0.25, "entropy": 0.1008}


@pytest.mark.parametrize(
    ("record", "line"),
    [
        (LEARNED, "    50  loss 1.2500  grad 0.50  4,321 tok/s/chip  12.3 GB  pad 12%  good 99%"),
        (LEARNED | {"held_out_loss": 1.5}, "    50  loss 1.2500  grad 0.50  held out 1.5000  4,321 tok/s/chip  12.3 GB"),
        (
            LEARNED | {"mfu_full": 0.45, "mfu_causal": 0.4},
            "    50  loss 1.2500  grad 0.50  4,321 tok/s/chip  MFU 45% (40% causal)  12.3 GB",
        ),
        (ROUND, "    50  reward 0.281  right 28.1%  length 149  same 25%  entropy 0.1008  75.8 s"),
        (
            ROUND | {"kl": 0.0123, "eval/accuracy": 0.52},
            "    50  reward 0.281  right 28.1%  kl 0.0123  greedy 52.0%  75.8 s",
        ),
    ],
)
def test_a_training_line_has_what_there_is_room_for_in_80_columns(record: dict[str, float], line: str) -> None:
    assert training_line(record) == line
    assert len(line) <= 80
