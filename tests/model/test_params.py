from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jorney import sharding
from jorney.model import params as parameters
from jorney.model import transformer
from jorney.model.architecture import ModelConfig


def test_count_is_deepseekmaths() -> None:
    """The published size: 6.91 billion."""
    config = ModelConfig(
        vocab_size=102_400, embed=4096, layers=30, heads=32, kv_heads=32, head_dim=128, mlp=11_008, rope_theta=1e4
    )
    assert parameters.count(config) == 6_910_365_696


def test_every_hf_name_is_used_once(tiny: ModelConfig) -> None:
    rows = parameters.table(tiny).values()
    names = [row.hf.format(layer=layer) for row in rows for layer in range(tiny.layers if row.stacked else 1)]
    assert len(names) == len(set(names)) == 3 + 9 * tiny.layers


def test_transform_inverts(tiny: ModelConfig) -> None:
    rng = np.random.default_rng(0)
    for row in parameters.table(tiny).values():
        stored = rng.normal(size=row.stored)
        ours = stored.reshape(row.split).transpose(row.order)
        assert ours.shape == row.shape
        np.testing.assert_array_equal(row.to_hf(ours), stored)


def test_nest_and_flatten_are_inverse(tiny: ModelConfig) -> None:
    tree = parameters.init(tiny, jax.random.key(0))
    flat = dict(parameters.flatten(tree))
    assert list(flat) == list(parameters.table(tiny))
    assert jax.tree.all(jax.tree.map(np.array_equal, parameters.nest(flat), tree))


def test_init_has_the_stated_scale(tiny: ModelConfig) -> None:
    flat = dict(parameters.flatten(parameters.init(dataclasses.replace(tiny, embed=256, mlp=512), jax.random.key(1))))
    assert np.std(flat["layers", "mlp", "up"]) == pytest.approx(0.2, rel=0.02)
    assert np.std(flat["layers", "mlp", "down"]) == pytest.approx(0.2 / 2, rel=0.02)  # sqrt(2 x 2 layers)
    assert np.all(np.asarray(flat["final_norm",]) == 1)


def test_linen_takes_exactly_the_tables_parameters(tiny: ModelConfig) -> None:
    """What Linen would declare is the table, in both forms of the tree."""
    tokens = np.zeros((1, 4), np.int32)
    attend = lambda q, k, v: (q, None)  # noqa: E731
    for attends in (attend, [attend] * tiny.layers):
        model = transformer.Transformer(tiny)
        declared = jax.eval_shape(lambda a=attends, model=model: model.init(jax.random.key(0), tokens, tokens, a))["params"]
        expected = parameters.abstract(tiny)
        if not callable(attends):
            expected = jax.eval_shape(lambda: parameters.unstack(parameters.init(tiny, jax.random.key(0)), tiny.layers))
        # All but the head, which is a function of its own (`read_out`).
        shapes = lambda tree: {path: leaf.shape for path, leaf in parameters.flatten(tree) if path[0] != "head"}  # noqa: E731
        assert shapes(declared) == shapes(expected)


@pytest.mark.parametrize("sizes", [{"data": 1, "fsdp": 8}, {"data": 2, "fsdp": 2, "tensor": 2}])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_numbers_beyond_a_limit_are_counted_by_leaf(tiny: ModelConfig, sizes: dict[str, int], dtype: str) -> None:
    tree = parameters.init(tiny, jax.random.key(0), dtype)
    tree["final_norm"] = tree["final_norm"].at[:3].set(jnp.array([jnp.nan, jnp.inf, -jnp.inf], dtype))
    tree["layers"]["mlp"]["up"] = tree["layers"]["mlp"]["up"].at[1, 2, 3].set(-200.0).at[0, 0, 0].set(100.0)
    tree = jax.device_put(tree, parameters.param_shardings(tiny, sharding.make_mesh(sharding.MeshConfig(**sizes))))
    for most, up in ((100, 1), (99, 2), (1e38, 0), (float("inf"), 0)):
        found = {name: int(count) for name, count in parameters.beyond(tree, most).items() if count}
        assert found == {"final_norm": 3, **({"layers/mlp/up": up} if up else {})}
