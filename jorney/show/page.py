"""A document as one HTML file that needs nothing else, neither a network nor JavaScript."""

from __future__ import annotations

import html as markup
import re

from jorney.show import canvas
from jorney.show.document import Document, Drawing, Exhibit, Section, Table
from jorney.show.samples import visible
from jorney.show.style import CSS

# Each figure is drawn twice and the page shows the one that fits: scaled down to a phone, its text could not be read.
_WIDTHS = {"wide": 720, "narrow": 328}

# A second lock behind the escaping: even markup that slipped through could neither run nor load anything.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"


def html(shown: Document, css: str = CSS) -> str:
    """The whole page.

    Args:
      css: its style sheet.
    """
    title = escape(shown.title)
    beside = list(filter(None, map(_section, shown.beside)))
    sections = [(section.heading, text) for section in shown.sections if (text := _section(section))]
    parts = [
        f"<h1>{title}</h1>",
        f'<p class="lead">{escape(shown.headline)}</p>',
        f'<p class="facts">{escape(shown.facts)}</p>' if shown.facts else "",
        *map(_part, shown.paragraphs),
        _contents([heading for heading, _ in sections]),
        *(text for _, text in sections),
        *(['<div class="pair">', *beside, "</div>"] if len(beside) > 1 else beside),
    ]
    body = "\n".join(filter(None, parts))
    footer = f"<footer>The numbers on this page are in {shown.source} beside it.</footer>\n" if shown.source else ""
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{_POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
<link rel="icon" href="data:,">
<style>
{css}</style>
</head>
<body>
<main>
{body}
</main>
{footer}</body>
</html>
"""


def escape(text: str) -> str:
    """The text as the content of an element or of a quoted attribute."""
    return markup.escape(visible(text), quote=True)


def _section(section: Section) -> str:
    content = section.between.join(filter(None, map(_part, section.parts))) if section.only != "markdown" else ""
    return f'<section>\n<h2 id="{_anchor(section.heading)}">{section.heading}</h2>\n{content}\n</section>' if content else ""


def _anchor(heading: str) -> str:
    return re.sub(r"\W+", "-", heading.lower())


def _contents(headings: list[str]) -> str:
    """Links to the sections of a long page."""
    links = " · ".join(f'<a href="#{_anchor(heading)}">{heading}</a>' for heading in dict.fromkeys(headings))
    return f'<nav class="facts" aria-label="Contents">{links}</nav>' if len(headings) > 3 else ""


def _part(part: Table | Drawing | Exhibit | str | None) -> str:
    if isinstance(part, Table):
        return _table(part)
    if isinstance(part, Drawing):
        return _figure(part)
    if isinstance(part, Exhibit):
        return part.html
    return f"<p>{escape(part)}</p>" if part else ""


def _figure(shown: Drawing) -> str:
    """A figure at two widths."""
    drawings = []
    for kind, width in _WIDTHS.items():
        drawing = canvas.svg(shown.draw(width), f"{shown.name}-{kind}", visible(shown.words))
        drawings.append(drawing.replace("<svg ", f'<svg class="{kind}" ', 1))
    return "\n".join(["<figure>", *drawings, f"<figcaption>{escape(shown.caption)}</figcaption>", "</figure>"])


def _table(shown: Table) -> str:
    """The table in a container of its own, which scrolls where the page is narrower (also by keyboard: tabindex)."""
    rows = "\n".join(f'<tr><th scope="row">{escape(row[0])}</th>{cells(row[1:])}</tr>' for row in shown.rows)
    note = f'\n<p class="note">{escape(shown.note)}</p>' if shown.note else ""
    # The caption does not scroll: it is read whole on a phone.
    return f"""<p class="caption" id="table-{shown.name}">{escape(shown.caption)}</p>
<div class="scroll" role="region" aria-labelledby="table-{shown.name}" tabindex="0">
<table{' class="numeric"' if shown.numeric else ""} aria-labelledby="table-{shown.name}">
<thead>{head(shown)}</thead>
<tbody>
{rows}
</tbody>
</table>
</div>{note}"""


def head(shown: Table) -> str:
    """The row of a table's headings."""
    cells = "".join(f'<th scope="col">{escape(cell)}</th>' for cell in shown.header)
    return f"<tr>{cells}</tr>"


def cells(row: tuple[str, ...]) -> str:
    """The cells of a row."""
    return "".join(f"<td>{escape(cell)}</td>" for cell in row)
