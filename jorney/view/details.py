"""One row whole, by what it is."""

from __future__ import annotations

import json
from collections.abc import Callable

import streamlit as st

from jorney.show import output_shown, thought_shown
from jorney.show.latex_text import marked, plain, rich
from jorney.show.output_shown import Response
from jorney.show.text_differences import differences
from jorney.thought.thought import Thought, from_json
from jorney.tree.tree import Tree
from jorney.view import opened, tree_view
from jorney.view.collection import kinds
from jorney.view.collection.index import Index
from jorney.view.collection.sources import Collection
from jorney.view.export import copying
from jorney.view.opened import control, go, place
from jorney.view.pane import pane

_OTHERS = 12  # outputs of one problem that are shown below each other


def show(collection: Collection, own: Index, number: int) -> None:
    """The row, in the ways that there are to look at it."""
    ways = _WAYS.get(own.kind, {}) | {"Copy": _copy}
    tab = place().tab if place().tab in ways else next(iter(ways))
    if len(ways) > 1:
        control(
            st.segmented_control,
            "Look at",
            "tab",
            tab,
            lambda one: one or tab,
            options=list(ways),
            label_visibility="collapsed",
        )
    ways[tab](collection, own, number)


def _tree(collection: Collection, own: Index, number: int) -> None:
    tree_view.show(opened.tree_at(own, number), own.place(number), own.nth(number))


def _level(collection: Collection, own: Index, number: int) -> None:
    tree_view.level(opened.tree_at(own, number))


def _thoughts_of_tree(collection: Collection, own: Index, number: int) -> None:
    tree = opened.tree_at(own, number)
    _walked(own.columns["id"][number], collection.name, None, tree_of=lambda: tree)


def _thought(collection: Collection, own: Index, number: int) -> None:
    thought = from_json(own.row(number), own.place(number))
    id_ = own.columns["id"][number]
    _walked(id_, collection.name, thought, tree_of=lambda: _tree_of(id_, collection.name))


def _tree_of(id_: str, near: str) -> Tree | None:
    for _, own in opened.of_kind(kinds.TREE, near):
        if rows := own.of_id(id_):
            return opened.tree_at(own, rows[0])
    return None


def _walked(id_: str, near: str, thought: Thought | None, tree_of: Callable[[], Tree | None]) -> None:
    """A thought beside its shortcut, and the tree that both come from; a click on a piece goes to its node."""
    known = _thoughts(id_, near)
    thought = thought or next((one for one in known if one.kind != "shortcut"), next(iter(known), None))
    if thought is None:
        st.info("There is no thought of this problem among what was opened.")
        return
    tree = tree_of()
    shortcut = next((one for one in known if one.kind == "shortcut" and one.leaf == thought.leaf), None)
    selected = place().node
    if tree is None or thought.construction != "tree":
        tree = None
        chosen = pane(thought_shown.side_by_side(thought, shortcut if shortcut != thought else None, selected), "thought")
        if chosen and chosen.startswith("turn:"):
            go(node=int(chosen[5:]))
            st.rerun()
        _refined(thought, known, None)
        return
    left, right = st.columns(2, gap="medium")
    with left:
        tree_view.drawing(tree)
    with right:
        html = thought_shown.side_by_side(thought, shortcut if shortcut != thought else None, selected, tree)
        tree_view.follow(pane(html, "thought"), tree)
    _refined(thought, known, tree)


def _thoughts(id_: str, near: str) -> list[Thought]:
    found = []
    for _, own in opened.of_kind(kinds.THOUGHT, near):
        for number in own.of_id(id_):
            try:
                found.append(from_json(own.row(number), own.place(number)))
            except ValueError as error:
                st.warning(tree_view.inert(str(error)))
    return found


def _refined(thought: Thought, known: list[Thought], tree: Tree | None) -> None:
    """The draft of a thought beside what a refiner made of it, where both are there."""
    same = [one for one in known if (one.kind, one.leaf) == (thought.kind, thought.leaf)]
    draft = next((one for one in same if one.refiner == "offline"), None)
    refined = next((one for one in same if one.refiner != "offline"), None)
    if draft is not None and refined is not None:
        st.markdown("**The draft, and what was made of it**")
        tree_view.follow(pane(thought_shown.draft_and_refinement(draft, refined, tree), "refined"), tree)


def _outputs_of_tree(collection: Collection, own: Index, number: int) -> None:
    _outputs(own.columns["id"][number], collection.name, ())


def _output(collection: Collection, own: Index, number: int) -> None:
    row = own.row(number)
    id_ = own.columns["id"][number]
    problem = opened.problem_of(id_, collection.name)
    head = f"<p class='question'>{rich(problem.question)}</p>" if problem else ""
    pane(head + output_shown.response(Response.of_row(row, problem, collection.name)), "output")
    _written("What others wrote for this problem", id_, collection.name, (collection.name, number))


def _written(title: str, id_: str, near: str, but: tuple[object, ...]) -> None:
    """Outputs for a problem, looked for when they are asked for: that reads every collection of outputs."""
    others = st.expander(title, key="others", on_change="rerun")
    if others.open:
        with others:
            _outputs(id_, near, but)


