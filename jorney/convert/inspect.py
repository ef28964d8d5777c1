"""What a checkpoint folder holds, read from its headers: nothing is loaded, no device is needed.

Only what config.json makes redundant is read, and held against what stands in its place.
"""

from __future__ import annotations

import collections
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from jorney import sharding, storage, topology
from jorney.convert import config_json, hf, native, peft, redundant
from jorney.convert.locate import base_of, not_used, stated_base, tokenizer_in
from jorney.model import lora as adapters
from jorney.model import params as parameters
from jorney.model.architecture import ModelConfig
from jorney.text import tokenizer as tokenizers

# What is asked for most often.
SLICES = ("v4-8", "v5e-8", "v5e-16", "v5e-64", "v5p-8", "v5p-32", "v6e-8", "v6e-16")


def inspect(folder: str) -> dict[str, Any]:
    """A folder's architecture, weights, tokenizer health, and the bytes a chip holds on common slices.

    Raises:
      FileNotFoundError, ValueError: the folder would not load; names what is wrong.
    """
    if base := base_of(folder):
        return {**inspect(base), "adapter": _adapter(folder)}
    config, fields = config_json.read(folder)
    weights = _weights(folder, config)
    if not native.is_native(folder):
        written, found = hf.as_written(folder), hf.stored_tensors(folder)
        own_head = redundant.own_head(config, found)
        config = redundant.untied(config) if own_head else config
        weights["notes"] = [*filter(None, [own_head]), *hf.notes(folder, config, written)]
    weights["notes"] += filter(None, [not_used(folder)])
    return {
        "folder": folder,
        "architecture": fields["architectures"][0],
        "model": config,
        "parameters": parameters.count(config),
        "weights": weights,
        "tokenizer": _tokenizer(folder, config, fields),
        "slices": [_slice(config, topology.find(name)) for name in SLICES],
    }


def _adapter(folder: str) -> dict[str, Any]:
    """Of an adapter, whose base is the model."""
    lora, (config, _) = peft.read_config(folder), config_json.read(folder)
    found = peft.checked(folder)
    about = {"folder": folder, "base": stated_base(folder), "rank": lora.rank, "alpha": lora.alpha, "targets": lora.targets}
    held = {"parameters": adapters.count(config, lora), "dtype": dtype_name(list(found.values())), "head": config.head}
    return {**about, "rslora": lora.rslora, "scale": lora.scale, **held}


def _weights(folder: str, config: ModelConfig) -> dict[str, Any]:
    if native.is_native(folder):
        stored = native.stored(folder, config)
        nbytes = sum(leaf.dtype.itemsize * math.prod(leaf.shape) for leaf in stored)
        about = {"format": "orbax", "files": 1, "notes": []}
        return {**about, "bytes": nbytes, "tensors": len(stored), "dtype": dtype_name(stored)}
    found = hf.stored_tensors(folder)
    hf.check(config, found, folder)
    files = hf.weight_files(folder)
    tensors = [tensor for _, tensor in found]
    return {
        "format": "safetensors" if files[0].endswith(".safetensors") else "bin",
        "files": len(files),
        "bytes": sum(storage.path(file).stat().length for file in files),
        "tensors": len(found),
        "dtype": dtype_name(tensors),
        "notes": [],
    }


def dtype_name(tensors: list[Any]) -> str:
    """The dtype in which most numbers are stored."""
    counts = collections.Counter[str]()
    for tensor in tensors:
        counts[np.dtype(tensor.dtype).name] += math.prod(tensor.shape)
    return max(counts, key=lambda name: counts[name])


def stored_dtype(folder: str) -> str:
    """The dtype in which a folder's weights are stored, as a name of a dtype that parameters may have; an adapter's base's."""
    if base := base_of(folder):
        return stored_dtype(base)
    config, _ = config_json.read(folder)
    name = str(_weights(folder, config)["dtype"])
    return "float32" if name == "float64" else name


def _tokenizer(folder: str, config: ModelConfig, fields: Mapping[str, Any]) -> dict[str, Any]:
    tokenizer = tokenizers.load_tokenizer(tokenizer_in(folder))
    tokenizer.check_fits(config.vocab_size, folder)
    notes = list(tokenizer.notes)
    stated = fields.get("eos_token_id")
    if stated is not None and tokenizer.eos not in (stated if isinstance(stated, list) else [stated]):
        notes.append(f"eos is {tokenizer.eos}, but config.json states {stated}: the tokenizer's is used")
    if config.vocab_size > len(tokenizer):
        notes.append(f"the embedding has {config.vocab_size - len(tokenizer):,} rows more than there are tokens")
    return {
        "class": type(tokenizer.backend).__name__,
        "tokens": len(tokenizer),
        "bos": tokenizer.bos,
        "eos": tokenizer.eos,
        "pad": tokenizer.pad,
        "chat_template": tokenizer.chats,
        "lost": tokenizer.lost(tokenizers.CHARACTERS),
        "notes": notes,
    }


