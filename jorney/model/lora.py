"""Low-rank adapters (LoRA, arXiv 2106.09685): what is trained beside a model that stays as it is.

A product's weight W [I, O] becomes W + s A B with A [I, R] and B [R, O]. A is drawn as torch draws a linear layer's weight
(uniform within 1/sqrt(I)), B is zero: an adapted model begins as its base, bit for bit. s is alpha / R, or alpha / sqrt(R)
(rsLoRA, arXiv 2312.03732). What is trained is a tree of its own, with an "a" and a "b" in the place of each adapted weight.

Rows, shapes and shardings follow from the parameter table: each row whose Hugging Face module is a target has two more.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax.sharding import Mesh

from jorney import sharding
from jorney.config import expect_above, expect_number
from jorney.model import params as parameters
from jorney.model.architecture import ModelConfig
from jorney.model.params import Adapted, Parameter, Params, Path

# The linear layers, by their modules' names in transformers: peft's "all-linear".
TARGETS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
A, B = "a", "b"  # in the tree of what is trained
_HEAD = "score"  # a head of values: trained as a whole beside the adapters (peft's modules_to_save)


@dataclasses.dataclass(frozen=True)
class LoraConfig:
    """Which weights have adapters, and how large they are.

    Attributes:
      rank: R; 0 trains the whole model.
      alpha: the change is scaled by alpha / R.
      targets: modules of each layer, by their names in transformers.
      rslora: the change is scaled by alpha / sqrt(R).
    """

    rank: int = 0
    alpha: float = 32.0
    targets: tuple[str, ...] = TARGETS
    rslora: bool = False

    def __post_init__(self) -> None:
        expect_number(self, "lora", "rank", least=0)
        expect_above(0, self, "lora", "alpha")
        if unknown := [name for name in self.targets if name not in TARGETS]:
            raise ValueError(f"lora.targets = {unknown[0]!r}: expected some of {', '.join(TARGETS)}")
        # In one order, whatever they were stated in: equal settings are equal.
        object.__setattr__(self, "targets", tuple(name for name in TARGETS if name in self.targets))
        if not self.targets:
            raise ValueError(f"lora.targets is empty: expected some of {', '.join(TARGETS)}")

    @property
    def scale(self) -> float:
        """Of the change."""
        return self.alpha / (math.sqrt(self.rank) if self.rslora else self.rank)


def module_of(row: Parameter) -> str:
    """The last name of the Hugging Face module that holds a parameter."""
    return row.hf.split(".")[-2]


def inputs_of(row: Parameter) -> int:
    """How many leading axes of a product's weight are what it reads; those behind are what it writes."""
    outputs = next(count for count in range(1, len(row.split)) if math.prod(row.split[:count]) == row.stored[0])
    return len(row.split) - outputs


def adapted(config: ModelConfig, lora: LoraConfig) -> dict[Path, Parameter]:
    """{path: row} of the weights that have adapters, in the order of the forward pass.

    Raises:
      ValueError: the rank is larger than a weight has rows or columns: more than the weight itself could hold.
    """
    rows = {path: row for path, row in parameters.table(config).items() if row.stacked and module_of(row) in lora.targets}
    rows = {path: row for path, row in rows.items() if not path[-1].endswith("_bias")}
    for row in rows.values():
        if lora.rank > min(row.stored):
            raise ValueError(
                f"lora.rank = {lora.rank}: expected at most {min(row.stored)}, since {module_of(row)} is {row.stored[0]} x "
                f"{row.stored[1]}"
            )
    return rows


def _trained(config: ModelConfig, lora: LoraConfig) -> Iterator[tuple[Path, tuple[int, ...], tuple[str | None, ...]]]:
    """(path, shape, logical axes) of everything that is trained, layers stacked."""
    for path, row in adapted(config, lora).items():
        inputs = inputs_of(row)
        first = (config.layers, *row.shape[:inputs], lora.rank), (parameters.LAYERS, *row.axes[:inputs], None)
        second = (config.layers, lora.rank, *row.shape[inputs:]), (parameters.LAYERS, None, *row.axes[inputs:])
        yield ((*path, A), *first)
        yield ((*path, B), *second)
    for path, row in parameters.table(config).items():
        if path[0] == _HEAD:
            yield path, row.shape, row.axes


