"""How exact matrix products are, said once for every platform.

What jax does unless told depends on where it runs: it multiplies float32 as bfloat16 on a TPU, as TF32 on recent GPUs, and as
float32 on a CPU. Here a dtype does what its name says; who wants speed instead says so in a field. Every program is traced
under `products`: by `compiled.Program`, `policy.logits`, and `machine`, which compiles ahead of time.
"""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp

EXACT, FAST = "dtype", "fast"
PRECISIONS = (EXACT, FAST)


def products(dtype: Any, precision: str = EXACT) -> str:
    """What `jax.default_matmul_precision` takes, for a computation in a dtype.

    Args:
      precision: "dtype" for products as exact as the dtype is: in float32 "highest". "fast" leaves them to the platform.
        Products of bfloat16 are the same with both.
    """
    return "highest" if precision == EXACT and jnp.dtype(dtype).itemsize >= 4 else "default"


def decides(dtype: Any, precision: str) -> dict[str, str]:
    """What a result depends on beside its dtype: nothing where products are as it says."""
    return {} if products(dtype, precision) == products(dtype) else {"precision": precision}
