"""What the digests of a stage cost beside the saving of its files: their shares of the time, on this machine.

python tools/time_digests.py                    a model of 4.9 GB, in runs/digests
python tools/time_digests.py --gigabytes 0.5
python tools/time_digests.py --run runs/quickstart     of a finished run's stages, beside the seconds that they took
"""

from __future__ import annotations

import argparse
import json
import pathlib
import shutil
import statistics
import time

import jax.numpy as jnp

from jorney import storage
from jorney.convert import hf
from jorney.model import params as parameters
from jorney.model.architecture import ModelConfig
from jorney.policy import load
from jorney.run import integrity


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gigabytes", type=float, default=4.9)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--folder", default="runs/digests")
    parser.add_argument("--run", type=pathlib.Path, help="the folder of a finished `jorney quickstart` or `jorney run`")
    options = parser.parse_args()
    if options.run:
        _of_run(options.run, options.runs)
        return
    tokenizer = load().tokenizer
    shape = {"vocab_size": len(tokenizer), "embed": 2048, "heads": 16, "kv_heads": 16, "head_dim": 128, "mlp": 5632}
    of_layer = parameters.count(ModelConfig(layers=2, **shape)) - parameters.count(ModelConfig(layers=1, **shape))
    config = ModelConfig(layers=max(1, round(options.gigabytes * 1e9 / 4 / of_layer)), **shape)
    zeros = {path: jnp.zeros(parameters.full_shape(config, row)) for path, row in parameters.table(config).items()}
    params = parameters.nest(zeros)
    saves, digests = [], []
    for _ in range(options.runs):
        shutil.rmtree(options.folder, ignore_errors=True)
        start = time.perf_counter()
        hf.save(options.folder, config, params, tokenizer, "float32")
        saves.append(time.perf_counter() - start)
        start = time.perf_counter()
        integrity.digests(storage.path(options.folder))
        digests.append(time.perf_counter() - start)
    size = sum(file.stat().st_size for file in pathlib.Path(options.folder).iterdir())
    save, digest = statistics.median(saves), statistics.median(digests)
    print(f"{size / 1e9:.2f} GB: saved in {save:.2f} s, digests in {digest:.2f} s: {digest / save:.1%}, medians")
    shutil.rmtree(options.folder)


def _of_run(folder: pathlib.Path, runs: int) -> None:
    stages = [storage.path(stage) for stage in sorted((folder / "stages").iterdir())]
    seconds = sum(json.loads((folder / "report.json").read_text())["seconds"].values())
    digests = []
    for _ in range(runs):
        start = time.perf_counter()
        for stage in stages:
            integrity.digests(stage)
        digests.append(time.perf_counter() - start)
    digest = statistics.median(digests)
    print(f"{len(stages)} stages in {seconds:.0f} s, digests in {digest:.2f} s: {digest / seconds:.2%}, median")


if __name__ == "__main__":
    main()
