"""Browse: the rows of a collection that fit the filters, and one of them whole."""

from __future__ import annotations

import streamlit as st

from jorney.view import details, opened
from jorney.view.collection.index import Index
from jorney.view.collection.query import spelled
from jorney.view.collection.summaries import COLUMNS, WORDS, Column
from jorney.view.export import taking_away
from jorney.view.filtering import chosen_collection, filtered
from jorney.view.markup import Cell, table
from jorney.view.opened import go, place
from jorney.view.pane import pane
from jorney.view.tree_view import inert

ROWS = 10  # of a page of the table
_CELL = 90  # characters


def show() -> None:
    """The view."""
    with st.sidebar:
        collection = chosen_collection()
    if collection is None:
        st.info("There are no rows, only trainings." if opened.found().courses else "There are no rows.")
        return
    own = opened.index(collection)
    with st.sidebar:
        rows = filtered(own).tolist()
    if not len(own):
        st.info("There are no rows yet." if not own.wrong else "None of its lines could be read; the sidebar names them.")
        return
    if not rows:
        st.info("No row fits. “All of them” in the sidebar takes the filters back.")
        return
    at = _position(own, rows)
    _table(own, rows, at)
    details.show(collection, own, rows[at])
    taking_away.show(collection, own, rows)


def _position(own: Index, rows: list[int]) -> int:
    """Which of the hits is shown: the one of the address, else the first."""
    number = own.named(asked) if (asked := place().row) else None
    if asked and (number is None or number not in rows):
        st.caption(
            inert(f"{asked} is not among {'the rows' if number is None else 'those that fit'}: this is the first of them.")
        )
    return rows.index(number) if number in rows else 0


def _table(own: Index, rows: list[int], at: int) -> None:
    pages = -(-len(rows) // ROWS)
    page = min(at // ROWS if (asked := place().page) is None else asked, pages - 1)
    shown = rows[page * ROWS : (page + 1) * ROWS]
    names = [name for name in _columns(own) if any(spelled(own.columns[name][row]) != "none" for row in shown)]
    html = rows_table(own, shown, names, rows[at])
    if (chosen := pane(html, "rows")) is not None:
        go(row=chosen.removeprefix("row:"), node=None, root=None, opened=())
        st.rerun()
    with st.container(horizontal=True, vertical_alignment="center"):
        step_buttons([own.name(row) for row in rows[max(0, at - 1) : at + 2]], at, len(rows))
        if pages > 1:
            st.button("Page before", disabled=page == 0, on_click=go, kwargs={"page": page - 1}, key="page before")
            st.button("Page after", disabled=page == pages - 1, on_click=go, kwargs={"page": page + 1}, key="page after")
        st.caption(f"{at + 1:,} of {len(rows):,}; page {page + 1:,} of {pages:,}")


def rows_table(own: Index, rows: list[int], names: list[str], current: int | None = None) -> str:
    """Rows as a table; a button in each reports `row:NAME`."""
    header = tuple(COLUMNS.get(name, Column(name)).words for name in ["id", *names])
    body = []
    for row in rows:
        name = own.name(row)
        cells = [Cell(name, "asks", f"row:{name}", row == current)]
        body.append((*cells, *(_cell(name, own.columns[name][row]) for name in names)))
    return f'<div class="rows">{table("", header, body)}</div>'


def _columns(own: Index) -> list[str]:
    """Those of the table: what the row's question is, and what tells it from others."""
    known = [
        name for name, column in COLUMNS.items() if column.shown and name in own.columns and name != "id" and name not in WORDS
    ]
    return [*known, *(name for name in own.columns if name.startswith("reward ") and name not in known)]


def _cell(name: str, value: object) -> Cell:
    if isinstance(value, bool):
        return Cell("✓ yes" if value else "✗ no")
    if isinstance(value, float) and not value.is_integer():
        return Cell(f"{value:.3g}", "number")
    if isinstance(value, int | float):
        return Cell(f"{value:,.0f}", "number")
    text = " ".join(spelled(value).split()) if value not in (None, "") else ""
    return Cell(text if len(text) <= _CELL else text[: _CELL - 1] + "…", "words" if len(text) > 20 else "")


def step_buttons(near: list[str], at: int, count: int) -> None:
    """To the row before and the one after, by keyboard too.

    Args:
      near: names of the row before, if there is one, of this one, and of the one after.
    """
    before = near[0] if at else ""
    after = near[-1] if at < count - 1 else ""
    for label, name, key in (("Before", before, "K"), ("After", after, "J")):
        change = {"row": name, "page": None, "node": None, "root": None, "opened": ()}
        st.button(label, disabled=not name, on_click=go, kwargs=change, shortcut=key, key=f"step {label}")
