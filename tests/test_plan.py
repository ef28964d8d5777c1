"""`jorney plan`: programs compiled for machines that are not here."""

from __future__ import annotations

import dataclasses
import json

import pytest

from jorney import cli, plan, topology
from jorney.aot import Needs
from jorney.hlo import Traffic
from jorney.model import flops
from jorney.model.presets import PRESETS
from jorney.plan import Plan, PlanConfig
from jorney.sharding import MeshConfig
from jorney.stages.command import DpoCommand, SftCommand
from jorney.train.dpo import DpoConfig
from jorney.train.sft import SftConfig

MESH = MeshConfig(data=1, fsdp=-1)
SFT = SftCommand(model="tiny", dtype="bfloat16", mesh=MESH, sft=SftConfig(batch_rows=8, row_length=128, remat="full"))
DPO = DpoCommand(
    model="tiny", dtype="bfloat16", mesh=MESH, dpo=DpoConfig(batch_pairs=8, prompt_length=128, completion_length=64)
)


@pytest.mark.parametrize("command", [SFT, DPO], ids=["sft", "dpo"])
def test_a_step_compiles_for_a_machine(command) -> None:
    pytest.importorskip("libtpu")
    found = json.loads(plan.run(command, PlanConfig("v5e-8", tokens=1e6, price=1.2, json=True)))
    assert found["fits"]
    assert found["capacity_bytes"] == int(15.75 * 2**30)  # as libtpu has it
    assert found["needed_bytes"] == found["argument_bytes"] + found["temp_bytes"]
    assert found["argument_bytes"] > found["parameter_bytes"] + found["optimizer_bytes"]
    model = PRESETS["tiny"]
    row, read = (flops.packed_row(128), 8 * 128) if command is SFT else (flops.preference_row(128, 64), 2 * 8 * 64)
    assert found["flops"]["causal"] == flops.training(model, row, 8, read, "causal")
    assert found["collectives"]["all-gather"]["count"] >= 7 * model.layers  # the weights of each layer
    assert found["cost"] == pytest.approx(1.2 * found["chip_hours"])


def test_what_does_not_fit_says_by_how_much() -> None:
    pytest.importorskip("libtpu")
    large = dataclasses.replace(SFT, sft=dataclasses.replace(SFT.sft, batch_rows=2**21, remat="none"))
    text = plan.run(large, PlanConfig("v5e-8"))
    assert "does not fit: " in text
    assert "GB too much" in text
    assert max(map(len, text.splitlines())) <= 80


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (dataclasses.replace(SFT, sft=SftConfig(batch_rows=12)), "sft.batch_rows = 12: expected a multiple of 8"),
        (dataclasses.replace(DPO, dpo=DpoConfig()), "plan: expected dpo.prompt_length and dpo.completion_length"),
        (dataclasses.replace(SFT, mesh=MeshConfig(fsdp=3)), "mesh: data = -1, fsdp = 3"),
    ],
)
def test_what_cannot_be_is_named(command, message) -> None:
    pytest.importorskip("libtpu")
    with pytest.raises(ValueError, match=message):
        plan.run(command, PlanConfig("v5e-8"))


def test_a_plan_reads_in_80_columns() -> None:
    machine = topology.find("v5p-2048")
    needs = Needs(True, 10**11, 10**11, 10**11, 2 * 10**11, 10**11, {"collective-permute": Traffic(123_456, 1e12)})
    seconds = {"compute": 12.5, "memory": 1.0, "network": 3.0}
    made = Plan(machine, PRESETS["deepseekmath-7b"], needs, 1e11, 1e11, {"full": 2e18, "causal": 1e18}, seconds, 10**8)
    assert made.step_seconds == 12.5
    assert made.mfu("causal") == pytest.approx(1e18 / 12.5 / 1024 / 459e12)
    text = plan._lines(made, 123_456.789, 4.2)
    assert max(map(len, text)) <= 80
    assert text[-1] == "all steps: at least 123,456.79 chip-hours, 518,518.51 at 4.2 each"


def test_a_configuration_that_trains_nothing_is_refused(tmp_path, capsys) -> None:
    file = tmp_path / "grow.py"
    file.write_text("from jorney.stages.command import ExpandCommand\n\ndef config():\n    return ExpandCommand()\n")
    assert cli.main(["plan", str(file)]) == 2
    told = capsys.readouterr().err
    assert told == f"jorney: {file}: config() returned a ExpandCommand: expected an SftCommand or a DpoCommand\n"
