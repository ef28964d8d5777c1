"""The tables of `preference_kinds.py`, of its rows alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from statistics import fmean
from typing import Any

from jorney.solve.statistics import cluster_bootstrap, holm, sign_flip_test

START = "start"
AGAIN = {"again": 1}  # what stands in "more" of a start that was made anew, on the machine of REMADE
REMADE = ("first-error",)  # arms that started from it
MARGIN, LEVEL = 0.03, 0.01  # of the bar
LOG_PROBS = "log p of the chosen | of the rejected"
NAMES = {
    START: "journeys, the start",
    f"{START} again": "the start, made anew, of `first-error`",
    "leaf": "`leaf`: whole solutions",
    "first-error": "`first-error`",
    "step": "`step`",
    "subtree": "`subtree`",
    "journey": "`journey`",
    "exchanged": "*control:* {best} pairs, sides exchanged at random",
    "chosen-sft": "*control:* SFT on the chosen sides of {best} pairs",
}

Row = dict[str, Any]


def of_test(rows: Sequence[Row]) -> dict[str, list[Row]]:
    """{arm: its rows on "test", by seed}, of arms with all the start's seeds, in the order of NAMES."""
    found = {arm: _rows(rows, arm, {}) for arm in NAMES}
    count = len(found[START])
    return {arm: own for arm, own in found.items() if own and len(own) == count}


def _rows(rows: Sequence[Row], arm: str, more: Row) -> list[Row]:
    """An arm's on "test", by seed."""
    found = [row for row in rows if (row["set"], row["arm"], row["more"]) == ("test", arm, more)]
    return sorted(found, key=lambda row: row["seed"])


def outcomes(arm: Sequence[Row]) -> list[float]:
    """1 or 0 for every problem of every seed."""
    return [float(digit) for row in arm for digit in row["right"]]


def clusters(arm: Sequence[Row]) -> list[str]:
    """The numbers of every problem of every seed, whatever their target."""
    return [name.rsplit("-", 1)[0] for row in arm for name in row["problems"]]


def beside(arm: Sequence[Row], other: Sequence[Row]) -> dict[str, float]:
    """What an arm solves more than another, paired on problems, in shares.

    Raises:
      ValueError: they were not asked the same problems.
    """
    if [row["problems"] for row in arm] != [row["problems"] for row in other]:
        raise ValueError(f"{arm[0]['arm']} and {other[0]['arm']}: expected rows of the same seeds and problems")
    gaps, own = [a - b for a, b in zip(outcomes(arm), outcomes(other), strict=True)], clusters(arm)
    low, high = cluster_bootstrap(gaps, own)
    more, fewer = sum(gap > 0 for gap in gaps), sum(gap < 0 for gap in gaps)
    return {"gap": fmean(gaps), "low": low, "high": high, "more": more, "fewer": fewer, "p": sign_flip_test(gaps, own)}


def tables(rows: Sequence[Row], best: str = "") -> Iterator[str]:
    """Markdown: what each arm solves of "test", how it goes about it, and its training; then whether the bar is met.

    Args:
      best: the kind that was best on "tuning".
    """
    arms = of_test(rows)
    start = arms.pop(START, [])
    if not arms:
        return
    again = _rows(rows, START, AGAIN)
    found = {arm: beside(own, again if arm in REMADE else start) for arm, own in arms.items()}
    corrected = dict(zip(found, holm([one["p"] for one in found.values()]), strict=True))
    seeds = " | ".join(f"seed {row['seed']}" for row in start)
    yield f"| learned | {seeds} | mean (95% interval) | beside the start, points | only it / only the start | p | p (Holm) |"
    yield "|" + "---|" * (len(start) + 6)
    for arm, own in [(START, start), *([(f"{START} again", again)] if again else []), *arms.items()]:
        low, high = cluster_bootstrap(outcomes(own), clusters(own))
        cells = [_name(arm, best), *(f"{row['summary']['accuracy']:.1%}" for row in own)]
        cells.append(f"{fmean(outcomes(own)):.1%} ({low:.1%} to {high:.1%})")
        if one := found.get(arm):
            cells.append(f"{100 * one['gap']:+.1f} ({100 * one['low']:+.1f} to {100 * one['high']:+.1f})")
            cells += [f"{one['more']:.0f} / {one['fewer']:.0f}", _p(one["p"]), _p(corrected[arm])]
        yield _row(cells + [""] * (len(start) + 6 - len(cells)))
    yield ""
    yield "| learned | first attempt | recovers | backtracks justified | true equations | tokens | cut of 1,000 |"
    yield "|" + "---|" * 7
    for arm, own in [(START, start), *arms.items()]:
        told = [_mean(own, name) for name in ("first_attempt_accuracy", "recovery_rate")]
        shares = [f"{one:.1%}" for one in [*told, _mean(own, "justified_backtracks"), _mean(own, "true_equations")]]
        cut = 1000 * sum(row["summary"]["cut"] for row in own) / len(outcomes(own))
        yield _row([_name(arm, best), *shares, f"{_mean(own, 'mean_tokens'):.0f}", f"{cut:.0f}"])
    yield ""
    heads = "beta | rate | smoothing | pairs x epochs | updates | completion tokens | all tokens | shorter wins"
    yield f"| learned | {heads} | prefers the chosen | {LOG_PROBS} | FLOPs of training a seed |"
    yield "|" + "---|" * 13
    for arm, own in arms.items():
        yield _row([_name(arm, best), *_training(own)])
    if best in found:
        one = found[best]
        met = "met" if one["gap"] >= MARGIN and one["p"] < LEVEL else "not met"
        yield ""
        yield f"The bar ({_name(best, best)}, best on tuning; +{100 * MARGIN:.0f} points, p < {LEVEL}): {met}."


