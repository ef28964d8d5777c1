from __future__ import annotations

import dataclasses
import pathlib

import numpy as np
import pytest

import jorney
from jorney.data.countdown import Countdown, sample_problems
from jorney.data.encode import encode_solutions
from jorney.data.steps import ABEL
from jorney.train import sft
from jorney.train.loop import LoopConfig
from jorney.train.optimizer import OptimizerConfig
from jorney.train.sft import SftConfig

CONFIG = SftConfig(batch_rows=8, row_length=128, head_chunk=128, optimizer=OptimizerConfig(learning_rate=1e-3))


@pytest.fixture(scope="module")
def examples(policy: jorney.Policy):
    problems = sample_problems(Countdown(), "train", 64, seed=0)
    return encode_solutions(policy.tokenizer, ABEL, problems, "countdown")


def test_two_solutions_fill_a_row(policy: jorney.Policy, examples) -> None:
    batches = sft.prepare(policy, examples, CONFIG, seed=0)
    assert batches.steps == 4
    assert batches.padding < 0.12


def test_fine_tuning_lowers_the_loss_and_leaves_the_start_alone(
    policy: jorney.Policy, examples, tmp_path: pathlib.Path
) -> None:
    before = np.asarray(policy.params["embedding"]).copy()
    config = dataclasses.replace(CONFIG, epochs=3)
    trained, records = sft.run(policy, sft.prepare(policy, examples, config, 0), config, tmp_path)
    assert len(records) == 12
    assert records[-1]["loss"] < records[0]["loss"] / 2
    np.testing.assert_array_equal(policy.params["embedding"], before)
    assert float(np.abs(np.asarray(trained.params["embedding"]) - before).max()) > 1e-4


def test_what_does_not_fit_is_named(policy: jorney.Policy, examples) -> None:
    with pytest.raises(ValueError, match="row_length = 2048: expected at most the model's 1024 positions"):
        sft.prepare(policy, examples, dataclasses.replace(CONFIG, row_length=2048), 0)
    with pytest.raises(ValueError, match="expected 2 to 33"):
        sft.prepare(policy, examples, dataclasses.replace(CONFIG, row_length=32), 0)


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
