"""A judge's measures as they are shown: tables, the worst disagreements, calibration, and scores by what is true."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from jorney.show.formats import count, interval, percent, two_digits
from jorney.view.judging.judges import JudgedStep, Measures
from jorney.view.markup import Cell, table
from jorney.view.plots import figure, palette

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

RATED = {1: "right", 0: "neutral", -1: "wrong", None: "no rating"}
_SHOWN = 20  # bins of the histogram


def confusion_html(found: Measures, truth: str = "truth") -> str:
    """Ratings against what is true, and what follows.

    Args:
      truth: who tells what is true, in a few words.
    """
    rows = [
        (Cell(f"rated {words}" if rating is not None else words), *(_counted(found, rating, kind) for kind in (True, False)))
        for rating, words in RATED.items()
    ]
    measures = {
        "Accuracy": (percent(found.accuracy), "the share of the verdicts that are true"),
        "Precision": (percent(found.precision), "of the steps that it calls wrong, the share that is"),
        "Recall": (percent(found.recall), "of the steps that are wrong, the share that it calls so"),
        "F1 of wrong": (two_digits(found.f1), "the harmonic mean of both"),
        "Cohen's kappa": (two_digits(found.kappa), "accuracy beyond chance: 0 is none, 1 all"),
        "Brier's score": (two_digits(found.brier), "the mean squared difference of score and truth: 0 is best"),
        "Calibration error": (two_digits(found.expected_error), "how far a score lies from the share of right ones (ECE)"),
    }
    below = f"{count(found.scored)} steps have a score from 0 to 1."
    if found.outside:
        below = f"{count(found.outside)} steps have scores; not all are from 0 to 1, so they are no probabilities."
    return "\n".join(
        (
            table("Ratings against the truth", ("", "Is right", "Is wrong"), rows, f"Right and wrong by {truth}."),
            table(
                "How well it does",
                ("Measure", "Value", "What it is"),
                [(Cell(name), Cell(value, "number"), Cell(words, "words")) for name, (value, words) in measures.items()],
                below,
            ),
        )
    )


def _counted(found: Measures, rating: int | None, truth: bool) -> Cell:
    return Cell(count(found.counts[rating, truth]), "number")


def worst_html(steps: Sequence[JudgedStep], given: Mapping[tuple[int, int], int] | None = None) -> str:
    """The worst disagreements; a button for each reports `judged:TREE:NODE`, the tree by its number.

    Args:
      given: {(number of the tree, node): rating} that a person gave.
    """
    rows = [
        (
            Cell(f"{one.tree}, node {one.node}", go=f"judged:{one.number}:{one.node}"),
            Cell(one.step.strip(), "written"),
            Cell(RATED[one.rating]),
            Cell(two_digits(one.score), "number"),
            Cell(RATED[1 if one.truth else -1]),
            Cell(one.justification, "words"),
            *([Cell(RATED[given[key]] if (key := (one.number, one.node)) in given else "")] if given is not None else []),
        )
        for one in steps
    ]
    header = ("Place", "Step", "Judge", "Score", "Truth", "Judge's words", *(["Yours"] if given is not None else []))
    return table("Worst disagreements", header, rows) if rows else ""


def calibration_figure(found: Measures, dark: bool = False) -> Figure:
    """The share of right steps over the judge's score, a point a bin with its 95% interval; on the dashed line it is honest."""
    from plotly.graph_objects import Scatter

    own, bins = palette(dark), found.bins
    honest = Scatter(
        x=[0, 1],
        y=[0, 1],
        mode="lines",
        name="a score that is a probability",
        line={"color": own["muted"], "dash": "dash", "width": 1.5},
        hoverinfo="skip",
    )
    points = Scatter(
        x=[one.mean_score for one in bins],
        y=[one.right for one in bins],
        error_y={
            "type": "data",
            "array": [max(0.0, one.high - one.right) for one in bins],
            "arrayminus": [max(0.0, one.right - one.low) for one in bins],
            "color": own["accent"],
            "thickness": 1.5,
        },
        mode="markers+text",
        marker={"color": own["accent"], "size": 9, "symbol": "circle", "line": {"color": own["paper"], "width": 1}},
        text=[count(one.count) for one in bins],
        textposition="middle right",
        textfont={"color": own["muted"], "size": 11},
        name="steps, by score; 95% intervals",
        hovertext=[
            f"scores {one.start:.1f} to {one.stop:.1f}, mean {one.mean_score:.3f}<br>right {percent(one.right)} "
            f"({interval(one.low, one.high)}) of {count(one.count)}"
            for one in bins
        ],
        hoverinfo="text",
        cliponaxis=False,
    )
    axes: dict[str, Any] = {"xaxis_range": [-0.02, 1.06], "yaxis_range": [-0.02, 1.02], "yaxis_tickformat": ".0%"}
    return figure([honest, points], "Judge's score", "Share that is right", dark, 380, **axes)


def score_histogram(steps: Sequence[JudgedStep], dark: bool = False) -> Figure:
    """How many steps have which score, those that are right above the line, those that are wrong below it."""
    from plotly.graph_objects import Bar

    own, known = palette(dark), [step for step in steps if step.score is not None]
    low = min((step.score for step in known if step.score is not None), default=0.0)
    high = max((step.score for step in known if step.score is not None), default=1.0)
    low, high = min(0.0, low), max(1.0, high)
    width = (high - low) / _SHOWN
    traces = []
    for truth, name, pattern, colour in ((True, "right", "", own["right"]), (False, "wrong", "/", own["wrong"])):
        heights = [0] * _SHOWN
        for step in known:
            if step.score is not None and step.truth == truth:
                heights[min(int((step.score - low) / width), _SHOWN - 1)] += 1
        edges = [low + width * at for at in range(_SHOWN)]
        traces.append(
            Bar(
                x=[edge + width / 2 for edge in edges],
                y=heights if truth else [-height for height in heights],
                width=width * 0.92,
                name=f"{name} ({count(sum(heights))})",
                marker={
                    "color": own[f"{name}-fill"],
                    "line": {"color": colour, "width": 1.5},
                    "pattern": {"shape": pattern, "fgcolor": colour, "size": 6},
                },
                hovertext=[
                    f"{count(height)} {name}, score {edge:.2f} to {edge + width:.2f}"
                    for height, edge in zip(heights, edges, strict=True)
                ],
                hoverinfo="text",
            )
        )
    most = max((abs(height) for trace in traces for height in trace.y), default=0)
    unit = _round(most / 2)
    ticks = [unit * at for at in range(-2, 3)]
    scale = {"tickvals": ticks, "ticktext": [count(abs(tick)) for tick in ticks]}  # below the line, too, it is a count
    return figure(traces, "Judge's score", "Steps", dark, 320, barmode="overlay").update_yaxes(scale)


def _round(value: float) -> int:
    """A number with one digit that is not 0, at most the value; 1 at the least."""
    power = 10 ** max(0, len(str(int(value))) - 1)
    return max(1, int(value) // power * power)
