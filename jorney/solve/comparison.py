"""Evaluations beside each other, paired on their problems: differences, how sure they are, and what they cost."""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from jorney.solve.estimators import best_at_k, majority_at_k, pass_at_k, weighted_vote_at_k
from jorney.solve.sample_rows import SampleRow, cluster_of, groups, interval, readings, scores, weights
from jorney.solve.statistics import cluster_bootstrap, holm, mcnemar, sign_flip_test

AVERAGE = "average"
_BY_SCORE = ("best", "weighted")
_VALUES: dict[str, Callable[[Sequence[SampleRow], int], float]] = {
    AVERAGE: lambda rows, k: sum(row.right for row in rows) / len(rows),
    "majority": lambda rows, k: majority_at_k(groups(rows), [row.right for row in rows], k),
    "best": lambda rows, k: best_at_k(scores(rows), [row.right for row in rows], k),
    "weighted": lambda rows, k: weighted_vote_at_k(groups(rows), weights(rows), [row.right for row in rows], k).value,
    "pass": lambda rows, k: pass_at_k(len(rows), sum(row.right for row in rows), k),
}
MEASURES = tuple(_VALUES)


@dataclasses.dataclass(frozen=True)
class Compared:
    """One evaluation: the rows of each problem, and what each problem is worth by a measure.

    Attributes:
      k: texts that the measure takes; None for one.
    """

    name: str
    rows: Mapping[str, Sequence[SampleRow]]
    values: Mapping[str, float]
    k: int | None


def compared_by(name: str, rows: Mapping[str, Sequence[SampleRow]], measure: str, k: int | None) -> Compared:
    """An evaluation by a measure.

    Args:
      k: texts of each problem that a choice is made among; None for all that are there.

    Raises:
      ValueError: a problem has fewer texts, or the measure goes by scores and there are none.
    """
    most = min(map(len, rows.values()))
    if measure in _BY_SCORE and any(row.score is None for own in rows.values() for row in own if row.group >= 0):
        raise ValueError(f"{name}: its rows have no scores: expected a search with a judge, or --measure average or majority")
    if k is not None and k > most:
        raise ValueError(f"{name}: a problem has {most} texts: expected --k of at most {most}")
    taken = None if measure == AVERAGE else k or most
    return Compared(name, rows, {one: _VALUES[measure](own, taken or 1) for one, own in rows.items()}, taken)


def expect_same_problems(sides: Sequence[Compared]) -> None:
    """Raises ValueError where an evaluation has problems that another has not: pairs would be of fewer than is said."""
    first, *others = sides
    for other in others:
        if differ := first.values.keys() ^ other.values.keys():
            where = first.name if min(differ) in first.values else other.name
            raise ValueError(
                f"{first.name} and {other.name}: {len(differ):,} problems are in one of them alone, such as {min(differ)!r} "
                f"in {where}: expected the same problems"
            )


def compare(
    sides: Sequence[Compared], against_first: bool = False, by: Sequence[str] = (), clusters: str = ""
) -> dict[str, Any]:
    """All that is to be told, as JSON values.

    Args:
      against_first: every evaluation is compared with the first, and with no other.
      by: what of a problem ("level", "subject", "subset", "language") groups are told apart by.
      clusters: what problems share whose results hang together: "subset" or another; "" for what their domain says.

    Raises:
      ValueError: the problems are not the same, or say nothing of what they are to be told apart by.
    """
    expect_same_problems(sides)
    about = {name: own[0].about for name, own in sides[0].rows.items()}
    for name in (*by, *([clusters] if clusters else [])):
        if missing := next((one for one, own in about.items() if name not in own), None):
            known = ", ".join(sorted({key for own in about.values() for key in own} - {"cluster"})) or "nothing"
            raise ValueError(f"problem {missing!r} has no {name}: its rows say of it: {known}")
    of = {name: cluster_of(own[0], clusters or "cluster") for name, own in sides[0].rows.items()}
    grouped = {}
    for name in by:
        members: dict[str, list[str]] = {}
        for one, own in about.items():
            members.setdefault(own[name], []).append(one)
        found = {value: _pairs(sides, ids, of, against_first) for value, ids in sorted(members.items())}
        _correct([pair for pairs in found.values() for pair in pairs])
        accuracies = {value: {one.name: _mean(one, members[value]) for one in sides} for value in found}
        grouped[name] = {
            value: {"n": len(members[value]), "accuracy": accuracies[value], "pairs": pairs} for value, pairs in found.items()
        }
    pairs = _pairs(sides, list(about), of, against_first)
    _correct(pairs)
    return {"evaluations": {one.name: _told(one, of) for one in sides}, "pairs": pairs, "by": grouped}


def _told(one: Compared, clusters: Mapping[str, str]) -> dict[str, Any]:
    """One evaluation by itself."""
    ids, rows = list(one.values), [row for own in one.rows.values() for row in own]
    right = sum(one.values.values())
    low, high = interval(list(one.values.values()), [clusters[name] for name in ids])
    k = one.k or 1
    spent = math.fsum(
        sum(row.prompt_flops for row in own) + k * sum(row.flops for row in own) / len(own) for own in one.rows.values()
    )
    return {
        "accuracy": right / len(ids),
        "ci_low": low,
        "ci_high": high,
        "n": len(ids),
        "texts": k,
        "tokens": k * sum(sum(row.tokens for row in own) / len(own) for own in one.rows.values()) / len(ids),
        "teraflops": None if math.isnan(spent) else spent / len(ids) / 1e12,  # old rows do not tell it, and JSON has no NaN
        "no_answer": {
            cause: sum(row.outcome == f"no answer{told}" for row in rows) / len(rows)
            for cause, told in (("cut", ", cut at the limit"), ("none stated", " stated"), ("unreadable", ", unreadable"))
        },
        "by_reading": readings(rows),
    }


def _pairs(
    sides: Sequence[Compared], ids: Sequence[str], clusters: Mapping[str, str], against_first: bool
) -> list[dict[str, Any]]:
    """The difference of every pair on these problems, with a bootstrap over clusters, and a test."""
    found = []
    for b, a in itertools.combinations(sides, 2):
        if against_first and b is not sides[0]:
            continue
        differences = [a.values[one] - b.values[one] for one in ids]
        own = [clusters[one] for one in ids]
        low, high = cluster_bootstrap(differences, own)
        whole = all(one.values[name] in (0, 1) for one in (a, b) for name in ids)
        exact = whole and len({*own}) == len(own)
        p = (
            mcnemar(*([bool(one.values[name]) for name in ids] for one in (a, b))).p
            if exact
            else sign_flip_test(differences, own)
        )
        found.append(
            {
                "a": a.name,
                "b": b.name,
                "difference": sum(differences) / len(ids),
                "ci_low": low,
                "ci_high": high,
                "only_a": sum(one > 0 for one in differences),
                "only_b": sum(one < 0 for one in differences),
                "p": p,
                "test": "McNemar" if exact else "sign flips",
            }
        )
    return found


def _correct(pairs: Sequence[dict[str, Any]]) -> None:
    """Adds the p-values by Holm, where there are several tests."""
    for pair, p in zip(pairs, holm([pair["p"] for pair in pairs]), strict=True):
        pair["p_holm"] = p


def _mean(one: Compared, ids: Sequence[str]) -> float:
    return sum(one.values[name] for name in ids) / len(ids)
