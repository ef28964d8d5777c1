"""The stage that samples preference pairs: completions of a policy, graded and paired."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any

from jorney import storage
from jorney.batch.pairs import Preference, choose_pairs
from jorney.config import digest
from jorney.domain.grading import Grader
from jorney.domain.problem import Problem
from jorney.engine.generate import Completion, SamplingConfig
from jorney.run.stage import Lacking
from jorney.run.workspace import Model, Stage, Workspace, generation, in_parts, read_parts
from jorney.solve.evaluate import EvaluateConfig
from jorney.text.step_format import StepFormat
from jorney.text.tokenizer import Tokenizer
from jorney.train.objectives.dpo import DpoConfig

OWN = "pairs of its own samples"  # what a model prefers whose training reads the stage's


def samples(config: DpoConfig, limits: EvaluateConfig, seed: int) -> SamplingConfig:
    """How the samples are drawn of which pairs are made."""
    return SamplingConfig(
        w=config.samples,
        max_tokens=limits.max_tokens,
        temperature=config.temperature,
        top_p=config.top_p,
        seed=seed,
        rows=max(config.samples, limits.rows // config.samples * config.samples),
        chunk=limits.chunk,
    )


def plan_pairs(space: Workspace, model: Model, problems: Sequence[Problem], limits: EvaluateConfig, config: DpoConfig) -> Stage:
    """Samples of every problem, split by whether they are right, and pairs of them; in parts."""
    sampling = samples(config, limits, space.seed)
    rows = sampling.rows

    def work(folder: storage.Path) -> dict[str, Any]:
        with Grader(limits.grading_seconds) as grader:

            def make(_: int, group: Sequence[Problem]) -> tuple[list[dict[str, Any]], str]:
                generator = space.generator(model)
                prompts = [space.format.encode(generator.policy.tokenizer, problem.question) for problem in group]
                sampled = generator.generate(prompts, sampling, [problem.id for problem in group])
                made = [
                    _pair(space.format, grader, problem, prompt, own, config, space.seed)
                    for problem, prompt, own in zip(group, prompts, sampled, strict=True)
                ]
                return made, f"{sum(len(row['pairs']) for row in made)} pairs"

            found = in_parts(folder, space.progress, "problems", problems, max(1, rows // config.samples), make)
        return {
            "problems": len(found),
            "samples": config.samples * len(found),
            "right": sum(row["right"] for row in found) / (config.samples * len(found)),
            "pairs": sum(len(row["pairs"]) for row in found),
        }

    chosen = {name: getattr(config, name) for name in ("samples", "pairs", "temperature", "top_p")}
    reads = [model.key, digest(problems), limits.max_tokens, limits.grading_seconds, chosen]
    programs = generation(rows, config.samples, limits.max_tokens, limits.chunk)
    return space.plan("pairs", reads, work, f"{len(problems):,} problems, {config.samples} samples each", programs)


def _pair(
    step_format: StepFormat,
    grader: Grader,
    problem: Problem,
    prompt: Sequence[int],
    completions: Sequence[Completion],
    config: DpoConfig,
    seed: int,
) -> dict[str, Any]:
    """A line of a part: the prompt's ids, and the chosen and rejected ids of each pair."""
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


def read_preferences(folder: storage.Path) -> list[Preference]:
    """The pairs of a stage."""
    rows = read_parts(folder / "parts")
    return [
        Preference(tuple(row["prompt"]), tuple(chosen), tuple(rejected)) for row in rows for chosen, rejected in row["pairs"]
    ]


def sampled(pairs: Stage) -> Callable[[Tokenizer], list[Preference]]:
    """Makes the pairs of a stage, once it has run. They are tokens already."""

    def make(_: Tokenizer) -> list[Preference]:
        preferences = read_preferences(pairs.folder)
        if not preferences:
            raise Lacking(
                "dpo: no problem had right and wrong samples both, so there are no pairs: expected more problems or samples"
            )
        return preferences

    return make
