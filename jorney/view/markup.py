"""Tables as HTML for the viewer: every cell escaped, and in some of them a button that reports what was asked for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from jorney.show.page import escape

MOST = 400  # characters of a cell; a step may have 100 kB

CSS = """
.go {
  padding: .1rem .45rem; border: 1px solid var(--muted); border-radius: 3px; background: var(--paper); color: var(--accent);
  font: inherit; text-align: inherit; text-decoration: underline; cursor: pointer; overflow-wrap: break-word;
}
.go[aria-pressed="true"] { background: var(--tint); border-color: var(--ink); color: var(--ink); }
.view td, .view th { min-width: 4rem; white-space: normal; overflow-wrap: break-word; vertical-align: top; text-align: left; }
.view th[scope="row"] { min-width: 6.5rem; }
.view .asks { min-width: 10rem; }
.note + .caption, .scroll + .caption { margin-top: 1.25rem; }
.view .words { min-width: 12rem; }
.rows .view thead th { white-space: normal; vertical-align: bottom; }
.rows .view th.asks { min-width: 0; }
.rows .view .words { min-width: 0; max-width: max(11rem, 100vw - 69rem); overflow: hidden; text-overflow: ellipsis; }
.rows .go { display: inline-block; max-width: 9rem; overflow: hidden; text-overflow: ellipsis; vertical-align: bottom; }
.view .written { min-width: 14rem; white-space: pre-wrap; overflow-wrap: anywhere; }
.view .number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
.strip { display: flex; flex-wrap: wrap; gap: .35rem; margin: .5rem 0; padding: 0; list-style: none; }
.lines { display: flex; flex-wrap: wrap; gap: .25rem 1.25rem; margin: .5rem 0; padding: 0; list-style: none; }
.lines { font-size: .875rem; }
.lines li { overflow-wrap: anywhere; }
.lines svg { vertical-align: middle; }
"""


class Cell(NamedTuple):
    """A cell of a table.

    Attributes:
      text: as it is, not escaped.
      kind: "" for a word, "words" for more of them, "number", or "written" for what a model wrote: its line breaks are kept.
      go: what a click on it asks for; "" for a cell that is no button.
      pressed: whether that is what is shown now.
    """

    text: str
    kind: str = ""
    go: str = ""
    pressed: bool = False

    @property
    def html(self) -> str:
        """The content of the cell."""
        return button(self.text, self.go, self.pressed) if self.go else escape(cut(self.text))


def button(text: str, go: str, pressed: bool = False) -> str:
    """A button that reports `go`; `pressed` says that it is what is shown now."""
    state = f'aria-pressed="{str(pressed).lower()}"'
    return f'<button type="button" class="go" data-go="{escape(go)}" {state}>{escape(cut(text))}</button>'


def cut(text: str, most: int = MOST) -> str:
    """The first characters of a text; says how many there are more."""
    return text if len(text) <= most else f"{text[:most]}… ({len(text) - most:,} more characters)"


def table(caption: str, header: Sequence[str], rows: Sequence[Sequence[Cell]], note: str = "") -> str:
    """A table that scrolls in a container of its own where the page is narrower.

    Args:
      caption: read whole on a phone, too: it stands above.
      rows: the first cell names the row.
      note: a sentence below.
    """
    kinds = [cell.kind if cell.kind == "number" else "" for cell in rows[0]] if rows else [""] * len(header)
    head = "".join(f'<th scope="col"{_class(kind)}>{escape(one)}</th>' for one, kind in zip(header, kinds, strict=True))
    body = "\n".join(f"<tr>{''.join(_cell(cell, not at) for at, cell in enumerate(row))}</tr>" for row in rows)
    below = f'\n<p class="note">{escape(note)}</p>' if note else ""
    named = f'aria-label="{escape(caption or " and ".join(filter(None, header)))}"'
    return f"""<p class="caption">{escape(caption)}</p>
<div class="scroll view" role="region" {named} tabindex="0">
<table {named}>
<thead><tr>{head}</tr></thead>
<tbody>
{body}
</tbody>
</table>
</div>{below}"""


def _cell(cell: Cell, first: bool) -> str:
    kind = _class(cell.kind or ("asks" if cell.go else ""))
    return f'<th scope="row"{kind}>{cell.html}</th>' if first else f"<td{kind}>{cell.html}</td>"


def _class(kind: str) -> str:
    return f' class="{kind}"' if kind else ""
