"""A tree: its drawing beside the step that is looked at, and the verdict that one may give on it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import streamlit as st

from jorney.show import steps_shown, tree_drawing
from jorney.show.latex_text import rich
from jorney.show.page import escape
from jorney.show.tree_drawing import LEGEND_OF_VIEW, Drawn
from jorney.show.tree_folding import Folding, fold
from jorney.tree.shape import levels
from jorney.tree.tree import ROOT, Tree
from jorney.view import opened
from jorney.view.judging.relabels import Relabel, Relabels
from jorney.view.opened import control, go, opening, place
from jorney.view.pane import pane

_RATINGS = {"Right": (1, "1"), "Neutral": (0, "2"), "Wrong": (-1, "3")}
_UNWRITTEN = "verdict that is not written"  # in the session, until it is said
_WORDS = {1: "right", 0: "neutral", -1: "wrong", None: "not rated"}


def show(tree: Tree, file: str, nth: int = 1) -> None:
    """The tree and its step.

    Args:
      file: that it lies in.
      nth: which of the file's trees of its id it is, from 1.
    """
    left, right = st.columns([3, 2], gap="medium")
    with left:
        drawing(tree)
    with right:
        step(tree, file, nth)


def selected(tree: Tree) -> int:
    """The node that is looked at; the root where the address names none that there is."""
    node = place().node
    return node if node is not None and node < len(tree.nodes) else ROOT


def drawing(tree: Tree) -> None:
    """The tree's drawing with what folds it."""
    now, deep = place(), max(levels(tree))
    ways = ["auto", "all", "beam", "best", *map(str, range(1, deep))]
    words = {"auto": "all, or else the beam", "all": "the whole tree", "beam": "the beam", "best": "the best path"}
    with st.container(horizontal=True, vertical_alignment="bottom"):
        by = now.fold if now.fold in ways else "auto"
        told = lambda one: words.get(one, f"down to level {one}")  # noqa: E731
        control(st.selectbox, "Draw", "fold", by, also={"opened": ()}, options=ways, format_func=told, width=240)
        node = selected(tree)
        st.button(
            "From here",
            on_click=go,
            kwargs={"root": node},
            disabled=node == (now.root or ROOT),
            help="Draws this step as the root.",
        )
        if now.root is not None:
            st.button("Whole", on_click=go, kwargs={"root": None}, help="Draws the tree from its question again.")
    folding = Folding(
        "level" if by.isdecimal() else by,
        int(by) if by.isdecimal() else 3,
        now.root if now.root is not None and now.root < len(tree.nodes) else ROOT,
        selected(tree),
        frozenset(one for one in now.opened if one < len(tree.nodes)),
    )
    folded = fold(tree, folding)
    drawn = tree_drawing.draw_folded(tree, folded, Drawn(folding))
    html = f'<p class="question">{rich(tree.question)}</p><div class="scroll">{drawn}</div>'
    html += f'<p class="note">{escape(tree_drawing.said_of(tree, folded))} Click a step to read it whole.</p>'
    html += (
        f'<details><summary class="note">What the signs mean</summary><p class="note">{escape(LEGEND_OF_VIEW)}</p></details>'
    )
    follow(pane(html, "tree"), tree)


def follow(chosen: str | None, tree: Tree | None) -> None:
    """Goes where a click leads: to a node, or to what is folded below one."""
    what, _, number = (chosen or "").partition(":")
    if not number.isdecimal():
        return
    node, now = int(number), place().opened
    if what == "node":
        go(node=node)
    elif what == "unfold":
        go(opened=tuple(sorted({*now, node})))
    elif what == "fold":
        go(opened=tuple(one for one in now if one != node))
    elif what == "page":
        st.session_state["page of the level"] = node
    st.rerun()


def step(tree: Tree, file: str, nth: int) -> None:
    """The step that is looked at, whole."""
    node = selected(tree)
    follow(pane(steps_shown.node(tree, node, opened.decoder(tree)), "step"), tree)
    if node != ROOT:
        _relabel(tree, node, file, nth)


def level(tree: Tree) -> None:
    """The steps of the level of the step that is looked at."""
    node, found = selected(tree), levels(tree)
    at = found[node] if node != ROOT else min(1, max(found))
    with st.container(horizontal=True, vertical_alignment="center"):
        for number in range(1, max(found) + 1):
            first = next(index for index, own in enumerate(found) if own == number)
            kind = "primary" if number == at else "secondary"
            st.button(f"Level {number}", on_click=go, kwargs={"node": first}, key=f"level {number}", type=kind)
    page = st.session_state.get("page of the level", 0)
    follow(pane(steps_shown.level(tree, at, node, page), "level"), tree)


def _relabel(tree: Tree, node: int, file: str, nth: int) -> None:
    """A verdict of one's own, by a key; it goes into a file of its own."""
    try:
        relabels = Relabels(opening().verdicts, [file])
        given = relabels.read()
    except (OSError, ValueError) as error:
        st.caption(inert(f"Verdicts cannot be given here: {error}"))
        return
    mine = given.of(tree, file, nth).get(node)
    before = tree.nodes[node].rating
    st.caption(f"Your verdict: **{_WORDS[mine.rating]}**" if mine else f"The judge's verdict: {_WORDS[before]}. Yours, by key:")
    key = f"note {tree.id} {nth} {node}"
    note = st.text_input("Why (optional)", key=key, placeholder="what is wrong with it")

    def give(rating: int) -> None:
        why = st.session_state.get(key, "")
        written(lambda: relabels.add(Relabel(file, tree.id, node, tree.nodes[node].text, before, rating, nth, why)))

    def take_back(one: Relabel) -> None:
        written(lambda: relabels.undo(one))

    def written(write: Callable[[], Any]) -> None:
        try:
            write()
        except (OSError, ValueError) as error:
            st.session_state[_UNWRITTEN] = f"The verdict is not written: {error}"

    if said := st.session_state.pop(_UNWRITTEN, ""):
        st.error(inert(said))

    with st.container(horizontal=True):
        for label, (rating, shortcut) in _RATINGS.items():
            chosen = mine is not None and mine.rating == rating
            st.button(
                label,
                shortcut=shortcut,
                on_click=give,
                args=(rating,),
                key=f"rate {label}",
                type="primary" if chosen else "secondary",
            )
        if mine:
            st.button("Take back", shortcut="0", on_click=take_back, args=(mine,), key="rate back")
    if note or mine:
        st.caption(inert(f"In {relabels.file}"))


def inert(text: str) -> str:
    """A text for Streamlit's Markdown, in which nothing is set."""
    return "".join(f"\\{one}" if one in "\\`*_{}[]()<>#+-.!$|~:&" else one for one in text)
