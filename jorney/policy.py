"""A policy: a model with its tokenizer, placed on a mesh. The public API's central object."""

from __future__ import annotations

import dataclasses
import os
import warnings
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
from jax.sharding import Mesh

from jorney import devices, distributed, sharding, storage
from jorney.convert import config_json, hf, native, peft
from jorney.convert.locate import ADAPTER, base_of, is_adapter, is_model, not_used, stated_base, tokenizer_in
from jorney.convert.locate import EMBEDDED as EMBEDDED
from jorney.convert.locate import resolve as resolve
from jorney.model import lora as adapting
from jorney.model import params as parameters
from jorney.model import transformer
from jorney.model.architecture import ModelConfig
from jorney.model.lora import LoraConfig
from jorney.model.params import Params, param_shardings
from jorney.model.presets import HUB, PRESETS
from jorney.precision import EXACT, PRECISIONS, products
from jorney.sharding import MeshConfig
from jorney.text.step_format import FORMATS
from jorney.text.tokenizer import Tokenizer, load_tokenizer

# In the folder of a model that was trained here: how, by which command, and the step format that it learned. Hidden, for it is
# none of what the model is known by.
ABOUT = ".jorney.json"


@dataclasses.dataclass(frozen=True)
class Policy:
    """A model, its tokenizer and the mesh they live on.

    Attributes:
      config: the architecture.
      params: the training tree (layers stacked), sharded over `mesh`.
      tokenizer: checked at load.
      mesh: where it lives.
      dtype: of the computation.
      source: the folder or hub id it came from.
      generation: what its generation_config.json states.
      precision: "dtype", matrix products as exact as the dtype is on every platform, or "fast" (`jorney.precision`).
      memory: bytes of a device that may be used, by it and by all beside it; None for what a device tells.
      lora, base: of a policy whose weights have an adapter that is not merged: which, and the folder or hub id of what it
        changes.
      adapters: names of those that it may be asked with, side by side (`load`).
    """

    config: ModelConfig
    params: Params
    tokenizer: Tokenizer
    mesh: Mesh
    dtype: Any
    source: str
    generation: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    precision: str = EXACT
    memory: float | None = None
    lora: LoraConfig | None = None
    base: str = ""
    adapters: tuple[str, ...] = ()

    @property
    def products(self) -> str:
        """How exact its programs' matrix products are, as jax calls it."""
        return products(self.dtype, self.precision)

    @property
    def ends(self) -> tuple[int, ...]:
        """The ids after which a text is over: eos, and what generation_config.json names beside it (chat models)."""
        stated = self.generation.get("eos_token_id")
        more = stated if isinstance(stated, list) else [] if stated is None else [stated]
        return tuple(sorted({self.tokenizer.eos, *more}))


def read_architecture(name: str) -> ModelConfig:
    """The architecture of a preset, or of a folder or hub id, of which only config.json is read.

    Hub ids whose architecture is a preset are not asked for: a plan needs no network.
    """
    name = HUB.get(name, name)
    return PRESETS[name] if name in PRESETS else config_json.read(resolve(name))[0]


def expect_language_model(config: ModelConfig, source: str, use: str = "generate with") -> None:
    """Raises ValueError where a model has another head.

    Args:
      source: of the model, for messages.
      use: what it is wanted for.
    """
    if config.head != "lm":
        raise ValueError(f"{source}: has the head {config.head!r}: expected a language model, to {use}")


