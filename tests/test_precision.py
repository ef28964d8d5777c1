"""Products of float32 are products in float32, on every platform; whoever wants faster ones says so."""

from __future__ import annotations

import dataclasses
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from letters import letters_policy
from programs import equations

import jorney
from jorney import cli, storage, topology
from jorney.compiled import Compilations, Program
from jorney.engine.drawing import SamplingParams
from jorney.engine.generate import Generator
from jorney.engine.programs import Shape, Work
from jorney.judge.reward_model import PrmJudge
from jorney.machine import aot
from jorney.machine.bench.sample import SampleBench
from jorney.machine.bench.train import TrainBench
from jorney.machine.plan.engine_programs import PlannedEngine
from jorney.machine.plan.training_step import training_step
from jorney.model.presets import PRESETS
from jorney.precision import decides, expect_settings, products
from jorney.progress import Progress
from jorney.run.recipes.journey import RunConfig
from jorney.run.stages.evaluation import EvaluateCommand
from jorney.run.workspace import Workspace
from jorney.sharding import MeshConfig
from jorney.text.step_format import FORMATS
from jorney.train import training
from jorney.train.objectives.dpo import DpoConfig
from jorney.train.objectives.prm import Prm
from jorney.train.objectives.sft import SftConfig

TINY = dataclasses.replace(PRESETS["tiny"], layers=1, head_dim=128)
EXACT, PLAIN = "highest,highest", None


def test_a_dtype_does_what_its_name_says() -> None:
    assert products("float32") == products(jnp.float32, "dtype") == "highest"
    assert products("float32", "fast") == products("bfloat16") == products(jnp.bfloat16, "fast") == "default"
    assert decides("float32", "dtype") == decides("bfloat16", "fast") == {}
    assert decides(np.dtype("float32"), "fast") == {"precision": "fast"}


def _precisions(text: str) -> set[str | None]:
    """Of all products in a TPU's program."""
    lines = [line for line in text.splitlines() if re.search(r"= \S+ (convolution|dot)\(", line)]
    assert len(lines) > 5
    found = (re.search(r"operand_precision=\{([^}]*)\}", line) for line in lines)
    return {match[1] if match else None for match in found}


@pytest.mark.parametrize(
    ("dtype", "precision", "expected"),
    [("float32", "dtype", EXACT), ("float32", "fast", PLAIN), ("bfloat16", "dtype", PLAIN)],
)
def test_products_that_a_tpu_compiles(dtype: str, precision: str, expected: str | None) -> None:
    pytest.importorskip("libtpu")
    machine = topology.find("v5e-1")
    mesh = aot.make_mesh(machine, MeshConfig())
    config = SftConfig(batch_rows=2, row_length=128)
    step = training_step("step", TINY, config, jnp.dtype(dtype), machine, mesh, precision)
    assert _precisions(aot.compile_uncached(step.lower()).as_text()) == {expected}
    shape = Shape(problems=2, rows=2, slots=64, chunk=2, texts=2)
    decode = PlannedEngine(TINY, shape, jnp.dtype(dtype), mesh, precision).programs("trees", machine)[-1]
    assert _precisions(aot.compile_uncached(decode.lower()).as_text()) == {expected}


def _traced(jaxpr) -> set[str]:
    """The precisions of all products of a traced program."""
    found = [one.params["precision"] for one, _ in equations(jaxpr) if one.primitive.name == "dot_general"]
    assert found
    return {str(side) for both in found for side in both}


@pytest.mark.parametrize("precision", ["highest", "default"])
def test_a_program_asks_no_other_setting(monkeypatch, precision: str) -> None:
    texts: list[str] = []
    compile_ = jax.stages.Lowered.compile
    monkeypatch.setattr(jax.stages.Lowered, "compile", lambda self: texts.append(self.as_text()) or compile_(self))
    with jax.default_matmul_precision("high"):
        Program("square", lambda x: x @ x, Compilations(), precision)(jnp.ones((2, 2)))
    stated = re.search(r"precision = \[(\w+), (\w+)\]", texts[0])
    assert (stated.groups() if stated else ("DEFAULT",) * 2) == (precision.upper(),) * 2


