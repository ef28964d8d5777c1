from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jorney.model import params as parameters
from jorney.model import transformer
from jorney.model.architecture import ModelConfig
from jorney.model.attention import Segment, attend, causal_attention
from jorney.model.blockwise import within


@pytest.fixture(scope="module")
def params(tiny: ModelConfig) -> parameters.Params:
    return parameters.init(tiny, jax.random.key(0))


def _tokens(B: int, T: int, seed: int = 0) -> jax.Array:
    return jnp.asarray(np.random.default_rng(seed).integers(0, 72, (B, T)), jnp.int32)


def test_packed_segments_do_not_see_each_other(tiny: ModelConfig, params: parameters.Params) -> None:
    first, second = _tokens(1, 7), _tokens(1, 5, seed=1)
    packed = jnp.concatenate([first, second, jnp.zeros((1, 4), jnp.int32)], axis=1)
    segment_ids = jnp.array([[1] * 7 + [2] * 5 + [0] * 4])
    positions = jnp.array([[*range(7), *range(5), *range(4)]])
    hidden = transformer.hidden_states(tiny, params, packed, segment_ids, positions)
    together = transformer.read_out(tiny, params, hidden)
    np.testing.assert_allclose(together[:, :7], transformer.logits(tiny, params, first), atol=2e-5)
    np.testing.assert_allclose(together[:, 7:12], transformer.logits(tiny, params, second), atol=2e-5)


def test_future_tokens_change_nothing(tiny: ModelConfig, params: parameters.Params) -> None:
    a, b = _tokens(1, 8), _tokens(1, 8).at[0, 5:].set(3)
    np.testing.assert_array_equal(transformer.logits(tiny, params, a)[:, :5], transformer.logits(tiny, params, b)[:, :5])


def test_scanned_and_unrolled_agree(tiny: ModelConfig, params: parameters.Params) -> None:
    tokens = _tokens(2, 9)
    positions = jnp.broadcast_to(jnp.arange(9), tokens.shape)
    one = jnp.ones_like(tokens)
    read = lambda q, k, v: (causal_attention(q, k, v, one, one), k)  # noqa: E731
    scanned, nothing = transformer.Transformer(tiny).apply({"params": params}, tokens, positions, read)
    split = parameters.unstack(params, tiny.layers)
    unrolled, kept = transformer.Transformer(tiny).apply({"params": split}, tokens, positions, [read] * tiny.layers)
    np.testing.assert_allclose(scanned, unrolled, atol=1e-5)
    assert (nothing, [keys.shape for keys in kept]) == ([], [(2, 9, 4, 8)] * 2)


def _with_full_mask(config: ModelConfig, params: parameters.Params, tokens: jax.Array, segment_ids: jax.Array) -> jax.Array:
    """The forward with attention as the textbook has it: the engine's, over one segment under a mask of whole rows."""
    order = jnp.arange(tokens.shape[1])
    mask = within(order, order, config.window) & (segment_ids[:, :, None] == segment_ids[:, None, :])
    read = lambda q, k, v: (attend(q, [Segment(k.swapaxes(1, 2), v.swapaxes(1, 2), mask)]), None)  # noqa: E731
    return transformer.Transformer(config).apply({"params": params}, tokens, jnp.broadcast_to(order, tokens.shape), read)[0]


@pytest.mark.parametrize("window", [None, 5])
def test_the_training_forward_and_its_gradients_are_those_of_masked_attention(
    tiny: ModelConfig, params: parameters.Params, window: int | None
) -> None:
    config = dataclasses.replace(tiny, window=window, family="mistral")
    tokens, segments = _tokens(2, 12), jnp.array([[1] * 7 + [2] * 5, [1] * 4 + [2] * 4 + [0] * 4])
    positions = jnp.broadcast_to(jnp.arange(12), tokens.shape)
    one, other = (
        lambda p: transformer.hidden_states(config, p, tokens, segments, positions),
        lambda p: _with_full_mask(config, p, tokens, segments),
    )
    np.testing.assert_allclose(one(params), other(params), atol=2e-5)
    found, expected = (jax.grad(lambda p, f=f: jnp.sum(jnp.sin(f(p))))(params) for f in (one, other))
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-4 * float(jnp.abs(b).max())), found, expected)


@pytest.mark.parametrize(
    "remat",
    [
        pytest.param(name, marks=[pytest.mark.slow] if name in ("dots", "attended") else [])
        for name in transformer.REMAT_POLICIES
    ],
)
def test_remat_changes_no_gradient(tiny: ModelConfig, params: parameters.Params, remat: str) -> None:
    tokens = _tokens(2, 8)
    ones, positions = jnp.ones_like(tokens), jnp.broadcast_to(jnp.arange(8), tokens.shape)

    def total(p: parameters.Params, policy: str) -> jax.Array:
        return jnp.sum(jnp.square(transformer.hidden_states(tiny, p, tokens, ones, positions, remat=policy)))

    expected, found = jax.grad(total)(params, "none"), jax.grad(total)(params, remat)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-3), expected, found)


def test_bfloat16_is_close_and_logits_are_float32(tiny: ModelConfig, params: parameters.Params) -> None:
    tokens = _tokens(2, 8)
    exact, rough = transformer.logits(tiny, params, tokens), transformer.logits(tiny, params, tokens, jnp.bfloat16)
    assert rough.dtype == jnp.float32
    assert float(jnp.max(jnp.abs(exact - rough)) / jnp.std(exact)) < 0.1


def test_constraints_are_in_the_program_under_a_mesh_only(tiny: ModelConfig, params: parameters.Params, mesh1) -> None:
    """Under a wrong context they would vanish silently."""
    tokens = _tokens(2, 8)
    program = lambda p: transformer.logits(tiny, p, tokens)  # noqa: E731
    with jax.set_mesh(mesh1):
        inside = str(jax.make_jaxpr(program)(params))
    assert inside.count("sharding_constraint") >= 5
    assert str(jax.make_jaxpr(program)(params)).count("sharding_constraint") == 0
