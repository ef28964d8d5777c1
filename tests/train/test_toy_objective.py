"""An objective in one file: unlikelihood on wrong steps. `jorney run` and `jorney plan` take this file as it is."""

from __future__ import annotations

import dataclasses
import functools
import json
from collections.abc import Mapping
from typing import Any, ClassVar

import forward
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jorney import cli
from jorney.batch.packing import Example
from jorney.machine.bench.train import TrainBench, run
from jorney.model import params as parameters
from jorney.model.architecture import ModelConfig
from jorney.model.transformer import hidden_states
from jorney.run.stages.fine_tuning import ObjectiveCommand
from jorney.text.step_format import StepFormat
from jorney.text.tokenizer import Tokenizer
from jorney.train import objective
from jorney.train.cross_entropy import log_probs
from jorney.train.objective import PackedConfig, PackedObjective
from jorney.train.objectives.prm import labelled_example
from jorney.train.optimizer import OptimizerConfig
from jorney.train.step import Batch, LossFn


@dataclasses.dataclass(frozen=True)
class UnlikelihoodConfig(PackedConfig):
    """How a policy is kept from wrong steps."""

    name: ClassVar[str] = "unlikelihood"


@functools.cache
def unlikelihood_loss(model: ModelConfig, dtype: Any, remat: str) -> LossFn:
    """-log(1 - p) of the tokens after which a wrong step is over, -log p of those that end a right one."""

    def loss(params: Any, batch: Batch) -> tuple[jax.Array, dict[str, jax.Array]]:
        hidden = hidden_states(model, params, batch["tokens"], batch["segment_ids"], batch["positions"], dtype, remat)
        found, _ = log_probs(model, params, hidden, batch["targets"], 512)
        labels, known = batch["labels"], batch["labels"] >= 0
        losses = jnp.where(labels > 0.5, -found, -jnp.log1p(-jnp.exp(jnp.minimum(found, -1e-6))))
        loss = jnp.sum(losses * known)
        return loss, {"loss": loss, "count": jnp.sum(known)}

    return loss


class Unlikelihood(PackedObjective[UnlikelihoodConfig]):
    """Rows of question, steps and labels in."""

    config = UnlikelihoodConfig

    def encode(self, tokenizer: Tokenizer, step_format: StepFormat, row: Mapping[str, Any], place: str) -> Example:
        return labelled_example(tokenizer, step_format, row["question"], row["steps"], row["labels"])

    def loss(self, model: ModelConfig, config: UnlikelihoodConfig, dtype: Any) -> LossFn:
        return unlikelihood_loss(model, dtype, config.remat)

    def full(self, config: UnlikelihoodConfig, draw: Any) -> Example:
        return dataclasses.replace(super().full(config, draw), labels=((0, 0.0),))


def config() -> ObjectiveCommand:
    """Eight rows, four times, with the embedded model."""
    objective.register(Unlikelihood())
    optimizer = OptimizerConfig(learning_rate=1e-3, warmup=0)
    settings = UnlikelihoodConfig(epochs=4, batch_rows=8, row_length=32, optimizer=optimizer)
    return ObjectiveCommand(data="rows.jsonl", training=settings)


@pytest.fixture(autouse=True)
def toy(monkeypatch) -> Unlikelihood:
    monkeypatch.setattr(objective, "_REGISTRY", dict(objective.objectives()))
    return Unlikelihood()


def test_the_loss_by_hand(tiny, toy) -> None:
    params, example = parameters.init(tiny, jax.random.key(0)), Example((5, 6, 7, 8, 9), labels=((1, 0.0), (3, 1.0)))
    rows = toy.layout(UnlikelihoodConfig(row_length=32), [example])
    total, sums = jax.jit(toy.loss(tiny, UnlikelihoodConfig(), jnp.float32))(params, rows.arrays)
    p = np.exp(forward.log_probs(tiny, params, example.tokens))
    assert float(total) == pytest.approx(-np.log(1 - p[1, 7]) - np.log(p[3, 9]), rel=1e-5)
    assert float(sums["count"]) == 2


def test_it_is_trained_from_the_command_line(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    steps = [
        {"question": f"Make {n}.", "steps": [f"1. {n} + 1 = {n}", f"2. {n} * 1 = {n}"], "labels": [0, 1]} for n in range(8)
    ]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in steps))
    assert cli.main(["run", __file__, "--output", "out", "--training.epochs", "3"]) == 0
    found = json.loads((tmp_path / "out" / "summary.json").read_text())
    losses = [loss for _, loss, _ in found["curve"]]
    assert (found["examples"], len(losses)) == (8, 3 * found["steps"] // 3)
    assert losses[-1] < 0.9 * losses[0]
    (tmp_path / "rows.jsonl").write_text('{"question": "?", "steps": ["1. a"]}\n')
    assert cli.main(["run", __file__, "--output", "other"]) == 2


def test_it_is_benched_and_planned(capsys) -> None:
    objective.register(Unlikelihood())
    assert run(TrainBench("tiny", "unlikelihood", rows=8, length=32, steps=1, runs=1, dtype="float32"))["mfu_full"] > 0
    pytest.importorskip("libtpu")
    assert cli.main(["plan", __file__, "--topology", "v5e-8"]) == 0
    assert "fits; a step is 256 tokens" in capsys.readouterr().out
