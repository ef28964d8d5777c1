"""DPO: a shared prompt changes nothing, the mathematics is the paper's, and training prefers what was chosen."""

from __future__ import annotations

import dataclasses
import math
import random

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jorney.data.preferences import Preference, lay_out
from jorney.model import params as parameters
from jorney.model.transformer import hidden_states, read_out
from jorney.policy import Policy
from jorney.train import dpo
from jorney.train.dpo import DpoConfig
from jorney.train.losses import dpo_loss, preference_log_probs
from jorney.train.optimizer import OptimizerConfig


def _pairs(count: int = 5, seed: int = 0) -> list[Preference]:
    rng = random.Random(seed)
    draw = lambda low, high: tuple(rng.randrange(3, 72) for _ in range(rng.randint(low, high)))  # noqa: E731
    return [Preference(draw(1, 30), draw(1, 40), draw(1, 40)) for _ in range(count)]


def _batch(rows) -> dict[str, np.ndarray]:
    return {name: np.stack([rows[row][name] for row in range(len(rows))]) for name in rows[0]}


def _alone(config, params, prompt, completion) -> float:
    """Log-probability of a completion read by itself."""
    ids = np.array([[*prompt, *completion]], np.int32)
    positions = np.arange(ids.shape[1], dtype=np.int32)[None]
    hidden = hidden_states(config, params, ids, np.ones_like(ids), positions)
    log_probs = jax.nn.log_softmax(read_out(config, params, hidden))[0]
    return float(sum(log_probs[len(prompt) - 1 + i, token] for i, token in enumerate(completion)))


@pytest.mark.parametrize("window", [None, 7])
def test_a_shared_prompt_gives_the_log_probs_of_two_texts(tiny, window) -> None:
    config = dataclasses.replace(tiny, window=window, family="mistral")
    params = parameters.init(config, jax.random.key(0))
    pairs = _pairs()
    chosen, rejected = preference_log_probs(config, params, _batch(lay_out(pairs, 8)))
    for row, pair in enumerate(pairs):
        assert float(chosen[row]) == pytest.approx(_alone(config, params, pair.prompt, pair.chosen), abs=2e-4)
        assert float(rejected[row]) == pytest.approx(_alone(config, params, pair.prompt, pair.rejected), abs=2e-4)
    assert float(chosen[5]) == float(rejected[7]) == 0  # rows that only fill the batch


def test_the_head_in_chunks_is_the_head(tiny) -> None:
    params = parameters.init(tiny, jax.random.key(0))
    batch = _batch(lay_out(_pairs()))
    assert batch["chosen_mask"].shape[1] == 64
    for chunk in (16, 48):  # the second divides nothing
        for a, b in zip(
            preference_log_probs(tiny, params, batch), preference_log_probs(tiny, params, batch, head_chunk=chunk), strict=True
        ):
            np.testing.assert_allclose(a, b, atol=1e-4)


def _policy(tiny, mesh1, policy: Policy, seed: int = 0) -> Policy:
    return dataclasses.replace(policy, config=tiny, params=parameters.init(tiny, jax.random.key(seed)), mesh=mesh1)


def test_the_loss_is_the_papers(tiny, mesh1, policy) -> None:
    """log 2 where policy and reference are one; elsewhere as computed by hand."""
    start = _policy(tiny, mesh1, policy)
    config = DpoConfig(batch_pairs=8)
    rows = dpo.with_reference(start, lay_out(_pairs(), 8), config)
    loss, sums = dpo_loss(tiny, 0.1)(start.params, _batch(rows))
    assert float(sums["count"]) == 5
    assert float(loss) == pytest.approx(5 * math.log(2), rel=1e-5)
    other = parameters.init(tiny, jax.random.key(1))
    loss, sums = dpo_loss(tiny, 0.1)(other, _batch(rows))
    chosen, rejected = (np.asarray(part[:5]) for part in preference_log_probs(tiny, other, _batch(rows)))
    margin = 0.1 * ((chosen - rows.reference_chosen[:5]) - (rejected - rows.reference_rejected[:5]))
    assert float(loss) == pytest.approx(float(np.log1p(np.exp(-margin)).sum()), rel=1e-4)
    assert float(sums["accuracy"]) == (margin > 0).sum()
    assert float(sums["margin"]) == pytest.approx(float(margin.sum()), rel=1e-3)


def test_rows_that_fill_the_batch_have_no_gradient(tiny, mesh1, policy) -> None:
    start = _policy(tiny, mesh1, policy)
    five = dpo.with_reference(start, lay_out(_pairs()), DpoConfig(batch_pairs=5))
    eight = dpo.with_reference(start, lay_out(_pairs(), 8), DpoConfig(batch_pairs=8))
    gradient = jax.grad(lambda params, batch: dpo_loss(tiny, 0.1)(params, batch)[0])
    one, other = (gradient(start.params, _batch(rows)) for rows in (five, eight))
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-4), one, other)


def test_training_prefers_what_was_chosen(tiny, mesh1, policy, tmp_path) -> None:
    start = _policy(tiny, mesh1, policy)
    config = DpoConfig(batch_pairs=5, epochs=8, optimizer=OptimizerConfig(learning_rate=1e-3, warmup=0))
    trained, records = dpo.run(start, _pairs(), config, 0, tmp_path)
    assert len(records) == 8
    assert records[0]["loss"] == pytest.approx(math.log(2), rel=1e-5)
    assert records[0]["margin"] == pytest.approx(0, abs=1e-4)
    assert records[-1]["margin"] > 0.5
    assert records[-1]["accuracy"] == 1
    assert float(jnp.abs(trained.params["embedding"] - start.params["embedding"]).max()) > 1e-4


def test_a_pair_longer_than_the_model_is_refused(tiny, mesh1, policy, tmp_path) -> None:
    long = [Preference((5,) * 200, (6,) * 100, (7,))]
    with pytest.raises(ValueError, match="needs 300 positions: expected at most the model's 256"):
        dpo.run(_policy(tiny, mesh1, policy), long, DpoConfig(batch_pairs=1), 0, tmp_path)


@pytest.mark.parametrize(
    ("field", "value"),
    [("samples", 0), ("pairs", 0), ("beta", 0.0), ("temperature", 0.0), ("top_p", 0.0), ("remat", "some"), ("accumulate", 3)],
)
def test_settings_out_of_range_are_named(field, value) -> None:
    with pytest.raises(ValueError, match=f"dpo.{field} = |accumulate = 3"):
        DpoConfig(**{field: value})
