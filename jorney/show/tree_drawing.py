"""A reasoning tree as SVG: top down, in the paper's colours, and told apart without colour too."""

from __future__ import annotations

import dataclasses
import html
import itertools
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence

from jorney.show import node_words
from jorney.show.latex_text import plain
from jorney.show.node_words import verdict
from jorney.show.samples import visible
from jorney.show.tree_folding import Folded, Folding, fold
from jorney.tree.shape import children, levels
from jorney.tree.tree import ROOT, Node, Tree

__all__ = ["LEGEND", "LEGEND_OF_VIEW", "Drawn", "draw", "draw_folded", "names", "verdict"]

_COLUMN, _ROW, _RADIUS = 34, 64, 13  # pixels
LEGEND = (
    "Round and green: judged right. Square and red: judged wrong. Diamond and yellow: neutral, or not judged. A double outline "
    "states an answer, a dashed one was not expanded. Dashed lines lead to wrong steps, some of which are followed to where "
    "they fail. Labels are (level, index)."
)
LEGEND_OF_VIEW = (
    f"{LEGEND} Pale nodes were pruned, or lie on an excursion. ×2: sampled twice. +5: five steps below it are folded away. "
    "The thick ring is the selected node, the thick line its path."
)


@dataclasses.dataclass(frozen=True)
class Drawn:
    """How a tree is drawn to be walked.

    Attributes:
      folding: what of it is drawn, and the selected node.
      link: the start of the names of a page's places: nodes are links to `#LINKn`. "" makes nodes that a script is told of:
        see `draw_folded`.
    """

    folding: Folding = dataclasses.field(default_factory=Folding)
    link: str = ""


def names(tree: Tree) -> list[str]:
    """(level, index within the level) of every node, as the paper writes it."""
    counts: defaultdict[int, Iterator[int]] = defaultdict(itertools.count)
    return [f"{level},{next(counts[level])}" for level in levels(tree)]


def draw(tree: Tree, drawn: Drawn | None = None) -> str:
    """The drawing as an `<svg>` element, as wide as its leaves need; colours are the page's classes.

    Args:
      drawn: for a drawing to be walked (`draw_folded`); None for a picture of the whole tree.
    """
    if drawn is not None:
        return draw_folded(tree, fold(tree, drawn.folding), drawn)
    at = levels(tree)
    columns = _columns(tree)
    depth = max(at)
    place = {i: _place(columns[i], level) for i, level in enumerate(at)}
    parts = []
    for index, node in enumerate(tree.nodes):
        if node.parent is not None:
            parts.append(_edge(node, place[node.parent], place[index]))
    parts += [
        f"<g><title>{html.escape(_said(node))}</title>{_shapes(node, name, *place[index])}</g>"
        for index, (node, name) in enumerate(zip(tree.nodes, names(tree), strict=True))
    ]
    text = f"A tree of {len(tree.nodes) - 1} steps, {depth} levels deep; the table below lists them."
    size = _size(columns, depth)
    return f'<svg class="tree" {size} role="img" aria-label="{html.escape(text)}">{"".join(parts)}</svg>'


