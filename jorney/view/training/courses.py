"""The courses of trainings, laid over each other: which figures there are, smoothed, thinned, and drawn."""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from jorney.show.page import escape
from jorney.view.plots import Line, figure, line, plain
from jorney.view.training.recorded import Recorded, held_out
from jorney.view.training.scales import SCALES

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

MOST_POINTS = 5_000  # of a line
_MARKS = 12  # markers on a line
# Figures by what they are about; the first expression that matches says where one belongs.
GROUPS: Mapping[str, re.Pattern[str]] = {
    "loss": re.compile(r"loss$|^held_out"),
    "accuracy": re.compile(r"^(eval/)?(accuracy|pass_at_\w+|auc|f1)$"),
    "reward": re.compile(r"^(eval/)?rewards?(_|/|$)|^frac_|_reward$|^margin$|_log_prob$"),
    "entropy and ratios": re.compile(r"^entropy|^kl|^clip_ratio/|^ratio/|^sampling/"),
    "lengths": re.compile(r"length|clipped_ratio|^num_tokens$"),
    "behaviour": re.compile(r"excursion|first_attempt|backtrack|recovery"),
    "optimisation": re.compile(r"^grad|^learning_rate$|^padding$|^count$|^groups$|^attempts$|norm$"),
    "throughput": re.compile(r"^seconds|per_second|^mfu|memory|goodput"),
    "others": re.compile(r""),
}
# Figures of held-out problems that stand in the figure of what is learned from, where their names differ.
_BESIDE = {
    "held_out_loss": "loss",
    "eval/mean_length": "completions/mean_length",
    "eval/clipped_ratio": "completions/clipped_ratio",
}


def beside(name: str) -> str:
    """The figure that a held-out one is drawn in, as marks: `accuracy` of `eval/accuracy`; itself of any other."""
    return _BESIDE.get(name, name.removeprefix("eval/"))


def grouped(runs: Sequence[Recorded]) -> dict[str, list[str]]:
    """{group: names of the figures that at least one training has}; held-out ones stand in the figure of `beside`."""
    known = list(dict.fromkeys(name for run in runs for name in run.values if run.has(name)))
    shown = [name for name in known if not held_out(name) or beside(name) not in known]
    found: dict[str, list[str]] = {group: [] for group in GROUPS}
    for name in shown:
        found[next(group for group, belongs in GROUPS.items() if belongs.search(name))].append(name)
    return {group: names for group, names in found.items() if names}


def smoothed(values: np.ndarray, weight: float) -> np.ndarray:
    """The exponential mean of values so far, debiased: the first is itself. NaN stays, and is no part of the mean.

    Args:
      values: [S].
      weight: of what came before, from 0, which changes nothing, to less than 1.

    Raises:
      ValueError: the weight is another.
    """
    if not 0 <= weight < 1:
        raise ValueError(f"smoothing = {weight}: expected 0 or more, and less than 1")
    found, known = np.full(len(values), np.nan), np.isfinite(values)
    means = itertools.accumulate(values[known].tolist(), lambda mean, value: weight * mean + (1 - weight) * value, initial=0.0)
    # 1 - weight**n is the sum of the weights so far (Adam's correction).
    found[known] = np.array(list(means)[1:]) / (1 - weight ** np.arange(1, known.sum() + 1))
    return found


