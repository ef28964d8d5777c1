"""A reasoning tree as SVG: top down, in the paper's colours, and told apart without colour too."""

from __future__ import annotations

import html
import itertools
from collections import defaultdict
from collections.abc import Iterator

from jorney.show.samples import visible
from jorney.tree.shape import levels
from jorney.tree.tree import ROOT, Node, Tree

_COLUMN, _ROW, _RADIUS = 34, 64, 13  # pixels
LEGEND = (
    "Round and green: judged right. Square and red: judged wrong. Diamond and yellow: neutral, or not judged. A double outline "
    "states an answer, a dashed one was not expanded. Dashed lines lead to wrong steps, some of which are followed to where "
    "they fail. Labels are (level, index)."
)


def names(tree: Tree) -> list[str]:
    """(level, index within the level) of every node, as the paper writes it."""
    counts: defaultdict[int, Iterator[int]] = defaultdict(itertools.count)
    return [f"{level},{next(counts[level])}" for level in levels(tree)]


def draw(tree: Tree) -> str:
    """The drawing as an `<svg>` element, as wide as its leaves need; colours are the page's classes."""
    columns, at = _columns(tree), levels(tree)
    depth = max(at)
    width = round((max(columns.values()) + 1) * _COLUMN)
    height = depth * _ROW + 2 * _RADIUS + 12
    place = [(columns[i] * _COLUMN + _COLUMN / 2, level * _ROW + _RADIUS + 6) for i, level in enumerate(at)]
    parts = []
    for index, node in enumerate(tree.nodes):
        if node.parent is not None:
            (x, y), (above, top) = place[index], place[node.parent]
            dashes = ' stroke-dasharray="4 3"' if node.excursion or node.correct is False else ""
            parts.append(f'<line class="edge" x1="{above:g}" y1="{top:g}" x2="{x:g}" y2="{y:g}"{dashes}/>')
    parts += [_node(node, name, *where) for node, name, where in zip(tree.nodes, names(tree), place, strict=True)]
    text = f"A tree of {len(tree.nodes) - 1} steps, {depth} levels deep; the table below lists them."
    size = f'viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
    return f'<svg class="tree" {size} role="img" aria-label="{html.escape(text)}">{"".join(parts)}</svg>'


def verdict(node: Node) -> str:
    """A node's verdict: "right", "wrong", "neutral" or "not judged"."""
    return {1: "right", -1: "wrong", 0: "neutral", None: "not judged"}[node.rating]


def _node(node: Node, label: str, x: float, y: float) -> str:
    judged = verdict(node)
    kind = judged if judged in ("right", "wrong") else "neutral"
    dashes = ' stroke-dasharray="3 2"' if node.status == "pruned" else ""
    shapes = _shape(kind, x, y, _RADIUS, f'class="node {kind}"{dashes}')
    if node.leaf:
        shapes += _shape(kind, x, y, _RADIUS - 3, f'class="inner {kind}"')
    words = " ".join(visible(node.text).split()) or "the question"
    said = f"{words} [{judged}, {node.status}] {visible(node.justification)}".strip()
    caption = f'<text x="{x:g}" y="{y + 3:g}" text-anchor="middle">{label}</text>'
    return f"<g><title>{html.escape(said)}</title>{shapes}{caption}</g>"


def _shape(kind: str, x: float, y: float, r: float, attributes: str) -> str:
    if kind == "right":
        return f'<circle {attributes} cx="{x:g}" cy="{y:g}" r="{r:g}"/>'
    if kind == "wrong":
        side = 0.9 * r
        return f'<rect {attributes} x="{x - side:g}" y="{y - side:g}" width="{2 * side:g}" height="{2 * side:g}"/>'
    return f'<path {attributes} d="M{x:g} {y - r:g}L{x + r:g} {y:g}L{x:g} {y + r:g}L{x - r:g} {y:g}Z"/>'


def _columns(tree: Tree) -> dict[int, float]:
    """The column of every node: childless ones side by side, parents over the middle of their children."""
    found: dict[int, float] = {}
    free = itertools.count()

    def place(index: int) -> float:
        below = [place(child) for child in tree.children(index)]
        found[index] = (below[0] + below[-1]) / 2 if below else float(next(free))
        return found[index]

    place(ROOT)
    return found
