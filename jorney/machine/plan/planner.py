"""Which programs a configuration runs: it says so itself, in the pieces that the planner has."""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Callable, Mapping
from typing import Protocol

import jax.numpy as jnp
from jax.sharding import Mesh

from jorney import sharding
from jorney.engine import generate
from jorney.engine.generate import SamplingConfig
from jorney.engine.memory import Memory, Tenant, beside, share_out
from jorney.engine.programs import Shape, Work
from jorney.judge import rollouts
from jorney.judge.reward_model import PROBLEMS_HELD, held_work
from jorney.judge.rollouts import RolloutConfig
from jorney.machine import aot
from jorney.machine.plan.engine_programs import PlannedEngine
from jorney.machine.plan.planned import AotProgram
from jorney.machine.plan.rounds import Round
from jorney.machine.plan.training_step import training_step
from jorney.model.architecture import ModelConfig
from jorney.policy import read_architecture
from jorney.topology import Slice
from jorney.train.objective import TrainingConfig, objective_of
from jorney.tree import expand

_MANY = 1_000_000  # problems: more than are under way together
_OPENING = 8  # tokens of a step's opening, at most


class Configuration(Protocol):
    """What can be planned.

    Attributes:
      model: a preset, a folder or a hub id.
      dtype: of the computation.
      precision: of matrix products, see `jorney.precision`.
      all_hosts: whether all hosts run its programs together. Else each runs them by itself, on its part of the machine.
    """

    @property
    def model(self) -> str: ...

    @property
    def dtype(self) -> str: ...

    @property
    def precision(self) -> str: ...

    @property
    def all_hosts(self) -> bool: ...

    def programs(self, planner: Planner) -> list[AotProgram]:
        """In the order in which they first run. Raises ValueError where there are none, or they do not suit the machine."""


