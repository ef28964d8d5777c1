"""The sidebar of a collection: which one, and which of its rows."""

from __future__ import annotations

from typing import Any

import numpy as np
import streamlit as st

from jorney.view import opened
from jorney.view.collection.index import Index
from jorney.view.collection.kinds import NAMES
from jorney.view.collection.query import ORDERS, PLACES, Query, hits
from jorney.view.collection.sources import Collection
from jorney.view.collection.summaries import COLUMNS, WORDS, Column
from jorney.view.opened import control, found, go, place
from jorney.view.tree_view import inert


def chosen_collection(kinds: tuple[str, ...] = ()) -> Collection | None:
    """The collection that is looked at, with its control; None where there is none.

    Args:
      kinds: those that are offered; () for all.
    """
    offered = [one for one in found().collections if not kinds or opened.kind(one) in kinds]
    if not offered:
        return None
    names = [one.name for one in offered]
    now = place().of if place().of in names else _best(offered)
    opened.index(offered[names.index(now)])  # so that it is counted
    words = {one.name: f"{one.name} · {_counted(one)}" for one in offered}
    clean = {"row": "", "page": None, "node": None, "root": None, "opened": (), "query": Query(), "tab": ""}
    control(st.selectbox, "Rows of", "of", now, also=clean, options=names, format_func=words.__getitem__)
    return offered[names.index(now)]


def _counted(one: Collection) -> str:
    own = opened.known(one)
    return NAMES[opened.kind(one)] if own is None else f"{len(own):,} {NAMES[own.kind]}"


def _best(offered: list[Collection]) -> str:
    """Where one begins: trees, if there are any."""
    return next((one.name for one in offered if opened.kind(one) == "tree"), offered[0].name)


def filtered(own: Index) -> np.ndarray:
    """The hits of the sidebar's controls, which it shows."""
    query = place().query
    reset: dict[str, Any] = {"row": "", "page": None, "node": None, "root": None, "opened": ()}
    control(st.text_input, "Search (a regular expression)", "pattern", query.pattern, also=reset, placeholder="Wait|Go back")
    if query.pattern:
        control(st.segmented_control, "in", "where", query.where, lambda one: one or "anywhere", also=reset, options=PLACES)
    present = {name: column for name, column in COLUMNS.items() if _tells(own, name)}
    for name, column in present.items():
        if column.kind in ("choice", "flag") and name not in WORDS:
            _choice(own, name, column, reset)
    said = [name for name in WORDS if name in present]
    if said:
        taken = [name for name in said if query.chosen.get(name) == ("yes",)]
        _words(said, taken, reset)
    numbers = {name: column for name, column in own.columns.items() if _is_numeric(own, name)}
    with st.expander("Numbers", expanded=bool(query.numbers)):
        for name in sorted(numbers, key=lambda name: [*COLUMNS, name].index(name)):
            _range(own, name, COLUMNS.get(name, Column(name)).words, reset)
    orders = [*ORDERS, *(f"{sign}{name}" for name in numbers for sign in ("", "-"))]
    orders = [one for one in orders if one not in ("hardest", "most divided") or "solve rate" in own.columns]
    now = query.sort if query.sort in orders else "file"
    control(st.selectbox, "Order", "sort", now, also={"page": None}, options=orders, format_func=_ordered)
    if now == "random":
        control(st.number_input, "Seed", "seed", query.seed, int, also=reset, min_value=0, step=1)
    found_rows = hits(own, query)
    st.markdown(f"**{len(found_rows):,} of {len(own):,}** {NAMES[own.kind]}")
    if query != Query():
        st.button("All of them", on_click=go, kwargs={**reset, "query": Query()})
    return found_rows


def _ordered(order: str) -> str:
    if order in ORDERS:
        return {"file": "as in the file"}.get(order, order)
    words = COLUMNS.get(order.removeprefix("-"), Column(order.removeprefix("-"))).words
    return f"{words}, largest first" if order.startswith("-") else words


def _tells(own: Index, name: str) -> bool:
    """Whether a column tells rows apart."""
    return name in own.columns and own.spread(name).tells


def _is_numeric(own: Index, name: str) -> bool:
    kind = COLUMNS.get(name, Column(name)).kind
    return kind == "number" and _tells(own, name)


def _choice(own: Index, name: str, column: Column, reset: dict[str, Any]) -> None:
    counts = own.spread(name).counts
    if not counts:
        return
    options = sorted(counts, key=lambda one: (one == "none", one))
    taken = [one for one in place().query.chosen.get(name, ()) if one in options]

    def read(stated: list[str]) -> dict[str, tuple[str, ...]]:
        rest = {other: values for other, values in place().query.chosen.items() if other != name}
        return rest | ({name: tuple(stated)} if stated else {})

    key = f"chosen {name}"
    st.session_state[key] = taken
    widget = st.pills if len(options) <= 4 else st.multiselect

    def words(one: str) -> str:
        return f"{inert(one) if widget is st.pills else one} ({counts[one]:,})"  # pills read Markdown, what a file says is none

    more: dict[str, Any] = {"selection_mode": "multi"} if widget is st.pills else {"placeholder": "any"}
    changed = lambda: go(chosen=read(list(st.session_state[key])), **reset)  # noqa: E731
    widget(column.words.capitalize(), options, key=key, format_func=words, on_change=changed, **more)


def _words(said: list[str], taken: list[str], reset: dict[str, Any]) -> None:
    key = "words"
    st.session_state[key] = taken

    def changed() -> None:
        rest = {name: values for name, values in place().query.chosen.items() if name not in WORDS}
        go(chosen=rest | dict.fromkeys(st.session_state[key], ("yes",)), **reset)

    words = lambda name: name.removeprefix("says ")  # noqa: E731
    st.pills("Says", said, selection_mode="multi", key=key, format_func=words, on_change=changed)


def _range(own: Index, name: str, words: str, reset: dict[str, Any]) -> None:
    _, _, least, most, whole = own.spread(name)
    if least is None or most is None or least == most:
        return
    low, high = place().query.numbers.get(name, (None, None))
    kind = int if whole else float
    now = (kind(max(least, least if low is None else low)), kind(min(most, most if high is None else high)))
    if now[0] > now[1]:
        now = (kind(least), kind(most))
    key = f"numbers {name}"
    st.session_state[key] = now

    def changed() -> None:
        stated = st.session_state[key]
        rest = {other: ends for other, ends in place().query.numbers.items() if other != name}
        ends = (None if stated[0] <= least else stated[0], None if stated[1] >= most else stated[1])
        go(numbers=rest if ends == (None, None) else rest | {name: ends}, **reset)

    step = 1 if whole else (most - least) / 100
    st.slider(words.capitalize(), kind(least), kind(most), key=key, step=step, on_change=changed)
