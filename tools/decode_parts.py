"""A decode step of the engine on this machine, and what its parts take alone: products of weights, attention, sampling.

    python tools/decode_parts.py MODEL                         # 16, 32 and 64 rows, each of a problem of its own
    python tools/decode_parts.py MODEL --of-problem 8          # 8 rows to a problem, as trees have them

MODEL is a Hugging Face folder. A step is that of `engine.decode.decode_chunk`, greedy, after --filled ids of a pool of --slots.
"products" are the layers' and the head's, in the forms that the engine gives them; "attention" reads the pools and what is
staged; "sampling" chooses tokens greedily ("drawn": by temperature and top-p, which the step does not do). Each is a loop of as
many steps in one program; they take turns, and medians are told. "rest" is what the step takes beyond them: norms, rotations,
embeddings, and what lies between operations. A part alone finds more of the processor's caches free than it does within a step.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from turns import processor

import jorney
from jorney.devices import keep_freed_memory
from jorney.engine.cache import Pools, decode_attends, empty, stage
from jorney.engine.decode import DecodeRows, decode_chunk
from jorney.engine.drawing import SamplingParams, sample
from jorney.engine.generate import engine_params
from jorney.engine.programs import Shape
from jorney.model import params as parameters
from jorney.model.architecture import ModelConfig
from jorney.model.layers import gated_mlp, linear
from jorney.model.params import Params
from jorney.model.transformer import read_out
from jorney.precision import EXACT, products

STEPS = 16
GREEDY, DRAWN = SamplingParams.of(0.0), SamplingParams.of(0.7, 0.95)


def rows_of(shape: Shape, filled: int) -> DecodeRows:
    """All rows active, each behind `filled` ids of its problem's pool, which it sees."""
    R, A = shape.all_rows, shape.slots
    visible = np.zeros((R, A), bool)
    visible[:, :filled] = True
    own = filled + np.arange(shape.rows)[:, None] * shape.chunk + np.arange(shape.chunk)
    return DecodeRows(
        active=np.ones(R, bool),
        tokens=np.arange(R, dtype=np.int32) + 100,
        positions=np.full(R, filled, np.int32),
        counts=np.zeros(R, np.int32),
        limits=np.full(R, 10**6, np.int32),
        watches=np.full(R, -1, np.int32),
        waits=np.ones(R, np.int32),
        keys=np.random.default_rng(0).integers(0, 1 << 32, (R, 2), dtype=np.uint32),
        slots=np.tile(own.astype(np.int32), (shape.problems, 1)),
        visible=np.packbits(visible, axis=-1, bitorder="little"),
    )


def all_products(config: ModelConfig, params: Params, x: jax.Array) -> jax.Array:
    """x [R, 1, D] through every product of a step's layers and the head; what lies between is as little as can be."""
    for layer in range(config.layers):
        own: Any = params[parameters.layer_name(layer)]
        q, k, v = (linear(x, own["attention"][name]) for name in ("query", "key", "value"))
        heads = q.reshape(*q.shape[:2], config.kv_heads, -1, config.head_dim) + (k + v)[:, :, :, None]
        y = x + linear(heads.reshape(q.shape), own["attention"]["out"], 2)
        x = y + gated_mlp(y, *(own["mlp"][name] for name in ("gate", "up", "down")))
        x = x / (1 + jnp.abs(x))  # finite after all layers
    logits = read_out(config, params, x[:, 0])
    return x + jnp.max(logits, axis=-1)[:, None, None] * 1e-3


