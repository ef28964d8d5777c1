"""Writes a Hugging Face folder of a published shape with random weights, for load tests.

    python tools/make_random_checkpoint.py OUT_DIR --preset deepseekmath-7b --format bin

`--format bin` writes what torch.save writes and needs torch; safetensors needs nothing. The tokenizer is the embedded
model's, whose 512 ids every preset's vocabulary holds. A tensor's numbers depend on its name alone, so that two folders of
one preset are equal whatever their format. 13.8 GB for deepseekmath-7b; `--layers` takes fewer.
"""

from __future__ import annotations

import argparse
import dataclasses
import hashlib
import math
import pathlib
import shutil

import ml_dtypes
import numpy as np

import jorney
from jorney import storage
from jorney.convert import config_json, hf, safetensors
from jorney.model import params as parameters
from jorney.model.presets import PRESETS

BFLOAT16 = np.dtype(ml_dtypes.bfloat16)
# Drawn once; tensors are cut from it at places that follow from their names.
_POOL = (0.02 * np.random.default_rng(0).standard_normal(1 << 25, dtype=np.float32)).astype(BFLOAT16)


def numbers(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """A tensor's numbers, bfloat16."""
    count = math.prod(shape)
    start = int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), "big") % _POOL.size
    return np.resize(np.roll(_POOL, -start) if count > _POOL.size else _cut(start, count), shape)


def _cut(start: int, count: int) -> np.ndarray:
    end = start + count
    return _POOL[start:end] if end <= _POOL.size else np.concatenate([_POOL[start:], _POOL[: end - _POOL.size]])


def write(out: pathlib.Path, preset: str, kind: str, layers: int | None, shard_bytes: int) -> None:
    """Writes the folder, config.json last."""
    config = PRESETS[preset]
    if layers is not None:
        config = dataclasses.replace(config, layers=layers)
    rows = {name: (row, layer) for name, row, layer in hf.expected_tensors(config)}
    out.mkdir(parents=True, exist_ok=True)
    files = hf.shards(rows, BFLOAT16, shard_bytes)
    if kind == "bin":
        # DeepSeekMath's own spelling: six digits behind "of".
        files = {f"pytorch_model-{i:05}-of-{len(files):06}.bin": names for i, names in enumerate(files.values(), 1)}
    for file, names in files.items():
        if kind == "bin":
            import torch

            tensors = {n: torch.from_numpy(numbers(n, rows[n][0].stored).view(np.int16)).view(torch.bfloat16) for n in names}
            torch.save(tensors, out / file)
        else:
            listed = [(name, BFLOAT16, rows[name][0].stored) for name in names]
            safetensors.write(out / file, listed, lambda name: numbers(name, rows[name][0].stored))
        print(f"{out / file}: {(out / file).stat().st_size:,} bytes")
    index = "pytorch_model.bin.index.json" if kind == "bin" else hf.INDEX
    if kind == "bin" or len(files) > 1:
        weight_map = {name: file for file, names in files.items() for name in names}
        total = BFLOAT16.itemsize * parameters.count(config)
        storage.write_json(out / index, {"metadata": {"total_size": total}, "weight_map": weight_map})
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(pathlib.Path(jorney.__file__).parent / "embedded" / name, out / name)
    storage.write_json(out / config_json.NAME, config_json.to_hf(config, "bfloat16", 0, 1, 2))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--preset", choices=sorted(PRESETS), default="deepseekmath-7b")
    parser.add_argument("--format", choices=("safetensors", "bin"), default="safetensors")
    parser.add_argument("--layers", type=int, help="fewer layers than the preset has")
    parser.add_argument("--shard-bytes", type=int, default=hf.SHARD_BYTES)
    chosen = parser.parse_args()
    if chosen.out.exists() and any(chosen.out.iterdir()):
        parser.error(f"{chosen.out} is not empty: expected a new folder")
    write(chosen.out, chosen.preset, chosen.format, chosen.layers, chosen.shard_bytes)


if __name__ == "__main__":
    main()
