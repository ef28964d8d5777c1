"""A report's figures: accuracy, accuracy against tokens, training curves; what each shows, in words and drawn."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Sequence
from functools import partial

from matplotlib.figure import Figure

from jorney.show import canvas, formats, point_names
from jorney.show.document import Drawing, Report, entries

# Heights in pixels: of a row of the accuracy figure, of a training panel, of the token figure.
_ROW, _PANEL, _TOKENS = 48, 150, 240


@dataclasses.dataclass(frozen=True)
class ModelResult:
    """One model or control in the figures of accuracy.

    Attributes:
      accuracy, interval: shares between 0 and 1; the interval is None where it is not known.
      tokens: the mean a problem, NaN where it is not known; a bar shows nothing of it.
    """

    label: str
    accuracy: float
    interval: tuple[float, float] | None
    n: str
    control: bool = False
    tokens: float = dataclasses.field(default=math.nan, compare=False)


def accuracy_bars(report: Report) -> list[ModelResult]:
    """What the accuracy figure shows: one bar for each model, then for each control, that has an accuracy."""
    found = []
    parts = entries(report, "models"), entries(report, "controls")
    for control, (name, model) in ((part is parts[1], one) for part in parts for one in part.items()):
        accuracy, low, high, tokens = map(formats.number, map(model.get, ("accuracy", "ci_low", "ci_high", "mean_tokens")))
        if accuracy is not None:
            # Rounding may put a bound a hair on the wrong side of an accuracy of 0 or 1.
            interval = None if low is None or high is None else (min(low, accuracy), max(high, accuracy))
            spent = math.nan if tokens is None else tokens
            found.append(ModelResult(formats.label(name), accuracy, interval, formats.count(model.get("n")), control, spent))
    return found


def token_points(report: Report) -> list[ModelResult]:
    """What the token figure shows: models first, then controls, that have all the numbers."""
    return [bar for bar in accuracy_bars(report) if bar.interval and not math.isnan(bar.tokens)]


def accuracy(report: Report, caption: str) -> Drawing | None:
    """Bars of accuracy."""
    bars = accuracy_bars(report)
    return Drawing("accuracy", partial(draw_accuracy, bars), accuracy_text(bars), caption) if bars else None


def accuracy_text(bars: Sequence[ModelResult]) -> str:
    """The accuracy figure in words, for those who do not see it."""
    texts = []
    for bar in bars:
        interval = "" if bar.interval is None else " to ".join(map(formats.percent, bar.interval)) + ", "
        texts.append(f"{bar.label} {formats.percent(bar.accuracy)} ({interval}n = {bar.n})")
    return f"Bars of accuracy with 95% intervals: {'; '.join(texts)}."


@canvas.styled
def draw_accuracy(bars: Sequence[ModelResult], width: int) -> Figure:
    """Horizontal bars, the name and the numbers above each; the first model and the controls are the quiet ones."""
    figure, (axes,) = canvas.panels(width, (len(bars) * _ROW,), left=2, right=2, top=2, bottom=26)
    scale = canvas.limit(max(max(bar.interval or (bar.accuracy,)) for bar in bars))
    for i, bar in enumerate(bars):
        colour = canvas.ACCENT if i and not bar.control else canvas.QUIET
        axes.barh(i, bar.accuracy, height=0.36, color=colour, alpha=0.6)
        if errors := canvas.errors(bar.accuracy, bar.interval):
            axes.errorbar(bar.accuracy, i, xerr=errors, color=canvas.INK, linewidth=1.4, capsize=4, capthick=1.4)
        numbers = f"{formats.percent(bar.accuracy)}, n = {bar.n}"
        axes.text(0, i - 0.3, _shorten(bar.label, width // 14), va="bottom", ha="left", weight="bold", parse_math=False)
        axes.text(scale, i - 0.3, numbers, va="bottom", ha="right", parse_math=False)
    axes.set(xlim=(0, scale), ylim=(len(bars) - 0.5, -0.72), yticks=[])  # the first model on top
    axes.set_xticks([scale * i / 5 for i in range(6)], [f"{100 * scale * i / 5:g}%" for i in range(6)])
    # The outer labels turn inwards, or they would be cut off at the edges.
    axes.get_xticklabels()[0].set_horizontalalignment("left")
    axes.get_xticklabels()[-1].set_horizontalalignment("right")
    return figure


def tokens(report: Report) -> Drawing | None:
    """Accuracy against tokens, where these differ."""
    points = token_points(report)
    caption = "Accuracy against the tokens that a problem took on average. Hollow points are controls."
    texts = [f"{p.label} {formats.percent(p.accuracy)} with {formats.decimal(p.tokens)} tokens" for p in points]
    words = f"Accuracy against mean tokens: {'; '.join(texts)}."
    differ = len({point.tokens for point in points}) > 1
    return Drawing("tokens", partial(draw_tokens, points), words, caption) if differ else None


@canvas.styled
def draw_tokens(points: Sequence[ModelResult], width: int) -> Figure:
    """A point with its interval and its name for each; controls are hollow."""
    figure, (axes,) = canvas.panels(width, (_TOKENS,), top=8)
    for point in points:
        errors = canvas.errors(point.accuracy, point.interval)
        axes.errorbar(point.tokens, point.accuracy, yerr=errors, color=canvas.QUIET, linewidth=1, alpha=0.7)
        face = "none" if point.control else canvas.ACCENT
        axes.plot(point.tokens, point.accuracy, marker="o", markersize=7, color=canvas.ACCENT, markerfacecolor=face)
    axes.set(xlim=(0, 1.12 * max(point.tokens for point in points)), xlabel="Mean tokens a problem")
    canvas.rules(axes, canvas.limit(max(max(point.interval or (point.accuracy,)) for point in points)))
    point_names.write(axes, [(point.tokens, point.accuracy) for point in points], [point.label for point in points])
    return figure


@dataclasses.dataclass(frozen=True)
class Curve:
    """One quantity over another; where known, the low and the high ends of its intervals."""

    label: str
    steps: tuple[float, ...]
    values: tuple[float, ...]
    interval: tuple[tuple[float, ...], ...] = ()


# What a training's loss and accuracy are of, by the stage's name.
_MEASURES = {"dpo": ("Loss per pair", "Pairs ranked right"), "prm": ("Loss per step label", "Labels read right")}
_OF_TOKENS = "Loss per token", "Token accuracy"


def training_curves(stage: Report, name: str = "") -> list[Curve]:
    """What a training figure shows: the loss and the accuracy at each recorded step, without what is not a number.

    Args:
      name: the stage's, which says what is learned.
    """
    recorded = stage.get("curve")
    points = [point for point in recorded if isinstance(point, list | tuple)] if isinstance(recorded, list | tuple) else []
    curves = []
    for column, title in enumerate(_MEASURES.get(name, _OF_TOKENS), start=1):
        pairs = [(formats.number(p[0]), formats.number(p[column])) for p in points if len(p) > column]
        known = [(step, value) for step, value in pairs if step is not None and value is not None]
        if known:
            curves.append(Curve(title, *zip(*known, strict=True)))
    return curves


def training(report: Report) -> Iterator[Drawing]:
    """The curves of every training stage that recorded any."""
    for i, (name, stage) in enumerate(entries(report, "training").items()):
        title, curves = formats.label(name), training_curves(stage, name)
        if curves:
            words, caption = training_text(title, curves), f"{title}, over its training steps."
            yield Drawing(f"training{i}", partial(draw_training, curves), words, caption)


def training_text(label: str, curves: Sequence[Curve]) -> str:
    """A training figure in words."""
    texts = [
        f"{curve.label.lower()} " + ", ".join(f"{curve.values[i]:.3g} at step {formats.count(curve.steps[i])}" for i in (0, -1))
        for curve in curves
    ]
    return f"Training of {label}: {'; '.join(texts)}."


@canvas.styled
def draw_training(curves: Sequence[Curve], width: int) -> Figure:
    """A panel for each curve, side by side where there is room."""
    columns = len(curves) if width >= 600 else 1
    figure, places = canvas.panels(width, (_PANEL,) * (len(curves) // columns), columns, right=12)
    for axes, curve in zip(places, curves, strict=True):
        marker = "o" if len(curve.steps) == 1 else ""  # one point alone draws no line
        axes.plot(curve.steps, curve.values, color=canvas.ACCENT, linewidth=1.6, marker=marker)
        axes.set(ylim=(min(0, *curve.values), None), xlabel="Step")
        x = -42 / (axes.get_position().width * width)  # at the panel's left edge, margin and all
        axes.set_title(curve.label, loc="left", fontsize=canvas.TEXT, fontweight="bold", pad=14, x=x)
        axes.locator_params(axis="x", nbins=5, integer=True)
        canvas.rules(axes, None if curve.label.startswith("Loss") else 1)
    return figure


def _shorten(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 1].rstrip() + "…"
