"""Game of 24, the Tree-of-Thoughts paper's 100 puzzles: chains of thought beside tree search, of one small policy.

    python tools/game24.py --puzzles 24.csv --output runs/game24          (24.csv: princeton-nlp/tree-of-thought-llm, data/24)

The embedded model learns Countdown solutions (targets 1 to 24; no problem with the numbers of any of the 100 puzzles), and a
reward model learns from its rollouts (the embedded base model's own walks hold numbers of the set "train" alone, of which some
are puzzles' ones, never with a target). Then the same policy answers the puzzles greedily, by samples, and by breadth-first
search with b = 1 and b = 5 (and in 5 trees apart, of b = 1 each), judged by the reward model and, apart from it, by the exact
verifier, which is an oracle: it knows from which states 24 can still be reached. Printed, and in OUTPUT/game24.json: accuracy
with its Wilson 95% interval, generated tokens a puzzle. The same command goes on from what stands in OUTPUT.
"""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Callable
from typing import Any

from jorney import storage
from jorney.compiled import use_persistent_cache
from jorney.domain.countdown.sets import Countdown, sample_problems
from jorney.domain.problem import Problem
from jorney.judge import exact
from jorney.judge.judge import Judge
from jorney.progress import Progress
from jorney.rows.game24 import RANKS, TARGET, reachable
from jorney.rows.problems import read_problems
from jorney.run.artifact import Model
from jorney.run.recipes.journey import quickstart
from jorney.run.stages.evaluation import plan_evaluation
from jorney.run.stages.judges.kinds import VERIFIER, prm_judge
from jorney.run.stages.judges.labelling import plan_rollouts
from jorney.run.stages.judges.reward_training import plan_prm, sampled
from jorney.run.stages.lessons import run_phase1
from jorney.run.stages.searching import plan_search
from jorney.run.workspace import Workspace
from jorney.solve.search import SearchConfig

TASK = Countdown(largest_target=TARGET)
COLUMNS = ("method", "judge", "accuracy", "ci_low", "ci_high", "n", "mean_tokens")


