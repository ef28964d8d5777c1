"""How exact matrix products are, said once for every platform.

What jax does unless told depends on where it runs: it multiplies float32 as bfloat16 on a TPU, as TF32 on recent GPUs, and as
float32 on a CPU. Here a dtype does what its name says; who wants speed instead says so in a field. Every program is traced
under `products`: by `compiled.Program`, `policy.logits`, and `machine`, which compiles ahead of time. Commands refuse settings
of jax that would have it compute otherwise.
"""

from __future__ import annotations

import os
import re
from typing import Any

import jax
import jax.numpy as jnp

# What jax computes under; other settings give other numbers, and no stage's key would tell.
_SETTINGS: dict[str, Any] = {
    "jax_enable_x64": False,
    "jax_default_matmul_precision": None,  # said for each program
    "jax_numpy_dtype_promotion": "standard",
    "jax_allow_f16_reductions": True,
    "jax_softmax_custom_jvp": False,
    "jax_disable_jit": False,
    "jax_disable_most_optimizations": False,
    "jax_no_execution": False,
    "jax_default_prng_impl": "threefry2x32",
    "jax_threefry_partitionable": True,
    "jax_random_seed_offset": 0,
    "jax_enable_custom_prng": False,
}
# The same of what others read: a variable, and what of it matters.
_VARIABLES = {
    "XLA_FLAGS": re.compile(r"--xla_\w*fast_math(?!\w|=(?:false|0)\b)\S*"),
    "NVIDIA_TF32_OVERRIDE": re.compile("1"),
}

EXACT, FAST = "dtype", "fast"
PRECISIONS = (EXACT, FAST)


def expect_settings() -> None:
    """Raises ValueError where the environment, or a configuration file, has jax compute otherwise; names the setting."""
    stated = []
    for name, own in _SETTINGS.items():
        value = jax.config.values.get(name, own)
        value = getattr(value, "value", value)  # of an enumeration
        if value != own:
            variable = name.upper()
            stated.append(f"{variable}={os.environ[variable]}" if variable in os.environ else f"jax.config.{name} = {value!r}")
    stated += [
        f"{name}={found[0] if name == 'XLA_FLAGS' else os.environ[name]}"
        for name, pattern in _VARIABLES.items()
        if (found := pattern.search(os.environ.get(name, "")))
    ]
    if stated:
        raise ValueError(
            f"{', '.join(stated)}: changes what is computed, which must depend on a command's own settings alone: unset it "
            "(--dtype and --precision say how exact numbers are)"
        )


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