def abstract(config: ModelConfig, lora: LoraConfig, dtype: Any = jnp.float32) -> Params:
    """The tree that is trained, as ShapeDtypeStructs."""
    return parameters.nest({path: jax.ShapeDtypeStruct(shape, dtype) for path, shape, _ in _trained(config, lora)})


def shardings(config: ModelConfig, lora: LoraConfig, mesh: Mesh) -> Params:
    """NamedShardings in the form of the tree that is trained: as the weights lie, the rank on every device."""
    return parameters.nest({path: sharding.named(mesh, *axes) for path, _, axes in _trained(config, lora)})


def count(config: ModelConfig, lora: LoraConfig) -> int:
    """How many parameters are trained."""
    return sum(math.prod(shape) for _, shape, _ in _trained(config, lora))


def in_layers(config: ModelConfig, lora: LoraConfig) -> int:
    """Weights of the adapters' matrices."""
    return sum(math.prod(shape) for path, shape, _ in _trained(config, lora) if path[-1] in (A, B))


def init(config: ModelConfig, lora: LoraConfig, params: Params, mesh: Mesh, seed: int, dtype: Any = jnp.float32) -> Params:
    """A fresh tree to train: A drawn, B zero, a head of values as the model has it.

    Args:
      params: of the model, which stay as they are.
      dtype: of what is trained.
    """
    heads = {path: leaf for path, leaf in parameters.flatten(params) if path[0] == _HEAD}

    def fresh(key: jax.Array, heads: dict[Path, jax.Array]) -> Params:
        flat: dict[Path, jax.Array] = {path: leaf.astype(dtype) for path, leaf in heads.items()}
        for index, (path, shape, _) in enumerate(_trained(config, lora)):
            if path[-1] == A:
                most = 1 / math.sqrt(math.prod(shape[1:-1]))
                drawn = jax.random.uniform(jax.random.fold_in(key, index), shape, jnp.float32, -most, most)
                flat[path] = drawn.astype(dtype)
            elif path[-1] == B:
                flat[path] = jnp.zeros(shape, dtype)
        return parameters.nest(flat)

    return jax.jit(fresh, out_shardings=shardings(config, lora, mesh))(jax.random.key(seed), heads)


def join(base: Params, trained: Params, scale: float) -> Params:
    """The model that both are: its targets are `Adapted`, its head the trained one."""
    flat, changes = dict(parameters.flatten(base)), dict(parameters.flatten(trained))
    for path, leaf in changes.items():
        if path[-1] == A:
            flat[path[:-1]] = Adapted(flat[path[:-1]], leaf, changes[(*path[:-1], B)], scale)
        elif path[-1] != B:
            flat[path] = leaf
    return parameters.nest(flat)


def beside(params: Params, trained: Sequence[tuple[Params, float]]) -> Params:
    """A model with several adapters side by side, as the engine reads them: a token has one of them, or none (`choose`).

    They are as one whose rank is the sum of theirs: what is between its two products is set to 0 but for the token's own.

    Args:
      trained: of each adapter what was trained, and its scale; their targets and ranks may differ.
    """
    flat = dict(parameters.flatten(params))
    held = [(dict(parameters.flatten(tree)), scale) for tree, scale in trained]
    for path in dict.fromkeys(path[:-1] for changes, _ in held for path in changes if path[-1] == A):
        own = [(index, changes, scale) for index, (changes, scale) in enumerate(held) if (*path, A) in changes]
        a = jnp.concatenate([changes[(*path, A)] for _, changes, _ in own], axis=-1)
        b = jnp.concatenate([scale * changes[(*path, B)] for _, changes, scale in own], axis=1)  # behind the layers' axis
        whose = tuple(index for index, changes, _ in own for _ in range(changes[(*path, A)].shape[-1]))
        flat[path] = Adapted(flat[path], a, b, 1.0, whose)
    return parameters.nest(flat)