def _slice(config: ModelConfig, machine: topology.Slice) -> dict[str, Any]:
    """Bytes a chip with everything split over `fsdp`: weights to generate with, and the state to train with."""
    numbers, chips = 0, machine.chips
    for row in parameters.table(config).values():
        shape, axes = parameters.full_shape(config, row), parameters.full_axes(row)
        split = any(part == "fsdp" and size % chips == 0 for size, part in zip(shape, sharding.spec(*axes), strict=True))
        numbers += math.prod(shape) // (chips if split else 1)
    needs = {"bfloat16_weights": 2 * numbers, "training_state": 3 * 4 * numbers}
    return {"name": machine.name, "chips": chips, "hbm": machine.generation.memory << 30, **needs}


def _described(adapter: Mapping[str, Any]) -> list[str]:
    if not adapter:
        return []
    kind = "rsLoRA" if adapter["rslora"] else "LoRA"
    head = "" if adapter["head"] == "lm" else f"; a {adapter['head']} head of values in the place of the base's"
    return [
        adapter["folder"],
        f"  adapter       {kind} of rank {adapter['rank']}, alpha {adapter['alpha']:g} (scale {adapter['scale']:.4g}){head}",
        f"  targets       {', '.join(adapter['targets'])}",
        f"  parameters    {adapter['parameters']:,}, {adapter['dtype']}",
        f"  base          {adapter['base']}",
        "",
    ]


def _size(nbytes: int) -> str:
    return f"{nbytes / 1e9:.2f} GB" if nbytes >= 1e9 else f"{nbytes / 1e6:.1f} MB"


def describe(found: Mapping[str, Any]) -> str:
    """The facts of `inspect` as text of at most 80 columns."""
    model, weights, tokenizer = found["model"], found["weights"], found["tokenizer"]
    heads = {"lm": "tied head" if model.tie_embeddings else "head of its own"}.get(
        model.head, f"{model.head} head of {model.labels} values"
    )
    rope = f"rope base {model.rope_theta:,.0f}"
    if model.rope_scaling:
        rope += f", {model.rope_scaling.kind} scaling x {model.rope_scaling.factor:g}"
    lines = [
        *_described(found.get("adapter", {})),
        found["folder"],
        f"  architecture  {found['architecture']}, {heads}",
        f"  parameters    {found['parameters']:,}",
        f"  shape         {model.layers} layers, embed {model.embed:,}, mlp {model.mlp:,}, vocabulary {model.vocab_size:,}",
        f"                {model.heads} heads, {model.kv_heads} for keys and values, of {model.head_dim}",
        f"  context       {model.positions:,} positions, {rope}" + (f", window {model.window:,}" if model.window else ""),
        f"  weights       {weights['dtype']}, {_size(weights['bytes'])}, {weights['format']}"
        + (f" in {weights['files']} files" if weights["files"] > 1 else ""),
        f"                {weights['tensors']} tensors" + ("" if weights["notes"] else ", all as expected"),
        *(f"                {note}" for note in weights["notes"]),
        f"  tokenizer     {tokenizer['tokens']:,} tokens, {'not all ' if tokenizer['lost'] else ''}text survives; "
        f"bos {tokenizer['bos']}, eos {tokenizer['eos']}, "
        f"pad {tokenizer['pad']}" + ("; chat template" if tokenizer["chat_template"] else ""),
        *(f"                {note}" for note in tokenizer["notes"]),
        "",
        "  GB a chip, all split over fsdp      chips   of   bf16 weights   SFT state*",
    ]
    for row in found["slices"]:
        train = f"{row['training_state'] / 1e9:10.2f}" + ("" if row["training_state"] < row["hbm"] else "  too much")
        lines.append(
            f"    {row['name']:31} {row['chips']:6} {row['hbm'] / 1e9:5.0f} {row['bfloat16_weights'] / 1e9:12.2f} {train}"
        )
    lines.append("  * float32 weights and Adam's two moments; activations come on top")
    return "\n".join(lines)
