"""report.md: the same sentences and tables as the page, without figures."""

from __future__ import annotations

import re
from collections.abc import Sequence

from jorney.show import findings, formats, tables
from jorney.show.samples import Sample, visible
from jorney.thought.thought import Thought


def document(report: tables.Report, samples: Sequence[Sample], thoughts: tuple[Thought, Thought] | None = None) -> str:
    """The whole file."""
    blocks = [f"# {escape(tables.title(report))}", escape(tables.headline(report)), escape(tables.facts(report))]
    blocks += ["## Accuracy" if tables.models_table(report) else "", *table(tables.models_table(report))]
    blocks += [escape(sentence) for sentence in tables.comparison_sentences(report)[:1]]
    blocks += table(findings.comparisons_table(report))
    blocks += ["## Left out" if findings.left_out_table(report) else "", *table(findings.left_out_table(report))]
    for heading, made in (
        ("Controls", findings.controls_table(report)),
        ("Behaviour", findings.behaviour_table(report)),
        ("Trees", findings.trees_table(report)),
        ("Thoughts", findings.thoughts_table(report)),
        ("Keywords", findings.keywords_table(report)),
        ("Reward model", findings.prm_table(report)),
        ("Training", tables.training_table(report)),
    ):
        blocks += [f"## {heading}" if made else "", *table(made)]
    if thoughts:
        journey, shortcut = thoughts
        blocks += ["## A long thought", fenced(journey.question), "The journey:", fenced(journey.text)]
        blocks += ["Its shortcut:", fenced(shortcut.text)]
    blocks += ["## What the models wrote" if samples else ""]
    for number, sample in enumerate(samples, start=1):
        blocks += _sample(number, sample)
    blocks += ["## Time" if tables.timing_table(report) else "", *table(tables.timing_table(report))]
    blocks += ["## Environment" if tables.environment_table(report) else "", *table(tables.environment_table(report))]
    return "\n\n".join(filter(None, blocks)) + "\n"


def escape(text: str) -> str:
    """The text on one line, every character that Markdown or HTML in Markdown could act on made plain."""
    text = " ".join(visible(text).split())
    # Colons, dots and at signs only where they would make an address into a link.
    return re.sub(r"([\\`*_{}\[\]<>#|~&$!@]|:(?=//)|(?<=www)\.)", r"\\\1", text)


def fenced(text: str) -> str:
    """The text in a code block that nothing in it can close: its fence is longer than any run of backticks there."""
    longest = max(map(len, re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}text\n{visible(text)}\n{fence}"


def table(shown: tables.Table | None) -> list[str]:
    """The blocks of a table, and of its note; none where there is no table."""
    if shown is None:
        return []
    others = "---:" if shown.numeric else ":---"
    lines = [shown.header, (":---", *[others] * (len(shown.header) - 1)), *(tuple(map(escape, row)) for row in shown.rows)]
    return ["\n".join(f"| {' | '.join(line)} |" for line in lines), escape(shown.note)]


def _sample(number: int, sample: Sample) -> list[str]:
    blocks = [f"### Problem {number}", fenced(sample.question), f"Right answer: {escape(sample.answer)}"]
    for name, output in sample.outputs.items():
        verdict = "✓ right" if output.correct else "✗ wrong"
        note = f" ({escape(output.note)})" if output.note else ""
        blocks += [
            f"**{escape(formats.label(name))}**: {verdict}{note}",
            fenced(output.text) if output.text.strip() else "It wrote nothing.",
        ]
    return blocks
