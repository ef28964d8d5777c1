"""report.html and report.md: a run on one page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from jorney.show import exhibits, figures, findings, tables
from jorney.show.document import Document, Exhibit, Report, Section
from jorney.show.samples import Sample
from jorney.thought.thought import Thought
from jorney.tree.tree import Tree


def document(
    report: Report,
    samples: Sequence[Sample] = (),
    tree: Tree | None = None,
    thoughts: tuple[Thought, Thought] | None = None,
) -> Document:
    """What both show."""
    trees, counts, keywords = (
        make(report) for make in (findings.trees_table, findings.thoughts_table, findings.keywords_table)
    )
    sections = [
        Section(
            "Accuracy",
            [
                figures.accuracy(report, "Share of the problems answered right. The thin lines are 95% Wilson intervals."),
                figures.tokens(report),
                tables.models_table(report),
                *map(tables.comparison_in_words, tables.comparisons(report)[:1]),
                findings.comparisons_table(report),
            ],
            "\n",
        ),
        Section("Left out", [findings.left_out_table(report)]),
        Section("Controls", [findings.controls_table(report)]),
        Section("Behaviour", [findings.behaviour_table(report)]),
        Section("A reasoning tree", [exhibits.tree_drawn(tree)] if tree else []),
        Section("All trees", [trees], only="html"),
        Section("Trees", [trees], only="markdown"),
        Section("A long thought", [exhibits.thoughts_drawn(*thoughts)] if thoughts else []),
        Section("All thoughts", [counts, keywords], only="html"),
        Section("Thoughts", [counts], only="markdown"),
        Section("Keywords", [keywords], only="markdown"),
        Section("Reward model", [findings.prm_table(report)]),
        Section("Training", [tables.training_table(report), *figures.training(report)], "\n"),
        Section("A long thought", [exhibits.thoughts_quoted(*thoughts)] if thoughts else []),
        Section("What the models wrote", list(_written(samples)), "\n"),
        Section("Files", [exhibits.files(report)]),
    ]
    beside = [Section("Time", [tables.timing_table(report)]), Section("Environment", [tables.environment_table(report)])]
    said = tables.title(report), tables.headline(report), tables.facts(report)
    return Document(*said, (), sections, beside, "report.json")


def _written(samples: Sequence[Sample]) -> Iterator[Exhibit | str]:
    """The samples, before each group what it has in common."""
    group = ""
    for number, one in enumerate(samples, start=1):
        if one.group != group:
            group = one.group
            yield group
        yield exhibits.sample(number, one)
