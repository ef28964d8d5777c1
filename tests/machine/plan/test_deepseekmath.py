"""DeepSeekMath-7B on TPUs, in earnest: what its programs need, against the figures that are to be beaten. A minute each."""

from __future__ import annotations

import dataclasses
import functools

import configurations
import jax
import jax.numpy as jnp
import pytest

from jorney import topology
from jorney.machine import aot
from jorney.machine.plan.plan import make
from jorney.machine.plan.planned import Planned, compile_program
from jorney.machine.plan.training_step import training_step
from jorney.model import params as parameters
from jorney.model.presets import PRESETS
from jorney.sharding import MeshConfig
from jorney.train import state as states
from jorney.train.objectives.dpo import DpoConfig
from jorney.train.objectives.prm import fresh_head, reward_model
from jorney.train.objectives.sft import SftConfig
from jorney.train.optimizer import make_optimizer

pytestmark = pytest.mark.slow
GB = 1e9


@functools.cache
def step(name: str, length: int, remat: str = "full", objective: str = "sft") -> Planned:
    """With float32 parameters, moments and gradients, one row a chip, everything split over all chips."""
    pytest.importorskip("libtpu")
    machine = topology.find(name)
    model = dataclasses.replace(PRESETS["deepseekmath-7b"], positions=max(4096, length))
    rows = machine.devices
    config = (
        SftConfig(batch_rows=rows, row_length=length, remat=remat)
        if objective == "sft"
        else DpoConfig(batch_pairs=rows, prompt_length=length // 4, completion_length=length * 3 // 8, remat=remat)
    )
    mesh = aot.make_mesh(machine, MeshConfig(data=1, fsdp=-1))
    return compile_program(training_step("step", model, config, jnp.bfloat16, machine, mesh), machine)


def test_sft_fits_eight_chips() -> None:
    """Which a straightforward step misses by 0.06 GiB."""
    assert step("v5e-8", 4096).fits


def test_sft_on_sixteen_chips_needs_less_than_maxtext() -> None:
    """MaxText's llama2-7b, a smaller model: 11.97 GB and a peak of 9.69."""
    needs = step("v5e-16", 4096).needs
    assert needs.needed_bytes <= 9.4 * GB
    assert needs.peak_bytes <= 9.2 * GB


@pytest.mark.parametrize("remat", ["attended", "attention"])
def test_sft_on_sixteen_chips_need_not_compute_all_again(remat: str) -> None:
    """Where MaxText's `minimal` does not fit."""
    assert step("v5e-16", 4096, remat).fits


def test_a_row_of_16384_tokens_a_chip_fits() -> None:
    assert step("v5e-16", 16384).fits


def test_dpo_needs_no_more_than_sft() -> None:
    """At equal tokens; 0.3% are granted: what the compiler packs otherwise."""
    sft, dpo = (step("v5e-16", 4096, objective=name) for name in ("sft", "dpo"))
    assert dpo.program.tokens == sft.program.tokens
    assert dpo.needed_bytes <= 1.004 * sft.needed_bytes
    assert dpo.needs.peak_bytes <= 1.004 * sft.needs.peak_bytes


def test_a_reward_models_training_fits_sixteen_chips() -> None:
    """Its step, as the configuration has it; and before it, nothing of what the state is made of is there twice."""
    pytest.importorskip("libtpu")
    command, machine = configurations.made("deepseekmath_7b_prm_v5e_16"), configurations.machine("deepseekmath_7b_prm_v5e_16")
    plan = make(command, machine)
    assert plan.fits
    assert [one.program.name for one in plan.programs] == ["prm step"]
    assert plan.programs[0].needed_bytes <= 12.0 * GB
    model, mesh = reward_model(PRESETS["deepseekmath-7b"]), aot.make_mesh(machine, command.mesh)
    optimizer = make_optimizer(command.prm.optimizer)
    where = states.state_shardings(model, mesh, optimizer)
    params = states.placed(parameters.abstract(model, jnp.float32), where.params)
    one = 4 * parameters.count(model) / machine.devices
    with jax.set_mesh(mesh):
        key = jax.eval_shape(jax.random.key, 0)
        head, state = (
            aot.compile_uncached(program.trace(given).lower(lowering_platforms=("tpu",))).memory_analysis()
            for program, given in ((fresh_head(model, mesh, jnp.float32), key), (states.creator(optimizer, where), params))
        )
    # Nothing of the trunk is made with the head; the state takes the parameters' place and adds two moments.
    assert head.output_size_in_bytes + head.temp_size_in_bytes < 0.01 * one
    assert state.argument_size_in_bytes == pytest.approx(one, rel=0.01)
    beside = state.output_size_in_bytes + state.temp_size_in_bytes - state.alias_size_in_bytes
    assert state.argument_size_in_bytes + beside == pytest.approx(3 * one, rel=0.01)


@pytest.mark.parametrize("name", ["deepseekmath_7b_expand_v5e_8", "deepseekmath_7b_expand_v5p_8"])
def test_trees_fit_and_for_how_many_problems_there_is_room(name: str) -> None:
    """At least what is left beside the weights, less 15%."""
    pytest.importorskip("libtpu")
    command, machine = configurations.made(name), configurations.machine(name)
    plan = make(command, machine, 256, (1024, 4096))
    assert plan.fits
    token = 2 * 30 * 32 * 128 * 2  # bytes of all layers' keys and values
    free = machine.chips * machine.capacity - 2 * plan.parameters
    for room in plan.rooms["trees"]:
        assert room.rows == 4 * room.problems
        assert room.needed_bytes <= machine.capacity
        assert room.problems >= 0.85 * free / (token * room.context) - 1
