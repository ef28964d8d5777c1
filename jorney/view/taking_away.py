"""What is filtered, to take away: as rows of any form, or as one page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import streamlit as st

from jorney.show import selection_page
from jorney.show.output_shown import Response
from jorney.thought.thought import from_json as thought_of
from jorney.tree.tree import Tree
from jorney.view import exporting, kinds, opened
from jorney.view.index import Index
from jorney.view.sources import Collection
from jorney.view.tree_view import inert

_PAGE = 50  # rows on a page of the selection


def show(collection: Collection, own: Index, rows: Sequence[int]) -> None:
    """The expander below the rows."""
    with st.expander(f"Take away these {len(rows):,}"):
        forms = [*(exporting.FORMS if own.kind == kinds.TREE else ["rows"])]
        if own.kind in (kinds.TREE, kinds.THOUGHT, kinds.OUTPUT, kinds.EPISODE):
            forms.append("page")
        words = {"page": "one page (HTML)", "rows": "JSON lines"}
        form = st.selectbox("As", forms, key="form", format_func=lambda one: words.get(one, one))
        if not st.button("Make it"):
            return
        if form == "page":
            data = _page(collection, own, rows)
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


def _page(collection: Collection, own: Index, rows: Sequence[int]) -> bytes:
    taken = [int(row) for row in rows[:_PAGE]]
    more: dict[str, list[object]] = {}
    if own.kind == kinds.TREE:
        more["trees"] = [opened.tree_at(own, row) for row in taken]
    elif own.kind == kinds.THOUGHT:
        more["thoughts"] = [thought_of(own.row(row), own.place(row)) for row in taken]
    else:
        problems = [opened.problem_of(own.columns["id"][row], collection.name) for row in taken]
        more["outputs"] = [
            Response.of_row(own.row(row), problem, f"{collection.name}: {own.name(row)}")
            for row, problem in zip(taken, problems, strict=True)
        ]
    note = f"{len(taken):,} of the {len(rows):,} {kinds.NAMES[own.kind]} that fit, of {collection.name}."
    return selection_page.html(collection.name, note=note, **more).encode(errors="replace")  # type: ignore[arg-type]


def _plain(name: str) -> str:
    return "".join(one if one.isalnum() or one in "-_." else "_" for one in name)
