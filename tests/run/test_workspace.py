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
from jorney.run.workspace import Workspace
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
