"""The head in pieces is the head: log-probabilities, cross-entropy and their gradients; and logits are never all held."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from programs import equations, largest

from jorney import topology
from jorney.machine import aot
from jorney.model import params as parameters
from jorney.model import transformer
from jorney.model.params import param_shardings
from jorney.sharding import MeshConfig, make_mesh, named
from jorney.train import cross_entropy as module
from jorney.train.cross_entropy import cross_entropy, log_probs, masked_log_probs, piece_length

B, T, D, V = 4, 24, 32, 72


@pytest.fixture(scope="module", params=[False, True], ids=["untied", "tied"])
def config(tiny, request):
    return dataclasses.replace(tiny, tie_embeddings=request.param)


@pytest.fixture(scope="module")
def params(config):
    return parameters.init(config, jax.random.key(0))


def _inputs(rows: int = B, length: int = T) -> tuple[jax.Array, jax.Array]:
    keys = jax.random.split(jax.random.key(1))
    return jax.random.normal(keys[0], (rows, length, D)), jax.random.randint(keys[1], (rows, length), 0, V)


def _weights(rows: int = B, length: int = T, seed: int = 0) -> np.ndarray:
    """Anything from 0 to 3, two thirds of it 0; the first row has none."""
    rng = np.random.default_rng(seed)
    weights = rng.uniform(0.1, 3, (rows, length)) * (rng.random((rows, length)) < 1 / 3)
    weights[0] = 0
    return weights.astype(np.float32)


def _plain_log_probs(config, params, hidden, targets) -> jax.Array:
    scores = jax.nn.log_softmax(transformer.read_out(config, params, hidden))
    return jnp.take_along_axis(scores, targets[..., None], -1)[..., 0]


def _plain(config, params, hidden, targets, weights) -> jax.Array:
    return -jnp.sum(weights * _plain_log_probs(config, params, hidden, targets))


def _graded(loss, params, hidden):
    """Jitted: the loss, and its gradients by parameters and hidden states, of 0.7 times it."""
    return jax.jit(jax.value_and_grad(lambda p, h: 0.7 * loss(p, h), (0, 1)))(params, hidden)


def _same(found, expected, tolerance: float = 1e-5) -> None:
    """To within a share of each array's largest entry."""
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=0, atol=tolerance * max(1e-3, float(jnp.abs(b).max()))),
        found,
        expected,
    )


@pytest.mark.parametrize("tokens", [1, 7, 16, 32, 10_000])
def test_log_probs_and_their_gradients_are_the_whole_heads(config, params, tokens: int) -> None:
    hidden, targets = _inputs()
    found, hits = jax.jit(lambda p, h: log_probs(config, p, h, targets, tokens))(params, hidden)
    np.testing.assert_allclose(found, _plain_log_probs(config, params, hidden, targets), atol=2e-5)
    np.testing.assert_array_equal(hits, jnp.argmax(transformer.read_out(config, params, hidden), -1) == targets)
    # No weighted sum: what preference losses make of them.
    ours = _graded(lambda p, h: jnp.sum(jnp.sin(log_probs(config, p, h, targets, tokens)[0])), params, hidden)
    _same(ours, _graded(lambda p, h: jnp.sum(jnp.sin(_plain_log_probs(config, p, h, targets))), params, hidden), 2e-5)


@pytest.mark.parametrize("weights", [_weights(), np.ones((B, T), np.float32)], ids=["some", "all"])
@pytest.mark.parametrize("tokens", [1, 7, 16, 32, 10_000])
def test_cross_entropy_and_its_gradients_are_the_whole_heads(config, params, weights: np.ndarray, tokens: int) -> None:
    hidden, targets = _inputs()
    ours = _graded(lambda p, h: cross_entropy(config, p, h, targets, weights, tokens)[0], params, hidden)
    _same(ours, _graded(lambda p, h: _plain(config, p, h, targets, weights), params, hidden))
    value, hits = jax.jit(lambda p, h: cross_entropy(config, p, h, targets, weights, tokens))(params, hidden)
    assert float(value) * 0.7 == pytest.approx(float(ours[0]), rel=1e-6)
    right = jnp.argmax(transformer.read_out(config, params, hidden), -1) == targets
    np.testing.assert_array_equal(hits, right & (weights > 0))


