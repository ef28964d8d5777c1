"""Low-rank adapters: what they are, by hand; what they leave alone; what they cost."""

from __future__ import annotations

import dataclasses
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from programs import product_operations

from jorney.model import flops, lora, params, transformer
from jorney.model.lora import TARGETS, LoraConfig, over_base
from jorney.model.params import Adapted
from jorney.model.presets import PRESETS
from jorney.sharding import MeshConfig, make_mesh
from jorney.train.objectives.sft import sft_loss
from jorney.train.optimizer import OptimizerConfig, make_optimizer
from jorney.train.state import create
from jorney.train.step import make_train_step

TOKENS = np.arange(24).reshape(2, 12) % 60


@pytest.fixture(scope="module")
def base(tiny):
    return params.init(tiny, jax.random.key(0))


def drawn(tiny, base, mesh, config: LoraConfig, scale: float = 0.1):
    """A tree to train whose B is not zero."""
    tree = lora.init(tiny, config, base, mesh, 1)
    leaves, structure = jax.tree.flatten(tree)
    keys = jax.random.split(jax.random.key(2), len(leaves))
    return jax.tree.unflatten(
        structure, [scale * jax.random.normal(k, leaf.shape) for k, leaf in zip(keys, leaves, strict=True)]
    )


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"rank": -1}, "lora.rank = -1"),
        ({"rank": 4, "alpha": 0.0}, "lora.alpha = 0"),
        ({"targets": ("q_proj", "lm_head")}, "lora.targets = 'lm_head': expected some of q_proj"),
        ({"targets": ()}, "lora.targets is empty"),
    ],
)
def test_settings_that_are_wrong_are_named(fields, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        LoraConfig(**fields)


def test_the_scale_is_alpha_over_the_rank_or_its_root() -> None:
    assert LoraConfig(16, 32.0).scale == 2
    assert LoraConfig(16, 32.0, rslora=True).scale == 8


def test_a_rank_beyond_a_weight_is_refused(tiny) -> None:
    least = min(min(row.stored) for row in lora.adapted(tiny, LoraConfig(1)).values())
    lora.adapted(tiny, LoraConfig(least))
    with pytest.raises(ValueError, match=f"lora.rank = {least + 1}: expected at most {least}, since [a-z]_proj is"):
        lora.adapted(tiny, LoraConfig(least + 1))


def test_deepseekmath_has_37_million_trained_parameters() -> None:
    """30 layers x 16 x (4 x (4096 + 4096) + 3 x (4096 + 11008)); the specification's figure."""
    assert lora.count(PRESETS["deepseekmath-7b"], LoraConfig(16)) == 30 * 16 * (4 * 8192 + 3 * 15104) == 37_478_400


def test_an_adapted_model_begins_as_its_base_bit_for_bit(tiny, base, mesh1) -> None:
    config = LoraConfig(4)
    whole = lora.join(base, lora.init(tiny, config, base, mesh1, 0), config.scale)
    for dtype in (jnp.float32, jnp.bfloat16):
        forward = jax.jit(lambda tree, dtype=dtype: transformer.logits(tiny, tree, TOKENS, dtype))
        np.testing.assert_array_equal(forward(whole), forward(base))


def test_a_is_drawn_as_torch_draws_a_linear_layer(tiny, base, mesh1) -> None:
    """Uniform within 1/sqrt(inputs): kaiming_uniform with a = sqrt(5). Another seed draws another."""
    config = LoraConfig(8)
    one, other = (dict(params.flatten(lora.init(tiny, config, base, mesh1, seed))) for seed in (0, 1))
    for path, leaf in one.items():
        if path[-1] == lora.B:
            assert not np.any(leaf)
            continue
        most = 1 / math.sqrt(math.prod(leaf.shape[1:-1]))
        assert np.abs(leaf).max() <= most
        assert np.std(leaf) == pytest.approx(most / math.sqrt(3), rel=0.1)
        assert not np.array_equal(leaf, other[path])


@pytest.mark.parametrize("remat", ["none", "dots", "full"])
def test_gradients_are_those_of_the_weight_by_the_chain_rule(tiny, base, mesh1, remat: str) -> None:
    """dA = s dW B^T and dB = s A^T dW, with dW the gradient of the merged model's weight."""
    config = LoraConfig(3, 6.0)
    trained = drawn(tiny, base, mesh1, config)
    loss = sft_loss(tiny, remat=remat)
    batch = {
        "tokens": jnp.asarray(np.random.default_rng(0).integers(3, 60, (2, 16))),
        "targets": jnp.asarray(np.random.default_rng(1).integers(3, 60, (2, 16))),
        "segment_ids": jnp.ones((2, 16), jnp.int32),
        "positions": jnp.broadcast_to(jnp.arange(16), (2, 16)),
        "loss_mask": jnp.ones((2, 16)),
    }
    with jax.set_mesh(mesh1):
        found = jax.jit(jax.grad(lambda tree: over_base(loss, config.scale)(tree, batch, base)[0]))(trained)
        whole = jax.jit(jax.grad(lambda tree: loss(tree, batch)[0]))(lora.merged(lora.join(base, trained, config.scale)))
    of_weights, own = dict(params.flatten(whole)), dict(params.flatten(trained))
    for path, leaf in params.flatten(found):
        row = params.table(tiny)[path[:-1]]
        inputs = lora.inputs_of(row)
        wide = np.asarray(of_weights[path[:-1]]).reshape(tiny.layers, math.prod(row.shape[:inputs]), -1)
        a, b = (
            np.asarray(own[(*path[:-1], name)]).reshape(tiny.layers, *shape)
            for name, shape in (("a", (wide.shape[1], 3)), ("b", (3, wide.shape[2])))
        )
        expected = 2 * (wide @ b.swapaxes(1, 2) if path[-1] == "a" else a.swapaxes(1, 2) @ wide)
        np.testing.assert_allclose(np.asarray(leaf).reshape(expected.shape), expected, rtol=2e-3, atol=2e-4)


@pytest.mark.parametrize("targets", [TARGETS, ("q_proj", "v_proj"), ("down_proj",), ("o_proj", "gate_proj")])
def test_merged_and_adapted_models_agree(tiny, base, mesh1, targets) -> None:
    config = LoraConfig(4, targets=targets)
    whole = lora.join(base, drawn(tiny, base, mesh1, config, 0.02), config.scale)
    forward = jax.jit(lambda tree: transformer.logits(tiny, tree, TOKENS))
    adapted, merged, plain = forward(whole), forward(lora.merged(whole)), forward(base)
    np.testing.assert_allclose(adapted, merged, atol=1e-5)
    assert np.abs(adapted - plain).max() > 1e-3
    assert not lora.is_adapted(lora.merged(whole))


def test_merging_adds_in_float32(mesh1) -> None:
    """1 + 2^-8 is no bfloat16: of a weight in bfloat16 the sum is rounded once, and not the change before it."""
    weight = jnp.ones((1, 2, 2), jnp.bfloat16)
    a, b = jnp.full((1, 2, 1), 2.0**-8), jnp.full((1, 1, 2), 1.5)
    found = lora.merged({"layers": {"w": Adapted(weight, a, b, 1.0)}})["layers"]["w"]
    assert found.dtype == jnp.bfloat16
    np.testing.assert_array_equal(found.astype(jnp.float32), np.float32(1 + 2.0**-7))  # 1 + 1.5 / 256, to the nearest


def test_join_and_part_undo_each_other(tiny, base, mesh1) -> None:
    config = LoraConfig(2)
    trained = drawn(tiny, base, mesh1, config)
    below, above = lora.part(lora.join(base, trained, config.scale))
    for found, expected in ((below, base), (above, trained)):
        assert jax.tree.structure(found) == jax.tree.structure(expected)
        jax.tree.map(np.testing.assert_array_equal, found, expected)


def test_neither_gradients_nor_state_know_the_base(tiny, base, mesh1) -> None:
    """The step's products are those that `flops.training` counts for adapters, and the state holds their leaves alone."""
    config = LoraConfig(4)
    optimizer = make_optimizer(OptimizerConfig())
    trained = lora.init(tiny, config, base, mesh1, 0)
    state = create(trained, optimizer)
    floats = [leaf.size for leaf in jax.tree.leaves(state.opt_state) if leaf.ndim]
    assert sum(floats) == 2 * lora.count(tiny, config)
    row = flops.packed_row(16)
    whole = flops.training(tiny, row, 2, 32, "full")
    counted = flops.training(tiny, row, 2, 32, "full", config)
    frozen = sum(
        math.prod(params.full_shape(tiny, one)) for one in params.table(tiny).values() if one.stacked and len(one.shape) > 1
    )
    assert whole - counted == 2 * 32 * (frozen + tiny.vocab_size * tiny.embed) - 6 * 32 * lora.count(tiny, config)


def test_a_step_changes_the_adapters_alone(tiny, base, mesh1) -> None:
    config = LoraConfig(4)
    optimizer = make_optimizer(OptimizerConfig(learning_rate=1e-2))
    step = make_train_step(over_base(sft_loss(tiny), config.scale), optimizer, accumulate=2)
    rng = np.random.default_rng(0)
    batch = {
        "tokens": jnp.asarray(rng.integers(3, 60, (4, 16))),
        "targets": jnp.asarray(rng.integers(3, 60, (4, 16))),
        "segment_ids": jnp.ones((4, 16), jnp.int32),
        "positions": jnp.broadcast_to(jnp.arange(16), (4, 16)),
        "loss_mask": jnp.ones((4, 16)),
    }
    state = create(lora.init(tiny, config, base, mesh1, 0), optimizer)
    with jax.set_mesh(mesh1):
        after, metrics = jax.jit(step)(state, batch, 1e-2, base)
    moved = {
        path[-1]: bool(np.any(leaf != before))
        for (path, leaf), (_, before) in zip(params.flatten(after.params), params.flatten(state.params), strict=True)
    }
    assert moved == {"a": False, "b": True}  # of the first step: B is zero, and with it A's gradient
    assert np.isfinite(metrics["loss"])


@given(st.integers(0, 2**32 - 1), st.integers(0, 23), st.integers(0, 23))
def test_a_fingerprint_knows_every_exchange(seed: int, i: int, j: int) -> None:
    values = np.random.default_rng(seed).standard_normal(24).astype(np.float32)
    other = values.copy()
    other[[i, j]] = other[[j, i]]
    one, two = (lora.fingerprint({"w": jnp.asarray(x.reshape(4, 6))}) for x in (values, other))
    assert (one == two) == (i == j)


def test_a_fingerprint_does_not_depend_on_the_mesh(tiny, base) -> None:
    places = params.param_shardings(tiny, make_mesh(MeshConfig(data=1, fsdp=4, tensor=2)))
    assert lora.fingerprint(jax.device_put(base, places)) == lora.fingerprint(base)
    assert lora.fingerprint(jax.tree.map(lambda leaf: leaf.astype(jnp.bfloat16), base)) != lora.fingerprint(base)


def test_the_engines_tree_keeps_adapters(tiny, base, mesh1) -> None:
    config = LoraConfig(4)
    whole = lora.join(base, drawn(tiny, base, mesh1, config, 0.02), config.scale)
    with jax.set_mesh(mesh1):
        split = params.unstack(whole, tiny.layers)
    held = split["layers_1"]["mlp"]["up"]
    assert isinstance(held, Adapted)
    np.testing.assert_array_equal(held.a, whole["layers"]["mlp"]["up"].a[1])


def test_products_of_an_adapter_are_counted(tiny, base, mesh1) -> None:
    """A forward of an adapted model has its adapters' products beside the base's."""
    config = LoraConfig(4)
    whole = lora.join(base, lora.init(tiny, config, base, mesh1, 0), config.scale)
    count = lambda tree: product_operations(lambda t: transformer.logits(tiny, t, TOKENS), tree)  # noqa: E731
    assert count(whole) - count(base) == 2 * TOKENS.size * lora.count(tiny, config)


def test_a_head_of_values_is_trained_whole(tiny, mesh1) -> None:
    config = dataclasses.replace(tiny, head="linear", labels=2, tie_embeddings=False)
    tree = params.init(config, jax.random.key(0))
    trained = lora.init(config, LoraConfig(2), tree, mesh1, 0)
    np.testing.assert_array_equal(trained["score"]["out"], tree["score"]["out"])
    assert lora.count(config, LoraConfig(2)) == lora.count(tiny, LoraConfig(2)) + 2 * tiny.embed
