"""What a machine that is not here would sample a second: the engine's schedule, replayed, at the compiler's prices.

    python tools/replay.py --solutions gsm8k_test.jsonl

Trees of w steps after each of k, with the step lengths of FILE's solutions, go through the real engine, whose programs only
pretend (`jorney.machine.plan.replay`). Every program that it calls is compiled for the machine, for one layer and for two, and
priced by the compiler's estimates (`jorney.machine.cycles`); the other layers cost what the second does. `--host` is what the
host takes between two programs. Estimates, no measurements. Needs libtpu; about a minute a program on two cores.
"""

from __future__ import annotations

import argparse
import dataclasses

import jax.numpy as jnp

from jorney import topology
from jorney.engine.programs import Shape, patience
from jorney.machine import aot
from jorney.machine.cycles import Estimate, estimate
from jorney.machine.plan.engine_programs import PlannedEngine
from jorney.machine.plan.replay import Call, replay, steps_of
from jorney.model.presets import PRESETS
from jorney.rows.problems import read_problems
from jorney.sharding import MeshConfig


def price(options: argparse.Namespace, shape: Shape, call: Call) -> Estimate:
    """Of all layers."""
    machine, model = topology.find(options.topology), PRESETS[options.model]
    mesh = aot.make_mesh(machine, MeshConfig(tensor=options.tensor))

    def of(layers: int) -> Estimate:
        engine = PlannedEngine(dataclasses.replace(model, layers=layers), shape, jnp.bfloat16, mesh)
        return estimate(aot.compile_uncached(engine.lower(call)).as_text(), machine.generation, call.kind == "decode")

    one, two = of(1), of(2)
    more = model.layers - 1
    linear = lambda first, second: first + more * (second - first)  # noqa: E731
    pairs = zip(dataclasses.astuple(one), dataclasses.astuple(two), strict=True)
    return Estimate(*(linear(*pair) for pair in pairs))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--solutions", required=True, metavar="FILE", help="solved problems, whose steps are the texts'")
    parser.add_argument("--model", default="deepseekmath-7b", choices=PRESETS)
    parser.add_argument("--topology", default="v5e-8")
    parser.add_argument("--tensor", type=int, default=8)
    parser.add_argument("--host", type=float, default=0.001, metavar="SECONDS")
    parser.add_argument("--patience", type=float, default=patience("tpu"), metavar="SHARE", help="of the rows")
    for name, default in (("trees", 480), ("w", 3), ("k", 3), ("problems", 32), ("rows", 4), ("slots", 3072), ("chunk", 16)):
        parser.add_argument(f"--{name}", type=int, default=default)
    options = parser.parse_args()
    solutions = [steps_of(one.solution) for one in read_problems(options.solutions, options.trees) if one.solution]
    shape = Shape(options.problems, options.rows, options.slots, options.chunk, options.w)
    found = replay(shape, solutions, options.w, options.k, share=options.patience)
    total, counts = 0.0, found.counts
    for call, runs in sorted(found.runs.items()):
        own, steps = price(options, shape, call), found.steps[call]
        seconds = runs * (own.once + options.host) + steps * own.step
        total += seconds
        step = f", {steps:,} steps of {1e3 * own.step:.2f} ms, {own.collectives} collectives" if steps else ""
        name = f"{call.kind} {call.number} x {call.length}, {call.reach} slots"
        print(f"{name}: {runs:,} times, {1e3 * own.once:.2f} ms once{step}: {seconds:.1f} s", flush=True)
    chips = topology.find(options.topology).chips
    print(
        f"{counts.sampled:,} tokens, {counts.read:,} read, {counts.occupancy:.2f} of the rows' places filled: "
        f"{counts.sampled / total / chips:,.0f} tokens/s/chip expected"
    )


if __name__ == "__main__":
    main()
