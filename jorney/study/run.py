"""An experiment from its protocol to its measurements."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Sequence
from typing import Any

from jorney import storage
from jorney.convert import config_json
from jorney.data.countdown import sample_problems
from jorney.data.problems import Problem, read_problems
from jorney.evaluate.benchmarks import EvaluateConfig, Graded
from jorney.evaluate.resample import pass_at_n, read_attempts, resampled_until_target
from jorney.evaluate.statistics import wilson
from jorney.model import params as parameters
from jorney.pipeline import RunConfig
from jorney.policy import resolve
from jorney.progress import Progress
from jorney.stages.summary import environment
from jorney.study.protocol import Abroad, Dose, Protocol
from jorney.study.seed import Seed

SHORTCUT, JOURNEY, PHASE1 = "phase2_shortcut", "phase2_journey", "sft_phase1"
MATCHED, PLACEBO, UNTIL, PASS = "shortcut_token_matched", "placebo_journey", "resampled_until_target", "pass_at_n"
LEARNED = {SHORTCUT: "shortcut", JOURNEY: "journey", MATCHED: "matched", PLACEBO: "placebo"}
LONG = (JOURNEY, PLACEBO)  # those that may write as much as `long_tokens`
BUDGETS = (40, 60, 80, 100, 120, 160, 200, 240, 320)  # tokens a problem, of the curves


def run(protocol: Protocol, progress: Progress) -> dict[str, Any]:
    """All measurements of an experiment; what stands in its output is not measured again.

    Returns:
      JSON values: "opened", "seeds" (each with its models, controls and curves), "outcomes" (each problem's, by model),
      "doses", "abroad", "small", "costs", "environment".
    """
    if protocol.small:
        size(protocol.small)  # a model that is not there is missed before hours have passed
    opened = _open(protocol)
    seeds = [Seed(protocol.run, protocol.output, seed, protocol.problems, progress) for seed in protocol.seeds]
    measured = [_seed(one, protocol.run, progress) for one in seeds]
    found: dict[str, Any] = {
        "name": protocol.name,
        "set": protocol.problems,
        "margin": protocol.margin,
        "protocol": protocol.digest(),
        "opened": opened,
        "seeds": [one for one, _ in measured],
        "outcomes": [outcome for _, outcomes in measured for outcome in outcomes],
        "doses": [row for dose in protocol.doses for row in _dose(seeds[0], dose, progress)],
        "abroad": [row for place in protocol.abroad for row in _abroad(seeds[0], protocol.run, place, progress)],
    }
    if protocol.small:
        found["small"] = _small(seeds[0], protocol, found["seeds"][0], progress)
    found["costs"] = _costs(seeds[0], found["seeds"][0])
    found["environment"] = environment()
    return found


def _open(protocol: Protocol) -> list[dict[str, str]]:
    """Notes that a set of problems is looked at, by which protocol: once for each. The first is the one that counts."""
    file = storage.path(protocol.output) / "opened.json"
    noted: list[dict[str, str]] = storage.read_json(file) if file.exists() else []
    entry = {"set": protocol.problems, "protocol": protocol.digest()}
    if not any(entry.items() <= one.items() for one in noted):
        noted.append({**entry, "at": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")})
        storage.write_json(file, noted)
    return [one for one in noted if one["set"] == protocol.problems]


def limits(model: str, run: RunConfig) -> EvaluateConfig:
    """How many tokens a model may write."""
    return run.long() if model in LONG else run.evaluate


def _seed(seed: Seed, run: RunConfig, progress: Progress) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The main comparison with one seed: summaries, and each problem's outcome."""
    progress.say(f"seed {seed.number}")
    measured = {PHASE1: seed.measured(PHASE1, seed.phase1(), limits(PHASE1, run))}
    trainings = {}
    for name, kind in LEARNED.items():
        model, trainings[name] = seed.learned(kind)
        measured[name] = seed.measured(name, model, limits(name, run))
        progress.say(f"  {name}: {measured[name].summary['accuracy']:.1%}")
    controls, stage = seed.resampled(seed.learned("shortcut")[0], measured[JOURNEY].stage)
    spent = storage.read_json(stage.folder / "correct.json")
    outcomes = [
        {
            "seed": seed.number,
            "id": problem.id,
            "cluster": " ".join(map(str, problem.meta["numbers"])),
            "correct": {name: one.graded[i].correct for name, one in measured.items()}
            | {name: bool(right[i]) for name, right in spent.items()},
            "tokens": {name: one.graded[i].tokens for name, one in measured.items()},
        }
        for i, problem in enumerate(seed.problems)
    ]
    summary = {
        "seed": seed.number,
        "models": {name: one.summary for name, one in measured.items()},
        "controls": {name: controls[name] for name in (UNTIL, PASS)},
        "trainings": {
            name: {key: done.result[key] for key in ("examples", "tokens", "mean_tokens")} for name, done in trainings.items()
        },
        "trees": seed.ran(seed.trees()).result,
        "thoughts": seed.ran(seed.thoughts()).result,
        "curves": {
            **{name: [_cut(measured[name].graded, budget) for budget in BUDGETS] for name in (SHORTCUT, JOURNEY, PLACEBO)},
            **_spent(seed.problems, stage.folder),
        },
    }
    return summary, outcomes


def _cut(graded: Sequence[Graded], limit: int) -> list[float]:
    """[mean tokens, accuracy] of texts that are cut off at so many tokens."""
    tokens = sum(min(one.tokens, limit) for one in graded)
    right = sum(one.correct and one.tokens <= limit for one in graded)
    return [tokens / len(graded), right / len(graded)]


def _spent(problems: Sequence[Problem], folder: storage.Path) -> dict[str, list[list[float]]]:
    """The same of independent attempts that may spend so many tokens on average."""
    known = {one.id: one for one in read_attempts(folder / "parts")}
    attempts = [known[problem.id] for problem in problems]
    curves: dict[str, list[list[float]]] = {UNTIL: [], PASS: []}
    for name, spend in ((UNTIL, resampled_until_target), (PASS, pass_at_n)):
        for budget in BUDGETS:
            spent = spend(problems, attempts, budget)
            curves[name].append([sum(spent.tokens) / len(problems), sum(spent.correct) / len(problems)])
    return curves


def _dose(seed: Seed, dose: Dose, progress: Progress) -> list[dict[str, Any]]:
    """A row for each kind of thoughts of one dose."""
    rows = []
    for kind in dose.kinds:
        model, done = seed.learned(kind, dose.run, dose.thoughts, dose.phase1)
        name = f"phase2_{kind}"
        found = seed.measured(name, model, limits(name, dose.run)).summary
        progress.say(f"  {dose.group} {dose.name}, {kind}: {found['accuracy']:.1%}")
        trained = {"examples": done.result["examples"], "trained_tokens": done.result["tokens"]}
        rows.append({"group": dose.group, "dose": dose.name, "kind": kind, **trained, **found})
    return rows


def _abroad(seed: Seed, run: RunConfig, place: Abroad, progress: Progress) -> list[dict[str, Any]]:
    """A row for each model on problems of another kind."""
    if place.task:
        problems = sample_problems(place.task, seed.set, place.count, seed.number)
    else:
        problems = read_problems(place.file, place.count)
    rows = []
    for name in (PHASE1, SHORTCUT, JOURNEY):
        model = seed.phase1() if name == PHASE1 else seed.learned(LEARNED[name])[0]
        # Longer problems need longer texts; what a model does not use costs nothing.
        found = seed.measured(f"{name}_abroad", model, run.long(), problems).summary
        progress.say(f"  {place.name}, {name}: {found['accuracy']:.1%}")
        rows.append({"problems": place.name, "model": name, **found})
    return rows


def _small(seed: Seed, protocol: Protocol, large: dict[str, Any], progress: Progress) -> dict[str, Any]:
    """A smaller model with its own phase 1, trees and journeys; its shortcuts; its journeys at the cost of large shortcuts."""
    run = dataclasses.replace(protocol.run, model=protocol.small)
    parameters = size(protocol.small)
    rows: dict[str, Any] = {"parameters": parameters, "models": {}}
    for name in (SHORTCUT, JOURNEY):
        model, done = seed.learned(LEARNED[name], run)
        measured = seed.measured(name, model, limits(name, run))
        rows["models"][name] = {**measured.summary, "trained_tokens": done.result["tokens"]}
        progress.say(f"  small, {name}: {measured.summary['accuracy']:.1%}")
    tokens = large["models"][SHORTCUT]["mean_tokens"] * size(protocol.run.model) / parameters
    rows["equal"] = at_cost(measured.graded, tokens)
    return rows


def at_cost(graded: Sequence[Graded], tokens: float) -> dict[str, float]:
    """What is right of texts that are cut off where they have, on average, so many tokens at most."""
    limit = max(
        (limit for limit in range(1 + max(one.tokens for one in graded)) if _cut(graded, limit)[0] <= tokens), default=0
    )
    mean, accuracy = _cut(graded, limit)
    low, high = wilson(round(accuracy * len(graded)), len(graded))
    return {"limit": limit, "mean_tokens": mean, "accuracy": accuracy, "ci_low": low, "ci_high": high}


def size(model: str) -> int:
    """Parameters of a model."""
    return parameters.count(config_json.read(resolve(model))[0])


def _costs(seed: Seed, summary: dict[str, Any]) -> dict[str, Any]:
    """Floating-point operations of what each model learned in phase 2, and of a problem: 6 and 2 a parameter and token."""
    count = size(seed.run.model)
    before = summary["models"][PHASE1]
    return {
        "parameters": count,
        "trees": 2 * count * summary["trees"]["generated_tokens"],
        "models": {
            name: {
                "training": 6 * count * trained["tokens"],
                "inference": 2 * count * summary["models"][name]["mean_tokens"],
                "gained": summary["models"][name]["accuracy"] - before["accuracy"],
            }
            for name, trained in summary["trainings"].items()
        },
    }
