"""Programs compiled for every generation, and the bounds that follow from what they need."""

from __future__ import annotations

import dataclasses
import itertools
import re

import jax.numpy as jnp
import pytest

from jorney import topology
from jorney.engine import cache
from jorney.engine.decode import SAMPLING
from jorney.engine.memory import token_bytes, weight_bytes
from jorney.engine.programs import Shape
from jorney.machine import aot
from jorney.machine.aot import Needs
from jorney.machine.cycles import estimate
from jorney.machine.hlo import Traffic, collective_traffic
from jorney.machine.plan.engine_programs import PlannedEngine
from jorney.machine.plan.planned import AotProgram, compile_program, planned
from jorney.machine.plan.replay import Call
from jorney.machine.plan.training_step import training_step
from jorney.model import flops
from jorney.model.presets import PRESETS
from jorney.model.ragged import NAME, by_xla
from jorney.sharding import MeshConfig
from jorney.train.objectives.dpo import DpoConfig
from jorney.train.objectives.grpo import GrpoConfig
from jorney.train.objectives.prm import PrmConfig
from jorney.train.objectives.sft import SftConfig

TINY = dataclasses.replace(PRESETS["tiny"], head_dim=128)  # as wide as a TPU's lanes: nothing is padded
MACHINES = ["v5e-8", *(pytest.param(name, marks=pytest.mark.slow) for name in ("v4-8", "v5p-8", "v6e-8", "7x-4"))]


def step(config, machine, mesh=None) -> AotProgram:
    mesh = mesh or MeshConfig(data=1, fsdp=-1)
    return training_step("step", TINY, config, jnp.bfloat16, machine, aot.make_mesh(machine, mesh))


@pytest.mark.parametrize("name", MACHINES)
def test_every_generation_compiles_a_step_and_the_engine(name: str) -> None:
    pytest.importorskip("libtpu")
    machine = topology.find(name)
    found = compile_program(step(SftConfig(batch_rows=16, row_length=128, remat="full"), machine), machine)
    assert found.fits
    if found.needs.collectives is not None:
        assert found.needs.collectives["all-gather"].count >= 7 * TINY.layers  # the weights of each layer
    mesh = aot.make_mesh(machine, MeshConfig(data=-1, tensor=4))
    for slots in (64, 1024):  # by XLA, and by the kernel: blocks of 128
        shape = Shape(problems=mesh.shape["data"] * 2, rows=2, slots=slots, chunk=4, texts=2)
        engine = PlannedEngine(TINY, shape, jnp.bfloat16, mesh)
        assert (NAME in engine._decode().as_text()) == (slots == 1024)
        assert compile_program(engine.programs("trees", machine)[-1], machine).fits


@pytest.mark.parametrize(
    "config",
    [
        DpoConfig(batch_pairs=8, prompt_length=128, completion_length=64),
        GrpoConfig(questions=8, group=5, prompt_length=160, completion_length=96, beta=0.1, importance="token_truncate"),
        pytest.param(PrmConfig(batch_rows=8, row_length=128), marks=pytest.mark.slow),
        pytest.param(SftConfig(batch_rows=16, row_length=128, accumulate=2, remat="attention"), marks=pytest.mark.slow),
    ],
    ids=["dpo", "grpo", "prm", "accumulated"],
)
def test_objectives_compile(config) -> None:
    pytest.importorskip("libtpu")
    machine = topology.find("v5e-8")
    found = compile_program(step(config, machine), machine)
    assert found.fits
    assert found.needs.argument_bytes > sum(found.program.resident.values())


@pytest.mark.slow
def test_all_programs_of_an_engine_compile_with_what_all_problems_share() -> None:
    pytest.importorskip("libtpu")
    machine = topology.find("v5e-8")
    mesh = aot.make_mesh(machine, MeshConfig(data=2, tensor=4))
    shape = Shape(problems=4, rows=2, slots=64, chunk=4, texts=2, shared=32, ways=2)
    programs = PlannedEngine(TINY, shape, jnp.bfloat16, mesh).programs("trees", machine)
    assert [program.name.split()[1] for program in programs] == ["share", "prefill", *["extend"] * 3, "decode"]
    found = [compile_program(program, machine) for program in programs]
    assert all(one.fits for one in found)
    cached = cache.nbytes(TINY, shape.problems * shape.slots, 2) / 8 + cache.nbytes(TINY, shape.shared, 2) / 4
    weights = weight_bytes(TINY, jnp.bfloat16, mesh)
    assert found[-1].needs.argument_bytes == pytest.approx(weights + cached, rel=0.12)
    assert found[-1].program.tokens == 4 * 2 * 4


