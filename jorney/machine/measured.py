"""What this machine can do at best, which benches compare with."""

from __future__ import annotations

import timeit
from typing import Any

import jax
import jax.numpy as jnp

from jorney.precision import EXACT, products


def matrix_product(dtype: str, precision: str = EXACT, size: int = 2048) -> float:
    """Operations a second of the product of two square matrices on one device."""
    left, right = jax.random.normal(jax.random.key(0), (2, size, size), jnp.dtype(dtype))
    with jax.default_matmul_precision(products(dtype, precision)):
        return 2 * size**3 / _best_seconds(jax.jit(jnp.matmul), left, right)


def memory_bandwidth(megabytes: int = 256) -> float:
    """Bytes a second that one device reads, by the sum of a large array."""
    array = jnp.ones(megabytes * 1_000_000 // 4, jnp.float32)
    return array.nbytes / _best_seconds(jax.jit(jnp.sum), array)


def _best_seconds(program: Any, *arguments: jax.Array, repeats: int = 7) -> float:
    program(*arguments).block_until_ready()  # compiles
    return min(timeit.repeat(lambda: program(*arguments).block_until_ready(), number=1, repeat=repeats))
