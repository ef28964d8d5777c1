"""report.html: one file that needs nothing else, neither a network nor JavaScript."""

from __future__ import annotations

import html
from collections.abc import Callable, Sequence

from matplotlib.figure import Figure

from jorney.show import exhibits, figures, findings, formats, tables
from jorney.show.samples import Sample, SampleOutput, visible
from jorney.show.style import CSS
from jorney.thought.thought import Thought
from jorney.tree.tree import Tree

# Each figure is drawn twice and the page shows the one that fits: scaled down to a phone, its text could not be read.
_WIDTHS = {"wide": 720, "narrow": 328}

# A second lock behind the escaping: even markup that slipped through could neither run nor load anything.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"


def document(
    report: tables.Report,
    samples: Sequence[Sample],
    tree: Tree | None = None,
    thoughts: tuple[Thought, Thought] | None = None,
) -> str:
    """The whole page."""
    title = tables.title(report)
    facts = tables.facts(report)
    sections = [
        f"<h1>{escape(title)}</h1>",
        f'<p class="lead">{escape(tables.headline(report))}</p>',
        f'<p class="facts">{escape(facts)}</p>' if facts else "",
        section("Accuracy", _accuracy(report)),
        section("Left out", table(findings.left_out_table(report))),
        section("Controls", table(findings.controls_table(report))),
        section("Behaviour", table(findings.behaviour_table(report))),
        section("A reasoning tree", exhibits.tree_section(tree) if tree else ""),
        section("All trees", table(findings.trees_table(report))),
        section("A long thought", exhibits.thoughts_section(*thoughts) if thoughts else ""),
        section("All thoughts", table(findings.thoughts_table(report)) + table(findings.keywords_table(report))),
        section("Reward model", table(findings.prm_table(report))),
        section("Training", _training(report)),
        section("What the models wrote", "\n".join(_sample(i, sample) for i, sample in enumerate(samples, start=1))),
        _pair(
            section("Time", table(tables.timing_table(report))),
            section("Environment", table(tables.environment_table(report))),
        ),
    ]
    return whole(title, sections, "The numbers on this page are in report.json beside it.")


def whole(title: str, sections: Sequence[str], footer: str) -> str:
    """A page of its own, from its sections; title and footer are text."""
    body = "\n".join(filter(None, sections))
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{_POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{escape(title)}</title>
<link rel="icon" href="data:,">
<style>
{CSS}</style>
</head>
<body>
<main>
{body}
</main>
<footer>{escape(footer)}</footer>
</body>
</html>
"""


def escape(text: str) -> str:
    """The text as the content of an element or of a quoted attribute."""
    return html.escape(visible(text), quote=True)


def section(heading: str, content: str) -> str:
    """A section, or nothing where there is no content."""
    return f"<section>\n<h2>{heading}</h2>\n{content}\n</section>" if content else ""


def _pair(first: str, second: str) -> str:
    """Two sections side by side where there is room for both."""
    return f'<div class="pair">\n{first}\n{second}\n</div>' if first and second else first or second


def _accuracy(report: tables.Report) -> str:
    bars = figures.accuracy_bars(report)
    parts = []
    if bars:
        caption = "Share of the problems answered right. The thin lines are 95% Wilson intervals."
        text = figures.accuracy_text(bars)
        parts.append(figure("accuracy", lambda width: figures.draw_accuracy(bars, width), text, caption))
    points = figures.token_points(report)
    if len({point.tokens for point in points}) > 1:
        caption = f"Accuracy against the tokens that a problem took on average. {figures.token_key(points)}"
        text = figures.token_text(points)
        parts.append(figure("tokens", lambda width: figures.draw_tokens(points, width), text, caption))
    parts.append(table(tables.models_table(report)))
    parts += [f"<p>{escape(sentence)}</p>" for sentence in tables.comparison_sentences(report)[:1]]
    parts.append(table(findings.comparisons_table(report)))
    return "\n".join(filter(None, parts))


def _training(report: tables.Report) -> str:
    parts = [table(tables.training_table(report))]
    for i, (name, stage) in enumerate(tables.entries(report, "training").items()):
        curves = figures.training_curves(stage)
        if curves:
            parts.append(_curve(f"training{i}", formats.label(name), curves))
    return "\n".join(filter(None, parts))


def _curve(name: str, label: str, curves: Sequence[figures.Curve]) -> str:
    text = figures.training_text(label, curves)
    return figure(name, lambda width: figures.draw_training(curves, width), text, f"{label}, over its training steps.")


def figure(name: str, draw: Callable[[int], Figure], text: str, caption: str) -> str:
    """A figure at two widths.

    Args:
      name: unique within the page.
      draw: given a width in pixels.
      text: what a screen reader says in its place.
    """
    drawings = []
    for kind, width in _WIDTHS.items():
        drawing = figures.svg(draw(width), f"{name}-{kind}", visible(text))
        drawings.append(drawing.replace("<svg ", f'<svg class="{kind}" ', 1))
    return "\n".join(["<figure>", *drawings, f"<figcaption>{escape(caption)}</figcaption>", "</figure>"])


def table(shown: tables.Table | None) -> str:
    """The table in a container of its own, which scrolls where the page is narrower (also by keyboard: tabindex)."""
    if shown is None:
        return ""
    head = "".join(f'<th scope="col">{escape(cell)}</th>' for cell in shown.header)
    rows = "\n".join(_row(row) for row in shown.rows)
    note = f'\n<p class="note">{escape(shown.note)}</p>' if shown.note else ""
    # The caption does not scroll: it is read whole on a phone.
    return f"""<p class="caption" id="table-{shown.name}">{escape(shown.caption)}</p>
<div class="scroll" role="region" aria-labelledby="table-{shown.name}" tabindex="0">
<table{' class="numeric"' if shown.numeric else ""} aria-labelledby="table-{shown.name}">
<thead><tr>{head}</tr></thead>
<tbody>
{rows}
</tbody>
</table>
</div>{note}"""


def _row(row: Sequence[str]) -> str:
    cells = "".join(f"<td>{escape(cell)}</td>" for cell in row[1:])
    return f'<tr><th scope="row">{escape(row[0])}</th>{cells}</tr>'


def _sample(number: int, sample: Sample) -> str:
    outputs = "\n".join(_output(number, name, output) for name, output in sample.outputs.items())
    return f"""<article>
<h3>Problem {number}</h3>
<p class="question">{escape(sample.question)}</p>
<p class="note">Right answer: {escape(sample.answer)}</p>
<div class="outputs">
{outputs}
</div>
</article>"""


def _output(number: int, name: str, output: SampleOutput) -> str:
    label = escape(formats.label(name))
    kind, mark = ("right", "✓") if output.correct else ("wrong", "✗")
    note = f", {escape(output.note)}" if output.note else ""
    text = '<p class="note">It wrote nothing.</p>'
    if output.text.strip():
        # The parser drops the line break after <pre>; were it not there, it would drop one that begins the text.
        text = f'<pre role="region" aria-label="{label}, problem {number}" tabindex="0">\n{escape(output.text)}</pre>'
    return f"""<div>
<p>{label}: <span class="{kind}"><span aria-hidden="true">{mark}</span> {kind}</span>{note}</p>
{text}
</div>"""
