"""`jorney plan`: programs compiled for machines that are not here."""

from __future__ import annotations

import dataclasses
import json

import pytest
from configurations import CONFIGS

from jorney import cli, topology
from jorney.engine.programs import Shape
from jorney.machine.aot import Needs
from jorney.machine.hlo import Traffic
from jorney.machine.plan import plan
from jorney.machine.plan.engine_programs import PlannedEngine
from jorney.machine.plan.plan import Plan, PlanConfig, Room
from jorney.machine.plan.planned import AotProgram, Planned
from jorney.machine.plan.planner import Planner
from jorney.model import flops
from jorney.model.presets import PRESETS
from jorney.run.recipes.journey import quickstart
from jorney.run.stages.fine_tuning import SftCommand
from jorney.run.stages.preferences import DpoCommand
from jorney.sharding import MeshConfig
from jorney.train.objectives.dpo import DpoConfig
from jorney.train.objectives.sft import SftConfig

MESH = MeshConfig(data=1, fsdp=-1)
SFT = SftCommand(model="tiny", dtype="bfloat16", mesh=MESH, sft=SftConfig(batch_rows=8, row_length=128, remat="full"))
DPO = DpoCommand(
    model="tiny",
    data="pairs.jsonl",
    dtype="bfloat16",
    mesh=MESH,
    dpo=DpoConfig(batch_pairs=8, prompt_length=128, completion_length=64),
)


@pytest.mark.parametrize("command", [SFT, DPO], ids=["sft", "dpo"])
def test_a_step_compiles_for_a_machine(command) -> None:
    pytest.importorskip("libtpu")
    found = json.loads(plan.run(command, PlanConfig("v5e-8", tokens=1e6, price=1.2, json=True)))
    assert found["fits"]
    assert found["capacity_bytes"] == int(15.75 * 2**30)  # as libtpu has it
    assert found["needed_bytes"] == found["argument_bytes"] + found["temp_bytes"]
    assert found["argument_bytes"] > sum(found["resident_bytes"].values())
    model = PRESETS["tiny"]
    row, read = (flops.packed_row(128), 8 * 128) if command is SFT else (flops.group_row(128, 64, 2), 2 * 8 * 64)
    assert found["flops"]["causal"] == flops.training(model, row, 8, read, "causal")
    assert found["collectives"]["all-gather"]["count"] >= 7 * model.layers  # the weights of each layer
    assert found["cost"] == pytest.approx(1.2 * found["chip_hours"])


def test_what_does_not_fit_says_by_how_much() -> None:
    pytest.importorskip("libtpu")
    large = dataclasses.replace(SFT, sft=dataclasses.replace(SFT.sft, batch_rows=98_304, row_length=256, remat="none"))
    text = plan.run(large, PlanConfig("v5e-8"))
    assert "does not fit: " in text
    assert "GB too much" in text
    assert max(map(len, text.splitlines())) <= 80


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (
            dataclasses.replace(SFT, sft=SftConfig(batch_rows=12, row_length=128)),
            "sft.batch_rows = 12: expected a multiple of 8",
        ),
        (dataclasses.replace(DPO, dpo=DpoConfig()), "expected dpo.prompt_length and dpo.completion_length"),
        (dataclasses.replace(SFT, mesh=MeshConfig(fsdp=3)), "mesh: data = -1, fsdp = 3"),
    ],
)
def test_what_cannot_be_is_named(command, message) -> None:
    pytest.importorskip("libtpu")
    with pytest.raises(ValueError, match=message):
        plan.run(command, PlanConfig("v5e-8"))


def _planned(name: str, needs: Needs, **fields) -> Planned:
    work, resident = {"full": 2e18, "causal": 1e18}, {"parameters": 1e11, "optimizer state": 2e11}
    program = AotProgram(name, lambda: None, 1, work, 10**8, 2, resident, **fields)
    return Planned(program, topology.find("v5p-2048"), needs, {"compute": 12.5, "memory": 1.0, "network": 3.0})


NEEDS = Needs(True, 10**11, 10**11, 10**11, 2 * 10**11, 3 * 10**11, {"collective-permute": Traffic(123_456, 1e12)})
OVER = Needs(False, None, None, None, 4 * 10**11, 3 * 10**11, {})


def _plan(*programs: Planned, engines=(), rooms=()) -> Plan:
    return Plan(topology.find("v5p-2048"), 6_910_365_696, list(programs), dict(engines), dict(rooms))


