"""The tables of tpu_scripts/README.md: what DeepSeekMath-7B needs of TPUs, compiled here. Takes the better part of two hours.

python tools/plan_table.py                                prints them
python tools/plan_table.py --write tpu_scripts/README.md  writes them where the file has their place
python tools/plan_table.py --only steps                   one of them: steps, rooms, configs, guide
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import pathlib
import re
import sys
from collections.abc import Callable, Iterator
from typing import Any

os.environ.setdefault("JAX_PLATFORMS", "cpu")

from jorney import config, topology
from jorney.machine import aot
from jorney.machine.bench.published import PUBLISHED
from jorney.machine.plan.plan import Plan, make
from jorney.machine.plan.planned import compile_program
from jorney.machine.plan.planner import Planner
from jorney.machine.plan.training_step import training_step
from jorney.model.presets import PRESETS
from jorney.run.recipes.journey import RunConfig
from jorney.run.stage import StageCommand
from jorney.sharding import MeshConfig
from jorney.train.objectives.sft import SftConfig

ROOT = pathlib.Path(__file__).parent.parent
# Machine, tokens of the one row of a chip, remat; MaxText 0.2.5's llama2-7b (6.74 B parameters, ours has 6.91 B): arguments and
# temporaries together, peak, in GB; "minimal" is its policy that recomputes less. None: nothing is known; "-" it does not fit.
STEPS: list[tuple[str, int, str, str | None, str | None]] = [
    ("v5e-8", 4096, "full", None, None),
    ("v5e-16", 2048, "full", "9.99", "8.72"),
    ("v5e-16", 4096, "full", "11.97", "9.69"),
    ("v5e-16", 4096, "attended", "does not fit (minimal)", None),
    ("v5e-16", 16384, "full", None, None),
    ("v5e-64", 4096, "full", "6.08", "4.31"),
    ("v5e-64", 4096, "attention", "15.41 (minimal)", "14.01"),
    ("v5p-32", 4096, "full", "11.86", "9.70"),
    ("v5p-32", 4096, "dots", "21.92 (minimal)", "19.40"),
    ("v6e-8", 4096, "full", None, None),
]


def steps(say: Callable[[str], None]) -> Iterator[str]:
    """A training's step with float32 parameters, moments and gradients, bfloat16 computation, one row a chip, fsdp."""
    yield "| machine | tokens a chip | remat | arguments | temporaries | together | peak | MaxText: together | peak |"
    yield "|---|---|---|---|---|---|---|---|---|"
    for name, length, remat, together, peak in STEPS:
        say(f"{name}, {length:,} tokens, {remat}")
        machine = topology.find(name)
        model = dataclasses.replace(PRESETS["deepseekmath-7b"], positions=max(4096, length))
        training = SftConfig(batch_rows=machine.devices, row_length=length, remat=remat)
        mesh = aot.make_mesh(machine, MeshConfig(data=1, fsdp=-1))
        found = compile_program(training_step("step", model, training, "bfloat16", machine, mesh), machine)
        needs = found.needs
        cells = [needs.argument_bytes, needs.temp_bytes, needs.needed_bytes, needs.peak_bytes]
        texts = [f"{count / 1e9:.2f}" if count is not None else "-" for count in cells]
        if not needs.fits:
            texts[2] += f", does not fit {needs.capacity_bytes / 1e9:.2f}"
        yield f"| {name} | {length:,} | {remat} | {' | '.join(texts)} | {together or ''} | {peak or ''} |"


def _plan(file: pathlib.Path, contexts: tuple[int, ...], say: Callable[[str], None]) -> Plan:
    made: StageCommand | RunConfig = config.read(str(file), (StageCommand, RunConfig))
    found = re.search(r"TPU (v\w+-\d+)", file.read_text())
    assert found, file
    return make(made, topology.find(found[1]), 256, contexts, say)


def rooms(say: Callable[[str], None]) -> Iterator[str]:
    """For how many problems of DeepSeekMath-7B machines have room, all rows of each sampled at a time."""
    yield "| machine | tokens of a problem | problems | rows | GB of a chip |"
    yield "|---|---|---|---|---|"
    for file in sorted((ROOT / "configs").glob("deepseekmath_7b_expand_*.py")):
        plan = _plan(file, (1024, 4096), say)
        for room in plan.rooms["trees"]:
            needed = room.needed_bytes * plan.machine.generation.devices / 1e9
            yield f"| {plan.machine.name} | {room.context:,} | {room.problems} | {room.rows} | {needed:.2f} |"


