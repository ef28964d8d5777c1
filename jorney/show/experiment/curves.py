"""The figures of an experiment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any, NamedTuple

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from jorney.run.recipes.experiment.measure import BUDGETS, JOURNEY, PASS, PLACEBO, SHORTCUT, UNTIL
from jorney.show import figures
from jorney.show.formats import label, mention, percent
from jorney.solve.statistics import cluster_bootstrap

Found = Mapping[str, Any]

# One look for each: a line's colour and dashes, a marker. What is not the model in question is quiet.
_LINES = {
    JOURNEY: (figures.ACCENT, "-", "o"),
    SHORTCUT: (figures.INK, "-", "s"),
    PLACEBO: (figures.QUIET, "-", "^"),
    UNTIL: (figures.INK, "--", "D"),
    PASS: (figures.QUIET, ":", "v"),
    "journey": (figures.ACCENT, "-", "o"),
    "shortcut": (figures.INK, "-", "s"),
}
_CURVES, _DOSES = 260, 190  # heights in pixels


class Point(NamedTuple):
    """Of a curve: mean tokens a problem, accuracy, and its interval where it is known."""

    tokens: float
    accuracy: float
    interval: tuple[float, float] | None = None


def mean_curves(found: Found) -> dict[str, list[Point]]:
    """Points by model, as means over seeds; a model's with intervals by clusters."""
    own = [one["curves"] for one in found["seeds"]]
    curves: dict[str, list[Point]] = {}
    for name in own[0]:
        curves[name] = []
        for budget, at in zip(BUDGETS, zip(*(one[name] for one in own), strict=True), strict=True):
            tokens, accuracy = (fmean(values) for values in zip(*at, strict=True))
            curves[name].append(Point(tokens, accuracy, _interval(found["outcomes"], name, budget)))
    return curves


def _interval(outcomes: Sequence[Found], model: str, budget: int) -> tuple[float, float] | None:
    """Of the share that a model solves within so many tokens."""
    if model not in outcomes[0]["tokens"]:
        return None
    solved = [float(one["correct"][model] and one["tokens"][model] <= budget) for one in outcomes]
    return cluster_bootstrap(solved, [one["cluster"] for one in outcomes], draws=2_000)


def curves_text(curves: Mapping[str, Sequence[Point]]) -> str:
    """The figure of tokens in words."""
    ends = [f"{mention(name)} {percent(one[-1].accuracy)} at {one[-1].tokens:.0f} tokens" for name, one in curves.items()]
    return f"Accuracy against mean generated tokens: {'; '.join(ends)}."


def draw_curves(curves: Mapping[str, Sequence[Point]], width: int) -> Figure:
    """A line for each model and control."""
    with matplotlib.rc_context(figures.STYLE):
        drawing, (axes,) = figures.panels(width, (_CURVES,), columns=1, left=42, right=16, top=70, bottom=44)
        for name, points in curves.items():
            colour, dashes, marker = _LINES[name]
            x = [point.tokens for point in points]
            axes.plot(
                x,
                [point.accuracy for point in points],
                color=colour,
                linestyle=dashes,
                marker=marker,
                markersize=4.5,
                linewidth=1.4,
                label=label(name),
            )
            if all(point.interval for point in points):
                low, high = zip(*(point.interval or () for point in points), strict=True)
                axes.fill_between(x, low, high, color=colour, alpha=0.13, linewidth=0)
        axes.set_xlabel("Mean tokens a problem")
        axes.set_xlim(0, None)
        _shares(axes, max(point.accuracy for points in curves.values() for point in points))
        columns = 3 if width > 500 else 2
        drawing.legend(*axes.get_legend_handles_labels(), loc="upper left", ncols=columns, frameon=False, fontsize=11)
        return drawing


def draw_dose(group: str, rows: Sequence[Found], width: int) -> Figure:
    """Accuracy with its interval at each dose, a line for each kind of thoughts."""
    doses = list(dict.fromkeys(row["dose"] for row in rows))
    with matplotlib.rc_context(figures.STYLE):
        drawing, (axes,) = figures.panels(width, (_DOSES,), columns=1, left=42, right=16, top=30, bottom=44)
        for kind in dict.fromkeys(row["kind"] for row in rows):
            own = [row for row in rows if row["kind"] == kind]
            colour, dashes, marker = _LINES[kind]
            x, y = [doses.index(row["dose"]) for row in own], [row["accuracy"] for row in own]
            errors = [[row["accuracy"] - row["ci_low"] for row in own], [row["ci_high"] - row["accuracy"] for row in own]]
            axes.errorbar(
                x, y, errors, color=colour, linestyle=dashes, marker=marker, markersize=5, linewidth=1.4, label=label(kind)
            )
        axes.set_xticks(range(len(doses)), doses)
        axes.set_xlim(-0.5, len(doses) - 0.5)
        axes.set_xlabel(label(group))
        _shares(axes, max(row["ci_high"] for row in rows))
        drawing.legend(*axes.get_legend_handles_labels(), loc="upper left", ncols=2, frameon=False, fontsize=11)
        return drawing


def _shares(axes: Axes, highest: float) -> None:
    axes.set_ylim(0, figures.limit(highest))
    axes.yaxis.set_major_formatter(lambda share, _: f"{100 * share:.0f}%")
    axes.grid(axis="y", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(axis="y", length=0)
