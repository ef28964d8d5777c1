"""An experiment from its protocol to its measurements."""

from __future__ import annotations

import dataclasses
import datetime
import json
from collections.abc import Sequence
from statistics import fmean
from typing import Any

from jorney import storage
from jorney.config import to_json
from jorney.convert import config_json
from jorney.domain.countdown.sets import sample_problems
from jorney.domain.domains import domain_of
from jorney.domain.problem import Problem
from jorney.model import params as parameters
from jorney.policy import resolve
from jorney.progress import Progress
from jorney.rows.problems import read_problems
from jorney.run.recipes.experiment.protocol import Abroad, Dose, Protocol
from jorney.run.recipes.experiment.seed import Measured, Seed
from jorney.run.recipes.journey import RunConfig
from jorney.run.recipes.summary import environment
from jorney.run.stages.resampling import read_attempts
from jorney.show.names import BUDGETS, JOURNEY, MATCHED, PASS, PHASE1, PLACEBO, SHORTCUT, UNTIL
from jorney.solve.evaluate import EvaluateConfig, Graded
from jorney.solve.resample import pass_at_n, resampled_until_target, token_budget
from jorney.solve.statistics import cluster_bootstrap
from jorney.train.provenance import revision

LEARNED = {SHORTCUT: "shortcut", JOURNEY: "journey", MATCHED: "matched", PLACEBO: "placebo"}
LONG = (JOURNEY, PLACEBO)  # those that may write as much as `long_tokens`


def run(protocol: Protocol, progress: Progress) -> dict[str, Any]:
    """All measurements of an experiment; what stands in its output is not measured again.

    Returns:
      JSON values: "opened", "settings", "seeds" (each with its models, controls and curves), "outcomes" (each problem's, by
      model), "doses", "abroad", "small", "costs", "environment".
    """
    # What is not there, or is not enough, is missed before hours have passed, and before the set is opened.
    if protocol.small:
        size(protocol.small)
    seeds = [Seed(protocol.run, protocol.output, seed, protocol.problems, progress) for seed in protocol.seeds]
    places = [(place, _elsewhere(place, seeds[0])) for place in protocol.abroad]
    opened = _open(protocol)
    measured = [_seed(one, protocol.run, progress) for one in seeds]
    found: dict[str, Any] = {
        "settings": json.loads(to_json(protocol.decides())),
        "name": protocol.name,
        "set": protocol.problems,
        "margin": protocol.margin,
        "protocol": protocol.digest(),
        "opened": opened,
        "seeds": [one for one, _ in measured],
        "outcomes": [outcome for _, outcomes in measured for outcome in outcomes],
        "doses": [row for dose in protocol.doses for row in _dose(seeds[0], dose, progress)],
        "abroad": [row for place in places for row in _abroad(seeds[0], protocol.run, *place, progress)],
    }
    if protocol.small:
        found["small"] = _small(seeds[0], protocol, *measured[0], progress)
    found["costs"] = _costs(protocol.run.model, found["seeds"][0])
    found["environment"] = environment()
    return found


def _open(protocol: Protocol) -> list[dict[str, str]]:
    """Notes that a set of problems is looked at, by which protocol and code: once for each protocol. The first counts."""
    file = storage.path(protocol.output) / "opened.json"
    noted: list[dict[str, str]] = storage.read_json(file) if file.exists() else []
    entry = {"set": protocol.problems, "protocol": protocol.digest()}
    if not any(entry.items() <= one.items() for one in noted):
        at = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        noted.append({**entry, "at": at, "code": revision() or "no checkout"})
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
            "cluster": cluster(problem),
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
            name: {key: done.result[key] for key in ("examples", "completion_tokens", "tokens", "steps")}
            for name, done in trainings.items()
        },
        "trees": seed.ran(seed.trees()).result,
        "thoughts": seed.ran(seed.thoughts()).result,
        "curves": {
            **{name: [_cut(measured[name].graded, budget) for budget in BUDGETS] for name in (SHORTCUT, JOURNEY, PLACEBO)},
            **_spent(seed.problems, stage.folder),
        },
    }
    return summary, outcomes


def cluster(problem: Problem) -> str:
    """What problems whose results hang together have in common."""
    return domain_of(problem).cluster(problem)


def interval(problems: Sequence[Problem], correct: Sequence[bool]) -> dict[str, float]:
    """The interval of a share of the problems, by clusters."""
    low, high = cluster_bootstrap(list(map(float, correct)), list(map(cluster, problems)))
    return {"ci_low": low, "ci_high": high}


def _summary(problems: Sequence[Problem], measured: Measured) -> dict[str, Any]:
    """The summary of a model, its interval by clusters as those of the main comparison are."""
    return {**measured.summary, **interval(problems, [one.correct for one in measured.graded])}


