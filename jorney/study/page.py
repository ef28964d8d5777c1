"""experiment.html and experiment.md: an experiment on one page, and its figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from jorney.report import figures, markdown, page
from jorney.report.formats import label, mention, percent
from jorney.report.tables import Table, environment_table
from jorney.study import tables
from jorney.study.run import JOURNEY, PASS, PLACEBO, SHORTCUT, UNTIL

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


def html(found: Found, findings: Found, tried: Sequence[str]) -> str:
    """The page."""
    title = f"Jorney {found['name']}"
    bars = figures.accuracy_bars({"models": findings["models"]})
    curves = mean_curves(found)
    sections = [
        f"<h1>{page.escape(title)}</h1>",
        f'<p class="lead">{page.escape(tables.headline(findings))}</p>',
        _paragraphs([*tables.verdicts(found, findings), *tables.plain_words(findings), opened(found)]),
        page.section(
            "Accuracy",
            page.figure(
                "accuracy",
                lambda width: figures.draw_accuracy(bars, width),
                figures.accuracy_text(bars),
                "Share of the problems solved, all seeds together, with 95% intervals.",
            )
            + page.table(tables.models_table(findings))
            + page.table(tables.comparisons_table(findings)),
        ),
        page.section(
            "Accuracy against generated tokens",
            page.figure(
                "curves",
                lambda width: draw_curves(curves, width),
                curves_text(curves),
                "Mean over seeds. Models are cut off at a limit; attempts of the shortcut model are spent up to a budget.",
            ),
        ),
        page.section("On the way", page.table(tables.behaviour_table(found)) + page.table(tables.trees_table(found))),
        page.section("Doses", "".join(_dose(*entry, i) for i, entry in enumerate(tables.groups(found).items(), start=1))),
        page.section("Elsewhere", page.table(tables.abroad_table(found))),
        page.section("Size", page.table(tables.small_table(found))),
        page.section("Cost", page.table(tables.roi_table(found))),
        page.section("What was tried", _paragraphs(tried)),
        page.section("Environment", page.table(environment_table(found))),
    ]
    return page.whole(title, sections, "The numbers on this page are in experiment.json beside it.")


def text(found: Found, findings: Found, tried: Sequence[str]) -> str:
    """The same in Markdown, without figures."""
    blocks = [f"# {markdown.escape('Jorney ' + found['name'])}", markdown.escape(tables.headline(findings))]
    blocks += map(markdown.escape, [*tables.verdicts(found, findings), *tables.plain_words(findings), opened(found)])
    doses = [tables.dose_table(group, rows, i) for i, (group, rows) in enumerate(tables.groups(found).items(), start=1)]
    parts: dict[str, list[Table | None]] = {
        "Accuracy": [tables.models_table(findings), tables.comparisons_table(findings)],
        "On the way": [tables.behaviour_table(found), tables.trees_table(found)],
        "Doses": [*doses],
        "Elsewhere": [tables.abroad_table(found)],
        "Size": [tables.small_table(found)],
        "Cost": [tables.roi_table(found)],
    }
    for heading, members in parts.items():
        made = [block for member in members for block in markdown.table(member)]
        blocks += [f"## {heading}", *made] if made else []
    if tried:
        blocks += ["## What was tried", *map(markdown.escape, tried)]
    blocks += ["## Environment", *markdown.table(environment_table(found))]
    return "\n\n".join(filter(None, blocks)) + "\n"


def opened(found: Found) -> str:
    """How often the set of problems was looked at."""
    times = found["opened"]
    own = next(i for i, one in enumerate(times, start=1) if one["protocol"] == found["protocol"])
    which = "first" if own == 1 else f"number {own}"
    return (
        f"Measured on the set {found['set']!r}; of {len(times)} protocols that have looked at it from this folder this is the "
        f"{which}, {found['protocol']}, opened {times[own - 1]['at']}."
    )


def _paragraphs(texts: Sequence[str]) -> str:
    return "\n".join(f"<p>{page.escape(one)}</p>" for one in texts if one)


def _dose(group: str, rows: Sequence[Found], number: int) -> str:
    words = "; ".join(f"{row['kind']} {row['dose']}: {percent(row['accuracy'])}" for row in rows)
    drawing = page.figure(
        f"dose{number}", lambda width: draw_dose(group, rows, width), f"Accuracy by {group}: {words}.", f"Accuracy by {group}."
    )
    return drawing + page.table(tables.dose_table(group, rows, number))


def mean_curves(found: Found) -> dict[str, list[tuple[float, float]]]:
    """(tokens, accuracy) by model, as means over seeds."""
    own = [one["curves"] for one in found["seeds"]]
    return {
        name: [(fmean(p[0] for p in at), fmean(p[1] for p in at)) for at in zip(*(one[name] for one in own), strict=True)]
        for name in own[0]
    }


def curves_text(curves: Mapping[str, Sequence[tuple[float, float]]]) -> str:
    """The figure of tokens in words."""
    ends = [f"{mention(name)} {percent(points[-1][1])} at {points[-1][0]:.0f} tokens" for name, points in curves.items()]
    return f"Accuracy against mean generated tokens: {'; '.join(ends)}."


def draw_curves(curves: Mapping[str, Sequence[tuple[float, float]]], width: int) -> Figure:
    """A line for each model and control."""
    with matplotlib.rc_context(figures.STYLE):
        drawing, (axes,) = figures.panels(width, (_CURVES,), columns=1, left=42, right=16, top=70, bottom=44)
        for name, points in curves.items():
            colour, dashes, marker = _LINES[name]
            x, y = zip(*points, strict=True)
            axes.plot(x, y, color=colour, linestyle=dashes, marker=marker, markersize=4.5, linewidth=1.4, label=label(name))
        axes.set_xlabel("Mean tokens a problem")
        axes.set_xlim(0, None)
        _shares(axes, max(y for points in curves.values() for _, y in points))
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
