"""Which programs a configuration runs: it says so itself, in the pieces that the planner has."""

from __future__ import annotations

import dataclasses
from typing import Protocol

import jax.numpy as jnp
from jax.sharding import Mesh

from jorney import sharding
from jorney.engine import generate
from jorney.engine.generate import SamplingConfig
from jorney.engine.programs import Shape, Work, fit
from jorney.judge import rollouts
from jorney.judge.reward_model import PROBLEMS_HELD, engine_shape
from jorney.judge.rollouts import RolloutConfig
from jorney.machine import aot
from jorney.machine.plan.engine_programs import PlannedEngine, token_bytes, weight_bytes
from jorney.machine.plan.planned import AotProgram
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
      all_hosts: whether all hosts run its programs together. Else each runs them by itself, on its part of the machine.
    """

    @property
    def model(self) -> str: ...

    @property
    def dtype(self) -> str: ...

    @property
    def all_hosts(self) -> bool: ...

    def programs(self, planner: Planner) -> list[AotProgram]:
        """In the order in which they first run. Raises ValueError where there are none, or they do not suit the machine."""


class Planner:
    """Collects a configuration's programs for a machine.

    Args:
      prompt: tokens of the longest prompt.

    Attributes:
      machine: that the programs are for: the whole, or one host's part.
      engines: {label: engine}.
    """

    def __init__(self, command: Configuration, machine: Slice, prompt: int) -> None:
        self.command, self.prompt = command, prompt
        self.model, self.dtype = read_architecture(command.model), jnp.dtype(command.dtype)
        self.engines: dict[str, PlannedEngine] = {}
        self.machine = machine if command.all_hosts else machine.of_one_host

    def programs(self) -> list[AotProgram]:
        """In the order in which they first run.

        Raises:
          ValueError: the configuration does not fit the machine's number of devices, or runs nothing on them.
        """
        return self.command.programs(self)

    def mesh(self, config: sharding.MeshConfig) -> Mesh:
        """A mesh of the machine's chips."""
        return aot.make_mesh(self.machine, config)

    def judge(self, name: str) -> ModelConfig:
        """A reward model; one with a language model's head is read out at two labels, as `judge.readouts.classifier` does."""
        found = read_architecture(name)
        return dataclasses.replace(found, head="linear", labels=2, tie_embeddings=False) if found.head == "lm" else found

    def step(self, name: str, config: TrainingConfig, mesh: Mesh) -> AotProgram:
        """A training's step."""
        objective_of(config).check(self.model, config)
        return training_step(f"{name} step", self.model, config, self.dtype, self.machine, mesh)

    def trees(self, config: expand.ExpandConfig, judge: ModelConfig | None, mesh: Mesh) -> list[AotProgram]:
        """The engine that grows trees, and their judge's; None judges on the host."""
        work = expand.work_of(config, _MANY, _OPENING)
        return self._judged("trees", work, judge, config.depth * config.step_tokens, mesh)

    def completions(self, label: str, config: SamplingConfig, mesh: Mesh, judge: ModelConfig | None = None) -> list[AotProgram]:
        """The engine that samples whole solutions, and their judge's, where there is one."""
        return self._judged(label, generate.work_of(_MANY, config), judge, config.max_tokens, mesh)

    def rollouts(self, config: RolloutConfig, mesh: Mesh) -> list[AotProgram]:
        """The engines that sample solutions, and completions of their steps."""
        longest = config.max_tokens
        work = rollouts.work_of(config, _MANY, longest, config.solutions * longest)
        solutions = self.completions("solutions", config.sampling(config.solutions, 0), mesh)
        return [*solutions, *self._fitted("rollouts", work, mesh)]

    def _judged(self, label: str, work: Work, judge: ModelConfig | None, path: int, mesh: Mesh) -> list[AotProgram]:
        """An engine, and that of a reward model beside it, which reads paths of so many tokens; None judges on the host."""
        beside, judging = 0.0, []
        if judge:
            shape = engine_shape(PROBLEMS_HELD, min(judge.positions, self.prompt + path))
            beside = weight_bytes(judge, self.dtype, mesh) + shape.tokens * token_bytes(judge, self.dtype, mesh)
            judging = self._engine("judge", judge, shape, mesh, weight_bytes(self.model, self.dtype, mesh))
        return [*self._fitted(label, work, mesh, beside), *judging]

    def _fitted(self, label: str, work: Work, mesh: Mesh, beside: float = 0.0) -> list[AotProgram]:
        """An engine in the shape that it would take on the machine."""
        free = self.machine.capacity - weight_bytes(self.model, self.dtype, mesh) - beside
        room = max(0, generate.tokens_in(free, self.model, self.dtype, mesh))
        shape = fit(work, self.prompt, 0, self.model.positions, sharding.ways("batch", mesh), room)
        return self._engine(label, self.model, shape, mesh, beside)

    def _engine(self, label: str, model: ModelConfig, shape: Shape, mesh: Mesh, beside: float) -> list[AotProgram]:
        self.engines[label] = PlannedEngine(model, shape, self.dtype, mesh)
        return self.engines[label].programs(label, self.machine, beside)
