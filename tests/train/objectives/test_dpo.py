"""DPO: a shared prompt changes nothing, the mathematics is the paper's, and training prefers what was chosen."""

from __future__ import annotations

import dataclasses
import gc
import math
import random
import weakref
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from forward import log_probs

from jorney.batch.pairs import Preference, lay_out
from jorney.compiled import Compilations
from jorney.model import params as parameters
from jorney.model.params import param_shardings
from jorney.policy import Policy
from jorney.sharding import MeshConfig, make_mesh
from jorney.train import training
from jorney.train.loop import LoopConfig
from jorney.train.objectives import dpo
from jorney.train.objectives.dpo import DpoConfig, dpo_loss, preference_log_probs
from jorney.train.optimizer import OptimizerConfig
from jorney.train.step import LossFn

_log_probs = jax.jit(preference_log_probs, static_argnums=0, static_argnames="head_chunk")


def _loss(*settings: Any, **named: Any) -> LossFn:
    return jax.jit(dpo_loss(*settings, **named))


def _pairs(count: int = 5, seed: int = 0) -> list[Preference]:
    rng = random.Random(seed)
    draw = lambda low, high: tuple(rng.randrange(3, 72) for _ in range(rng.randint(low, high)))  # noqa: E731
    return [Preference(draw(1, 30), draw(1, 40), draw(1, 40)) for _ in range(count)]


def _batch(rows) -> dict[str, np.ndarray]:
    return {name: np.stack([rows[row][name] for row in range(len(rows))]) for name in rows[0]}


def _alone(config, params, prompt, completion) -> float:
    """Log-probability of a completion read by itself."""
    found = log_probs(config, params, [*prompt, *completion])
    return float(sum(found[len(prompt) - 1 + i, token] for i, token in enumerate(completion)))


@pytest.mark.parametrize("window", [None, 7])
def test_a_shared_prompt_gives_the_log_probs_of_two_texts(tiny, window) -> None:
    config = dataclasses.replace(tiny, window=window, family="mistral")
    params = parameters.init(config, jax.random.key(0))
    pairs = _pairs()
    chosen, rejected = _log_probs(config, params, _batch(lay_out(pairs, 8)))
    for row, pair in enumerate(pairs):
        assert float(chosen[row]) == pytest.approx(_alone(config, params, pair.prompt, pair.chosen), abs=2e-4)
        assert float(rejected[row]) == pytest.approx(_alone(config, params, pair.prompt, pair.rejected), abs=2e-4)
    assert float(chosen[5]) == float(rejected[7]) == 0  # rows that only fill the batch


def test_the_head_in_chunks_is_the_head(tiny) -> None:
    params = parameters.init(tiny, jax.random.key(0))
    batch = _batch(lay_out(_pairs()))
    assert batch["chosen_mask"].shape[1] == 64
    for chunk in (16, 48):  # the second divides nothing
        for a, b in zip(_log_probs(tiny, params, batch), _log_probs(tiny, params, batch, head_chunk=chunk), strict=True):
            np.testing.assert_allclose(a, b, atol=1e-4)


def _policy(tiny, mesh1, policy: Policy, seed: int = 0) -> Policy:
    return dataclasses.replace(policy, config=tiny, params=parameters.init(tiny, jax.random.key(seed)), mesh=mesh1)


def _train(policy: Policy, pairs, config: DpoConfig, seed: int, *where, **how):
    return training.train(policy, training.prepare(policy, pairs, config, seed), config, seed, *where, **how)


def test_the_loss_is_the_papers(tiny, mesh1, policy) -> None:
    """log 2 where policy and reference are one; elsewhere as computed by hand."""
    start = _policy(tiny, mesh1, policy)
    config = DpoConfig(batch_pairs=8)
    rows = dpo.with_reference(start, lay_out(_pairs(), 8), config)
    loss, sums = _loss(tiny, 0.1)(start.params, _batch(rows))
    assert float(sums["count"]) == 5
    assert float(loss) == pytest.approx(5 * math.log(2), rel=1e-5)
    other = parameters.init(tiny, jax.random.key(1))
    loss, sums = _loss(tiny, 0.1)(other, _batch(rows))
    chosen, rejected = (np.asarray(part[:5]) for part in _log_probs(tiny, other, _batch(rows)))
    margin = 0.1 * ((chosen - rows.reference_chosen[:5]) - (rejected - rows.reference_rejected[:5]))
    assert float(loss) == pytest.approx(float(np.log1p(np.exp(-margin)).sum()), rel=1e-4)
    assert float(sums["accuracy"]) == (margin > 0).sum()
    assert float(sums["margin"]) == pytest.approx(float(margin.sum()), rel=1e-3)


