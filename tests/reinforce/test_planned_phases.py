"""The programs of a round of GRPO for machines that are not here: which, what lies beside them, and what they need."""

from __future__ import annotations

import dataclasses
import json
import math

import pytest

from jorney import sharding, topology
from jorney.engine.memory import weight_bytes
from jorney.machine import aot
from jorney.machine.plan import plan
from jorney.machine.plan.plan import PlanConfig
from jorney.machine.plan.planned import AotProgram, compile_program
from jorney.machine.plan.planner import Planner
from jorney.model import lora as adapters
from jorney.model import params as parameters
from jorney.model.lora import LoraConfig
from jorney.model.presets import PRESETS
from jorney.reinforce.assessment import AssessConfig
from jorney.run.stages.reinforcement import GrpoCommand
from jorney.sharding import MeshConfig
from jorney.train.objective import objective_of
from jorney.train.objectives.grpo import GrpoConfig
from jorney.train.optimizer import OptimizerConfig

TINY = PRESETS["tiny"]
CONFIG = GrpoConfig(
    questions=16, group=4, completion_length=32, decode_rows=8, chunk=8, optimizer=OptimizerConfig(moments="bfloat16")
)
MATRICES = parameters.count(TINY) - (2 * TINY.layers + 1) * TINY.embed  # what is split; norms lie on every device
NORMS = parameters.count(TINY) - MATRICES


def command(mesh: MeshConfig = MeshConfig(data=1, fsdp=-1), **changes) -> GrpoCommand:  # noqa: B008
    return GrpoCommand(model="tiny", dtype="bfloat16", mesh=mesh, grpo=dataclasses.replace(CONFIG, **changes))


def made(machine: str = "v5e-16", **changes) -> tuple[Planner, list[AotProgram]]:
    pytest.importorskip("libtpu")
    found = Planner(command(**changes), topology.find(machine), prompt=60)
    return found, found.programs()


def of_device(count: int, parts: int, itemsize: int) -> float:
    return itemsize * (count / parts + NORMS)


@pytest.mark.parametrize(
    ("changes", "behind"),
    [
        ({}, []),
        ({"beta": 0.04}, ["reference log-probs"]),
        ({"epochs": 2}, ["policy log-probs"]),
        ({"updates": 2, "row_completions": 1, "beta": 0.04}, ["policy log-probs", "reference log-probs"]),
        ({"entropy_share": 0.2}, ["policy log-probs"]),
        ({"beta": 0.04, "kl": "k1_reward"}, ["policy log-probs", "reference log-probs"]),
    ],
)
def test_a_round_runs_what_its_settings_need(changes, behind) -> None:
    found, programs = made(**changes)
    names = [one.name for one in programs]
    count = next(place for place, name in enumerate(names) if name.startswith("sampling decode")) + 1
    assert all(name.startswith("sampling ") for name in names[:count])
    assert names[count:] == [*behind, "grpo step"]
    assert [one.machine for one in programs] == [found.machine.of_one_host] * count + [None] * (len(names) - count)
    of_round = found.round.runs
    assert list(of_round) == names[count:]
    assert of_round["grpo step"] == changes.get("epochs", 1) * changes.get("updates", 1)
    assert all(of_round[name] == changes.get("updates", 1) for name in behind)


def test_a_host_samples_its_share_beside_the_whole_state() -> None:
    """By hand: sixteen chips share parameters and moments, a host's four share the weights that it samples with."""
    found, programs = made(beta=0.04)
    about, engine = found.round, found.engines["sampling"]
    master, moments, reference = (of_device(MATRICES, 16, size) for size in (4, 4, 2))  # two moments of two bytes
    assert about.held["parameters"] == master
    assert about.held["moments"] == pytest.approx(moments, abs=8)  # and a count
    assert about.held["reference"] == reference
    beside = {one.name.split()[0]: one.beside for one in programs}
    assert beside["sampling"] == pytest.approx(master + moments + reference, abs=8)
    assert beside["reference"] == pytest.approx(master + moments, abs=8)
    assert beside["grpo"] == reference
    assert dict(engine.mesh.shape) == {"data": 1, "fsdp": 1, "context": 1, "tensor": 4}
    assert (about.share, engine.shape.problems, engine.shape.rows) == (4, 2, 4)
    assert about.prompt == 64  # the longest, rounded up
    # Of a matrix a device has a sixteenth of its rows, and gets a quarter of its columns.
    assert about.moved == 2 * (MATRICES / 4 - MATRICES / 64)
    assert engine.programs("sampling", found.machine.of_one_host)[-1].resident["parameters"] == of_device(MATRICES, 4, 2)


def test_one_host_samples_all() -> None:
    """Eight chips, as far as there are heads."""
    found, programs = made("v5e-8")
    assert found.round.share == 16
    assert dict(found.engines["sampling"].mesh.shape) == {"data": 2, "fsdp": 1, "context": 1, "tensor": 4}
    assert programs[0].machine == found.machine


