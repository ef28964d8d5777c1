"""Compare: two or more collections on the same problems; trees of one problem from several files."""

from __future__ import annotations

import streamlit as st

from jorney.show import output_shown
from jorney.show.latex_text import plain, rich
from jorney.show.output_shown import Response
from jorney.view import opened, tree_view
from jorney.view.browsing import ROWS, step_buttons
from jorney.view.collection import kinds
from jorney.view.collection.index import Index
from jorney.view.collection.summaries import SOLVED
from jorney.view.comparing import aligned, strips
from jorney.view.markup import Cell, table
from jorney.view.opened import control, found, go, place
from jorney.view.pane import pane

_GRADED = (kinds.OUTPUT, kinds.EPISODE, kinds.TREE, kinds.ATTEMPTS)


def show() -> None:
    """The view."""
    offered = [one.name for one in found().collections if opened.kind(one) in _GRADED]
    now = place()
    chosen = [name for name in dict.fromkeys(now.beside) if name in offered] or _two(offered)
    with st.sidebar:
        control(
            st.multiselect,
            "Beside each other",
            "beside",
            chosen,
            tuple,
            also={"quadrant": "", "row": "", "page": None},
            options=offered,
        )
        how = now.how if now.how in aligned.HOW else "first"
        control(st.selectbox, "Several samples of a problem", "how", how, options=[*aligned.HOW])
    if len(chosen) < 2:
        st.info("Choose two or more in the sidebar: outputs, samples or trees of the same problems.")
        return
    indexes = {name: opened.index(one) for name in chosen if (one := found().collection(name)) is not None}
    sides = [aligned.side(name, _graded(own, own.mark), how) for name, own in indexes.items()]
    whole = aligned.align(sides)
    if (go_to := pane(aligned.html(whole, now.quadrant), "quadrants")) is not None:
        key = go_to.removeprefix("quadrant:")
        go(quadrant="" if key == now.quadrant else key, row="", page=None)
        st.rerun()
    ids = [*(whole.ids(now.quadrant) if now.quadrant else (id_ for one in whole.quadrants for id_ in one.ids))]
    if not ids:
        st.info("There are no such problems.")
        return
    at = ids.index(now.row) if now.row in ids else 0
    _problems(ids, at, indexes)
    _side_by_side(ids[at], indexes)


def _two(offered: list[str]) -> list[str]:
    """Where one begins: two of a kind."""
    for kind in _GRADED:
        own = [name for name in offered if (one := found().collection(name)) is not None and opened.kind(one) == kind]
        if len(own) > 1:
            return own[:2]
    return offered[:2]


@st.cache_data(max_entries=16, show_spinner=False)
def _graded(_own: Index, key: str) -> list[tuple[str, bool | None]]:
    """(the problem's id, whether it is right) of every row that has an id, and of a row of attempts of each of them."""
    ids = _own.columns.get("id", [])
    if _own.kind != kinds.ATTEMPTS:
        trees = _own.kind == kinds.TREE
        values = _own.columns.get("outcome" if trees else "correct", [])
        return [(id_, one == SOLVED if trees else one) for id_, one in zip(ids, values, strict=True) if id_]
    told = ((id_, _own.row(number).get("correct")) for number, id_ in enumerate(ids) if id_)
    return [
        (id_, one if isinstance(one, bool) else None)
        for id_, verdicts in told
        for one in (verdicts if isinstance(verdicts, list) and verdicts else [None])
    ]


def _problems(ids: list[str], at: int, indexes: dict[str, Index]) -> None:
    pages = -(-len(ids) // ROWS)
    page = min(at // ROWS if (asked := place().page) is None else asked, pages - 1)
    body = []
    for id_ in ids[page * ROWS : (page + 1) * ROWS]:
        verdicts = (Cell(_verdict(own, id_)) for own in indexes.values())
        body.append((Cell(id_, "asks", f"row:{id_}", id_ == ids[at]), *verdicts))
    if (chosen := pane(f'<div class="rows">{table("", ("problem", *indexes), body)}</div>', "problems")) is not None:
        go(row=chosen.removeprefix("row:"), node=None)
        st.rerun()
    with st.container(horizontal=True, vertical_alignment="center"):
        step_buttons(ids[max(0, at - 1) : at + 2], at, len(ids))
        if pages > 1:
            st.button("Page before", disabled=page == 0, on_click=go, kwargs={"page": page - 1}, key="page before")
            st.button("Page after", disabled=page == pages - 1, on_click=go, kwargs={"page": page + 1}, key="page after")
        st.caption(f"{at + 1:,} of {len(ids):,}; page {page + 1:,} of {pages:,}")


def _verdict(own: Index, id_: str) -> str:
    rows = own.of_id(id_)
    if own.kind == kinds.TREE:
        return " ".join(strips.MARKS[own.columns["outcome"][row]] for row in rows)
    return " ".join({True: "✓", False: "✗", None: "–"}[own.columns["correct"][row]] for row in rows)


def _side_by_side(id_: str, indexes: dict[str, Index]) -> None:
    problem = opened.problem_of(id_, next(iter(indexes)))
    if problem is not None:
        pane(f'<p class="question">{rich(problem.question)}</p>', "question")
    trees = {name: own for name, own in indexes.items() if own.kind == kinds.TREE}
    if len(trees) > 1:
        _strip(id_, trees)
    texts = {name: own for name, own in indexes.items() if own.kind in (kinds.OUTPUT, kinds.EPISODE)}
    columns = []
    for name, own in texts.items():
        shown = [output_shown.response(Response.of_row(own.row(row), problem)) for row in own.of_id(id_)[:4]]
        columns.append(f"<div><h4>{plain(name)}</h4>{''.join(shown)}</div>")
    if columns:
        pane(f'<div class="outputs">{"".join(columns)}</div>', "side by side")


def _strip(id_: str, trees: dict[str, Index]) -> None:
    """The trees of a problem in the order of their files, and one of them."""
    files = [(name, zip(own.columns["id"], own.columns["outcome"], strict=True)) for name, own in trees.items()]
    at = next((number for number, (name, own) in enumerate(trees.items()) if name == place().of and own.of_id(id_)), 0)
    if (chosen := pane(strips.html(strips.strip(files), id_, at), "strip")) is not None:
        go(of=list(trees)[int(chosen.removeprefix("file:"))], node=None)
        st.rerun()
    own = [*trees.values()][at]
    if rows := own.of_id(id_):
        tree_view.show(opened.tree_at(own, rows[0]), own.place(rows[0]), own.nth(rows[0]))