def draw_folded(tree: Tree, folded: Folded, drawn: Drawn) -> str:
    """The part of a tree that is not folded, to be walked.

    A node is a `<g class="at">` with `data-node` and `data-go="node:INDEX"`, in reach of the Tab key (the selected one, else
    the first; the others by a script: tabindex -1), and says its neighbours among those that are drawn: `data-parent`,
    `data-child` (its first), `data-previous` and `data-next` (of its level), `data-wrong` (the next wrong one as one
    reads, from the first again behind the last). What is folded is a `data-go="unfold:INDEX"` below its parent, what
    `Folding.unfolded` names has a `data-go="fold:INDEX"`. With `drawn.link` nodes are links instead, and nothing
    of this is there.

    Args:
      folded: from `tree_folding.fold`.
    """
    asked, at, label = drawn.folding, levels(tree), names(tree)
    columns = _arranged(folded.root, folded.children, folded.hidden)
    top = at[folded.root]
    place = {node: _place(columns[node], at[node] - top) for node in folded.order}
    path = {folded.root, *tree.path(asked.selected)} if asked.selected is not None else set()
    parts = []
    for node in folded.order[1:]:
        parent = tree.nodes[node].parent or ROOT
        parts.append(_edge(tree.nodes[node], place[parent], place[node], " path" if {node, parent} <= path else ""))
    moves = {} if drawn.link else _moves(tree, folded, at)
    first = asked.selected if asked.selected in place else folded.root
    told = node_words.Told.of(tree)
    for node in folded.order:
        shapes = _shapes(tree.nodes[node], label[node], *place[node])
        shapes = f"{_ring(node, asked.selected, path, place[node])}{shapes}"
        title = f"<title>{plain(told.sentence(node))}</title>"
        ghost = " ghost" if tree.nodes[node].excursion or tree.nodes[node].status == "pruned" else ""
        if drawn.link:
            parts.append(f'<a class="at{ghost}" href="#{plain(drawn.link)}{node}">{title}{shapes}</a>')
            continue
        current = ' aria-current="true"' if node == asked.selected else ""
        reached = "0" if node == first else "-1"
        said = plain(f"{label[node]}: {told.short(node)}")
        parts.append(
            f'<g class="at{ghost}" data-node="{node}" data-go="node:{node}"{moves[node]} tabindex="{reached}" role="button"'
            f'{current} aria-label="{said}">{title}{shapes}</g>'
        )
    for node in folded.order:
        if node in folded.hidden or (node in asked.unfolded and node in folded.children):
            parts.append(_stub(node, folded.hidden.get(node, 0), place[node], columns.get(-1 - node), bool(drawn.link)))
    parts += [_count(tree.nodes[node], *place[node]) for node in folded.order]  # over what stands beside a node
    depth = max(at[node] - top + (node in folded.hidden) for node in folded.order)
    text = f"{said_of(tree, folded)} {len(folded.order) - 1} steps are drawn."
    size = _size(columns, depth, margin=8)
    return f'<svg class="tree walked" {size} role="group" aria-label="{plain(text)}">{"".join(parts)}</svg>'


def said_of(tree: Tree, folded: Folded) -> str:
    """What is drawn of a tree, in words: how many steps it has, and how many of them are folded away."""
    depth = max(levels(tree))
    counted = f"A tree of {len(tree.nodes) - 1:,} steps, {depth:,} level{'s' * (depth != 1)} deep."
    if folded.beside:
        counted += f" Only what follows one step is drawn: {folded.beside:,} steps stand beside it."
    if folded.total:
        counted += f" {folded.total:,} steps are folded away; a +N below a step tells how many."
    return counted


def _moves(tree: Tree, folded: Folded, at: Sequence[int]) -> dict[int, str]:
    """The neighbours of every node that is drawn, as attributes."""
    found: dict[int, str] = {}
    order = folded.order
    wrong = [index for index, node in enumerate(order) if tree.nodes[node].correct is False]
    after = order[wrong[0]] if wrong else None  # for those behind the last
    following: dict[int, int | None] = {}
    for index in range(len(order) - 1, -1, -1):
        following[order[index]] = after
        if tree.nodes[order[index]].correct is False:
            after = order[index]
    for index, node in enumerate(order):
        near = {
            "parent": tree.nodes[node].parent if node != folded.root else None,
            "child": next(iter(folded.children.get(node, ())), None),
            "previous": order[index - 1] if index and at[order[index - 1]] == at[node] else None,
            "next": order[index + 1] if index + 1 < len(order) and at[order[index + 1]] == at[node] else None,
            "wrong": following[node],
        }
        found[node] = "".join(f' data-{name}="{other}"' for name, other in near.items() if other is not None)
    return found


def _said(node: Node) -> str:
    words = " ".join(visible(node.text).split()) or "the question"
    return f"{words} [{verdict(node)}, {node.status}] {visible(node.justification)}".strip()


def _place(column: float, level: int) -> tuple[float, float]:
    return column * _COLUMN + _COLUMN / 2, level * _ROW + _RADIUS + 6


def _size(columns: Mapping[int, float], depth: int, margin: int = 0) -> str:
    width = round((max(columns.values()) + 1) * _COLUMN) + 2 * margin
    height = depth * _ROW + 2 * _RADIUS + 12
    return f'viewBox="{-margin} 0 {width} {height}" width="{width}" height="{height}"'


