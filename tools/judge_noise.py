"""What a judge's errors cost the models that learn from its trees: the exact verifier, made worse on purpose.

    python tools/judge_noise.py --output runs/judge_noise

The embedded model learns Countdown solutions. For every rate of noise, trees are grown from the same problems by a verifier
whose verdict on a step is turned round with that probability; shortcuts and journeys are derived from them, a model learns from
each, and is measured on the same held-out problems. A worse judge spoils what is learned (paths with false or hopeless steps)
and how much there is of it (a right path of three steps stands with probability (1 - rate)^3); --thoughts N takes N thoughts of
every rate at most: with what the worst judge leaves, all learn from as many. Printed, in OUTPUT/judge_noise.json and drawn in
judge_noise.png: accuracies with Wilson 95% intervals, the number of thoughts learned, and the share of all derived ones whose
path is right. The same command goes on from what stands in OUTPUT.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
from collections.abc import Sequence
from typing import Any

from jorney import storage
from jorney.compiled import use_persistent_cache
from jorney.domain.countdown.grade import grade_countdown
from jorney.domain.countdown.sets import Countdown, sample_problems
from jorney.domain.problem import Problem
from jorney.judge import exact
from jorney.judge.noise import noised
from jorney.progress import Progress
from jorney.run.artifact import Artifact, Model
from jorney.run.recipes.journey import RunConfig, quickstart
from jorney.run.stages.derivation import plan_thoughts, read_thoughts
from jorney.run.stages.evaluation import plan_evaluation
from jorney.run.stages.expansion import plan_trees
from jorney.run.stages.lessons import Lesson, plan_phase2, run_phase1
from jorney.run.workspace import Workspace

RATES = (0.0, 0.1, 0.2, 0.4)
KINDS = ("shortcut", "journey")


def run(config: RunConfig, taught: str, rates: Sequence[float], limit: int | None, progress: Progress) -> list[dict[str, Any]]:
    """All stages of one seed; a row for phase 1 and for every rate and kind of thought.

    Args:
      taught: a model that has learned solutions already, in place of phase 1; "" for none.
    """
    space = Workspace(
        config.output, config.mesh, config.dtype, config.step_format, config.seed, progress, precision=config.precision
    )
    sizes = {"train": config.problems.train_count, "trees": config.problems.trees_count, "test": config.problems.test_count}
    drawn = {name: sample_problems(Countdown(), name, count or 1, config.seed) for name, count in sizes.items()}
    train, problems, test = drawn["train"], drawn["trees"], drawn["test"]
    policy = run_phase1(space, taught, train, "countdown", config.sft)
    evaluation = plan_evaluation(space, "evaluate_sft_phase1", policy, test, config.evaluate)
    rows = [{"seed": config.seed, "rate": None, "kind": "phase 1", **space.run(evaluation).result}]
    for rate in rates:
        rows += _learn(space, config, policy, problems, test, rate, limit)
    return rows


def _learn(
    space: Workspace,
    config: RunConfig,
    policy: Model,
    problems: Sequence[Problem],
    test: Sequence[Problem],
    rate: float,
    limit: int | None,
) -> list[dict[str, Any]]:
    """The rows of one rate."""
    judge = noised(exact.judge, rate, config.seed)
    known = f"verifier, noise {rate} of seed {config.seed}" if rate else "verifier"
    trees = plan_trees(space, policy, problems, config.expand, lambda: judge, known)
    space.run(trees)
    thoughts = plan_thoughts(space, trees.folder, trees.key, config.derive, config.refine)
    space.run(thoughts)
    right = _right_paths(thoughts, problems)

    def learn(kind: str) -> dict[str, Any]:
        lesson = Lesson(kind, config.excursion_loss, limit)
        learned = plan_phase2(space, f"phase2_{kind}", policy, thoughts, lesson, config.phase2, f"noise {rate:.0%}")
        count = space.run(learned).result["examples"]
        limits = config.long() if kind == "journey" else config.evaluate
        found = space.run(plan_evaluation(space, f"evaluate_phase2_{kind}", learned.model, test, limits)).result
        return {"seed": config.seed, "rate": rate, "kind": kind, "thoughts": count, "right_paths": right, **found}

    return [learn(kind) for kind in KINDS]


def _right_paths(thoughts: Artifact, problems: Sequence[Problem]) -> float:
    """Share of the derived thoughts whose path holds, whatever the judge said."""
    paths = read_thoughts(thoughts.folder / "shortcut.jsonl")
    known = {problem.id: problem for problem in problems}
    return sum(grade_countdown(known[path.id], path.text).correct for path in paths) / len(paths)


def table(rows: Sequence[dict[str, Any]]) -> str:
    """The rows in Markdown."""
    header = ("seed", "noise", "learned from", "thoughts", "right paths", "accuracy, 95% interval", "tokens")
    lines = [f"| {' | '.join(header)} |", "|---" * len(header) + "|"]
    for row in rows:
        rate = "" if row["rate"] is None else f"{row['rate']:.0%}"
        counts = "| |" if row["rate"] is None else f"| {row['thoughts']} | {row['right_paths']:.1%}"
        interval = f"{row['accuracy']:.1%} ({row['ci_low']:.1%} to {row['ci_high']:.1%})"
        kind = row["kind"] + ("" if row["rate"] is None else "s")
        lines.append(f"| {row['seed']} | {rate} | {kind} {counts} | {interval} | {row['mean_tokens']:.0f} |")
    return "\n".join(lines)


def draw(rows: Sequence[dict[str, Any]], file: storage.PathLike) -> None:
    """Accuracy against noise, a line for each kind of thought and seed."""
    import io

    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(6, 4), layout="constrained")
    colors = {"shortcut": "tab:blue", "journey": "tab:orange", "phase 1": "tab:gray"}
    for seed in dict.fromkeys(row["seed"] for row in rows):
        for kind, color in colors.items():
            own = [row for row in rows if (row["seed"], row["kind"]) == (seed, kind)]
            label = kind if seed == rows[0]["seed"] else None
            if kind == "phase 1":
                axes.axhline(own[0]["accuracy"], color=color, linestyle="--", label=label)
                axes.axhspan(own[0]["ci_low"], own[0]["ci_high"], color=color, alpha=0.12)
                continue
            heights = [row["accuracy"] for row in own]
            below = [row["accuracy"] - row["ci_low"] for row in own]
            above = [row["ci_high"] - row["accuracy"] for row in own]
            axes.errorbar(
                [row["rate"] for row in own], heights, [below, above], color=color, marker="o", capsize=3, label=label
            )
    axes.set(xlabel="share of the judge's verdicts turned round", ylabel="accuracy on held-out problems", ylim=(0, None))
    axes.legend(frameon=False)
    made = io.BytesIO()
    figure.savefig(made, format="png", dpi=150)
    pyplot.close(figure)
    storage.write_bytes(file, made.getvalue())


def main() -> None:
    assert __doc__
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--output", default="runs/judge_noise")
    parser.add_argument("--model", default="", help="one that has learned solutions already, in place of phase 1")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--rates", type=float, nargs="+", default=list(RATES))
    parser.add_argument("--solutions", type=int, default=10_000, help="that phase 1 learns from")
    parser.add_argument("--trees", type=int, default=1_000)
    parser.add_argument("--test", type=int, default=1_000, help="held-out problems")
    parser.add_argument("--thoughts", type=int, help="how many a model learns from at most; the same for every rate")
    given = parser.parse_args()
    use_persistent_cache()
    small, progress = quickstart(), Progress()
    counts = {"train_count": given.solutions, "trees_count": given.trees, "test_count": given.test}
    config = dataclasses.replace(small, output=given.output, problems=dataclasses.replace(small.problems, **counts))
    rows = []
    for seed in given.seeds:
        rows += run(dataclasses.replace(config, seed=seed), given.model, given.rates, given.thoughts, progress)
    output = storage.path(given.output)
    storage.write_json(output / "judge_noise.json", {"rows": rows})
    draw(rows, output / "judge_noise.png")
    print("\n" + table(rows))
    print(f"\nfigure: {os.fspath(output / 'judge_noise.png')}")


if __name__ == "__main__":
    main()
