"""Stages of process reward models: labels from rollouts, training, and how well the model finds wrong steps."""

from __future__ import annotations

import dataclasses
import functools
import os
import warnings
from collections.abc import Callable, Sequence
from typing import Any

from jorney import distributed, storage
from jorney.batch.packing import Example
from jorney.config import digest
from jorney.domain.domains import domain_of
from jorney.domain.problem import Problem
from jorney.judge import exact, rollouts
from jorney.judge.labelled import Labelled
from jorney.judge.readouts import AUTO
from jorney.judge.reward_model import PrmJudge
from jorney.judge.rollouts import RolloutConfig
from jorney.judge.threshold import THRESHOLD, threshold_of, write_threshold
from jorney.run.stage import Lacking
from jorney.run.stages.finetune import plan_training
from jorney.run.workspace import Model, Stage, Workspace, generation, in_parts, read_parts
from jorney.solve.prm_report import draw, markdown, measure, scored
from jorney.solve.prm_scores import best_threshold, processbench_f1, solution_f1, step_f1
from jorney.text.step_format import StepFormat
from jorney.text.tokenizer import Tokenizer
from jorney.train.objective import objective_of
from jorney.train.objectives.prm import PrmConfig

SCORED = 256  # solutions that are scored and written together
ENOUGH = 20  # right steps, and wrong ones, by which a threshold is chosen
PART = 32  # problems whose solutions are labelled together, and written together


# Solutions of each problem.
Solutions = Sequence[tuple[Problem, tuple[tuple[str, ...], ...]]]


def plan_rollouts(
    space: Workspace, model: Model, problems: Sequence[Problem], config: RolloutConfig, given: Solutions | None = None
) -> Stage:
    """Solutions of the model with labels from its own completions, in parts.

    Args:
      given: solutions of the problems, in their order, in place of the model's own; labels.jsonl holds them with their labels.
    """

    def label(start: int, group: Sequence[Problem]) -> tuple[list[dict[str, Any]], str]:
        generator = space.generator(model)
        how = (space.format, config, space.seed)
        if given is None:
            made = rollouts.label(generator, generator.policy, group, *how)
        else:
            own = [solutions for _, solutions in given[start : start + PART]]
            made = rollouts.label_solutions(generator, generator.policy, group, own, *how, whole=False)
        return [dataclasses.asdict(one) for one in made], f"{len(made)} solutions"

    def work(folder: storage.Path) -> dict[str, Any]:
        in_parts(folder, space.progress, "problems", problems, PART, label)
        found = read_labelled(folder)
        storage.write_jsonl(folder / "labels.jsonl", map(dataclasses.asdict, found))
        labels = [value for one in found for value in one.labels if value is not None]
        return {
            "solutions": len(found),
            "steps": len(labels),
            "mean_label": sum(labels) / max(1, len(labels)),
            "agreement": _agreement(found, problems, space.format),
        }

    programs = {
        *generation(config.rows, config.solutions, config.max_tokens, config.chunk),
        *generation(config.rows, config.completions, config.max_tokens, config.chunk),
    }
    which = f"{config.solutions} solutions each" if given is None else f"{sum(len(own) for _, own in given):,} given solutions"
    detail = f"{len(problems):,} problems, {which}, {config.completions} completions of every prefix"
    reads = [model.key, digest(problems), config.decides(), *([] if given is None else [digest([own for _, own in given])])]
    return space.plan("rollouts", reads, work, detail, sorted(programs))


def read_labelled(folder: storage.Path) -> list[Labelled]:
    """The labelled solutions of a stage."""
    rows = read_parts(folder / "parts")
    return [Labelled(row["id"], row["question"], tuple(row["steps"]), tuple(row["labels"])) for row in rows]


def sampled(rollouts: Stage) -> Callable[[], list[Labelled]]:
    """The labelled solutions of a stage, once it has run."""
    return lambda: read_labelled(rollouts.folder)


def verified(problem: Problem, steps: Sequence[str], step_format: StepFormat) -> list[bool]:
    """The exact verdict on every step of a solution."""
    bare = [step_format.bare(step) for step in steps]
    return [bool(domain_of(problem).verify(problem, bare[: count + 1]).correct) for count in range(len(bare))]


def _agreement(found: Sequence[Labelled], problems: Sequence[Problem], step_format: StepFormat) -> float | None:
    """Share of the labels that the exact judge agrees with; None where there is none."""
    known = {problem.id: problem for problem in problems if domain_of(problem).exact}
    pairs = [
        (label is not None and label > 0.5) == verdict
        for one in found
        if one.id in known
        for label, verdict in zip(one.labels, verified(known[one.id], one.steps, step_format), strict=True)
    ]
    return sum(pairs) / len(pairs) if pairs else None


