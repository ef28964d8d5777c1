"""Judges: ratings of steps against what is true, or against another judge's; and the worst disagreements."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import streamlit as st

from jorney.tree.tree import Tree
from jorney.view import opened, tree_view
from jorney.view.collection import kinds
from jorney.view.collection.index import Index
from jorney.view.filtering import chosen_collection
from jorney.view.judging import judge_views, judges
from jorney.view.judging.judges import Held
from jorney.view.judging.relabels import Relabels
from jorney.view.opened import control, found, go, opening, place
from jorney.view.pane import pane

_TRUTH, _BEFORE = "what is true", "the judge before"
_WORST = 30


def show() -> None:
    """The view."""
    with st.sidebar:
        collection = chosen_collection((kinds.TREE,))
    if collection is None:
        st.info("There are no trees among what was opened.")
        return
    own, now = opened.index(collection), place()
    others = [one.name for one in found().collections if one != collection and opened.kind(one) == kinds.TREE]
    ways = [_TRUTH, *([_BEFORE] if any(own.columns.get("rejudged", [])) else []), *others]
    way = now.truth if now.truth in ways else _TRUTH
    with st.sidebar:
        control(
            st.selectbox,
            "Ratings against",
            "truth",
            way,
            options=ways,
            help="The exact verifier, or the grades of the answers.",
        )
    other = opened.index(beside) if (beside := found().collection(way)) else None
    held = _held(own, other, way, f"{own.mark} {other.mark if other else ''}")
    st.caption(tree_view.inert(held.words(len(own))))
    if not held.steps:
        st.info("No step of these trees has a rating that can be held against it.")
        return
    measures, dark = judges.measured(held.steps), st.context.theme.type == "dark"
    left, right = st.columns([3, 2], gap="medium")
    with left:
        pane(judge_views.confusion_html(measures, held.by), "confusion")
    with right:
        figures = {"Calibration": judge_views.calibration_figure(measures, dark)} if measures.scored else {}
        if measures.scored or measures.outside:
            figures["Scores, by what is true"] = judge_views.score_histogram(held.steps, dark)
        for title, figure in figures.items():
            st.markdown(f"**{title}**")
            st.plotly_chart(figure, theme=None, key=title, config={"displaylogo": False})
    _worst(own, held)


def _worst(own: Index, held: Held) -> None:
    """The worst disagreements; the one that is chosen with its tree, and the keys for a verdict."""
    worst = judges.worst(held.steps, _WORST)
    if not worst:
        return
    chosen = pane(judge_views.worst_html(worst, _given(own, [step.number for step in worst])), "worst")
    if chosen is not None:
        number, node = map(int, chosen.removeprefix("judged:").split(":"))
        go(row=own.name(number), node=node)
        st.rerun()
    st.caption("Click a place to see its step, and to give a verdict of your own, below.")
    at = own.named(place().row) if place().row else None
    if at is not None:
        tree_view.show(opened.tree_at(own, at), own.place(at), own.nth(at))


def _given(own: Index, numbers: list[int]) -> dict[tuple[int, int], int]:
    try:
        given = Relabels(opening().verdicts).read()
    except (OSError, ValueError):
        return {}
    found: dict[tuple[int, int], int] = {}
    for number in dict.fromkeys(numbers) if given.standing else ():
        of = given.of(opened.tree_at(own, number), own.place(number), own.nth(number))
        found |= {(number, node): one.rating for node, one in of.items()}
    return found


@st.cache_data(max_entries=8, show_spinner="Holding ratings against the truth")
def _held(_own: Index, _other: Index | None, way: str, key: str) -> Held:
    """Of trees drawn at random, until there are enough steps."""
    numbers = judges.sampled(len(_own))
    trees = _trees(_own, numbers)
    if way == _TRUTH:
        return judges.against_truth(trees)
    if way == _BEFORE:
        return judges.against_before(trees)
    assert _other is not None, "every other way is a collection"
    ids = _own.columns["id"]
    pairs = ((number, tree, opened.tree_at(_other, rows[0])) for number, tree in trees if (rows := _other.of_id(ids[number])))
    return judges.against_other(pairs, way)


def _trees(own: Index, numbers: list[int]) -> Iterator[tuple[int, Tree]]:
    for number in itertools.islice(numbers, len(own)):
        try:
            yield number, opened.tree_at(own, number)
        except ValueError:
            continue
