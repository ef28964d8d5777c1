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
from jorney.convert import adapters, config_json, hf, native
from jorney.model import transformer
from jorney.model.architecture import ModelConfig
from jorney.model.params import Params, param_shardings
from jorney.model.presets import HUB, PRESETS
from jorney.precision import EXACT, PRECISIONS, products
from jorney.sharding import MeshConfig
from jorney.text.step_format import FORMATS
from jorney.text.tokenizer import Tokenizer, load_tokenizer

EMBEDDED = "embedded"
# In the folder of a model that was trained here: how, by which command, and the step format that it learned. Hidden, for it is
# none of what the model is known by.
ABOUT = ".jorney.json"
# Of the hub's files: the same weights once more, and what belongs to other programs.
_OTHER_COPIES = ["*/*", "consolidated*", "*.fp16.*", "training_args.bin", "optimizer.bin", "scheduler.bin"]


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


def resolve(path_or_hub_id: str) -> str:
    """A folder, local or gs://, for "embedded", a folder or a hub id; of what a training stage wrote, the model in it.

    Raises:
      FileNotFoundError: none of these.
    """
    if path_or_hub_id == EMBEDDED:
        return os.path.join(os.path.dirname(__file__), "embedded")
    place = storage.follow(path_or_hub_id)
    if place.exists():
        trained = not (place / "config.json").exists() and (place / "model" / "config.json").exists()
        return os.fspath(place / "model" if trained else place)
    if not storage.is_local(path_or_hub_id):
        raise FileNotFoundError(f"{path_or_hub_id}: no such folder in the store")
    if path_or_hub_id.startswith((".", "/", "~")) or path_or_hub_id.count("/") != 1:
        raise FileNotFoundError(f"{path_or_hub_id}: no such folder (a hub id has the form owner/name)")
    import huggingface_hub
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    def fetched(*weights: str) -> str:
        return huggingface_hub.snapshot_download(
            path_or_hub_id, allow_patterns=["*.json", "*.jinja", *weights], ignore_patterns=_OTHER_COPIES
        )

    try:
        folder = fetched("*.safetensors")
        has = any(name.endswith(".safetensors") for name in os.listdir(folder))
        return folder if has else fetched("*.bin")
    except (OSError, HfHubHTTPError, LocalEntryNotFoundError) as error:
        reason = str(error).splitlines()[0]
        raise FileNotFoundError(f"{path_or_hub_id}: neither a folder here nor a model that the hub gives: {reason}") from None


def read_architecture(name: str) -> ModelConfig:
    """The architecture of a preset, or of a folder or hub id, of which only config.json is read.

    Hub ids whose architecture is a preset are not asked for: a plan needs no network.
    """
    name = HUB.get(name, name)
    return PRESETS[name] if name in PRESETS else config_json.read(resolve(name))[0]


def load(
    path_or_hub_id: str = EMBEDDED,
    *,
    mesh: Mesh | MeshConfig | None = None,
    dtype: Any = jnp.float32,
    param_dtype: Any = None,
    precision: str = EXACT,
) -> Policy:
    """Loads a Hugging Face checkpoint, converted while it is read, or one of Jorney's own (`jorney convert`).

    Args:
      path_or_hub_id: a folder (local or gs://), a hub id, or "embedded", the small Countdown model of this package.
      mesh: where to put it; by default all devices, data parallel.
      dtype: of the computation.
      param_dtype: of the parameters; by default `dtype`.
      precision: of matrix products: "dtype" computes them in `dtype` on every platform. "fast" lets a TPU take bfloat16, and a
        GPU TF32, for those of float32.

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
    config, _ = config_json.read(folder)
    tokenizer = load_tokenizer(folder)
    tokenizer.check_fits(config.vocab_size, folder)
    generation = _read_generation(folder, config.vocab_size)
    reader = native if native.is_native(folder) else hf
    if reader is hf:
        config = hf.as_stored(folder, config)
    if (told := adapters.beside(folder)) and distributed.is_main():
        warnings.warn(told, stacklevel=2)
    params = reader.load_params(folder, config, param_shardings(config, mesh), param_dtype or dtype)
    return Policy(config, params, tokenizer, mesh, dtype, path_or_hub_id, generation, precision, memory)


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
    """Writes the policy as a Hugging Face folder that transformers and `load` read; weights in files of at most 5 GB."""
    hf.save(folder, policy.config, policy.params, policy.tokenizer, dtype, policy.generation)


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
