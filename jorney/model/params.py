"""The parameter table: one row a parameter, from which everything about parameters follows.

A row states path, shape, logical axes, the Hugging Face tensor it comes from and how to turn one into the other. The
modules take their parameters from this table, and initialisation, sharding, loading, saving, checkpoint checks and memory
reports are loops over it.

Parameters are a nested dict of arrays. In training all layers of a parameter are stacked along a leading axis L, under
"layers"; the engine holds a subtree a layer, under "layers_0", "layers_1", … (see `unstack`).
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Iterator, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh

from jorney import sharding
from jorney.model.architecture import ModelConfig

Path = tuple[str, ...]
Params = dict[str, Any]
LAYERS = "layers"


def layer_name(layer: int) -> str:
    """Of a layer's subtree in the engine's parameters."""
    return f"{LAYERS}_{layer}"


@dataclasses.dataclass(frozen=True)
class Parameter:
    """A row of the table. For a parameter of the layer stack, `shape`, `axes` and the rest speak of one layer.

    Attributes:
      path: where it stands in the tree of parameters.
      shape: its shape here.
      axes: logical axis names, one a dimension (`sharding.TABLE` maps them to the mesh).
      hf: name of the Hugging Face tensor; `{layer}` stands for the layer's index.
      split: the stored tensor's shape once its head axes are split; its stored shape is two-dimensional (`stored`).
      order: the transposition from `split` to `shape`.
      init: "normal", "ones" or "zeros".
    """

    path: Path
    shape: tuple[int, ...]
    axes: tuple[str, ...]
    hf: str
    stored: tuple[int, ...]
    split: tuple[int, ...]
    order: tuple[int, ...]
    init: str = "normal"

    @property
    def stacked(self) -> bool:
        return self.path[0] == LAYERS

    def to_hf(self, value: np.ndarray) -> np.ndarray:
        """Ours (one layer's) -> the tensor as it is stored, which is read by `stored.reshape(split).transpose(order)`."""
        return np.ascontiguousarray(value.transpose(np.argsort(self.order)).reshape(self.stored))


@functools.lru_cache
def table(config: ModelConfig) -> Mapping[Path, Parameter]:
    """{path: Parameter} of a model, in the order of the forward pass."""
    D, N, K, H, F, V = config.embed, config.heads, config.kv_heads, config.head_dim, config.mlp, config.vocab_size
    rows: list[Parameter] = []

    def add(path: str, shape: tuple[int, ...], axes: tuple[str, ...], hf: str, **how: Any) -> None:
        # Unless stated otherwise a tensor is stored as it is used here.
        defaults = {"stored": shape, "split": shape, "order": tuple(range(len(shape)))}
        rows.append(Parameter(tuple(path.split("/")), shape, axes, hf, **{**defaults, **how}))

    def linear(path: str, inputs: int, outputs: int, axes: tuple[str, str], hf: str) -> None:
        # torch stores [out, in].
        stored = (outputs, inputs)
        add(path, (inputs, outputs), axes, hf, stored=stored, split=stored, order=(1, 0))

    def bias(path: str, shape: tuple[int, ...], axes: tuple[str, ...], hf: str) -> None:
        stored = (math.prod(shape),)
        add(path, shape, axes, hf, stored=stored, split=shape, init="zeros")

    layer = "model.layers.{layer}."
    add("embedding", (V, D), ("vocab", "weight_embed"), "model.embed_tokens.weight")
    add("layers/attention_norm", (D,), ("norm",), layer + "input_layernorm.weight", init="ones")
    projections = (("query", N, "heads"), ("key", K, "kv_heads"), ("value", K, "kv_heads"))
    for name, heads, axis in projections:
        how: dict[str, Any] = {"stored": (heads * H, D), "split": (heads, H, D), "order": (2, 0, 1)}
        axes, hf = ("weight_embed", axis, "head_dim"), f"{layer}self_attn.{name[0]}_proj.weight"
        add(f"layers/attention/{name}", (D, heads, H), axes, hf, **how)
    for name, heads, axis in projections if config.qkv_bias else ():
        bias(f"layers/attention/{name}_bias", (heads, H), (axis, "head_dim"), f"{layer}self_attn.{name[0]}_proj.bias")
    for name in ("query", "key") if config.qk_norm else ():
        hf = f"{layer}self_attn.{name[0]}_norm.weight"
        add(f"layers/attention/{name}_norm", (H,), ("norm",), hf, init="ones")
    out: dict[str, Any] = {"stored": (D, N * H), "split": (D, N, H), "order": (1, 2, 0)}
    add("layers/attention/out", (N, H, D), ("heads", "head_dim", "weight_embed"), layer + "self_attn.o_proj.weight", **out)
    add("layers/mlp_norm", (D,), ("norm",), layer + "post_attention_layernorm.weight", init="ones")
    linear("layers/mlp/gate", D, F, ("weight_embed", "mlp"), layer + "mlp.gate_proj.weight")
    linear("layers/mlp/up", D, F, ("weight_embed", "mlp"), layer + "mlp.up_proj.weight")
    linear("layers/mlp/down", F, D, ("mlp", "weight_embed"), layer + "mlp.down_proj.weight")
    add("final_norm", (D,), ("norm",), "model.norm.weight", init="ones")
    C = config.labels
    if config.head == "lm" and not config.tie_embeddings:
        add("head", (V, D), ("vocab", "weight_embed"), "lm_head.weight")
    elif config.head == "linear":
        linear("score/out", D, C, ("weight_embed", "labels"), "score.weight")
        if config.head_bias:
            bias("score/out_bias", (C,), ("labels",), "score.bias")
    elif config.head == "mlp":
        linear("score/hidden", D, D, ("weight_embed", "mlp"), "score.0.weight")
        bias("score/hidden_bias", (D,), ("mlp",), "score.0.bias")
        linear("score/out", D, C, ("mlp", "labels"), "score.2.weight")
        bias("score/out_bias", (C,), ("labels",), "score.2.bias")
    return {row.path: row for row in rows}


def full_shape(config: ModelConfig, row: Parameter) -> tuple[int, ...]:
    """The shape of a parameter in the training tree: the layers stacked in front."""
    return (config.layers, *row.shape) if row.stacked else row.shape


def full_axes(row: Parameter) -> tuple[str, ...]:
    """The logical axes of a parameter in the training tree."""
    return (LAYERS, *row.axes) if row.stacked else row.axes


def count(config: ModelConfig) -> int:
    """How many parameters the model has."""
    return sum(math.prod(full_shape(config, row)) for row in table(config).values())


def nest(flat: Mapping[Path, Any]) -> Params:
    """{path: leaf} -> nested dict."""
    tree: Params = {}
    for path, leaf in flat.items():
        node = tree
        for name in path[:-1]:
            node = node.setdefault(name, {})
        node[path[-1]] = leaf
    return tree


def flatten(tree: Mapping[str, Any], prefix: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Nested dict -> (path, leaf) pairs, the inverse of `nest`."""
    for name, value in tree.items():
        if isinstance(value, Mapping):
            yield from flatten(value, (*prefix, name))
        else:
            yield (*prefix, name), value


def abstract(config: ModelConfig, dtype: jnp.dtype | type = jnp.float32) -> Params:
    """The training tree as ShapeDtypeStructs."""
    return nest({path: jax.ShapeDtypeStruct(full_shape(config, row), dtype) for path, row in table(config).items()})


def param_shardings(config: ModelConfig, mesh: Mesh) -> Params:
    """NamedShardings in the form of the training tree. Raises ValueError where a dimension does not divide."""
    flat = {}
    for path, row in table(config).items():
        axes = full_axes(row)
        sharding.check_divides(mesh, full_shape(config, row), axes, "/".join(path))
        flat[path] = sharding.named(mesh, *axes)
    return nest(flat)


def init(config: ModelConfig, key: jax.Array, dtype: jnp.dtype | type = jnp.float32) -> Params:
    """Fresh parameters: normal weights, the two that write to the residual stream scaled down by sqrt(2 L) (as GPT-2)."""
    flat = {}
    for index, (path, row) in enumerate(table(config).items()):
        shape = full_shape(config, row)
        if row.init != "normal":
            flat[path] = jnp.full(shape, row.init == "ones", dtype)
            continue
        writes_residual = row.stacked and path[-1] in ("out", "down")
        scale = config.init_scale / math.sqrt(2 * config.layers) if writes_residual else config.init_scale
        flat[path] = (scale * jax.random.normal(jax.random.fold_in(key, index), shape, jnp.float32)).astype(dtype)
    return nest(flat)


def beyond(params: Params, most: float) -> dict[str, jax.Array]:
    """{path: [] float32}: how many numbers of each leaf do not lie within ±most; what is not a number never does.

    On the devices, wherever the shards lie: a reduction, to be fetched by whoever wants to know.
    """
    return _beyond({"/".join(path): leaf for path, leaf in flatten(params)}, most)


@functools.partial(jax.jit, static_argnums=1)
def _beyond(leaves: Mapping[str, jax.Array], most: float) -> dict[str, jax.Array]:
    def count(leaf: jax.Array) -> jax.Array:
        return jnp.sum(~(jnp.abs(leaf) <= min(most, float(jnp.finfo(leaf.dtype).max))), dtype=jnp.float32)

    return {name: count(leaf) for name, leaf in leaves.items()}


@functools.partial(jax.jit, static_argnums=1)
def vanishing(params: Params, dtype: Any) -> jax.Array:
    """[] float32: how many numbers are 0 in another dtype, and were not; on the devices, as `beyond`."""
    counts = [jnp.sum((leaf != 0) & (leaf.astype(dtype) == 0), dtype=jnp.float32) for leaf in jax.tree.leaves(params)]
    return sum(counts, jnp.float32(0))


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class OutputsFirst:
    """A product's weight as the engine holds it where that is read faster: see `turned_inputs`.

    Attributes:
      weight: [*outputs, *inputs].
    """

    weight: jax.Array


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Adapted:
    """A product's weight with a low-rank change beside it (LoRA): x W + scale (x a) b; see `model.lora`.

    Attributes:
      weight: as the tree holds it without: [*inputs, *outputs], or an `OutputsFirst`.
      a, b: [*inputs, R] and [R, *outputs]; where the layers are stacked, they are too.
      whose: of several adapters side by side, which of them each of the R belongs to; () of one.
      chosen: of several, [B, T or 1, R], 1 where a token of x [B, T, *inputs] has the adapter; None of one.
    """

    weight: Any
    a: jax.Array
    b: jax.Array
    scale: float = dataclasses.field(metadata={"static": True})
    whose: tuple[int, ...] = dataclasses.field(default=(), metadata={"static": True})
    chosen: jax.Array | None = None


# Weights of products that are `OutputsFirst` by platform, and how many of their leading axes are inputs: on CPUs all (see
# `layers.linear`); on TPUs those that a decode step would else lay out anew in every chunk, head by head.
_BY_HEAD: dict[Path, int] = dict.fromkeys([("attention", name) for name in ("query", "key", "value")], 1)
_INPUTS: dict[str | None, dict[Path, int]] = {
    "tpu": _BY_HEAD,
    "cpu": {**_BY_HEAD, ("attention", "out"): 2, **dict.fromkeys([("mlp", name) for name in ("gate", "up", "down")], 1)},
}


def turned_inputs(path: Path) -> int:
    """How many leading axes of a layer's parameter are its last in the engine, on the mesh that is set; 0 for none."""
    return _INPUTS.get(sharding.platform(), {}).get(path[1:], 0)


def unstack(params: Params, layers: int, donate: bool = False) -> Params:
    """The training tree -> the engine's tree, one subtree a layer: an unrolled decode step is several times faster.

    As the platform of the mesh that is set reads it best: see `turned_inputs`.

    Args:
      donate: whether each stacked parameter is freed as soon as it is split: one at a time is held twice.
    """
    found: dict[tuple[str, ...], Any] = {}
    for path, leaf in flatten(params):
        if path[0] != LAYERS:
            found[path] = leaf
            continue
        inputs, weight = turned_inputs(path), leaf.weight if isinstance(leaf, Adapted) else leaf
        for layer, part in enumerate(jax.block_until_ready(_split(weight, layers, inputs))):
            held: Any = OutputsFirst(part) if inputs else part
            if isinstance(leaf, Adapted):
                held = dataclasses.replace(leaf, weight=held, a=leaf.a[layer], b=leaf.b[layer])
            found[(layer_name(layer), *path[1:])] = held
        if donate:
            weight.delete()
    return nest(found)


@functools.partial(jax.jit, static_argnums=(1, 2))
def _split(leaf: jax.Array, layers: int, inputs: int) -> list[jax.Array]:
    """Each layer's; of its leading axes so many are the last ones then."""
    order = (*range(inputs, leaf.ndim - 1), *range(inputs))
    return [leaf[layer].transpose(order) for layer in range(layers)]
