"""Phases of a round of reinforcement learning, and the least that they take: by hand."""

from __future__ import annotations

import dataclasses

import jax.numpy as jnp
import pytest

from jorney import sharding, topology
from jorney.engine.memory import token_bytes, weight_bytes
from jorney.engine.programs import Shape
from jorney.machine.aot import Needs
from jorney.machine.hlo import Traffic
from jorney.machine.plan import plan
from jorney.machine.plan.engine_programs import PlannedEngine
from jorney.machine.plan.plan import Plan
from jorney.machine.plan.planned import AotProgram, Planned, planned
from jorney.machine.plan.rounds import Round, decode_bound, planned_round, prefill_seconds, round_lines
from jorney.model import flops
from jorney.model.presets import PRESETS
from jorney.sharding import MeshConfig

TINY = PRESETS["tiny"]
MACHINE = topology.find("v5e-16")
HOST = MACHINE.of_one_host
V5E = MACHINE.generation
HELD = {"parameters": 4e9, "moments": 2e9, "reference": 1e9}
ROUND = Round("sampling", 3, 12, 4, 10, 20, HELD, 5e9, {"reference log-probs": 6, "grpo step": 2})
SHAPE = Shape(problems=2, rows=2, slots=64, chunk=4, texts=4)


def engine(model=TINY, shape: Shape = SHAPE) -> PlannedEngine:
    return PlannedEngine(model, shape, jnp.dtype("bfloat16"), sharding.make_mesh(MeshConfig(data=1, tensor=-1)))


def program(name: str, tokens: int, beside: float, machine=HOST, sent: float = 0.0) -> Planned:
    needs = Needs(True, 3 * 10**9, 10**9, 4 * 10**9, 4 * 10**9, int(machine.capacity), {"all-gather": Traffic(1, sent)})
    work = {"full": 2e15, "causal": 1e15}
    made = AotProgram(name, lambda: None, 1, work, tokens, 1, {"parameters": 1e9, "cache": 2e9}, beside, machine=machine)
    return planned(made, machine, needs)


PROGRAMS = [
    program("sampling prefill 16", 16, 7e9),
    program("sampling decode 4x4", 16, 7e9, sent=8e9),
    program("reference log-probs", 100, 6e9, MACHINE),
    program("grpo step", 100, 1e9, MACHINE),
]


def test_decoding_reads_weights_and_what_there_is_of_texts() -> None:
    """Three problems of four texts in two by two rows: two turns for the first two problems, two for the third."""
    one = engine()
    found = decode_bound(ROUND, one, PROGRAMS[1])
    assert (found.waves, found.steps) == (4, 80)
    weights, token = (size(TINY, one.dtype, one.mesh) for size in (weight_bytes, token_bytes))
    prompts, completions = 3 * 2 * 10, 3 * 4 * 10  # in memory for a turn; half of 20 tokens each, on average
    assert found.seconds["memory"] == pytest.approx((weights + (prompts + completions) / 4 * token) / V5E.bandwidth)
    assert found.seconds["network"] == pytest.approx(8e9 / 4 / V5E.links)
    row = flops.RowShape(1, {"causal": 20})
    assert found.seconds["compute"] == pytest.approx(flops.forward(TINY, row, 3, 3, "causal") / 4 / V5E.flops)
    assert found.step == found.seconds["network"]


def test_prompts_are_read_by_the_longest_prefill() -> None:
    """30 tokens in two runs of 16: the weights are read twice."""
    one = engine(PRESETS["deepseekmath-7b"])
    weights = weight_bytes(one.model, one.dtype, one.mesh)
    assert prefill_seconds(ROUND, one, PROGRAMS[:2]) == pytest.approx(2 * weights / V5E.bandwidth)


