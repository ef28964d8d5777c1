"""Trainings of adapters: they end as one that was never stopped, keep nothing of the base, and begin where their model is."""

from __future__ import annotations

import dataclasses
import pathlib

import jax
import jax.numpy as jnp
import numpy as np
import orbax.checkpoint as ocp
import pytest

import jorney
from jorney.batch.packing import Example
from jorney.batch.pairs import Preference
from jorney.compiled import Compilations
from jorney.model import lora, params
from jorney.model.lora import LoraConfig
from jorney.policy import Policy, load, save
from jorney.sharding import MeshConfig
from jorney.train import training
from jorney.train.loop import LoopConfig
from jorney.train.objectives.dpo import DpoConfig
from jorney.train.objectives.prm import PrmConfig
from jorney.train.objectives.sft import SftConfig
from jorney.train.optimizer import OptimizerConfig

LORA = LoraConfig(4)
RATE = OptimizerConfig(learning_rate=5e-3)
SFT = SftConfig(
    batch_rows=8, row_length=64, head_chunk=64, epochs=3, optimizer=RATE, lora=LORA, loop=LoopConfig(save_every=3, log_every=2)
)


class Stop(Exception):
    """Raised in the middle of training."""


def examples() -> list[Example]:
    rng = np.random.default_rng(0)
    return [Example(tuple(rng.integers(3, 72, 30).tolist()), prompt=5) for _ in range(48)]


def run(policy: Policy, folder: pathlib.Path, config=SFT, made=None, stop_at: int | None = None, compilations=None):
    def on_step(step: int, record: object) -> None:
        if step == stop_at:
            raise Stop

    data = training.prepare(policy, made or examples(), config, 0)
    return training.train(policy, data, config, 0, folder, compilations, on_step)


@pytest.fixture(scope="module")
def undisturbed(policy, tmp_path_factory):
    return run(policy, tmp_path_factory.mktemp("whole"))


def equal(a, b) -> None:
    jax.tree.map(np.testing.assert_array_equal, a, b)


def test_it_learns_and_leaves_the_base_as_it_was(policy, undisturbed) -> None:
    trained, records = undisturbed
    assert records[-1]["loss"] < records[0]["loss"] - 0.3
    base, own = lora.part(trained.params)
    equal(base, policy.params)
    assert all(leaf.dtype == jnp.float32 for leaf in jax.tree.leaves(own))
    assert (trained.lora, trained.base) == (LORA, policy.source)


def test_resumed_training_is_bit_exact(policy, tmp_path: pathlib.Path, undisturbed) -> None:
    for stop_at in (2, 5, 8):
        with pytest.raises(Stop):
            run(policy, tmp_path, stop_at=stop_at)
    trained, records = run(policy, tmp_path)
    equal(trained.params, undisturbed[0].params)
    assert records == undisturbed[1]


def test_resumes_on_another_mesh(policy, tmp_path: pathlib.Path, undisturbed) -> None:
    with pytest.raises(Stop):
        run(policy, tmp_path, stop_at=5)
    other = load(mesh=MeshConfig(data=2, fsdp=2, tensor=2))
    trained, records = run(other, tmp_path)
    assert [r["loss"] for r in records] == pytest.approx([r["loss"] for r in undisturbed[1]], rel=1e-4)
    b = trained.params["layers"]["mlp"]["up"].b
    assert b.addressable_shards[0].data.shape == (6, 4, 192)  # split as the weight's outputs are, the rank is not


def test_checkpoints_hold_adapters_alone(policy, tmp_path: pathlib.Path, undisturbed) -> None:
    run(policy, tmp_path)
    step = max(int(one.name) for one in (tmp_path / "checkpoints").iterdir())
    with ocp.StandardCheckpointer() as reader:
        tree = reader.metadata(tmp_path / "checkpoints" / str(step) / "state").item_metadata.tree
    leaves = [leaf for leaf in jax.tree.leaves(tree) if getattr(leaf, "shape", None)]
    assert sum(int(np.prod(leaf.shape)) for leaf in leaves) == 3 * lora.count(policy.config, LORA)


def test_another_base_is_refused(policy, tmp_path: pathlib.Path) -> None:
    with pytest.raises(Stop):
        run(policy, tmp_path, stop_at=5)
    other = dataclasses.replace(policy, params=jax.tree.map(lambda leaf: leaf * 1.001, policy.params))
    with pytest.raises(ValueError, match="the training in this folder was started otherwise: base was"):
        run(other, tmp_path)


