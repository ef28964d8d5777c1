"""Thought statistics of several sets side by side: tables for the terminal, and a figure."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from jorney import storage
from jorney.show.formats import MISSING, count, decimal, percent
from jorney.show.style import LIGHT
from jorney.thought.care.analyse import FAMILIES

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from rich.console import RenderableType

Analyses = Mapping[str, Mapping[str, Any]]  # by label

_COLOURS = (LIGHT["accent"], "#c2702b", LIGHT["right"], "#7a4f9a", LIGHT["quiet"], LIGHT["wrong"])
_MARKERS = "osD^vP"
_TOLD = {
    "level": "level",
    "solve rate": "share of a tree's ends that are wrong",
    "solution steps": "steps of the solution",
    "own steps": "steps of the text's own path",
}
MOST = len(_COLOURS)  # sets that a figure tells apart


def labels(sources: Sequence[str]) -> list[str]:
    """Short names that tell sources apart: as much of the ends of their paths as that takes, two parts at least."""
    parts = [os.path.splitext(source.rstrip("/"))[0].split("/") for source in sources]
    for size in range(2, max(map(len, parts)) + 1):
        names = ["/".join(part[-size:]) for part in parts]
        if len(set(names)) == len(names):
            return names
    return [f"{index}: {'/'.join(part[-2:])}" for index, part in enumerate(parts, start=1)]


def tables(found: Analyses, top: int = 5) -> list[RenderableType]:
    """The statistics as tables: one of numbers, one of the most frequent n-grams."""
    from rich.table import Table

    numbers = Table(show_edge=False, header_style="dim", caption_justify="left")
    numbers.add_column("")
    grams = Table(show_edge=False, header_style="dim")
    grams.add_column("words")
    for name in found:
        numbers.add_column(name, justify="right", overflow="fold")
        grams.add_column(name, overflow="fold")

    def add(title: str, cells: Sequence[str]) -> None:
        numbers.add_row(title, *cells)

    every = list(found.values())
    numbers.caption = "keywords: a 1,000 words, and the share of the texts that hold one"
    add("texts", [count(one["texts"]) for one in every])
    for name, title in (("tokens", "tokens"), ("lines", "lines"), ("words_per_line", "words a line")):
        add(title, [decimal(one[name]["mean"]) for one in every])
        spread = [f"{one[name].get('p10', MISSING)}–{one[name].get('p90', MISSING)}" for one in every]
        numbers.add_row("  10–90%", *spread, style="dim")
    for family in FAMILIES:
        shown = [one["keywords"][family] for one in every]
        add(family, [decimal(one["per_1000_words"]) for one in shown])
        numbers.add_row("  in texts", *(percent(one["share_of_texts"]) for one in shown), style="dim")
    for n in next(iter(every))["ngrams"]:
        for place in range(top):
            cells = [one["ngrams"][n][place : place + 1] for one in every]
            if any(cells):
                shown_cells = [f"{cell[0][0]}  [dim]{cell[0][1]:,}[/dim]" if cell else "" for cell in cells]
                grams.add_row(n if place == 0 else "", *shown_cells)
    return [numbers, grams]


def draw(found: Analyses, where: storage.PathLike) -> None:
    """Lengths, keywords, and keywords against difficulty, of up to MOST sets; the file's ending says in which format.

    Raises:
      ValueError: there are more sets than can be told apart.
    """
    if len(found) > MOST:
        raise ValueError(f"a figure of {len(found)} sets: expected {MOST} at most")
    import io

    import matplotlib
    from matplotlib.figure import Figure

    style: Any = {
        **{key: value for key, value in matplotlib.rcParamsDefault.items() if key != "backend"},
        "svg.hashsalt": "jorney",
        "font.size": 10,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.edgecolor": LIGHT["rule"],
        "axes.labelcolor": LIGHT["muted"],
        "xtick.color": LIGHT["muted"],
        "ytick.color": LIGHT["muted"],
        "text.color": LIGHT["ink"],
        "grid.color": LIGHT["rule"],
    }
    with matplotlib.rc_context(style):
        figure = Figure(figsize=(12, 4.0), facecolor="white", layout="constrained")
        lengths, keywords, difficulty = figure.subplots(1, 3, width_ratios=(1, 1.25, 1))
        _lengths(lengths, found)
        _keywords(keywords, found)
        _difficulty(difficulty, found)
        handles, names = keywords.get_legend_handles_labels()
        figure.legend(handles, names, loc="outside upper left", ncols=len(names), frameon=False)
        out = io.BytesIO()
        ending = os.fspath(where).rsplit(".", 1)[-1]
        undated: Any = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}.get(ending)  # equal figures are equal bytes
        figure.savefig(out, format=ending, dpi=150, metadata=undated)
    storage.write_bytes(where, out.getvalue())


def _lengths(axes: Axes, found: Analyses) -> None:
    """The share of texts of at most so many tokens."""
    from matplotlib.ticker import LogLocator, NullLocator

    for (_, one), colour in zip(found.items(), _COLOURS, strict=False):
        passed, xs, ys = 0, [], []
        for value, number in one["tokens"]["histogram"]:
            passed += number
            xs.append(max(1, value))
            ys.append(100 * passed / one["texts"])
        axes.step([xs[0], *xs], [0, *ys], where="post", color=colour)
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.xaxis.set_minor_locator(NullLocator())
    by = {one["tokens_counted_by"] for one in found.values()}
    axes.set_xlabel(f"tokens ({', '.join(sorted(by))})")
    axes.set_ylabel("texts up to this length, %")
    axes.set_ylim(0, 100)
    axes.grid(axis="y", linewidth=0.6)


def _keywords(axes: Axes, found: Analyses) -> None:
    height = 0.8 / len(found)
    for place, ((name, one), colour) in enumerate(zip(found.items(), _COLOURS, strict=False)):
        rates = [one["keywords"][family]["per_1000_words"] for family in FAMILIES]
        rows = [index + place * height for index in range(len(FAMILIES))]
        axes.barh(rows, rates, height=0.9 * height, align="edge", color=colour, label=name)
    axes.set_yticks([index + 0.4 for index in range(len(FAMILIES))], list(FAMILIES))
    axes.tick_params(axis="y", length=0)
    axes.invert_yaxis()
    axes.set_xlabel("keywords a 1,000 words")
    axes.grid(axis="x", linewidth=0.6)
    axes.set_axisbelow(True)


def _difficulty(axes: Axes, found: Analyses) -> None:
    """Keywords of all families against difficulty; sets that tell it in different ways share no axis but easy to hard."""
    stated = {name: one["difficulty"] for name, one in found.items() if one["difficulty"]}
    ways = {one["by"] for one in stated.values()}
    for name, colour, marker in zip(found, _COLOURS, _MARKERS, strict=False):
        if name not in stated:
            continue
        values = stated[name]["values"]
        xs = [one["value"] for one in values]
        if len(ways) > 1:
            xs = [(x - xs[0]) / max(1e-9, xs[-1] - xs[0]) for x in xs]
        axes.plot(xs, [one["all_per_1000_words"] for one in values], color=colour, marker=marker, markersize=4, clip_on=False)
    axes.set_ylim(bottom=0)
    axes.set_ylabel("all keywords a 1,000 words")
    axes.set_xlabel("difficulty: " + (_TOLD[next(iter(ways))] if len(ways) == 1 else "easy to hard, each set's own"))
    axes.grid(axis="y", linewidth=0.6)
    if not stated:
        axes.set_xticks([])
        axes.text(0.5, 0.5, "no set tells how hard its problems are", ha="center", transform=axes.transAxes)
