"""Draws the README's picture: a tree of a Countdown problem, and the shortcut and the journey that Jorney derives from it.

    python tools/draw_tree_and_journey.py jorney/show/tree_and_journey.svg

The verifier judges the steps, and `jorney derive`'s own code writes both texts. The file follows the reader's colour scheme.
"""

from __future__ import annotations

import html
import pathlib
import sys

from jorney.domain.countdown.sets import make_problem
from jorney.domain.countdown.verify import rate
from jorney.domain.domains import state
from jorney.thought.derive import DeriveConfig, shortcuts, walk
from jorney.thought.refine import RefineConfig, compose
from jorney.tree.tree import Node, Tree

PROBLEM = make_problem((3, 4, 5, 9), 24)
# Of each node: its parent, the step, its status, and where it is drawn (column, level).
STEPS = (
    (0, "5 + 9 = 14 (left: 3, 4, 14)", "kept", 0),
    (0, "9 - 5 = 4 (left: 3, 4, 4)", "kept", 1),
    (0, "4 * 5 = 20 (left: 3, 9, 20)", "pruned", 2),
    (1, "3 * 4 = 12 (left: 12, 14)", "kept", 0),
    (2, "4 + 4 = 8 (left: 3, 8)", "kept", 1),
    (2, "3 * 4 = 12 (left: 4, 12)", "pruned", 2),
    (4, "12 + 14 = 26 (left: 26)\n#### 26", "leaf-wrong", 0),
    (5, "3 * 8 = 24 (left: 24)\n#### 24", "leaf-correct", 1),
)
WIDTH, HEIGHT, COLUMN, ROW, BOX = 880, 396, 140, 80, (126, 34)
STYLE = """
    .page { fill: #ffffff; stroke: #d0d7de } .card { fill: #f6f8fa; stroke: #d0d7de } text { fill: #1f2328 }
    .node { fill: #f6f8fa; stroke-width: 2 } .edge { fill: none; stroke: #8c959f; stroke-width: 1.5 }
    .right { stroke: #1a7f37 } .wrong { stroke: #cf222e } .root { stroke: #57606a } .walk { fill: none; stroke: #0969da }
    text.right { fill: #1a7f37; stroke: none } text.wrong { fill: #cf222e; stroke: none } text.doubt { fill: #0969da }
    .stop { fill: #0969da } text.number { fill: #ffffff } .tip { fill: #0969da }
    @media (prefers-color-scheme: dark) {
      .page { fill: #0d1117; stroke: #30363d } .card { fill: #161b22; stroke: #30363d } text { fill: #e6edf3 }
      .node { fill: #161b22 } .edge { stroke: #6e7681 } .right { stroke: #3fb950 } .wrong { stroke: #f85149 }
      .root { stroke: #8b949e } .walk { stroke: #58a6ff } text.right { fill: #3fb950 } text.wrong { fill: #f85149 }
      text.doubt { fill: #58a6ff } .stop { fill: #58a6ff } text.number { fill: #0d1117 } .tip { fill: #58a6ff }
    }"""


def tree() -> Tree:
    """The tree, judged by the verifier."""
    nodes, paths = [Node(None)], [[]]
    for parent, step, status, _ in STEPS:
        path = [*paths[parent], step]
        rating = rate(PROBLEM, path)
        sibling = sum(node.parent == parent for node in nodes)
        about = (rating.correct, rating.score, rating.justification, status)
        nodes.append(Node(parent, f"{len(path)}. {step}\n", (1,), (-0.1,), sibling, 1, *about))
        paths.append(path)
    return Tree(PROBLEM.id, PROBLEM.question, PROBLEM.answer, "abel", tuple(nodes), 0, PROBLEM.verifier, PROBLEM.meta)


def text(x: float, y: float, words: str, size: int = 13, kind: str = "", anchor: str = "start", weight: str = "") -> str:
    mono = "ui-monospace, SFMono-Regular, Menlo, Consolas, DejaVu Sans Mono, monospace"
    bold = f' font-weight="{weight}"' if weight else ""
    return (
        f'<text x="{x:g}" y="{y:g}" font-family="{mono}" font-size="{size}"{bold} text-anchor="{anchor}" '
        f'class="{kind}" xml:space="preserve">{html.escape(words)}</text>'
    )