class Planner:
    """Collects a configuration's programs for a machine.

    Args:
      prompt: tokens of the longest prompt.
      weigh: whether programs of engines are compiled, so that caches leave them what they need, as in a run; else a share of
        the memory is left for them.
      say: told what is being compiled.

    Attributes:
      machine: that the programs are for: the whole, or one host's part; of its memory, what the configuration may use.
      engines: {label: engine}.
      widths: {label of an engine that grows trees: steps after a node, nodes of a level that are expanded}.
      round: of a configuration that samples and trains in turn.
    """

    def __init__(
        self,
        command: Configuration,
        machine: Slice,
        prompt: int,
        weigh: bool = False,
        say: Callable[[str], None] = lambda line: None,
    ) -> None:
        self.command, self.prompt, self._weigh, self._say = command, prompt, weigh, say
        self.model, self.dtype = read_architecture(command.model), jnp.dtype(command.dtype)
        self.engines: dict[str, PlannedEngine] = {}
        self.widths: dict[str, tuple[int, int]] = {}
        self.round: Round | None = None
        self._weighed: dict[PlannedEngine, list[aot.Needs]] = {}
        own = machine if command.all_hosts else machine.of_one_host
        self.machine = own.with_memory(min((own.capacity, *_stated(command))))

    def programs(self) -> list[AotProgram]:
        """In the order in which they first run.

        Raises:
          ValueError: the configuration does not fit the machine's number of devices, or runs nothing on them.
        """
        return self.command.programs(self)

    def mesh(self, config: sharding.MeshConfig) -> Mesh:
        """A mesh of the machine's chips."""
        return aot.make_mesh(self.machine, config)

    def sampling_mesh(self, config: sharding.MeshConfig) -> Mesh:
        """The same for sampling, where no mesh is stated for it."""
        return sharding.for_sampling(self.mesh(config), self.model.kv_heads)

    def judge(self, name: str) -> ModelConfig:
        """A reward model; one with a language model's head is read out at two labels, as `judge.readouts.classifier` does."""
        found = read_architecture(name)
        return dataclasses.replace(found, head="linear", labels=2, tie_embeddings=False) if found.head == "lm" else found

    def step(self, name: str, config: TrainingConfig, mesh: Mesh) -> AotProgram:
        """A training's step."""
        objective_of(config).check(self.model, config)
        return training_step(f"{name} step", self.model, config, self.dtype, self.machine, mesh, self.command.precision)

    def trees(self, config: expand.ExpandConfig, judge: ModelConfig | None, mesh: Mesh) -> list[AotProgram]:
        """The engine that grows trees, and their judge's; None judges on the host."""
        self.widths["trees"] = config.w, config.prune.keep
        return self._judged("trees", expand.work_of(config, _MANY, _OPENING), judge, mesh)

    def completions(
        self, label: str, config: SamplingConfig, mesh: Mesh, judge: ModelConfig | None = None, prompts: int = _MANY
    ) -> list[AotProgram]:
        """The engine that samples whole solutions of so many prompts at a time, and their judge's, where there is one."""
        return self._judged(label, generate.work_of(prompts, config), judge, mesh)

    def completions_beside(
        self, label: str, config: SamplingConfig, mesh: Mesh, prompts: int, prompt: int, held: Mapping[str, float]
    ) -> list[AotProgram]:
        """The engine of each host by itself, beside a training of all hosts: `sharding.for_sampling_apart`.

        Args:
          mesh: of the training.
          prompts: that a host samples for.
          prompt: tokens of the longest.
          held: {what: bytes of a device} that the training holds meanwhile.
        """
        host, apart = self.machine.of_one_host, self.apart(mesh)
        found = self._judged(label, generate.work_of(prompts, config), None, apart, host, prompt, held)
        return [dataclasses.replace(one, machine=host) for one in found]

    def apart(self, mesh: Mesh) -> Mesh:
        """A host's own chips, as it samples with them beside a training."""
        _, own = sharding.for_sampling_apart(mesh, self.model.kv_heads)
        return aot.make_mesh(self.machine.of_one_host, sharding.MeshConfig(data=-1, tensor=own.shape["tensor"]))

    def rollouts(self, config: RolloutConfig, mesh: Mesh) -> list[AotProgram]:
        """The engines that sample solutions, and completions of their steps."""
        longest = config.max_tokens
        work = rollouts.work_of(config, _MANY, longest, config.solutions * longest)
        solutions = self.completions("solutions", config.sampling(config.solutions, 0), mesh)
        return [*solutions, *self._judged("rollouts", work, None, mesh)]

    def _judged(
        self,
        label: str,
        work: Work,
        judge: ModelConfig | None,
        mesh: Mesh,
        machine: Slice | None = None,
        prompt: int | None = None,
        others: Mapping[str, float] = types.MappingProxyType({}),
    ) -> list[AotProgram]:
        """An engine, and that of a reward model beside it, which reads its paths; None judges on the host.

        In the shapes that they would take on the machine (`engine.memory`).

        Args:
          machine, prompt: where they are not the planner's.
          others: {what: bytes of a device} that lie there as well.
        """
        machine, prompt = machine or self.machine, self.prompt if prompt is None else prompt
        tenants = [Tenant("policy", self.model, self.dtype, mesh, work, prompt)]
        if judge:
            asked = held_work(PROBLEMS_HELD, min(judge.positions, prompt + work.needed))
            tenants.append(Tenant("judge", judge, self.dtype, mesh, asked, 0))
        labels = {"policy": label, "judge": "judge"}
        weights = {f"the {one.name}'s weights": one.weights for one in tenants}
        memory = Memory(machine.capacity, {**others, **weights})

        def temporaries(tenant: Tenant, shape: Shape) -> float:
            return self._temporaries(labels[tenant.name], tenant, shape, machine) if self._weigh else 0.0

        shapes = share_out(tenants, memory, temporaries)
        held = [tenant.weights + tenant.cache(shape) for tenant, shape in zip(tenants, shapes, strict=True)]
        found = []
        for tenant, shape, own in zip(tenants, shapes, held, strict=True):
            engine = self.engines[labels[tenant.name]] = self._engine(tenant, shape)
            programs = engine.programs(labels[tenant.name], machine, sum(held) - own + sum(others.values()))
            if engine in self._weighed:
                pairs = zip(programs, self._weighed[engine], strict=True)
                programs = [dataclasses.replace(one, needs=needs) for one, needs in pairs]
            found += programs
        return found

    def _engine(self, tenant: Tenant, shape: Shape) -> PlannedEngine:
        return PlannedEngine(tenant.config, shape, self.dtype, tenant.mesh, self.command.precision)

    def _temporaries(self, label: str, tenant: Tenant, shape: Shape, machine: Slice) -> float:
        """Bytes of a device that the hungriest of an engine's programs holds while it runs."""
        engine = self._engine(tenant, shape)
        if engine not in self._weighed:
            self._weighed[engine] = []
            for one in engine.programs(label, machine):
                self._say(f"compiling {one.name}")
                self._weighed[engine].append(aot.compile_for(machine, one.lower(), one.trips))
        held = tenant.weights + tenant.cache(shape)
        return max(
            one.needed_bytes - held
            if one.temp_bytes is None or one.argument_bytes is None
            else beside(one.argument_bytes, one.temp_bytes, held)
            for one in self._weighed[engine]
        )


def _stated(command: Configuration) -> list[float]:
    """The bytes of a device that a configuration's meshes may use, where it states them."""
    fields = vars(command).values()
    return [value.memory for value in fields if isinstance(value, sharding.MeshConfig) and value.memory is not None]