def choose(params: Params, which: jax.Array | None) -> Params:
    """A model of several adapters, for tokens [B, T] of which it is known which they have.

    Args:
      which: [B, T or 1] int32, -1 for none; None where the model has none to choose from.
    """
    if which is None:
        return params
    masks: dict[tuple[int, ...], jax.Array] = {}

    def one(leaf: Any) -> Any:
        if not isinstance(leaf, Adapted):
            return leaf
        if leaf.whose not in masks:
            masks[leaf.whose] = which[..., None] == jnp.asarray(leaf.whose, jnp.int32)
        return dataclasses.replace(leaf, chosen=masks[leaf.whose])

    return parameters.nest({path: one(leaf) for path, leaf in parameters.flatten(params)})


def part(params: Params) -> tuple[Params, Params]:
    """(base, trained) of a model that was joined. What is trained as a whole stands in both."""
    base: dict[Path, Any] = {}
    trained: dict[Path, Any] = {}
    for path, leaf in parameters.flatten(params):
        base[path] = leaf.weight if isinstance(leaf, Adapted) else leaf
        if isinstance(leaf, Adapted):
            trained[(*path, A)], trained[(*path, B)] = leaf.a, leaf.b
        elif path[0] == _HEAD:
            trained[path] = leaf
    return parameters.nest(base), parameters.nest(trained)


def fingerprint(params: Params) -> str:
    """What the weights of a model are known by, however they are split: sums of their bits, computed where they lie."""
    leaves = {"/".join(path): leaf for path, leaf in parameters.flatten(params)}
    total = hashlib.blake2b(digest_size=8)
    for name, value in sorted(jax.device_get(_bits(leaves)).items()):
        total.update(f"{name}:{leaves[name].dtype}:{value}".encode())
    return total.hexdigest()


@jax.jit
def _bits(leaves: dict[str, jax.Array]) -> dict[str, jax.Array]:
    """[] uint32 of each leaf: its numbers' bits, each with the place it stands at, so that an exchange changes the sum."""

    def one(leaf: jax.Array) -> jax.Array:
        kind = jnp.dtype(f"uint{8 * leaf.dtype.itemsize}")
        bits = jax.lax.bitcast_convert_type(leaf, kind).astype(jnp.uint32)
        place = jnp.zeros(leaf.shape, jnp.uint32)
        for axis in range(leaf.ndim):  # odd, so that none loses a bit
            place = place * jnp.uint32(2654435761) + jax.lax.broadcasted_iota(jnp.uint32, leaf.shape, axis)
        return jnp.sum(bits * (2 * place + 1), dtype=jnp.uint32)

    return {name: one(leaf) for name, leaf in leaves.items()}


def is_adapted(params: Params) -> bool:
    """Whether a model has adapters that are not merged."""
    return any(isinstance(leaf, Adapted) for _, leaf in parameters.flatten(params))


def merged(params: Params, donate: bool = False) -> Params:
    """The model with its changes added to its weights: in float32, then in the weight's own dtype.

    Args:
      donate: whether each weight is freed as soon as it is merged: one at a time is held twice.
    """
    found: dict[Path, Any] = {}
    for path, leaf in parameters.flatten(params):
        if not isinstance(leaf, Adapted):
            found[path] = leaf
            continue
        found[path] = jax.block_until_ready(_merge(leaf))
        if donate:
            leaf.weight.delete()
    return parameters.nest(found)


def as_merged(params: Params) -> Params:
    """`merged`, as a pure function: to be jitted."""
    return parameters.nest(
        {path: _merge(leaf) if isinstance(leaf, Adapted) else leaf for path, leaf in parameters.flatten(params)}
    )


@jax.jit
def _merge(leaf: Adapted) -> jax.Array:
    wide = (part.astype(jnp.float32) for part in (leaf.a, leaf.b))
    change = jax.vmap(lambda a, b: jnp.tensordot(a, b, 1, precision=jax.lax.Precision.HIGHEST))(*wide)
    return (leaf.weight.astype(jnp.float32) + leaf.scale * change).astype(leaf.weight.dtype)


@functools.lru_cache(maxsize=64)
def over_base(loss_fn: Callable[[Params, Any], Any], scale: float) -> Callable[[Params, Any, Params], Any]:
    """A loss of a model's parameters as one of what is trained, with the base beside the batch; equal for equal arguments."""
    return lambda trained, batch, base: loss_fn(join(base, trained, scale), batch)