def _cut(graded: Sequence[Graded], limit: int) -> list[float]:
    """[mean tokens, accuracy] of texts that are cut off at so many tokens."""
    tokens = sum(min(one.tokens, limit) for one in graded)
    right = sum(one.correct and one.tokens <= limit for one in graded)
    return [tokens / len(graded), right / len(graded)]


def _spent(problems: Sequence[Problem], folder: storage.Path) -> dict[str, list[list[float]]]:
    """The same of independent attempts that may spend so many tokens on average."""
    attempts = read_attempts(folder, problems)
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
        found = _summary(seed.problems, seed.measured(name, model, limits(name, dose.run)))
        progress.say(f"  {dose.group} {dose.name}, {kind}: {found['accuracy']:.1%}")
        trained = {"examples": done.result["examples"], "trained_tokens": done.result["tokens"]}
        rows.append({"group": dose.group, "dose": dose.name, "kind": kind, **trained, **found})
    return rows


def _elsewhere(place: Abroad, seed: Seed) -> list[Problem]:
    if place.task:
        return sample_problems(place.task, seed.set, place.count, seed.number)
    return read_problems(place.file, place.count)


def _abroad(seed: Seed, run: RunConfig, place: Abroad, problems: Sequence[Problem], progress: Progress) -> list[dict[str, Any]]:
    """A row for each model on problems of another kind."""
    rows = []
    for name in (PHASE1, SHORTCUT, JOURNEY):
        model = seed.phase1() if name == PHASE1 else seed.learned(LEARNED[name])[0]
        # Longer problems need longer texts; what a model does not use costs nothing.
        found = _summary(problems, seed.measured(f"{name}_abroad", model, run.long(), problems))
        progress.say(f"  {place.name}, {name}: {found['accuracy']:.1%}")
        rows.append({"problems": place.name, "model": name, **found})
    return rows


def _small(
    seed: Seed, protocol: Protocol, large: dict[str, Any], outcomes: Sequence[dict[str, Any]], progress: Progress
) -> dict[str, Any]:
    """A smaller model with its own phase 1, trees and thoughts; and its journeys, cut off, at the cost of large shortcuts.

    Args:
      large, outcomes: the large model's summaries and outcomes with the same seed.
    """
    run = dataclasses.replace(protocol.run, model=protocol.small)
    parameters = size(protocol.small)
    rows, measured = {}, {}
    for name in (SHORTCUT, JOURNEY):
        model, done = seed.learned(LEARNED[name], run)
        measured[name] = seed.measured(name, model, limits(name, run))
        rows[name] = {**_summary(seed.problems, measured[name]), "trained_tokens": done.result["tokens"]}
        progress.say(f"  small, {name}: {rows[name]['accuracy']:.1%}")
    tokens = large["models"][SHORTCUT]["mean_tokens"] * size(protocol.run.model) / parameters
    equal = at_cost(seed.problems, measured[JOURNEY].graded, tokens, [one["correct"][SHORTCUT] for one in outcomes])
    return {"parameters": parameters, "models": rows, "equal": equal}


def at_cost(
    problems: Sequence[Problem], graded: Sequence[Graded], tokens: float, other: Sequence[bool]
) -> dict[str, float | list[float]]:
    """What is right of texts that are cut off where they have, on average, so many tokens at most; the lead over another's."""
    limit = token_budget([one.tokens for one in graded], tokens)
    correct = [one.correct and one.tokens <= limit for one in graded]
    leads = [float(own) - float(its) for own, its in zip(correct, other, strict=True)]
    return {
        "limit": limit,
        "mean_tokens": _cut(graded, limit)[0],
        "accuracy": fmean(correct),
        **interval(problems, correct),
        "lead": fmean(leads),
        "lead_interval": list(cluster_bootstrap(leads, list(map(cluster, problems)))),
    }


def size(model: str) -> int:
    """Parameters of a model."""
    return parameters.count(config_json.read(resolve(model))[0])


def _costs(model: str, summary: dict[str, Any]) -> dict[str, Any]:
    """Floating-point operations of what each model learned in phase 2, and of a problem: 6 and 2 a parameter and token.

    The controls that ask again are the shortcut model, with more tokens a problem.
    """
    count = size(model)
    before = summary["models"][PHASE1]["accuracy"]
    entries = {name: (trained["tokens"], summary["models"][name]) for name, trained in summary["trainings"].items()}
    entries |= {name: (summary["trainings"][SHORTCUT]["tokens"], one) for name, one in summary["controls"].items()}
    return {
        "parameters": count,
        "trees": 2 * count * summary["trees"]["generated_tokens"],
        "models": {
            name: {
                "training": 6 * count * tokens,
                "inference": 2 * count * one["mean_tokens"],
                "gained": one["accuracy"] - before,
            }
            for name, (tokens, one) in entries.items()
        },
    }
