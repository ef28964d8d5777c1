"""experiment.html and experiment.md: an experiment on one page."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from matplotlib.figure import Figure

from jorney.run.recipes.experiment.measure import JOURNEY, PHASE1, SHORTCUT
from jorney.show import figures, markdown, page
from jorney.show.experiment import curves as drawings
from jorney.show.experiment import experiment_tables as tables
from jorney.show.formats import percent
from jorney.show.tables import Table, environment_table

Found = Mapping[str, Any]


class Drawing(NamedTuple):
    """A figure: its name, what draws it at a width, what it says in words, and its caption."""

    name: str
    draw: Callable[[int], Figure]
    words: str
    caption: str


def sections(found: Found, findings: Found) -> list[tuple[str, list[Drawing | Table | None]]]:
    """(heading, figures and tables) of the page, in their order."""
    return [
        ("Accuracy", [accuracy(findings), *(make(findings) for make in _MAIN)]),
        ("Accuracy against generated tokens", [curves(found)]),
        ("On the way", [make(found) for make in _WAY]),
        (
            "Doses",
            [part for number, entry in enumerate(tables.groups(found).items(), start=1) for part in dose(*entry, number)],
        ),
        ("Elsewhere", [tables.abroad_table(found)]),
        ("Size", [tables.small_table(found)]),
        ("Cost", [tables.roi_table(found)]),
        ("Protocol", [tables.settings_table(found)]),
    ]


_MAIN = (tables.models_table, tables.comparisons_table, tables.seeds_table)
_WAY = (tables.behaviour_table, tables.controls_table, tables.trees_table, tables.trainings_table)


def html(found: Found, findings: Found, tried: Sequence[str]) -> str:
    """The page."""
    title = f"Jorney {found['name']}"

    def shown(part: Drawing | Table | None) -> str:
        return page.figure(*part) if isinstance(part, Drawing) else page.table(part)

    parts = [
        f"<h1>{page.escape(title)}</h1>",
        f'<p class="lead">{page.escape(tables.headline(findings))}</p>',
        _paragraphs(_said(found, findings)),
        *(page.section(heading, "".join(map(shown, members))) for heading, members in sections(found, findings)),
        page.section("What was tried", _paragraphs(tried)),
        page.section("Environment", page.table(environment_table(found))),
    ]
    return page.whole(title, parts, "The numbers on this page are in experiment.json beside it.")


def text(found: Found, findings: Found, tried: Sequence[str]) -> str:
    """The same in Markdown, without figures."""
    blocks = [f"# {markdown.escape('Jorney ' + found['name'])}", markdown.escape(tables.headline(findings))]
    blocks += map(markdown.escape, _said(found, findings))
    for heading, members in sections(found, findings):
        made = [block for member in members if isinstance(member, Table) for block in markdown.table(member)]
        blocks += [f"## {heading}", *made] if made else []
    if tried:
        blocks += ["## What was tried", *map(markdown.escape, tried)]
    blocks += ["## Environment", *markdown.table(environment_table(found))]
    return "\n\n".join(filter(None, blocks)) + "\n"


def _said(found: Found, findings: Found) -> list[str]:
    return [*tables.verdicts(found, findings), *tables.plain_words(findings), opened(found)]


def opened(found: Found) -> str:
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


def _paragraphs(texts: Sequence[str]) -> str:
    return "\n".join(f"<p>{page.escape(one)}</p>" for one in texts if one)


def accuracy(findings: Found) -> Drawing:
    """Bars of the main comparison, and of what it is held against."""
    models = findings["models"]
    main = (PHASE1, SHORTCUT, JOURNEY)
    shown = {"models": {name: models[name] for name in main}}
    shown["controls"] = {name: one for name, one in models.items() if name not in main}
    bars = figures.accuracy_bars(shown)
    caption = "Share of the problems solved, all seeds together, with 95% intervals."
    return Drawing("accuracy", lambda width: figures.draw_accuracy(bars, width), figures.accuracy_text(bars), caption)


def curves(found: Found) -> Drawing:
    """Accuracy against generated tokens."""
    means = drawings.mean_curves(found)
    caption = "Mean over seeds, models with 95% intervals. Models are cut off at a limit; attempts of the shortcut model are "
    caption += "spent up to a budget."
    return Drawing("curves", lambda width: drawings.draw_curves(means, width), drawings.curves_text(means), caption)


def dose(group: str, rows: Sequence[Found], number: int) -> tuple[Drawing, Table]:
    """One thing varied."""
    words = "; ".join(f"{row['kind']} {row['dose']}: {percent(row['accuracy'])}" for row in rows)
    drawing = Drawing(
        f"dose{number}",
        lambda width: drawings.draw_dose(group, rows, width),
        f"Accuracy by {group}: {words}.",
        f"Accuracy by {group}.",
    )
    return drawing, tables.dose_table(group, rows, number)