def test_the_base_is_held_in_the_dtype_of_the_computation(tmp_path: pathlib.Path, mesh1) -> None:
    """bfloat16 here; what is trained is float32."""
    small = load(mesh=mesh1, dtype=jnp.bfloat16)
    trained, records = run(small, tmp_path)
    base, own = lora.part(trained.params)
    assert {leaf.dtype.name for leaf in jax.tree.leaves(base)} == {"bfloat16"}
    assert {leaf.dtype.name for leaf in jax.tree.leaves(own)} == {"float32"}
    assert records[-1]["loss"] < records[0]["loss"] - 0.3


def test_an_adapter_is_trained_on_as_it_is(policy, tmp_path: pathlib.Path, mesh1, undisturbed) -> None:
    save(undisturbed[0], tmp_path / "adapter")
    again = load(str(tmp_path / "adapter"), mesh=mesh1, merge=False)
    trained, records = run(again, tmp_path / "more")
    assert records[0]["loss"] < undisturbed[1][0]["loss"] - 0.3
    equal(lora.part(trained.params)[0], policy.params)
    assert trained.base == again.base
    other = dataclasses.replace(SFT, lora=LoraConfig(8, 16.0))
    with pytest.raises(ValueError, match=r"lora.rank = 8, expected 4, lora.alpha = 16.0, expected 32.0; or merge it first"):
        run(again, tmp_path / "other", other)


def pairs() -> list[Preference]:
    rng = np.random.default_rng(1)
    draw = lambda count: tuple(rng.integers(3, 72, count).tolist())  # noqa: E731
    return [Preference(draw(6), draw(8), draw(8)) for _ in range(8)]


@pytest.mark.parametrize("begins", ["base", "adapter"])
def test_dpo_begins_at_its_reference_without_a_second_copy(policy, tmp_path: pathlib.Path, mesh1, undisturbed, begins) -> None:
    """The reference is the model as it was: of a fresh adapter its base, with the adapter off. At step 1 all rewards are 0."""
    start = policy
    if begins == "adapter":
        save(undisturbed[0], tmp_path / "adapter")
        start = load(str(tmp_path / "adapter"), mesh=mesh1, merge=False)
    config = DpoConfig(batch_pairs=8, epochs=6, head_chunk=64, optimizer=RATE, lora=LORA)
    trained, records = run(start, tmp_path / "dpo", config, pairs())
    assert records[0]["loss"] == pytest.approx(np.log(2), abs=1e-4)
    assert abs(records[0]["chosen_reward"]) < 1e-3
    assert records[-1]["margin"] > records[0]["margin"] + 0.05
    equal(lora.part(trained.params)[0], policy.params)


def test_a_reward_models_head_is_trained_beside_the_adapters(policy, tmp_path: pathlib.Path, mesh1) -> None:
    config = PrmConfig(batch_rows=8, row_length=64, epochs=4, optimizer=RATE, lora=LORA)
    rng = np.random.default_rng(2)
    made = [
        Example(tuple(rng.integers(3, 72, 30).tolist()), prompt=5, labels=((12, float(i % 2)), (25, float(i % 2))))
        for i in range(32)
    ]
    trained, records = run(policy, tmp_path / "prm", config, made)
    assert trained.config.head == "linear"
    assert np.isfinite(records[-1]["loss"])
    save(trained, tmp_path / "model")
    assert (tmp_path / "model" / "config.json").exists()  # which tells of the head that the base has not
    tokens = jnp.arange(24).reshape(2, 12)
    for merge in (True, False):
        back = load(str(tmp_path / "model"), mesh=mesh1, merge=merge)
        np.testing.assert_allclose(jorney.logits(back, tokens), jorney.logits(trained, tokens), atol=1e-4)
    assert "score" not in dict(params.flatten(policy.params))


def test_the_step_compiles_once_and_is_shared(policy, tmp_path: pathlib.Path) -> None:
    compilations = Compilations()
    for name in ("one", "two"):
        run(policy, tmp_path / name, compilations=compilations)
    assert compilations.names == ["train step"]


def test_a_held_out_set_is_measured_with_the_base(policy, tmp_path: pathlib.Path) -> None:
    config = dataclasses.replace(SFT, held_out=0.2, best=True)
    trained, _ = run(policy, tmp_path, config)
    assert trained.lora == LORA
    times = [line for file in (tmp_path / "metrics").iterdir() for line in file.read_text().splitlines() if "held_out" in line]
    assert len(times) >= 2
