"""Everything that is measured of a reward model on labelled solutions, from its scores alone."""

from __future__ import annotations

import dataclasses
import io
import math
from collections.abc import Sequence
from typing import Any

from jorney.judge.labelled import Labelled
from jorney.judge.reward_model import AGGREGATES, solution_score
from jorney.solve.prm_scores import counted, first_error, macro_f1, processbench_f1, solution_f1, step_f1
from jorney.thought.care import faults

BINS = 10  # of calibration


@dataclasses.dataclass(frozen=True)
class Scored:
    """Solutions whose labels are known and scored; steps of which nothing is known are left out.

    Attributes:
      labels: of every step, right or wrong.
      scores: the model's, alike.
    """

    labels: list[list[bool]]
    scores: list[list[float]]


def scored(solutions: Sequence[Labelled], scores: Sequence[Sequence[float]]) -> Scored:
    """The labelled steps, a label above 0.5 being right; solutions without any are left out."""
    found = Scored([], [])
    for solution, given in zip(solutions, scores, strict=True):
        known = [(label > 0.5, score) for label, score in zip(solution.labels, given, strict=True) if label is not None]
        if known:
            found.labels.append([label for label, _ in known])
            found.scores.append([score for _, score in known])
    return found


def auc(labels: Sequence[bool], scores: Sequence[float]) -> float | None:
    """The chance that a right one has a higher score than a wrong one, ties half; None where one kind is missing."""
    right, wrong = ([score for label, score in zip(labels, scores, strict=True) if label == kind] for kind in (True, False))
    return faults.auc(right, wrong) if right and wrong else None


def calibration(labels: Sequence[bool], scores: Sequence[float]) -> list[dict[str, float]]:
    """Mean score, share of right ones and count in each of BINS parts of 0 to 1 that holds any."""
    members: list[list[tuple[bool, float]]] = [[] for _ in range(BINS)]
    for label, score in zip(labels, scores, strict=True):
        members[min(BINS - 1, max(0, int(score * BINS)))].append((label, score))
    return [
        {
            "score": sum(score for _, score in own) / len(own),
            "right": sum(label for label, _ in own) / len(own),
            "count": len(own),
        }
        for own in members
        if own
    ]


def calibration_error(curve: Sequence[dict[str, float]]) -> float:
    """The mean distance of score and share over all members (expected calibration error, arXiv 1706.04599)."""
    return sum(one["count"] * abs(one["score"] - one["right"]) for one in curve) / sum(one["count"] for one in curve)


def mcc(labels: Sequence[bool], predicted: Sequence[bool]) -> float:
    """Matthews' correlation; 0 where a kind is missing."""
    pairs = list(zip(labels, predicted, strict=True))
    tp, tn = pairs.count((True, True)), pairs.count((False, False))
    fp, fn = pairs.count((False, True)), pairs.count((True, False))
    below = math.sqrt((tp + fp) * (tp + fn) * (tn + fp) * (tn + fn))
    return (tp * tn - fp * fn) / below if below else 0.0


def mr_score(
    labels: Sequence[Sequence[bool]],
    scores: Sequence[Sequence[float]],
    threshold: float = 0.5,
    reasons: Sequence[bool | None] | None = None,
) -> dict[str, float | None]:
    """MR-Score = 0.2 max(0, MCC) + 0.3 step accuracy + 0.5 reason accuracy (MR-GSM8K, arXiv 2312.17080, section 4).

    MCC is that of solutions said to be right. The accuracies are shares of the wrong solutions: of those whose first error is
    found, and of those whose reason is told right, too. Reward models tell no reasons: another judge must, or it is None.

    Args:
      reasons: whether the reason given for each solution's error is right; None where none was judged.
    """
    said = [first_error([score > threshold for score in own]) for own in scores]
    right = [all(own) for own in labels]
    wrong = [index for index, one in enumerate(right) if not one]
    found = [index for index in wrong if said[index] is not None and said[index] == first_error(labels[index])]
    task1 = mcc(right, [one is None for one in said])
    task2 = len(found) / len(wrong) if wrong else None
    task3 = sum(bool(reasons[index]) for index in found) / len(wrong) if wrong and reasons is not None else None
    whole = None if task2 is None or task3 is None else 0.2 * max(0.0, task1) + 0.3 * task2 + 0.5 * task3
    return {"mcc": task1, "step_accuracy": task2, "reason_accuracy": task3, "mr_score": whole}


def measure(found: Scored, threshold: float, reasons: Sequence[bool | None] | None = None) -> dict[str, Any]:
    """All of it, at one threshold.

    Raises:
      ValueError: no step has a label.
    """
    if not found.labels:
        raise ValueError("no step has a label: expected at least one")
    labels, scores = zip(*counted(found.labels, found.scores), strict=True)
    right = [all(own) for own in found.labels]
    curve = calibration(labels, scores)
    whole = {how: [solution_score(own, how) for own in found.scores] for how in AGGREGATES}
    return {
        "solutions": len(right),
        "right_solutions": sum(right) / len(right),
        "steps": len(labels),
        "right_steps": sum(labels) / len(labels),
        "threshold": threshold,
        "f1_step": step_f1(found.labels, found.scores, threshold),
        "f1_solution": solution_f1(found.labels, found.scores, threshold),
        "processbench_f1": processbench_f1(found.labels, found.scores, threshold),
        **mr_score(found.labels, found.scores, threshold, reasons),
        "auc_step": auc(labels, scores),
        "calibration_error": calibration_error(curve),
        "calibration": curve,
        "by_solution": {
            how: {"f1": macro_f1(right, [value > threshold for value in values]), "auc": auc(right, values)}
            for how, values in whole.items()
        },
    }


def markdown(result: dict[str, Any]) -> str:
    """The result as a table."""

    def shown(value: Any) -> str:
        return "none" if value is None else f"{value:.3f}" if isinstance(value, float) else f"{value:,}"

    plain = {name: value for name, value in result.items() if not isinstance(value, list | dict)}
    lines = ["| measure | value |", "| --- | --- |", *(f"| {name} | {shown(value)} |" for name, value in plain.items()), ""]
    lines += ["| solution's score | macro-F1 | AUC |", "| --- | --- | --- |"]
    lines += [f"| {how} | {shown(one['f1'])} | {shown(one['auc'])} |" for how, one in result["by_solution"].items()]
    return "\n".join(lines) + "\n"


def draw(curve: Sequence[dict[str, float]], error: float, kind: str) -> bytes:
    """The calibration plot: share of right steps against the mean score, with the count of each bin; "png" or "svg"."""
    from matplotlib.figure import Figure  # its import is slow

    figure = Figure(figsize=(5, 5.5), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    above.plot([0, 1], [0, 1], color="0.7", linewidth=1)
    above.plot([one["score"] for one in curve], [one["right"] for one in curve], marker="o")
    above.set(ylabel="share of right steps", ylim=(0, 1), title=f"Calibration: expected error {error:.3f}")
    below.bar([one["score"] for one in curve], [one["count"] for one in curve], width=0.06)
    below.set(xlabel="mean score of a bin", ylabel="steps", xlim=(0, 1))
    out = io.BytesIO()
    figure.savefig(out, format=kind, dpi=150)
    return out.getvalue()