@pytest.mark.parametrize(("precision", "expected"), [("dtype", "highest"), ("fast", "default")])
def test_library_users_get_it(tiny, mesh1, tmp_path, monkeypatch, precision: str, expected: str) -> None:
    """Logits, generation, judges, and a training with its reference: what the process has set says nothing."""
    loaded = jorney.load(mesh=mesh1, precision=precision)
    trace, traced = jorney.policy._logits.trace, []
    monkeypatch.setattr(jorney.policy, "_logits", lambda *arguments: traced.append(trace(*arguments)))
    with jax.default_matmul_precision("high"):
        jorney.logits(loaded, jnp.ones((1, 8), jnp.int32))
    assert _traced(traced[0].jaxpr) == {expected.upper()}

    def programs() -> dict[str, str]:
        return {key[0]: products for key, products in compilations.programs}

    compilations = Compilations()
    Generator(loaded, compilations).engine([[1, 2]], Work(1, 1, 1, 1, 8, 8), SamplingParams.of(0.0))
    assert programs() == dict.fromkeys(("share", "prefill", "extend", "decode", "empty cache"), expected)

    compilations = Compilations()
    judge = PrmJudge(Prm().start(loaded, 0), FORMATS["abel"], compilations, rows=1)
    judge.score([(jorney.Problem("one", "1 + 1", "2"), ["1. 1 + 1 = 2\n"])])
    judge._engine_for(8)
    assert programs() == dict.fromkeys(("reward", "share", "prefill", "extend", "decode", "empty cache"), expected)

    compilations, config = Compilations(), DpoConfig(batch_pairs=2, prompt_length=8, completion_length=8, held_out=0.5)
    own = dataclasses.replace(letters_policy(tiny, mesh1), precision=precision)
    pairs = [training.objective_of(config).full(config, lambda count: (1,) * count)] * 4
    training.train(own, training.prepare(own, pairs, config, 0), config, 0, tmp_path, compilations)
    assert programs() == dict.fromkeys(("reference", "train step", "held-out loss"), expected)
    about = storage.read_json(storage.path(tmp_path) / "training.json")["decides"]
    assert about.get("precision") == (None if precision == "dtype" else "fast")


def test_keys_hold_what_decides(tmp_path) -> None:
    def key(dtype: str, **more: str) -> str:
        space = Workspace(str(tmp_path), MeshConfig(), dtype, "abel", 0, Progress(quiet=True), **more)
        stage = space.plan("stage", ["read"], lambda folder: None)
        assert stage.reads[:4] == ["read", FORMATS["abel"], dtype, 0]
        assert stage.reads[4:] == ([{"precision": "fast"}] if more and dtype == "float32" else [])  # those of before hold
        return stage.key

    assert key("float32") != key("float32", precision="fast")
    assert key("bfloat16") == key("bfloat16", precision="fast")


@pytest.mark.parametrize("kind", [RunConfig, EvaluateCommand, TrainBench, SampleBench, jorney.load])
def test_another_name_is_refused(kind) -> None:
    with pytest.raises(ValueError, match=r"precision = 'tf32': expected one of dtype, fast"):
        kind(precision="tf32")


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("jax_enable_x64", True),
        ("jax_default_matmul_precision", "bfloat16"),
        ("jax_default_matmul_precision", "highest"),
        ("jax_default_prng_impl", "rbg"),
        ("jax_numpy_dtype_promotion", "strict"),
        ("jax_disable_jit", True),
        ("jax_threefry_partitionable", False),
        ("jax_random_seed_offset", 7),
    ],
)
def test_commands_refuse_settings_of_jax_that_change_results(setting, value, tmp_path, capsys) -> None:
    """As a configuration file may set them; the same line names an environment variable."""
    before = jax.config.values[setting]
    jax.config.update(setting, value)
    try:
        assert cli.main(["evaluate", "--output", str(tmp_path / "out")]) == 2
    finally:
        jax.config.update(setting, before)
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"jorney: jax.config.{setting} = {value!r}: changes what is computed")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("variable", "value", "told"),
    [
        ("JAX_ENABLE_X64", "1", "JAX_ENABLE_X64=1"),
        ("XLA_FLAGS", "--a=1 --xla_cpu_enable_fast_math=true --b", "XLA_FLAGS=--xla_cpu_enable_fast_math=true"),
        ("XLA_FLAGS", "--xla_cpu_enable_fast_math", "XLA_FLAGS=--xla_cpu_enable_fast_math"),
        ("NVIDIA_TF32_OVERRIDE", "1", "NVIDIA_TF32_OVERRIDE=1"),
    ],
)
def test_commands_refuse_variables_that_change_results(variable, value, told, monkeypatch) -> None:
    monkeypatch.setenv(variable, value)
    if variable.startswith("JAX"):
        jax.config.update(variable.lower(), True)  # as jax itself does when it is imported
    try:
        with pytest.raises(ValueError, match=f"^{re.escape(told)}: changes what is computed, .*: unset it"):
            expect_settings()
    finally:
        jax.config.update("jax_enable_x64", False)


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("XLA_FLAGS", "--xla_force_host_platform_device_count=8 --xla_cpu_enable_fast_math=false"),
        ("NVIDIA_TF32_OVERRIDE", "0"),
        ("JAX_LOG_COMPILES", "1"),
    ],
)
def test_other_variables_are_nobodys_business(variable, value, monkeypatch) -> None:
    monkeypatch.setenv(variable, value)
    expect_settings()
