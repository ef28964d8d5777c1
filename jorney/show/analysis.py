"""Thought statistics of several sets side by side: tables for the terminal, and a figure."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator, Mapping, Sequence
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
_GRAMS = 5  # of each length
MOST = len(_COLOURS)  # sets that a figure tells apart


def labels(sources: Sequence[str]) -> list[str]:
    """Short names that tell sources apart: as much of the ends of their paths as that takes, two parts at least."""
    parts = [os.path.splitext(source.rstrip("/"))[0].split("/") for source in sources]
    for size in range(2, max(map(len, parts)) + 1):
        names = ["/".join(part[-size:]) for part in parts]
        if len(set(names)) == len(names):
            return names
    return [f"{index}: {'/'.join(part[-2:])}" for index, part in enumerate(parts, start=1)]


def tables(found: Analyses) -> list[RenderableType]:
    """The statistics as tables: one of numbers, one of the most frequent n-grams."""
    from rich.table import Table

    every = list(found.values())
    caption = "keywords: a 1,000 words, and the share of the texts that hold one"
    numbers = Table("", show_edge=False, header_style="dim", caption=caption, caption_justify="left")
    grams = Table("words", show_edge=False, header_style="dim")
    for name in found:
        numbers.add_column(name, justify="right", overflow="fold")
        grams.add_column(name, overflow="fold")
    for row in zip(*map(_numbers, every), strict=True):
        title = row[0][0]
        numbers.add_row(title, *(text for _, text in row), style="dim" if title.startswith(" ") else None)
    for n in every[0]["ngrams"]:
        for place, cells in enumerate(itertools.zip_longest(*(one["ngrams"][n][:_GRAMS] for one in every))):
            shown = (f"{cell[0]}  [dim]{cell[1]:,}[/dim]" if cell else "" for cell in cells)
            grams.add_row("" if place else n, *shown)
    return [numbers, grams]


def _numbers(one: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """A set's numbers by title."""
    yield "texts", count(one["texts"])
    for name, title in (("tokens", "tokens"), ("lines", "lines"), ("words_per_line", "words a line")):
        yield title, decimal(one[name]["mean"])
        yield "  10–90%", f"{one[name].get('p10', MISSING)}–{one[name].get('p90', MISSING)}"
    for family in FAMILIES:
        yield family, decimal(one["keywords"][family]["per_1000_words"])
        yield "  in texts", percent(one["keywords"][family]["share_of_texts"])


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

    from jorney.show import canvas

    more = {"font.size": 10, "xtick.color": LIGHT["muted"], "ytick.color": LIGHT["muted"]}
    with matplotlib.rc_context(canvas.style(LIGHT["ink"], LIGHT["muted"], LIGHT["rule"], more)):
        figure = Figure(figsize=(12, 4.0), facecolor="white", layout="constrained")
        lengths, keywords, difficulty = figure.subplots(1, 3, width_ratios=(1, 1.25, 1))
        _lengths(lengths, found)
        _keywords(keywords, found)
        _difficulty(difficulty, found)
        figure.legend(*keywords.get_legend_handles_labels(), loc="outside upper left", ncols=len(found), frameon=False)
        out = io.BytesIO()
        ending = os.fspath(where).rsplit(".", 1)[-1]
        undated: Any = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}.get(ending)  # equal figures are equal bytes
        figure.savefig(out, format=ending, dpi=150, metadata=undated)
    storage.write_bytes(where, out.getvalue())


def _lengths(axes: Axes, found: Analyses) -> None:
    """The share of texts of at most so many tokens."""
    from matplotlib.ticker import LogLocator, NullLocator

    for (_, one), colour in zip(found.items(), _COLOURS, strict=False):
        lengths, numbers = zip(*one["tokens"]["histogram"], strict=True)
        xs = [max(1, length) for length in lengths]
        ys = [100 * passed / one["texts"] for passed in itertools.accumulate(numbers)]
        axes.step([xs[0], *xs], [0, *ys], where="post", color=colour)
    by = ", ".join(sorted({one["tokens_counted_by"] for one in found.values()}))
    axes.set(xscale="log", ylim=(0, 100), xlabel=f"tokens ({by})", ylabel="texts up to this length, %")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.xaxis.set_minor_locator(NullLocator())
    axes.grid(axis="y", linewidth=0.6)


def _keywords(axes: Axes, found: Analyses) -> None:
    height = 0.8 / len(found)
    for place, ((name, one), colour) in enumerate(zip(found.items(), _COLOURS, strict=False)):
        rates = [one["keywords"][family]["per_1000_words"] for family in FAMILIES]
        rows = [index + place * height for index in range(len(FAMILIES))]
        axes.barh(rows, rates, height=0.9 * height, align="edge", color=colour, label=name)
    middles = [index + 0.4 for index in range(len(FAMILIES))]
    axes.set(yticks=middles, yticklabels=list(FAMILIES), xlabel="keywords a 1,000 words", axisbelow=True)
    axes.tick_params(axis="y", length=0)
    axes.invert_yaxis()
    axes.grid(axis="x", linewidth=0.6)


def _difficulty(axes: Axes, found: Analyses) -> None:
    """Keywords of all families against difficulty; sets that tell it in different ways share no axis but easy to hard."""
    stated = {name: one["difficulty"] for name, one in found.items() if one["difficulty"]}
    ways = {one["by"] for one in stated.values()}
    for name, colour, marker in zip(found, _COLOURS, _MARKERS, strict=False):
        if name not in stated:
            continue
        points = stated[name]["values"]
        xs = [one["value"] for one in points]
        if len(ways) > 1:
            xs = [(x - xs[0]) / max(1e-9, xs[-1] - xs[0]) for x in xs]
        axes.plot(xs, [one["all_per_1000_words"] for one in points], color=colour, marker=marker, markersize=4, clip_on=False)
    told = _TOLD[ways.pop()] if len(ways) == 1 else "easy to hard, each set's own"
    axes.set(ylim=(0, None), ylabel="all keywords a 1,000 words", xlabel=f"difficulty: {told}")
    axes.grid(axis="y", linewidth=0.6)
    if not stated:
        axes.set_xticks([])
        axes.text(0.5, 0.5, "no set tells how hard its problems are", ha="center", transform=axes.transAxes)
