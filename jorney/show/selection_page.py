"""One page that needs nothing else, of whatever was selected: trees, thoughts, and what models wrote."""

from __future__ import annotations

from collections.abc import Sequence

from jorney.show import output_shown, page, steps_shown, thought_shown, tree_drawing
from jorney.show.document import Document, Exhibit, Section
from jorney.show.latex_text import plain, rich
from jorney.show.node_words import SIGNS, Told, verdict
from jorney.show.output_shown import Response
from jorney.show.tree_drawing import Drawn
from jorney.show.tree_folding import Folding, fold
from jorney.show.view_style import SELECTION_CSS
from jorney.thought.thought import Thought
from jorney.tree.tree import ROOT, Tree

# A thought alone; or with what stands beside it: of a journey its shortcut.
Shown = Thought | tuple[Thought, Thought | None]


def html(
    title: str,
    trees: Sequence[Tree] = (),
    thoughts: Sequence[Shown] = (),
    outputs: Sequence[Response] = (),
    note: str = "",
    folding: Folding | None = None,
) -> str:
    """The page: equal arguments give equal bytes; it needs neither a network nor JavaScript.

    Args:
      trees: each drawn, folded above 300 nodes, with its steps listed; nodes are links to the list.
      thoughts: each as a walk, beside its shortcut where there is one.
      outputs: what models wrote.
      note: where all this comes from; a paragraph.
      folding: how trees are folded; nodes that it names are to be in all of them.

    Raises:
      ValueError: a tree lacks a node that `folding` names.
    """
    counts = (("tree", trees), ("thought", thoughts), ("output", outputs))
    counted = [f"{len(many):,} {what}{'s' * (len(many) != 1)}" for what, many in counts if many]
    sections = [
        Section("Trees", [Exhibit(tree(one, f"t{number}-", folding)) for number, one in enumerate(trees, start=1)]),
        Section("Thoughts", [Exhibit(_thought(one)) for one in thoughts]),
        Section("Outputs", [Exhibit(_output(one)) for one in outputs]),
    ]
    paragraphs = [note] if note else []
    lead = ", ".join(counted) or "Nothing was selected."
    return page.html(Document(title, lead[:1].upper() + lead[1:], "", paragraphs, sections, (), ""), SELECTION_CSS)


def tree(shown: Tree, link: str, folding: Folding | None = None) -> str:
    """A tree with its steps listed below, each a place that its node in the drawing leads to.

    Args:
      link: the start of the names of these places, unique in the page; letters, digits and hyphens.
    """
    drawn = Drawn(folding or Folding(), link)
    folded = fold(shown, drawn.folding)
    drawing = tree_drawing.draw_folded(shown, folded, drawn)
    label, told = tree_drawing.names(shown), Told.of(shown)
    rows = "".join(_row(shown, node, label, told, link) for node in folded.order)
    listed = len(folded.order) - (folded.root == ROOT)
    return f"""<article class="shown">
<h3>{plain(shown.id)}</h3>
<p class="question">{rich(shown.question)}</p>
<p class="facts">Right answer: {rich(shown.answer, 500)} · {plain(tree_drawing.said_of(shown, folded))}</p>
<div class="scroll" role="region" aria-label="A reasoning tree" tabindex="0">
{drawing}
</div>
<p class="note">{plain(tree_drawing.LEGEND_OF_VIEW)}</p>
<details open><summary>{f"The {listed:,} steps" if not folded.total else f"The {listed:,} steps that are drawn"}</summary>
<ol class="listed">{rows}</ol></details>
</article>"""


def _row(shown: Tree, node: int, label: Sequence[str], told: Told, link: str) -> str:
    one = shown.nodes[node]
    if one.parent is None:
        return f'<li id="{link}{node}" class="listed-root">The question</li>'
    kind = verdict(one)
    sign = f'<span class="sign {kind.replace(" ", "-")}" aria-hidden="true">{SIGNS[kind]}</span>'
    after = f'<a href="#{link}{one.parent}">{label[one.parent]}</a>'
    return (
        f'<li id="{link}{node}"><p class="step-head">{sign} <b>({label[node]})</b> '
        f'<span class="facts">after {after} · {plain(told.line(node))}</span></p>'
        f'<div class="step-text">{rich(one.text.strip())}</div>{steps_shown.seen(one.justification)}</li>'
    )


def _thought(shown: Shown) -> str:
    thought, beside = shown if isinstance(shown, tuple) else (shown, None)
    walked = thought_shown.side_by_side(thought, beside, go=False)
    return f"""<article class="shown">
<h3>{plain(thought.id)}</h3>
<p class="question">{rich(thought.question)}</p>
<p class="facts">Right answer: {rich(thought.answer, 500)}</p>
{walked}
</article>"""


def _output(shown: Response) -> str:
    problem = shown.problem
    about = ""
    if problem is not None:
        about = f'<h3>{plain(problem.id)}</h3>\n<p class="question">{rich(problem.question)}</p>\n'
        about += f'<p class="facts">Right answer: {rich(problem.answer, 500)}</p>\n'
    return f'<article class="shown">\n{about}{output_shown.response(shown)}\n</article>'