def _edge(node: Node, above: tuple[float, float], below: tuple[float, float], kind: str = "") -> str:
    dashes = ' stroke-dasharray="4 3"' if node.excursion or node.correct is False else ""
    (x1, y1), (x2, y2) = above, below
    return f'<line class="edge{kind}" x1="{x1:g}" y1="{y1:g}" x2="{x2:g}" y2="{y2:g}"{dashes}/>'


def _ring(node: int, selected: int | None, path: Collection[int], place: tuple[float, float]) -> str:
    if node not in path:
        return ""
    x, y = place
    kind, radius = ("selected", _RADIUS + 3.5) if node == selected else ("on-path", _RADIUS + 2)
    return f'<circle class="ring {kind}" cx="{x:g}" cy="{y:g}" r="{radius:g}"/>'


def _count(node: Node, x: float, y: float) -> str:
    return f'<text class="count" x="{x + 9:g}" y="{y - 9:g}">×{node.count}</text>' if node.count > 1 else ""


def _stub(node: int, hidden: int, place: tuple[float, float], column: float | None, still: bool) -> str:
    """What stands for the folded steps below a node, or what folds them again."""
    x, y = place
    many = f"{hidden:,} steps below are" if hidden > 1 else "1 step below is"
    words = f"{many} folded away" if hidden else "Fold what is below"
    if column is None:
        sign, kind, below, left, edge = "−", "fold", y + _RADIUS + 9, x, ""
    else:
        left, _ = _place(column, 0)
        sign, kind, below = f"+{hidden}", "unfold", y + _ROW
        edge = f'<line class="edge" x1="{x:g}" y1="{y + _RADIUS:g}" x2="{left:g}" y2="{below - 9:g}" stroke-dasharray="1 3"/>'
    go = "" if still else f' data-go="{kind}:{node}" tabindex="0" role="button" aria-label="{words}"'
    wide = max(20, 7 * len(sign) + 6)
    return (
        f'{edge}<g class="stub"{go}><title>{words}</title><rect x="{left - wide / 2:g}" y="{below - 9:g}" width="{wide}" '
        f'height="18" rx="9"/><text x="{left:g}" y="{below + 3:g}" text-anchor="middle">{sign}</text></g>'
    )


def _shapes(node: Node, label: str, x: float, y: float) -> str:
    judged = verdict(node)
    kind = judged if judged in ("right", "wrong") else "neutral"
    dashes = ' stroke-dasharray="3 2"' if node.status == "pruned" else ""
    shapes = _shape(kind, x, y, _RADIUS, f'class="node {kind}"{dashes}')
    if node.leaf:
        shapes += _shape(kind, x, y, _RADIUS - 3, f'class="inner {kind}"')
    return f'{shapes}<text x="{x:g}" y="{y + 3:g}" text-anchor="middle">{label}</text>'


def _shape(kind: str, x: float, y: float, r: float, attributes: str) -> str:
    if kind == "right":
        return f'<circle {attributes} cx="{x:g}" cy="{y:g}" r="{r:g}"/>'
    if kind == "wrong":
        side = 0.9 * r
        return f'<rect {attributes} x="{x - side:g}" y="{y - side:g}" width="{2 * side:g}" height="{2 * side:g}"/>'
    return f'<path {attributes} d="M{x:g} {y - r:g}L{x + r:g} {y:g}L{x:g} {y + r:g}L{x - r:g} {y:g}Z"/>'


def _columns(tree: Tree) -> dict[int, float]:
    """The column of every node of a whole tree."""
    return _arranged(ROOT, dict(enumerate(children(tree))), ())


def _arranged(root: int, below: Mapping[int, Sequence[int]], hidden: Collection[int]) -> dict[int, float]:
    """The column of every node: childless ones side by side, parents over the middle of their children.

    What stands for the folded steps below a node is its last child, with the key -1 - node. Nothing recurses: a path may be
    deeper than Python's stack.
    """
    found: dict[int, float] = {}
    free = itertools.count()
    waiting = [(root, False)]
    while waiting:
        node, placed = waiting.pop()
        own = [*below.get(node, ()), *([-1 - node] if node in hidden else [])]
        if placed:
            found[node] = (found[own[0]] + found[own[-1]]) / 2
        elif own:
            waiting += [(node, True), *((child, False) for child in reversed(own))]
        else:
            found[node] = float(next(free))
    return found
