"""The terms of the preference loss: by hand, against numpy's formulas, and by their gradients."""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from forward import log_probs

from jorney.batch.pairs import Preference, lay_out
from jorney.batch.step_weights import softmax_weights
from jorney.config import digest
from jorney.convert import hf
from jorney.model import params as parameters
from jorney.model import transformer
from jorney.policy import Policy
from jorney.train import training
from jorney.train.objective import objective_of
from jorney.train.objectives import dpo
from jorney.train.objectives.dpo import DpoConfig, dpo_loss, preference_log_probs, shorter_wins, token_log_probs
from jorney.train.optimizer import OptimizerConfig

SIDES = ("chosen", "rejected")


def _batch(rows) -> dict[str, np.ndarray]:
    return {name: np.stack([rows[row][name] for row in range(len(rows))]) for name in rows[0]}


@pytest.fixture(scope="module")
def params(tiny):
    return parameters.init(tiny, jax.random.key(0))


def _pairs(count: int = 4) -> list[Preference]:
    """With two or three steps a side, scores and a smoothing of their own."""
    rng = np.random.default_rng(0)
    found = []
    for index in range(count):
        prompt, *sides = (tuple(map(int, rng.integers(3, 72, rng.integers(4, 20)))) for _ in range(3))
        steps = [((2, float(rng.random())), (len(side) - 2, float(rng.random()))) for side in sides]
        found.append(Preference(prompt, *sides, 0.1 * index, *steps))
    return found


def _laid(pairs, **settings: Any) -> tuple[DpoConfig, dict[str, np.ndarray]]:
    """A batch with references drawn at random."""
    config = DpoConfig(batch_pairs=len(pairs), beta=0.3, **settings)
    batch = _batch(objective_of(config).layout(config, pairs))
    rng = np.random.default_rng(1)
    return config, batch | {f"reference_{side}": rng.normal(-40, 5, len(pairs)).astype(np.float32) for side in SIDES}


def _loss(tiny, config: DpoConfig):
    return objective_of(config).loss(tiny, config, jnp.float32)


def _by_formula(each, pairs, batch, config: DpoConfig, xp=np):
    """The loss of each pair, from each token's log-probability: what the documentation says, written out."""
    found = []
    for row, pair in enumerate(pairs):
        ratios = {}
        for side, sign in zip(SIDES, (1, -1), strict=True):
            own, steps = each[side][row], getattr(pair, f"{side}_steps")
            if config.step_weights == "softmax":
                weights = np.exp([sign * config.step_gamma * score for _, score in steps])
                weights = np.repeat(weights / weights.sum(), [count for count, _ in steps])
                own = own * weights
            ratio = xp.sum(own) - batch[f"reference_{side}"][row]
            normal = config.kind == "ipo" or config.length_normalise
            ratios[side] = ratio / len(getattr(pair, side)) if normal else ratio
        h = ratios["chosen"] - ratios["rejected"]
        turned = pair.smoothing if config.smoothing == "own" else config.label_smoothing
        z = config.beta * h
        soft = lambda x: xp.log1p(xp.exp(x))  # noqa: E731
        loss = (h - 1 / (2 * config.beta)) ** 2 if config.kind == "ipo" else (1 - turned) * soft(-z) + turned * soft(z)
        found.append(loss - config.nll * xp.mean(each["chosen"][row]))
    return found


SETTINGS = [
    {},
    {"label_smoothing": 0.2},
    {"smoothing": "own"},
    {"nll": 0.7},
    {"length_normalise": True},
    {"step_weights": "softmax"},
    {"step_weights": "softmax", "step_gamma": 3.0, "smoothing": "own", "nll": 0.2},
    {"length_normalise": True, "smoothing": "own", "nll": 1.5},
    {"kind": "ipo"},
    {"kind": "ipo", "nll": 0.3},
]


