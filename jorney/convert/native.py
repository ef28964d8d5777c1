"""Jorney's own checkpoint folders: a Hugging Face folder's description beside weights written by orbax.

They load onto any mesh without transposing or renaming anything, each process reading its own shards.
"""

from __future__ import annotations

import math
import os
import warnings
from typing import Any

import jax
import jax.numpy as jnp
import orbax.checkpoint as ocp

from jorney import checkpoint, distributed, storage
from jorney.convert.streaming import Overflow, has_less_range, overflow, underflow
from jorney.model import params as parameters
from jorney.model.architecture import ModelConfig

WEIGHTS = "orbax"


def is_native(folder: storage.PathLike) -> bool:
    """Whether a folder's weights are orbax's."""
    return (storage.path(folder) / WEIGHTS).exists()


def _weights(folder: storage.PathLike) -> storage.Path:
    where = storage.path(folder) / WEIGHTS
    return where.absolute() if storage.is_local(where) else where


def save_params(folder: storage.PathLike, params: parameters.Params) -> None:
    """Writes the training tree; every process of its mesh calls it and writes its shards.

    Raises:
      OSError: the disk has no room for it.
    """
    where = _weights(folder)
    checkpoint.check_room(where.parent, params)
    where.parent.mkdir(parents=True, exist_ok=True)
    with checkpoint.writing(where.parent), ocp.StandardCheckpointer() as writer:
        writer.save(where, params)


def stored(folder: storage.PathLike, config: ModelConfig) -> list[jax.ShapeDtypeStruct]:
    """Shapes and dtypes of the leaves of a checkpoint. Raises ValueError where they do not fit the architecture."""
    where = _weights(folder)
    with ocp.StandardCheckpointer() as reader:
        metadata = _metadata(reader, where)
    checkpoint.check_leaves(metadata, parameters.abstract(config), os.fspath(where), dtypes=False)
    return [jax.ShapeDtypeStruct(leaf.shape, leaf.dtype) for leaf in jax.tree.leaves(metadata)]


def _metadata(reader: Any, where: storage.Path) -> Any:
    found = reader.metadata(where).item_metadata
    return getattr(found, "tree", found)


def load_params(folder: storage.PathLike, config: ModelConfig, shardings: parameters.Params, dtype: Any) -> parameters.Params:
    """Reads the training tree onto its shardings, converted to `dtype`.

    Warns:
      a leaf holds what is not finite, or (`streaming.Overflow`) what `dtype` cannot hold; weights become 0.

    Raises:
      ValueError: names every leaf that is missing, unknown or of another shape.
    """
    where = _weights(folder)

    def like(kind: Any) -> Any:
        shapes = parameters.abstract(config)
        return jax.tree.map(lambda leaf, place: jax.ShapeDtypeStruct(leaf.shape, kind, sharding=place), shapes, shardings)

    with ocp.StandardCheckpointer() as reader:
        # The dtype is converted on purpose, so only the shapes are held against each other.
        metadata = _metadata(reader, where)
        checkpoint.check_leaves(metadata, like(dtype), os.fspath(where), dtypes=False)
        widest = jnp.result_type(*(leaf.dtype for leaf in jax.tree.leaves(metadata)))
        if has_less_range(dtype, widest):  # in which numbers may become 0: they are counted before
            wide = reader.restore(where, like(widest))
            if (count := int(parameters.vanishing(wide, dtype))) and distributed.is_main():
                warnings.warn(underflow(os.fspath(where), count, parameters.count(config), dtype), stacklevel=2)
            del wide
        params = reader.restore(where, like(dtype))
    most, leaves = float(jnp.finfo(dtype).max), {"/".join(path): leaf for path, leaf in parameters.flatten(metadata)}
    for name, count in jax.device_get(parameters.beyond(params, most)).items():
        if count and distributed.is_main():
            total, place = math.prod(leaves[name].shape), f"{where}: {name}"
            if jnp.finfo(leaves[name].dtype).max <= most:
                warnings.warn(f"{place}: {int(count):,} of {total:,} weights are not finite", stacklevel=3)
            else:
                warnings.warn(overflow(place, int(count), total, dtype), Overflow, stacklevel=3)
    return params
