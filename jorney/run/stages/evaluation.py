"""`jorney evaluate`: a model's accuracy on problems."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

from jorney import storage
from jorney.config import digest
from jorney.domain.grading import GRADING
from jorney.domain.problem import Problem
from jorney.engine.sampling import DRAWING
from jorney.machine.plan.planned import AotProgram
from jorney.machine.plan.planner import Planner
from jorney.progress import RunningShare
from jorney.run.artifact import Artifact, Done, Model
from jorney.run.fitting import fit_completions
from jorney.run.parts import ALL, Finished, Making, Parts, Share
from jorney.run.stage import SampledCommand
from jorney.run.workspace import Workspace
from jorney.solve.evaluate import EvaluateConfig, Graded, evaluate, summarise


@dataclasses.dataclass(frozen=True)
class EvaluateCommand(SampledCommand):
    """A model's accuracy on problems: one completion each, graded."""

    command: ClassVar[str] = "evaluate"
    split: ClassVar[str] = "test"
    common = (
        *("model", "problems", "limit", "output", "evaluate.max-tokens", "evaluate.temperature", "evaluate.rows"),
        *("shard", "seed"),
    )

    output: str = "runs/evaluate"
    limit: int | None = None
    evaluate: EvaluateConfig = dataclasses.field(default_factory=EvaluateConfig)

    def plan(self, space: Workspace, model: Model) -> list[Artifact]:
        problems = self.read_problems()
        limits = fit_completions(self.evaluate, "evaluate", model, problems, space.format, space.progress.say)
        return [plan_evaluation(space, self.command, model, problems, limits, self.share)]

    def programs(self, planner: Planner) -> list[AotProgram]:
        return planner.completions("evaluate", self.evaluate.sampling(0), planner.sampling_mesh(self.mesh))


def plan_evaluation(
    space: Workspace, name: str, model: Model, problems: Sequence[Problem], config: EvaluateConfig, share: Share = ALL
) -> Artifact:
    """Grades one completion of every problem."""

    def work(folder: storage.Path) -> dict[str, Any]:
        def grade(waiting: Iterator[Problem]) -> Making:
            generator, asked = space.generator(model), list(waiting)
            running = RunningShare(problem.id for problem in asked)
            generator.policy.tokenizer.warn_of_lost([problem.question for problem in asked])
            for one in evaluate(generator, asked, space.format, config, space.seed):
                running.add(one.id, one.correct)
                yield Finished([dataclasses.asdict(one)], running.told())

        Parts(folder / "parts").fill_share(space.progress, "problems", problems, share, grade)
        return summarise(read_graded(folder, problems), config)

    # The problems whole: a file may keep its ids and change its questions.
    reads = [model.key, digest(problems), config.decides(), GRADING, DRAWING]
    return space.plan(name, reads, work, f"{len(problems):,} held-out problems")


def read_graded(folder: storage.Path, problems: Sequence[Problem]) -> list[Graded]:
    """What `plan_evaluation` graded, in the problems' order."""
    rows = Parts(folder / "parts").by_id()
    return [Graded(**rows[problem.id]) for problem in problems]


def accuracy_line(done: Done) -> str:
    """An evaluation's result, for people."""
    found = done.result
    return f"  accuracy {found['accuracy']:.1%} ({found['ci_low']:.1%} to {found['ci_high']:.1%})"
