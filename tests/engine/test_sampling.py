from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jorney.engine.drawing import SamplingParams, restrict, sample, threshold


def _sampling(temperature: float = 1.0, top_k: int = 0, top_p: float = 1.0, min_p: float = 0.0) -> SamplingParams:
    return SamplingParams(jnp.float32(temperature), jnp.int32(top_k), jnp.float32(top_p), jnp.float32(min_p))


def _sorted_keep(probs: np.ndarray, top_k: int, top_p: float, min_p: float) -> set[int]:
    """The set by sorting, as transformers and vLLM do it, in float64."""
    order = np.argsort(-probs, kind="stable")
    if top_k:
        order = order[:top_k]
    if top_p < 1:
        mass = np.cumsum(probs[order]) / probs[order].sum()
        order = order[: int(np.searchsorted(mass, top_p)) + 1]
    return {int(i) for i in order if probs[i] >= min_p * probs.max()}


_kept = jax.jit(lambda probs, sampling: probs >= threshold(probs, sampling)[:, None])


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    scale=st.floats(0.1, 8),
    top_k=st.sampled_from([0, 1, 2, 5, 50, 299]),
    top_p=st.sampled_from([0.05, 0.5, 0.9, 0.95, 1.0]),
    min_p=st.sampled_from([0.0, 0.01, 0.3]),
)
def test_threshold_keeps_what_sorting_keeps(seed: int, scale: float, top_k: int, top_p: float, min_p: float) -> None:
    logits = scale * np.random.default_rng(seed).normal(size=(2, 300))
    probs = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    found = np.asarray(_kept(jnp.asarray(probs, jnp.float32), _sampling(1.0, top_k, top_p, min_p)))
    for row in range(2):
        expected = _sorted_keep(probs[row], top_k, top_p, min_p)
        different = expected ^ set(np.flatnonzero(found[row]).tolist())
        # Only a token on the very edge of the mass may fall on the other side in float32.
        assert sum(probs[row][sorted(different)]) < 1e-4, different


@pytest.mark.parametrize("cut", [{"top_p": 0.9}, {"top_p": 0.999}, {"top_k": 3}, {"top_k": 5000}, {"min_p": 0.01}])
@pytest.mark.parametrize("steep", [0.3, 1.1, 2.0])
def test_a_large_vocabulary_is_cut_where_sorting_cuts_it(cut: dict, steep: float) -> None:
    """Few tokens are kept, and the heaviest blocks hold them all; or thousands, and they do not; rows of both kinds too."""
    rng = np.random.default_rng(0)
    weights = np.stack([rng.permutation(np.arange(1, 20_001) ** -power) for power in (steep, 1.5)])
    found = np.asarray(_kept(jnp.asarray(weights, jnp.float32), _sampling(**cut)))
    for row in range(2):
        expected = _sorted_keep(weights[row], cut.get("top_k", 0), cut.get("top_p", 1.0), cut.get("min_p", 0.0))
        different = expected ^ set(np.flatnonzero(found[row]).tolist())
        assert len(different) <= 1, (len(different), len(expected))  # what float32 sums leave open


def test_every_token_is_drawn_as_often_as_it_weighs() -> None:
    """Over several blocks, none of whose padding and none of what is cut is ever drawn."""
    weights = np.zeros(300)
    weights[[0, 63, 64, 200, 299]] = [0.1, 0.2, 0.3, 0.25, 0.15]
    logits = jnp.tile(jnp.log(jnp.asarray(weights, jnp.float32)), (20_000, 1))
    found = sample(logits, jax.random.split(jax.random.key(3), 20_000), _sampling())
    share = np.bincount(found.token, minlength=300) / 20_000
    np.testing.assert_allclose(share, weights, atol=4 * np.sqrt(0.25 / 20_000))
    assert set(np.flatnonzero(share)) == {0, 63, 64, 200, 299}


@pytest.mark.parametrize("share", [0.0, 1 - 2**-24])
def test_the_least_and_the_largest_share_draw_what_may_be_drawn(share: float, monkeypatch) -> None:
    monkeypatch.setattr(jax.random, "uniform", lambda key, shape, dtype: jnp.full(shape, share, dtype))
    logits = jnp.asarray(np.random.default_rng(0).normal(size=(50, 500)) * 4, jnp.float32)
    sampling = _sampling(0.7, top_p=0.9)
    found = sample(logits, jax.random.split(jax.random.key(0), 50), sampling)
    weights = np.asarray(restrict(logits, sampling).weights).reshape(50, -1)
    kept = [np.flatnonzero(row) for row in weights]
    assert found.token.tolist() == [own[0] if share == 0 else own[-1] for own in kept]


def test_ties_at_the_edge_are_all_kept() -> None:
    probs = jnp.array([[0.4, 0.2, 0.2, 0.2]])
    assert _kept(probs, _sampling(top_k=2)).tolist() == [[True, True, True, True]]
    assert _kept(probs, _sampling(top_p=0.3)).tolist() == [[True, False, False, False]]


def test_greedy_is_argmax_with_its_log_probability() -> None:
    logits = jnp.array([[1.0, 3.0, 2.0], [0.0, -1.0, -2.0]])
    found = sample(logits, jax.random.split(jax.random.key(0), 2), _sampling(temperature=0.0, top_p=0.1))
    assert found.token.tolist() == [1, 0]
    np.testing.assert_allclose(found.log_prob, jax.nn.log_softmax(logits)[jnp.arange(2), found.token], rtol=1e-6)
    assert found.sampling_log_prob.tolist() == [0.0, 0.0]


def test_frequencies_and_both_log_probabilities() -> None:
    """4,000 draws: frequencies follow the cut, tempered distribution, whose log-probability is reported."""
    logits = jnp.tile(jnp.log(jnp.array([[0.5, 0.3, 0.15, 0.05]])), (4000, 1))
    found = sample(logits, jax.random.split(jax.random.key(1), 4000), _sampling(temperature=0.5, top_p=0.9))
    tempered = np.array([0.25, 0.09, 0.0225, 0.0025]) / 0.365
    expected = tempered[:2] / tempered[:2].sum()  # .685 + .247 passes .9 at the second
    share = np.bincount(found.token, minlength=4) / 4000
    np.testing.assert_allclose(share, [*expected, 0, 0], atol=4 * np.sqrt(0.25 / 4000))
    np.testing.assert_allclose(np.exp(found.sampling_log_prob), expected[found.token], rtol=1e-4)
    np.testing.assert_allclose(np.exp(found.log_prob), np.array([0.5, 0.3])[found.token], rtol=1e-4)


@pytest.mark.parametrize("vocabulary", [72, 1000, 20_000])
def test_a_row_does_not_see_its_neighbours(vocabulary: int) -> None:
    logits = jnp.asarray(np.random.default_rng(0).normal(size=(5, vocabulary)), jnp.float32)
    keys = jax.random.split(jax.random.key(2), 5)
    together, alone = sample(logits, keys, _sampling(0.7, 20, 0.9)), sample(logits[3:4], keys[3:4], _sampling(0.7, 20, 0.9))
    assert int(together.token[3]) == int(alone.token[0])
