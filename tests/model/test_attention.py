from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from programs import equations

from jorney import topology
from jorney.machine import aot
from jorney.model.architecture import ModelConfig, RopeScaling
from jorney.model.attention import Segment, attend, frequencies, rotate, turns
from jorney.model.blockwise import within
from jorney.sharding import MeshConfig


def _config(head_dim: int = 8, **stated: object) -> ModelConfig:
    return ModelConfig(vocab_size=8, embed=8, layers=1, heads=1, kv_heads=1, head_dim=head_dim, mlp=8, **stated)


def _plain(query: np.ndarray, keys: np.ndarray, values: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Attention as the textbook has it, in float64 loops over batch and heads."""
    B, T, N, H = query.shape
    out = np.zeros(query.shape)
    for b in range(B):
        for n in range(N):
            k = n * keys.shape[2] // N
            scores = query[b, :, n] @ keys[b, :, k].T / np.sqrt(H)
            scores = np.where(mask[b], scores, -np.inf)
            weights = np.exp(scores - scores.max(-1, keepdims=True))
            out[b, :, n] = weights / weights.sum(-1, keepdims=True) @ values[b, :, k]
    return out


def _random(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def _heads(x: np.ndarray) -> jax.Array:
    """[P, S, K, H] -> [P, K, S, H]."""
    return jnp.array(x).swapaxes(1, 2)


def test_one_segment_is_plain_attention() -> None:
    query, keys, values = _random(2, 5, 8, 4), _random(2, 5, 2, 4, seed=1), _random(2, 5, 2, 4, seed=2)
    segments = np.array([[1, 1, 1, 2, 2], [1, 2, 2, 2, 3]])
    mask = np.tri(5, dtype=bool) & (segments[:, :, None] == segments[:, None, :])
    found = attend(query, [Segment(_heads(keys), _heads(values), mask)])
    np.testing.assert_allclose(found, _plain(query, keys, values, mask), atol=1e-5)


def test_segments_join_under_one_softmax() -> None:
    """Three rows a prompt read the prompt's segment together with their own."""
    query, mask = _random(6, 2, 8, 4), np.random.default_rng(3).random((6, 2, 7)) < 0.7
    mask[..., 0] = True
    prompt_keys, prompt_values = _random(2, 4, 2, 4, seed=1), _random(2, 4, 2, 4, seed=2)
    keys, values = _random(6, 3, 2, 4, seed=4), _random(6, 3, 2, 4, seed=5)
    joined = attend(
        query,
        [
            Segment(_heads(prompt_keys), _heads(prompt_values), mask[..., :4]),
            Segment(_heads(keys), _heads(values), mask[..., 4:]),
        ],
    )
    dense_keys = np.concatenate([np.repeat(prompt_keys, 3, 0), keys], axis=1)
    dense_values = np.concatenate([np.repeat(prompt_values, 3, 0), values], axis=1)
    np.testing.assert_allclose(joined, _plain(query, dense_keys, dense_values, mask), atol=1e-5)


def test_turned_keys_are_the_same_keys() -> None:
    query, mask = _random(6, 2, 8, 4), np.random.default_rng(3).random((6, 2, 9)) < 0.7
    mask[..., 0] = True
    keys, values = (_heads(_random(2, 9, 2, 4, seed=seed)) for seed in (1, 2))
    found = attend(query, [Segment(keys.swapaxes(2, 3), values, mask, turned=True)])
    np.testing.assert_allclose(found, attend(query, [Segment(keys, values, mask)]), atol=1e-6)


def test_a_segment_that_is_hidden_adds_nothing() -> None:
    query, mask = _random(6, 2, 8, 4), np.ones((6, 2, 4), bool)
    first, hidden = ([_heads(_random(2, 4, 2, 4, seed=seed + own)) for own in (0, 1)] for seed in (1, 3))
    found = attend(query, [Segment(*first, mask), Segment(*hidden, ~mask)])
    np.testing.assert_allclose(found, attend(query, [Segment(*first, mask)]), atol=1e-6)


def test_rotation_depends_on_distance_alone() -> None:
    query, key = _random(1, 1, 1, 8), _random(1, 1, 1, 8, seed=1)
    turned = lambda x, position: rotate(x, turns(_config(), jnp.array([[position]])))  # noqa: E731
    dot = lambda i, j: float(jnp.sum(turned(query, i) * turned(key, j)))  # noqa: E731
    assert abs(dot(3, 1) - dot(103, 101)) < 1e-4
    assert abs(dot(3, 1) - dot(3, 2)) > 1e-3


def test_frequencies() -> None:
    plain = [1, 0.1, 0.01, 0.001]
    np.testing.assert_allclose(frequencies(_config()), plain, rtol=1e-6)
    linear = RopeScaling("linear", 4.0)
    np.testing.assert_allclose(frequencies(_config(rope_scaling=linear)), np.array(plain) / 4, rtol=1e-6)
    # Over 4,096 tokens the pairs make 652, 65, 6.5 and 0.65 turns: above 8 they stay, below 2 they are slowed 8 times,
    # 6.5 lies three quarters of the way up.
    llama3 = RopeScaling("llama3", 8.0, low_frequency=2.0, high_frequency=8.0, original_positions=4096)
    keep = (4096 * 0.01 / (2 * np.pi) - 2) / 6
    expected = [1, 0.1, keep * 0.01 + (1 - keep) * 0.01 / 8, 0.001 / 8]
    np.testing.assert_allclose(frequencies(_config(rope_scaling=llama3)), expected, rtol=1e-6)
    assert frequencies(_config()).dtype == np.float32


YARN = RopeScaling("yarn", 4.0, low_frequency=1.0, high_frequency=32.0, original_positions=4096)


@pytest.mark.parametrize(
    ("scaling", "slowed"),
    [
        # Of 16 pairs, base 10,000: 32 turns over 4,096 tokens are made by the pair 5.22, one turn by the pair 11.26.
        (YARN, [0] * 6 + [(i - 5) / 7 for i in range(6, 12)] + [1] * 4),
        (dataclasses.replace(YARN, truncate=False), [0] * 6 + [(i - 5.23612) / 6.0206 for i in range(6, 12)] + [1] * 4),
        # 4 and 2 turns: pairs 8.85 and 10.05.
        (dataclasses.replace(YARN, low_frequency=2.0, high_frequency=4.0), [0] * 9 + [1 / 3, 2 / 3] + [1] * 5),
        # A context in which no pair makes 32 turns: the passage begins at the first pair.
        (dataclasses.replace(YARN, original_positions=64), [0, 0.2, 0.4, 0.6, 0.8] + [1] * 11),
    ],
)
def test_yarn_slows_pairs_along_the_head(scaling: RopeScaling, slowed: list[float]) -> None:
    plain = 10_000 ** (-np.arange(16) / 16)
    expected = plain * (1 - np.array(slowed)) + plain / 4 * np.array(slowed)
    np.testing.assert_allclose(frequencies(_config(32, rope_scaling=scaling)), expected, rtol=1e-4)


@pytest.mark.parametrize(("stated", "magnitude"), [(None, 0.1 * np.log(4) + 1), (1.0, 1.0), (0.7, 0.7), (1.25, 1.25)])
def test_yarn_scales_sines_and_cosines(stated: float | None, magnitude: float) -> None:
    config = _config(32, rope_scaling=dataclasses.replace(YARN, attention_factor=stated))
    sin, cos = turns(config, jnp.arange(9)[None])
    np.testing.assert_allclose(np.hypot(sin, cos), magnitude, rtol=1e-6)
    np.testing.assert_allclose(np.arctan2(sin, cos)[0, 8, 0, 15], 8 * frequencies(config)[15], rtol=1e-5)


def test_dynamic_scaling_changes_nothing_within_the_positions() -> None:
    scaled = _config(rope_scaling=RopeScaling("dynamic", 2.0))
    np.testing.assert_array_equal(frequencies(scaled), frequencies(_config()))


def test_rotation_turns_the_two_halves_of_a_head() -> None:
    """Pair i of a head is its entries i and i + H/2; it turns by the position times its frequency."""
    x, position = _random(1, 1, 2, 8), 5
    pairs = (x[..., :4] + 1j * x[..., 4:]) * np.exp(1j * position * frequencies(_config()))
    found = rotate(x, turns(_config(), jnp.array([[position]])))
    np.testing.assert_allclose(found, np.concatenate([pairs.real, pairs.imag], axis=-1), atol=1e-5)


def test_within_counts_from_the_query_backwards() -> None:
    order = jnp.arange(5)
    assert within(order, order, None).sum(-1).tolist() == [1, 2, 3, 4, 5]
    # A window of two: a token and the one before it.
    assert within(order, order, 2).sum(-1).tolist() == [1, 2, 2, 2, 2]
    assert within(order, order, 2)[4].tolist() == [False, False, False, True, True]


def test_bfloat16_keeps_its_dtype() -> None:
    x, turned = jnp.asarray(_random(1, 3, 4, 4), jnp.bfloat16), turns(_config(head_dim=4), jnp.zeros((1, 3), jnp.int32))
    assert attend(x, [Segment(x.swapaxes(1, 2), x.swapaxes(1, 2), jnp.ones((1, 3, 3), bool))]).dtype == jnp.bfloat16
    assert [angles.dtype for angles in turned] == [jnp.float32, jnp.float32]
    assert rotate(x, turned).dtype == jnp.bfloat16
    assert jax.eval_shape(lambda: rotate(x, turned)).shape == (1, 3, 4, 4)


def test_what_was_tuned_on_cpus_is_for_cpus(mesh1) -> None:
    """By the mesh, which a program that is compiled ahead of time has from elsewhere."""
    pytest.importorskip("libtpu")
    query, keys = (jax.ShapeDtypeStruct(shape, jnp.float32) for shape in ((4, 1, 8, 16), (2, 4, 24, 16)))
    mask = np.ones((4, 1, 24), bool)

    def left(mesh) -> tuple[int, ...]:
        """The shape of the scores' left side, and how many barriers there are."""
        with jax.set_mesh(mesh):
            traced = jax.jit(lambda q, k: attend(q, [Segment(k, k, mask)])).trace(query, keys)
        found = [one for one, _ in equations(traced.jaxpr)]
        scores = next(one for one in found if one.primitive.name == "dot_general")
        return *scores.invars[0].aval.shape, sum(one.primitive.name == "optimization_barrier" for one in found)

    assert left(mesh1) == (2, 4, 24, 16, 1)  # the keys
    assert left(aot.make_mesh(topology.find("v5e-1"), MeshConfig())) == (2, 4, 4, 16, 0)  # 2 rows of 2 queries a key head