def test_hits_stand_where_their_tokens_do(config, params) -> None:
    """Every other target is the most likely token."""
    hidden, _ = _inputs()
    best = jnp.argmax(transformer.read_out(config, params, hidden), -1)
    even = jnp.arange(T) % 2 == 0
    targets, weights = jnp.where(even, best, (best + 1) % V), _weights()
    for tokens in (4, 10_000):
        np.testing.assert_array_equal(cross_entropy(config, params, hidden, targets, weights, tokens)[1], even & (weights > 0))
        np.testing.assert_array_equal(log_probs(config, params, hidden, targets, tokens)[1], jnp.broadcast_to(even, (B, T)))


def test_without_weights_there_is_nothing(config, params) -> None:
    hidden, targets = _inputs()
    loss = lambda p, h: cross_entropy(config, p, h, targets, jnp.zeros((B, T)), 16)  # noqa: E731
    assert float(loss(params, hidden)[0]) == 0
    assert not loss(params, hidden)[1].any()
    value, gradients = _graded(lambda p, h: loss(p, h)[0], params, hidden)
    assert float(value) == 0
    assert not any(leaf.any() for leaf in jax.tree.leaves(gradients))


@pytest.mark.parametrize("tokens", [8, 16, 10_000])
def test_pieces_without_weight_are_never_read_out(config, params, tokens: int) -> None:
    """Rows have eight tokens of weight each: the pieces after them may hold anything."""
    hidden, targets = _inputs()
    weights = np.zeros((B, T), np.float32)
    for row in range(B):
        weights[row, np.random.default_rng(row).choice(T, 8, replace=False)] = 1.5
    broken = jnp.where(weights[..., None] > 0, hidden, jnp.nan)
    loss = lambda p, h: cross_entropy(config, p, h, targets, weights, tokens)[0]  # noqa: E731
    value, (by_params, by_hidden) = _graded(loss, params, broken)
    if tokens == 10_000:  # one piece is the row
        assert np.isnan(value)
        return
    expected = _graded(loss, params, hidden)
    assert float(value) == float(expected[0])
    jax.tree.map(np.testing.assert_array_equal, (by_params, by_hidden), expected[1])
    assert not np.asarray(by_hidden)[weights == 0].any()


