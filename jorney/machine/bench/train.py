"""`jorney bench train`: how fast a training step runs, on random tokens and random weights of a model's shape."""

from __future__ import annotations

import dataclasses
import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh

from jorney import devices, sharding, topology
from jorney.config import expect_at_least, expect_one_of
from jorney.machine.aot import needs_of
from jorney.machine.bench.published import of_device
from jorney.machine.measured import matrix_product
from jorney.machine.plan import lines as report
from jorney.machine.plan.planned import planned
from jorney.machine.plan.training_step import training_step
from jorney.model import flops
from jorney.model import lora as adapters
from jorney.model import params as parameters
from jorney.model.architecture import ModelConfig
from jorney.model.lora import LoraConfig
from jorney.model.transformer import REMAT_POLICIES
from jorney.policy import EMBEDDED, read_architecture
from jorney.precision import EXACT, PRECISIONS, products
from jorney.train import state as states
from jorney.train.loop import put
from jorney.train.objective import StepShape, TrainingConfig, objective_of, objectives
from jorney.train.optimizer import DTYPES, OptimizerConfig, make_optimizer
from jorney.train.step import make_train_step


@dataclasses.dataclass(frozen=True)
class TrainBench:
    """Throughput of a training step: tokens a second and chip, MFU, memory.

    Attributes:
      model: a preset ("deepseekmath-7b", ...), or a folder or hub id, of which only config.json is read.
      objective: "sft", "dpo", "grpo", or another of `train.objective`.
      rows: rows a step, over all devices; with "dpo" pairs, with "grpo" questions.
      length: tokens a row, where rows are packed.
      prompt, completion: tokens of a row's prompt and of each completion, with "dpo" and "grpo".
      head_chunk: tokens of a device whose logits are held at a time.
      accumulate, remat: as in training.
      dtype: of the computation; `optimizer` has those of parameters and moments.
      precision: of matrix products, "dtype" or "fast" (see `jorney.load`).
      steps: between two looks at the clock.
      runs: of so many steps; their median counts.
      lora: adapters that are trained in the place of the model, which is held in `dtype` then.
    """

    model: str = EMBEDDED
    objective: str = "sft"
    rows: int = 8
    length: int = 1024
    prompt: int = 512
    completion: int = 256
    head_chunk: int = 512
    accumulate: int = 1
    remat: str = "none"
    dtype: str = "bfloat16"
    precision: str = EXACT
    steps: int = 3
    runs: int = 5
    optimizer: OptimizerConfig = dataclasses.field(default_factory=OptimizerConfig)
    lora: LoraConfig = dataclasses.field(default_factory=LoraConfig)
    mesh: sharding.MeshConfig = dataclasses.field(default_factory=sharding.MeshConfig)

    def __post_init__(self) -> None:
        expect_at_least(1, self, "", "rows", "length", "prompt", "completion", "head_chunk", "accumulate", "steps", "runs")
        expect_one_of(objectives(), self, "", "objective")
        expect_one_of(DTYPES, self, "", "dtype")
        expect_one_of(PRECISIONS, self, "", "precision")
        expect_one_of(REMAT_POLICIES, self, "", "remat")
        if self.rows % self.accumulate:
            raise ValueError(f"rows = {self.rows}: expected a multiple of accumulate = {self.accumulate}")

    @property
    def training(self) -> TrainingConfig:
        """The configuration of the step that is measured."""
        kind = objective_of(self.objective).config
        lengths = {"row_length": self.length, "prompt_length": self.prompt, "completion_length": self.completion}
        same = {name: getattr(self, name) for name in ("head_chunk", "accumulate", "remat", "optimizer", "lora")}
        known = {field.name for field in dataclasses.fields(kind)}
        return kind(**{name: value for name, value in {kind.batch: self.rows, **lengths, **same}.items() if name in known})