def plan_prm(
    space: Workspace,
    model: Model,
    labelled: Callable[[], Sequence[Labelled]],
    labelled_key: str,
    held_out: Sequence[Problem],
    sampling: RolloutConfig,
    config: PrmConfig,
    trained_on: str = "the rollouts",
) -> Stage:
    """A process reward model from a policy and labelled solutions, measured on held-out problems.

    Held-out solutions are sampled from the policy. Their labels are the exact judge's for Countdown, else from rollouts. The
    F1s are those at 0.5; the threshold at which macro-F1 over steps is highest is kept in the model's folder, for `prm_judge`:
    a score is the chance that some completion succeeds, and may be low of most steps that are right.

    Args:
      labelled: `sampled`, or those of `run.inputs.read_labelled`.
      labelled_key: all that they depend on.
      trained_on: what they are, in words.
    """

    def examples(tokenizer: Tokenizer) -> list[Example]:
        rows = labelled()
        if not rows:
            raise Lacking("prm: no sampled solution came to its end: expected more problems, samples or rollouts.max_tokens")
        return [objective_of(config).encode(tokenizer, space.format, vars(row), row.id) for row in rows]

    def measure(folder: storage.Path) -> dict[str, Any]:
        found = _measure(space, model, Model(os.fspath(folder / "model"), ""), held_out, sampling)
        if "threshold" in found and distributed.is_main():
            write_threshold(folder / "model", found["threshold"])
        return found

    detail = f"trained on {trained_on}, measured on {len(held_out):,} held-out problems"
    by = [digest(held_out), sampling.decides()]
    return plan_training(space, "prm", model, examples, labelled_key, config, detail, measure, by, ["reward model"])


def _measure(
    space: Workspace, model: Model, reward_model: Model, held_out: Sequence[Problem], sampling: RolloutConfig
) -> dict[str, Any]:
    generator = space.generator(model)
    if exact.verifiable(held_out):
        solutions = rollouts.sample_solutions(generator, held_out, space.format, sampling, space.seed)
        pairs = [(problem, steps) for problem, own in zip(held_out, solutions, strict=True) for steps in own]
        labels = [verified(problem, steps, space.format) for problem, steps in pairs]
    else:
        by_id = {problem.id: problem for problem in held_out}
        rows = rollouts.label(generator, generator.policy, held_out, space.format, sampling, space.seed)
        pairs = [(by_id[row.id], row.steps) for row in rows]
        labels = [[value is not None and value > 0.5 for value in row.labels] for row in rows]
    if not pairs:  # the trained model is there all the same
        warnings.warn("prm: no held-out sample holds a whole step: the reward model is not measured", stacklevel=2)
        return {"held_out_solutions": 0}
    scores = prm_judge(space, reward_model).score(pairs)
    right = sum(label for own in labels for label in own)
    told = min(right, sum(map(len, labels)) - right) >= ENOUGH and len({score for own in scores for score in own}) > 1
    return {
        "f1_step": step_f1(labels, scores),
        "f1_solution": solution_f1(labels, scores),
        "processbench_f1": processbench_f1(labels, scores),
        "threshold": best_threshold(labels, scores) if told else THRESHOLD,
        "held_out_solutions": len(pairs),
        "held_out_right": sum(all(own) for own in labels) / len(labels),
    }


def prm_judge(space: Workspace, model: Model, readout: str = AUTO, threshold: float | None = None) -> PrmJudge:
    """A reward model as a judge of trees; without a threshold by the one of its folder."""
    limit = threshold_of(model.folder, threshold)
    return PrmJudge(space.load_beside(model), space.format, space.compilations, readout=readout, threshold=limit)


def plan_scores(
    space: Workspace,
    judge: Model | None,
    readout: str,
    solutions: Sequence[Labelled],
    threshold: float,
    stored: Sequence[Sequence[float]] = (),
    reasons: Sequence[bool | None] | None = None,
    tuning: int = 0,
) -> Stage:
    """How good a reward model is on labelled solutions: scores in parts, scores.json, a table and the calibration plot.

    Args:
      judge: None for scores that are given, `stored`.
      reasons: see `prm_report.mr_score`.
      tuning: so many of the solutions, the first ones, choose the threshold, and the others alone are measured.
    """

    def work(folder: storage.Path) -> dict[str, Any]:
        scores = list(stored) if judge is None else _scores(space, judge, readout, solutions, folder)
        chosen = threshold
        if tuning:
            tuned = scored(solutions[:tuning], scores[:tuning])
            chosen = best_threshold(tuned.labels, tuned.scores)
        found = measure(scored(solutions[tuning:], scores[tuning:]), chosen, reasons[tuning:] if reasons else None)
        storage.write_text(folder / "measures.md", markdown(found))
        storage.write_json(folder / "measures.json", found)
        for kind in ("png", "svg"):
            storage.write_bytes(folder / f"calibration.{kind}", draw(found["calibration"], found["calibration_error"], kind))
        if reasons is None:
            space.progress.say("  no MR-Score: reward models tell no reasons; --reasons gives a judge's verdicts on them")
        return found

    key = judge.key if judge else digest(stored)
    reads = [key, readout, digest(solutions), threshold, digest(reasons), tuning]
    return space.plan("prm_eval", reads, work, f"{len(solutions):,} labelled solutions", ["reward model"])


def _scores(
    space: Workspace, judge: Model, readout: str, solutions: Sequence[Labelled], folder: storage.Path
) -> list[list[float]]:
    """The scores of all solutions; those that are written are not made again."""
    asked = functools.cache(lambda: prm_judge(space, judge, readout))

    def score(_: int, group: Sequence[Labelled]) -> tuple[list[dict[str, Any]], str]:
        made = asked().score([(Problem(one.id, one.question, ""), one.steps) for one in group])
        return [{"id": one.id, "scores": own} for one, own in zip(group, made, strict=True)], ""

    return [row["scores"] for row in in_parts(folder, space.progress, "solutions", solutions, SCORED, score)]
