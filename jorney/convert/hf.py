"""Hugging Face folders: read into sharded parameters, and written.

The mapping is the parameter table's, total both ways: every tensor of a folder must have its row and every row its
tensor, of the right shape, or one error lists all that do not.
"""

from __future__ import annotations

import itertools
import math
import os
import re
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jorney import distributed, storage
from jorney.convert import config_json, redundant, safetensors, torch_bin
from jorney.convert.stored import StoredTensor
from jorney.convert.streaming import Loader, Source, has_less_range, overflow, underflow
from jorney.model import params as parameters
from jorney.model.architecture import ModelConfig

# A folder's weights, the better format first: the file of a whole model, and the index of one in shards.
WEIGHTS, INDEX = "model.safetensors", "model.safetensors.index.json"
_BIN, _BIN_INDEX = "pytorch_model.bin", "pytorch_model.bin.index.json"
GENERATION = "generation_config.json"
SHARD_BYTES = 5_000_000_000
_LARGEST_INDEX = 256 << 20  # bytes
_MOST_FAULTS = 100  # that are listed

# What torch.compile, DistributedDataParallel, FSDP and checkpointing put into the names of what they wrap.
_WRAPPERS = re.compile(r"(?<![^.])(?:_orig_mod|module|_fsdp_wrapped_module|_checkpoint_wrapped_module)\.")

# The head of ReasonEval, as its authors' program calls it.
_RENAMED = {"score_head.weight": "score.weight", "score_head.bias": "score.bias"}


def weight_files(folder: storage.PathLike) -> list[str]:
    """Paths of a folder's weight files: safetensors where there are any, else .bin.

    Raises:
      FileNotFoundError: there are no weights, or the index names a file that is not there.
      ValueError: the index is broken, or names a file outside its folder.
    """
    root = storage.path(folder)
    for whole, index in ((WEIGHTS, INDEX), (_BIN, _BIN_INDEX)):
        if (root / index).exists():
            return [os.fspath(root / name) for name in _index_names(root / index)]
        if (root / whole).exists():
            return [os.fspath(root / whole)]
    raise FileNotFoundError(
        f"{folder}: expected weights beside config.json: {WEIGHTS} or {_BIN}, or the index of either's shards"
    )


def _index_names(file: storage.Path) -> list[str]:
    fields = storage.read_json(file, _LARGEST_INDEX)
    weight_map = fields.get("weight_map") if isinstance(fields, dict) else None
    if not isinstance(weight_map, dict) or not weight_map or not all(isinstance(name, str) for name in weight_map.values()):
        raise ValueError(f"{file}: expected a weight_map that names a weight file for every tensor")
    names = sorted(set(weight_map.values()))
    for name in names:
        if name != os.path.basename(name):
            raise ValueError(f"{file}: names the file {name!r}: expected one in the same folder")
        if not (file.parent / name).exists():
            raise FileNotFoundError(f"{file.parent / name}: no such file, but {file.name} names it")
    return names


def as_written(folder: storage.PathLike) -> list[tuple[str, StoredTensor]]:
    """(tensor name, where it is) of all weight files of a folder, from their headers."""
    readers = [(safetensors if file.endswith(".safetensors") else torch_bin, file) for file in weight_files(folder)]
    return [found for reader, file in readers for found in reader.read_header(file).items()]


def stored_tensors(folder: storage.PathLike) -> list[tuple[str, StoredTensor]]:
    """`as_written`, under the names of transformers."""
    return _as_named(as_written(folder))


def _as_named(written: list[tuple[str, StoredTensor]]) -> list[tuple[str, StoredTensor]]:
    plain = [(_WRAPPERS.sub("", name), tensor) for name, tensor in written]
    return [(_RENAMED.get(name, name), tensor) for name, tensor in plain]


def notes(folder: storage.PathLike, config: ModelConfig, written: list[tuple[str, StoredTensor]]) -> list[str]:
    """What to tell of a folder that loads: names with wrappers, other rotary frequencies."""
    wrappers = {match.group() for name, _ in written for match in _WRAPPERS.finditer(name)}
    what = f"{folder}: names of tensors hold {', '.join(sorted(wrappers))}, of what wrapped the model when it was saved"
    told = (f"{what}: taken off" if wrappers else None, redundant.other_frequencies(config, _as_named(written)))
    return [one for one in told if one]


