"""Stages of preference training: samples of a policy, graded and paired; DPO."""

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
from jorney.policy import save
from jorney.run.stage import Lacking
from jorney.run.stages.finetune import curve, measured
from jorney.run.workspace import TRAINING, Bench, Model, Stage, generation, read_parts
from jorney.solve.evaluate import EvaluateConfig
from jorney.text.step_format import StepFormat
from jorney.text.tokenizer import Tokenizer
from jorney.train.objectives import dpo
from jorney.train.objectives.dpo import DpoConfig


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


def plan_pairs(bench: Bench, model: Model, problems: Sequence[Problem], limits: EvaluateConfig, config: DpoConfig) -> Stage:
    """Samples of every problem, split by whether they are right, and pairs of them; in parts."""
    sampling = samples(config, limits, bench.seed)
    rows = sampling.rows
    size = max(1, rows // config.samples)

    def work(folder: storage.Path) -> dict[str, Any]:
        groups = {start: problems[start : start + size] for start in range(0, len(problems), size)}
        waiting = {start: group for start, group in groups.items() if not _part(folder, start).exists()}
        if waiting:
            generator = bench.generator(model)
            done = len(problems) - sum(map(len, waiting.values()))
            with bench.progress.bar("problems", len(problems), done) as bar, Grader(limits.grading_seconds) as grader:
                for start, group in waiting.items():
                    prompts = [bench.format.encode(generator.policy.tokenizer, problem.question) for problem in group]
                    sampled = generator.generate(prompts, sampling, [problem.id for problem in group])
                    made = [
                        _pair(bench.format, grader, problem, prompt, own, config, bench.seed)
                        for problem, prompt, own in zip(group, prompts, sampled, strict=True)
                    ]
                    storage.write_jsonl(_part(folder, start), made)
                    bar(len(group), f"{sum(len(row['pairs']) for row in made)} pairs")
        found = list(read_parts(folder / "parts"))
        return {
            "problems": len(found),
            "samples": config.samples * len(found),
            "right": sum(row["right"] for row in found) / (config.samples * len(found)),
            "pairs": sum(len(row["pairs"]) for row in found),
        }

    chosen = {name: getattr(config, name) for name in ("samples", "pairs", "temperature", "top_p")}
    reads = [model.key, digest(problems), limits.max_tokens, limits.grading_seconds, chosen]
    programs = generation(rows, config.samples, limits.max_tokens, limits.chunk)
    return bench.plan("pairs", reads, work, f"{len(problems):,} problems, {config.samples} samples each", programs)


def _part(folder: storage.Path, start: int) -> storage.Path:
    return folder / "parts" / f"{start:06d}.jsonl"


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


# What preference training learns from: made with the tokenizer, when it is needed.
MakePreferences = Callable[[Tokenizer], Sequence[Preference]]


def sampled(pairs: Stage) -> MakePreferences:
    """The pairs of a stage, once it has run. They are tokens already."""

    def make(_: Tokenizer) -> list[Preference]:
        preferences = read_preferences(pairs.folder)
        if not preferences:
            raise Lacking(
                "dpo: no problem had right and wrong samples both, so there are no pairs: expected more problems or samples"
            )
        return preferences

    return make


def plan_dpo(
    bench: Bench,
    model: Model,
    pairs: MakePreferences,
    pairs_key: str,
    config: DpoConfig,
    detail: str = "pairs of its own samples",
) -> Stage:
    """DPO of a model on pairs; the model is the reference.

    Args:
      pairs: `sampled`, or those of `run.stages.inputs.read_pairs`.
      pairs_key: all that the pairs depend on.
    """

    def work(folder: storage.Path) -> dict[str, Any]:
        policy = bench.take(model)
        preferences = pairs(policy.tokenizer)
        steps = config.epochs * -(-len(preferences) // config.batch_pairs)
        with bench.progress.bar("steps", steps) as bar:
            trained, records = dpo.run(
                policy,
                preferences,
                config,
                bench.seed,
                folder / TRAINING,
                bench.compilations,
                bench.follow(bar),
                donate=True,
            )
        save(trained, folder / "model", bench.dtype)
        tokens = sum(len(one.prompt) + len(one.chosen) + len(one.rejected) for one in preferences)
        return {
            "steps": len(records),
            "examples": len(preferences),
            "tokens": config.epochs * tokens,
            "completion_tokens": config.epochs * (tokens - sum(len(one.prompt) for one in preferences)),
            "margin": records[-1]["margin"],
            "curve": curve(records),
        }

    programs = ["reference log-probs", "dpo step", *measured(config)]
    return bench.plan("dpo", [model.key, pairs_key, config.decides()], work, detail, programs)