def tuned(rows: Sequence[Row]) -> Iterator[str]:
    """Markdown: what each setting solves of "tuning", and what it did to the pairs held out."""
    own = [row for row in rows if row["set"] == "tuning"]
    if not own:
        return
    behaviour = ("accuracy", "first_attempt_accuracy", "recovery_rate", "justified_backtracks")
    heads = "accuracy | first attempt | recovers | justified | cut | prefers the chosen"
    yield f"| learned | beta | rate | smoothing | besides | {heads} | {LOG_PROBS} |"
    yield "|" + "---|" * 13
    for row in sorted(own, key=lambda row: (list(NAMES).index(row["arm"]), str(row["more"]), *_values(row["setting"]))):
        more = ", ".join(f"{name} {value}" for name, value in row["more"].items())
        cells = [f"{row['summary'][name]:.1%}" for name in behaviour]
        held = [row["trained"]["held_out"]] if row["setting"] else []
        told = [_prefers(held), *_moved(held)] if held else [""] * 3
        yield _row([_name(row["arm"], ""), *_values(row["setting"]), more, *cells, str(row["summary"]["cut"]), *told])


def _values(setting: dict[str, Any] | None) -> list[str]:
    """Cells of a setting: beta, rate, smoothing."""
    if setting is None:
        return ["", "", ""]
    return [f"{setting['beta']:g}", f"{setting['rate']:.0e}".replace("e-0", "e-"), setting["smoothing"]]


def _prefers(held: Sequence[dict[str, float]]) -> str:
    """From where to where the share of pairs went whose chosen side is the likelier."""
    return " to ".join(f"{fmean(one[f'prefers_{when}'] for one in held):.1%}" for when in ("before", "after"))


def _training(own: Sequence[Row]) -> list[str]:
    """Cells of what a training was, and did to the pairs held out, over the seeds."""
    trained = [row["trained"] for row in own]
    pairs = " / ".join(f"{one['pairs']:,}" for one in trained)
    epochs = " / ".join(str(one["epochs"]) for one in trained)
    held = [one["held_out"] for one in trained]
    return [
        *_values(own[0]["setting"]),
        f"{pairs} x {epochs}",
        *(f"{fmean(one[name] for one in trained):,.0f}" for name in ("updates", "completion_tokens", "tokens")),
        f"{fmean(one['shorter_wins'] for one in trained):.1%}",
        _prefers(held),
        *_moved(held),
        f"{6 * own[0]['parameters'] * fmean(one['tokens'] for one in trained):.1e}",
    ]


def _moved(held: Sequence[dict[str, float]]) -> list[str]:
    """From where to where the log-probabilities of both sides went."""
    sides = ("chosen", "rejected")
    return [
        " to ".join(f"{fmean(one[f'{side}_{when}'] for one in held):.2f}" for when in ("before", "after")) for side in sides
    ]


def _mean(own: Sequence[Row], name: str) -> float:
    return fmean(row["summary"][name] or 0.0 for row in own)


def _name(arm: str, best: str) -> str:
    return NAMES[arm].format(best=f"`{best}`")


def _p(value: float) -> str:
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"
