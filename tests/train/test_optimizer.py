"""AdamW is optax's; bfloat16 states are what they say; stochastic rounding is unbiased and never leaves the neighbours."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import optax
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jorney.train.optimizer import OptimizerConfig, apply, make_optimizer, make_schedule, round_stochastically

STEPS = 20
STATED = {"learning_rate": 0.03, "warmup": 0.2, "b1": 0.8, "b2": 0.97, "eps": 1e-6, "weight_decay": 0.1, "clip": 0.5}
_round = jax.jit(round_stochastically)
_apply = jax.jit(apply)


def _params(dtype=jnp.float32) -> dict[str, jax.Array]:
    keys = jax.random.split(jax.random.key(0))
    return {"a": jax.random.normal(keys[0], (6, 5), dtype), "b": {"c": jax.random.normal(keys[1], (7,), dtype)}}


def _grads(step: int) -> dict[str, jax.Array]:
    """Their norm is about 6 or 0.06: clipped, or not."""
    scale = 1.0 if step % 2 else 0.01
    return jax.tree.map(lambda leaf: scale * jax.random.normal(jax.random.key(100 + step + leaf.size), leaf.shape), _params())


def _run(config: OptimizerConfig, params, steps: int = STEPS):
    """As the step does: updates times the rate, then added."""
    optimizer, rates = make_optimizer(config), make_schedule(config, STEPS)
    update, state = jax.jit(optimizer.update), optimizer.init(params)
    for step in range(steps):
        updates, state = update(_grads(step), state, params)
        rate = jnp.float32(rates(step))
        params = _apply(params, jax.tree.map(lambda leaf, rate=rate: leaf * rate, updates), jax.random.key(step))
    return params, state


@pytest.mark.parametrize("clip", [0.5, 0.0])
@pytest.mark.parametrize("schedule", ["cosine", "constant"])
def test_float32_is_optaxs_adamw_behind_its_clipping(schedule: str, clip: float) -> None:
    """The schedule inside optax, ours outside of the optimizer."""
    config = OptimizerConfig(**{**STATED, "clip": clip}, schedule=schedule, final_fraction=0.1)
    adamw = optax.adamw(make_schedule(config, STEPS), 0.8, 0.97, 1e-6, weight_decay=0.1)
    plain = optax.chain(optax.clip_by_global_norm(clip), adamw) if clip else adamw
    params, state = _params(), plain.init(_params())
    for step in range(STEPS):
        updates, state = plain.update(_grads(step), state, params)
        params = optax.apply_updates(params, updates)
    found, _ = _run(config, _params())
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=2e-6), found, params)
    moved = max(float(jnp.abs(a - b).max()) for a, b in zip(*map(jax.tree.leaves, (found, _params())), strict=True))
    assert moved > 0.1


def test_a_step_by_hand() -> None:
    """Of gradients 3 and 4, clipped to the norm 1; Adam's first step is their sign, and decay a tenth of the parameter."""
    config = OptimizerConfig(weight_decay=0.1, clip=1.0, eps=1e-12)
    optimizer, params = make_optimizer(config), jnp.array([2.0, -1.0])
    updates, (_, state) = optimizer.update(jnp.array([3.0, 4.0]), optimizer.init(params), params)
    np.testing.assert_allclose(updates, [-1 - 0.2, -1 + 0.1], rtol=1e-5)
    np.testing.assert_allclose(state[0].mu, [0.1 * 0.6, 0.1 * 0.8], rtol=1e-5)
    np.testing.assert_allclose(state[0].nu, [0.05 * 0.36, 0.05 * 0.64], rtol=1e-5)


@pytest.mark.parametrize("master", ["float32", "bfloat16"])
@pytest.mark.parametrize("moments", ["float32", "bfloat16"])
def test_moments_are_held_in_their_dtype_whatever_the_parameters(moments: str, master: str) -> None:
    params = _params(jnp.dtype(master))
    found, (_, state) = _run(OptimizerConfig(**STATED, moments=moments, master=master), params, steps=3)
    for tree in (state[0].mu, state[0].nu):
        assert jax.tree.map(lambda leaf: (leaf.shape, str(leaf.dtype)), tree) == {
            "a": ((6, 5), moments),
            "b": {"c": ((7,), moments)},
        }
    assert {str(leaf.dtype) for leaf in jax.tree.leaves(found)} == {master}
    assert (state[0].count.dtype, int(state[0].count)) == (jnp.int32, 3)


