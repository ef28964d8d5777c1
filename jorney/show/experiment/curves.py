"""The figures of an experiment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from statistics import fmean
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from jorney.show import canvas
from jorney.show.document import Drawing, Report
from jorney.show.figures import Curve
from jorney.show.formats import label, mention, percent
from jorney.show.names import BUDGETS, JOURNEY, PASS, PLACEBO, SHORTCUT, UNTIL
from jorney.solve.statistics import cluster_bootstrap

_JOURNEY: dict[str, Any] = {"color": canvas.ACCENT, "linestyle": "-", "marker": "o"}
_SHORTCUT: dict[str, Any] = {"color": canvas.INK, "linestyle": "-", "marker": "s"}
# One look for each. What is not the model in question is quiet.
_LOOKS: dict[str, dict[str, Any]] = {
    JOURNEY: _JOURNEY,
    SHORTCUT: _SHORTCUT,
    PLACEBO: {"color": canvas.QUIET, "linestyle": "-", "marker": "^"},
    UNTIL: {"color": canvas.INK, "linestyle": "--", "marker": "D"},
    PASS: {"color": canvas.QUIET, "linestyle": ":", "marker": "v"},
    "journey": _JOURNEY,
    "shortcut": _SHORTCUT,
}
_CURVES, _DOSES = 260, 190  # heights in pixels


def drawing(found: Report) -> Drawing:
    """Accuracy against generated tokens."""
    curves = mean_curves(found)
    caption = (
        "Mean over seeds, models with 95% intervals. Models are cut off at a limit; attempts of the shortcut model are "
        "spent up to a budget."
    )
    ends = [f"{mention(name)} {percent(one.values[-1])} at {one.steps[-1]:.0f} tokens" for name, one in curves.items()]
    words = f"Accuracy against mean generated tokens: {'; '.join(ends)}."
    return Drawing("curves", partial(draw_curves, curves), words, caption)


def mean_curves(found: Report) -> dict[str, Curve]:
    """Accuracy over mean tokens a problem by model, as means over seeds; a model's with intervals by clusters."""
    curves = {}
    for name in found["seeds"][0]["curves"]:
        seeds = (one["curves"][name] for one in found["seeds"])
        tokens, accuracies = zip(*(map(fmean, zip(*at, strict=True)) for at in zip(*seeds, strict=True)), strict=True)
        curves[name] = Curve(label(name), tokens, accuracies, _intervals(found["outcomes"], name))
    return curves


def _intervals(outcomes: Sequence[Report], model: str) -> tuple[tuple[float, ...], ...]:
    """Of the shares that a model solves within so many tokens; empty where that is not known."""
    if model not in outcomes[0]["tokens"]:
        return ()
    clusters = [one["cluster"] for one in outcomes]
    solved = ([float(one["correct"][model] and one["tokens"][model] <= budget) for one in outcomes] for budget in BUDGETS)
    return tuple(zip(*(cluster_bootstrap(values, clusters, draws=2_000) for values in solved), strict=True))


@canvas.styled
def draw_curves(curves: Mapping[str, Curve], width: int) -> Figure:
    """A line for each model and control."""
    figure, (axes,) = canvas.panels(width, (_CURVES,), top=70)
    for name, curve in curves.items():
        axes.plot(curve.steps, curve.values, **_LOOKS[name], markersize=4.5, linewidth=1.4, label=curve.label)
        if curve.interval:
            low, high = curve.interval
            axes.fill_between(curve.steps, low, high, color=_LOOKS[name]["color"], alpha=0.13, linewidth=0)
    axes.set(xlabel="Mean tokens a problem", xlim=(0, None))
    _finish(figure, axes, max(max(curve.values) for curve in curves.values()), 3 if width > 500 else 2)
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
    axes.set(xticks=range(len(doses)), xticklabels=doses, xlim=(-0.5, len(doses) - 0.5), xlabel=label(group))
    _finish(figure, axes, max(row["ci_high"] for row in rows), 2)
    return figure


def _finish(figure: Figure, axes: Axes, highest: float, columns: int) -> None:
    """An axis of accuracies up to the highest, and a legend."""
    canvas.rules(axes, canvas.limit(highest))
    figure.legend(*axes.get_legend_handles_labels(), loc="upper left", ncols=columns, frameon=False, fontsize=11)
