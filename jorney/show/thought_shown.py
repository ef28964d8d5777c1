"""A thought to be read: as a walk whose pieces lead to their nodes, beside its shortcut; a draft beside its refinement."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from jorney.show import tree_drawing
from jorney.show.latex_text import MOST, Mark, marked, plain, rich
from jorney.show.page import escape
from jorney.show.text_differences import differences
from jorney.text.step_format import FORMATS
from jorney.thought import refine
from jorney.thought.thought import Piece, Thought
from jorney.tree.tree import Tree

# What stands before a line that is not simply a step on the way: seen without colour, and read aloud.
MARKS = {"excursion": ("✗", "left again"), "reflection": ("↩", "goes back"), "conclusion": ("✓", "answer")}
LEGEND = "✗ a step that is left again, ↩ the moment of doubt and where it goes back to, ✓ the answer."


def lines(thought: Thought) -> str:
    """The pieces as lines for a picture: nothing leads anywhere."""
    found = []
    for piece in thought.pieces:
        found.append(f'<div class="piece {piece.kind}">{_sign(piece)}<span>{escape(piece.text.strip())}</span></div>')
    return "".join(found)


def walk(thought: Thought, selected: int | None = None, tree: Tree | None = None, go: bool = True) -> str:
    """A thought as a walk: a block for each piece, in its order.

    Args:
      selected: the node (of a thought without a tree the turn) whose pieces are marked.
      tree: that it was walked from, for the names of nodes.
      go: whether pieces lead to their nodes.

    Returns:
      `<div class="thought walk">` of `<div class="piece KIND" data-piece="N" data-of="NODE">`, each with its text in
      `data-go="node:NODE"`, and behind reflections a button `data-go="node:BACK"`. For thoughts without a tree both are
      `turn:N`. Pieces of the selected node are `aria-current`.
    """
    place = "turn" if thought.turns or thought.construction != "tree" else "node"
    label = tree_drawing.names(tree) if tree is not None and place == "node" else []
    found, depth = [], 0
    for number, piece in enumerate(thought.pieces):
        depth = depth + 1 if piece.kind == "excursion" else 0 if piece.kind != "reflection" else depth
        found.append(_block(number, piece, place, label, selected, go, bool(depth)))
    head = f"{thought.excursions} time{'s' * (thought.excursions != 1)} back" if thought.excursions else "never back"
    by = "" if thought.refiner == "offline" else f" · refined by {plain(thought.refiner)}"
    note = f'<p class="note">{rich(thought.note)}</p>' if thought.note else ""
    facts = (
        f'<p class="facts">{thought.kind} · {len(thought.pieces)} pieces · {head} · {len(thought.text):,} characters{by}</p>'
    )
    return f'{facts}{note}<div class="thought walk">{"".join(found)}</div>'


def side_by_side(
    journey: Thought, shortcut: Thought | None, selected: int | None = None, tree: Tree | None = None, go: bool = True
) -> str:
    """A journey, and where there is one its shortcut beside it; arguments as of `walk`."""
    columns = [("The journey" if journey.kind == "journey" else f"The {journey.kind}", journey)]
    columns += [("Its shortcut", shortcut)] if shortcut is not None else []
    shown = "".join(
        f'<div><p class="caption">{title}</p>{walk(thought, selected, tree, go)}</div>' for title, thought in columns
    )
    return f'<div class="outputs">{shown}</div><p class="note">{LEGEND}</p>'


class Kept(NamedTuple):
    """What became of a draft's step in its refinement.

    Attributes:
      piece: its number among the draft's pieces.
      fate: "kept", "moved" (its words stand before those of an earlier step) or "lost" (they stand nowhere).
    """

    piece: int
    fate: str


def fates(draft: Thought, refined: str, tree: Tree | None = None) -> list[Kept]:
    """What became of the steps of a draft, as `refine.check` looks for them: word for word, in their order.

    Args:
      refined: the text.
      tree: that the draft was walked from; without one a step is looked for behind whatever opening any format gives steps.
    """
    found, at = [], 0
    for number, piece in enumerate(draft.pieces):
        if piece.kind not in ("step", "excursion"):
            continue
        step = _bare(piece, tree)
        if (place := refined.find(step, at)) >= 0:
            found.append(Kept(number, "kept"))
            at = place + len(step)
        else:
            found.append(Kept(number, "moved" if step in refined else "lost"))
    return found


def draft_and_refinement(draft: Thought, refined: Thought | str, tree: Tree | None = None, go: bool = True) -> str:
    """A draft and its refinement side by side; what differs is marked, and so are steps of the draft that are lost.

    Args:
      refined: a thought, or a text.
      tree: see `fates`.
      go: whether steps lead to their nodes.

    Returns:
      `<div class="outputs refinement">`; the draft's pieces as in `walk`, a lost one with `data-lost="lost"` (or "moved") and
      the words for it. `<mark class="gone">` is what the refinement has not, `<mark class="new">` what the draft has not.
    """
    text = refined if isinstance(refined, str) else refined.text
    kept = {one.piece: one.fate for one in fates(draft, text, tree)}
    compared = differences(draft.text[:MOST], text[:MOST])
    gone, new = compared or ([], [])
    place = "turn" if draft.turns or draft.construction != "tree" else "node"
    blocks = []
    for number, (piece, (start, stop)) in enumerate(zip(draft.pieces, draft.spans, strict=True)):
        inside = _within(gone, start, stop)
        fate = kept.get(number, "kept")
        lost = f' data-lost="{fate}"' if fate != "kept" else ""
        words = {"lost": "lost: not in the refinement", "moved": "moved: not in its place"}.get(fate, "")
        tag = f'<span class="tag">{words}</span> ' if words else ""
        body = f"<span{_go(place, piece.node, go)}>{tag}{marked(piece.text.rstrip(), inside)}</span>"
        blocks.append(f'<div class="piece {piece.kind}"{lost} data-piece="{number}">{_sign(piece)}{body}</div>')
    lost_steps = sum(fate == "lost" for fate in kept.values())
    moved = sum(fate == "moved" for fate in kept.values())
    said = f"{len(kept)} steps in the draft: {len(kept) - lost_steps - moved} kept word for word and in order"
    said += "".join(f", {count} {what}" for count, what in ((moved, "moved"), (lost_steps, "lost")) if count)
    far = "" if compared is not None else " The two are too long to be compared word by word."
    by = "" if isinstance(refined, str) else f" by {plain(refined.refiner)}"
    note = f'<p class="note">{rich(refined.note)}</p>' if not isinstance(refined, str) and refined.note else ""
    return f"""<p class="facts">{said}.{far}</p>{note}<div class="outputs refinement">