def test_rows_that_fill_the_batch_have_no_gradient(tiny, mesh1, policy) -> None:
    start = _policy(tiny, mesh1, policy)
    five = dpo.with_reference(start, lay_out(_pairs()), DpoConfig(batch_pairs=5))
    eight = dpo.with_reference(start, lay_out(_pairs(), 8), DpoConfig(batch_pairs=8))
    gradient = jax.jit(jax.grad(lambda params, batch: dpo_loss(tiny, 0.1)(params, batch)[0]))
    one, other = (gradient(start.params, _batch(rows)) for rows in (five, eight))
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-4), one, other)


def test_training_prefers_what_was_chosen(tiny, mesh1, policy, tmp_path) -> None:
    start = _policy(tiny, mesh1, policy)
    config = DpoConfig(batch_pairs=5, epochs=8, optimizer=OptimizerConfig(learning_rate=1e-3, warmup=0))
    trained, records = _train(start, _pairs(), config, 0, tmp_path)
    assert len(records) == 8
    assert records[0]["loss"] == pytest.approx(math.log(2), rel=1e-5)
    assert records[0]["margin"] == pytest.approx(0, abs=1e-4)
    assert records[-1]["margin"] > 0.5
    assert records[-1]["accuracy"] == 1
    assert float(jnp.abs(trained.params["embedding"] - start.params["embedding"]).max()) > 1e-4


def test_a_pair_longer_than_the_model_is_refused(tiny, mesh1, policy, tmp_path) -> None:
    long = [Preference((5,) * 200, (6,) * 100, (7,))]
    with pytest.raises(ValueError, match="needs 300 positions: expected at most the model's 256"):
        _train(_policy(tiny, mesh1, policy), long, DpoConfig(batch_pairs=1), 0, tmp_path)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(
            ("samples", 0),
            ("pairs", 0),
            ("beta", 0.0),
            ("temperature", 0.0),
            ("top_p", 0.0),
            ("remat", "some"),
            ("accumulate", 3),
        ),
        *(("kind", "hinge"), ("label_smoothing", 0.5), ("label_smoothing", -0.1), ("prompt_length", 0)),
    ],
)
def test_settings_out_of_range_are_named(field, value) -> None:
    with pytest.raises(ValueError, match=f"dpo.{field} = |accumulate = 3"):
        DpoConfig(**{field: value})


def test_ipo_has_no_smoothing() -> None:
    with pytest.raises(ValueError, match="dpo.label_smoothing = 0.1: expected 0 with dpo.kind = 'ipo'"):
        DpoConfig(kind="ipo", label_smoothing=0.1)


def test_labels_that_may_be_wrong(tiny, mesh1, policy) -> None:
    """With smoothing e the loss is (1 - e) times its own and e times that of the pairs turned round."""
    start, config = _policy(tiny, mesh1, policy), DpoConfig(batch_pairs=5)
    pairs = _pairs()
    turned = [Preference(one.prompt, one.rejected, one.chosen) for one in pairs]
    other = parameters.init(tiny, jax.random.key(1))
    batches = [_batch(dpo.with_reference(start, lay_out(own, 5, 32, 64), config)) for own in (pairs, turned)]
    own, round_ = (float(_loss(tiny, 0.01)(other, batch)[0]) for batch in batches)
    smoothed = float(_loss(tiny, 0.01, label_smoothing=0.25)(other, batches[0])[0])
    assert own != pytest.approx(round_, rel=1e-2)
    assert smoothed == pytest.approx(0.75 * own + 0.25 * round_, rel=1e-5)