def load(
    path_or_hub_id: str = EMBEDDED,
    *,
    mesh: Mesh | MeshConfig | None = None,
    dtype: Any = jnp.float32,
    param_dtype: Any = None,
    precision: str = EXACT,
    merge: bool = True,
    adapters: Mapping[str, str] | None = None,
) -> Policy:
    """Loads a Hugging Face checkpoint, converted while it is read, or one of Jorney's own (`jorney convert`).

    Args:
      path_or_hub_id: a folder (local or gs://), a hub id, or "embedded", the small Countdown model of this package.
      mesh: where to put it; by default all devices, data parallel.
      dtype: of the computation.
      param_dtype: of the parameters; by default `dtype`.
      precision: of matrix products: "dtype" computes them in `dtype` on every platform. "fast" lets a TPU take bfloat16, and a
        GPU TF32, for those of float32.
      merge: of an adapter (a folder of peft's): whether it becomes part of its base's weights. Else the base stays as it is.
      adapters: {name: folder} of adapters of this model, held side by side: what is generated chooses one for each prompt, and
        nothing else asks them.

    Warns:
      of an adapter beside the model, and as `hf.load_params` and `native.load_params` do.

    Raises:
      FileNotFoundError, ValueError: name the file, field or tensors, and what was expected.
    """
    if precision not in PRECISIONS:
        raise ValueError(f"precision = {precision!r}: expected one of {', '.join(PRECISIONS)}")
    folder = resolve(path_or_hub_id)
    memory = None
    if not isinstance(mesh, Mesh):
        devices.only_what_is_here()
        memory = mesh.memory if mesh else None
        mesh = sharding.make_mesh(mesh)
    if base := base_of(folder):
        below = load(base, mesh=mesh, dtype=dtype, param_dtype=param_dtype, precision=precision)
        whole = _with_adapter(dataclasses.replace(below, memory=memory), folder, merge)
        return _beside(dataclasses.replace(whole, source=path_or_hub_id), adapters or {})
    config, _ = config_json.read(folder)
    tokenizer = load_tokenizer(folder)
    tokenizer.check_fits(config.vocab_size, folder)
    generation = _read_generation(folder, config.vocab_size)
    reader = native if native.is_native(folder) else hf
    if reader is hf:
        config = hf.as_stored(folder, config)
    if (told := not_used(folder)) and distributed.is_main():
        warnings.warn(told, stacklevel=2)
    params = reader.load_params(folder, config, param_shardings(config, mesh), param_dtype or dtype)
    policy = Policy(config, params, tokenizer, mesh, dtype, path_or_hub_id, generation, precision, memory)
    return _beside(policy, adapters or {})


def _beside(policy: Policy, folders: Mapping[str, str]) -> Policy:
    """The policy with adapters to choose from. Raises ValueError where one is not of this model, or it has one already."""
    if not folders:
        return policy
    if policy.lora is not None:
        raise ValueError(f"{policy.source}: has an adapter that is not merged: expected merge, or no others beside it")
    held = []
    for name, place in folders.items():
        folder = resolve(place)
        if not is_adapter(folder):
            raise ValueError(f"adapters: {name} = {place}: expected an adapter, a folder with {ADAPTER}")
        own = storage.path(folder) / config_json.NAME  # a reward model's has one; else its base need not be there
        if own.exists() and config_json.read(folder)[0].head != policy.config.head:
            raise ValueError(f"adapters: {name} = {place}: has another head than {policy.source}: expected one of this model")
        adapter = peft.read_config(folder)
        where = adapting.shardings(policy.config, adapter, policy.mesh)
        held.append((peft.load_params(folder, policy.config, adapter, where, jnp.float32), adapter.scale))
    return dataclasses.replace(policy, params=adapting.beside(policy.params, held), adapters=tuple(folders))


def _with_adapter(policy: Policy, folder: str, merge: bool) -> Policy:
    """A policy with an adapter of it, which is merged or kept apart; what the adapter's folder has of its own wins."""
    adapter, (config, _) = peft.read_config(folder), config_json.read(folder)
    if config.head == policy.config.head:  # the base's own, which knows whether its head is tied
        config = policy.config
    shapes = adapting.shardings(config, adapter, policy.mesh)
    try:
        trained = peft.load_params(folder, config, adapter, shapes, jnp.float32)
    except ValueError as error:
        raise ValueError(f"{error}\n  its base is {policy.source}") from None
    kept = {path[0] for path in parameters.table(config)}
    base = {name: leaf for name, leaf in policy.params.items() if name in kept}
    tokenizer = tokenizer_of(folder)
    tokenizer.check_fits(config.vocab_size, folder)
    params = adapting.join(base, trained, adapter.scale)
    if (storage.path(folder) / hf.GENERATION).exists():
        policy = dataclasses.replace(policy, generation=_read_generation(folder, config.vocab_size))
    if merge:
        return dataclasses.replace(policy, config=config, params=adapting.merged(params, donate=True), tokenizer=tokenizer)
    stated = stated_base(folder)
    return dataclasses.replace(policy, config=config, params=params, tokenizer=tokenizer, lora=adapter, base=stated)


