"""What a page holds, whatever it is about; `page` and `markdown` lay it out."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from jorney.show.formats import interval, percent

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Report = Mapping[str, Any]  # report.json, experiment.json, or a part of one
Columns = Mapping[str, tuple[Any, ...]]  # by heading: a format, and the keys of what it formats

ACCURACY: Columns = {"Accuracy": (percent, "accuracy"), "95% interval": (interval, "ci_low", "ci_high")}


@dataclasses.dataclass(frozen=True)
class Table:
    """A table of text, ready to be laid out.

    Attributes:
      name: unique within a document; letters and hyphens.
      caption: a few words.
      header, rows: the first column names the row.
      numeric: the further columns hold numbers and align right.
      note: sentences that say what the columns mean; may be empty.
    """

    name: str
    caption: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numeric: bool = True
    note: str = ""


@dataclasses.dataclass(frozen=True)
class TableSpec:
    """What a table of a report holds; called with a report it gives the table, or None where that has no rows for it.

    Attributes:
      columns: by heading.
      rows: gives the rows of a report; or the key under which it has them by name.
      note: the note, or what makes it of a report.
    """

    name: str
    caption: str
    columns: Columns
    rows: str | Callable[[Report], Iterable[Report]]
    note: str | Callable[[Report], str] = ""
    numeric: bool = True

    def __call__(self, report: Report) -> Table | None:
        rows = named(entries(report, self.rows)) if isinstance(self.rows, str) else self.rows(report)
        cells = tuple(tuple(show(*map(row.get, keys)) for show, *keys in self.columns.values()) for row in rows)
        if not cells:
            return None
        note = self.note if isinstance(self.note, str) else self.note(report)
        return Table(self.name, self.caption, tuple(self.columns), cells, self.numeric, note)


def section(report: Report, key: str) -> Report:
    """The dictionary under `key`, empty where there is none."""
    value = report.get(key)
    return value if isinstance(value, Mapping) else {}


def entries(report: Report, key: str) -> dict[str, Report]:
    """The dictionaries by name under `key`; anything else found there is left out."""
    return {name: value for name, value in section(report, key).items() if isinstance(value, Mapping)}


def named(entries: Mapping[str, Report]) -> list[Report]:
    """The entries as rows, each with its name under "name"."""
    return [{**entry, "name": name} for name, entry in entries.items()]


def values(entries: Mapping[str, Any]) -> list[Report]:
    """The entries as rows of two: "name" and "value"."""
    return [{"name": name, "value": value} for name, value in entries.items()]


@dataclasses.dataclass(frozen=True)
class Drawing:
    """A figure; in HTML only.

    Attributes:
      name: unique within a document; letters, digits and hyphens.
      draw: draws it, given a width in pixels.
      words: what a screen reader says in its place.
    """

    name: str
    draw: Callable[[int], Figure]
    words: str
    caption: str


@dataclasses.dataclass(frozen=True)
class Exhibit:
    """What has a layout of its own: ready HTML and ready blocks of Markdown. An empty one is left out."""

    html: str = ""
    markdown: Sequence[str] = ()


@dataclasses.dataclass(frozen=True)
class Section:
    """A section of a document; left out where no part of it has anything to show.

    Attributes:
      parts: a string is a paragraph.
      between: what stands between the parts in HTML.
      only: "html" or "markdown" where the other format does without it.
    """

    heading: str
    parts: Sequence[Table | Drawing | Exhibit | str | None]
    between: str = ""
    only: str = ""


@dataclasses.dataclass(frozen=True)
class Document:
    """A document; what is empty is left out.

    Attributes:
      headline: the result in one sentence.
      facts: a line in small print.
      paragraphs: what else there is to say first.
      beside: the last sections, side by side where there is room.
      source: the file beside it that holds the numbers.
    """

    title: str
    headline: str
    facts: str
    paragraphs: Sequence[str]
    sections: Sequence[Section]
    beside: Sequence[Section]
    source: str
