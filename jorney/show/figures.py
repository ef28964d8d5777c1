"""The report's figures, drawn by matplotlib and returned as SVG to stand inside a page.

No figure names a colour: each is drawn in stand-ins, which `svg` replaces by the page's CSS variables, so that one drawing
serves light and dark. Text stays text, set in the page's own font. Widths and sizes are CSS pixels.
"""

from __future__ import annotations

import dataclasses
import html
import io
import re
from collections.abc import Sequence
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from jorney.show import formats, tables

# The stand-ins, and the CSS variables they become.
INK, MUTED, RULE, ACCENT, QUIET = "#010101", "#020202", "#030303", "#040404", "#050505"
_VARIABLES = {INK: "--ink", MUTED: "--muted", RULE: "--rule", ACCENT: "--accent", QUIET: "--quiet"}

_PIXELS = 72  # to the inch: matplotlib's SVG counts in points, which the page takes for pixels
_TEXT = 12.5
_ROW = 48  # of the accuracy figure
_PANEL = 150  # of the training figure
_TOKENS = 240  # of the token figure
_NUMBER = 14  # the side of the square that a number takes there

STYLE: Any = {
    # matplotlib's defaults whatever the user's matplotlibrc says: equal reports are equal bytes. The backend is left alone,
    # figures are made without pyplot and need none.
    **{key: value for key, value in matplotlib.rcParamsDefault.items() if key != "backend"},
    "svg.fonttype": "none",
    "svg.hashsalt": "jorney",
    "font.size": _TEXT,
    "text.color": INK,
    "axes.edgecolor": RULE,
    "axes.labelcolor": MUTED,
    "axes.spines.left": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": RULE,
    "ytick.color": RULE,
    "xtick.labelcolor": MUTED,
    "ytick.labelcolor": MUTED,
    "grid.color": RULE,
}


@dataclasses.dataclass(frozen=True)
class Bar:
    """One model in the accuracy figure; the accuracy and its interval, where there is one, are shares between 0 and 1."""

    label: str
    accuracy: float
    interval: tuple[float, float] | None
    n: str
    control: bool = False


def accuracy_bars(report: tables.Report) -> list[Bar]:
    """What the accuracy figure shows: one bar for each model, then for each control, that has an accuracy."""
    bars = []
    for name, model, control in _measured(report):
        accuracy, low, high = (formats.number(model.get(key)) for key in ("accuracy", "ci_low", "ci_high"))
        if accuracy is not None:
            # Rounding may put a bound a hair on the wrong side of an accuracy of 0 or 1.
            interval = None if low is None or high is None else (min(low, accuracy), max(high, accuracy))
            bars.append(Bar(formats.label(name), accuracy, interval, formats.count(model.get("n")), control))
    return bars


def _measured(report: tables.Report) -> list[tuple[str, tables.Report, bool]]:
    """(name, numbers, whether it is a control) of all models and controls."""
    models = [(name, model, False) for name, model in tables.entries(report, "models").items()]
    return models + [(name, control, True) for name, control in tables.entries(report, "controls").items()]


def accuracy_text(bars: Sequence[Bar]) -> str:
    """The accuracy figure in words, for those who do not see it."""
    texts = []
    for bar in bars:
        interval = "" if bar.interval is None else " to ".join(map(formats.percent, bar.interval)) + ", "
        texts.append(f"{bar.label} {formats.percent(bar.accuracy)} ({interval}n = {bar.n})")
    return f"Bars of accuracy with 95% intervals: {'; '.join(texts)}."