def run(command: TrainBench, say: Callable[[str], None] = lambda line: None) -> dict[str, Any]:
    """Measures; returns figures by name.

    Returns:
      step_seconds, tokens_per_second_per_chip, at_most (the rate that the plan's bounds allow, on chips that are not in its
      table the rate of the operations alone); mfu_full and mfu_causal, of the vendor's figure for the chip or, where none is
      known, of the product of two matrices measured here ("peak" tells which); compile_seconds; of a device, in GB:
      arguments_gb and temporaries_gb as XLA plans them, memory_gb as it was. On a TPU also what `jorney plan` prints, and what
      others have published for such a chip.

    Raises:
      FileNotFoundError, ValueError: what is wrong with the model or the mesh.
    """
    model, config = read_architecture(command.model), command.training
    mesh = sharding.make_mesh(command.mesh)
    if command.rows // command.accumulate % sharding.ways("batch", mesh):
        raise ValueError(f"rows = {command.rows}: expected a multiple of accumulate x data x fsdp devices")
    shape = objective_of(config).shape(model, config, jnp.dtype(command.dtype))
    with jax.set_mesh(mesh), jax.default_matmul_precision(products(command.dtype, command.precision)):
        step, state, given, compiled_in = _prepare(config, shape, mesh, jnp.dtype(command.dtype))
        trained = f"{adapters.count(model, config.lora):,} of " if config.lora.rank else ""
        say(f"{trained}{parameters.count(model):,} parameters; compiled in {compiled_in:.0f} s; {mesh.devices.size} devices")
        seconds = _measure(command, step, state, given)
    found = mesh.devices.flatten().tolist()
    chips, stated = devices.chips(found), devices.peak(found[0])
    peak = stated or matrix_product(command.dtype, command.precision)
    plan = step.memory_analysis()
    return {
        "step_seconds": seconds,
        "tokens_per_second_per_chip": shape.tokens / seconds / chips,
        "at_most": shape.tokens / (shape.flops("causal") / peak),
        **{f"mfu_{name}": shape.flops(name) / seconds / chips / peak for name in flops.CONVENTIONS},
        "peak": f"{peak / 1e12:.3g} TFLOP/s, {'stated for' if stated else 'measured on'} {found[0].device_kind}",
        "compile_seconds": compiled_in,
        "arguments_gb": plan.argument_size_in_bytes / 1e9,
        "temporaries_gb": plan.temp_size_in_bytes / 1e9,
        "memory_gb": devices.memory_in_use() / 1e9,
        **_of_plan(command, model, step, mesh, chips),
    }


def _of_plan(command: TrainBench, model: ModelConfig, step: Any, mesh: Mesh, chips: int) -> dict[str, Any]:
    """The plan's bound and its lines, and published rates, where the chip is in the table of machines."""
    kind = mesh.devices.flat[0].device_kind
    generation = topology.of_kind(kind)
    if generation is None:
        return {}
    machine = topology.Slice(kind, generation, chips)
    program = training_step(
        command.objective, model, command.training, jnp.dtype(command.dtype), machine, mesh, command.precision
    )
    made = planned(program, machine, needs_of(step, machine.capacity, program.trips))
    rates = {f"published, {one.system}": one.describe() for one in of_device(kind)}
    lines = {f"plan: {name}": figure for name, figure in report.facts(made)}
    return {"at_most": made.tokens_per_second_per_chip, **lines, **rates}


def _prepare(config: TrainingConfig, shape: StepShape, mesh: Mesh, dtype: Any) -> tuple[Any, Any, tuple[Any, ...], float]:
    """The compiled step, a state to run it on, what else it is given, and the seconds it took to compile."""
    optimizer, model, lora = make_optimizer(config.optimizer), shape.model, shape.lora
    where, master = states.state_shardings(model, mesh, optimizer, lora), jnp.dtype(config.optimizer.master)
    frozen: tuple[Any, ...] = ()
    if lora.rank:
        drawn = jax.jit(lambda key: parameters.init(model, key, dtype), out_shardings=parameters.param_shardings(model, mesh))
        frozen = (drawn(jax.random.key(0)),)
        state = states.creator(optimizer, where)(adapters.init(model, lora, frozen[0], mesh, 0, master))
    else:

        def fresh(key: jax.Array) -> states.TrainState:
            return states.create(parameters.init(model, key, master), optimizer)

        state = jax.jit(fresh, out_shardings=where)(jax.random.key(0))
    given = (put(_random_batch(config, shape), mesh), jnp.float32(1e-6), *frozen)
    program = jax.jit(
        make_train_step(shape.loss_fn, optimizer, config.accumulate), donate_argnums=0, out_shardings=(where, None)
    )
    start = time.perf_counter()
    step = program.lower(state, *given).compile()
    return step, state, given, time.perf_counter() - start


def _random_batch(config: TrainingConfig, shape: StepShape) -> Mapping[str, np.ndarray]:
    """A batch without padding whose every token (of completions) bears loss."""
    rng, objective = np.random.default_rng(0), objective_of(config)

    def draw(count: int) -> tuple[int, ...]:
        return tuple(rng.integers(0, shape.model.vocab_size, count).tolist())

    return objective.layout(config, [objective.full(config, draw) for _ in range(shape.rows)], shape.rows).arrays


def _measure(command: TrainBench, step: Any, state: Any, given: tuple[Any, ...]) -> float:
    """Seconds a step, the median of the runs."""
    times = []
    for number in range(command.runs + 1):
        start = time.perf_counter()
        for _ in range(command.steps if number else 1):
            state, metrics = step(state, *given)
        jax.block_until_ready((state, metrics))
        if number:  # the first warms up
            times.append((time.perf_counter() - start) / command.steps)
    return statistics.median(times)