def _read_generation(folder: str, vocab_size: int) -> dict[str, Any]:
    file = storage.path(folder) / hf.GENERATION
    fields = storage.read_json(file) if file.exists() else {}
    if not isinstance(fields, dict):
        raise ValueError(f"{file}: expected a JSON object")
    stated = fields.get("eos_token_id")
    for token in stated if isinstance(stated, list) else [] if stated is None else [stated]:
        if type(token) is not int or not 0 <= token < vocab_size:
            raise ValueError(f"{file}: eos_token_id = {stated!r:.80}: expected an id below {vocab_size}, or a list of them")
    for name in ("bos_token_id", "pad_token_id"):  # they are only handed on; some models state a pad of -1
        if type(fields.get(name)) not in (int, type(None)):
            raise ValueError(f"{file}: {name} = {fields[name]!r:.80}: expected an id")
    return fields


def tokenizer_of(folder: str) -> Tokenizer:
    """The tokenizer of a model, or of an adapter, which has its base's where it brings none."""
    return load_tokenizer(tokenizer_in(folder))


def about_of(folder: str) -> dict[str, Any]:
    """What the folder of a model that was trained here says of it; nothing of any other."""
    where = storage.path(folder) / ABOUT
    found = storage.read_json(where) if where.exists() else {}
    return found if isinstance(found, dict) else {}


def learned(folder: str) -> str | None:
    """The step format that a model learned, where it was trained here; None of any other."""
    stated = about_of(folder).get("step_format")
    return stated if stated in FORMATS else None


def save(policy: Policy, folder: storage.PathLike, dtype: Any = jnp.bfloat16) -> None:
    """Writes the policy as a Hugging Face folder that transformers and `load` read; weights in files of at most 5 GB.

    Of a policy with an adapter that is not merged, the adapter alone, as peft does, in float32.
    """
    if policy.adapters:
        raise ValueError(
            f"{policy.source}: has adapters to choose from: expected a model that was loaded without them, or with one"
        )
    if policy.lora is not None:
        trained, named = adapting.part(policy.params)[1], _named(policy.base)
        if distributed.is_main():
            storage.path(folder).mkdir(parents=True, exist_ok=True)
            values = policy.config.head != "lm"  # of which the base's config.json says nothing
            hf.save_description(storage.path(folder), policy.config, policy.tokenizer, dtype, policy.generation, values)
        peft.save(folder, policy.config, policy.lora, trained, named, jnp.float32)
        distributed.barrier("an adapter is written")
        return
    hf.save(folder, policy.config, policy.params, policy.tokenizer, dtype, policy.generation)


def _named(base: str) -> str:
    """The base of an adapter as its folder calls it: a folder here by its whole path, for it is read from anywhere."""
    if base != EMBEDDED and not storage.follow(base).exists():
        return base
    if base != EMBEDDED and not is_model(base):
        raise ValueError(
            f"{base}: the base of an adapter: expected a model's folder or hub id: save the base, and load it, first"
        )
    # Not by a stage's link, which another run turns to another model.
    return os.path.realpath(resolve(base)) if storage.is_local(base) else resolve(base)


def logits(policy: Policy, tokens: Any) -> jax.Array:
    """Next-token logits of whole sequences; of a model with another head (a reward model), its values.

    Args:
      tokens: [B, T] int ids.

    Returns:
      [B, T, V] float32, or [B, T, C] where the head gives C values a token.
    """
    tokens = jnp.asarray(tokens, jnp.int32)
    if tokens.ndim != 2:
        raise ValueError(f"tokens has the shape {tokens.shape}: expected [batch, length]")
    scaling, positions = policy.config.rope_scaling, policy.config.positions
    if scaling is not None and scaling.kind == "dynamic" and tokens.shape[1] > positions:
        raise ValueError(
            f"tokens has the shape {tokens.shape}: expected at most {positions:,} tokens, the model's positions: longer texts "
            "would change its rotary frequencies (rope scaling 'dynamic')"
        )
    with jax.set_mesh(policy.mesh), jax.default_matmul_precision(policy.products):
        return _logits(policy.config, policy.params, tokens, policy.dtype)


_logits = jax.jit(transformer.logits, static_argnums=(0, 3))
