"""experiment.html and experiment.md: an experiment on one page."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Sequence
from functools import partial

from jorney.show import figures, markdown, page
from jorney.show.document import Document, Drawing, Report, Section, Table
from jorney.show.experiment import curves
from jorney.show.experiment import experiment_tables as tables
from jorney.show.formats import percent
from jorney.show.names import JOURNEY, PHASE1, SHORTCUT
from jorney.show.tables import environment_table, title


def html(found: Report, findings: Report, tried: Sequence[str]) -> str:
    """experiment.html."""
    return page.html(document(found, findings, tried))


def text(found: Report, findings: Report, tried: Sequence[str]) -> str:
    """experiment.md."""
    return markdown.text(document(found, findings, tried))


def document(found: Report, findings: Report, tried: Sequence[str]) -> Document:
    """What both show."""
    main = tables.models_table, tables.comparisons_table, tables.seeds_table
    way = tables.behaviour_table, tables.controls_table, tables.trees_table, tables.trainings_table
    said = [*tables.verdicts(found, findings), *tables.plain_words(findings), opened(found)]
    sections = [
        Section("Accuracy", [_accuracy(findings), *(make(findings) for make in main)]),
        Section("Accuracy against generated tokens", [curves.drawing(found)]),
        Section("On the way", [make(found) for make in way]),
        Section("Doses", list(_doses(found))),
        Section("Elsewhere", [tables.abroad_table(found)]),
        Section("Size", [tables.small_table(found)]),
        Section("Cost", [tables.roi_table(found)]),
        Section("Protocol", [tables.settings_table(found)]),
        Section("What was tried", tried, "\n"),
        Section("Environment", [environment_table(found)]),
    ]
    return Document(title(found), tables.headline(findings), "", said, sections, (), "experiment.json")


def opened(found: Report) -> str:
    """How often the set of problems was looked at."""
    times = found["opened"]
    own = next(i for i, one in enumerate(times, start=1) if one["protocol"] == found["protocol"])
    which = "the only one that has" if len(times) == 1 else f"number {own} of {len(times)} that have"
    entry = times[own - 1]
    at = datetime.datetime.fromisoformat(entry["at"])
    return (
        f"Measured on the set {found['set']!r} by protocol {found['protocol']}, {which} looked at it from this folder: on "
        f"{at:%Y-%m-%d at %H:%M} UTC, with the code of commit {entry['code']}."
    )


def _accuracy(findings: Report) -> Drawing | None:
    """Bars of the main comparison, and of what it is held against."""
    models, main = findings["models"], (PHASE1, SHORTCUT, JOURNEY)
    controls = {name: one for name, one in models.items() if name not in main}
    shown = {"models": {name: models[name] for name in main}, "controls": controls}
    return figures.accuracy(shown, "Share of the problems solved, all seeds together, with 95% intervals.")


def _doses(found: Report) -> Iterator[Drawing | Table | None]:
    """Everything that was varied, drawn and as a table."""
    for number, group in enumerate(dict.fromkeys(row["group"] for row in found["doses"]), start=1):
        rows = [row for row in found["doses"] if row["group"] == group]
        results = "; ".join(f"{row['kind']} {row['dose']}: {percent(row['accuracy'])}" for row in rows)
        caption = f"Accuracy by {group}"
        yield Drawing(f"dose{number}", partial(curves.draw_dose, group, rows), f"{caption}: {results}.", f"{caption}.")
        yield tables.dose_table(group, rows, number)
