"""How well a reward model finds wrong steps: the F1 of ReasonEval (arXiv 2404.05692) and of ProcessBench (arXiv 2412.06559)."""

from __future__ import annotations

import itertools
from collections.abc import Sequence


def macro_f1(labels: Sequence[bool], predicted: Sequence[bool]) -> float:
    """The mean of the F1 of the right and of the wrong class; a class that is neither there nor predicted counts 1.

    Raises:
      ValueError: there are no labels.
    """
    if not labels:
        raise ValueError("there are no labels: expected at least one")
    scores = []
    for kind in (True, False):
        hits = sum(a == b == kind for a, b in zip(labels, predicted, strict=True))
        there, said = sum(label == kind for label in labels), sum(one == kind for one in predicted)
        scores.append(2 * hits / (there + said) if there + said else 1.0)
    return sum(scores) / 2


def first_error(labels: Sequence[bool]) -> int | None:
    """Index of the first wrong step; None where all are right."""
    return next((index for index, label in enumerate(labels) if not label), None)


def _solutions(
    labels: Sequence[Sequence[bool]], scores: Sequence[Sequence[float]]
) -> list[tuple[Sequence[bool], Sequence[float]]]:
    """Labels and scores of each solution. Raises ValueError unless there is one score for each label, and a label at all."""
    if len(labels) != len(scores):
        raise ValueError(f"labels of {len(labels)} solutions, scores of {len(scores)}: expected as many")
    for index, (own, given) in enumerate(zip(labels, scores, strict=True)):
        if not own or len(own) != len(given):
            raise ValueError(f"solution {index} has {len(own)} labels and {len(given)} scores: expected as many, 1 or more")
    return list(zip(labels, scores, strict=True))


def counted(labels: Sequence[Sequence[bool]], scores: Sequence[Sequence[float]]) -> list[tuple[bool, float]]:
    """(label, score) of the steps up to the first error of each solution, which alone count by step."""
    found = []
    for own, given in _solutions(labels, scores):
        error = first_error(own)
        found += list(zip(own, given, strict=True))[: None if error is None else error + 1]
    return found


def step_f1(labels: Sequence[Sequence[bool]], scores: Sequence[Sequence[float]], threshold: float = 0.5) -> float:
    """Macro-F1 over steps: right up to the one before the first error, wrong at it; later steps are ignored.

    Args:
      labels: of every step of every solution.
      scores: the model's, alike; above the threshold is "right".
    """
    pairs = counted(labels, scores)
    return macro_f1([label for label, _ in pairs], [score > threshold for _, score in pairs])


def solution_f1(labels: Sequence[Sequence[bool]], scores: Sequence[Sequence[float]], threshold: float = 0.5) -> float:
    """Macro-F1 over solutions; one is said to be right where its lowest score is above the threshold."""
    pairs = _solutions(labels, scores)
    return macro_f1([all(own) for own, _ in pairs], [min(given) > threshold for _, given in pairs])


def processbench_f1(
    labels: Sequence[Sequence[bool]], scores: Sequence[Sequence[float]], threshold: float = 0.5
) -> float | None:
    """Harmonic mean of two accuracies: wrong solutions whose first error is found exactly, right ones in which none is found.

    None where one of the kinds is missing.
    """
    hits: dict[bool, list[bool]] = {True: [], False: []}
    for own, given in _solutions(labels, scores):
        hits[all(own)].append(first_error(own) == first_error([score > threshold for score in given]))
    if not hits[True] or not hits[False]:
        return None
    right, wrong = (sum(found) / len(found) for found in hits.values())
    return 2 * right * wrong / (right + wrong) if right + wrong else 0.0


def best_threshold(labels: Sequence[Sequence[bool]], scores: Sequence[Sequence[float]], candidates: int = 200) -> float:
    """The threshold of the highest F1 over steps; to be found on other solutions than those that are reported.

    It lies half-way between two scores that occur; of many different ones at most `candidates` pairs, evenly spread, are tried.
    """
    known = sorted({score for own in scores for score in own})
    middles = [known[0] - 1.0, *((low + high) / 2 for low, high in itertools.pairwise(known))]
    if len(middles) > candidates:
        middles = [middles[index * (len(middles) - 1) // (candidates - 1)] for index in range(candidates)]
    return max(middles, key=lambda threshold: step_f1(labels, scores, threshold))
