from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jorney import sharding
from jorney.batch.packing import Example, pack
from jorney.compiled import Compilations, Program
from jorney.model import params as parameters
from jorney.train import state as states
from jorney.train.loop import put
from jorney.train.objectives.sft import sft_loss
from jorney.train.optimizer import OptimizerConfig, make_optimizer, make_schedule
from jorney.train.step import make_train_step


def _packed(rows: int = 8, seed: int = 0):
    rng = np.random.default_rng(seed)
    examples = [Example(tuple(rng.integers(3, 72, 30).tolist()), prompt=int(rng.integers(1, 29))) for _ in range(rows * 2)]
    packed = pack(examples, 64, rows)
    assert len(packed) == rows
    return packed


def _batch(packed) -> dict[str, np.ndarray]:
    return {name: np.stack([packed[row][name] for row in range(len(packed))]) for name in packed[0]}


def _run(tiny, mesh, accumulate: int = 1, steps: int = 4, optimizer=None) -> tuple[list[dict[str, float]], parameters.Params]:
    optimizer = optimizer or make_optimizer(OptimizerConfig())
    where = states.state_shardings(tiny, mesh, optimizer)
    found = []
    with jax.set_mesh(mesh):
        fresh = jax.jit(lambda key: states.create(parameters.init(tiny, key), optimizer), out_shardings=where)
        state = fresh(jax.random.key(0))
        step = Program(
            "step",
            make_train_step(sft_loss(tiny), optimizer, accumulate),
            Compilations(),
            "highest",
            out_shardings=(where, None),
        )
        for number in range(steps):
            state, metrics = step(state, put(_batch(_packed(seed=number)), mesh), np.float32(1e-2))
            found.append({name: float(value) for name, value in metrics.items()})
    assert step.count == 1
    return found, state.params


@pytest.mark.parametrize("accumulate", [2, 4])
def test_accumulation_equals_one_batch_with_uneven_masks(tiny, mesh1, accumulate: int) -> None:
    """Micro-batches hold different numbers of completion tokens; a mean of means would differ."""
    counts = _batch(_packed())["loss_mask"].sum(axis=1)
    assert len(set(counts.tolist())) > 1
    whole, _ = _run(tiny, mesh1, steps=2)
    parts, _ = _run(tiny, mesh1, accumulate, steps=2)
    for a, b in zip(whole, parts, strict=True):
        assert a == pytest.approx(b, rel=2e-5)


@pytest.mark.parametrize(
    ("sizes", "accumulate"),
    [
        ({"data": 2, "fsdp": 2, "tensor": 2}, 2),
        *(
            pytest.param(*how, marks=pytest.mark.slow)
            for how in (({"data": 8}, 1), ({"fsdp": 8}, 1), ({"data": 2, "tensor": 4}, 1), ({"data": 2, "fsdp": 4}, 2))
        ),
    ],
)
def test_eight_devices_give_one_devices_losses(tiny, mesh1, sizes: dict[str, int], accumulate: int) -> None:
    expected, _ = _run(tiny, mesh1)
    mesh = sharding.make_mesh(sharding.MeshConfig(**{"data": 1, **sizes}))
    found, _ = _run(tiny, mesh, accumulate)
    for a, b in zip(expected, found, strict=True):
        assert b["loss"] == pytest.approx(a["loss"], rel=1e-5)
        assert b["grad_norm"] == pytest.approx(a["grad_norm"], rel=1e-4)
        assert b["count"] == a["count"]
    assert expected[-1]["loss"] < expected[0]["loss"]


