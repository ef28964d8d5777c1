"""Rows to show to somebody: as one page, or as Markdown."""

from __future__ import annotations

from collections.abc import Sequence

from jorney.show import exhibits, markdown, selection_page
from jorney.show.document import Document, Section
from jorney.show.output_shown import Response
from jorney.thought.thought import Thought, from_json
from jorney.tree.tree import Tree
from jorney.view import opened
from jorney.view.collection import kinds
from jorney.view.collection.index import Index
from jorney.view.collection.sources import Collection

KINDS = (kinds.TREE, kinds.THOUGHT, kinds.OUTPUT, kinds.EPISODE)  # of rows that can be shown so


def as_page(collection: Collection, own: Index, rows: Sequence[int], of: int | None = None) -> tuple[str, list[str]]:
    """Rows of one of KINDS as a page that needs nothing else; and what is wrong with rows that cannot be shown.

    Args:
      of: how many fit, where these are the first of them.
    """
    trees: list[Tree] = []
    thoughts: list[Thought] = []
    outputs: list[Response] = []
    refused: list[str] = []
    for row in rows:
        try:
            if own.kind == kinds.TREE:
                trees.append(opened.tree_at(own, row))
            elif own.kind == kinds.THOUGHT:
                thoughts.append(from_json(own.row(row), own.place(row)))
            else:
                problem = opened.problem_of(own.columns["id"][row], collection.name)
                outputs.append(Response.of_row(own.row(row), problem, f"{collection.name}: {own.name(row)}"))
        except ValueError as error:
            refused.append(str(error))
    part = f"{len(rows):,} of the {of:,} {kinds.NAMES[own.kind]} that fit" if of and of > len(rows) else ""
    note = f"{part}, of {collection.name}." if part else f"Of {collection.name}."
    return selection_page.html(collection.name, trees, thoughts, outputs, note), refused


def as_markdown(own: Index, row: int) -> str:
    """A row of one of KINDS as Markdown."""
    id_ = own.name(row)
    if own.kind == kinds.TREE:
        tree = opened.tree_at(own, row)
        sections = [Section("Steps", [exhibits.nodes_table(tree)])]
        return markdown.text(Document(id_, tree.question, f"Answer: {tree.answer}", (), sections, (), ""))
    if own.kind == kinds.THOUGHT:
        thought = from_json(own.row(row), own.place(row))
        return f"# {markdown.escape(id_)}\n\n{markdown.fenced(thought.question)}\n\n{markdown.fenced(thought.text)}\n"
    shown = Response.of_row(own.row(row))
    grade = "" if shown.correct is None else "\n\nright" if shown.correct else f"\n\nwrong: {markdown.escape(shown.note)}"
    return f"# {markdown.escape(id_)}\n\n{markdown.fenced(shown.text)}{grade}\n"
