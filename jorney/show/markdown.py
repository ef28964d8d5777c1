"""A document as Markdown, without figures."""

from __future__ import annotations

import re

from jorney.show.document import Document, Exhibit, Section, Table
from jorney.show.samples import visible


def text(shown: Document) -> str:
    """The whole file."""
    blocks = [f"# {escape(shown.title)}", *map(escape, (shown.headline, shown.facts, *shown.paragraphs))]
    for section in (*shown.sections, *shown.beside):
        blocks += _section(section)
    return "\n\n".join(filter(None, blocks)) + "\n"


def escape(text: str) -> str:
    """The text on one line, every character that Markdown or HTML in Markdown could act on made plain."""
    text = " ".join(visible(text).split())
    # Colons, dots and at signs only where they would make an address into a link.
    return re.sub(r"([\\`*_{}\[\]<>#|~&$!@]|:(?=//)|(?<=www)\.)", r"\\\1", text)


def fenced(text: str) -> str:
    """The text in a code block that nothing in it can close: its fence is longer than any run of backticks there."""
    longest = max(map(len, re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}text\n{visible(text)}\n{fence}"


def table(shown: Table) -> list[str]:
    """The blocks of a table and of its note."""
    others = "---:" if shown.numeric else ":---"
    lines = [shown.header, (":---", *[others] * (len(shown.header) - 1)), *(tuple(map(escape, row)) for row in shown.rows)]
    return ["\n".join(f"| {' | '.join(line)} |" for line in lines), escape(shown.note)]


def _section(section: Section) -> list[str]:
    """The blocks of a section; none where no part of it has any."""
    blocks: list[str] = []
    for part in section.parts if section.only != "html" else ():
        if isinstance(part, Table):
            blocks += table(part)
        elif isinstance(part, Exhibit):
            blocks += part.markdown
        elif isinstance(part, str):
            blocks.append(escape(part))
    return [f"## {section.heading}", *blocks] if blocks else []