<div><p class="caption">The draft</p><div class="thought walk">{"".join(blocks)}</div></div>
<div><p class="caption">The refinement{by}</p><div class="thought whole">{marked(text, new)}</div></div>
</div>"""


def _within(marks: Sequence[Mark], start: int, stop: int) -> list[Mark]:
    """The parts of marks that lie in a stretch, from its beginning."""
    return [
        Mark(max(mark.start, start) - start, min(mark.stop, stop) - start, mark.opens, mark.closes)
        for mark in marks
        if mark.start < stop and mark.stop > start
    ]


def _bare(piece: Piece, tree: Tree | None) -> str:
    if tree is not None and piece.node is not None and piece.node < len(tree.nodes):
        return refine.bare(tree, piece.node)
    text = piece.text.strip()
    for style in FORMATS.values():
        if style.numbered and (bare := style.bare(text)) != text:
            return bare
    return text


def _block(number: int, piece: Piece, place: str, label: Sequence[str], selected: int | None, go: bool, off: bool) -> str:
    def name(node: int) -> str:
        return f"({label[node]})" if node < len(label) else f"{place} {node}"

    now = ' aria-current="true"' if selected is not None and piece.node == selected else ""
    of = f' data-of="{piece.node}"' if piece.node is not None else ""
    back = ""
    if piece.back_to is not None:
        words = f"↩ {name(piece.back_to)}"
        leads = f' type="button" data-go="{place}:{piece.back_to}" title="Where it goes back to"'
        back = f" <button{leads}>{words}</button>" if go else f' <span class="facts">{words}</span>'
    where = f'<span class="where">{name(piece.node)}</span> ' if piece.node is not None and piece.kind != "conclusion" else ""
    body = f"<span{_go(place, piece.node, go)}>{where}{rich(piece.text.strip())}</span>"
    kind = f"{piece.kind} off" if off else piece.kind
    return f'<div class="piece {kind}" data-piece="{number}"{of}{now}>{_sign(piece)}<div>{body}{back}</div></div>'


def _go(place: str, node: int | None, go: bool) -> str:
    return f' data-go="{place}:{node}" tabindex="0" role="button"' if go and node is not None else ""


def _sign(piece: Piece) -> str:
    sign, words = MARKS.get(piece.kind, ("", ""))
    said = f' title="{words}" aria-label="{words}"' if sign else ""
    return f'<span class="mark"{said}>{sign}</span>'