def test_sampling_holds_no_second_cache() -> None:
    """As a TPU lays arrays out the cache would be turned round at every token, where all heads are written at once."""
    pytest.importorskip("libtpu")
    machine = topology.find("v5e-1")
    mesh = aot.make_mesh(machine, MeshConfig(data=1))
    shape = Shape(problems=32, rows=4, slots=3072, chunk=4, texts=2)
    found = compile_program(PlannedEngine(TINY, shape, jnp.bfloat16, mesh).programs("trees", machine)[-1], machine)
    assert found.needs.temp_bytes < 0.3 * found.program.resident["cache"]


@pytest.mark.parametrize("call", [Call("decode", 4, 1, 512), Call("extend", 4, 8, 1024), Call("prefill", 4, 128, 512)])
def test_all_that_the_engine_calls_has_a_price(call: Call) -> None:
    """And a layer more costs more."""
    pytest.importorskip("libtpu")
    machine = topology.find("v5e-8")
    mesh = aot.make_mesh(machine, MeshConfig(data=2, tensor=4))
    shape = Shape(problems=4, rows=2, slots=1024, chunk=4, texts=2, ways=2)
    found = []
    for layers in (1, 2):
        engine = PlannedEngine(dataclasses.replace(TINY, layers=layers), shape, jnp.bfloat16, mesh)
        found.append(estimate(aot.compile_uncached(engine.lower(call)).as_text(), machine.generation, call.kind == "decode"))
    one, two = found
    assert 0 < one.once.seconds < two.once.seconds
    assert 0 < one.once.bytes < two.once.bytes
    assert (one.step.seconds > 0) == (call.kind == "decode")
    if call.kind == "decode":
        assert one.step.seconds < two.step.seconds
        assert two.step.collectives - one.step.collectives == 2  # each layer's attention and MLP are summed


def test_a_decode_step_touches_its_weights_and_what_is_in_use() -> None:
    """By the kernel and without it. And choosing tokens takes two collectives, of little."""
    pytest.importorskip("libtpu")
    machine, model = topology.find("v5e-8"), dataclasses.replace(PRESETS["deepseekmath-7b"], layers=2)
    mesh = aot.make_mesh(machine, MeshConfig(tensor=8))
    shape = Shape(problems=32, rows=4, slots=3072, chunk=4, texts=4)
    engine = PlannedEngine(model, shape, jnp.bfloat16, mesh)
    text = aot.compile_uncached(engine.lower(Call("decode", 128, 1, 384))).as_text()
    with by_xla():
        plain = aot.compile_uncached(engine.lower(Call("decode", 128, 1, 384))).as_text()
    # Of the embedding a few rows are read, the head is another matrix.
    embedding = model.vocab_size * model.embed * 2 / 8
    least = weight_bytes(model, jnp.bfloat16, mesh) - embedding + 32 * 384 * token_bytes(model, jnp.bfloat16, mesh)
    of_kernel, of_plain = (estimate(one, machine.generation, stepped=True).step.bytes for one in (text, plain))
    assert least < of_kernel < 1.25 * least
    assert least < of_plain < 1.25 * least
    # A block of each problem: a third of what its first piece holds.
    block = 128 * token_bytes(model, jnp.bfloat16, mesh)
    visits = estimate(text, machine.generation, stepped=True, blocks=32).step.bytes
    assert of_kernel - visits == pytest.approx(64 * block, rel=0.03)
    sampling = collective_traffic(text, scope=SAMPLING).values()
    assert sum(one.count for one in sampling) <= 2 * shape.chunk
    logits = 128 * model.vocab_size * 4 / 8  # of a chip: once, and no more with each halving
    assert sum(one.bytes for one in sampling) == pytest.approx(shape.chunk * 7 / 8 * logits, rel=0.01)


