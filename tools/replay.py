"""What a machine that is not here would sample a second: the engine's schedule, replayed, at the compiler's prices.

    python tools/replay.py --solutions gsm8k_test.jsonl

As `jorney plan ... --expected` does (`jorney.machine.plan.expected`), for trees of w steps after each of k with the step
lengths of FILE's solutions, and for any shape of the engine. Estimates, no measurements. Needs libtpu; about a minute a program
on two cores.
"""

from __future__ import annotations

import argparse

import jax.numpy as jnp

from jorney import topology
from jorney.engine.programs import Shape, patience
from jorney.machine import aot
from jorney.machine.plan.engine_programs import PlannedEngine
from jorney.machine.plan.expected import HOST, expect_rate, lines
from jorney.machine.plan.replay import steps_of
from jorney.model.presets import PRESETS
from jorney.model.ragged import by_xla
from jorney.rows.problems import read_problems
from jorney.sharding import MeshConfig


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--solutions", required=True, metavar="FILE", help="solved problems, whose steps are the texts'")
    parser.add_argument("--model", default="deepseekmath-7b", choices=PRESETS)
    parser.add_argument("--topology", default="v5e-8")
    parser.add_argument("--tensor", type=int, default=8)
    parser.add_argument("--host", type=float, default=HOST, metavar="SECONDS", help="between two programs")
    parser.add_argument("--patience", type=float, default=patience("tpu"), metavar="SHARE", help="of the rows")
    for name, default in (("trees", 480), ("w", 3), ("k", 3), ("problems", 32), ("rows", 4), ("slots", 3072), ("chunk", 16)):
        parser.add_argument(f"--{name}", type=int, default=default)
    options = parser.parse_args()
    solutions = [steps_of(one.solution) for one in read_problems(options.solutions, options.trees) if one.solution]
    shape = Shape(options.problems, options.rows, options.slots, options.chunk, options.w)
    machine = topology.find(options.topology)
    mesh = aot.make_mesh(machine, MeshConfig(tensor=options.tensor))
    engine = PlannedEngine(PRESETS[options.model], shape, jnp.bfloat16, mesh)

    def expect() -> str:
        return "\n".join(
            lines(expect_rate(engine, machine, solutions, options.w, options.k, options.host, options.patience, print))
        )

    print(f"with the kernel:\n{expect()}")
    with by_xla():
        print(f"by XLA alone:\n{expect()}")


if __name__ == "__main__":
    main()
