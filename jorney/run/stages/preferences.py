"""`jorney dpo`: preference training, on given pairs or on pairs of a policy's own samples, graded."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from jorney import storage
from jorney.batch.pairs import Preference, choose_pairs
from jorney.config import digest
from jorney.domain.grading import Grader
from jorney.domain.problem import Problem
from jorney.engine.generate import Completion, SamplingConfig
from jorney.machine.plan.planned import AotProgram
from jorney.machine.plan.planner import Planner
from jorney.run import inputs
from jorney.run.artifact import Artifact, Lacking, Model
from jorney.run.parts import Parts, in_groups
from jorney.run.stage import ProblemsCommand
from jorney.run.stages.fine_tuning import TrainCommand, plan_training
from jorney.run.workspace import Workspace
from jorney.solve.evaluate import EvaluateConfig
from jorney.text.step_format import StepFormat
from jorney.text.tokenizer import Tokenizer
from jorney.train.objectives.dpo import DpoConfig

OWN = "pairs of its own samples"  # what a model prefers whose training reads the stage's


@dataclasses.dataclass(frozen=True)
class DpoCommand(TrainCommand, ProblemsCommand):
    """Direct preference optimisation on pairs of the model's own samples, or on given ones.

    Attributes:
      data: pairs in place of samples: rows of chosen and rejected, with prompt or with a beginning in common, texts or
        messages; from a .jsonl, .parquet or .csv file (local or gs://), a hub id (NAME[:CONFIGURATION][@SPLIT]) or tfds:NAME.
      data_limit: how many of those pairs; None takes all.
      evaluate: limits of a sample, and how many are decoded together.
    """

    command: ClassVar[str] = "dpo"
    common = (
        *("model", "data", "problems", "limit", "output", "dpo.beta", "dpo.optimizer.learning-rate", "dpo.epochs"),
        *("dpo.batch-pairs", "dpo.kind", "dpo.samples", "evaluate.max-tokens", "dtype", "mesh.fsdp", "seed"),
    )

    output: str = "runs/dpo"
    data: str = ""
    data_limit: int | None = None
    evaluate: EvaluateConfig = dataclasses.field(default_factory=EvaluateConfig)
    dpo: DpoConfig = dataclasses.field(default_factory=DpoConfig)

    def plan(self, space: Workspace, model: Model) -> list[Artifact]:
        if self.data:
            given = inputs.read_pairs(self.data, self.data_limit)
            return [plan_training(space, "dpo", model, given.make, given.key, self.dpo, f"the pairs of {self.data}")]
        if self.distributed.coordinator:
            raise ValueError(
                "distributed.coordinator: expected data, pairs sampled before: training is shared by processes, sampling is not"
            )
        pairs = plan_pairs(space, model, self.read_problems(), self.evaluate, self.dpo)
        return [pairs, plan_training(space, "dpo", model, sampled(pairs), pairs.key, self.dpo, OWN)]

    @property
    def all_hosts(self) -> bool:  # type: ignore[override]
        return bool(self.data)

    def programs(self, planner: Planner) -> list[AotProgram]:
        mesh, drawn = planner.mesh(self.mesh), samples(self.dpo, self.evaluate, self.seed)
        own = [] if self.data else planner.completions("pairs", drawn, mesh)
        return [*own, planner.step("dpo", self.dpo, mesh)]


def samples(config: DpoConfig, limits: EvaluateConfig, seed: int) -> SamplingConfig:
    """How the samples are drawn of which pairs are made."""
    return SamplingConfig.of(config, limits, config.samples, seed)


def plan_pairs(
    space: Workspace, model: Model, problems: Sequence[Problem], limits: EvaluateConfig, config: DpoConfig
) -> Artifact:
    """Samples of every problem, split by whether they are right, and pairs of them; in parts."""
    sampling = samples(config, limits, space.seed)

    def work(folder: storage.Path) -> dict[str, Any]:
        with Grader(limits.grading_seconds) as grader:

            def make(group: Sequence[Problem]) -> tuple[list[dict[str, Any]], str]:
                generator = space.generator(model)
                prompts = [space.format.encode(generator.policy.tokenizer, problem.question) for problem in group]
                sampled = generator.generate(prompts, sampling, [problem.id for problem in group])
                made = [
                    _pair(space.format, grader, problem, prompt, own, config, space.seed)
                    for problem, prompt, own in zip(group, prompts, sampled, strict=True)
                ]
                return made, f"{sum(len(row['pairs']) for row in made)} pairs"

            parts = Parts(folder / "parts")
            size = max(1, sampling.rows // config.samples)
            parts.fill(space.progress, "problems", problems, len(problems), in_groups(size, make))
        found = list(parts.rows())
        return {
            "problems": len(found),
            "samples": config.samples * len(found),
            "right": sum(row["right"] for row in found) / (config.samples * len(found)),
            "pairs": sum(len(row["pairs"]) for row in found),
        }

    chosen = {name: getattr(config, name) for name in ("samples", "pairs", "temperature", "top_p")}
    reads = [model.key, digest(problems), limits.max_tokens, limits.grading_seconds, chosen]
    return space.plan("pairs", reads, work, f"{len(problems):,} problems, {config.samples} samples each")


def _pair(
    step_format: StepFormat,
    grader: Grader,
    problem: Problem,
    prompt: Sequence[int],
    completions: Sequence[Completion],
    config: DpoConfig,
    seed: int,
) -> dict[str, Any]:
    """A row of a part: the prompt's ids, and the chosen and rejected ids of each pair."""
    sides: dict[bool, list[Completion]] = {True: [], False: []}
    for completion in completions:
        sides[grader.grade(problem, completion.text, step_format).correct].append(completion)
    pairs = choose_pairs(sides[True], sides[False], config.pairs, random.Random(f"{seed}/{problem.id}"))
    return {
        "id": problem.id,
        "right": len(sides[True]),
        "prompt": list(prompt),
        "pairs": [[list(chosen.tokens), list(rejected.tokens)] for chosen, rejected in pairs],
    }


def sampled(pairs: Artifact) -> Callable[[Tokenizer], list[Preference]]:
    """Makes the pairs of `plan_pairs`, once they are there. They are tokens already."""

    def make(_: Tokenizer) -> list[Preference]:
        preferences = [
            Preference(tuple(row["prompt"]), tuple(chosen), tuple(rejected))
            for row in pairs.parts.rows()
            for chosen, rejected in row["pairs"]
        ]
        if not preferences:
            raise Lacking(
                "dpo: no problem had right and wrong samples both, so there are no pairs: expected more problems or samples"
            )
        return preferences

    return make