def draw_accuracy(bars: Sequence[Bar], width: int) -> Figure:
    """Horizontal bars, the name and the numbers above each; the first model and the controls are the quiet ones."""
    with matplotlib.rc_context(STYLE):
        figure, (axes,) = panels(width, (len(bars) * _ROW,), columns=1, left=2, right=2)
        scale = limit(max(max(bar.interval or (bar.accuracy,)) for bar in bars))
        for i, bar in enumerate(bars):
            axes.barh(i, bar.accuracy, height=0.36, color=ACCENT if i and not bar.control else QUIET, alpha=0.6)
            if bar.interval is not None:
                errors = [[bar.accuracy - bar.interval[0]], [bar.interval[1] - bar.accuracy]]
                axes.errorbar(bar.accuracy, i, xerr=errors, color=INK, linewidth=1.4, capsize=4, capthick=1.4)
            name = _shorten(bar.label, width // 14)
            axes.text(0, i - 0.3, name, va="bottom", ha="left", weight="bold", parse_math=False)
            axes.text(
                scale, i - 0.3, f"{formats.percent(bar.accuracy)}, n = {bar.n}", va="bottom", ha="right", parse_math=False
            )
        axes.set_xlim(0, scale)
        axes.set_ylim(len(bars) - 0.5, -0.72)  # the first model on top
        axes.set_yticks([])
        axes.set_xticks([scale * i / 5 for i in range(6)], [f"{100 * scale * i / 5:g}%" for i in range(6)])
        # The outer labels turn inwards, or they would be cut off at the edges.
        axes.get_xticklabels()[0].set_horizontalalignment("left")
        axes.get_xticklabels()[-1].set_horizontalalignment("right")
        return figure


@dataclasses.dataclass(frozen=True)
class Point:
    """One model or control in the token figure: mean tokens a problem, accuracy and its interval."""

    label: str
    tokens: float
    accuracy: float
    interval: tuple[float, float]
    control: bool


def token_points(report: tables.Report) -> list[Point]:
    """What the token figure shows: models first, then controls, that have all the numbers."""
    points = []
    for name, model, control in _measured(report):
        values = [formats.number(model.get(key)) for key in ("mean_tokens", "accuracy", "ci_low", "ci_high")]
        if None not in values:
            tokens, accuracy, low, high = (float(value) for value in values if value is not None)
            points.append(Point(formats.label(name), tokens, accuracy, (min(low, accuracy), max(high, accuracy)), control))
    return points


def token_key(points: Sequence[Point]) -> str:
    """Which number is which point."""
    return "; ".join(f"{number} {point.label}" for number, point in enumerate(points, start=1)) + "."


def token_text(points: Sequence[Point]) -> str:
    """The token figure in words."""
    texts = [f"{p.label} {formats.percent(p.accuracy)} with {formats.decimal(p.tokens)} tokens" for p in points]
    return f"Accuracy against mean tokens: {'; '.join(texts)}."


def draw_tokens(points: Sequence[Point], width: int) -> Figure:
    """A numbered point with its interval for each; controls are hollow. Numbers never lie over one another."""
    with matplotlib.rc_context(STYLE):
        figure, (axes,) = panels(width, (_TOKENS,), columns=1, left=42, right=16, top=8, bottom=44)
        for point in points:
            errors = [[point.accuracy - point.interval[0]], [point.interval[1] - point.accuracy]]
            axes.errorbar(point.tokens, point.accuracy, yerr=errors, color=QUIET, linewidth=1, alpha=0.7)
            face = "none" if point.control else ACCENT
            axes.plot(point.tokens, point.accuracy, marker="o", markersize=7, color=ACCENT, markerfacecolor=face)
        axes.set_xlim(0, 1.12 * max(point.tokens for point in points))
        axes.set_ylim(0, limit(max(point.interval[1] for point in points)))
        axes.set_xlabel("Mean tokens a problem")
        axes.yaxis.set_major_formatter(lambda share, _: f"{100 * share:.0f}%")
        axes.grid(axis="y", linewidth=0.8)
        axes.set_axisbelow(True)
        axes.tick_params(axis="y", length=0)
        taken: list[tuple[float, float]] = []
        for number, point in enumerate(points, start=1):
            x, y = axes.transData.transform((point.tokens, point.accuracy))
            # Right of the point, or left, or ever further off, where no number stands yet.
            spots = [(x + dx, y + dy) for far in (0, 1, 2, 3) for dx in (13, -13) for dy in (far * _NUMBER, -far * _NUMBER)]
            spot = next((one for one in spots if not _near(one, taken)), spots[0])
            taken.append(spot)
            place = axes.transData.inverted().transform(spot)
            axes.text(float(place[0]), float(place[1]), str(number), ha="center", va="center", fontsize=10.5, clip_on=False)
        return figure


def _near(spot: tuple[float, float], taken: Sequence[tuple[float, float]]) -> bool:
    return any(abs(spot[0] - x) < _NUMBER and abs(spot[1] - y) < _NUMBER for x, y in taken)


@dataclasses.dataclass(frozen=True)
class Curve:
    """One quantity over the steps of a training stage."""

    label: str
    steps: tuple[float, ...]
    values: tuple[float, ...]


def training_curves(stage: tables.Report) -> list[Curve]:
    """What a training figure shows: the loss and the token accuracy at each recorded step, without what is not a number."""
    recorded = stage.get("curve")
    points = [point for point in recorded if isinstance(point, list | tuple)] if isinstance(recorded, list | tuple) else []
    curves = []
    for column, name in ((1, "Loss per token"), (2, "Token accuracy")):
        pairs = [(formats.number(p[0]), formats.number(p[column])) for p in points if len(p) > column]
        known = [(step, value) for step, value in pairs if step is not None and value is not None]
        if known:
            steps, values = zip(*known, strict=True)
            curves.append(Curve(name, steps, values))
    return curves


def training_text(label: str, curves: Sequence[Curve]) -> str:
    """A training figure in words."""
    texts = []
    for curve in curves:
        start, end = (f"{curve.values[i]:.3g} at step {formats.count(curve.steps[i])}" for i in (0, -1))
        texts.append(f"{curve.label.lower()} {start}, {end}")
    return f"Training of {label}: {'; '.join(texts)}."


def draw_training(curves: Sequence[Curve], width: int) -> Figure:
    """A panel for each curve, side by side where there is room."""
    with matplotlib.rc_context(STYLE):
        columns = len(curves) if width >= 600 else 1
        rows = (_PANEL,) * (len(curves) // columns)
        figure, places = panels(width, rows, columns, left=42, right=12, top=30, bottom=44)
        for axes, curve in zip(places, curves, strict=True):
            # One point alone draws no line.
            axes.plot(curve.steps, curve.values, color=ACCENT, linewidth=1.6, marker="o" if len(curve.steps) == 1 else "")
            axes.set_ylim(bottom=min(0, *curve.values))
            if curve.label == "Token accuracy":
                axes.set_ylim(0, 1)
                axes.yaxis.set_major_formatter(lambda share, _: f"{100 * share:.0f}%")
            axes.set_title(curve.label, loc="left", fontsize=_TEXT, fontweight="bold", pad=14, x=-42 / _inner(axes, width))
            axes.set_xlabel("Step")
            axes.locator_params(axis="x", nbins=5, integer=True)
            axes.grid(axis="y", linewidth=0.8)
            axes.set_axisbelow(True)
            axes.tick_params(axis="y", length=0)
        return figure


def svg(figure: Figure, name: str, text: str) -> str:
    """The figure as an `<svg>` element for a page: no ids but its own, no address, no colour, no font; equal bytes each time.

    Args:
      figure: drawn in this module's stand-in colours.
      name: begins the ids of this drawing, so that they are unique in the page; letters, digits and hyphens.
      text: what a screen reader says in its place.
    """
    buffer = io.StringIO()
    with matplotlib.rc_context(STYLE):
        # Without any metadata the block that would carry it, with its addresses and the date, is left out.
        empty = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        figure.savefig(buffer, format="svg", transparent=True, metadata=empty)
    drawing = buffer.getvalue()
    body = drawing[drawing.index(">", drawing.index("<svg")) + 1 : drawing.rindex("</svg>")]
    body = re.sub(r"<style.*?</style>", "", body, flags=re.DOTALL)  # its rule would reach the whole page
    body = re.sub(r"font-family: [^;\"]*;? ?", "", body)
    body = body.replace("xlink:href", "href")
    used = set(re.findall(r"(?:url\(|href=\")#([\w.-]+)", body))
    body = re.sub(r' id="([\w.-]+)"', lambda match: f' id="{name}-{match[1]}"' if match[1] in used else "", body)
    body = re.sub(r"(url\(|href=\")#", rf"\1#{name}-", body)
    for colour, variable in _VARIABLES.items():
        body = body.replace(colour, f"var({variable})")
    width, height = (round(inches * _PIXELS) for inches in figure.get_size_inches())
    size = f'viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
    return f'<svg {size} role="img" aria-label="{html.escape(text)}">{body}</svg>'


def panels(
    width: int, heights: Sequence[int], columns: int, left: int, right: int, top: int = 2, bottom: int = 26
) -> tuple[Figure, list[Axes]]:
    """A figure of `columns` panels in each row; margins, as `heights`, are in pixels and belong to every panel."""
    height = sum(heights) + len(heights) * (top + bottom)
    figure = Figure(figsize=(width / _PIXELS, height / _PIXELS), dpi=_PIXELS)
    cell, panels, y = width / columns, [], float(height)
    for row in heights:
        y -= top + row
        for column in range(columns):
            box = ((column * cell + left) / width, y / height, (cell - left - right) / width, row / height)
            panels.append(figure.add_axes(box))
        y -= bottom
    return figure, panels


def _inner(axes: Axes, width: int) -> float:
    """How many pixels wide the panel's inside is."""
    return float(axes.get_position().width) * width


def limit(highest: float) -> float:
    """Where the axis of accuracy ends: at 100%, or earlier where all would else be a sliver at its left."""
    return next((limit for limit in (0.1, 0.25, 0.5, 0.75) if highest <= limit), max(1.0, highest))


def _shorten(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 1].rstrip() + "…"
