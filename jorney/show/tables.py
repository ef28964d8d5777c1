"""The report's dictionary as sentences and tables of text; Markdown, the page and the terminal all show these."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from jorney.show.formats import (
    MISSING,
    NO_BREAK,
    count,
    decimal,
    duration,
    interval,
    label,
    mention,
    number,
    p_value,
    percent,
    points,
)

if TYPE_CHECKING:
    from rich.console import RenderableType

Report = Mapping[str, Any]

TERMINAL_WIDTH = 80  # columns
SIGNIFICANT = 0.05  # from this p-value on, the sentences say that a difference may be chance


@dataclasses.dataclass(frozen=True)
class Table:
    """A table of text, ready to be laid out.

    Attributes:
      name: unique within a report; letters and hyphens.
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


# --- Parts of the report, whatever it holds ---


def section(report: Report, key: str) -> Report:
    """The dictionary under `key`, empty where there is none."""
    value = report.get(key)
    return value if isinstance(value, Mapping) else {}


def entries(report: Report, key: str) -> dict[str, Report]:
    """The dictionaries by name under `key`; anything else found there is left out."""
    return {name: value for name, value in section(report, key).items() if isinstance(value, Mapping)}


def comparisons(report: Report) -> list[Report]:
    """The paired comparisons, in order."""
    value = report.get("comparisons")
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list | tuple) else []


# --- Sentences ---


def title(report: Report) -> str:
    """The run's name as a title."""
    return f"Jorney {report.get('name') or 'run'}"


def headline(report: Report) -> str:
    """The result in one sentence, with its numbers."""
    models = {name: model for name, model in entries(report, "models").items() if number(model.get("accuracy")) is not None}
    if not models:
        return "No model was evaluated."
    first, last, p = next(iter(models)), list(models)[-1], None
    for comparison in comparisons(report):
        if comparison.get("b") in models and comparison.get("a") in models:
            first, last, p = comparison["b"], comparison["a"], number(comparison.get("mcnemar_p"))
            break
    before, after = percent(models[first]["accuracy"]), percent(models[last]["accuracy"])
    n_before, n_after = (f" (n = {count(models[name].get('n'))})" for name in (first, last))
    if first == last:
        return f"{label(last)} solved {after} of the problems{n_after}."
    if n_before == n_after:
        n_before = ""
    if before == after and not n_before:
        return f"{label(last)} left accuracy at {after}{n_after}."
    chance = ", a difference that chance alone could make" if p is not None and p >= SIGNIFICANT else ""
    return f"{label(last)} moved accuracy from {before}{n_before} to {after}{n_after}{chance}."


def facts(report: Report) -> str:
    """What was run, in a line: the problems and the seed."""
    problems = ", ".join(f"{count(n)} {label(kind).lower()}" for kind, n in section(report, "problems").items())
    parts = [f"Problems: {problems}." if problems else "", f"Seed {report['seed']}." if "seed" in report else ""]
    return " ".join(filter(None, parts))


def comparison_sentences(report: Report) -> list[str]:
    """Each paired comparison in words: the difference, McNemar's two counts, and what the test says of them."""
    texts = []
    for item in comparisons(report):
        a, b = mention(item.get("a", MISSING)), mention(item.get("b", MISSING))
        text = f"{label(item.get('a', MISSING))} against {b}: {points(item.get('difference'))} percentage points."
        if number(item.get("only_a")) is not None and number(item.get("only_b")) is not None:
            only_a, only_b = count(item["only_a"]), count(item["only_b"])
            text += f" Of the same problems, {only_a} were solved only by {a} and {only_b} only by {b}."
        p = number(item.get("mcnemar_p"))
        if p is not None:
            verdict = "would rarely" if p < SIGNIFICANT else "could well"
            text += f" Chance alone {verdict} divide them so unevenly: McNemar's exact test, p{NO_BREAK}{p_value(p)}."
        texts.append(text)
    return texts


# --- Tables ---


def models_table(report: Report) -> Table | None:
    """Every model's accuracy with its interval, and what it wrote."""
    models = entries(report, "models")
    if not models:
        return None
    # Only some tasks have equations that can be checked.
    equations = any(number(model.get("true_equations")) is not None for model in models.values())
    header = ("Model", "Accuracy", "95% interval", "n", "Mean tokens", "Limit", *(["True equations"] if equations else []))
    rows = []
    for name, model in models.items():
        row = [
            label(name),
            percent(model.get("accuracy")),
            interval(model.get("ci_low"), model.get("ci_high")),
            count(model.get("n")),
            decimal(model.get("mean_tokens")),
            count(model.get("token_limit")),
        ]
        rows.append((*row, percent(model.get("true_equations"))) if equations else tuple(row))
    note = "Accuracy is the share of the n problems answered right, with its Wilson interval. Mean tokens is what the model "
    note += "wrote for a problem, on average; no output is longer than the limit."
    if equations:
        note += " True equations is the share of the equations it wrote that hold."
    return Table("models", "Every model", header, tuple(rows), note=note)


def training_table(report: Report) -> Table | None:
    """What each training stage read."""
    stages = entries(report, "training")
    if not stages:
        return None
    rows = tuple(
        (
            label(name),
            *(count(stage.get(key)) for key in ("steps", "examples", "tokens", "completion_tokens")),
            percent(stage.get("padding")),
        )
        for name, stage in stages.items()
    )
    header = ("Stage", "Steps", "Examples", "Tokens", "Completion tokens", "Padding")
    note = "Only completion tokens carry loss. Padding is the share of the batches that holds no token."
    return Table("training", "What each stage read", header, rows, note=note)


def timing_table(report: Report) -> Table | None:
    """How long each stage took, and all of them."""
    seconds = {name: value for name, value in section(report, "seconds").items() if number(value) is not None}
    if not seconds:
        return None
    rows = [(label(name), duration(value)) for name, value in seconds.items()]
    rows.append(("All stages", duration(sum(seconds.values()))))
    return Table("time", "Wall time of each stage", ("Stage", "Time"), tuple(rows))


def environment_table(report: Report) -> Table | None:
    """Where the run took place."""
    environment = section(report, "environment")
    if not environment:
        return None
    texts = {name: value if isinstance(value, str) else json.dumps(value, default=str) for name, value in environment.items()}
    rows = tuple((label(name), text) for name, text in texts.items())
    return Table("environment", "Versions and devices", ("What", "Value"), rows, numeric=False)


def terminal_table(report: Report) -> RenderableType:
    """The result for rich to print: the headline, the models and the comparisons, never wider than 80 columns."""
    from rich import box
    from rich.console import Group
    from rich.constrain import Constrain
    from rich.table import Table as RichTable
    from rich.text import Text

    # Text, not str: names may hold square brackets, which rich would read as its markup.
    parts: list[RenderableType] = [Text(headline(report), style="bold")]
    table = models_table(report)
    if table is not None:
        grid = RichTable(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
        for i, head in enumerate(table.header):
            # A word a line: the columns of numbers stay narrow, which leaves room for the names.
            grid.add_column(Text(head.replace(" ", "\n")), justify="right" if i else "left", overflow="fold", no_wrap=i > 0)
        for row in table.rows:
            grid.add_row(*map(Text, row))
        parts.append(grid)
    parts += [Text(sentence) for sentence in comparison_sentences(report)[:1]]
    return Constrain(Group(*parts), TERMINAL_WIDTH)