@pytest.mark.parametrize("settings", SETTINGS, ids=lambda one: "-".join(one) or "plain")
def test_the_loss_is_the_formula(tiny, params, settings) -> None:
    pairs = _pairs()
    config, batch = _laid(pairs, **settings)
    total, sums = jax.jit(_loss(tiny, config))(params, batch)
    each: dict[str, list[np.ndarray]] = {side: [] for side in SIDES}
    for pair in pairs:
        for side in SIDES:
            ids = getattr(pair, side)
            scores = log_probs(tiny, params, [*pair.prompt, *ids])
            own = [scores[len(pair.prompt) - 1 + place, token] for place, token in enumerate(ids)]
            each[side].append(np.asarray(own, np.float64))
    expected = _by_formula(each, pairs, batch, config)
    assert float(total) == pytest.approx(sum(expected), rel=1e-4)
    assert float(sums["count"]) == len(pairs)
    assert float(sums["chosen_log_prob"]) == pytest.approx(sum(map(np.sum, each["chosen"])), rel=1e-4)
    assert float(sums["rejected_log_prob"]) == pytest.approx(sum(map(np.sum, each["rejected"])), rel=1e-4)


@pytest.mark.parametrize("settings", SETTINGS, ids=lambda one: "-".join(one) or "plain")
def test_the_gradient_is_the_formulas(tiny, params, settings) -> None:
    """Of texts read one by one, whose prompts are not shared."""
    pairs = _pairs(2)
    config, batch = _laid(pairs, **settings)

    def naive(params):
        each: dict[str, list[jax.Array]] = {side: [] for side in SIDES}
        for pair in pairs:
            for side in SIDES:
                ids = [*pair.prompt, *getattr(pair, side)]
                padded = jnp.zeros((1, 48), jnp.int32).at[0, : len(ids)].set(jnp.array(ids))
                scores = jax.nn.log_softmax(transformer.logits(tiny, params, padded))[0]
                start = len(pair.prompt)
                each[side].append(scores[jnp.arange(start - 1, len(ids) - 1), jnp.array(ids[start:])])
        return sum(_by_formula(each, pairs, batch, config, jnp))

    found = jax.jit(jax.grad(lambda p: _loss(tiny, config)(p, batch)[0]))(params)
    expected = jax.jit(jax.grad(naive))(params)
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        largest = float(jnp.abs(b).max())
        assert largest > 0
        np.testing.assert_allclose(a, b, rtol=0, atol=2e-4 * largest)


def _one(tiny, params, gap: tuple[float, float], **settings: Any) -> float:
    """The loss of one pair of single tokens whose log-ratios are given."""
    config = DpoConfig(batch_pairs=1, **settings)
    batch = _batch(objective_of(config).layout(config, [Preference((5, 6), (7,), (8,), 0.25)]))
    own = preference_log_probs(tiny, params, batch)
    batch |= {f"reference_{side}": np.asarray(value) - one for side, value, one in zip(SIDES, own, gap, strict=True)}
    return float(_loss(tiny, config)(params, batch)[0])


def test_by_hand(tiny, params) -> None:
    assert _one(tiny, params, (1, -1), beta=0.5) == pytest.approx(0.31326, abs=1e-5)
    assert _one(tiny, params, (1, -1), beta=0.5, label_smoothing=0.25) == pytest.approx(0.56326, abs=1e-5)
    assert _one(tiny, params, (1, -1), beta=0.5, smoothing="own") == pytest.approx(0.56326, abs=1e-5)
    assert _one(tiny, params, (1, -1), beta=0.1, kind="ipo") == pytest.approx(9, abs=1e-3)
    assert _one(tiny, params, (1, -1), beta=0.5, length_normalise=True) == pytest.approx(0.31326, abs=1e-5)


def test_steps_that_weigh_alike_are_means_and_weights_of_one_are_dpo(tiny, params) -> None:
    pairs = _pairs()
    config, batch = _laid(pairs)
    loss = jax.jit(_loss(tiny, config))
    plain = float(loss(params, batch)[0])
    ones = {f"{side}_weights": batch[f"{side}_mask"].astype(np.float32) for side in SIDES}
    assert float(loss(params, batch | ones)[0]) == pytest.approx(plain, rel=1e-6)
    _, means = _laid(pairs, step_weights="softmax", step_gamma=0.0)
    assert set(np.unique(means["chosen_weights"])) == {0, 0.5}
    halves = {name: value / 2 for name, value in ones.items()}
    assert float(loss(params, means)[0]) == pytest.approx(float(loss(params, batch | halves)[0]), rel=1e-6)
    assert softmax_weights([0.3, 0.3], 5.0) == pytest.approx([0.5, 0.5])