def card(x: float, y: float, height: float, title: str, body: str) -> list[str]:
    """A box with a title and a thought's lines."""
    parts = [f'<rect class="card" x="{x:g}" y="{y:g}" width="376" height="{height:g}" rx="8"/>']
    parts.append(text(x + 14, y + 23, title, 13, weight="bold"))
    for number, line in enumerate(body.splitlines()):
        kind = "doubt" if line.startswith("But") else ""
        parts.append(text(x + 14, y + 46 + 20 * number, line, 13, kind))
    return parts


def draw() -> str:
    """The picture as SVG."""
    made = tree()
    (leaf,) = shortcuts(made)
    thoughts = {
        kind: compose(made, walk(made, leaf, config, 0), kind, state, RefineConfig(reflect=("But {seen}.",)), 0).text
        for kind, config in (("shortcut", DeriveConfig(trials=1)), ("journey", DeriveConfig(trials=2)))
    }
    middle, top = 116, 66
    place = {0: (middle + COLUMN, top)}
    for index, (*_, column) in enumerate(STEPS, start=1):
        place[index] = (middle + column * COLUMN, top + made.level(index) * ROW)
    parts = [f'<rect class="page" x="0.5" y="0.5" width="{WIDTH - 1}" height="{HEIGHT - 1}" rx="10"/>']
    parts.append(text(middle + COLUMN, 26, "Make 24 from 3, 4, 5, 9.", 14, anchor="middle", weight="bold"))
    for index, node in enumerate(made.nodes):
        if node.parent is not None:
            (x, y), (above, high) = place[index], place[node.parent]
            line = f"M{above:g},{high + BOX[1] / 2:g} L{x:g},{y - BOX[1] / 2:g}"
            parts.append(f'<path class="edge" d="{line}"/>')
    (x, y), (root, high) = place[7], place[0]
    edge = x - BOX[0] / 2
    back = f"M{edge:g},{y:g} C{edge - 62:g},{y - 40:g} {edge - 52:g},{high:g} {root - BOX[0] / 2 - 8:g},{high:g}"
    parts.append(f'<path class="walk" stroke-width="2" stroke-dasharray="6 4" d="{back}"/>')
    tip = root - BOX[0] / 2
    parts.append(f'<path class="tip" d="M{tip:g},{high:g} l-11,-6 l0,12 z"/>')
    for index, node in enumerate(made.nodes):
        x, y = place[index]
        kind = "root" if node.parent is None else "right" if node.correct else "wrong"
        dashes = ' stroke-dasharray="4 3"' if node.status == "pruned" else ""
        box = f'x="{x - BOX[0] / 2:g}" y="{y - BOX[1] / 2:g}" width="{BOX[0]}" height="{BOX[1]}" rx="7"'
        parts.append(f'<rect class="node {kind}" {box}{dashes}/>')
        words = "3, 4, 5, 9" if node.parent is None else STEPS[index - 1][1].split(" (")[0]
        mark = {"root": "", "right": " ✓", "wrong": " ✗"}[kind]
        parts.append(text(x, y + 5, words + mark, 13, "" if kind == "root" else kind, "middle"))
    for number, index in enumerate((1, 4, 7, 2, 5, 8), start=1):
        x, y = place[index][0] + BOX[0] / 2 - 4, place[index][1] - BOX[1] / 2
        parts.append(f'<circle class="stop" cx="{x:g}" cy="{y:g}" r="9"/>')
        parts.append(text(x, y + 4, str(number), 11, "number", "middle", "bold"))
    legend = "✓ judged right   ✗ judged wrong   dashed: pruned"
    parts.append(text(24, HEIGHT - 44, legend, 12))
    parts.append(text(24, HEIGHT - 22, "blue: the journey, in this order", 12, "doubt"))
    parts += card(482, 20, 134, "shortcut: the right path alone", thoughts["shortcut"])
    parts += card(482, 168, 208, "journey: the wrong turn first, then back", thoughts["journey"])
    label = "A reasoning tree of one problem, and the shortcut and the journey derived from it"
    size = f'viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}"'
    body = "\n  ".join(parts)
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-label="{label}">'
    return f"{head}\n  <style>{STYLE}\n  </style>\n  {body}\n</svg>\n"


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    pathlib.Path(sys.argv[1]).write_text(draw())