def expected_tensors(config: ModelConfig) -> Iterator[tuple[str, parameters.Parameter, int]]:
    """(tensor name, its row, its layer) for every tensor of an architecture, in the order of the forward pass."""
    for stacked, group in itertools.groupby(parameters.table(config).values(), lambda row: row.stacked):
        rows = list(group)
        for layer in range(config.layers if stacked else 1):
            yield from ((row.hf.format(layer=layer), row, layer) for row in rows)


def check(config: ModelConfig, found: list[tuple[str, StoredTensor]], source: storage.PathLike) -> None:
    """Raises one ValueError that lists missing, unknown, doubled and mis-shaped tensors: all, or the first of very many."""
    if config.layers > max(1, len(found)):  # before a list is made of what so many would have
        raise ValueError(f"{source}: num_hidden_layers = {config.layers:,}, but the weights are {len(found):,} tensors")
    expected = {name: row for name, row, _ in expected_tensors(config)}
    names: dict[str, str] = {}
    faults = []
    tied = {redundant.HEAD: expected[redundant.EMBEDDING]} if config.tie_embeddings else {}  # may be repeated, in its shape
    for name, tensor in redundant.by_role(config, found):
        row = expected.get(name, tied.get(name))
        if name in names:
            faults.append(f"{name}: stands twice, in {names[name]} and in {tensor.file}")
        elif row is None:
            if not redundant.dropped(config, name):
                faults.append(f"{name}: unknown to this architecture")
        elif tensor.shape != row.stored:
            faults.append(f"{name}: shape {list(tensor.shape)}, expected {list(row.stored)}")
        names[name] = tensor.file
    faults += [f"{name}: missing" for name in expected if name not in names]
    if faults:
        listed = sorted(faults)[:_MOST_FAULTS]
        listed += [f"... and {len(faults) - _MOST_FAULTS:,} more"] * (len(faults) > _MOST_FAULTS)
        raise ValueError(f"{source}: {len(faults)} tensors do not fit config.json:\n  " + "\n  ".join(listed))


def as_stored(folder: storage.PathLike, config: ModelConfig) -> ModelConfig:
    """The architecture that config.json states, as the weights have it: not tied where the head has values of its own.

    All processes of a mesh call it; process 0 reads.

    Warns:
      it is not tied, though config.json says so.
    """
    if not config.tie_embeddings:
        return config
    told = distributed.from_main(lambda: redundant.own_head(config, stored_tensors(folder)), "the head of a model")
    if told and distributed.is_main():
        warnings.warn(told, stacklevel=3)
    return redundant.untied(config) if told else config


def load_params(folder: storage.PathLike, config: ModelConfig, shardings: parameters.Params, dtype: Any) -> parameters.Params:
    """Reads a folder's weights into the training tree, the processes of the mesh sharing the bytes between them.

    Args:
      config: as the weights have it (`as_stored`).
      shardings: the training tree's shardings (`model.params.param_shardings`).
      dtype: of the parameters; converted while reading.

    Warns:
      a tensor holds weights that are not finite, or too large for `dtype`; weights become 0; and of what `notes` tells.

    Raises:
      FileNotFoundError, ValueError: name the file and the tensors.
    """
    written = as_written(folder)
    found = _as_named(written)
    check(config, found, folder)
    for told in notes(folder, config, written) if distributed.is_main() else ():
        warnings.warn(told, stacklevel=2)
    stored = dict(redundant.by_role(config, found))
    where = dict(parameters.flatten(shardings))
    flat = {}
    with Loader(dtype, sum(tensor.dtype.itemsize * math.prod(tensor.shape) for _, tensor in found)) as loader:
        for path, row in parameters.table(config).items():
            names = [row.hf.format(layer=layer) for layer in range(config.layers if row.stacked else 1)]
            flat[path] = loader.load(Source(row, [stored[name] for name in names], names), where[path])
        vanished = loader.vanished  # of the part that this process has read
    if vanished and distributed.is_main():
        warnings.warn(underflow(os.fspath(folder), vanished, parameters.count(config), dtype), stacklevel=2)
    return parameters.nest(flat)


