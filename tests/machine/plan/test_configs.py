"""Every configuration is complete, and its programs can be made for the machine that it names."""

from __future__ import annotations

import dataclasses
import re
import runpy

import pytest
from configurations import CONFIGS, machine, made

from jorney import topology
from jorney.machine.plan import planner as configuration
from jorney.machine.plan.plan import make
from jorney.machine.plan.planner import Planner
from jorney.model.presets import PRESETS
from jorney.run.recipes.experiment.protocol import Protocol
from jorney.run.recipes.journey import RunConfig
from jorney.run.stage import StageCommand
from jorney.run.stages.expansion import ExpandCommand
from jorney.run.stages.searching import SearchCommand
from jorney.solve.search import SearchConfig

FOR_TPU = [name for name, file in CONFIGS.items() if "TPU v" in file.read_text()]
# What a docstring states, as `jorney plan` prints it.
MEMORY = re.compile(r"^Memory: +([\d.]+) GB of ([\d.]+) a chip", re.MULTILINE)
BOUND = re.compile(r"^Bound: +([\d,]+) tokens/s/chip", re.MULTILINE)


@pytest.mark.parametrize("name", CONFIGS)
def test_a_configuration_says_how_it_is_run_and_on_what(name: str) -> None:
    assert isinstance(made(name), StageCommand | RunConfig | Protocol)
    text = runpy.run_path(str(CONFIGS[name]))["__doc__"]
    for field in ("Command:", "Hardware:", "Result:"):
        assert f"\n{field} " in text
    assert f"configs/{name}.py" in text
    if name in FOR_TPU:
        assert MEMORY.search(text)
        assert BOUND.search(text)


# One machine of every command's; what differs on the others is how large they are.
LOWERED = [name if name.endswith("v5e_16") else pytest.param(name, marks=pytest.mark.slow) for name in FOR_TPU]


@pytest.mark.parametrize("name", LOWERED)
def test_its_programs_are_made_for_its_machine(name: str, monkeypatch) -> None:
    """Lowered at full width, with one layer."""
    pytest.importorskip("libtpu")
    shallow = dataclasses.replace(PRESETS["deepseekmath-7b"], layers=1)
    monkeypatch.setattr(configuration, "read_architecture", lambda place: shallow)
    command = made(name)
    if isinstance(command, ExpandCommand):
        command = dataclasses.replace(command, judge="reward model")
    programs = Planner(command, machine(name), prompt=256).programs()
    assert len({program.name for program in programs}) == len(programs)
    for program in programs:
        assert program.lower() is not None
        assert program.flops["causal"] > 0


@pytest.mark.parametrize("name", [name for name in FOR_TPU if "_dpo_" in name])
def test_the_guides_pairs_fit_its_preference_training(name: str) -> None:
    """Whatever `jorney pairs` samples by its configuration, `jorney dpo` takes by any of its own."""
    assert made("deepseekmath_7b_pairs_v5e_16").evaluate.max_tokens <= made(name).dpo.completion_length


@pytest.mark.slow
@pytest.mark.parametrize("name", FOR_TPU)
def test_it_fits_and_needs_what_it_says(name: str) -> None:
    """All of its programs, compiled in earnest; its docstring speaks of the last: a training's step, of trees decoding.

    Of GRPO it speaks of the program that needs most, and of a whole round. Its two configurations take some ten minutes each.
    """
    pytest.importorskip("libtpu")
    command = made(name)
    plan = make(command, machine(name), prompt=256)
    assert plan.fits
    text = runpy.run_path(str(CONFIGS[name]))["__doc__"]
    needed, capacity = map(float, MEMORY.search(text).groups())
    spoken_of, of_chip = plan.dearest if plan.round else plan.programs[-1], plan.machine.generation.devices
    assert spoken_of.needed_bytes * of_chip / 1e9 == pytest.approx(needed, rel=0.02)
    assert spoken_of.needs.capacity_bytes * of_chip / 1e9 == pytest.approx(capacity, abs=0.01)
    stated = float(BOUND.search(text)[1].replace(",", ""))
    rate = plan.round.rate if plan.round else spoken_of.tokens_per_second_per_chip
    assert rate == pytest.approx(stated, rel=0.02)


@pytest.mark.parametrize(("method", "label"), [("best-of-n", "solutions"), ("beam", "trees")])
def test_a_search_runs_the_policys_programs_and_its_judges(method: str, label: str, monkeypatch) -> None:
    pytest.importorskip("libtpu")
    shallow = dataclasses.replace(PRESETS["deepseekmath-7b"], layers=1)
    monkeypatch.setattr(configuration, "read_architecture", lambda place: shallow)
    command = SearchCommand(model="policy", judge="reward model", dtype="bfloat16", search=SearchConfig(method))
    planner = Planner(command, topology.find("v5e-8"), prompt=256)
    assert planner.programs()
    assert set(planner.engines) == {label, "judge"}
    planner = Planner(dataclasses.replace(command, judge="verifier"), topology.find("v5e-8"), prompt=256)
    assert planner.programs()
    assert set(planner.engines) == {label}