@pytest.mark.parametrize(
    ("settings", "cancels"),
    [({}, True), ({"label_smoothing": 0.3}, True), ({"length_normalise": True}, False), ({"nll": 0.5}, False)],
)
def test_a_common_beginning_cancels_in_sums_alone(tiny, params, settings, cancels: bool) -> None:
    """Whether it is the prompt's end or the beginning of both completions: value and gradient."""
    before, common, a, b = (5, 6, 7), (8, 9, 10, 11), (12, 13), (14, 15, 16)
    pairs = [Preference((*before, *common), a, b), Preference(before, (*common, *a), (*common, *b))]
    config = DpoConfig(batch_pairs=1, beta=0.3, prompt_length=8, completion_length=8, **settings)
    reference = parameters.init(tiny, jax.random.key(1))
    found = []
    for pair in pairs:
        batch = _batch(objective_of(config).layout(config, [pair]))
        batch |= {f"reference_{s}": v for s, v in zip(SIDES, preference_log_probs(tiny, reference, batch), strict=True)}
        found.append(jax.jit(jax.value_and_grad(_loss(tiny, config), has_aux=True))(params, batch))
    (one, _), (other, _) = (value for value, _ in found)
    assert (abs(float(one) - float(other)) < 1e-5) == cancels
    gaps = [float(jnp.abs(x - y).max()) for x, y in zip(*(jax.tree.leaves(grads) for _, grads in found), strict=True)]
    assert (max(gaps) < 1e-4) == cancels


def test_what_is_not_asked_for_changes_nothing(tiny, params) -> None:
    """Bit for bit the loss and the gradient that there were without these settings, whose formula stands here."""
    pairs = _pairs()
    _, batch = _laid(pairs)
    assert set(batch) == {
        *("tokens", "positions", "parts", "chosen_mask", "rejected_mask", "pair_mask"),
        *("reference_chosen", "reference_rejected"),
    }

    def before(params, batch):
        chosen, rejected = preference_log_probs(tiny, params, batch)
        margin = 0.3 * (chosen - batch["reference_chosen"]) - 0.3 * (rejected - batch["reference_rejected"])
        losses = -(1 - 0.0) * jax.nn.log_sigmoid(margin) - 0.0 * jax.nn.log_sigmoid(-margin)
        return jnp.sum(losses * batch["pair_mask"].astype(jnp.float32))

    value, grads = jax.jit(jax.value_and_grad(before))(params, batch)
    (found, _), own = jax.jit(jax.value_and_grad(dpo_loss(tiny, 0.3), has_aux=True))(params, batch)
    assert float(found) == float(value)
    jax.tree.map(np.testing.assert_array_equal, own, grads)


