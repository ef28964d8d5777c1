"""Every family and head against logits that transformers computed once (`tools/make_family_goldens.py`), without torch.

Weights are drawn, not stored, from the raw 64-bit stream of numpy's PCG64, which no version of numpy changes. They are
multiples of 1/128 below 2: exact in float32 and bfloat16 alike.
"""

from __future__ import annotations

import functools
import math
import zlib
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from places import ROOT

from jorney.convert.config_json import from_hf
from jorney.convert.hf import expected_tensors
from jorney.engine import cache
from jorney.engine.cache import Layer, Pools
from jorney.model import params as parameters
from jorney.model import transformer
from jorney.model.architecture import ModelConfig

GOLDEN = ROOT / "tests" / "golden" / "families.npz"
LENGTH, PROMPTS = 24, (3, 9)
STEPS = LENGTH - max(PROMPTS)

_SHAPES = {
    "vocab_size": 32,
    "hidden_size": 16,
    "intermediate_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 64,
    "rms_norm_eps": 1e-5,
    "bos_token_id": None,
    "eos_token_id": None,
    "pad_token_id": None,
}
# After a pre-training on 8 tokens, wavelengths under 4 are kept and those above 16 slowed; the first, of 6, lies between.
_LLAMA3 = {
    "rope_type": "llama3",
    "factor": 4.0,
    "low_freq_factor": 0.5,
    "high_freq_factor": 2.0,
    "original_max_position_embeddings": 8,
}
_SLIDES = {"use_sliding_window": True, "sliding_window": 6, "max_window_layers": 0}
_FAMILIES: dict[str, tuple[str, dict[str, Any]]] = {
    "llama": ("Llama", {"rope_theta": 500.0, "rope_scaling": _LLAMA3}),
    "llama-linear": ("Llama", {"head_dim": 6, "rope_scaling": {"type": "linear", "factor": 2.0}, "tie_word_embeddings": True}),
    "mistral": ("Mistral", {"sliding_window": 6}),
    "qwen2": ("Qwen2", {"rope_theta": 1000.0, "sliding_window": 6}),  # a window stated, and off
    "qwen2-window": ("Qwen2", {**_SLIDES, "tie_word_embeddings": True}),
    "qwen3": ("Qwen3", {"head_dim": 8, "num_key_value_heads": 4, "tie_word_embeddings": True}),
    "qwen3-window": ("Qwen3", {"head_dim": 8, **_SLIDES}),
}
_HEADS = {"ForCausalLM": {}, "ForSequenceClassification": {"num_labels": 1}, "ForTokenClassification": {"num_labels": 3}}


def fields(family: str, suffix: str) -> dict[str, Any]:
    """The config.json of a case."""
    name, stated = _FAMILIES[family]
    heads = {**_HEADS, "ForProcessRewardModel": {"num_labels": 2}}
    return {"architectures": [name + suffix], "model_type": name.lower(), **_SHAPES, **stated, **heads[suffix]}


CASES = [(family, suffix) for family in _FAMILIES for suffix in _HEADS] + [("qwen2", "ForProcessRewardModel")]


def tokens() -> np.ndarray:
    """[2, LENGTH] ids."""
    return (np.random.PCG64(0).random_raw(2 * LENGTH) % 32).astype(np.int32).reshape(2, LENGTH)


