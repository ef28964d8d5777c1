"""What is planned is what a run takes: on eight simulated devices, whose memory is stated."""

from __future__ import annotations

import dataclasses
import pathlib
import re

import jax
import pytest
from live import lasting_bytes, watch_dispatches

import jorney
from jorney import sharding, topology
from jorney.engine.memory import weight_bytes
from jorney.machine import aot
from jorney.machine.plan import planner
from jorney.machine.plan.plan import Plan, make
from jorney.machine.plan.planner import Planner
from jorney.model import params as parameters
from jorney.progress import Progress
from jorney.run.stages.expansion import ExpandCommand
from jorney.sharding import MeshConfig
from jorney.text.step_format import ABEL
from jorney.train.objectives.prm import as_reward_model
from jorney.tree.expand import ExpandConfig
from jorney.tree.prune import PruneConfig

MESH = MeshConfig(data=4, tensor=2)


@pytest.fixture(scope="module")
def models(policy, tiny, tmp_path_factory) -> pathlib.Path:
    """A random policy and a random judge, in folders."""
    folder = tmp_path_factory.mktemp("models")
    config = dataclasses.replace(tiny, vocab_size=policy.config.vocab_size, positions=512)
    random = dataclasses.replace(policy, config=config, params=parameters.init(config, jax.random.key(0)))
    jorney.save(random, folder / "policy", "float32")
    jorney.save(as_reward_model(random, 0), folder / "judge", "float32")
    return folder


def command(models: pathlib.Path, output: pathlib.Path, memory: float | None) -> ExpandCommand:
    return ExpandCommand(
        model=str(models / "policy"),
        judge=str(models / "judge"),
        output=str(output),
        limit=24,
        mesh=dataclasses.replace(MESH, memory=memory),
        expand=ExpandConfig(w=2, depth=3, step_tokens=24, rows=32, prune=PruneConfig(keep=2, explore_wrong=1)),
    )


@pytest.fixture
def plan(models, policy, monkeypatch):
    """Plans for the devices that are here, in place of a TPU's: of a memory."""
    monkeypatch.setattr(aot, "make_mesh", lambda machine, config: sharding.make_mesh(config))
    # With the persistent cache: these devices are here, so that a run finds what a plan has compiled.
    compiled = lambda machine, lowered, trips: aot.needs_of(lowered.compile(), machine.capacity, trips)  # noqa: E731
    monkeypatch.setattr(aot, "compile_for", compiled)
    # Of the tokens that this tokenizer makes of a step's opening: the run's pools are the planned ones then.
    monkeypatch.setattr(
        planner, "_OPENING", max(len(policy.tokenizer.encode_after(ABEL.opens(k).rstrip(" "))) for k in range(5))
    )
    found = command(models, pathlib.Path("nowhere"), None)
    prompt = max(len(ABEL.encode(policy.tokenizer, problem.question)) for problem in found.read_problems())
    return lambda memory: make(command(models, pathlib.Path("nowhere"), memory), topology.find("v5e-8"), prompt)


def grown(models: pathlib.Path, output: pathlib.Path, memory: float, monkeypatch) -> dict[str, int]:
    """The most that lies on a device while trees grow within so many bytes, what lay there before left out: by program."""
    seen: dict[str, int] = {}
    with monkeypatch.context() as patched:
        before = lasting_bytes()
        watch_dispatches(patched, lambda name, alive, own: seen.update({name: max(seen.get(name, 0), alive + own - before)}))
        command(models, output, memory + before).run(Progress(quiet=True))
    return seen


def figure(made: Plan) -> float:
    assert made.fits
    return made.dearest.needed_bytes


def planned_for(made: Plan, name: str) -> float:
    """The most of the programs of a name."""
    return max(one.needed_bytes for one in made.programs if one.program.name.split()[1] == name)


def test_beside_a_program_lies_all_that_another_engine_holds(models, monkeypatch) -> None:
    """Weights and cache: of the judge beside the policy, and of the policy beside the judge."""
    monkeypatch.setattr(aot, "make_mesh", lambda machine, config: sharding.make_mesh(config))
    found = command(models, pathlib.Path("nowhere"), 2e6)
    planner = Planner(found, topology.find("v5e-8"), 64)
    programs = planner.programs()
    assert planner.machine.capacity == 2e6
    held = {}
    for label, engine in planner.engines.items():
        shape, model = engine.shape, engine.model
        # A slot's keys, values and place; half of the heads of a quarter of the problems.
        cached = shape.problems / 4 * shape.slots * (2 * model.layers * model.kv_heads / 2 * model.head_dim * 4 + 4)
        held[label] = weight_bytes(model, "float32", engine.mesh) + cached
    assert {program.beside for program in programs if program.name.startswith("trees ")} == {held["judge"]}
    assert {program.beside for program in programs if program.name.startswith("judge ")} == {held["trees"]}
    assert sum(held.values()) <= 2e6


@pytest.mark.slow
def test_with_memory_for_all_trees_and_their_judge_take_what_was_planned(models, plan, tmp_path, monkeypatch) -> None:
    made = plan(1e9)
    assert made.engines["trees"].shape.problems == 8  # as the rows want it
    seen = grown(models, tmp_path, 1e9, monkeypatch)
    assert {"decode", "prefill", "extend", "empty cache"} <= set(seen)
    assert max(seen.values()) <= 1.05 * figure(made)
    for name in ("decode", "extend", "prefill"):
        assert seen[name] <= 1.05 * planned_for(made, name)
    assert 0.5 * planned_for(made, "decode") < seen["decode"]


@pytest.mark.slow
def test_the_least_memory_is_kept_and_five_percent_less_is_refused(models, plan, tmp_path, monkeypatch) -> None:
    """Before anything is sampled, in a line that names all parts."""
    with pytest.raises(ValueError, match="^memory: a device has 1 bytes: ") as refused:
        plan(1)
    least = int(re.search(r"at least ([\d,]+)", str(refused.value))[1].replace(",", ""))
    del refused
    made = plan(least)
    assert made.engines["trees"].shape.problems == 4  # one on each device that has problems of its own
    seen = grown(models, tmp_path / "tight", least, monkeypatch)
    assert {"decode", "prefill", "extend", "empty cache"} <= set(seen)
    assert max(seen.values()) <= 1.05 * figure(made) <= 1.05 * least
    for name in ("decode", "prefill"):  # of one size each; the longest reads that are planned for are not met here
        assert seen[name] == pytest.approx(planned_for(made, name), rel=0.05)
    with pytest.raises(ValueError, match="^memory: a device has .*: expected at least") as refused:
        grown(models, tmp_path / "short", 0.95 * least, monkeypatch)
    for part in ("the policy's weights", "the judge's weights", "the policy's cache", "the judge's cache", "temporaries"):
        assert part in str(refused.value)
    assert not (tmp_path / "short" / "stages").exists()
