"""Stages that measure models."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jorney import storage
from jorney.config import digest
from jorney.domain.problem import Problem
from jorney.run.stage import Done
from jorney.run.workspace import Model, Stage, Workspace, generation
from jorney.solve.evaluate import EvaluateConfig, Graded, evaluate, read_parts, summarise
from jorney.solve.resample import ResampleConfig, pass_at_n, resampled_until_target, sample_attempts, summarise_spent


def plan_evaluation(space: Workspace, name: str, model: Model, problems: Sequence[Problem], config: EvaluateConfig) -> Stage:
    """Grades one completion of every problem."""

    def work(folder: storage.Path) -> dict[str, Any]:
        generator = space.generator(model)
        with space.progress.bar("problems", len(problems)) as bar:
            graded = evaluate(generator, problems, space.format, config, space.seed, folder, bar)
        return summarise(graded, config)

    # The problems whole: a file may keep its ids and change its questions.
    reads = [model.key, digest(problems), config.decides()]
    programs = generation(config.rows, 1, config.max_tokens, config.chunk)
    return space.plan(name, reads, work, f"{len(problems):,} held-out problems", programs)


def read_graded(folder: storage.Path, problems: Sequence[Problem]) -> list[Graded]:
    """What `plan_evaluation` graded, in the problems' order."""
    found = {graded.id: graded for graded in read_parts(folder / "parts")}
    return [found[problem.id] for problem in problems]


def accuracy_line(done: Done) -> str:
    """An evaluation's result, for people."""
    found = done.result
    return f"  accuracy {found['accuracy']:.1%} ({found['ci_low']:.1%} to {found['ci_high']:.1%})"


def plan_resampling(
    space: Workspace,
    model: Model,
    problems: Sequence[Problem],
    limits: EvaluateConfig,
    config: ResampleConfig,
    spent_by: Stage,
) -> Stage:
    """The controls that spend another model's tokens on independent attempts of this one (`solve.resample`).

    Args:
      limits: of an attempt.
      spent_by: the evaluation whose mean tokens a problem are spent.
    """

    def work(folder: storage.Path) -> dict[str, Any]:
        generator = space.generator(model)
        with space.progress.bar("problems", len(problems)) as bar:
            attempts = sample_attempts(generator, problems, space.format, limits, config, space.seed, folder, bar)
        tokens = [graded.tokens for graded in read_graded(spent_by.folder, problems)]
        budget = sum(tokens) / len(tokens)
        controls = {"resampled_until_target": resampled_until_target, "pass_at_n": pass_at_n}
        found = {name: control(problems, attempts, budget) for name, control in controls.items()}
        storage.write_json(folder / "correct.json", {name: spent.correct for name, spent in found.items()})
        return {name: summarise_spent(spent) for name, spent in found.items()}

    reads = [model.key, digest(problems), limits.decides(), config, spent_by.key]
    rows = max(config.attempts, limits.rows // config.attempts * config.attempts)
    programs = generation(rows, config.attempts, limits.max_tokens, limits.chunk)
    return space.plan("resampling", reads, work, f"{config.attempts} attempts of the shortcut model a problem", programs)
