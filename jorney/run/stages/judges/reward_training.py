"""`jorney prm`: a process reward model from labelled solutions, measured on held-out problems."""

from __future__ import annotations

import dataclasses
import os
import warnings
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, cast

from jorney import distributed, storage
from jorney.batch.packing import Example
from jorney.config import digest
from jorney.domain import domains
from jorney.domain.grading import GRADING
from jorney.domain.problem import Problem
from jorney.judge import exact, rollouts
from jorney.judge.labelled import Labelled
from jorney.judge.rollouts import RolloutConfig
from jorney.judge.threshold import THRESHOLD, write_threshold
from jorney.machine.plan.planned import AotProgram
from jorney.machine.plan.planner import Planner
from jorney.rows.labels import Reading
from jorney.rows.problems import read_problems
from jorney.run import inputs
from jorney.run.artifact import Artifact, Lacking, Model
from jorney.run.fitting import fit_completions, fit_rows
from jorney.run.stage import ProblemsCommand
from jorney.run.stages.fine_tuning import TrainCommand, plan_training
from jorney.run.stages.judges.kinds import prm_judge
from jorney.run.stages.judges.labelling import plan_rollouts, read_labelled, verified
from jorney.run.workspace import Workspace
from jorney.solve.prm_report import scored
from jorney.solve.prm_scores import best_threshold, processbench_f1, solution_f1, step_f1
from jorney.text.tokenizer import Tokenizer
from jorney.train.objective import objective_of
from jorney.train.objectives.prm import PrmConfig, score_steps

HeldOut = Sequence[Problem] | Sequence[Labelled]
ENOUGH = 20  # right steps, and wrong ones, by which a threshold is chosen


@dataclasses.dataclass(frozen=True)
class PrmCommand(TrainCommand, ProblemsCommand):
    """A process reward model from rollouts of a policy, or from labelled steps.

    Attributes:
      data: labelled steps in place of rollouts, from a file, a hub id or tfds:NAME: rows of question, steps and labels
        (`jorney prm label`), prompt, completions and labels (TRL's), PRM800K's, Math-Shepherd's, ProcessBench's; or trees, of a
        file or of the folder that `jorney expand` wrote, whose siblings share what comes before them.
      data_limit: how many of those rows; None takes all.
      neutral: what PRM800K's neutral steps count as: "positive", "negative" or "ignored".
      held_out: problems on which the reward model is measured; for "countdown" others than `problems`. Not where several
        processes train it (`distributed.coordinator`): there `held_out_data` or `jorney prm eval` does.
      held_out_limit: how many of those.
      held_out_data: labelled steps, of the forms of `data`, on which it is measured in place of samples of `held_out`.
    """

    command: ClassVar[str] = "prm"
    common = (
        *("model", "problems", "limit", "data", "held-out", "output", "prm.optimizer.learning-rate", "prm.epochs"),
        *("prm.batch-rows", "prm.row-length", "rollouts.completions", "rollouts.max-tokens", "neutral", "seed"),
    )

    output: str = "runs/prm"
    data: str = ""
    data_limit: int | None = None
    neutral: str = "positive"
    held_out: str = domains.DEFAULT
    held_out_limit: int | None = 100
    held_out_data: str = ""
    rollouts: RolloutConfig = dataclasses.field(default_factory=RolloutConfig)
    prm: PrmConfig = dataclasses.field(default_factory=PrmConfig)

    @property
    def all_hosts(self) -> bool:  # type: ignore[override]
        return bool(self.data)

    def plan(self, space: Workspace, model: Model) -> list[Artifact]:
        if self.distributed.coordinator and not self.data:
            raise ValueError(
                "distributed.coordinator: expected data (and held_out_data, or nothing is measured), steps that `jorney prm "
                "label` labelled before: training is shared by processes, sampling is not"
            )
        how = Reading(space.format, self.neutral)
        held_out, prm = self._read_held_out(how), fit_rows(self.prm, model, space.progress.say)
        if self.data:
            rows = inputs.read_labelled(self.data, self.data_limit, how, self.rules)
            key, rollouts = digest(rows), self._fitted(space, model, held_out or ())
            return [plan_prm(space, model, lambda: rows, key, held_out, rollouts, prm, f"the steps of {self.data}")]
        problems = self.read_problems()
        rollouts = self._fitted(space, model, [*problems, *(held_out or ())])
        labelled = plan_rollouts(space, model, problems, rollouts)
        learned = sampled(labelled, problems)
        return [labelled, plan_prm(space, model, learned, labelled.key, held_out, rollouts, prm)]

    def _fitted(self, space: Workspace, model: Model, of: Sequence[Problem | Labelled]) -> RolloutConfig:
        """How solutions are sampled: no longer than the model allows, where nobody stated a length."""
        asked = [one for one in of if isinstance(one, Problem)]
        return (
            fit_completions(self.rollouts, "rollouts", model, asked, space.format, space.progress.say)
            if asked
            else self.rollouts
        )

    def _read_held_out(self, how: Reading) -> HeldOut | None:
        """What the reward model is measured on; nothing where several processes would have to sample it."""
        if self.held_out_data:
            return inputs.read_labelled(self.held_out_data, self.held_out_limit, how, self.rules)
        if self.distributed.coordinator:
            return None
        if domain := domains.drawing(self.held_out):
            return domain.draw("tuning", self.held_out_limit or 100, self.seed)
        return read_problems(self.held_out, self.held_out_limit, self.rules)

    def programs(self, planner: Planner) -> list[AotProgram]:
        sampled = [] if self.data else planner.rollouts(self.rollouts, planner.sampling_mesh(self.mesh))
        return [*sampled, planner.step("prm", self.prm, planner.mesh(self.mesh))]


