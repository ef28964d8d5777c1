"""How good a reward model can become on labels from rollouts, and how good it becomes, where every step can be verified.

    python tools/prm_ceiling.py runs/prm_ceiling [--model PHASE1] [--train 12000] [--tuning 150] [--test 150]

On Countdown: the macro-F1 over steps (ReasonEval's) of the labels themselves against the exact verifier, for N = 1, 2, 4, 8, 16
completions a prefix: no model that repeats them perfectly does better, the ceiling. Then reward models trained on hard and on
soft labels of N completions, as shares of that ceiling (95% intervals by a bootstrap over problems), and baselines: one class
for all, and how far a step's result, or the nearest number left, is from the target. Thresholds are tuned on the set "tuning";
all figures are of the set "test". Goes on where it was stopped.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import random
from collections.abc import Callable, Sequence
from typing import Any

from jorney import storage
from jorney.compiled import use_persistent_cache
from jorney.domain.countdown.game import parse_step
from jorney.domain.countdown.sets import Countdown, sample_problems
from jorney.domain.problem import Problem
from jorney.judge import rollouts
from jorney.judge.reward_model import PrmJudge
from jorney.judge.rollouts import RolloutConfig
from jorney.policy import save
from jorney.progress import Progress
from jorney.run.artifact import Artifact, Model
from jorney.run.parts import Parts, in_groups
from jorney.run.recipes.journey import quickstart
from jorney.run.stages.fine_tuning import SftCommand
from jorney.run.stages.judges.labelling import verified
from jorney.run.workspace import TRAINING, Workspace
from jorney.sharding import MeshConfig
from jorney.solve.prm_scores import best_threshold, solution_f1, step_f1
from jorney.text.step_format import ABEL
from jorney.train import training
from jorney.train.objectives.prm import PrmConfig, labelled_example
from jorney.train.optimizer import OptimizerConfig

COUNTS = (1, 2, 4, 8, 16)
PART = 32  # problems that are sampled for together


@dataclasses.dataclass(frozen=True)
class Set:
    """Solutions of a set of problems.

    Attributes:
      problems, steps: of each solution.
      exact: the verifier's verdict on each step.
      reached: whether each completion after each step reached the answer.
    """

    problems: list[Problem]
    steps: list[list[str]]
    exact: list[list[bool]]
    reached: list[list[list[bool]]]

    def labels(self, count: int, hard: bool) -> list[list[float]]:
        """Labels by the first `count` completions."""
        return [[rollouts.share(own[:count], hard) for own in steps] for steps in self.reached]

    def scores(self, score: Callable[[Problem, str], float]) -> list[list[float]]:
        """Of each step by its text alone."""
        return [[score(p, step) for step in own] for p, own in zip(self.problems, self.steps, strict=True)]


def plan_set(space: Workspace, model: Model, split: str, problems: Sequence[Problem], config: RolloutConfig) -> Artifact:
    """Solutions of the model with the verdict on every completion after each of their steps."""

    def work(folder: storage.Path) -> dict[str, Any]:
        def label(group: Sequence[Problem]) -> tuple[list[dict[str, Any]], str]:
            generator = space.generator(model)
            solutions = rollouts.sample_solutions(generator, group, space.format, config, space.seed)
            found = rollouts.verdicts(generator, generator.policy, group, solutions, space.format, config, space.seed)
            members = zip(group, solutions, found, strict=True)
            rows = [{"id": problem.id, "solutions": own, "reached": reached} for problem, own, reached in members]
            return rows, f"{sum(map(len, solutions))} solutions"

        Parts(folder / "parts").fill(space.progress, "problems", problems, len(problems), in_groups(PART, label))
        return {"problems": len(problems)}

    return space.plan(f"{split}_verdicts", [model.key, [one.id for one in problems], config.decides()], work, split)


def drawn(split: str, size: int) -> list[Problem]:
    """Problems of a set. Those to train on are of two, a fifth of "trees", the rest of "train": the numbers of one are few."""
    if split != "trees":
        return sample_problems(Countdown(), split, size, 0)
    own = size // 5
    return [*sample_problems(Countdown(), "trees", own, 0), *sample_problems(Countdown(), "train", size - own, 0)]


def read_set(stage: Artifact, problems: Sequence[Problem]) -> Set:
    known = {problem.id: problem for problem in problems}
    found = Set([], [], [], [])
    for row in Parts(stage.folder / "parts").sorted():
        for steps, reached in zip(row["solutions"], row["reached"], strict=True):
            found.problems.append(known[row["id"]])
            found.steps.append(steps)
            found.exact.append(verified(known[row["id"]], steps, ABEL))
            found.reached.append(reached)
    return found


def plan_model(
    space: Workspace, model: Model, name: str, sets: dict[str, Set], labels: Any, key: Any, config: PrmConfig
) -> Artifact:
    """A reward model trained on labels of the set "trees", and its scores on the other sets."""

    def work(folder: storage.Path) -> dict[str, Any]:
        policy, train = space.take(model), sets["trees"]
        examples = [
            labelled_example(policy.tokenizer, space.format, problem.question, steps, own)
            for problem, steps, own in zip(train.problems, train.steps, labels, strict=True)
        ]
        data = training.prepare(policy, examples, config, space.seed)
        with space.progress.bar("steps", data.batches.steps) as bar:
            trained, records = training.train(
                policy, data, config, space.seed, folder / TRAINING, space.compilations, space.follow(bar)
            )
        save(trained, folder / "model", space.dtype)
        judge = PrmJudge(trained, space.format, space.compilations)
        pairs = {name: list(zip(one.problems, one.steps, strict=True)) for name, one in sets.items() if name != "trees"}
        return {"loss": records[-1]["loss"], "scores": {name: judge.score(own) for name, own in pairs.items()}}

    return space.plan(f"prm_{name}", [model.key, key, name, config.decides()], work, f"{steps_in(labels):,} labelled steps")


def steps_in(labels: Sequence[Sequence[float]]) -> int:
    return sum(map(len, labels))


def f1s(sets: dict[str, Set], tuning: Any, test: Any, tune: bool = True) -> dict[str, float]:
    """Macro-F1 on the test set, at a threshold from the tuning set."""
    threshold = best_threshold(sets["tuning"].exact, tuning) if tune else 0.5
    exact = sets["test"].exact
    return {"threshold": threshold, "step": step_f1(exact, test, threshold), "solution": solution_f1(exact, test, threshold)}


def share_interval(
    test: Set,
    scores: Sequence[Sequence[float]],
    threshold: float,
    labels: Sequence[Sequence[float]],
    own: float,
    draws: int = 1000,
) -> tuple[float, float]:
    """The bootstrap interval over problems of the scores' F1 as a share of the labels'; thresholds as they are."""
    members: dict[str, list[int]] = {}
    for i, problem in enumerate(test.problems):
        members.setdefault(problem.id, []).append(i)
    rng, ids, found = random.Random(0), list(members), []
    for _ in range(draws):
        drawn = [i for one in rng.choices(ids, k=len(ids)) for i in members[one]]
        exact = [test.exact[i] for i in drawn]
        model, ceiling = (step_f1(exact, [of[i] for i in drawn], at) for of, at in ((scores, threshold), (labels, own)))
        found.append(model / ceiling)
    found.sort()
    return found[round(0.025 * draws)], found[round(0.975 * draws) - 1]


def last_result(problem: Problem, step: str) -> float:
    """Minus how far the step's result is from the target."""
    parsed = parse_step(step.partition(". ")[2].partition("\n")[0])
    return -abs(parsed.result - problem.meta["target"]) if parsed else -1e3


