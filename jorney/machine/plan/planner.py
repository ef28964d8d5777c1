"""Which programs a configuration runs."""

from __future__ import annotations

import dataclasses

import jax.numpy as jnp
from jax.sharding import Mesh

from jorney import sharding
from jorney.engine import generate
from jorney.engine.programs import Shape, Work, fit
from jorney.judge import rollouts
from jorney.judge.reward_model import PROBLEMS_HELD, engine_shape
from jorney.judge.rollouts import RolloutConfig
from jorney.machine import aot
from jorney.machine.measured import read_model
from jorney.machine.plan.engine_programs import engine_programs, token_bytes, weight_bytes
from jorney.machine.plan.planned import Program
from jorney.machine.plan.training_step import training_step
from jorney.model.architecture import ModelConfig
from jorney.run.commands.command import DpoCommand, EvaluateCommand, ExpandCommand, SearchCommand, SftCommand, StageCommand
from jorney.run.commands.reward import PrmCommand, PrmLabelCommand
from jorney.run.recipes.journey import RunConfig
from jorney.run.stages.preference import samples
from jorney.run.stages.searches import VERIFIER
from jorney.solve.beam import Beam
from jorney.solve.evaluate import EvaluateConfig
from jorney.topology import Slice
from jorney.train.objectives.dpo import DpoConfig
from jorney.train.objectives.prm import PrmConfig, reward_model
from jorney.train.objectives.sft import SftConfig
from jorney.tree import expand
from jorney.tree.expand import ExpandConfig

_MANY = 1_000_000  # problems: more than are under way together
_OPENING = 8  # tokens of a step's opening, at most


@dataclasses.dataclass(frozen=True)
class Engine:
    """An engine of a configuration: what `sampling.most_problems` goes on from."""

    model: ModelConfig
    shape: Shape
    mesh: Mesh