def configs(say: Callable[[str], None]) -> Iterator[str]:
    """The configurations of configs/, on the machines that they are for."""
    yield "| configuration | machine | GB of a chip | of | at most |"
    yield "|---|---|---|---|---|"
    for file in sorted((ROOT / "configs").glob("*.py")):
        if "TPU v" not in file.read_text():
            continue
        plan = _plan(file, (), say)
        # Of a round, the phase that needs most; else the last program: a training's step, of trees decoding.
        of_chip, last = plan.machine.generation.devices / 1e9, plan.dearest if plan.round else plan.programs[-1]
        needed, capacity = last.needed_bytes * of_chip, last.needs.capacity_bytes * of_chip
        rate = f"{last.tokens_per_second_per_chip:,.0f} tokens/s/chip, {last.program.name}"
        if plan.round:
            rate = f"{plan.round.rate:,.0f} tokens/s/chip sampled, a whole round"
        yield f"| {file.stem} | {plan.machine.name} | {needed:.2f} | {capacity:.2f} | {rate} |"


MACHINES = ("v5e-16", "v5e-8", "v5p-8", "v6e-8")


def guide(say: Callable[[str], None]) -> Iterator[str]:
    """Every command of the guide on every machine: the program that it spends its time in, and its memory."""
    yield f"| command | {' | '.join(MACHINES)} |"
    yield "|---|---|---|---|---|"
    for name in ("sft", "label", "prm", "expand", "pairs", "dpo", "evaluate"):
        cells = []
        for place in MACHINES:
            machine = topology.find(place)
            planner = Planner(_of_guide(name, place), machine, 256)
            last = planner.programs()[-1]
            say(f"{name}, {place}: {last.name}")
            found, of_chip = compile_program(last, planner.machine), machine.generation.devices / 1e9
            fits = "" if found.fits else ", does not fit"
            cells.append(f"{found.needed_bytes * of_chip:.2f} of {found.needs.capacity_bytes * of_chip:.2f}{fits}")
        yield f"| {name} | {' | '.join(cells)} |"


def _of_guide(name: str, machine: str) -> StageCommand:
    """A command of the guide, its configuration fitted to a machine as those of the machine's own trainings are."""

    def made(name: str, place: str) -> Any:
        return config.read(str(ROOT / "configs" / f"deepseekmath_7b_{name}_{place.replace('-', '_')}.py"), StageCommand)

    if name in ("sft", "dpo"):
        return made(name, machine)
    found = made(name, "v5e-16")
    if name == "prm":
        sft = made("sft", machine).sft
        optimizer = dataclasses.replace(sft.optimizer, learning_rate=found.prm.optimizer.learning_rate)
        return dataclasses.replace(found, prm=dataclasses.replace(found.prm, accumulate=sft.accumulate, optimizer=optimizer))
    return dataclasses.replace(found, judge="deepseekmath-7b") if name == "expand" else found  # a reward model beside it


TABLES = {"steps": steps, "rooms": rooms, "configs": configs, "guide": guide}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=TABLES)
    parser.add_argument("--write", help="a file with the tables' places")
    options = parser.parse_args()
    say = lambda line: print(line, file=sys.stderr, flush=True)  # noqa: E731
    for name in [options.only] if options.only else TABLES:
        rows = []
        for row in TABLES[name](say):
            rows.append(row)
            print(row, flush=True)  # hours go into a table: what there is of it is seen
        if options.write:
            file = pathlib.Path(options.write)
            begin, end = f"<!-- {name}: tools/plan_table.py -->\n", f"<!-- end of {name} -->"
            before, mark, rest = file.read_text().partition(begin)
            assert mark, f"{options.write} has no line {begin!r}"
            file.write_text(before + begin + "\n" + "\n".join(rows) + "\n\n" + end + rest.partition(end)[2])
    for one in PUBLISHED:
        print(one.describe())


if __name__ == "__main__":
    main()