def save(
    folder: storage.PathLike,
    config: ModelConfig,
    params: parameters.Params,
    tokenizer: Any,
    dtype: Any,
    generation: Mapping[str, Any] | None = None,
    shard_bytes: int = SHARD_BYTES,
    on_bytes: Callable[[int], None] = lambda count: None,
) -> None:
    """Writes a folder that transformers loads: config.json, weights, tokenizer and generation config.

    No more than one tensor is on the host at a time. On a mesh of several processes all call it, and process 0 writes.

    Args:
      params: the training tree.
      tokenizer: `text.tokenizer.Tokenizer`.
      dtype: of the weights written.
      generation: what generation_config.json states beside the tokens' ids.
      shard_bytes: more than these go into several files and an index.
      on_bytes: called with the bytes of each tensor written.

    Warns:
      weights are too small for `dtype`, and become 0.

    Raises:
      ValueError: weights are too large for `dtype`; nothing is written.
    """
    dtype = np.dtype(dtype)
    _check_holds(dtype, params, folder)
    root = storage.path(folder)
    leaves = dict(parameters.flatten(params))
    rows = {name: (row, layer) for name, row, layer in expected_tensors(config)}

    def read(name: str) -> np.ndarray:
        row, layer = rows[name]
        leaf = leaves[row.path][layer] if row.stacked else leaves[row.path]
        if not leaf.is_fully_addressable:
            from jax.experimental import multihost_utils

            leaf = multihost_utils.process_allgather(leaf, tiled=True)
        value = row.to_hf(np.asarray(leaf).astype(dtype))
        on_bytes(value.nbytes)
        return value

    if not distributed.is_main():
        for name in rows:
            read(name)
        distributed.barrier("a model is written")  # what comes next may read it
        return
    root.mkdir(parents=True, exist_ok=True)
    files = shards(rows, dtype, shard_bytes)
    for file, names in files.items():
        safetensors.write(root / file, [(name, dtype, rows[name][0].stored) for name in names], read)
    if len(files) > 1:
        total = dtype.itemsize * parameters.count(config)
        weight_map = {name: file for file, names in files.items() for name in names}
        storage.write_json(root / INDEX, {"metadata": {"total_size": total}, "weight_map": weight_map})
    save_description(root, config, tokenizer, dtype, generation)
    distributed.barrier("a model is written")


def _check_holds(dtype: np.dtype, params: parameters.Params, folder: storage.PathLike) -> None:
    """Raises ValueError where weights are finite in their own dtype alone; warns of those that become 0."""
    most, leaves = float(jnp.finfo(dtype).max), {"/".join(path): leaf for path, leaf in parameters.flatten(params)}
    narrower = any(has_less_range(dtype, leaf.dtype) for leaf in leaves.values())
    if narrower and (count := int(parameters.vanishing(params, dtype))) and distributed.is_main():
        total = sum(leaf.size for leaf in leaves.values())
        warnings.warn(underflow(os.fspath(folder), count, total, dtype), stacklevel=3)
    if all(jnp.finfo(leaf.dtype).max <= most for leaf in leaves.values()):
        return
    for name, count in jax.device_get(parameters.beyond(params, most)).items():
        if count:
            raise ValueError(overflow(f"{folder}: {name}", int(count), leaves[name].size, dtype))


def save_description(
    root: storage.Path,
    config: ModelConfig,
    tokenizer: Any,
    dtype: Any,
    generation: Mapping[str, Any] | None,
    architecture: bool = True,
) -> None:
    """Writes all but the weights (see `save`), config.json last: a folder without it is not taken for a checkpoint.

    Args:
      architecture: whether config.json is written; an adapter's is its base's.
    """
    # transformers writes to local folders only.
    with tempfile.TemporaryDirectory() as local:
        tokenizer.backend.save_pretrained(local)
        for file in sorted(os.listdir(local)):
            storage.write_bytes(root / file, (storage.path(local) / file).read_bytes())
    ids = {"bos_token_id": tokenizer.bos, "eos_token_id": tokenizer.eos, "pad_token_id": tokenizer.pad}
    storage.write_json(root / GENERATION, {**ids, **(generation or {})})
    if architecture:
        fields = config_json.to_hf(config, np.dtype(dtype).name, tokenizer.bos, tokenizer.eos, tokenizer.pad)
        storage.write_json(root / config_json.NAME, fields)


def shards(rows: Mapping[str, tuple[parameters.Parameter, int]], dtype: np.dtype, shard_bytes: int) -> dict[str, list[str]]:
    """{file: names of its tensors}: files filled in order, named as transformers names them."""
    groups: list[list[str]] = [[]]
    size = 0
    for name, (row, _) in rows.items():
        nbytes = dtype.itemsize * int(np.prod(row.stored))
        if groups[-1] and size + nbytes > shard_bytes:
            groups.append([])
            size = 0
        groups[-1].append(name)
        size += nbytes
    if len(groups) == 1:
        return {WEIGHTS: groups[0]}
    return {f"model-{i:05}-of-{len(groups):05}.safetensors": names for i, names in enumerate(groups, 1)}