def others(puzzles: list[Problem], split: str, count: int, seed: int) -> list[Problem]:
    """Countdown problems of a set with none of the puzzles' numbers, whatever the target."""
    taken = {tuple(puzzle.meta["numbers"]) for puzzle in puzzles}
    drawn = sample_problems(TASK, split, count + count // 4, seed)
    kept = [problem for problem in drawn if tuple(problem.meta["numbers"]) not in taken][:count]
    if len(kept) < count:
        raise SystemExit(f"only {len(kept)} of {count} problems of the set {split!r} have none of the puzzles' numbers")
    return kept


def run(
    puzzles: list[Problem],
    output: str,
    taught: str,
    seed: int,
    solutions: int,
    rollouts: int,
    n: int,
    width: int,
    progress: Progress,
) -> dict[str, Any]:
    """All stages; the report.

    Args:
      taught: a model that has learned solutions already; "" for one that learns them here.
    """
    small = quickstart()
    space = Workspace(output, small.mesh, small.dtype, small.step_format, seed, progress, precision=small.precision)
    train = others(puzzles, "train", solutions, seed)
    policy = run_phase1(space, taught, train, "countdown", small.sft)
    rows = [{"method": "CoT, greedy", "judge": "", **_greedy(space, policy, puzzles)}]
    rows += _searches(space, policy, puzzles, n, width, "oracle", lambda: exact.judge, VERIFIER)

    own = rollouts // 5  # the numbers of "trees" alone are few
    problems = others(puzzles, "trees", own, seed) + others(puzzles, "train", rollouts - own, seed)
    few = dataclasses.replace(small.rollouts, completions=2)  # many problems teach more than sure labels
    labelled = plan_rollouts(space, policy, problems, few)
    space.run(labelled)
    held_out = others(puzzles, "tuning", 50, seed)
    optimizer = dataclasses.replace(small.prm.optimizer, learning_rate=7e-4)
    learning = dataclasses.replace(small.prm, epochs=4, row_length=288, optimizer=optimizer)
    prm = plan_prm(space, policy, sampled(labelled, problems), labelled.key, held_out, small.rollouts, learning)
    measured = space.run(prm).result
    rows += [
        row
        for row in _searches(space, policy, puzzles, n, width, "reward model", lambda: prm_judge(space, prm.model), prm.key)
        if row["judge"]  # what needs no judge stands there already
    ]
    return {
        "puzzles": len(puzzles),
        "out_of_reach": [puzzle.meta["numbers"] for puzzle in puzzles if not reachable(puzzle.meta["numbers"])],
        "seed": seed,
        "learned": taught or f"{len(train):,} solutions",
        "prm": {name: measured[name] for name in ("f1_step", "f1_solution", "held_out_solutions") if name in measured},
        "rows": [{name: row[name] for name in COLUMNS} for row in rows],
    }


def _searches(
    space: Workspace,
    policy: Model,
    puzzles: list[Problem],
    n: int,
    width: int,
    judge: str,
    make: Callable[[], Judge],
    key: str,
) -> list[dict[str, Any]]:
    """The rows of one judge, and of samples without any."""
    common: dict[str, Any] = {"max_tokens": 64, "step_tokens": 32, "rows": 256, "depth": len(puzzles[0].meta["numbers"])}

    def search(config: SearchConfig) -> dict[str, Any]:
        found: dict[str, Any] = [space.run(stage) for stage in plan_search(space, policy, puzzles, config, make, key)][
            -1
        ].result
        return found

    sampled = search(SearchConfig("best-of-n", n=n, **common))["selections"]
    rows = [
        {"method": "CoT, one sample", "judge": "", **sampled["majority"][0]},
        *({"method": f"CoT, best of {n}, {name}", "judge": judge, **sampled[name][-1]} for name in ("naive", "weighted")),
    ]
    for name, method, keep in (("tree search, b = 1", "beam", 1), ("tree search, b = 5", "beam", 5), ("5 trees", "dvts", 5)):
        found = search(SearchConfig(method, keep=keep, width=width, **common))
        rows.append({**found, "method": f"{name}, w = {width}", "judge": judge})
    return rows


def _greedy(space: Workspace, model: Model, puzzles: list[Problem]) -> dict[str, Any]:
    limits = dataclasses.replace(quickstart().evaluate, temperature=0.0)
    found: dict[str, Any] = space.run(plan_evaluation(space, "evaluate_greedy", model, puzzles, limits)).result
    return found


def table(report: dict[str, Any]) -> str:
    """The rows in Markdown."""
    lines = ["| method | judge | accuracy, 95% interval | tokens a puzzle |", "|---|---|---|---|"]
    for row in report["rows"]:
        interval = f"{row['accuracy']:.1%} ({row['ci_low']:.1%} to {row['ci_high']:.1%})"
        lines.append(f"| {row['method']} | {row['judge']} | {interval} | {row['mean_tokens']:.0f} |")
    return "\n".join(lines)


def main() -> None:
    assert __doc__
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--puzzles", required=True, help="the published 24.csv")
    parser.add_argument("--ranks", default=f"{RANKS[0]}-{RANKS[-1]}", help="of the puzzles, first and last")
    parser.add_argument("--output", default="runs/game24")
    parser.add_argument("--model", default="", help="one that has learned Countdown solutions already")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--solutions", type=int, default=10_000, help="that the policy learns from")
    parser.add_argument("--rollouts", type=int, default=5_000, help="problems whose rollouts the reward model learns from")
    parser.add_argument("--n", type=int, default=16, help="samples of a puzzle")
    parser.add_argument("--width", type=int, default=5, help="steps that the search samples after each that it keeps")
    given = parser.parse_args()
    first, _, last = given.ranks.partition("-")
    wanted = range(int(first), int(last or first) + 1)
    puzzles = [puzzle for puzzle in read_problems(given.puzzles) if puzzle.meta.get("rank") in wanted]
    if not puzzles:
        raise SystemExit(f"{given.puzzles}: no puzzle of the ranks {given.ranks}")
    use_persistent_cache()
    report = run(
        puzzles, given.output, given.model, given.seed, given.solutions, given.rollouts, given.n, given.width, Progress()
    )
    storage.write_json(storage.path(given.output) / "game24.json", report)
    print(f"\n{len(puzzles)} puzzles; out of reach of Countdown's steps: {len(report['out_of_reach'])}\n")
    print(table(report))


if __name__ == "__main__":
    main()