def test_bfloat16_moments_are_float32_ones_but_for_their_rounding() -> None:
    """The first update is the very same: its moments were not stored yet. Later ones drift by a few thousandths."""
    exact, rough = (OptimizerConfig(**STATED, moments=moments) for moments in ("float32", "bfloat16"))
    jax.tree.map(np.testing.assert_array_equal, _run(exact, _params(), 1)[0], _run(rough, _params(), 1)[0])
    (one, (_, held)), (other, (_, kept)) = (_run(config, _params()) for config in (exact, rough))
    for a, b, start in zip(*map(jax.tree.leaves, (one, other, _params())), strict=True):
        assert float(jnp.linalg.norm(a - b) / jnp.linalg.norm(a - start)) < 0.02
    for a, b in zip(jax.tree.leaves(held[0].nu), jax.tree.leaves(kept[0].nu), strict=True):
        np.testing.assert_allclose(b.astype(jnp.float32), a, rtol=0.05)


@pytest.mark.parametrize(("name", "value"), [("b2", 0.999), ("b2", 0.991), ("b1", 0.995)])
def test_bfloat16_moments_that_would_stand_still_are_refused(name: str, value: float) -> None:
    with pytest.raises(ValueError, match="optimizer.moments = 'bfloat16': expected b1 and b2 of 0.99 at most, or moments = "):
        OptimizerConfig(moments="bfloat16", **{name: value})
    assert getattr(OptimizerConfig(**{name: value}), name) == value
    assert getattr(OptimizerConfig(moments="bfloat16", **{name: 0.99}), name) == 0.99


@pytest.mark.parametrize(("field", "value"), [("master", "float16"), ("moments", "int8"), ("b1", 1.0), ("b2", -0.1)])
def test_settings_out_of_range_are_named(field: str, value: object) -> None:
    with pytest.raises(ValueError, match=f"optimizer.{field} = {value!r}: expected"):
        OptimizerConfig(**{field: value})