def test_the_base_of_adapters_is_their_reference() -> None:
    lora = LoraConfig(rank=2)
    found, programs = made(beta=0.04, lora=lora)
    assert "reference" not in found.round.held
    assert found.round.held["parameters"] > of_device(MATRICES, 16, 2)
    assert programs[-1].beside == 0
    assert programs[-2].beside == pytest.approx(sum(found.round.held.values()) - of_device(MATRICES, 16, 2))
    assert adapters.count(TINY, lora) * 4 / 16 <= found.round.held["parameters"] - of_device(MATRICES, 16, 2)
    changing, _ = made(beta=0.04, lora=lora, reference_every=5)
    assert changing.round.held["reference"] == of_device(MATRICES, 16, 2)


def test_a_judge_lies_beside_all_of_it(tmp_path) -> None:
    """By hand: a host's four chips share its weights; what a plan cannot count is told."""
    pytest.importorskip("libtpu")
    named = dataclasses.replace(command(credit="return", values="judge"), judge="tiny")
    found = Planner(named, topology.find("v5e-16"), prompt=60)
    programs = found.programs()
    judge = dataclasses.replace(TINY, head="linear", labels=2, tie_embeddings=False)
    assert found.round.judge == judge
    held = found.round.held["judge"]
    assert held == weight_bytes(judge, found.dtype, found.engines["sampling"].mesh)
    assert programs[-1].beside == held
    state = found.round.held["parameters"] + found.round.held["moments"]
    assert all(one.beside == state + held for one in programs if one.name.startswith("sampling"))
    assert found.round.left_out == []
    unasked = Planner(dataclasses.replace(named, grpo=CONFIG), topology.find("v5e-16"), prompt=60)
    unasked.programs()
    assert "judge" not in unasked.round.held
    more = dataclasses.replace(command(credit="return", values="rollouts"), assess=AssessConfig(every=5, problems="countdown"))
    told = Planner(more, topology.find("v5e-16"), prompt=60)
    told.programs()
    assert told.round.left_out == ["assessments, every 5 rounds", "4 completions of every step, for its value"]


def test_what_leaves_no_room_for_sampling_names_what_lies_there() -> None:
    held = 4 * parameters.count(TINY) / 16
    with pytest.raises(ValueError, match="memory: a device has .*the training's parameters .*its moments .*the reference "):
        made(mesh=MeshConfig(data=1, fsdp=-1, memory=3 * held), beta=0.04)


def test_decoding_compiles_for_a_host() -> None:
    """Ten seconds."""
    found, programs = made(beta=0.04)
    decode = next(one for one in programs if one.name == "sampling decode 8x8")
    own = compile_program(decode, decode.machine)
    assert own.fits
    assert own.machine.chips == 4
    weights = of_device(MATRICES, 4, 2)
    assert own.needed_bytes > sum(found.round.held.values()) + weights


@pytest.mark.slow
def test_log_probabilities_of_adapters_compile_for_all_hosts() -> None:
    """Half a minute: of what is trained beside its base, and of the base."""
    found, programs = made(epochs=2, beta=0.04, lora=LoraConfig(rank=2))
    policy, reference = (compile_program(one, found.machine) for one in programs[-3:-1])
    assert policy.needs.argument_bytes > reference.needs.argument_bytes
    for one in (policy, reference):
        assert one.fits
        assert one.needed_bytes > sum(found.round.held.values())


@pytest.mark.slow
def test_a_plan_tells_of_the_round() -> None:
    """In half a minute."""
    pytest.importorskip("libtpu")
    found = json.loads(plan.run(command(beta=0.04), PlanConfig("v5e-16", prompt=60, contexts=(), tokens=1e6, json=True)))
    phases = found["round"]["phases"]
    assert list(phases) == ["weights to sampler", "sampling", "reference log-probs", "grpo step"]
    assert found["round"]["seconds"] == pytest.approx(sum(one["seconds"] for one in phases.values()))
    of_round = found["programs"]["grpo step"]["tokens"]
    assert found["chip_hours"] == pytest.approx(1e6 / of_round * found["round"]["seconds"] * 16 / 3600)


@pytest.mark.slow
def test_what_is_counted_is_what_a_step_is_given(monkeypatch) -> None:
    """On eight devices that are here: the state and the rows. Half a minute."""
    monkeypatch.setattr(aot, "make_mesh", lambda machine, config: sharding.make_mesh(config))
    changed = command(beta=0.04, questions=8)
    found = Planner(changed, topology.find("v5e-8"), prompt=60)
    step = found.programs()[-1]
    config = dataclasses.replace(changed.grpo, prompt_length=64)
    rows = objective_of(config).shape(TINY, config, found.dtype).batch.values()
    of_rows = sum(math.prod(one.shape) * one.dtype.itemsize for one in rows) / 8
    held = found.round.held["parameters"] + found.round.held["moments"]
    given = step.lower().compile().memory_analysis().argument_size_in_bytes
    assert given == pytest.approx(held + of_rows, abs=32)