def all_attention(config: ModelConfig, pools: Pools, visible: jax.Array, filled: int, at: jax.Array, q: jax.Array) -> jax.Array:
    """q [R, 1, N, H] through the attention of every layer, after `at` tokens of the chunk."""
    R = len(q)
    positions = jnp.full((R, 1), filled) + at
    fresh = q[:, :, :: config.heads // config.kv_heads]
    for attend in decode_attends(config, None, pools, stage(config, R, STEPS, q.dtype), visible, positions, at):
        found, _ = attend(q, fresh, fresh)
        q = q + 1e-3 * found.reshape(q.shape)
    return q


def repeated(of_step: Callable[..., jax.Array]) -> Callable[..., jax.Array]:
    """STEPS of it, in one program: of_step(step, carried, *given)."""
    return lambda carried, *given: jax.lax.fori_loop(0, STEPS, lambda step, so_far: of_step(step, so_far, *given), carried)


def measure(options: argparse.Namespace, config: ModelConfig, params: Params, rows: int) -> dict[str, float]:
    """Milliseconds a step, of each part."""
    of_problem = options.of_problem
    shape = Shape(rows // of_problem, of_problem, options.slots, STEPS, 1)
    given, dtype = rows_of(shape, options.filled), jnp.float32
    visible = jnp.asarray(np.unpackbits(given.visible, axis=-1, bitorder="little").astype(bool))
    pools = empty(config, shape.problems, shape.pieces, dtype)
    x = jax.random.normal(jax.random.key(0), (rows, 1, config.embed))
    q = jax.random.normal(jax.random.key(1), (rows, 1, config.heads, config.head_dim))
    # As peaked as a language model's are: of flat ones the nucleus is looked for among all tokens.
    logits = 6 * jax.random.normal(jax.random.key(2), (rows, config.vocab_size))
    keys = jax.random.wrap_key_data(given.keys)
    breaks = np.zeros(config.vocab_size, bool)

    def chosen(sampling: SamplingParams) -> Callable[..., jax.Array]:
        def of_step(step: jax.Array, so_far: jax.Array, logits: jax.Array) -> jax.Array:
            own = jax.vmap(jax.random.fold_in)(keys, so_far + step)
            return so_far + sample(logits + so_far[:, None], own, sampling).token % 2

        return repeated(of_step)

    attention = repeated(lambda at, q, pools: all_attention(config, pools, visible, options.filled, at, q))

    def step(params: Params, pools: Pools, rows: DecodeRows, breaks: jax.Array) -> Any:
        return decode_chunk(config, dtype, (-1,), STEPS, params, None, pools, rows, breaks, jnp.int32(len(rows.active)), GREEDY)

    parts: dict[str, tuple[Callable[..., Any], tuple[Any, ...]]] = {
        "step": (step, (params, empty(config, shape.problems, shape.pieces, dtype), given, breaks)),
        "products": (repeated(lambda _, x, params: all_products(config, params, x)), (x, params)),
        "attention": (attention, (q, pools)),
        "sampling": (chosen(GREEDY), (jnp.zeros(rows, jnp.int32), logits)),
        "drawn": (chosen(DRAWN), (jnp.zeros(rows, jnp.int32), logits)),
    }
    programs = {
        name: jax.jit(function, donate_argnums=[1] if name == "step" else []).lower(*own).compile()
        for name, (function, own) in parts.items()
    }
    found: dict[str, list[float]] = {name: [] for name in parts}
    for _ in range(options.runs + 1):  # the first warms up
        for name, program in programs.items():
            began = time.perf_counter()
            gave = jax.block_until_ready(program(*parts[name][1]))
            if name == "step":  # its pools were given away
                parts[name] = step, (params, gave[0], given, breaks)
            found[name].append(1e3 * (time.perf_counter() - began) / STEPS)
    return {name: statistics.median(own[1:]) for name, own in found.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="a Hugging Face folder")
    parser.add_argument("--rows", type=int, nargs="+", default=[16, 32, 64])
    parser.add_argument("--of-problem", type=int, default=1, metavar="ROWS", help="that read the same pool")
    parser.add_argument("--slots", type=int, default=192, help="of a pool")
    parser.add_argument("--filled", type=int, default=96, help="of these, before the step")
    parser.add_argument("--runs", type=int, default=7)
    options = parser.parse_args()
    keep_freed_memory()
    policy = jorney.load(options.model)
    config, params = policy.config, engine_params(policy, donate=True)
    pools = f"{options.of_problem} rows to a pool of {options.slots} slots, {options.filled} filled"
    print(f"{processor()}; jax {jax.__version__}; {pools}")
    print("| rows | step, ms | products | attention | sampling | rest | step / products | drawn: sampling |")
    print("|---|---|---|---|---|---|---|---|")
    for rows in options.rows:
        with jax.set_mesh(policy.mesh), jax.default_matmul_precision(products(jnp.float32, EXACT)):
            told = measure(options, config, params, rows)
        rest = told["step"] - told["products"] - told["attention"] - told["sampling"]
        cells = [told["step"], told["products"], told["attention"], told["sampling"], rest]
        line = " | ".join([str(rows), *(f"{one:.1f}" for one in cells), f"{told['step'] / told['products']:.2f}"])
        print(f"| {line} | {told['drawn']:.1f} |", flush=True)


if __name__ == "__main__":
    main()
