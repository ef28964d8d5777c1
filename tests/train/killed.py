"""The training that test_kills.py kills: prints every step, and at the end a digest of its parameters."""

from __future__ import annotations

import hashlib
import sys
import time

import jax
import numpy as np
from places import CACHE

from jorney import sharding
from jorney.batch.loader import Batches
from jorney.batch.packing import Example, pack
from jorney.compiled import use_persistent_cache
from jorney.model import params as parameters
from jorney.model.presets import PRESETS
from jorney.train.loop import LoopConfig, Training, train
from jorney.train.objectives.sft import sft_loss
from jorney.train.optimizer import OptimizerConfig


def main(folder: str, epochs: str) -> None:
    use_persistent_cache(CACHE)
    rng = np.random.default_rng(0)
    examples = [Example(tuple(rng.integers(3, 512, 30).tolist()), prompt=5) for _ in range(48)]
    batches = Batches(pack(examples, 64, 4), 4, int(epochs), seed=0)
    model = PRESETS["tiny"]

    def on_step(step: int, record: object) -> None:
        print("step", step, flush=True)
        time.sleep(0.01)  # so that a moment can be chosen

    # Saved so often that a kill falls into a save, too; both dtypes, for the rounding of one of them is random.
    optimizer = OptimizerConfig(learning_rate=1e-3, master="bfloat16", moments="bfloat16", b2=0.95)
    params, records = train(
        Training(model, sft_loss(model), batches, optimizer),
        parameters.init(model, jax.random.key(0)),
        sharding.make_mesh(),
        folder,
        LoopConfig(save_every=2, log_every=2),
        on_step=on_step,
    )
    total = hashlib.blake2b(str([record["loss"] for record in records]).encode())
    for _, leaf in parameters.flatten(params):
        total.update(np.asarray(leaf).tobytes())
    print("digest", total.hexdigest(), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
