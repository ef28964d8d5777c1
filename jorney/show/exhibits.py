"""What a report shows as it is: one tree, one long thought beside its shortcut, and what the models wrote."""

from __future__ import annotations

from urllib.parse import quote

from jorney.show import formats, markdown, page, thought_shown, tree_drawing
from jorney.show.document import Exhibit, Report, Table, section
from jorney.show.samples import Sample
from jorney.thought.thought import Thought
from jorney.tree.tree import Tree


def tree_drawn(tree: Tree) -> Exhibit:
    """The drawing, in a container that scrolls where the page is narrower, and a listing of its steps."""
    table = nodes_table(tree)
    rows = "".join(f"<tr>{page.cells(row)}</tr>" for row in table.rows)
    return Exhibit(f"""<p class="question">{page.escape(tree.question)}</p>
<div class="scroll" role="region" aria-label="A reasoning tree" tabindex="0">
{tree_drawing.draw(tree)}
</div>
<p class="note">{page.escape(tree_drawing.LEGEND)}</p>
<details><summary>All {len(tree.nodes) - 1} steps</summary>
<div class="scroll" role="region" aria-label="{page.escape(table.caption)}" tabindex="0">
<table><thead>{page.head(table)}</thead><tbody>{rows}</tbody></table>
</div></details>""")


def nodes_table(tree: Tree) -> Table:
    """Every step of a tree, level by level."""
    labels = tree_drawing.names(tree)
    order = sorted(range(1, len(tree.nodes)), key=lambda index: (tree.level(index), index))
    rows = tuple(
        (
            labels[index],
            labels[node.parent or 0],
            " ".join(node.text.split()),
            tree_drawing.verdict(node),
            node.status,
            node.justification,
        )
        for index in order
        for node in (tree.nodes[index],)
    )
    return Table("nodes", "The steps of the tree", ("Node", "Parent", "Step", "Judged", "Then", "Seen"), rows, numeric=False)


def thoughts_drawn(journey: Thought, shortcut: Thought) -> Exhibit:
    """Both thoughts side by side where there is room; excursions and reflections are marked."""
    columns = "\n".join(
        f'<div>\n<p>{title}</p>\n<div class="thought">{thought_shown.lines(thought)}</div>\n</div>'
        for title, thought in (("The journey", journey), ("Its shortcut", shortcut))
    )
    return Exhibit(f"""<p class="question">{page.escape(journey.question)}</p>
<div class="outputs">
{columns}
</div>
<p class="note">{thought_shown.LEGEND}</p>""")


def thoughts_quoted(journey: Thought, shortcut: Thought) -> Exhibit:
    """Both thoughts in Markdown, one after the other."""
    question, walked, straight = map(markdown.fenced, (journey.question, journey.text, shortcut.text))
    return Exhibit(markdown=(question, "The journey:", walked, "Its shortcut:", straight))


def files(report: Report) -> Exhibit:
    """Where the run's trees, thoughts, models and settings lie, and what made them: paths beside the page."""
    places = {name: place for name, place in section(report, "files").items() if isinstance(place, str)}
    if not places:
        return Exhibit()
    links = "".join(
        f'<li><a href="{page.escape(quote(place))}">{page.escape(formats.label(name))}</a></li>'
        for name, place in places.items()
    )
    listed = "\n".join(f"- {markdown.escape(formats.label(name))}: `{place}`" for name, place in places.items())
    command, viewer = report.get("command"), report.get("viewer")
    made, said = (f"<pre>\n{page.escape(command)}</pre>", markdown.fenced(command)) if isinstance(command, str) else ("", "")
    again = "The command that made them:" if made else ""
    html = f'<ul class="files">{links}</ul>' + (f"<p>{again}</p>{made}" if made else "")
    blocks = [listed, again, said]
    if isinstance(viewer, str):
        html += f"<p>To look at every one of them in a browser:</p><pre>\n{page.escape(viewer)}</pre>"
        blocks += ["To look at every one of them in a browser:", markdown.fenced(viewer)]
    return Exhibit(html, list(filter(None, blocks)))


def sample(number: int, sample: Sample) -> Exhibit:
    """A problem and what each model wrote for it."""
    columns = []
    blocks = [f"### Problem {number}", markdown.fenced(sample.question), f"Right answer: {markdown.escape(sample.answer)}"]
    for name, output in sample.outputs.items():
        title = page.escape(formats.label(name))
        kind, mark = ("right", "✓") if output.correct else ("wrong", "✗")
        note, remark = (f", {page.escape(output.note)}", f" ({markdown.escape(output.note)})") if output.note else ("", "")
        text, quoted = '<p class="note">It wrote nothing.</p>', "It wrote nothing."
        if output.text.strip():
            # The parser drops the line break after <pre>; were it not there, it would drop one that begins the text.
            text = f'<pre role="region" aria-label="{title}, problem {number}" tabindex="0">\n{page.escape(output.text)}</pre>'
            quoted = markdown.fenced(output.text)
        blocks += [f"**{markdown.escape(formats.label(name))}**: {mark} {kind}{remark}", quoted]
        columns.append(f"""<div>
<p>{title}: <span class="{kind}"><span aria-hidden="true">{mark}</span> {kind}</span>{note}</p>
{text}
</div>""")
    outputs = "\n".join(columns)
    html = f"""<article>
<h3>Problem {number}</h3>
<p class="question">{page.escape(sample.question)}</p>
<p class="note">Right answer: {page.escape(sample.answer)}</p>
<div class="outputs">
{outputs}
</div>
</article>"""
    return Exhibit(html, blocks)
