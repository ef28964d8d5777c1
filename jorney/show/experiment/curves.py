"""The figures of an experiment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any, NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from jorney.show import canvas
from jorney.show.canvas import ACCENT, INK, QUIET
from jorney.show.document import Report
from jorney.show.formats import label, mention, percent
from jorney.show.names import BUDGETS, JOURNEY, PASS, PLACEBO, SHORTCUT, UNTIL
from jorney.solve.statistics import cluster_bootstrap

_JOURNEY: dict[str, Any] = {"color": ACCENT, "linestyle": "-", "marker": "o"}
_SHORTCUT: dict[str, Any] = {"color": INK, "linestyle": "-", "marker": "s"}
# One look for each. What is not the model in question is quiet.
_LOOKS: dict[str, dict[str, Any]] = {
    JOURNEY: _JOURNEY,
    SHORTCUT: _SHORTCUT,
    PLACEBO: {"color": QUIET, "linestyle": "-", "marker": "^"},
    UNTIL: {"color": INK, "linestyle": "--", "marker": "D"},
    PASS: {"color": QUIET, "linestyle": ":", "marker": "v"},
    "journey": _JOURNEY,
    "shortcut": _SHORTCUT,
}
_CURVES, _DOSES = 260, 190  # heights in pixels


class CurvePoint(NamedTuple):
    """Mean tokens a problem, accuracy, and its interval where it is known."""

    tokens: float
    accuracy: float
    interval: tuple[float, float] | None = None


def mean_curves(found: Report) -> dict[str, list[CurvePoint]]:
    """Points by model, as means over seeds; a model's with intervals by clusters."""
    own = [one["curves"] for one in found["seeds"]]
    curves: dict[str, list[CurvePoint]] = {}
    for name in own[0]:
        curves[name] = []
        for budget, at in zip(BUDGETS, zip(*(one[name] for one in own), strict=True), strict=True):
            tokens, accuracy = (fmean(values) for values in zip(*at, strict=True))
            curves[name].append(CurvePoint(tokens, accuracy, _interval(found["outcomes"], name, budget)))
    return curves


def _interval(outcomes: Sequence[Report], model: str, budget: int) -> tuple[float, float] | None:
    """Of the share that a model solves within so many tokens."""
    if model not in outcomes[0]["tokens"]:
        return None
    solved = [float(one["correct"][model] and one["tokens"][model] <= budget) for one in outcomes]
    return cluster_bootstrap(solved, [one["cluster"] for one in outcomes], draws=2_000)


def curves_text(curves: Mapping[str, Sequence[CurvePoint]]) -> str:
    """The figure of tokens in words."""
    ends = [f"{mention(name)} {percent(one[-1].accuracy)} at {one[-1].tokens:.0f} tokens" for name, one in curves.items()]
    return f"Accuracy against mean generated tokens: {'; '.join(ends)}."


@canvas.styled
def draw_curves(curves: Mapping[str, Sequence[CurvePoint]], width: int) -> Figure:
    """A line for each model and control."""
    figure, (axes,) = canvas.panels(width, (_CURVES,), top=70)
    for name, points in curves.items():
        tokens, accuracies, intervals = zip(*points, strict=True)
        axes.plot(tokens, accuracies, **_LOOKS[name], markersize=4.5, linewidth=1.4, label=label(name))
        if all(intervals):
            low, high = zip(*intervals, strict=True)
            axes.fill_between(tokens, low, high, color=_LOOKS[name]["color"], alpha=0.13, linewidth=0)
    axes.set_xlabel("Mean tokens a problem")
    axes.set_xlim(0, None)
    _finish(figure, axes, max(point.accuracy for points in curves.values() for point in points), 3 if width > 500 else 2)
    return figure


@canvas.styled
def draw_dose(group: str, rows: Sequence[Report], width: int) -> Figure:
    """Accuracy with its interval at each dose, a line for each kind of thoughts."""
    doses = list(dict.fromkeys(row["dose"] for row in rows))
    figure, (axes,) = canvas.panels(width, (_DOSES,))
    for kind in dict.fromkeys(row["kind"] for row in rows):
        own = [row for row in rows if row["kind"] == kind]
        x, y = [doses.index(row["dose"]) for row in own], [row["accuracy"] for row in own]
        errors = [[row["accuracy"] - row["ci_low"] for row in own], [row["ci_high"] - row["accuracy"] for row in own]]
        axes.errorbar(x, y, errors, **_LOOKS[kind], markersize=5, linewidth=1.4, label=label(kind))
    axes.set_xticks(range(len(doses)), doses)
    axes.set_xlim(-0.5, len(doses) - 0.5)
    axes.set_xlabel(label(group))
    _finish(figure, axes, max(row["ci_high"] for row in rows), 2)
    return figure


def _finish(figure: Figure, axes: Axes, highest: float, columns: int) -> None:
    """An axis of accuracies up to the highest, and a legend."""
    axes.set_ylim(0, canvas.limit(highest))
    canvas.rules(axes)
    figure.legend(*axes.get_legend_handles_labels(), loc="upper left", ncols=columns, frameon=False, fontsize=11)
