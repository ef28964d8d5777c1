"""What is filtered, to take away: as rows of any form, or as one page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import streamlit as st

from jorney.tree.tree import Tree
from jorney.view import opened
from jorney.view.collection import kinds
from jorney.view.collection.index import Index
from jorney.view.collection.sources import Collection
from jorney.view.export import copying, exporting
from jorney.view.tree_view import inert

_PAGE = 50  # rows on a page of the selection


def show(collection: Collection, own: Index, rows: Sequence[int]) -> None:
    """The expander below the rows."""
    with st.expander(f"Take away these {len(rows):,}"):
        forms = [*(exporting.FORMS if own.kind == kinds.TREE else ["rows"])]
        if own.kind in copying.KINDS:
            forms.append("page")
        words = {"page": "one page (HTML)", "rows": "JSON lines"}
        form = st.selectbox("As", forms, key="form", format_func=lambda one: words.get(one, one))
        if not st.button("Make it"):
            return
        if form == "page":
            data = copying.as_page(collection, own, [int(row) for row in rows[:_PAGE]], len(rows)).encode(errors="replace")
            st.download_button("Download", data, f"{_plain(collection.name)}.html", "text/html", on_click="ignore")
            if len(rows) > _PAGE:
                st.caption(f"The first {_PAGE} of {len(rows):,}.")
            return
        if own.kind == kinds.TREE:
            made = exporting.exported(_trees(own, rows), form)
        else:
            made = exporting.lines((own.row(int(row)) for row in rows), f"{_plain(collection.name)}.jsonl")
        st.caption(inert(made.words))
        st.download_button("Download", made.data, made.name, "application/jsonl", on_click="ignore")
        if made.command:
            st.code(made.command, language=None, wrap_lines=True)


def _trees(own: Index, rows: Sequence[int]) -> Iterator[Tree]:
    return (opened.tree_at(own, int(row)) for row in rows)


def _plain(name: str) -> str:
    return "".join(one if one.isalnum() or one in "-_." else "_" for one in name)