def test_the_compiled_steps_shardings_are_the_tables(tiny) -> None:
    mesh = sharding.make_mesh(sharding.MeshConfig(data=2, fsdp=2, tensor=2))
    optimizer = make_optimizer(OptimizerConfig())
    where = states.state_shardings(tiny, mesh, optimizer)
    with jax.set_mesh(mesh):
        fresh = jax.jit(lambda key: states.create(parameters.init(tiny, key), optimizer), out_shardings=where)
        state = fresh(jax.random.key(0))
        step = jax.jit(make_train_step(sft_loss(tiny), optimizer), out_shardings=(where, None))
        compiled = step.lower(state, put(_batch(_packed()), mesh)).compile()
    inside, _ = compiled.input_shardings[0]
    up = sharding.named(mesh, "layers", "weight_embed", "mlp")
    for tree in (inside.params, compiled.output_shardings[0].params, inside.opt_state[1][0].mu):
        assert tree["layers"]["mlp"]["up"].is_equivalent_to(up, 3)
    assert state.params["layers"]["mlp"]["up"].addressable_shards[0].data.shape == (2, 16, 32)


def test_sgd_step_is_the_gradient_over_the_count(tiny, mesh1) -> None:
    batch = _batch(_packed(seed=0))
    start = parameters.init(tiny, jax.random.key(0))
    loss_fn = sft_loss(tiny)
    gradient = jax.grad(lambda p: loss_fn(p, batch)[0] / batch["loss_mask"].sum())(start)
    _, found = _run(tiny, mesh1, steps=1, optimizer=optax.sgd(50.0))  # at the rate 0.01
    expected = jax.tree.map(lambda p, g: p - 0.5 * g, start, gradient)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-6), found, expected)


def test_a_batch_without_completion_tokens_changes_nothing(tiny, mesh1) -> None:
    optimizer = optax.sgd(0.5)
    batch = _batch(_packed()) | {"loss_mask": np.zeros((8, 64), np.int32)}
    state = states.create(parameters.init(tiny, jax.random.key(0)), optimizer)
    after, metrics = jax.jit(make_train_step(sft_loss(tiny), optimizer))(state, batch)
    assert float(metrics["loss"]) == float(metrics["grad_norm"]) == 0
    jax.tree.map(np.testing.assert_array_equal, after.params, state.params)


def test_schedule() -> None:
    rate = make_schedule(OptimizerConfig(learning_rate=1.0, warmup=0.1, final_fraction=0.1), 100)
    assert float(rate(0)) == pytest.approx(0.1)
    assert float(rate(9)) == pytest.approx(1.0)
    assert float(rate(10)) == pytest.approx(1.0)
    assert float(rate(55)) == pytest.approx(0.55, abs=1e-3)
    assert float(rate(100)) == pytest.approx(0.1)
    constant = make_schedule(OptimizerConfig(learning_rate=1.0, schedule="constant", warmup=0), 100)
    assert float(constant(0)) == float(constant(99)) == 1


@pytest.mark.parametrize(
    ("field", "value"),
    [("learning_rate", 0.0), ("schedule", "linear"), ("warmup", 1.5), ("final_fraction", -1.0), ("clip", -1.0)],
)
def test_settings_out_of_range_are_named(field: str, value: object) -> None:
    with pytest.raises(ValueError, match=f"optimizer.{field} = "):
        OptimizerConfig(**{field: value})


def test_dimension_that_does_not_divide_is_named(tiny) -> None:
    import dataclasses

    mesh = sharding.make_mesh(sharding.MeshConfig(data=1, tensor=8))
    with pytest.raises(ValueError, match=r"layers/attention/key: its axis 'kv_heads' of 4 cannot be split over tensor = 8"):
        parameters.param_shardings(dataclasses.replace(tiny, heads=8), mesh)


def test_gradients_of_a_jitted_step_are_finite_in_bfloat16(tiny, mesh1) -> None:
    loss_fn = sft_loss(tiny, jnp.bfloat16, remat="full", head_chunk=16)
    batch = _batch(_packed())
    gradient = jax.jit(jax.grad(lambda p: loss_fn(p, batch)[0]))(parameters.init(tiny, jax.random.key(0)))
    assert all(leaf.dtype == jnp.float32 and bool(jnp.all(jnp.isfinite(leaf))) for leaf in jax.tree.leaves(gradient))