def test_no_chunk_lays_out_weights_anew() -> None:
    """A TPU's decode step reads queries', keys' and values' weights head by head: `params.OutputsFirst`."""
    pytest.importorskip("libtpu")
    model = dataclasses.replace(PRESETS["deepseekmath-7b"], layers=1)
    mesh = aot.make_mesh(topology.find("v5e-8"), MeshConfig(tensor=8))
    engine = PlannedEngine(model, Shape(problems=8, rows=4, slots=256, chunk=4, texts=4), jnp.bfloat16, mesh)
    text = aot.compile_uncached(engine._decode()).as_text()
    heads, head, embed = model.heads // 8, model.head_dim, model.embed
    shapes = {f"bf16[{','.join(map(str, order))}]" for order in itertools.permutations((heads, head, embed))}
    copied = [line for line in text.splitlines() if (made := re.search(r"= (\S+?)\{\S* copy\(", line)) and made[1] in shapes]
    assert any(shape in text for shape in shapes)
    assert not copied


def test_weights_and_tokens_are_split_as_the_mesh_says() -> None:
    pytest.importorskip("libtpu")
    machine = topology.find("v5e-8")
    whole, split = (aot.make_mesh(machine, MeshConfig(data=-1, tensor=tensor)) for tensor in (1, 4))
    matrices = 2 * (flops.forward(TINY, flops.RowShape(1, {"full": 0}), 1, 1, "full") / 2 + TINY.vocab_size * TINY.embed)
    assert weight_bytes(TINY, jnp.bfloat16, whole) == pytest.approx(matrices, rel=0.01)
    assert weight_bytes(TINY, jnp.bfloat16, split) == pytest.approx(matrices / 4, rel=0.02)
    assert token_bytes(TINY, jnp.bfloat16, whole) == 4 * token_bytes(TINY, jnp.bfloat16, split) == 2 * 2 * 4 * 128 * 2


@pytest.mark.slow
def test_as_many_problems_as_fit_and_no_more() -> None:
    pytest.importorskip("libtpu")
    # A machine with little memory: the compiler's own limit is far away, so what counts is stated as taken by something else.
    machine = topology.find("v5e-4")
    mesh = aot.make_mesh(machine, MeshConfig(data=1, tensor=4))
    like = Shape(problems=2, rows=2, slots=256, chunk=4, texts=2)
    beside = machine.capacity - 100e6
    engine = PlannedEngine(TINY, like, jnp.bfloat16, mesh)
    programs = engine.programs("trees", machine, beside)
    own = [compile_program(one, machine) for one in programs]
    shape, found = engine.most_problems(own, 1024)
    assert all(one.fits for one in found)
    assert shape.slots == 1024
    of_problem = 1024 * token_bytes(TINY, jnp.bfloat16, mesh)
    spare = machine.capacity - max(one.needed_bytes for one in found)
    assert 0 <= spare < 0.3 * 100e6
    assert shape.problems > 0.4 * 100e6 / of_problem
    assert engine.most_problems(own, 2**20) is None


def test_bounds_follow_from_needs() -> None:
    machine = topology.find("7x-8")  # of which a chip is two devices
    needs = Needs(True, 10**9, 10**9, 10**9, 2 * 10**9, 10**11, {"all-gather": Traffic(3, 6e9), "all-reduce": Traffic(1, 4e9)})
    program = AotProgram("step", lambda: None, 1, {"full": 2e15, "causal": 1e15}, 4096, 2, {}, beside=3e9)
    found = planned(program, machine, needs)
    assert found.seconds == {
        "compute": pytest.approx(1e15 / 8 / 2307e12),
        "memory": pytest.approx(2 * 2e9 / 7380e9),
        "network": pytest.approx(2 * 10e9 / 1200e9),
    }
    assert found.bound == found.seconds["compute"]
    assert found.tokens_per_second_per_chip == pytest.approx(4096 / found.bound / 8)
    assert found.mfu("causal") == pytest.approx(1)
    assert found.needed_bytes == 5e9
    assert found.fits
    assert not planned(dataclasses.replace(program, beside=99e9), machine, needs).fits


def test_rows_that_do_not_divide_are_named() -> None:
    pytest.importorskip("libtpu")
    with pytest.raises(
        ValueError, match=r"sft.batch_rows = 12: expected a multiple of 8, data x fsdp devices x sft.accumulate"
    ):
        step(SftConfig(batch_rows=12), topology.find("v5e-8"))
    with pytest.raises(ValueError, match=r"expected dpo.prompt_length and dpo.completion_length"):
        step(DpoConfig(batch_pairs=8), topology.find("v5e-8"))
