"""The steps of a tree to be read: those of a level, or one with its siblings, what was seen of it and how it was sampled."""

from __future__ import annotations

from collections.abc import Sequence

from jorney.show import token_shading, tree_drawing
from jorney.show.latex_text import MOST, marked, plain, rich
from jorney.show.node_words import SIGNS, Told, verdict
from jorney.show.text_differences import differences
from jorney.show.token_shading import Decoder
from jorney.tree.shape import children, levels
from jorney.tree.tree import ROOT, Tree

_MANY = 100  # steps of a level, or siblings, on a page
_COMPARED = 100_000  # characters of siblings that are compared with a step; the others are shown as they are


def level(tree: Tree, at: int, selected: int | None = None, page: int = 0, many: int = _MANY) -> str:
    """The steps of a level, by their parents.

    Args:
      at: the level; the root's is 0.
      page: of pages of `many` steps, from 0; one that is not there is the nearest that is.

    Returns:
      `<div class="steps">` with an `<article class="step" data-node data-go="node:N">` for each, the selected one
      `aria-current`; `data-go="page:N"` leads to other pages.
    """
    found = levels(tree)
    nodes = [index for index, own in enumerate(found) if own == at]
    # Siblings one after another, in the order of their parents, as the drawing has them.
    nodes.sort(key=lambda index: (tree.nodes[index].parent or 0, tree.nodes[index].sibling))
    pages = max(1, -(-len(nodes) // many))
    page = min(max(0, page), pages - 1)
    shown = nodes[page * many : (page + 1) * many]
    label, told = tree_drawing.names(tree), Told.of(tree)
    pieces, parent = [], -1
    for index in shown:
        above = tree.nodes[index].parent
        if above is not None and above != parent:
            parent = above
            after = "the question" if parent == ROOT else f"({label[parent]}) {plain(told.short(parent))}"
            pieces.append(f'<p class="after" data-go="node:{parent}" tabindex="0" role="button">After {after}</p>')
        pieces.append(_card(tree, index, label[index], told, rich(_text(tree, index)), index == selected))
    counted = f"Level {at}: {len(nodes):,} step{'s' * (len(nodes) != 1)}"
    head = f'<p class="facts">{counted}{f", page {page + 1} of {pages}" if pages > 1 else ""}. {_pages(page, pages)}</p>'
    return f'<div class="steps">{head}{"".join(pieces)}</div>'


def node(tree: Tree, index: int, decode: Decoder | None = None, command: str = "", marks: bool = True, go: bool = True) -> str:
    """One step whole, and its siblings with what differs marked.

    Args:
      decode: tells the text of each token, for their shading (`token_shading.shaded`).
      command: that grows the tree anew, where it is known; else one with places to fill in is shown.
      marks: whether siblings are marked where they differ from this step; else they are shown as they are.
      go: whether siblings lead to themselves (`data-go="node:N"`).

    Returns:
      `<div class="node-shown">`: the step, its facts, its tokens, how to sample it again, and `<article class="step">` for each
      sibling. `<mark class="other">` is what a sibling has and this step has not.

    Raises:
      ValueError: there is no such node.
    """
    if not 0 <= index < len(tree.nodes):
        raise ValueError(f"node {index}: expected a node of tree {tree.id!r}, from 0 to {len(tree.nodes) - 1}")
    one, label, told = tree.nodes[index], tree_drawing.names(tree), Told.of(tree)
    facts = "".join(f"<div><dt>{what}</dt><dd>{plain(value)}</dd></div>" for what, value in told.facts(index))
    parts = [f'<p class="step-text">{rich(_text(tree, index))}</p>', seen(one.justification), f'<dl class="facts">{facts}</dl>']
    if tokens := token_shading.shaded(one, decode):
        parts.append(f'<details class="likely" open><summary>Tokens</summary>{tokens}')
        parts.append(f'<p class="note">{plain(token_shading.LEGEND)}</p></details>')
    if one.meta:
        said = "".join(f"<div><dt>{plain(str(k))}</dt><dd>{rich(str(v), 2_000)}</dd></div>" for k, v in one.meta.items())
        parts.append(f'<details><summary>What its source says of it</summary><dl class="facts">{said}</dl></details>')
    parts.append(_again(tree, index, command))
    siblings = [other for other in children(tree)[one.parent] if other != index] if one.parent is not None else []
    if siblings:
        said = "; what differs from this step is marked" if marks else ""
        parts.append(f"<h4>{len(siblings):,} sibling{'s' * (len(siblings) != 1)}{said}</h4>")
        text, budget = _text(tree, index), _COMPARED
        for other in siblings[:_MANY]:
            body = _text(tree, other)
            budget -= len(body)
            compared = differences(text[:MOST], body[:MOST], "own", "other") if marks and budget > 0 else ([], [])
            said = "" if compared is not None else '<p class="note">Too long to be compared word by word.</p>'
            parts.append(_card(tree, other, label[other], told, marked(body, compared[1] if compared else ()) + said, go=go))
        if len(siblings) > _MANY:
            parts.append(f'<p class="note">{len(siblings) - _MANY:,} more are not shown here; the level lists them.</p>')
    kind = verdict(one).replace(" ", "-") if index else "root"
    sign = "" if index == ROOT else f'<span class="sign {kind}" aria-hidden="true">{SIGNS[verdict(one)]}</span> '
    title = "The question" if index == ROOT else f"Step ({label[index]})"
    return f'<div class="node-shown" data-verdict="{kind}" data-node="{index}"><h3>{sign}{title}</h3>{"".join(parts)}</div>'


def _text(tree: Tree, index: int) -> str:
    return tree.question if index == ROOT else tree.nodes[index].text.strip("\n")


def _card(tree: Tree, index: int, label: str, told: Told, body: str, current: bool = False, go: bool = True) -> str:
    """A step in a list."""
    one = tree.nodes[index]
    kind = verdict(one)
    sign = f'<span class="sign {kind.replace(" ", "-")}" aria-hidden="true">{SIGNS[kind]}</span>'
    reached = f' data-go="node:{index}" tabindex="0" role="button" aria-label="{plain(f"{label}: {told.short(index)}")}"'
    now = ' aria-current="true"' if current else ""
    head = f'<p class="step-head">{sign} <b>({label})</b> <span class="facts">{plain(told.line(index))}</span></p>'
    ghost = " ghost" if one.excursion or one.status == "pruned" else ""
    return (
        f'<article class="step{ghost}" data-verdict="{kind.replace(" ", "-")}" data-node="{index}"{reached if go else ""}{now}>'
        f'{head}<div class="step-text">{body}</div>'
        f"{seen(one.justification)}</article>"
    )


def seen(justification: str) -> str:
    """What the judge saw, in its words; "" where it gave none."""
    return f'<p class="seen"><span class="facts">Seen:</span> {rich(justification)}</p>' if justification.strip() else ""


def _pages(page: int, pages: int) -> str:
    found = []
    if page > 0:
        found.append(f'<button type="button" data-go="page:{page - 1}">Earlier</button>')
    if page < pages - 1:
        found.append(f'<button type="button" data-go="page:{page + 1}">Later</button>')
    return " ".join(found)


def _again(tree: Tree, index: int, command: str) -> str:
    """Where a node's random numbers stand, and how it is sampled again."""
    one = tree.nodes[index]
    if one.key is None:
        return "" if index == ROOT else '<p class="note">It was not sampled here: no random key is known of it.</p>'
    siblings: Sequence[str] = [str(tree.nodes[step].sibling) for step in tree.path(one.parent or ROOT)]
    name = "/".join([tree.id, *siblings])
    grown = command or f"jorney expand --model MODEL --problems FILE --seed SEED --step-format {tree.step_format}"
    filled = "" if command else " Put the model, the file of problems, the seed and the settings of the run in."
    return f"""<details class="again"><summary>Sample it again</summary>
<p>Random key: <code>[{one.key[0]}, {one.key[1]}]</code>, which is</p>
<pre>{plain(f"row_keys(seed, {name!r}, w)[{one.sibling}]  # jorney.engine.generate")}</pre>
<p>No command samples one node alone. The same model, settings and seed grow the same tree, this node in it:{filled}</p>
<pre>{plain(grown)}</pre></details>"""
