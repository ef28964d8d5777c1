"""Two things to look at: one tree, and one long thought beside its shortcut."""

from __future__ import annotations

import html

from jorney.show import tree_drawing
from jorney.show.samples import visible
from jorney.show.tables import Table
from jorney.thought.thought import Thought
from jorney.tree.tree import Tree

# What stands before a line that is not simply a step on the way: seen without colour, and read aloud.
_MARKS = {"excursion": ("✗", "left again"), "reflection": ("↩", "goes back"), "conclusion": ("✓", "answer")}


def tree_section(tree: Tree) -> str:
    """The drawing, in a container that scrolls where the page is narrower, and a listing of its steps."""
    table = nodes_table(tree)
    rows = "".join(f"<tr>{''.join(f'<td>{_escape(cell)}</td>' for cell in row)}</tr>" for row in table.rows)
    head = "".join(f'<th scope="col">{_escape(cell)}</th>' for cell in table.header)
    return f"""<p class="question">{_escape(tree.question)}</p>
<div class="scroll" role="region" aria-label="A reasoning tree" tabindex="0">
{tree_drawing.draw(tree)}
</div>
<p class="note">{_escape(tree_drawing.LEGEND)}</p>
<details><summary>All {len(tree.nodes) - 1} steps</summary>
<div class="scroll" role="region" aria-label="{_escape(table.caption)}" tabindex="0">
<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>
</div></details>"""


def nodes_table(tree: Tree) -> Table:
    """Every step of a tree, level by level."""
    labels = tree_drawing.names(tree)
    order = sorted(range(1, len(tree.nodes)), key=lambda index: (tree.level(index), index))
    rows = tuple(
        (
            labels[index],
            labels[node.parent or 0],
            " ".join(node.text.split()),
            tree_drawing.verdict(node),
            node.status,
            node.justification,
        )
        for index in order
        for node in (tree.nodes[index],)
    )
    return Table("nodes", "The steps of the tree", ("Node", "Parent", "Step", "Judged", "Then", "Seen"), rows, numeric=False)


def thoughts_section(journey: Thought, shortcut: Thought) -> str:
    """Both thoughts side by side where there is room; excursions and reflections are marked."""
    columns = "\n".join(
        f'<div>\n<p>{title}</p>\n<div class="thought">{_lines(thought)}</div>\n</div>'
        for title, thought in (("The journey", journey), ("Its shortcut", shortcut))
    )
    note = "✗ a step that is left again, ↩ the moment of doubt and where it goes back to, ✓ the answer."
    return f"""<p class="question">{_escape(journey.question)}</p>
<div class="outputs">
{columns}
</div>
<p class="note">{note}</p>"""


def _lines(thought: Thought) -> str:
    found = []
    for piece in thought.pieces:
        mark, words = _MARKS.get(piece.kind, ("", ""))
        sign = (
            f'<span class="mark" title="{words}" aria-label="{words}">{mark}</span>' if mark else '<span class="mark"></span>'
        )
        found.append(f'<div class="piece {piece.kind}">{sign}<span>{_escape(piece.text.strip())}</span></div>')
    return "".join(found)


def _escape(text: str) -> str:
    return html.escape(visible(text), quote=True)
