"""What all plotly figures of the viewer have in common: colours, lines, markers, and text that nobody has vetted."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING, Any, NamedTuple

from jorney.show.samples import visible
from jorney.show.style import DARK, LIGHT

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

# Of runs that are laid over each other. Their order is one of hues far apart; each has 3:1 against the page at least, and no
# two lines differ by colour alone: dash and marker differ, too.
_LIGHT = ("#1f6391", "#b8500a", "#00795c", "#9c3f86", "#6b6a12", "#3b3f8f", "#1d1d1b")
_DARK = ("#74b3de", "#ef9a5a", "#5cc9a5", "#e29ad0", "#d8cf6a", "#a9aef0", "#e7e5e0")
_DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")
_MARKERS = ("circle", "square", "diamond", "triangle-up", "x", "triangle-down", "star")
_BIDI = dict.fromkeys([0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A)], 0xFFFD)
_FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"


class Line(NamedTuple):
    """How one of several lines is drawn: a colour, a dash and a marker, as plotly names them."""

    colour: str
    dash: str
    marker: str


def line(index: int, dark: bool = False) -> Line:
    """How line number `index` is drawn; of the first 42 no two have both the same dash and the same marker."""
    colours = _DARK if dark else _LIGHT
    return Line(colours[index % len(colours)], _DASHES[index % len(_DASHES)], _MARKERS[index % len(_MARKERS)])


def palette(dark: bool = False) -> dict[str, str]:
    """The page's colours by their names in `show.style`."""
    return DARK if dark else LIGHT


def plain(text: str, most: int = 60) -> str:
    """A text as plotly shows it letter for letter: it takes some HTML for markup, and knows few entities.

    Args:
      most: characters; of a longer text the middle is left out, as names of runs differ at their ends.
    """
    text = visible(" ".join(text.split())).translate(_BIDI)
    if len(text) > most:
        text = f"{text[: most // 3]}…{text[-(most - most // 3 - 1) :]}"
    return html.escape(text, quote=False)


def figure(traces: list[Any], x: str, y: str, dark: bool = False, height: int = 320, **more: Any) -> Figure:
    """A figure in the page's colours, its legend below.

    Args:
      x, y: titles of the axes, plain text.
      height: pixels; the width is its container's.
      more: of plotly's layout, over what stands here.
    """
    from plotly.graph_objects import Figure, Layout

    own = palette(dark)
    axis = {
        "gridcolor": own["rule"],
        "linecolor": own["muted"],
        "zeroline": False,
        "automargin": True,
        "tickfont": {"color": own["muted"]},
    }
    layout = Layout(
        template="none",
        height=height,
        font={"family": _FONT, "size": 13, "color": own["ink"]},
        paper_bgcolor=own["paper"],
        plot_bgcolor=own["paper"],
        margin={"l": 56, "r": 12, "t": 28, "b": 48},
        xaxis={**axis, "title": {"text": plain(x), "standoff": 8}},
        yaxis={**axis, "title": {"text": plain(y), "standoff": 8}},
        legend={"orientation": "h", "yref": "container", "y": 0, "yanchor": "bottom", "x": 0, "xanchor": "left"},
        hoverlabel={"bgcolor": own["tint"], "bordercolor": own["muted"], "font": {"color": own["ink"]}, "align": "left"},
        hovermode="closest",
    )
    return Figure(traces, layout).update_layout(more)
