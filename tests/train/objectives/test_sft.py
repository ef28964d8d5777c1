from __future__ import annotations

import dataclasses
import pathlib

import numpy as np
import pytest

import jorney
from jorney import sharding
from jorney.batch.loader import hold_out
from jorney.batch.solutions import encode_solutions
from jorney.domain.countdown.sets import Countdown, sample_problems
from jorney.sharding import MeshConfig
from jorney.text.step_format import ABEL
from jorney.train import training
from jorney.train.loop import LoopConfig
from jorney.train.objectives.sft import SftConfig, sft_loss
from jorney.train.optimizer import OptimizerConfig

CONFIG = SftConfig(batch_rows=8, row_length=128, head_chunk=128, optimizer=OptimizerConfig(learning_rate=1e-3))


@pytest.fixture(scope="module")
def examples(policy: jorney.Policy):
    problems = sample_problems(Countdown(), "train", 64, seed=0)
    return encode_solutions(policy.tokenizer, ABEL, problems, "countdown")


def test_two_solutions_fill_a_row(policy: jorney.Policy, examples) -> None:
    batches = training.prepare(policy, examples, CONFIG, seed=0).batches
    assert batches.steps == 4
    assert batches.padding < 0.12


def test_fine_tuning_lowers_the_loss_and_leaves_the_start_alone(
    policy: jorney.Policy, examples, tmp_path: pathlib.Path
) -> None:
    before = np.asarray(policy.params["embedding"]).copy()
    config = dataclasses.replace(CONFIG, epochs=3)
    trained, records = training.train(policy, training.prepare(policy, examples, config, 0), config, 0, tmp_path)
    assert len(records) == 12
    assert records[-1]["loss"] < records[0]["loss"] / 2
    np.testing.assert_array_equal(policy.params["embedding"], before)
    assert float(np.abs(np.asarray(trained.params["embedding"]) - before).max()) > 1e-4


def test_what_does_not_fit_is_named(policy: jorney.Policy, examples) -> None:
    with pytest.raises(ValueError, match="row_length = 2048: expected at most the model's 1024 positions"):
        training.prepare(policy, examples, dataclasses.replace(CONFIG, row_length=2048), 0)
    with pytest.raises(ValueError, match="expected 2 to 33"):
        training.prepare(policy, examples, dataclasses.replace(CONFIG, row_length=32), 0)


def test_batches_that_the_mesh_cannot_split_are_named(policy: jorney.Policy, examples) -> None:
    eight = dataclasses.replace(policy, mesh=sharding.make_mesh(MeshConfig()))
    with pytest.raises(ValueError, match="sft.batch_rows = 12: expected a multiple of 8, since 8 devices split a batch"):
        training.prepare(eight, examples, dataclasses.replace(CONFIG, batch_rows=12), 0)
    with pytest.raises(ValueError, match="batch_rows = 8: expected a multiple of 16, since 8 devices .* in 2 micro-batches"):
        training.prepare(eight, examples, dataclasses.replace(CONFIG, accumulate=2), 0)
    assert training.prepare(eight, examples, CONFIG, 0).batches.steps == 4


@pytest.mark.parametrize(
    ("field", "value"),
    [("epochs", 0), ("batch_rows", 0), ("row_length", 0), ("head_chunk", 0), ("accumulate", 0), ("accumulate", 3)],
)
def test_settings_out_of_range_are_named(field: str, value: int) -> None:
    with pytest.raises(ValueError, match=f"{field} = {value}|accumulate = 3"):
        dataclasses.replace(CONFIG, **{field: value})


def test_looking_more_often_is_no_other_result() -> None:
    assert dataclasses.replace(CONFIG, loop=LoopConfig(log_every=1)).decides() == CONFIG.decides()
    assert dataclasses.replace(CONFIG, epochs=2).decides() != CONFIG.decides()


def test_held_out_examples_are_measured_and_never_trained_on(policy: jorney.Policy, examples, tmp_path: pathlib.Path) -> None:
    config = dataclasses.replace(CONFIG, held_out=0.25, epochs=2, loop=LoopConfig(save_every=2, log_every=1))
    data = training.prepare(policy, examples, config, 0)
    assert data.held_out is not None
    trained, records = training.train(policy, data, config, 0, tmp_path)
    measured = [record["held_out_loss"] for record in records if "held_out_loss" in record]
    assert len(measured) == data.batches.steps // 2
    assert measured[-1] < measured[0]
    # The last figure is the loss of the parameters that came out.
    alone = training.prepare(trained, [one for one in examples if one not in _trained_on(data, examples)], CONFIG, 0).batches
    sums = [sft_loss(policy.config)(trained.params, batch)[1] for batch in alone.start_at(0)]
    again = sum(float(one["loss"]) for one in sums) / sum(float(one["count"]) for one in sums)
    assert measured[-1] == pytest.approx(again, rel=1e-5)


def _trained_on(data: training.Data, examples) -> list:
    train, held = hold_out(examples, 0.25, 0)
    assert (len(train), len(held)) == (48, 16)
    assert not {one.tokens for one in train} & {one.tokens for one in held}
    return train


def test_the_best_checkpoint_is_the_result(policy: jorney.Policy, examples, tmp_path: pathlib.Path) -> None:
    """A rate at which the model goes astray: the last parameters are not the best."""
    wild = dataclasses.replace(
        CONFIG,
        held_out=0.25,
        epochs=3,
        best=True,
        optimizer=OptimizerConfig(learning_rate=5e-2, schedule="constant", warmup=0, clip=0),
        loop=LoopConfig(save_every=1, keep=1),
    )
    data = training.prepare(policy, examples, wild, 0)
    trained, records = training.train(policy, data, wild, 0, tmp_path / "best")
    measured = [record["held_out_loss"] for record in records]
    assert min(measured) < measured[-1]
    found = [sft_loss(policy.config)(trained.params, batch)[1] for batch in data.held_out.start_at(0)]
    loss = sum(float(one["loss"]) for one in found) / sum(float(one["count"]) for one in found)
    assert loss == pytest.approx(min(measured), rel=1e-5)
    kept = {int(path.name) for path in (tmp_path / "best" / "checkpoints").iterdir() if path.name.isdigit()}
    assert kept == {int(np.argmin(measured)) + 1, len(measured)}
