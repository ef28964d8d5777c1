"""Hugging Face folders: read into sharded parameters, and written.

The mapping is the parameter table's, total both ways: every tensor of a folder must have its row and every row its
tensor, of the right shape, or one error lists all that do not.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from typing import Any

import jax
import numpy as np

from jorney import storage
from jorney.convert import safetensors
from jorney.convert.safetensors import StoredTensor
from jorney.model import params as parameters
from jorney.model.config import ModelConfig, from_hf, to_hf
from jorney.model.params import Parameter, Params

WEIGHTS = "model.safetensors"
INDEX = "model.safetensors.index.json"
# Buffers that old checkpoints carry along and that are computed here.
_COMPUTED = re.compile(r"\.rotary_emb\.inv_freq$|\.attn\.bias$")


def read_config(folder: storage.PathLike) -> ModelConfig:
    """The architecture that a folder's config.json states."""
    file = storage.path(folder) / "config.json"
    if not storage.path(folder).exists():
        raise FileNotFoundError(f"{folder}: no such folder")
    fields = storage.read_json(file)
    if not isinstance(fields, dict):
        raise ValueError(f"{file}: expected a JSON object")
    return from_hf(fields, os.fspath(file))


def stored_tensors(folder: storage.PathLike) -> dict[str, StoredTensor]:
    """Headers of all weight files of a folder: {tensor name: where it is}.

    Raises:
      FileNotFoundError: there are no weights, or the index names a file that is not there.
      ValueError: a tensor stands in two files; or a file is broken.
    """
    root = storage.path(folder)
    if (root / INDEX).exists():
        index = storage.read_json(root / INDEX)
        names = sorted(set(index.get("weight_map", {}).values()))
        if not names:
            raise ValueError(f"{root / INDEX}: expected a weight_map that names the weight files")
    elif (root / WEIGHTS).exists():
        names = [WEIGHTS]
    else:
        raise FileNotFoundError(f"{folder}: expected {WEIGHTS} or {INDEX} beside config.json")
    found: dict[str, StoredTensor] = {}
    for name in names:
        for key, tensor in safetensors.read_header(os.fspath(root / name)).items():
            if key in found:
                raise ValueError(f"{tensor.file}: {key} stands in {found[key].file} as well")
            found[key] = tensor
    return found


def expected_tensors(config: ModelConfig) -> Iterator[tuple[str, Parameter, int]]:
    """(tensor name, its row, its layer) for every tensor that a folder of this architecture holds."""
    for row in parameters.table(config).values():
        for layer in range(config.layers if row.stacked else 1):
            yield row.hf.format(layer=layer), row, layer


def check(config: ModelConfig, found: Mapping[str, StoredTensor], source: storage.PathLike) -> None:
    """Raises one ValueError that lists every missing, unknown and mis-shaped tensor."""
    expected = {name: row for name, row, _ in expected_tensors(config)}
    tied = {"lm_head.weight"} if config.tie_embeddings else set()  # some writers repeat a tied head
    faults = [f"{name}: missing" for name in expected if name not in found]
    for name, tensor in found.items():
        if name in expected:
            if tensor.shape != expected[name].stored:
                faults.append(f"{name}: shape {list(tensor.shape)}, expected {list(expected[name].stored)}")
        elif name not in tied and not _COMPUTED.search(name):
            faults.append(f"{name}: unknown to this architecture")
    if faults:
        raise ValueError(f"{source}: {len(faults)} tensors do not fit config.json:\n  " + "\n  ".join(sorted(faults)))


def load_params(folder: storage.PathLike, config: ModelConfig, shardings: Params, dtype: Any) -> Params:
    """Reads a folder's weights into the training tree, each process only the bytes of its own shards.

    Args:
      shardings: the training tree's shardings (`train.state.param_shardings`).
      dtype: of the parameters; converted while reading.

    Raises:
      FileNotFoundError, ValueError: name the file and the tensors.
    """
    found = stored_tensors(folder)
    check(config, found, folder)
    where = dict(parameters.flatten(shardings))
    flat = {}
    for path, row in parameters.table(config).items():

        def read(index: Any, row: Parameter = row) -> np.ndarray:
            if not row.stacked:
                return _read(row, found[row.hf], index, dtype)
            layers = range(config.layers)[index[0]]
            shape = [len(range(size)[part]) for size, part in zip(row.shape, index[1:], strict=True)]
            stack = np.empty((len(layers), *shape), dtype)
            for position, layer in enumerate(layers):
                stack[position] = _read(row, found[row.hf.format(layer=layer)], index[1:], dtype)
            return stack

        flat[path] = jax.make_array_from_callback(parameters.full_shape(config, row), where[path], read)
    return parameters.nest(flat)


def _read(row: Parameter, tensor: StoredTensor, index: tuple[slice, ...], dtype: Any) -> np.ndarray:
    """One layer's parameter, cut to `index` (slices of our shape), reading only the stored rows that hold it."""
    first, *rest = (index[ours] for ours in np.argsort(row.order))  # slices along the stored, split axes
    start, stop, _ = first.indices(row.split[0])
    per_entry = row.stored[0] // row.split[0]
    stored = tensor.rows(start * per_entry, stop * per_entry).reshape(stop - start, *row.split[1:])
    return stored[(slice(None), *rest)].transpose(row.order).astype(dtype)


def save(folder: storage.PathLike, config: ModelConfig, params: Params, tokenizer: Any, dtype: Any) -> None:
    """Writes a folder that transformers loads: config.json, model.safetensors, tokenizer and generation config.

    Args:
      params: the training tree, addressable from this process.
      tokenizer: `data.tokenizer.Tokenizer`.
      dtype: of the weights written.
    """
    dtype = np.dtype(dtype)
    leaves = dict(parameters.flatten(params))
    tensors = {}
    for name, row, layer in expected_tensors(config):
        leaf = leaves[row.path]
        tensors[name] = row.to_hf(np.asarray(leaf[layer] if row.stacked else leaf).astype(dtype))
    root = storage.path(folder)
    ids = {"bos_token_id": tokenizer.bos, "eos_token_id": tokenizer.eos, "pad_token_id": tokenizer.pad}
    root.mkdir(parents=True, exist_ok=True)
    safetensors.write(root / WEIGHTS, tensors)
    tokenizer.backend.save_pretrained(os.fspath(root))
    storage.write_json(root / "generation_config.json", ids)
    # Last: a folder without config.json is not taken for a checkpoint.
    storage.write_json(root / "config.json", to_hf(config, dtype.name, tokenizer.bos, tokenizer.eos, tokenizer.pad))
