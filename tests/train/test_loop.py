from __future__ import annotations

import pathlib

import jax
import numpy as np
import pytest

from jorney import sharding
from jorney.compiled import Compilations
from jorney.data.loader import Batches
from jorney.data.packing import Example, pack
from jorney.model import params as parameters
from jorney.train.loop import LoopConfig, train
from jorney.train.losses import sft_loss
from jorney.train.optimizer import OptimizerConfig


class Stop(Exception):
    """Raised in the middle of training."""


def _batches() -> Batches:
    rng = np.random.default_rng(0)
    examples = [Example(tuple(rng.integers(3, 72, 30).tolist()), prompt=5) for _ in range(48)]
    return Batches(pack(examples, 64, 8), batch_size=8, epochs=3, seed=0)


def _train(tiny, mesh, folder: pathlib.Path, stop_at: int | None = None, compilations: Compilations | None = None):
    def on_step(step: int, record: object) -> None:
        if step == stop_at:
            raise Stop

    return train(
        tiny,
        parameters.init(tiny, jax.random.key(0)),
        sft_loss(tiny),
        _batches(),
        OptimizerConfig(learning_rate=1e-2),
        LoopConfig(save_every=3, log_every=2),
        mesh,
        folder,
        compilations=compilations,
        on_step=on_step,
    )


@pytest.fixture(scope="module")
def undisturbed(tiny, mesh1, tmp_path_factory):
    return _train(tiny, mesh1, tmp_path_factory.mktemp("whole"))


def test_records_every_step_and_learns(undisturbed) -> None:
    _, records = undisturbed
    assert [record["step"] for record in records] == list(range(1, 10))
    assert records[-1]["loss"] < records[0]["loss"] - 0.2
    assert {record["count"] for record in records} == {16 * 25.0}


def test_resumed_training_is_bit_exact(tiny, mesh1, tmp_path: pathlib.Path, undisturbed) -> None:
    for stop_at in (2, 5, 8):
        with pytest.raises(Stop):
            _train(tiny, mesh1, tmp_path, stop_at)
    params, records = _train(tiny, mesh1, tmp_path)
    jax.tree.map(np.testing.assert_array_equal, params, undisturbed[0])
    assert records == undisturbed[1]


def test_a_finished_training_is_not_repeated(tiny, mesh1, tmp_path: pathlib.Path, undisturbed) -> None:
    _train(tiny, mesh1, tmp_path)
    compilations = Compilations()
    params, records = _train(tiny, mesh1, tmp_path, compilations=compilations)
    assert compilations.names == []
    assert records == undisturbed[1]
    jax.tree.map(np.testing.assert_array_equal, params, undisturbed[0])


def test_the_step_compiles_once_also_after_a_resume(tiny, mesh1, tmp_path: pathlib.Path) -> None:
    first, second = Compilations(), Compilations()
    with pytest.raises(Stop):
        _train(tiny, mesh1, tmp_path, 5, first)
    _train(tiny, mesh1, tmp_path, compilations=second)
    assert (first.names, second.names) == (["train step"], ["train step"])


def test_resumes_on_another_mesh(tiny, mesh1, tmp_path: pathlib.Path, undisturbed) -> None:
    with pytest.raises(Stop):
        _train(tiny, mesh1, tmp_path, 5)
    params, records = _train(tiny, sharding.make_mesh(sharding.MeshConfig(data=2, fsdp=2, tensor=2)), tmp_path)
    assert [r["loss"] for r in records] == pytest.approx([r["loss"] for r in undisturbed[1]], rel=1e-5)
    assert params["layers"]["mlp"]["up"].addressable_shards[0].data.shape == (2, 16, 32)


def test_a_checkpoint_of_another_model_names_its_leaves(tiny, mesh1, tmp_path: pathlib.Path) -> None:
    import dataclasses

    _train(tiny, mesh1, tmp_path)
    with pytest.raises(ValueError, match="leaves do not fit") as error:
        _train(dataclasses.replace(tiny, mlp=128), mesh1, tmp_path)
    text = str(error.value)
    assert "params/layers/mlp/up: float32[2, 32, 64] in the checkpoint, expected float32[2, 32, 128]" in text
    assert "attention" not in text


def test_a_loss_that_is_not_finite_stops_with_its_step(tiny, mesh1, tmp_path: pathlib.Path) -> None:
    broken = parameters.init(tiny, jax.random.key(0))
    broken["final_norm"] = broken["final_norm"].at[0].set(np.nan)
    with pytest.raises(ValueError, match="step 1: the loss is nan"):
        train(tiny, broken, sft_loss(tiny), _batches(), OptimizerConfig(), LoopConfig(), mesh1, tmp_path)


def test_parameters_passed_in_survive(tiny, mesh1, tmp_path: pathlib.Path) -> None:
    """The step donates its state; the caller's policy must stay usable."""
    params = parameters.init(tiny, jax.random.key(0))
    train(tiny, params, sft_loss(tiny), _batches(), OptimizerConfig(), LoopConfig(), mesh1, tmp_path)
    assert np.isfinite(np.asarray(params["embedding"])).all()


def test_settings_out_of_range_are_named() -> None:
    with pytest.raises(ValueError, match="loop.save_every = 0: expected 1 or more"):
        LoopConfig(save_every=0)
