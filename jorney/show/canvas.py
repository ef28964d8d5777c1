"""What figures are drawn on: their style, their panels, and how they become SVG to stand inside a page.

No figure names a colour: each is drawn in stand-ins, which `svg` replaces by the page's CSS variables, so that one drawing
serves light and dark. Text stays text, set in the page's own font. Widths and sizes are CSS pixels.
"""

from __future__ import annotations

import html
import io
import re
from collections.abc import Sequence
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

# The stand-ins, and the CSS variables they become.
INK, MUTED, RULE, ACCENT, QUIET = "#010101", "#020202", "#030303", "#040404", "#050505"
_VARIABLES = {INK: "--ink", MUTED: "--muted", RULE: "--rule", ACCENT: "--accent", QUIET: "--quiet"}

PIXELS = 72  # to the inch: matplotlib's SVG counts in points, which the page takes for pixels
TEXT = 12.5


def style(ink: str, muted: str, rule: str, more: dict[str, Any]) -> Any:
    """Settings of matplotlib: its defaults whatever the user's matplotlibrc says, so that equal figures are equal bytes."""
    return {
        # The backend is left alone: figures are made without pyplot and need none.
        **{key: value for key, value in matplotlib.rcParamsDefault.items() if key != "backend"},
        "svg.hashsalt": "jorney",
        "text.color": ink,
        "axes.edgecolor": rule,
        "axes.labelcolor": muted,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "xtick.labelcolor": muted,
        "ytick.labelcolor": muted,
        "grid.color": rule,
        **more,
    }


_PAGE = {"svg.fonttype": "none", "font.size": TEXT, "axes.spines.left": False, "xtick.color": RULE, "ytick.color": RULE}
styled = matplotlib.rc_context(style(INK, MUTED, RULE, _PAGE))  # decorates what draws a figure


def panels(
    width: int, heights: Sequence[int], columns: int = 1, left: int = 42, right: int = 16, top: int = 30, bottom: int = 44
) -> tuple[Figure, list[Axes]]:
    """A figure of `columns` panels in each row; margins, as `heights`, are in pixels and belong to every panel."""
    height = sum(heights) + len(heights) * (top + bottom)
    figure = Figure(figsize=(width / PIXELS, height / PIXELS), dpi=PIXELS)
    cell, panels, y = width / columns, [], float(height)
    for row in heights:
        y -= top + row
        for column in range(columns):
            box = ((column * cell + left) / width, y / height, (cell - left - right) / width, row / height)
            panels.append(figure.add_axes(box))
        y -= bottom
    return figure, panels


def rules(axes: Axes, shares: float | None = None) -> None:
    """Horizontal lines behind what is drawn, in place of ticks.

    Args:
      shares: the axis holds shares, from 0 to this one.
    """
    if shares is not None:
        axes.set_ylim(0, shares)
        axes.yaxis.set_major_formatter(lambda share, _: f"{100 * share:.0f}%")
    axes.grid(axis="y", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(axis="y", length=0)


def limit(highest: float) -> float:
    """Where the axis of accuracy ends: at 100%, or earlier where all would else be a sliver at its left."""
    return next((limit for limit in (0.1, 0.25, 0.5, 0.75) if highest <= limit), max(1.0, highest))


def errors(value: float, interval: tuple[float, float] | None) -> list[list[float]] | None:
    """The interval, where there is one, as matplotlib wants it: how far below the value and how far above."""
    return interval and [[value - interval[0]], [interval[1] - value]]


@styled
def svg(figure: Figure, name: str, text: str) -> str:
    """The figure as an `<svg>` element for a page: no ids but its own, no address, no colour, no font; equal bytes each time.

    Args:
      figure: drawn in this module's stand-in colours.
      name: begins the ids of this drawing, so that they are unique in the page; letters, digits and hyphens.
      text: what a screen reader says in its place.
    """
    buffer = io.StringIO()
    # Without any metadata the block that would carry it, with its addresses and the date, is left out.
    figure.savefig(buffer, format="svg", transparent=True, metadata=dict.fromkeys(("Date", "Creator", "Format", "Type")))
    drawing = buffer.getvalue()
    body = drawing[drawing.index(">", drawing.index("<svg")) + 1 : drawing.rindex("</svg>")]
    body = re.sub(r"<style.*?</style>", "", body, flags=re.DOTALL)  # its rule would reach the whole page
    body = re.sub(r"font-family: [^;\"]*;? ?", "", body).replace("xlink:href", "href")
    used = set(re.findall(r"(?:url\(|href=\")#([\w.-]+)", body))
    body = re.sub(r' id="([\w.-]+)"', lambda match: f' id="{name}-{match[1]}"' if match[1] in used else "", body)
    body = re.sub(r"(url\(|href=\")#", rf"\1#{name}-", body)
    for colour, variable in _VARIABLES.items():
        body = body.replace(colour, f"var({variable})")
    width, height = (round(inches * PIXELS) for inches in figure.get_size_inches())
    size = f'viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
    return f'<svg {size} role="img" aria-label="{html.escape(text)}">{body}</svg>'
