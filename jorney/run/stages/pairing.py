"""`jorney pairs`: preference pairs of a policy's own samples, graded."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Callable, Iterator, Sequence
from typing import Any, ClassVar

from jax.sharding import Mesh

from jorney import storage
from jorney.batch.pairs import Preference, choose_pairs
from jorney.config import digest
from jorney.domain.grading import GRADING, Grader
from jorney.domain.problem import Problem
from jorney.engine.generate import Completion, SamplingConfig
from jorney.engine.sampling import DRAWING
from jorney.machine.plan.planned import AotProgram
from jorney.machine.plan.planner import Planner
from jorney.policy import tokenizer_of
from jorney.rows import trl
from jorney.run.artifact import Artifact, Lacking, Model
from jorney.run.fitting import fit_completions
from jorney.run.parts import ALL, Parts, Share, in_groups
from jorney.run.stage import SampledCommand
from jorney.run.workspace import Workspace
from jorney.solve.evaluate import EvaluateConfig
from jorney.text.step_format import StepFormat
from jorney.text.tokenizer import Tokenizer
from jorney.train.objectives.dpo import DpoConfig

OWN = "pairs of its own samples"  # what a model prefers whose training reads the stage's


@dataclasses.dataclass(frozen=True)
class PairsCommand(SampledCommand):
    """Preference pairs of the model's own samples: right ones preferred to wrong ones, for `jorney dpo --data`.

    Attributes:
      evaluate: limits of a sample, and how many are decoded together.
      dpo: of which `samples`, `pairs`, `temperature` and `top_p` count here.
    """

    command: ClassVar[str] = "pairs"
    common = (
        *("model", "problems", "limit", "output", "dpo.samples", "dpo.pairs", "dpo.temperature", "evaluate.max-tokens"),
        *("evaluate.rows", "shard", "seed"),
    )

    output: str = "runs/pairs"
    limit: int | None = None
    evaluate: EvaluateConfig = dataclasses.field(default_factory=EvaluateConfig)
    dpo: DpoConfig = dataclasses.field(default_factory=DpoConfig)

    def plan(self, space: Workspace, model: Model) -> list[Artifact]:
        problems = self.read_problems()
        limits = fit_completions(self.evaluate, "evaluate", model, problems, space.format, space.progress.say)
        return [plan_pairs(space, model, problems, limits, self.dpo, self.share)]

    def programs(self, planner: Planner) -> list[AotProgram]:
        return sampling_programs(planner, samples(self.dpo, self.evaluate, self.seed), planner.sampling_mesh(self.mesh))


def samples(config: DpoConfig, limits: EvaluateConfig, seed: int) -> SamplingConfig:
    """How the samples are drawn of which pairs are made."""
    return SamplingConfig.of(config, limits, config.samples, seed)


def sampling_programs(planner: Planner, sampling: SamplingConfig, mesh: Mesh) -> list[AotProgram]:
    """The programs that draw them."""
    return planner.completions("pairs", sampling, mesh, prompts=_together(sampling))


def _together(sampling: SamplingConfig) -> int:
    """How many problems are sampled for at a time."""
    return max(1, sampling.rows // sampling.w)


def plan_pairs(
    space: Workspace,
    model: Model,
    problems: Sequence[Problem],
    limits: EvaluateConfig,
    config: DpoConfig,
    share: Share = ALL,
) -> Artifact:
    """Samples of every problem, split by whether they are right, and pairs of them, in parts; pairs.jsonl holds them as texts.

    Args:
      share: of the problems; other programs, on the same folder, sample for the rest.
    """
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
            parts.fill_share(space.progress, "problems", problems, share, in_groups(_together(sampling), make))
        found = list(parts.of(problems))
        storage.write_jsonl(folder / "pairs.jsonl", _texts(tokenizer_of(model.folder), found))
        return {
            "problems": len(found),
            "samples": config.samples * len(found),
            "right": sum(row["right"] for row in found) / (config.samples * len(found)),
            "pairs": sum(len(row["pairs"]) for row in found),
        }

    chosen = {name: getattr(config, name) for name in ("samples", "pairs", "temperature", "top_p")}
    reads = [model.key, digest(problems), limits.max_tokens, limits.grading_seconds, chosen, GRADING, DRAWING]
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
    grades = grader.grade_all([problem] * len(completions), [completion.text for completion in completions], step_format)
    for completion, grade in zip(completions, grades, strict=True):
        sides[grade.correct].append(completion)
    pairs = choose_pairs(sides[True], sides[False], config.pairs, random.Random(f"{seed}/{problem.id}"))
    return {
        "id": problem.id,
        "right": len(sides[True]),
        "prompt": list(prompt),
        "pairs": [[list(chosen.tokens), list(rejected.tokens)] for chosen, rejected in pairs],
    }


def _texts(tokenizer: Tokenizer, rows: Sequence[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """The pairs of parts as rows of prompt, chosen and rejected, with their tokens for whoever has the same tokenizer."""
    for row in rows:
        for chosen, rejected in row["pairs"]:
            yield {"id": row["id"], **trl.preference_row(tokenizer, Preference(row["prompt"], chosen, rejected))}


def sampled_pairs(pairs: Artifact, problems: Sequence[Problem]) -> Callable[[Tokenizer], list[Preference]]:
    """Makes the pairs of `plan_pairs`, once they are there. They are tokens already."""

    def make(_: Tokenizer) -> list[Preference]:
        preferences = [
            Preference(tuple(row["prompt"]), tuple(chosen), tuple(rejected))
            for row in pairs.parts.of(problems)
            for chosen, rejected in row["pairs"]
        ]
        if not preferences:
            raise Lacking(
                "dpo: no problem had right and wrong samples both, so there are no pairs: expected more problems or samples"
            )
        return preferences

    return make