def test_a_training_reads_in_80_columns() -> None:
    made = _planned("sft step", NEEDS)
    assert made.bound == 12.5
    assert made.mfu("causal") == pytest.approx(1e18 / 12.5 / 1024 / 459e12)
    text = [*plan._heading(_plan(made)), *plan._lines(_plan(made)), *plan._hours(123_456.789, 4.2)]
    assert max(map(len, text)) <= 80
    assert text[0] == "v5p-2048: 1024 chips (v5p:8x8x16), 256 hosts"
    assert "  both together         200.00 GB" in text
    assert text[-1] == "all steps: at least 123,456.79 chip-hours, 518,518.51 at 4.2 each"


def test_several_programs_are_a_table_of_80_columns() -> None:
    engine = PlannedEngine(PRESETS["deepseekmath-7b"], Shape(16, 4, 1024, 16, 3), None, None)
    made = _plan(
        _planned("trees extend 4x32", NEEDS),
        _planned("journeys decode 1024x32", NEEDS, beside=5e9),
        engines=[("trees", engine)],
        rooms=[("trees", [Room(1024, 1600, 6400, 2e11)])],
    )
    text = list(plan._lines(made))
    assert max(map(len, text)) <= 80
    assert text[-3:] == ["trees: 16 problems x 4 rows, 1,024 tokens each", "  of 1,024 tokens 1600 fit, 6400 rows", "fits"]
    assert made.dearest.program.name == "journeys decode 1024x32"


def test_what_does_not_fit_is_named_among_several() -> None:
    made = _plan(_planned("trees extend 4x32", NEEDS), _planned("sft step", OVER), _planned("big", NEEDS, beside=2e11))
    assert not made.fits
    text = "\n".join(plan._lines(made))
    assert "sft step does not fit: 100.00 GB too much" in text
    assert "big does not fit: 100.00 GB too much" in text
    assert "What would help" in text
    assert "\nfits" not in text


def test_json_speaks_of_the_program_that_needs_most() -> None:
    found = plan._plain(_plan(_planned("small", NEEDS), _planned("large", NEEDS, beside=1e9)), 2.0, 1.5)
    assert found["needed_bytes"] == 2.01e11
    assert set(found["programs"]) == {"small", "large"}
    assert (found["fits"], found["cost"]) == (True, 3.0)
    assert found["step_seconds_bound"] == 12.5


def test_options_of_the_configuration_are_planned(monkeypatch) -> None:
    """Beside the plan's own, in any order."""
    planned = []
    monkeypatch.setattr(plan, "run", lambda command, how, say: planned.append((command, how)) or "")
    file = str(CONFIGS["deepseekmath_7b_sft_v5e_16"])
    words = ["--sft.batch-rows", "32", file, "--topology", "v5e-8", "--sft.optimizer.learning-rate=1e-4", "--no-excursion-loss"]
    assert cli.main(["plan", *words, "--contexts", "64", "128"]) == 0
    ((command, how),) = planned
    assert (command.sft.batch_rows, command.sft.optimizer.learning_rate, command.excursion_loss) == (32, 1e-4, False)
    assert (how.topology, how.contexts) == ("v5e-8", (64, 128))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ["--sft.batch-row", "3"],
            "unknown option --sft.batch-row: did you mean --sft.batch-rows? (jorney sft --help lists all)",
        ),
        (["--sft.batch-rows", "many"], "--sft.batch-rows"),
        (["--judge", "model"], "unknown option --judge"),
    ],
)
def test_options_that_the_configuration_lacks_are_named(words: list[str], message: str, capsys) -> None:
    assert cli.main(["plan", str(CONFIGS["deepseekmath_7b_sft_v5e_16"]), *words]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert message in line


def test_a_configuration_that_runs_nothing_is_refused(tmp_path, capsys) -> None:
    file = tmp_path / "walk.py"
    file.write_text("from jorney.run.stages.derivation import DeriveCommand\n\ndef config():\n    return DeriveCommand()\n")
    pytest.importorskip("libtpu")
    assert cli.main(["plan", str(file), "--model", "tiny"]) == 2
    assert capsys.readouterr().err == "jorney: derive: expected a training, or a stage that samples: nothing else is planned\n"


def test_a_whole_pipeline() -> None:
    """The quickstart's programs, each under the name of its stage."""
    pytest.importorskip("libtpu")
    run = dataclasses.replace(quickstart(), model="tiny", judge="prm")
    small = dataclasses.replace(run.dpo, prompt_length=64, completion_length=64)
    planner = Planner(dataclasses.replace(run, dpo=small), topology.find("v5e-1"), prompt=64)
    names = [program.name for program in planner.programs()]
    assert {"sft_phase1 step", "prm step", "phase2 step", "dpo step"} <= set(names)
    assert set(planner.engines) == {"evaluate", "solutions", "rollouts", "trees", "judge", "journeys", "pairs"}
    judging = [program for program in planner.programs() if program.name.startswith("judge ")]
    assert all(program.beside > 0 for program in judging)
    assert not any("decode" in program.name for program in judging)
