"""What each process does in test_train_in_two.py, and what one process does to compare with."""

from __future__ import annotations

import hashlib
import json
import os
import signal
from typing import Any

import jax
import numpy as np

from jorney import sharding
from jorney.batch.loader import Batches
from jorney.batch.packing import Example, pack
from jorney.model import params as parameters
from jorney.model.architecture import ModelConfig
from jorney.model.params import param_shardings
from jorney.train.loop import LoopConfig, Training, train
from jorney.train.objectives.sft import sft_loss
from jorney.train.optimizer import OptimizerConfig
from jorney.train.stopping import Stopped

MODEL = ModelConfig(vocab_size=72, embed=32, layers=2, heads=8, kv_heads=4, head_dim=8, mlp=64, positions=256, init_scale=0.2)


def batches() -> Batches:
    """Twelve steps of eight rows, with completions of different lengths."""
    rng = np.random.default_rng(0)
    examples = [Example(tuple(rng.integers(3, 72, 31).tolist()), prompt=int(rng.integers(1, 29))) for _ in range(64)]
    return Batches(pack(examples, 64, 8), 8, 3, seed=0)


def fit(
    folder: str, sizes: dict[str, int] | None, stop_after: int = 0, signalled: bool = False, rate: float = 1e-2
) -> dict[str, Any]:
    """Trains until the batches end, or is ended after so many steps: by an exception, or by SIGTERM to this process.

    Args:
      sizes: of the mesh's axes; None for a single device.
    """
    mesh = sharding.make_mesh(sharding.MeshConfig(**sizes) if sizes else None, None if sizes else jax.devices()[:1])
    fresh = jax.jit(lambda key: parameters.init(MODEL, key), out_shardings=param_shardings(MODEL, mesh))
    params = fresh(jax.random.key(0))
    seen: list[int] = []

    def on_step(step: int, record: Any) -> None:
        seen.append(step)
        if step == stop_after and signalled:
            os.kill(os.getpid(), signal.SIGTERM)
        elif step == stop_after:
            raise KeyboardInterrupt

    training = Training(MODEL, sft_loss(MODEL), batches(), OptimizerConfig(learning_rate=rate))
    stopped = None
    try:
        params, records = train(training, params, mesh, folder, LoopConfig(save_every=4, log_every=2), on_step=on_step)
    except (KeyboardInterrupt, Stopped) as stop:
        stopped = getattr(stop, "step", stop_after)
        return {"stopped": stopped, "seen": seen}
    except ValueError as error:
        return {"refused": str(error), "seen": seen}
    whole = jax.jit(lambda tree: tree, out_shardings=sharding.named(mesh))(params)
    digest = hashlib.blake2b(b"".join(np.asarray(leaf).tobytes() for _, leaf in parameters.flatten(whole))).hexdigest()
    return {"seen": seen, "losses": [record["loss"] for record in records], "digest": digest}


def main(index: int, folder: str, sizes: str, stop_after: str, signalled: str, rate: str = "1e-2") -> dict[str, Any]:
    # The signal goes to one of the processes only.
    after = int(stop_after) if not signalled or index == 1 else 0
    return fit(folder, json.loads(sizes), after, bool(signalled), float(rate))
