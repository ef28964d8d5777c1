"""What an experiment's measurements say: pooled comparisons, and a verdict by the protocol's own bar."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from jorney.evaluate.statistics import cluster_bootstrap, mcnemar
from jorney.study.run import JOURNEY, MATCHED, PASS, PHASE1, PLACEBO, SHORTCUT, UNTIL

MODELS = (PHASE1, SHORTCUT, JOURNEY, MATCHED, PLACEBO, UNTIL, PASS)
COMPARISONS = tuple((JOURNEY, other) for other in (SHORTCUT, MATCHED, PLACEBO, UNTIL, PASS, PHASE1))


def findings(found: Mapping[str, Any]) -> dict[str, Any]:
    """What `run.run` measured, pooled over seeds.

    Returns:
      "models": {model: accuracy, its interval, n, and each seed's}; "comparisons": the journeys' against each other model, with
      a cluster-bootstrap interval (clusters: problems of the same numbers) and McNemar's counts; "verdict": whether each of the
      protocol's bars is met.
    """
    outcomes = found["outcomes"]
    comparisons = [compare(outcomes, a, b) for a, b in COMPARISONS]
    main = comparisons[0]
    verdict = {
        "mean": main["difference"] >= found["margin"],
        "every_seed": all(value > 0 for value in main["by_seed"].values()),
        "interval": main["ci_low"] > 0,
    }
    return {"models": {name: pooled(outcomes, name) for name in MODELS}, "comparisons": comparisons, "verdict": verdict}


def pooled(outcomes: Sequence[Mapping[str, Any]], model: str) -> dict[str, Any]:
    """A model's accuracy over all seeds, with a cluster-bootstrap interval."""
    values = [float(one["correct"][model]) for one in outcomes]
    low, high = cluster_bootstrap(values, [one["cluster"] for one in outcomes])
    return {"accuracy": sum(values) / len(values), "n": len(values), "ci_low": low, "ci_high": high, **_seeds(outcomes, values)}


def compare(outcomes: Sequence[Mapping[str, Any]], a: str, b: str) -> dict[str, Any]:
    """The accuracy of a minus that of b, pooled over seeds and by seed."""
    left, right = ([one["correct"][name] for one in outcomes] for name in (a, b))
    values = [float(x) - float(y) for x, y in zip(left, right, strict=True)]
    low, high = cluster_bootstrap(values, [one["cluster"] for one in outcomes])
    paired = mcnemar(left, right)
    return {
        "a": a,
        "b": b,
        "difference": paired.difference,
        "ci_low": low,
        "ci_high": high,
        "only_a": paired.only_a,
        "only_b": paired.only_b,
        "mcnemar_p": paired.p,
        **_seeds(outcomes, values),
    }


def _seeds(outcomes: Sequence[Mapping[str, Any]], values: Sequence[float]) -> dict[str, dict[str, float]]:
    own: dict[str, list[float]] = {}
    for one, value in zip(outcomes, values, strict=True):
        own.setdefault(str(one["seed"]), []).append(value)
    return {"by_seed": {seed: sum(members) / len(members) for seed, members in own.items()}}
