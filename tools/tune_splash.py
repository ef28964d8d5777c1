"""Which block size splash attention runs fastest with, on the TPU that is here: forward and backward, for `model/splash.py`.

    python tools/tune_splash.py --lengths 2048 4096 8192 --heads 32 --head-dim 128

Every block size takes its turn in every round; what counts is the median. Without a TPU `--interpret` runs the same program
slowly, to see that it works.
"""

from __future__ import annotations

import argparse
import functools
import statistics
import time
from typing import Any

import jax
import jax.numpy as jnp

from jorney.model.splash import splash_attention

BLOCKS = (128, 256, 512, 1024, 2048)


def step(block: int, interpret: bool) -> Any:
    """Attention of packed rows and its gradients, compiled at the first call."""
    attend = functools.partial(splash_attention, block=block, interpret=interpret)

    def total(query: jax.Array, keys: jax.Array, values: jax.Array, segments: jax.Array) -> jax.Array:
        return attend(query, keys, values, segments, segments).astype(jnp.float32).sum()

    return jax.jit(jax.value_and_grad(total, argnums=(0, 1, 2)))


def seconds(length: int, heads: int, head_dim: int, rounds: int, interpret: bool) -> dict[int, float]:
    """{block: median seconds} of one row of two segments; a block that does not compile is left out, and said."""
    keys = jax.random.split(jax.random.key(0), 3)
    qkv = [jax.random.normal(key, (1, length, heads, head_dim), jnp.bfloat16) for key in keys]
    segments = (jnp.arange(length)[None] >= length // 2).astype(jnp.int32) + 1
    steps = {}
    for block in (block for block in BLOCKS if block <= length):
        made = step(block, interpret)
        try:
            jax.block_until_ready(made(*qkv, segments))
        except jax.errors.JaxRuntimeError as error:  # more than the core's memory holds
            print(f"length {length}, block {block}: {str(error).splitlines()[0]:.100}")
            continue
        steps[block] = made
    taken: dict[int, list[float]] = {block: [] for block in steps}
    for _ in range(rounds):
        for block, made in steps.items():
            start = time.perf_counter()
            jax.block_until_ready(made(*qkv, segments))
            taken[block].append(time.perf_counter() - start)
    return {block: statistics.median(times) for block, times in taken.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lengths", type=int, nargs="+", default=[2048, 4096, 8192])
    parser.add_argument("--heads", type=int, default=32)
    parser.add_argument("--head-dim", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--interpret", action="store_true")
    options = parser.parse_args()
    device = jax.devices()[0]
    if device.platform != "tpu" and not options.interpret:
        parser.error(f"expected a TPU, found {device.device_kind}: --interpret runs it here, slowly")
    print(
        f"{device.device_kind}, {options.heads} heads of {options.head_dim}, forward and backward, medians of {options.rounds}"
    )
    for length in options.lengths:
        found = seconds(length, options.heads, options.head_dim, options.rounds, options.interpret)
        best = min(found, key=lambda block: found[block])
        print(
            f"length {length}: "
            + ", ".join(f"{block}: {1e3 * took:.2f} ms" for block, took in found.items())
            + f"; best {best}"
        )


if __name__ == "__main__":
    main()