def _neighbours(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The bfloat16 values next to float32 ones, towards zero and away from it."""
    bits = x.view(np.uint32) & np.uint32(0xFFFF0000)
    return bits.view(np.float32), (bits + np.uint32(0x10000)).view(np.float32)


@settings(max_examples=200, deadline=None)
@given(st.floats(2.0**-100, 2.0**100, width=32), st.booleans(), st.integers(0, 2**31))
def test_a_value_is_rounded_to_one_of_its_two_neighbours(size: float, negative: bool, seed: int) -> None:
    x = np.full(64, -size if negative else size, np.float32)
    inner, outer = _neighbours(x)
    found = np.asarray(_round(x, jax.random.key(seed)).astype(jnp.float32))
    if np.array_equal(inner, x):
        np.testing.assert_array_equal(found, x)
    assert np.isin(found, [inner[0], outer[0]]).all()


@settings(max_examples=50, deadline=None)
@given(st.floats(width=16, allow_nan=False, allow_subnormal=False), st.integers(0, 2**31))
def test_what_is_a_bfloat16_already_stays(value: float, seed: int) -> None:
    exact = np.float32(ml_dtypes.bfloat16(value))
    found = _round(np.full(64, exact, np.float32), jax.random.key(seed))
    assert found.dtype == jnp.bfloat16
    np.testing.assert_array_equal(found.astype(jnp.float32), np.full(64, exact))


@pytest.mark.parametrize("share", [0.01, 0.25, 0.5, 0.9])
def test_the_nearer_neighbour_is_the_likelier(share: float) -> None:
    """Between 1 and 1 + 2^-7, `share` of the way up, in 65,536 draws."""
    x = np.full(2**16, np.float32(1 + share * 2**-7))
    for sign in (1, -1):
        up = float((np.abs(np.asarray(_round(sign * x, jax.random.key(3)), np.float32)) > 1).mean())
        assert up == pytest.approx(share, abs=5 * np.sqrt(share * (1 - share) / 2**16))


def test_rounding_is_unbiased() -> None:
    """The mean over 4,096 keys is the value, to five standard errors; to the nearest it would be off by a fourth of a gap."""
    x = np.random.default_rng(0).normal(size=64).astype(np.float32)
    rounded = jax.jit(jax.vmap(lambda key: round_stochastically(x, key)))(jax.random.split(jax.random.key(0), 4096))
    inner, outer = _neighbours(x)
    gap = np.abs(outer - inner)
    errors = np.asarray(rounded, np.float64).mean(axis=0) - x
    assert np.all(np.abs(errors) < 5 * gap / 2 / np.sqrt(4096))
    nearest = np.abs(x.astype(ml_dtypes.bfloat16).astype(np.float32) - x)
    assert np.mean(nearest / gap) > 0.2
    assert abs(np.mean(errors / gap)) < 5 / 2 / np.sqrt(4096 * 64)


def test_updates_below_half_a_gap_add_up() -> None:
    """1,000 times 10^-4 onto 1, whose next bfloat16 is 1.0078: to the nearest nothing would ever move."""
    params, update = jnp.ones(512, jnp.bfloat16), jnp.full(512, 1e-4, jnp.float32)
    assert (params.astype(jnp.float32) + update).astype(jnp.bfloat16)[0] == 1

    def add(params: jax.Array, step: jax.Array) -> tuple[jax.Array, None]:
        return apply(params, update, jax.random.fold_in(jax.random.key(0), step)), None

    found = np.asarray(jax.lax.scan(add, params, jnp.arange(1000))[0], np.float32)
    # A step's rounding has the variance 10^-4 x (2^-7 - 10^-4): a thousand of them the deviation 0.028.
    assert found.mean() == pytest.approx(1.1, abs=5 * 0.028 / np.sqrt(512))
    assert found.std() == pytest.approx(0.028, rel=0.15)


def test_applying_is_a_function_of_the_key() -> None:
    params, updates = _params(jnp.bfloat16), jax.tree.map(lambda leaf: 1e-3 * leaf, _params())
    one, same, other = (_apply(params, updates, jax.random.key(seed)) for seed in (0, 0, 1))
    jax.tree.map(np.testing.assert_array_equal, one, same)
    assert any((a != b).any() for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True))


def test_equal_leaves_round_each_on_their_own() -> None:
    ones, half_a_gap = jnp.ones(4096, jnp.bfloat16), jnp.full(4096, 2.0**-8)
    found = _apply({"a": ones, "b": ones}, {"a": half_a_gap, "b": half_a_gap}, jax.random.key(0))
    assert float((found["a"] == found["b"]).mean()) == pytest.approx(0.5, abs=0.05)


def test_float32_parameters_are_not_rounded() -> None:
    params, updates = _params(), jax.tree.map(lambda leaf: 1e-3 * leaf, _params())
    jax.tree.map(
        np.testing.assert_array_equal, _apply(params, updates, jax.random.key(0)), optax.apply_updates(params, updates)
    )


def test_a_bfloat16_master_follows_the_float32_one() -> None:
    """At a rate whose steps are a fortieth of a gap, where rounding to the nearest stands still."""
    stated = {**STATED, "learning_rate": 2e-4, "schedule": "constant", "warmup": 0.0, "weight_decay": 0.0}
    config, start = OptimizerConfig(**stated), {"a": jnp.full((64, 64), 1.5)}
    optimizer = make_optimizer(config)
    grads, key = {"a": jnp.ones((64, 64))}, jax.random.key(0)

    def run(params):
        def one(carry, step):
            params, state = carry
            updates, state = optimizer.update(grads, state, params)
            updates = jax.tree.map(lambda leaf: leaf * config.learning_rate, updates)
            return (apply(params, updates, jax.random.fold_in(key, step)), state), None

        return jax.lax.scan(one, (params, optimizer.init(params)), jnp.arange(200))[0][0]["a"]

    exact, rough = run(start), run(jax.tree.map(lambda leaf: leaf.astype(jnp.bfloat16), start))
    assert rough.dtype == jnp.bfloat16
    moved = 1.5 - float(exact.mean())
    assert moved == pytest.approx(200 * 2e-4, rel=1e-3)
    assert 1.5 - float(rough.astype(jnp.float32).mean()) == pytest.approx(moved, rel=0.02)