def _outputs(id_: str, near: str, but: tuple[object, ...]) -> None:
    if not id_:
        st.info("This row states no id, by which outputs could be told to be for its problem.")
        return
    problem, more = opened.problem_of(id_, near), 0
    shown: list[str] = []
    for kind in (kinds.OUTPUT, kinds.EPISODE):
        for collection, own in opened.of_kind(kind, near):
            for number in own.of_id(id_):
                if (collection.name, number) != but:
                    more += len(shown) >= _OTHERS
                    if len(shown) < _OTHERS:
                        shown.append(output_shown.response(Response.of_row(own.row(number), problem, collection.name)))
    if not shown:
        st.info("There are no outputs for this problem among what was opened.")
        return
    pane("<hr>".join(shown) + (f"<p class='note'>and {more:,} more</p>" if more else ""), "outputs")


def _pair(collection: Collection, own: Index, number: int) -> None:
    row = own.row(number)
    chosen, rejected = (text if isinstance(text := row.get(name), str) else json.dumps(text) for name in ("chosen", "rejected"))
    marks = differences(chosen, rejected)
    sides = [
        (marked(text, one) if one else rich(text)) for text, one in zip((chosen, rejected), marks or ((), ()), strict=True)
    ]
    prompt = row.get("prompt", row.get("question", ""))
    asked = rich(prompt if isinstance(prompt, str) else json.dumps(prompt))
    columns = "".join(
        f'<div><p><span class="sign {kind}">{sign}</span> {words}</p><div class="written rich">{text}</div></div>'
        for (kind, sign, words), text in zip((("right", "✓", "chosen"), ("wrong", "✗", "rejected")), sides, strict=True)
    )
    pane(f'<p class="question">{asked}</p><div class="outputs">{columns}</div>', "pair")


def _problem(collection: Collection, own: Index, number: int) -> None:
    row = own.row(number)
    parts = (("Answer", row.get("answer")), ("Solution", row.get("solution")))
    told = "".join(
        f"<h4>{name}</h4><div class='rich'>{rich(text)}</div>" for name, text in parts if isinstance(text, str) and text
    )
    pane(f"<p class='question'>{rich(str(row.get('question', '')))}</p>{told}", "problem")
    _written("What was written for this problem", own.columns["id"][number], collection.name, ())


def _labels(collection: Collection, own: Index, number: int) -> None:
    row = own.row(number)
    steps, labels = row.get("steps"), row.get("labels")
    if not isinstance(steps, list) or not isinstance(labels, list):
        _copy(collection, own, number)
        return
    body = "".join(
        f'<article class="step" data-verdict="{"right" if good else "wrong"}"><p class="facts">'
        f'<span class="sign {"right" if good else "wrong"}">{"✓" if good else "✗"}</span> label {plain(str(label))}</p>'
        f'<div class="step-text rich">{rich(str(step))}</div></article>'
        for step, label in zip(steps, labels, strict=False)
        for good in (label not in (-1, 0, False, "negative", "-", "bad") and not (isinstance(label, float) and label < 0.5),)
    )
    pane(f"<p class='question'>{rich(str(row.get('question', row.get('prompt', ''))))}</p>{body}", "labels")


def _copy(collection: Collection, own: Index, number: int) -> None:
    """The row as it is written, and what it can be taken away as."""
    try:
        text = json.dumps(own.row(number), indent=1, ensure_ascii=False)
    except RecursionError:
        raise ValueError(f"{own.place(number)}: {own.name(number)} is nested too deep to be shown") from None
    st.caption(tree_view.inert(own.place(number)))
    with st.container(horizontal=True):
        st.download_button("JSON", text.encode(errors="replace"), "row.json", "application/json", on_click="ignore")
        if own.kind in copying.KINDS:
            page, refused = copying.as_page(collection, own, [number])
            if not refused:
                words = copying.as_markdown(own, number).encode(errors="replace")
                st.download_button("Markdown", words, "row.md", "text/markdown", on_click="ignore")
                st.download_button("One page", page.encode(errors="replace"), "row.html", "text/html", on_click="ignore")
            for wrong in refused:
                st.caption(tree_view.inert(wrong))
    pane(f'<pre class="written" tabindex="0">{plain(text[:_MOST])}</pre>', "json")
    if len(text) > _MOST:
        st.caption(f"The first {_MOST:,} of {len(text):,} characters.")


_MOST = 100_000  # characters of JSON
_WAYS: dict[str, dict[str, Callable[[Collection, Index, int], None]]] = {
    kinds.TREE: {"Tree": _tree, "Steps": _level, "Thoughts": _thoughts_of_tree, "Outputs": _outputs_of_tree},
    kinds.THOUGHT: {"Thought": _thought, "Outputs": _outputs_of_tree},
    kinds.OUTPUT: {"Output": _output},
    kinds.EPISODE: {"Output": _output},
    kinds.PAIR: {"Pair": _pair},
    kinds.PROBLEM: {"Problem": _problem},
    kinds.LABELS: {"Steps": _labels},
}
