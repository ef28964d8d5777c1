"""What programs send where nothing need be sent: counted in programs that are compiled for TPUs."""

from __future__ import annotations

import dataclasses

import jax.numpy as jnp
import pytest

from jorney import topology
from jorney.engine.programs import Shape
from jorney.machine import aot, hlo
from jorney.machine.plan.engine_programs import PlannedEngine
from jorney.machine.plan.training_step import training_step
from jorney.model import params as parameters
from jorney.model.presets import PRESETS
from jorney.sharding import MeshConfig
from jorney.train.objective import TrainingConfig, objective_of
from jorney.train.objectives.dpo import DpoConfig
from jorney.train.objectives.prm import PrmConfig
from jorney.train.objectives.sft import SftConfig
from jorney.train.optimizer import OptimizerConfig

TINY = dataclasses.replace(PRESETS["tiny"], head_dim=128)


def between_replicas(config: TrainingConfig, model, machine, mesh: MeshConfig) -> dict[str, hlo.Traffic]:
    """What a step's collectives among as many chips as there are replicas send; no other axis has as many."""
    pytest.importorskip("libtpu")
    program = training_step("step", model, config, jnp.bfloat16, machine, aot.make_mesh(machine, mesh))
    lines = aot.compile_uncached(program.lower()).as_text().splitlines()
    own = [line for line in lines if not hlo._COLLECTIVE.search(line) or hlo.ways_of(line) == mesh.data]
    assert len(own) < len(lines)
    return hlo.collective_traffic("\n".join(own), program.trips)


@pytest.mark.parametrize(
    "config",
    [
        SftConfig(batch_rows=64, row_length=128, accumulate=4, remat="full", head_chunk=64),
        pytest.param(
            DpoConfig(batch_pairs=64, prompt_length=128, completion_length=64, accumulate=4, head_chunk=64),
            marks=pytest.mark.slow,
        ),
        pytest.param(PrmConfig(batch_rows=64, row_length=128, accumulate=4), marks=pytest.mark.slow),
    ],
    ids=["sft", "dpo", "prm"],
)
def test_replicas_send_each_other_a_steps_gradient_once(config) -> None:
    """And not in every piece of the head, layer or micro-batch."""
    found = between_replicas(config, TINY, topology.find("v5e-16"), MeshConfig(data=2, fsdp=8))
    gradient = 4 * parameters.count(objective_of(config).model(TINY)) / 8
    assert set(found) == {"all-reduce"}
    assert found["all-reduce"].bytes == pytest.approx(gradient, rel=0.02)


@pytest.mark.slow
def test_deepseekmaths_replicas_send_each_other_a_steps_gradient_once() -> None:
    """3.46 GB a chip, of which the head's are 0.21; where every micro-batch sends its own they are 13.8."""
    config = SftConfig(
        batch_rows=64, row_length=4096, accumulate=4, remat="full", optimizer=OptimizerConfig(moments="bfloat16")
    )
    model = PRESETS["deepseekmath-7b"]
    found = between_replicas(config, model, topology.find("v5e-16"), MeshConfig(data=2, fsdp=8))
    assert set(found) == {"all-reduce"}
    assert found["all-reduce"].bytes == pytest.approx(4 * parameters.count(model) / 8, rel=0.01)


def sent_by(model, shape: Shape, machine, mesh: MeshConfig) -> dict[str, list[float]]:
    """{program of an engine: bytes that a chip sends with each collective that stands in it}, however often it runs."""
    pytest.importorskip("libtpu")
    engine = PlannedEngine(model, shape, jnp.bfloat16, aot.make_mesh(machine, mesh))
    found = {}
    for program in engine.programs("trees", machine):
        lines = aot.compile_uncached(program.lower()).as_text().splitlines()
        collectives = [(hlo._COLLECTIVE.search(line), line) for line in lines]
        found[program.name] = [hlo.bytes_sent(one[2], one[1], bool(one[3]), line) for one, line in collectives if one]
    return found


@pytest.mark.slow
@pytest.mark.parametrize(
    ("layers", "shape"),
    [
        (None, Shape(problems=16, rows=2, slots=128, chunk=4, texts=3, shared=32, ways=8)),
        (2, Shape(problems=64, rows=4, slots=1024, chunk=16, texts=3, shared=256, ways=8)),
    ],
    ids=["tiny", "deepseekmath"],
)
def test_devices_that_divide_the_problems_send_each_other_nothing(layers, shape) -> None:
    """But for whether rows are left that sample: one number a token."""
    model = dataclasses.replace(PRESETS["deepseekmath-7b"], layers=layers) if layers else TINY
    found = sent_by(model, shape, topology.find("v5e-8"), MeshConfig(data=8))
    assert len(found) == (8 if layers else 7)  # no pool of the tiny one holds 512 ids
    decode = next(name for name in found if "decode" in name)
    assert sum(found.pop(decode)) <= 8 * 2 * 4
    assert not any(found.values()), found