def draw(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """The tensor of a Hugging Face name: norms within 1 ± 0.5, biases within ± 0.5, matrices within ± 0.5 too."""
    raw = np.random.PCG64(zlib.crc32(name.encode())).random_raw(math.prod(shape))
    value = ((raw >> 57).astype(np.float32) - 63) / 128  # the upper 7 bits: -63 to 64
    return (value + name.endswith("norm.weight")).reshape(shape).astype(np.float32)


def draw_params(config: ModelConfig) -> parameters.Params:
    """The training tree of a model of drawn weights."""
    layers: dict[parameters.Path, list[np.ndarray]] = {}
    for name, row, _ in expected_tensors(config):
        layers.setdefault(row.path, []).append(draw(name, row.stored).reshape(row.split).transpose(row.order))
    rows = parameters.table(config)
    return parameters.nest({path: np.stack(v) if rows[path].stacked else v[0] for path, v in layers.items()})


@functools.cache
def trained(family: str) -> jax.Array:
    """[2, LENGTH, D] final hidden states by the training forward, the layers scanned. All heads have the same trunk."""
    config, ids = from_hf(fields(family, "ForCausalLM")), tokens()
    positions = jnp.broadcast_to(jnp.arange(LENGTH), ids.shape)
    forward = jax.jit(transformer.hidden_states, static_argnums=0)
    return forward(config, draw_params(config), ids, jnp.ones_like(ids), positions)


@functools.cache
def generated(family: str) -> jax.Array:
    """[2, STEPS + 1, D] final hidden states by the engine: prompts read at once, then a token a step through the cache."""
    config, ids, known, size = from_hf(fields(family, "ForCausalLM")), jnp.asarray(tokens()), jnp.array(PROMPTS), max(PROMPTS)
    split = parameters.unstack(draw_params(config), config.layers)
    room = 32
    places = jnp.asarray(np.random.default_rng(0).permuted(np.tile(np.arange(room), (2, 1)), axis=1))  # any slot serves
    order = jnp.arange(room)

    def visible(counts: jax.Array) -> jax.Array:
        """[2, room]: the slots of the first tokens of each row."""
        return jax.vmap(lambda own, count: jnp.zeros(room, bool).at[own].set(order < count))(places, counts)

    def run(ids: jax.Array, at: jax.Array, looks: list[Any]) -> tuple[jax.Array, list[Layer]]:
        return transformer.run_layers(config, jnp.float32, split, ids, at, looks)

    @jax.jit
    def prefill(ids: jax.Array) -> tuple[jax.Array, Pools]:
        pools, at = cache.empty(config, 2, [room // 2] * 2, jnp.float32), jnp.broadcast_to(jnp.arange(size), ids.shape)
        slots = jnp.where(at < known[:, None], places[:, :size], room)
        hidden, fresh = run(ids, at, cache.extend_attends(config, None, pools, jnp.arange(2), at, visible(0 * known)))
        return hidden[jnp.arange(2), known - 1], cache.settle(pools, jnp.arange(2)[:, None], slots, at, fresh, room)

    @jax.jit
    def step(pools: Pools, count: jax.Array) -> tuple[jax.Array, Pools]:
        at = (known + count)[:, None]
        slots = jnp.take_along_axis(places, at, axis=1)
        staged = cache.stage(config, 2, 1, jnp.float32)
        looks = cache.decode_attends(config, None, pools, staged, visible(at[:, 0]), at, jnp.int32(0))
        hidden, staged = run(jnp.take_along_axis(ids, at, axis=1), at, looks)
        pools = cache.settle(pools, jnp.arange(2)[:, None], slots, at, cache.unstaged(staged), room)
        return hidden[:, 0], pools

    # What stands behind a shorter prompt must not matter.
    hidden, pools = prefill(jnp.where(jnp.arange(size) < known[:, None], ids[:, :size], 7))
    found = [hidden]
    for count in range(STEPS):
        hidden, pools = step(pools, jnp.asarray(count))
        found.append(hidden)
    return jnp.stack(found, axis=1)


def read_out(family: str, suffix: str, hidden: jax.Array) -> np.ndarray:
    config = from_hf(fields(family, suffix))
    return np.asarray(transformer.read_out(config, draw_params(config), hidden))


@pytest.fixture(scope="module")
def golden() -> dict[str, np.ndarray]:
    with np.load(GOLDEN) as stored:
        return dict(stored)


def test_weights_are_drawn_as_they_were(golden: dict[str, np.ndarray]) -> None:
    np.testing.assert_array_equal(tokens(), golden["tokens"])
    np.testing.assert_array_equal(draw("model.layers.0.mlp.up_proj.weight", (24, 16)), golden["weights"])
    for name in ("model.norm.weight", "lm_head.weight"):
        value = draw(name, (32, 16))
        np.testing.assert_array_equal(value, value.astype(jnp.bfloat16).astype(np.float32))
    assert GOLDEN.stat().st_size < 300_000


@pytest.mark.parametrize(("family", "suffix"), CASES)
def test_training_forward(golden: dict[str, np.ndarray], family: str, suffix: str) -> None:
    found, expected = read_out(family, suffix, trained(family)), golden[f"{family}/{suffix}"]
    if suffix == "ForSequenceClassification":
        found = found[:, -1]  # transformers reads the last token's only
    assert found.shape == expected.shape
    assert np.max(np.abs(expected)) > 0.1
    np.testing.assert_allclose(found, expected, atol=1e-4, rtol=0)


@pytest.mark.parametrize(("family", "suffix"), CASES)
def test_engine_forward(golden: dict[str, np.ndarray], family: str, suffix: str) -> None:
    """Prompts shorter and longer than the window of 6, and tokens that leave the prompt behind."""
    found, expected = read_out(family, suffix, generated(family)), golden[f"{family}/{suffix}"]
    if suffix == "ForSequenceClassification":
        np.testing.assert_allclose(found[1, -1], expected[1], atol=1e-4, rtol=0)
        return
    for row, length in enumerate(PROMPTS):
        np.testing.assert_allclose(found[row], expected[row, length - 1 : length + STEPS], atol=1e-4, rtol=0)


def test_whole_function(golden: dict[str, np.ndarray]) -> None:
    """`logits` is the two halves above."""
    config = from_hf(fields("qwen2", "ForProcessRewardModel"))
    found = transformer.logits(config, draw_params(config), jnp.asarray(tokens()))
    np.testing.assert_allclose(found, golden["qwen2/ForProcessRewardModel"], atol=1e-4, rtol=0)