def nearest_left(problem: Problem, step: str) -> float:
    """Minus how far the nearest number left is from the target."""
    parsed = parse_step(step.partition(". ")[2].partition("\n")[0])
    return -min(abs(number - problem.meta["target"]) for number in parsed.left) if parsed else -1e3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("output")
    parser.add_argument("--model", default="", help="a policy after phase 1; by default it is trained, on 10,000 solutions")
    parser.add_argument("--train", type=int, default=12_000, help="problems whose solutions are labelled and trained on")
    parser.add_argument("--tuning", type=int, default=150)
    parser.add_argument("--test", type=int, default=150)
    parser.add_argument("--solutions", type=int, default=4)
    parser.add_argument("--completions", type=int, default=2, help="of every prefix of the training solutions")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--learning-rate", type=float, default=7e-4)
    parser.add_argument("--rows", type=int, default=256)
    parser.add_argument("--exact", action="store_true", help="a model trained on the verifier's own labels, too")
    chosen = parser.parse_args()
    use_persistent_cache()
    progress = Progress()
    if chosen.model:
        model = Model.at(chosen.model)
    else:
        done = SftCommand(output=os.path.join(chosen.output, "phase1"), limit=10_000, sft=quickstart().sft).run(progress)
        model = Model(os.fspath(done.folder / "model"), done.key)
    space = Workspace(chosen.output, MeshConfig(), "float32", "abel", 0, progress)
    rolled = RolloutConfig(chosen.solutions, chosen.completions, max_tokens=64, rows=chosen.rows, chunk=16)
    configs = {"trees": rolled} | dict.fromkeys(("tuning", "test"), dataclasses.replace(rolled, completions=max(COUNTS)))
    sizes = {"trees": chosen.train, "tuning": chosen.tuning, "test": chosen.test}
    sets, keys = {}, []
    for split, size in sizes.items():
        problems = drawn(split, size)
        stage = plan_set(space, model, split, problems, configs[split])
        space.run(stage)
        sets[split], keys = read_set(stage, problems), [*keys, stage.key]
    report: dict[str, Any] = {"solutions": {name: len(one.steps) for name, one in sets.items()}}
    report["right_steps"] = sum(map(sum, sets["test"].exact)) / steps_in(sets["test"].exact)
    for kind in ("hard", "soft"):
        for count in COUNTS:
            own = (sets[name].labels(count, kind == "hard") for name in ("tuning", "test"))
            report[f"labels {kind} N={count}"] = f1s(sets, *own, tune=kind == "soft")
    for name, score in (("last result", last_result), ("nearest left", nearest_left), ("one class", lambda *_: 1.0)):
        report[name] = f1s(sets, *(sets[split].scores(score) for split in ("tuning", "test")))
    for kind in ("hard", "soft", *(["exact"] if chosen.exact else [])):
        train = sets["trees"]
        labels = [list(map(float, own)) for own in train.exact] if kind == "exact" else train.labels(64, kind == "hard")
        optimizer = OptimizerConfig(learning_rate=chosen.learning_rate, warmup=0.05)
        config = PrmConfig(epochs=chosen.epochs, batch_rows=4, row_length=288, optimizer=optimizer)
        trained = space.run(plan_model(space, model, kind, sets, labels, keys, config))
        scores = trained.result["scores"]
        for name, tune in (("", False), (" tuned", True)):
            found = f1s(sets, scores["tuning"], scores["test"], tune)
            hard = kind != "soft"
            ceiling = report[f"labels {'hard' if hard else 'soft'} N={chosen.completions}"]
            labels = sets["test"].labels(chosen.completions, hard)
            low, high = share_interval(sets["test"], scores["test"], found["threshold"], labels, ceiling["threshold"])
            report[f"prm {kind}{name}"] = {**found, "of_ceiling": found["step"] / ceiling["step"], "low": low, "high": high}
    storage.write_json(storage.path(chosen.output) / "ceiling.json", report)
    for name, value in report.items():
        shown = "  ".join(f"{key} {number:.3f}" for key, number in value.items()) if isinstance(value, dict) else value
        progress.say(f"{name:18} {shown}")


if __name__ == "__main__":
    main()
