"""What is filtered, to take away: as rows of any form, or as one page."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

import streamlit as st

from jorney.view import opened
from jorney.view.collection import kinds
from jorney.view.collection.index import Index
from jorney.view.collection.sources import Collection
from jorney.view.export import copying, exporting
from jorney.view.judging.relabels import Relabels, applied, label_rows
from jorney.view.tree_view import inert

_PAGE = 50  # rows on a page of the selection
_MINE = {"my labels": "steps with your verdicts (jorney prm --data)", "my trees": "trees with your verdicts as ratings"}
T = TypeVar("T")


def show(collection: Collection, own: Index, rows: Sequence[int]) -> None:
    """The expander below the rows."""
    with st.expander(f"Take away these {len(rows):,}"):
        forms = [*exporting.FORMS, *_MINE] if own.kind == kinds.TREE else ["rows"]
        if own.kind in copying.KINDS:
            forms.append("page")
        words = {"page": "one page (HTML)", "rows": "JSON lines", **_MINE}
        form = st.selectbox("As", forms, key="form", format_func=lambda one: words.get(one, one))
        if not st.button("Make it"):
            return
        if form == "page":
            page, refused = copying.as_page(collection, own, [int(row) for row in rows[:_PAGE]], len(rows))
            data = page.encode(errors="replace")
            st.download_button("Download", data, f"{_plain(collection.name)}.html", "text/html", on_click="ignore")
            if len(rows) > _PAGE:
                st.caption(f"The first {_PAGE} of {len(rows):,}.")
            if refused:
                st.caption(inert(f"{len(refused):,} cannot be shown, the first: {refused[0]}"))
            return
        if form in _MINE:
            made = exporting.lines(_mine(own, rows, form), f"{_plain(form)}.jsonl")
        elif own.kind == kinds.TREE:
            made = exporting.exported(_each(rows, lambda row: opened.tree_at(own, row)), form)
        else:
            made = exporting.lines(_each(rows, own.row), f"{_plain(collection.name)}.jsonl")
        st.caption(inert(made.words))
        st.download_button("Download", made.data, made.name, "application/jsonl", on_click="ignore")
        if made.command:
            st.caption("The same by command, of these trees (the form “trees”) as trees.jsonl:")
            st.code(made.command, language=None, wrap_lines=True)


def _each(rows: Sequence[int], read: Callable[[int], T]) -> Iterator[T | ValueError]:
    """What is read of each row, or why it cannot be."""
    for row in rows:
        try:
            yield read(int(row))
        except ValueError as error:
            yield error


def _mine(own: Index, rows: Sequence[int], form: str) -> Iterator[Mapping[str, Any] | ValueError]:
    """Trees with the verdicts that were given in this page, in one of the forms of _MINE; those without any are left out."""
    given = Relabels(opened.opening().verdicts).read()
    for row, tree in zip(rows, _each(rows, lambda row: opened.tree_at(own, row)), strict=True):
        if isinstance(tree, ValueError):
            yield tree
        elif verdicts := given.of(tree, own.place(int(row)), own.nth(int(row))):
            yield from label_rows(tree, verdicts) if form == "my labels" else [applied(tree, verdicts).to_json()]


def _plain(name: str) -> str:
    return "".join(one if one.isalnum() or one in "-_." else "_" for one in name)