def thinned(y: np.ndarray, most: int = MOST_POINTS) -> np.ndarray:
    """Indices, rising, of at most `most` points that draw as all do: the lowest and the highest of each stretch, and both ends.

    Args:
      y: [S]; points that are NaN are not among them.
      most: 4 or more.
    """
    known = np.flatnonzero(np.isfinite(y))
    if len(known) <= most:
        return known
    stretches = np.array_split(known, (most - 2) // 2)
    extremes = [own[[np.argmin(y[own]), np.argmax(y[own])]] for own in stretches]
    return np.unique(np.concatenate([known[[0, -1]], *extremes]))


def drawn(
    runs: Sequence[Recorded],
    name: str,
    x: str = "step",
    smoothing: float = 0.0,
    log_x: bool = False,
    log_y: bool = False,
    dark: bool = False,
    height: int = 320,
    legend: bool = True,
) -> Figure:
    """A figure of trainings over each other: the raw line faint behind the smoothed one, what was held out as open marks.

    A training keeps its colour, dash and marker in all figures: they go by its place in `runs`.

    Args:
      name: of the figure, one of `grouped`.
      x: a key of SCALES; trainings that do not tell it are left out (see `missing`).
      smoothing: see `smoothed`.
      log_x, log_y: logarithmic axes, on which values of 0 or less cannot stand.
      legend: whether the figure has one of its own; of several figures `legend_html` is shared.

    Raises:
      ValueError: `x` or `smoothing` is none.
    """
    if x not in SCALES:
        raise ValueError(f"x = {x!r}: expected one of {', '.join(SCALES)}")
    traces: list[Any] = []
    for at, run in enumerate(runs):
        if (places := SCALES[x].of(run)) is None:
            continue
        style, title = line(at, dark), plain(run.name)
        learned = run.values[name] if run.has(name) and not held_out(name) else None
        if learned is not None:
            over = np.where(np.isfinite(places) & ~(log_x & (places <= 0)), learned, np.nan)
            traces += _lines(places, over, style, title, f"run{at}", smoothing, log_y)
        for other in sorted(one for one in run.values if run.has(one) and held_out(one) and name in (one, beside(one))):
            traces.append(_held_out(places, run.values[other], style, title, f"run{at}", learned is None, log_y))
    axes = {f"{axis}axis_type": "log" for axis, log in (("x", log_x), ("y", log_y)) if log}
    return figure(traces, SCALES[x].title, name, dark, height, showlegend=legend, **axes)


def _lines(x: np.ndarray, y: np.ndarray, style: Line, title: str, group: str, smoothing: float, log_y: bool) -> list[Any]:
    """The line of a training; where it is smoothed, the raw one behind it."""
    from plotly.graph_objects import Scatter

    means, traces = smoothed(y, smoothing), []
    if smoothing:
        kept = _visible(y, log_y)
        raw = {"color": style.colour, "width": 1}
        more: dict[str, Any] = {"opacity": 0.28, "showlegend": False, "hoverinfo": "skip", "legendgroup": group}
        traces.append(Scatter(x=x[kept], y=y[kept], mode="lines", line=raw, **more))
    kept = _visible(means, log_y)
    traces.append(
        Scatter(
            x=x[kept],
            y=means[kept],
            mode="lines+markers",
            name=title,
            legendgroup=group,
            line={"color": style.colour, "width": 2, "dash": style.dash},
            marker={"color": style.colour, "symbol": style.marker, "size": 7, "maxdisplayed": _MARKS},
            hovertemplate="%{fullData.name}<br>%{x:,.7~g} · %{y:.4g}<extra></extra>",
        )
    )
    return traces


def _held_out(x: np.ndarray, y: np.ndarray, style: Line, title: str, group: str, legend: bool, log_y: bool) -> Any:
    """What was measured on held-out problems: open marks, a thin line between them."""
    from plotly.graph_objects import Scatter

    kept = _visible(np.where(np.isfinite(x), y, np.nan), log_y)
    return Scatter(
        x=x[kept],
        y=y[kept],
        mode="lines+markers",
        name=f"{title}, held out",
        legendgroup=group,
        showlegend=legend,
        line={"color": style.colour, "width": 1, "dash": style.dash if legend else "dot"},
        marker={"color": style.colour, "symbol": f"{style.marker}-open", "size": 10, "line": {"width": 2}},
        hovertemplate="%{fullData.name}<br>%{x:,.7~g} · %{y:.4g}<extra></extra>",
    )


def _visible(y: np.ndarray, log_y: bool) -> np.ndarray:
    """Indices of what is drawn of a line."""
    return thinned(np.where(y > 0, y, np.nan) if log_y else y)


# Markers as paths around 0, 0, of about the size of plotly's.
_SHAPES = {
    "circle": "M-3.5 0a3.5 3.5 0 1 0 7 0a3.5 3.5 0 1 0-7 0z",
    "square": "M-3.2-3.2h6.4v6.4h-6.4z",
    "diamond": "M0-4.5L4.5 0L0 4.5L-4.5 0z",
    "triangle-up": "M0-4L4 3.2H-4z",
    "x": "M-4-2.4L-2.4-4L0-1.6L2.4-4L4-2.4L1.6 0L4 2.4L2.4 4L0 1.6L-2.4 4L-4 2.4L-1.6 0z",
    "triangle-down": "M0 4L4-3.2H-4z",
    "star": "M0-5L1.4-1.6L5-1.4L2.2 .9L3 4.4L0 2.5L-3 4.4L-2.2 .9L-5-1.4L-1.4-1.6z",
}
_LENGTHS = {"solid": "", "dash": "7 4", "dot": "2 3", "dashdot": "7 3 2 3", "longdash": "11 5", "longdashdot": "11 4 2 4"}


def legend_html(runs: Sequence[Recorded], dark: bool = False) -> str:
    """The trainings with their lines, for all figures together: names wrap, where a figure's own legend would be cut."""
    items = []
    for at, run in enumerate(runs):
        own = line(at, dark)
        sample = (
            '<svg width="40" height="12" viewBox="-20 -6 40 12" aria-hidden="true">'
            f'<path d="M-19 0H19" stroke="{own.colour}" stroke-width="2" stroke-dasharray="{_LENGTHS[own.dash]}"/>'
            f'<path d="{_SHAPES[own.marker]}" fill="{own.colour}"/></svg>'
        )
        items.append(f"<li>{sample} {escape(run.name)}</li>")
    marks = any(run.has(name) for run in runs for name in run.values if held_out(name))
    note = '<p class="note">Open marks are measured on problems or texts that are held out.</p>' if marks else ""
    return f'<ul class="lines" aria-label="Trainings">{"".join(items)}</ul>{note}' if items else ""


def missing(runs: Sequence[Recorded], name: str, x: str = "step", log_y: bool = False) -> list[str]:
    """What a figure does not show, in sentences: trainings without it, and steps or values without a place."""
    found = []
    for run in runs:
        own = [one for one in run.values if run.has(one) and name in (one, beside(one))]
        if not own:
            found.append(f"{run.name}: has no {name}.")
            continue
        if SCALES[x].of(run) is None:
            found.append(f"{run.name}: its record does not tell {SCALES[x].title.lower()}.")
        if run.every > 1:
            found.append(f"{run.name}: one of every {run.every:,} steps is read.")
        low = sum(int((run.values[one] <= 0).sum()) for one in own) if log_y else 0
        if low:
            found.append(f"{run.name}: {low:,} values of 0 or less have no place on a logarithmic axis.")
    return found
