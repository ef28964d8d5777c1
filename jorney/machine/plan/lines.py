"""Lines about programs, of at most 80 columns: for `jorney plan`, and for benches on chips that are known."""

from __future__ import annotations

from collections.abc import Iterator

from jorney.machine.plan.planned import Planned

HELP = """What would help: more devices for mesh.fsdp, remat nearer to full, fewer rows or
more accumulate, a smaller head_chunk, bfloat16 for optimizer.moments or
optimizer.master; for sampling more devices for mesh.tensor, a smaller
cache_tokens"""


def gb(count: float | None) -> str:
    """Bytes as GB (1e9), ten columns wide."""
    return f"{(count or 0) / 1e9:7.2f} GB"


def facts(one: Planned) -> Iterator[tuple[str, str]]:
    """(name, figure) of a program that was compiled: memory and traffic of a chip, work, and bounds."""
    needs, of_chip = one.needs, one.machine.generation.devices
    for name, held in one.program.resident.items():
        yield name, gb(held)
    if needs.fits:
        for name, count in (
            ("all arguments", needs.argument_bytes),
            ("temporaries", needs.temp_bytes),
            ("both together", needs.needed_bytes),
            ("peak", needs.peak_bytes),
        ):
            yield name, gb((count or 0) * of_chip)
    else:
        yield "needed", gb(one.needed_bytes * of_chip)
    yield "capacity", gb(needs.capacity_bytes * of_chip)
    for kind, traffic in sorted((needs.collectives or {}).items()):
        yield kind, f"{gb(traffic.bytes * of_chip)} sent, {traffic.count:,} a step"
    if not needs.fits:
        return
    for name, work in one.program.flops.items():
        yield f"{name} attention", f"{work / 1e12:7,.0f} TFLOP"
    for name, seconds in one.seconds.items():
        yield f"{name}, at least", f"{seconds:7.3f} s"
    yield "at most", f"{one.tokens_per_second_per_chip:7,.0f} tokens/s/chip"
    yield "MFU at most", ", ".join(f"{one.mfu(name):.1%} {name}" for name in one.program.flops)


def too_much(one: Planned) -> str:
    """By how much a program does not fit."""
    over = (one.needed_bytes - one.needs.capacity_bytes) * one.machine.generation.devices / 1e9
    return f"{one.program.name} does not fit: {over:.2f} GB too much"


def table(programs: list[Planned]) -> Iterator[str]:
    """A line for each program: its arguments, temporaries, what lies beside them, their sum; bounds of a run, a chip's rate."""
    of_chip = programs[0].machine.generation.devices
    yield f"{'GB of a chip':26} {'given':>6} {'made':>6} {'beside':>6} {'all':>6} {'at least':>11} {'tokens/s':>9}"
    for one in programs:
        needs = one.needs
        cells = (needs.argument_bytes, needs.temp_bytes, one.program.beside, one.needed_bytes)
        sizes = " ".join(f"{count * of_chip / 1e9:6.2f}" if count is not None else f"{'-':>6}" for count in cells)
        least = f"{one.bound * 1e3:,.1f} ms" if needs.fits else "-"
        rate = f"{one.tokens_per_second_per_chip:,.0f}" if needs.fits else "-"
        yield f"{one.program.name:26} {sizes} {least:>11} {rate:>9}"