class Planner:
    """Collects a configuration's programs for a machine.

    Args:
      prompt: tokens of the longest prompt.

    Attributes:
      machine: that the programs are for: of configurations that sample one host's part, for each host samples by itself.
      engines: {label: engine}.
    """

    def __init__(self, command: StageCommand | RunConfig, machine: Slice, prompt: int) -> None:
        self.command, self.prompt = command, prompt
        self.model, self.dtype = read_model(command.model), jnp.dtype(command.dtype)
        self.engines: dict[str, Engine] = {}
        trains_alone = isinstance(command, SftCommand) or (isinstance(command, DpoCommand) and command.data)
        self.machine = machine if trains_alone else machine.of_one_host

    def programs(self) -> list[Program]:
        """In the order in which they first run.

        Raises:
          ValueError: the configuration does not fit the machine's number of devices, or runs nothing on them.
        """
        command = self.command
        if isinstance(command, RunConfig):
            return self._pipeline(command)
        mesh = aot.make_mesh(self.machine, command.mesh)
        if isinstance(command, SftCommand):
            return [self._step("sft", command.sft, mesh)]
        if isinstance(command, PrmCommand):
            sampled = [] if command.data else self._rollouts(command.rollouts, mesh)
            return [*sampled, self._step("prm", command.prm, mesh)]
        if isinstance(command, PrmLabelCommand):
            return self._rollouts(command.rollouts, mesh)
        if isinstance(command, DpoCommand):
            drawn = samples(command.dpo, command.evaluate, command.seed)
            sampled = [] if command.data else self._completions("pairs", drawn, mesh)
            return [*sampled, self._step("dpo", command.dpo, mesh)]
        if isinstance(command, ExpandCommand):
            judge = None if command.judge in ("verifier", "llm") else read_model(command.judge)
            if judge is not None and judge.head == "lm":  # as `judge.readouts.classifier` has it
                judge = dataclasses.replace(judge, head="linear", labels=2, tie_embeddings=False)
            return self._trees(command.expand, judge, mesh)
        if isinstance(command, EvaluateCommand):
            return self._evaluation("evaluate", command.evaluate, mesh)
        if isinstance(command, SearchCommand):
            judge = None if command.judge == VERIFIER else read_model(command.judge)
            if isinstance(solver := command.search.solver, Beam):
                return self._trees(solver.expand(command.search, command.step_format), judge, mesh)
            solutions = command.search.sampling(command.seed)
            return self._judged("solutions", generate.work_of(_MANY, solutions), judge, solutions.max_tokens, mesh)
        raise ValueError(f"{command.name}: runs no program on the machine")

    def _pipeline(self, run: RunConfig) -> list[Program]:
        mesh, sampling = aot.make_mesh(self.machine, run.mesh), aot.make_mesh(self.machine, run.sampling_mesh)
        found = [*self._evaluation("evaluate", run.evaluate, sampling), self._step("sft_phase1", run.sft, mesh)]
        if run.until == "sft_phase1":
            return found
        found += self._rollouts(run.rollouts, sampling)
        found.append(self._step("prm", run.prm, mesh))
        found += self._trees(run.expand, reward_model(self.model) if run.judge == "prm" else None, sampling)
        found.append(self._step("phase2", run.phase2, mesh))
        found += self._evaluation("journeys", run.long(), sampling)
        if run.until == "dpo":
            found += self._completions("pairs", samples(run.dpo, run.long(), run.seed), sampling)
            found.append(self._step("dpo", run.dpo, mesh))
        return found

    def _step(self, name: str, config: SftConfig | DpoConfig | PrmConfig, mesh: Mesh) -> Program:
        if isinstance(config, DpoConfig):
            lengths = (config.prompt_length or 0) + (config.completion_length or 0)
            if lengths > self.model.positions:
                raise ValueError(
                    f"dpo.prompt_length + dpo.completion_length = {lengths}: expected at most the model's "
                    f"{self.model.positions} positions"
                )
        else:
            config.expect_at_most(self.model.positions, "row_length")
        return training_step(f"{name} step", self.model, config, self.dtype, self.machine, mesh)

    def _trees(self, config: ExpandConfig, judge: ModelConfig | None, mesh: Mesh) -> list[Program]:
        work = expand.work_of(config, _MANY, _OPENING)
        return self._judged("trees", work, judge, config.depth * config.step_tokens, mesh)

    def _judged(self, label: str, work: Work, judge: ModelConfig | None, path: int, mesh: Mesh) -> list[Program]:
        """An engine, and that of a reward model beside it, which reads paths of so many tokens; None judges on the host."""
        beside, judging = 0.0, []
        if judge:
            shape = engine_shape(PROBLEMS_HELD, min(judge.positions, self.prompt + path))
            beside = weight_bytes(judge, self.dtype, mesh) + shape.tokens * token_bytes(judge, self.dtype, mesh)
            judging = self._engine("judge", judge, shape, mesh, weight_bytes(self.model, self.dtype, mesh))
        return [*self._fitted(label, work, mesh, beside), *judging]

    def _rollouts(self, config: RolloutConfig, mesh: Mesh) -> list[Program]:
        longest = config.max_tokens
        work = rollouts.work_of(config, _MANY, longest, config.solutions * longest)
        return [
            *self._completions("solutions", config.sampling(config.solutions, 0), mesh),
            *self._fitted("rollouts", work, mesh),
        ]

    def _evaluation(self, label: str, config: EvaluateConfig, mesh: Mesh) -> list[Program]:
        return self._completions(label, config.sampling(0), mesh)

    def _completions(self, label: str, config: generate.SamplingConfig, mesh: Mesh) -> list[Program]:
        return self._fitted(label, generate.work_of(_MANY, config), mesh)

    def _fitted(self, label: str, work: Work, mesh: Mesh, beside: float = 0.0) -> list[Program]:
        """An engine in the shape that it would take on the machine."""
        free = self.machine.capacity - weight_bytes(self.model, self.dtype, mesh) - beside
        room = max(0, generate.tokens_in(free, self.model, self.dtype, mesh))
        shape = fit(work, self.prompt, 0, self.model.positions, sharding.ways("batch", mesh), room)
        return self._engine(label, self.model, shape, mesh, beside)

    def _engine(self, label: str, model: ModelConfig, shape: Shape, mesh: Mesh, beside: float) -> list[Program]:
        self.engines[label] = Engine(model, shape, mesh)
        return engine_programs(label, model, shape, self.dtype, self.machine, mesh, beside)