def test_only_as_many_pieces_run_as_hold_weight(config, params, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of six pieces of four tokens a row, those up to the last token of weight of the fullest row."""
    bounds = []
    monkeypatch.setattr(module.jax.lax, "fori_loop", lambda low, high, body, start: bounds.append(int(high)) or start)
    hidden, targets = _inputs()
    for count in (0, 1, 4, 5, 24):
        weights = np.zeros((B, T), np.float32)
        weights[1, T - count :] = 1
        cross_entropy(config, params, hidden, targets, weights, 4 * B)
    assert bounds == [0, 1, 1, 2, 6]


@given(st.integers(1, 16), st.integers(1, 300), st.integers(1, 10_000))
def test_pieces_divide_the_row_and_keep_to_the_limit(rows: int, length: int, tokens: int) -> None:
    size = piece_length(rows, length, tokens)
    assert length % size == 0
    assert rows * size <= max(rows, tokens)
    larger = [other for other in range(size + 1, length + 1) if length % other == 0]
    assert all(rows * other > tokens for other in larger)


def test_the_limit_is_a_devices() -> None:
    """Four devices share the rows of a batch: each holds a fourth of a piece."""
    assert piece_length(8, 64, 32) == 4
    with jax.set_mesh(make_mesh(MeshConfig(data=2, fsdp=2, tensor=2))):
        assert piece_length(8, 64, 32) == 16


@pytest.mark.parametrize("tokens", [16, 10_000])
def test_eight_devices_give_one_devices_losses_and_gradients(config, params, tokens: int) -> None:
    mesh = make_mesh(MeshConfig(data=2, fsdp=2, tensor=2))
    hidden, targets = _inputs()
    weights = _weights()

    def both(p, h, t, w):
        return cross_entropy(config, p, h, t, w, tokens)[0], jnp.sum(w * log_probs(config, p, h, t, tokens)[0])

    def graded(p, h, t, w):
        return [jax.value_and_grad(lambda p, h, i=i: both(p, h, t, w)[i], (0, 1))(p, h) for i in range(2)]

    expected = jax.jit(graded)(params, hidden, targets, weights)
    places = named(mesh, "batch", "length", "embed"), named(mesh, "batch", "length"), named(mesh, "batch", "length")
    spread = jax.device_put(params, param_shardings(config, mesh)), *jax.device_put((hidden, targets, weights), places)
    with jax.set_mesh(mesh):
        found = jax.jit(graded)(*spread)
    _same(found, expected)
    assert float(found[0][0]) == pytest.approx(-float(found[1][0]), rel=1e-5)


def test_bfloat16_is_close_and_the_heads_gradient_keeps_its_dtype(config, params) -> None:
    hidden, targets = _inputs()
    rough = hidden.astype(jnp.bfloat16)
    weights = _weights()
    value, (by_params, by_hidden) = _graded(lambda p, h: cross_entropy(config, p, h, targets, weights, 16)[0], params, rough)
    exact, (expected, expected_hidden) = _graded(
        lambda p, h: _plain(config, p, h, targets, weights), params, rough.astype(jnp.float32)
    )
    name = "embedding" if config.tie_embeddings else "head"
    assert (value.dtype, by_params[name].dtype, by_hidden.dtype) == (jnp.float32, jnp.float32, jnp.bfloat16)
    assert float(value) == pytest.approx(float(exact), rel=5e-3)
    for a, b in ((by_params[name], expected[name]), (by_hidden.astype(jnp.float32), expected_hidden)):
        assert float(jnp.abs(a - b).mean()) < 0.01 * float(jnp.std(b))


@pytest.mark.parametrize("function", [log_probs, cross_entropy])
def test_logits_of_a_batch_are_never_held(config, params, function) -> None:
    """Of 2 x 256 positions, 32 at a time: no array has more elements than their logits, the head or the hidden states."""
    hidden, targets = jnp.ones((2, 256, D)), jnp.ones((2, 256), jnp.int32)
    weights = () if function is log_probs else (jnp.ones((2, 256)),)
    loss = lambda p, h: jnp.sum(function(config, p, h, targets, *weights, 32)[0])  # noqa: E731
    whole = lambda p, h: _plain(config, p, h, targets, 1.0)  # noqa: E731
    assert largest(jax.grad(whole, (0, 1)), params, hidden) == 2 * 256 * V == 36_864
    assert largest(jax.grad(loss, (0, 1)), params, hidden) == 2 * 256 * D == 16_384
    narrow = hidden[..., :1]  # of one dimension, where nothing but logits is large
    head = {name: leaf[:, :1] for name, leaf in params.items() if name in ("embedding", "head")}
    assert largest(jax.grad(loss, (0, 1)), head, narrow) == 32 * V
    assert largest(jax.grad(whole, (0, 1)), head, narrow) == 2 * 256 * V


def test_a_barrier_that_was_tuned_on_cpus_is_not_for_tpus(tiny, mesh1) -> None:
    """Compiled for a v5e, SmolLM2-135M's step holds 6% less without it; DeepSeekMath-7B's on sixteen is the same."""
    pytest.importorskip("libtpu")

    def barriers(mesh) -> int:
        shapes = ((2, 16, tiny.embed), jnp.float32), ((2, 16), jnp.int32), ((2, 16), jnp.float32)
        run = jax.grad(lambda params, *arrays: cross_entropy(tiny, params, *arrays, 8)[0])
        with jax.set_mesh(mesh):
            traced = jax.jit(run).trace(parameters.abstract(tiny), *(jax.ShapeDtypeStruct(*one) for one in shapes))
        return sum(one.primitive.name == "optimization_barrier" for one, _ in equations(traced.jaxpr))

    assert barriers(mesh1) == 1
    assert barriers(aot.make_mesh(topology.find("v5e-1"), MeshConfig())) == 0


def _plain_of(config, params, hidden, targets, temperature: float) -> tuple[jax.Array, jax.Array]:
    """Log-probabilities and entropies by a plain softmax of all logits."""
    scores = jax.nn.log_softmax(transformer.read_out(config, params, hidden) / temperature)
    return jnp.take_along_axis(scores, targets[..., None], -1)[..., 0], -jnp.sum(jnp.exp(scores) * scores, axis=-1)


@pytest.mark.parametrize("mask", [_weights() > 0, np.ones((B, T), bool), np.zeros((B, T), bool)], ids=["some", "all", "none"])
@pytest.mark.parametrize("temperature", [1.0, 0.6, 1.7])
@pytest.mark.parametrize("tokens", [1, 16, 10_000])
def test_masked_log_probs_entropies_and_gradients_are_a_plain_softmaxs(
    config, params, mask, temperature: float, tokens: int
) -> None:
    hidden, targets = _inputs()
    ours = lambda p, h: masked_log_probs(config, p, h, targets, mask, tokens, temperature, True)  # noqa: E731
    found, entropies = jax.jit(ours)(params, hidden)
    expected, spread = _plain_of(config, params, hidden, targets, temperature)
    np.testing.assert_allclose(found, np.where(mask, expected, 0), atol=3e-5)
    np.testing.assert_allclose(entropies, np.where(mask, spread, 0), atol=3e-5)
    # No weighted sum; and entropies have no gradient.
    graded = _graded(lambda p, h: jnp.sum(jnp.sin(ours(p, h)[0]) + ours(p, h)[1] * 0), params, hidden)
    plain = lambda p, h: jnp.sum(jnp.where(mask, jnp.sin(_plain_of(config, p, h, targets, temperature)[0]), 0))  # noqa: E731
    _same(graded, _graded(plain, params, hidden), 3e-5)
    only = jax.jit(jax.grad(lambda p, h: jnp.sum(ours(p, h)[1]), (0, 1)))(params, hidden)
    assert not any(leaf.any() for leaf in jax.tree.leaves(only))


def test_masked_log_probs_without_entropies_or_temperature_compute_nothing_more(config, params) -> None:
    hidden, targets = _inputs()

    def names(**stated) -> list[str]:
        traced = jax.make_jaxpr(lambda p, h: masked_log_probs(config, p, h, targets, jnp.ones((B, T)), 16, **stated)[0])
        return sorted(one.primitive.name for one, _ in equations(traced(params, hidden)))

    plain = names()
    assert masked_log_probs(config, params, hidden, targets, jnp.ones((B, T)), 16)[1] is None
    assert plain.count("dot_general") == 1
    assert plain.count("div") + 1 == names(temperature=2.0).count("div")
    assert len(plain) < len(names(entropies=True))


def test_entropies_of_even_and_of_certain_tokens(config, params) -> None:
    """log V where all logits are equal; 0, and no NaN, where one is beyond all others."""
    hidden, targets = _inputs()
    assert masked_log_probs(config, params, hidden * 0, targets, jnp.ones((B, T)), 16, 1.0, True)[1] == pytest.approx(np.log(V))
    certain = masked_log_probs(config, params, hidden * 1e6, targets, jnp.ones((B, T)), 16, 1.0, True)[1]
    np.testing.assert_allclose(certain, 0, atol=1e-6)


@pytest.mark.parametrize("tokens", [16, 10_000])
def test_eight_devices_give_one_devices_masked_log_probs(config, params, tokens: int) -> None:
    mesh = make_mesh(MeshConfig(data=2, fsdp=2, tensor=2))
    hidden, targets = _inputs()
    mask = (_weights() > 0).astype(np.int32)

    def graded(p, h, t, m):
        def loss(p, h):
            found, entropies = masked_log_probs(config, p, h, t, m, tokens, 0.8, True)
            return jnp.sum(jnp.sin(found)), (found, entropies)

        return jax.value_and_grad(loss, (0, 1), has_aux=True)(p, h)

    expected = jax.jit(graded)(params, hidden, targets, mask)
    places = named(mesh, "batch", "length", "embed"), named(mesh, "batch", "length"), named(mesh, "batch", "length")
    spread = jax.device_put(params, param_shardings(config, mesh)), *jax.device_put((hidden, targets, mask), places)
    with jax.set_mesh(mesh):
        found = jax.jit(graded)(*spread)
    _same(found, expected, 2e-5)
