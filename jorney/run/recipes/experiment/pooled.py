"""What an experiment's measurements say: pooled comparisons, and a verdict by the protocol's own bar."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean, stdev
from typing import Any

from jorney.show.names import JOURNEY, MATCHED, PASS, PHASE1, PLACEBO, SHORTCUT, UNTIL
from jorney.solve.statistics import cluster_bootstrap, mcnemar, sign_flip_test

MODELS = (PHASE1, SHORTCUT, JOURNEY, MATCHED, PLACEBO, UNTIL, PASS)
COMPARISONS = tuple((JOURNEY, other) for other in (SHORTCUT, MATCHED, PLACEBO, UNTIL, PASS, PHASE1))


def findings(found: Mapping[str, Any]) -> dict[str, Any]:
    """What `run.run` measured, pooled over seeds.

    Returns:
      "models": {model: accuracy, its interval, n, and each seed's}; "comparisons": the journeys' against each other model, with
      a cluster-bootstrap interval and a test of signs (clusters: problems of the same numbers, whatever the seed), and
      McNemar's counts, which take results for independent, of all seeds and of each; "verdict": whether each of the protocol's
      bars is met; "sample": how many results, problems and clusters there are.
    """
    outcomes = found["outcomes"]
    comparisons = [compare(outcomes, a, b) for a, b in COMPARISONS]
    main = comparisons[0]
    verdict = {
        "mean": main["difference"] >= found["margin"],
        "every_seed": all(one["difference"] > 0 for one in main["by_seed"].values()),
        "interval": main["ci_low"] > 0,
    }
    return {
        "models": {name: pooled(outcomes, name) for name in MODELS},
        "comparisons": comparisons,
        "verdict": verdict,
        "sample": {
            "results": len(outcomes),
            "problems": len({one["id"] for one in outcomes}),
            "clusters": len({one["cluster"] for one in outcomes}),
        },
    }


def pooled(outcomes: Sequence[Mapping[str, Any]], model: str) -> dict[str, Any]:
    """A model's accuracy over all seeds, with a cluster-bootstrap interval."""
    values = [float(one["correct"][model]) for one in outcomes]
    low, high = cluster_bootstrap(values, [one["cluster"] for one in outcomes])
    by_seed = {seed: fmean(float(one["correct"][model]) for one in own) for seed, own in _seeds(outcomes).items()}
    return {"accuracy": fmean(values), "n": len(values), "ci_low": low, "ci_high": high, "by_seed": by_seed}


def compare(outcomes: Sequence[Mapping[str, Any]], a: str, b: str) -> dict[str, Any]:
    """The accuracy of a minus that of b, pooled over seeds and by seed."""
    paired = _paired(outcomes, a, b)
    values = [float(one["correct"][a]) - float(one["correct"][b]) for one in outcomes]
    clusters = [one["cluster"] for one in outcomes]
    low, high = cluster_bootstrap(values, clusters)
    by_seed = {seed: _paired(own, a, b) for seed, own in _seeds(outcomes).items()}
    return {
        "a": a,
        "b": b,
        **paired,
        "ci_low": low,
        "ci_high": high,
        "p": sign_flip_test(values, clusters),
        "sd_over_seeds": stdev(one["difference"] for one in by_seed.values()) if len(by_seed) > 1 else None,
        "by_seed": by_seed,
    }


def _paired(outcomes: Sequence[Mapping[str, Any]], a: str, b: str) -> dict[str, Any]:
    paired = mcnemar(*([one["correct"][name] for one in outcomes] for name in (a, b)))
    return {"difference": paired.difference, "only_a": paired.only_a, "only_b": paired.only_b, "mcnemar_p": paired.p}


def _seeds(outcomes: Sequence[Mapping[str, Any]]) -> dict[str, list[Mapping[str, Any]]]:
    own: dict[str, list[Mapping[str, Any]]] = {}
    for one in outcomes:
        own.setdefault(str(one["seed"]), []).append(one)
    return own