def test_ipo_starts_at_its_distance(tiny, mesh1, policy) -> None:
    """(0 - 1 / (2 beta))^2 where policy and reference are one; lengths do not matter."""
    start = _policy(tiny, mesh1, policy)
    rows = dpo.with_reference(start, lay_out(_pairs(), 8), DpoConfig(batch_pairs=8))
    loss, sums = _loss(tiny, 0.1, kind="ipo")(start.params, _batch(rows))
    assert float(loss) / float(sums["count"]) == pytest.approx(25, rel=1e-4)
    with pytest.raises(ValueError, match="kind = 'hinge': expected one of sigmoid, ipo"):
        dpo_loss(tiny, 0.1, kind="hinge")


def test_a_reference_counts_completion_tokens_only(tiny, mesh1, policy) -> None:
    """What stands in the padding, and how much of it there is, changes nothing."""
    start, config = _policy(tiny, mesh1, policy), DpoConfig(batch_pairs=5)
    narrow, wide = lay_out(_pairs(), 5), lay_out(_pairs(), 5, 96, 128)
    wide.tokens[wide.parts == 0] = 7
    one, other = (dpo.with_reference(start, rows, config) for rows in (narrow, wide))
    np.testing.assert_allclose(one.reference_chosen, other.reference_chosen, rtol=1e-5)
    np.testing.assert_allclose(one.reference_rejected, other.reference_rejected, rtol=1e-5)
    assert float(one.reference_chosen.max()) < 0


def test_training_goes_on_with_the_reference_it_started_with(tiny, mesh1, policy, tmp_path) -> None:
    start = _policy(tiny, mesh1, policy)
    config = DpoConfig(batch_pairs=5, epochs=4, optimizer=OptimizerConfig(learning_rate=1e-3, warmup=0))
    whole, records = _train(start, _pairs(), config, 0, tmp_path / "whole")

    class Stop(Exception):
        pass

    def stop(step: int, record: object) -> None:
        if step == 3:
            raise Stop

    often = dataclasses.replace(config, loop=LoopConfig(save_every=2))
    with pytest.raises(Stop):
        _train(start, _pairs(), often, 0, tmp_path / "parts", on_step=stop)
    written = (tmp_path / "parts" / "reference.npz").read_bytes()
    compilations = Compilations()
    again, resumed = _train(start, _pairs(), often, 0, tmp_path / "parts", compilations)
    assert "reference log-probs" not in compilations.names  # read, not computed
    assert (tmp_path / "parts" / "reference.npz").read_bytes() == written
    assert resumed == records
    jax.tree.map(np.testing.assert_array_equal, again.params, whole.params)
    with pytest.raises(ValueError, match="reference.npz: belongs to other preference pairs"):
        _train(start, _pairs(seed=1), often, 0, tmp_path / "parts")


def test_rows_that_are_no_whole_batches_are_refused(tiny, mesh1, policy) -> None:
    with pytest.raises(ValueError, match="5 rows are no multiple of dpo.batch_pairs = 2"):
        dpo.with_reference(_policy(tiny, mesh1, policy), lay_out(_pairs()), DpoConfig(batch_pairs=2))


def test_a_compiled_program_lets_the_reference_go(tiny, mesh1, policy) -> None:
    """Its parameters would stay on the devices for as long as the run lasts."""
    start, compilations = _policy(tiny, mesh1, policy), Compilations()
    dpo.with_reference(start, lay_out(_pairs(), 5), DpoConfig(batch_pairs=5), compilations)
    seen = weakref.ref(start)
    del start
    gc.collect()
    assert compilations.names == ["reference log-probs"]
    assert seen() is None


def test_eight_devices_give_one_devices_loss(tiny, mesh1, policy, tmp_path) -> None:
    config = DpoConfig(batch_pairs=8, epochs=2, optimizer=OptimizerConfig(learning_rate=1e-3, warmup=0))
    mesh = make_mesh(MeshConfig(data=2, fsdp=2, tensor=2))
    spread = dataclasses.replace(_policy(tiny, mesh, policy), params=_spread(tiny, mesh))
    _, expected = _train(_policy(tiny, mesh1, policy), _pairs(), config, 0, tmp_path / "one")
    _, found = _train(spread, _pairs(), config, 0, tmp_path / "eight")
    assert found[-1]["loss"] < 0.9 * math.log(2)
    assert [record["loss"] for record in found] == pytest.approx([record["loss"] for record in expected], rel=1e-3)


def _spread(tiny, mesh):
    return jax.device_put(parameters.init(tiny, jax.random.key(0)), param_shardings(tiny, mesh))
