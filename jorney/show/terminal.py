"""A table of text in a terminal, never wider than 80 columns."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jorney.show.document import Table

if TYPE_CHECKING:
    from rich.console import RenderableType

TERMINAL_WIDTH = 80  # columns


def grid(shown: Table) -> RenderableType:
    """The table for rich to print: numbers to the right, headings a word a line, so that they leave room for names."""
    from rich import box
    from rich.table import Table as RichTable
    from rich.text import Text

    found = RichTable(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    for place, head in enumerate(shown.header):
        # Text, not str: names may hold square brackets, which rich would read as its markup.
        justify = "right" if place and shown.numeric else "left"
        found.add_column(Text(head.replace(" ", "\n")), justify=justify, overflow="fold", no_wrap=place > 0)  # type: ignore[arg-type]
    for row in shown.rows:
        found.add_row(*map(Text, row))
    return found