def test_a_round_is_the_sum_of_its_phases() -> None:
    one = engine()
    found = planned_round(ROUND, PROGRAMS, one, MACHINE)
    moving, sampling, reading, update = found.phases
    weights = weight_bytes(TINY, one.dtype, one.mesh)
    assert (moving.needed, moving.seconds) == (7e9 + weights, 5e9 / V5E.links)
    assert sampling.held == {**HELD, "weights to sample with": weights, "cache": 2e9}
    assert sampling.needed == 4e9 + 7e9
    assert sampling.seconds == pytest.approx(80 * found.decode.step + prefill_seconds(ROUND, one, PROGRAMS[:2]))
    assert (reading.needed, update.needed) == (10e9, 5e9)
    of_step = 1e15 / 16 / V5E.flops
    assert (reading.seconds, update.seconds) == (pytest.approx(6 * of_step), pytest.approx(2 * of_step))
    assert found.seconds == pytest.approx(sum(phase.seconds for phase in found.phases))
    assert found.sampling_share == pytest.approx(sampling.seconds / found.seconds)
    assert found.rate == pytest.approx(12 * 4 * 20 / found.seconds / 16)


def test_bytes_are_of_a_device_and_lines_of_a_chip() -> None:
    """A 7x has two devices a chip."""
    machine = topology.find("7x-4")
    programs = [planned(dataclasses.replace(one.program, machine=machine), machine, one.needs) for one in PROGRAMS]
    found = planned_round(ROUND, programs, engine(), machine)
    assert found.phases[0].seconds == 2 * 5e9 / machine.generation.links
    text = list(round_lines(found, engine()))
    cells = "".join(f" {cell:>6}" for cell in ("8.00", "4.00", "2.00", "-", "-", "-", "10.00"))
    assert text[-6].startswith(f"{'grpo step':20}{cells} ")


def test_a_round_reads_in_80_columns() -> None:
    large = dataclasses.replace(ROUND, share=64, questions=1024, group=64, length=4096, moved=123e9)
    made = engine(PRESETS["deepseekmath-7b"], dataclasses.replace(SHAPE, problems=64, rows=64))
    found = planned_round(large, PROGRAMS, made, MACHINE)
    plan_of = Plan(MACHINE, 6_910_365_696, PROGRAMS, {"sampling": made}, {}, round=found)
    text = list(plan._lines(plan_of))
    assert max(map(len, text)) <= 80
    assert any(line.startswith("a round takes ") and line.endswith("% of it sampling") for line in text)
    assert "sampling: 64 problems x 64 rows, 64 tokens each" in text


def test_a_judge_reads_what_was_sampled() -> None:
    """By hand: twelve texts of 30 tokens, its weights read once; where columns are many, the rest is not shown."""
    judge, one = PRESETS["deepseekmath-7b"], engine()
    asked = dataclasses.replace(ROUND, held={**HELD, "judge": 5e8}, judge=judge, left_out=["what is not known"])
    found = planned_round(asked, PROGRAMS, one, MACHINE)
    phase = found.phases[2]
    assert (phase.name, phase.needed) == ("judge's scores", 7.5e9 + weight_bytes(TINY, one.dtype, one.mesh))
    work = flops.forward(judge, flops.packed_row(30), 12, 12, "causal") / 4 / V5E.flops
    assert phase.seconds == pytest.approx(max(work, weight_bytes(judge, one.dtype, one.mesh) / V5E.bandwidth))
    text = list(round_lines(found, one))
    assert max(map(len, text)) <= 80
    assert text[1].split()[4:] == ["params", "Adam", "ref.", "judge", "copy", "cache", "all", "at", "least"]
    assert text[-1] == "not counted: what is not known"


def test_json_tells_of_the_round() -> None:
    found = planned_round(ROUND, PROGRAMS, engine(), MACHINE)
    made = plan._plain(Plan(MACHINE, 1, PROGRAMS, {"sampling": engine()}, {}, round=found), None, None)
    assert made["round"]["seconds"] == pytest.approx(sum(phase["seconds"] for phase in made["round"]["phases"].values()))
    assert made["round"]["moved_bytes"] == 5e9
    assert list(made["round"]["phases"]) == ["weights to sampler", "sampling", "reference log-probs", "grpo step"]
