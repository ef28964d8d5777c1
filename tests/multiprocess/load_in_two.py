"""What each of two processes does in test_load.py."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import jax
import numpy as np

from jorney import sharding
from jorney.convert import config_json, hf, native, stored
from jorney.model import params as parameters
from jorney.model.params import param_shardings
from jorney.text.tokenizer import load_tokenizer


def shards(params: parameters.Params) -> dict[str, str]:
    """A digest of every shard that this process owns, by leaf and place."""
    found = {}
    for path, leaf in parameters.flatten(params):
        for shard in leaf.addressable_shards:
            place = [part.indices(size)[:2] for part, size in zip(shard.index, leaf.shape, strict=True)]
            found[f"{'/'.join(path)} {place}"] = hashlib.blake2b(np.asarray(shard.data).tobytes()).hexdigest()
    return found


def main(index: int, folder: str, sizes: str, output: str) -> dict[str, Any]:
    counted = []
    read_bytes = stored.read_bytes
    stored.read_bytes = lambda file, at, count, *rest: counted.append(count) or read_bytes(file, at, count, *rest)
    mesh = sharding.make_mesh(sharding.MeshConfig(**json.loads(sizes)))
    config = hf.as_stored(folder, config_json.read(folder)[0])
    where = param_shardings(config, mesh)
    params = hf.load_params(folder, config, where, "bfloat16")
    found = {"read": sum(counted), "shards": shards(params), "tied": config.tie_embeddings}
    if output:
        tokenizer = load_tokenizer(folder)
        hf.save(f"{output}/hf", config, params, tokenizer, "bfloat16", shard_bytes=10_000_000)
        native.save_params(f"{output}/native", params)
        if index == 0:
            hf.save_description(hf.storage.path(f"{output}/native"), config, tokenizer, "bfloat16", None)
        again = native.load_params(f"{output}/native", config, where, "bfloat16")
        found["restored"] = shards(again) == found["shards"]
    jax.block_until_ready(params)
    return found