def sampled(rollouts: Artifact, problems: Sequence[Problem]) -> Callable[[], list[Labelled]]:
    """The labelled solutions of an artifact, once they are there."""
    return lambda: read_labelled(rollouts.folder, problems)


def plan_prm(
    space: Workspace,
    model: Model,
    labelled: Callable[[], Sequence[Labelled]],
    labelled_key: str,
    held_out: HeldOut | None,
    sampling: RolloutConfig,
    config: PrmConfig,
    trained_on: str = "the rollouts",
) -> Artifact:
    """A process reward model from a policy and labelled solutions, measured on held-out problems, or on other labelled ones.

    Of problems solutions are sampled from the policy; their labels are the exact judge's for Countdown, else from rollouts. The
    F1s are those at 0.5; the threshold at which macro-F1 over steps is highest is kept in the model's folder, for `prm_judge`:
    a score is the chance that some completion succeeds, and may be low of most steps that are right.

    Args:
      held_out: None measures nothing.
      labelled: `sampled`, or `run.inputs.read_labelled`.
      labelled_key: all that they depend on.
      trained_on: what they are, in words.
    """

    def examples(tokenizer: Tokenizer) -> list[Example]:
        rows = labelled()
        if not rows:
            raise Lacking("prm: no sampled solution came to its end: expected more problems, samples or rollouts.max_tokens")
        return [objective_of(config).encode(tokenizer, space.format, vars(row), row.id) for row in rows]

    given = [one for one in held_out or () if isinstance(one, Labelled)]

    def measure(folder: storage.Path) -> dict[str, Any]:
        if held_out is None:
            return {}
        reward_model = Model(os.fspath(folder / "model"), "")
        if given:
            found = _scored(space, reward_model, given, config)
        else:
            found = _measure(space, model, reward_model, cast(Sequence[Problem], held_out), sampling)
        if "threshold" in found and distributed.is_main():
            write_threshold(folder / "model", found["threshold"])
        return found

    what = "solutions" if given else "problems"
    measured = "not measured" if held_out is None else f"measured on {len(held_out):,} held-out {what}"
    graded = [] if given or held_out is None else [GRADING]
    by = [digest(held_out), sampling.decides(), *graded]
    return plan_training(
        space, "prm", model, examples, labelled_key, config, f"trained on {trained_on}, {measured}", measure, by
    )


def _measure(
    space: Workspace, model: Model, reward_model: Model, held_out: Sequence[Problem], sampling: RolloutConfig
) -> dict[str, Any]:
    pairs, labels = _held_out(space, model, held_out, sampling)
    if not pairs:  # the trained model is there all the same
        warnings.warn("prm: no held-out sample holds a whole step: the reward model is not measured", stacklevel=2)
        return {"held_out_solutions": 0}
    return _figures(labels, prm_judge(space, reward_model, alone=True).score(pairs))


def _scored(space: Workspace, reward_model: Model, solutions: Sequence[Labelled], config: PrmConfig) -> dict[str, Any]:
    """The figures on labelled steps: read whole on the mesh of the training, whatever processes share it."""
    policy = space.take(reward_model)
    examples = [objective_of(config).encode(policy.tokenizer, space.format, vars(one), one.id) for one in solutions]
    scores = score_steps(policy, examples, config, space.compilations)  # of the steps that have a label
    known = (dataclasses.replace(one, labels=tuple(own for own in one.labels if own is not None)) for one in solutions)
    found = scored(list(known), scores)
    return _figures(found.labels, found.scores)


def _figures(labels: Sequence[Sequence[bool]], scores: Sequence[Sequence[float]]) -> dict[str, Any]:
    """How well the scores tell right steps, and the threshold that does it best."""
    right = sum(label for own in labels for label in own)
    told = min(right, sum(map(len, labels)) - right) >= ENOUGH and len({score for own in scores for score in own}) > 1
    return {
        "f1_step": step_f1(labels, scores),
        "f1_solution": solution_f1(labels, scores),
        "processbench_f1": processbench_f1(labels, scores),
        "threshold": best_threshold(labels, scores) if told else THRESHOLD,
        "held_out_solutions": len(labels),
        "held_out_right": sum(all(own) for own in labels) / len(labels),
    }


def _held_out(
    space: Workspace, model: Model, held_out: Sequence[Problem], sampling: RolloutConfig
) -> tuple[list[tuple[Problem, tuple[str, ...]]], list[list[bool]]]:
    """Solutions that the policy samples, and whether each of their steps is right."""
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
    return pairs, labels
