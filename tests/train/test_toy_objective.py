"""An objective in one file: unlikelihood on wrong steps. Trained by the one way, staged, benched and planned like any other."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jorney import topology
from jorney.batch.packing import Example
from jorney.machine import aot
from jorney.machine.bench.train import TrainBench, run
from jorney.machine.plan.planned import compile_program
from jorney.machine.plan.training_step import training_step
from jorney.model import params as parameters
from jorney.model.architecture import ModelConfig
from jorney.model.presets import PRESETS
from jorney.model.transformer import hidden_states, read_out
from jorney.progress import Progress
from jorney.run.stages.finetune import plan_training
from jorney.run.workspace import Bench, Model
from jorney.sharding import MeshConfig
from jorney.text.step_format import ABEL, StepFormat
from jorney.text.tokenizer import Tokenizer
from jorney.train import objective, training
from jorney.train.cross_entropy import log_probs
from jorney.train.objective import PackedConfig, PackedObjective
from jorney.train.objectives.prm import labelled_example
from jorney.train.optimizer import OptimizerConfig
from jorney.train.step import Batch, LossFn

# --- the objective


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
        sums = {"loss": losses, "accuracy": (found > jnp.log(0.5)) == (labels > 0.5)}
        return jnp.sum(losses * known), {**{name: jnp.sum(x * known) for name, x in sums.items()}, "count": jnp.sum(known)}

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


# --- its tests

ROWS = [{"question": f"Make {n}.", "steps": [f"1. {n} + 1 = {n}", f"2. {n} * 1 = {n}"], "labels": [0, 1]} for n in range(8)]
CONFIG = UnlikelihoodConfig(epochs=4, batch_rows=2, row_length=128, optimizer=OptimizerConfig(learning_rate=1e-3, warmup=0))


@pytest.fixture(autouse=True)
def toy(monkeypatch) -> Unlikelihood:
    monkeypatch.setattr(objective, "_REGISTRY", dict(objective.objectives()))
    objective.register(Unlikelihood())
    return objective.objective_of("unlikelihood")


def test_the_loss_by_hand(tiny, toy) -> None:
    params, example = parameters.init(tiny, jax.random.key(0)), Example((5, 6, 7, 8, 9), labels=((1, 0.0), (3, 1.0)))
    rows = toy.layout(CONFIG, [example])
    total, sums = toy.loss(tiny, CONFIG, jnp.float32)(params, rows.arrays)
    tokens = np.array([example.tokens])
    scores = read_out(tiny, params, hidden_states(tiny, params, tokens, np.ones_like(tokens), np.arange(5)[None]))
    p = np.asarray(jax.nn.softmax(scores))[0]
    assert float(total) == pytest.approx(-np.log(1 - p[1, 7]) - np.log(p[3, 9]), rel=1e-5)
    assert float(sums["count"]) == 2


def test_it_is_trained_and_staged(policy, tmp_path, toy) -> None:
    make = lambda tokenizer: [toy.encode(tokenizer, ABEL, row, "here") for row in ROWS]  # noqa: E731
    _, records = training.train(policy, training.prepare(policy, make(policy.tokenizer), CONFIG, 0), CONFIG, 0, tmp_path / "a")
    assert records[-1]["loss"] < 0.8 * records[0]["loss"]
    bench = Bench(str(tmp_path / "run"), MeshConfig(devices=1), "float32", "abel", 0, Progress())
    done = bench.run(plan_training(bench, "toy", Model.at("embedded"), make, "rows", CONFIG, "eight rows"))
    assert done.result["curve"] == [[one["step"], one["loss"], one["accuracy"]] for one in records]


def test_it_is_benched_and_planned() -> None:
    found = run(TrainBench("tiny", "unlikelihood", rows=8, length=32, steps=1, runs=1, dtype="float32"))
    assert found["mfu_full"] > 0
    pytest.importorskip("libtpu")
    machine, config = topology.find("v5e-8"), dataclasses.replace(CONFIG, batch_rows=8)
    mesh = aot.make_mesh(machine, MeshConfig(data=1, fsdp=-1))
    assert compile_program(training_step("step", PRESETS["tiny"], config, jnp.bfloat16, machine, mesh), machine).fits