def test_older_configurations_keep_their_keys() -> None:
    """The digests of what there was before these settings."""
    assert digest(DpoConfig().decides()) == "5562fb61c2e3"
    assert digest(DpoConfig(kind="ipo", beta=0.3, batch_pairs=8, held_out=0.1).decides()) == "588d42924c70"
    changed = [
        {"smoothing": "own"},
        {"step_weights": "softmax"},
        {"step_weights": "softmax", "step_gamma": 2.0},
        {"nll": 0.1},
        {"length_normalise": True},
    ]
    keys = {digest(DpoConfig(**fields).decides()) for fields in ({}, {"step_gamma": 2.0}, *changed)}
    assert len(keys) == 1 + len(changed)  # without step weights gamma decides nothing


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"smoothing": "some"}, "dpo.smoothing = 'some': expected one of number, own"),
        ({"step_weights": "max"}, "dpo.step_weights = 'max': expected one of none, softmax"),
        ({"step_gamma": -1.0}, "dpo.step_gamma = -1.0: expected 0 or more"),
        ({"nll": -0.1}, "dpo.nll = -0.1: expected 0 or more"),
        ({"kind": "ipo", "length_normalise": True}, "dpo.length_normalise = True: expected False with dpo.kind = 'ipo'"),
        ({"kind": "ipo", "smoothing": "own"}, "dpo.smoothing = 'own': expected 'number' with dpo.kind = 'ipo'"),
        ({"kind": "ipo", "step_weights": "softmax"}, "dpo.step_weights = 'softmax': expected 'none' with dpo.kind = 'ipo'"),
        ({"smoothing": "own", "label_smoothing": 0.1}, "dpo.label_smoothing = 0.1: expected 0 with dpo.smoothing = 'own'"),
        (
            {"step_weights": "softmax", "length_normalise": True},
            "dpo.length_normalise = True: expected False with dpo.step_weights = 'softmax'",
        ),
    ],
)
def test_settings_that_do_not_go_together_are_named(fields, message) -> None:
    with pytest.raises(ValueError, match=message):
        DpoConfig(**fields)


def test_lengths_alone() -> None:
    pairs = [Preference((1,), (2,), (3, 4)), Preference((1,), (2, 5), (3, 4)), Preference((1,), (2, 5), (3,))]
    assert shorter_wins(pairs) == pytest.approx(0.5)
    assert shorter_wins(pairs[:1]) == 1


def test_another_model_is_the_reference(tiny, mesh1, policy, tmp_path) -> None:
    """Its log-probabilities, weighted as the policy's are, stand in the rows."""
    config = dataclasses.replace(tiny, vocab_size=512)
    start, other = (parameters.init(config, jax.random.key(seed)) for seed in (0, 1))
    hf.save(tmp_path / "other", config, other, policy.tokenizer, np.float32)
    mine = dataclasses.replace(policy, config=config, params=start, mesh=mesh1)
    settings = DpoConfig(
        batch_pairs=4,
        reference=str(tmp_path / "other"),
        step_weights="softmax",
        optimizer=OptimizerConfig(learning_rate=1e-3, warmup=0),
    )
    rows = objective_of(settings).layout(settings, _pairs(), 4)
    found = dpo.Dpo().with_reference(mine, rows, settings, tmp_path, "reference", dpo.Compilations())
    expected = preference_log_probs(config, other, _batch(rows))
    np.testing.assert_allclose(found.reference_chosen, expected[0], rtol=1e-5)
    np.testing.assert_allclose(found.reference_rejected, expected[1], rtol=1e-5)
    each = token_log_probs(config, other, _batch(rows))[0]
    np.testing.assert_allclose(found.reference_chosen, np.sum(each * rows.chosen_weights, axis=1), rtol=1e-5)
    # The same rows under other weights are other rows.
    again = dataclasses.replace(settings, step_gamma=2.0)
    other_rows = objective_of(again).layout(again, _pairs(), 4)
    with pytest.raises(ValueError, match="belongs to other preference pairs"):
        dpo.Dpo().with_reference(mine, other_rows, again, tmp_path, "reference", dpo.Compilations())


def test_training_with_all_terms(tiny, mesh1, policy: Policy, tmp_path) -> None:
    start = dataclasses.replace(policy, config=tiny, params=parameters.init(tiny, jax.random.key(0)), mesh=mesh1)
    rate = OptimizerConfig(learning_rate=1e-3, warmup=0)
    terms: dict[str, Any] = {"smoothing": "own", "step_weights": "softmax", "nll": 0.2}
    config = DpoConfig(batch_pairs=4, epochs=6, optimizer=rate, **terms)
    data = training.prepare(start, _pairs(), config, 0)
    _, records = training.train(start, data, config, 0, tmp_path)
    assert records[-1]["margin"] > records[0]["margin"] + 0.02
    assert records[-1]["chosen_log_prob"] > records[0]["chosen_log_prob"]
    assert lay_out(_pairs()).arrays.keys() < data.batches.rows.arrays.keys()
