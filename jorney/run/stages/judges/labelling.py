"""`jorney prm label`: labels for the steps of solutions, from completions of a model."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, ClassVar

from jorney import storage
from jorney.config import digest
from jorney.domain.domains import domain_of
from jorney.domain.grading import GRADING
from jorney.domain.problem import Problem
from jorney.engine.sampling import DRAWING
from jorney.judge import rollouts
from jorney.judge.labelled import Labelled
from jorney.judge.rollouts import RolloutConfig
from jorney.machine.plan.planned import AotProgram
from jorney.machine.plan.planner import Planner
from jorney.rows.labels import Reading
from jorney.run import inputs
from jorney.run.artifact import Artifact, Model
from jorney.run.fitting import fit_completions
from jorney.run.parts import ALL, Parts, Share, in_groups
from jorney.run.stage import SampledCommand
from jorney.run.workspace import Workspace
from jorney.text.step_format import StepFormat

PART = 32  # problems whose solutions are labelled together
Solutions = Sequence[tuple[Problem, tuple[tuple[str, ...], ...]]]  # of each problem


@dataclasses.dataclass(frozen=True)
class PrmLabelCommand(SampledCommand):
    """Labels for the steps of solutions, from completions of the model: sampled solutions of problems, or given ones.

    Attributes:
      data: solutions in place of sampled ones: rows of a problem (question and answer) and its steps, or trees, of a file or of
        the folder that `jorney expand` wrote.
      data_limit: how many of those rows, or trees; None takes all.
    """

    command: ClassVar[str] = "prm label"
    common = (
        *("model", "problems", "limit", "data", "output", "rollouts.solutions", "rollouts.completions", "rollouts.max-tokens"),
        *("rollouts.temperature", "rollouts.rows", "shard", "seed"),
    )

    output: str = "runs/labels"
    data: str = ""
    data_limit: int | None = None
    rollouts: RolloutConfig = dataclasses.field(default_factory=RolloutConfig)

    def plan(self, space: Workspace, model: Model) -> list[Artifact]:
        if not self.data:
            problems = self.read_problems()
            how = fit_completions(self.rollouts, "rollouts", model, problems, space.format, space.progress.say)
            return [plan_rollouts(space, model, problems, how, share=self.share)]
        given = inputs.read_solutions(self.data, self.data_limit, Reading(space.format), self.rules)
        problems = [problem for problem, _ in given]
        how = fit_completions(self.rollouts, "rollouts", model, problems, space.format, space.progress.say)
        return [plan_rollouts(space, model, problems, how, given, self.share)]

    def programs(self, planner: Planner) -> list[AotProgram]:
        return planner.rollouts(self.rollouts, planner.sampling_mesh(self.mesh))


def plan_rollouts(
    space: Workspace,
    model: Model,
    problems: Sequence[Problem],
    config: RolloutConfig,
    given: Solutions | None = None,
    share: Share = ALL,
) -> Artifact:
    """Solutions of the model with labels from its own completions, in parts.

    Args:
      given: solutions of the problems, in place of the model's own; labels.jsonl holds them with their labels.
    """
    known = {problem.id: solutions for problem, solutions in given or ()}

    def label(group: Sequence[Problem]) -> tuple[list[dict[str, Any]], str]:
        generator = space.generator(model)
        how = (space.format, config, space.seed)
        if given is None:
            made = rollouts.label(generator, generator.policy, group, *how)
        else:
            own = [known[problem.id] for problem in group]
            made = rollouts.label_solutions(generator, generator.policy, group, own, *how, whole=False)
        return [dataclasses.asdict(one) for one in made], f"{len(made)} solutions"

    def work(folder: storage.Path) -> dict[str, Any]:
        Parts(folder / "parts").fill_share(space.progress, "problems", problems, share, in_groups(PART, label))
        found = read_labelled(folder, problems)
        storage.write_jsonl(folder / "labels.jsonl", map(dataclasses.asdict, found))
        labels = [value for one in found for value in one.labels if value is not None]
        return {
            "solutions": len(found),
            "steps": len(labels),
            "mean_label": sum(labels) / max(1, len(labels)),
            "agreement": _agreement(found, problems, space.format),
        }

    which = f"{config.solutions} solutions each" if given is None else f"{sum(len(own) for _, own in given):,} given solutions"
    detail = f"{len(problems):,} problems, {which}, {config.completions} completions of every prefix"
    given_key = [] if given is None else [digest([own for _, own in given])]
    reads = [model.key, digest(problems), config.decides(), *given_key, GRADING, DRAWING]
    return space.plan("rollouts", reads, work, detail)


def read_labelled(folder: storage.Path, problems: Sequence[Problem]) -> list[Labelled]:
    """The labelled solutions of `plan_rollouts`, in the problems' order."""
    rows = Parts(folder / "parts").of(problems)
    return [Labelled(row["id"], row["question"], tuple(row["steps"]), tuple(row["labels"])) for row in rows]


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
