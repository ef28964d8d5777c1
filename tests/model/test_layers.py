"""Products and norms against what autodiff makes of the plain formulas."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from programs import equations

from jorney.model import layers
from jorney.model.layers import gated_mlp, linear, rms_norm, used, weight_gradient
from jorney.model.params import OutputsFirst
from jorney.sharding import MeshConfig, make_mesh, named


def _draw(*shapes: tuple[int, ...], seed: int = 0) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [rng.normal(size=shape).astype(np.float32) for shape in shapes]


def _pulled(function, cotangent, *arguments):
    """The value, and the gradients of all arguments."""

    def run(cotangent, *arguments):
        value, pull = jax.vjp(function, *arguments)
        return value, *pull(cotangent)

    return jax.jit(run)(cotangent, *arguments)


def _same(function, plain, cotangent, *arguments) -> None:
    both = (_pulled(one, cotangent, *arguments) for one in (function, plain))
    for found, expected in zip(*both, strict=True):
        assert found.dtype == expected.dtype == jnp.float32
        np.testing.assert_allclose(found, expected, atol=1e-5 * float(jnp.abs(expected).max()), rtol=0)


def _close(function, plain, cotangent, *arguments) -> None:
    """In bfloat16 to the exact result: on average within half a per cent of its spread."""
    rough = [jnp.asarray(x, jnp.bfloat16) for x in (cotangent, *arguments)]
    exact = _pulled(plain, *(x.astype(jnp.float32) for x in rough))
    for found, expected in zip(_pulled(function, *rough), exact, strict=True):
        assert found.dtype == jnp.bfloat16
        assert found.shape == expected.shape
        assert float(jnp.abs(found.astype(jnp.float32) - expected).mean()) < 0.01 * float(jnp.std(expected))


def _plain_mlp(x, gate, up, down):
    return (jax.nn.silu(x @ gate) * (x @ up)) @ down


def _plain_norm(x, scale):
    return x / jnp.sqrt(jnp.mean(x**2, axis=-1, keepdims=True) + 1e-6) * scale


@pytest.mark.parametrize("check", [_same, _close])
@pytest.mark.parametrize(("inputs", "outputs"), [(24, 10), (10, 24), (16, 16), (7, 1), (1, 7)])
def test_linear(check, inputs: int, outputs: int) -> None:
    x, weight, cotangent = _draw((3, 5, inputs), (inputs, outputs), (3, 5, outputs))
    check(linear, lambda x, weight: x @ weight, cotangent, x, weight)


@pytest.mark.parametrize(("inputs", "outputs"), [(24, 10), (10, 24), (16, 16)])
def test_a_weights_gradient_is_one_product_that_lies_as_the_weight_does(inputs: int, outputs: int) -> None:
    x, g = _draw((3, 5, inputs), (3, 5, outputs))
    np.testing.assert_allclose(weight_gradient(x, g, jnp.float32), np.einsum("bti,bto->io", x, g), atol=1e-5)
    (product,) = [
        one
        for one, _ in equations(jax.make_jaxpr(weight_gradient, static_argnums=2)(x, g, jnp.float32))
        if one.primitive.name == "dot_general"
    ]
    assert product.outvars[0].aval.shape == (inputs, outputs)


@pytest.mark.parametrize("tokens", [6, 96])
def test_weights_that_lie_outputs_first_give_the_same(tokens: int) -> None:
    """Of few tokens and of many: a product to heads, one from heads, and the MLP."""
    x, query, out, *mlp = _draw((2, tokens // 2, 24), (24, 4, 5), (4, 5, 24), (24, 16), (24, 16), (16, 24))
    first = lambda weight, inputs: OutputsFirst(np.moveaxis(weight, range(inputs), range(-inputs, 0)))  # noqa: E731
    heads = linear(x, query)
    np.testing.assert_allclose(linear(x, first(query, 1)), heads, atol=1e-4)
    np.testing.assert_allclose(linear(heads, first(out, 2), 2), linear(heads, out, 2), atol=1e-3)
    np.testing.assert_allclose(gated_mlp(x, *(first(one, 1) for one in mlp)), gated_mlp(x, *mlp), rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("tokens", [6, 96])
def test_on_tpus_too(tokens: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """There no axes are merged."""
    x, query, out = _draw((2, tokens // 2, 24), (24, 4, 5), (4, 5, 24))
    heads = linear(x, query)
    expected = linear(heads, out, 2)
    monkeypatch.setattr(layers, "platform", lambda: "tpu")
    np.testing.assert_allclose(linear(x, OutputsFirst(np.moveaxis(query, 0, -1))), heads, atol=1e-4)
    np.testing.assert_allclose(linear(heads, OutputsFirst(np.moveaxis(out, -1, 0)), 2), expected, atol=1e-3)


@pytest.mark.parametrize("check", [_same, _close])
@pytest.mark.parametrize(("D", "F"), [(12, 32), (32, 12), (16, 16)])
def test_gated_mlp(check, D: int, F: int) -> None:
    x, gate, up, down, cotangent = _draw((3, 5, D), (D, F), (D, F), (F, D), (3, 5, D))
    check(gated_mlp, _plain_mlp, cotangent, x, gate / 4, up / 4, down / 4)


def test_axes_are_read_together() -> None:
    """As heads and their dimensions are, by the product after attention; and written apart, as by those before it."""
    x, into, out, cotangent = _draw((3, 5, 16), (16, 4, 6), (4, 6, 16), (3, 5, 16))
    ours = lambda x, into, out: linear(linear(x, into), out, 2)  # noqa: E731
    plain = lambda x, into, out: jnp.einsum("btnh,nhe->bte", jnp.einsum("btd,dnh->btnh", x, into), out)  # noqa: E731
    _same(ours, plain, cotangent, x, into, out)
    tpu = lambda x, into, out: layers._linear(layers._linear(x, into, 1), out, 2)  # noqa: E731
    _same(tpu, plain, cotangent, x, into, out)


@pytest.mark.parametrize("mlp", [False, True])
def test_weights_in_float32_have_gradients_in_float32(mlp: bool) -> None:
    """Though the computation is bfloat16: they are summed over rows, devices and micro-batches in the wider dtype."""
    x, weight, up, down, cotangent = _draw((4, 64, 8), (8, 8), (8, 8), (8, 8), (4, 64, 8))
    narrow, g = jnp.asarray(x, jnp.bfloat16), jnp.asarray(cotangent, jnp.bfloat16)
    function = (lambda w: gated_mlp(narrow, w, up, down)) if mlp else (lambda w: linear(narrow, w))
    value, pull = jax.vjp(function, jnp.asarray(weight))
    assert value.dtype == jnp.bfloat16
    (found,) = pull(g)
    assert found.dtype == jnp.float32
    assert (found != found.astype(jnp.bfloat16).astype(jnp.float32)).mean() > 0.9
    if not mlp:
        exact = np.einsum("bti,bto->io", np.asarray(narrow, np.float64), np.asarray(g, np.float64))
        np.testing.assert_allclose(found, exact, rtol=1e-4, atol=1e-4)


def test_a_weight_is_used_as_a_cast_gives_it() -> None:
    (weight,) = _draw((64, 64))
    np.testing.assert_array_equal(used(weight, jnp.bfloat16), jnp.asarray(weight).astype(jnp.bfloat16))
    assert used(weight, jnp.float32) is weight


def test_gates_far_out_have_finite_gradients() -> None:
    x, gate, up, down, cotangent = _draw((1, 4, 8), (8, 16), (8, 16), (16, 8), (1, 4, 8))
    assert np.abs(x @ gate * 100).max() > 300  # e to this overflows
    _same(gated_mlp, _plain_mlp, cotangent, x, gate * 100, up, down)


def test_two_products_are_kept_for_the_backward_pass() -> None:
    """Beside the input and the weights; autodiff keeps the activation and the sigmoid too."""
    x, gate, up, down = _draw((3, 5, 8), (8, 32), (8, 32), (32, 8))

    def kept(function) -> int:
        _, pull = jax.vjp(function, x, gate, up, down)
        return sum(leaf.shape == (3, 5, 32) for leaf in jax.tree.leaves(pull))

    assert kept(gated_mlp) == 2
    assert kept(_plain_mlp) > 2


def test_eight_devices_give_what_one_does() -> None:
    mesh = make_mesh(MeshConfig(data=2, fsdp=2, tensor=2))
    x, gate, up, down, cotangent = _draw((4, 5, 8), (8, 32), (8, 32), (32, 8), (4, 5, 8))
    expected = _pulled(_plain_mlp, cotangent, x, gate, up, down)
    rows, into, out = (
        named(mesh, *axes) for axes in (("batch", "length", "embed"), ("weight_embed", "mlp"), ("mlp", "weight_embed"))
    )
    arguments = jax.device_put((cotangent, x, gate, up, down), (rows, rows, into, into, out))
    with jax.set_mesh(mesh):
        found = _pulled(gated_mlp, *arguments)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5 * float(jnp.abs(other).max()), rtol=0)


@pytest.mark.parametrize("check", [_same, _close])
def test_rms_norm(check) -> None:
    x, scale, cotangent = _draw((3, 5, 16), (16,), (3, 5, 16))
    check(lambda x, scale: rms_norm(x, scale, 1e-6), _plain_norm, cotangent, 3 * x, 1 + scale)


def test_rms_norm_by_hand() -> None:
    """Of 1 and 7 the mean square is 25."""
    np.testing.assert_allclose(rms_norm(jnp.array([1.0, 7.0]), jnp.array([1.0, 2.0]), 1e-12), [0.2, 2.8], rtol=1e-6)
    np.testing.assert_allclose(rms_norm(jnp.array([1.0, 7.0]), jnp.ones(2), 24.0), np.array([1, 7]) / 7, rtol=1e-6)
    assert not rms_norm(jnp.zeros(4), jnp.ones(4), 1e-6).any()


@settings(max_examples=50, deadline=None)
@given(arrays.arrays(np.float32, 8, elements=st.floats(-1e3, 1e3, width=32)), st.floats(0.125, 64, width=32))
def test_the_norm_of_a_multiple_is_the_norm(x: np.ndarray, factor: float) -> None:
    if np.abs(x).max() < 1e-3:
        return
    one, other = (np.asarray(rms_norm(jnp.asarray(y), jnp.ones(8), 1e-20)) for y in (x, x * np.float32(factor)))
    np.testing.assert_allclose(one, other, atol=1e-5)
    assert np.mean(one.astype(np.float64) ** 2) == pytest.approx(1, rel=1e-4)


def test_the_norm_of_bfloat16_is_taken_in_float32() -> None:
    """The mean square of 300 and 4,095 ones: in bfloat16 the ones would be lost one by one."""
    x = jnp.ones(4096, jnp.bfloat16).at[0].set(300)
    expected = 1 / np.sqrt((300**2 + 4095) / 4096)
    assert float(rms_norm(x, jnp.ones(4096), 1e-6)[1]) == pytest.approx(expected, rel=2**-8)
