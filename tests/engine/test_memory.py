"""What generation holds: the weights, the cache, and little else."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from places import CACHE, ROOT

# SmolLM2-135M's shape, random: 0.54 GB of weights and 3.4 GB of cache. Prints what the process held before either, its peak,
# and the bytes of both.
PROGRAM = """
import json, resource
import jax, jax.numpy as jnp
import jorney
from jorney.engine import cache
from jorney.engine.drawing import SamplingParams
from jorney.engine.generate import Generator, row_keys
from jorney.engine.programs import Work
from jorney.model import params as parameters
from jorney.model.presets import PRESETS
from jorney.policy import Policy

tokenizer, mesh = jorney.load().tokenizer, jorney.sharding.make_mesh()
with open("/proc/self/statm") as memory:
    before = int(memory.read().split()[1]) * resource.getpagesize()
config = PRESETS["smollm2-135m"]
params = jax.jit(parameters.init, static_argnums=0)(config, jax.random.key(0))
generator = Generator(Policy(config, params, tokenizer, mesh, jnp.float32, "random"), donate=True)
del params
engine = generator.engine([[1, 2, 3], [4, 5]], Work(48, 1, 8, 1, needed=330, wanted=1500), SamplingParams.of(0.7, 0.95))
for name, prompt in (("a", range(1, 300)), ("b", range(1, 30))):
    engine.sample(engine.open([*prompt]), row_keys(0, name, 1), 24)
done = 0
while done < 2:
    done += len(engine.step())
print(json.dumps({
    "before": before,
    "peak": 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss,
    "weights": sum(leaf.nbytes for leaf in jax.tree.leaves(generator._params)),
    "cache": cache.nbytes(config, engine._shape.tokens, 4),
}))
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_process_holds_its_weights_and_its_cache() -> None:
    settings = {**os.environ, "JAX_PLATFORMS": "cpu", "JAX_COMPILATION_CACHE_DIR": CACHE, "PYTHONPATH": str(ROOT)}
    settings.pop("JAX_NUM_CPU_DEVICES", None)
    told = subprocess.run([sys.executable, "-c", PROGRAM], env=settings, capture_output=True, text=True, check=True).stdout
    found = json.loads(told.splitlines()[-1])
    assert found["cache"] > 3e9
    assert found["peak"] - found["before"] < 1.15 * (found["weights"] + found["cache"]), found
