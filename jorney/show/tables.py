"""The report's dictionary as sentences and tables of text; Markdown, the page and the terminal all show these."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from jorney.show.document import ACCURACY, Columns, Report, Table, TableSpec, entries, section, values
from jorney.show.formats import (
    MISSING,
    NO_BREAK,
    count,
    decimal,
    duration,
    label,
    mention,
    number,
    p_value,
    percent,
    points,
)
from jorney.show.names import PASS
from jorney.show.terminal import TERMINAL_WIDTH, grid

if TYPE_CHECKING:
    from rich.console import RenderableType

SIGNIFICANT = 0.05  # from this p-value on, the sentences say that a difference may be chance
WRITTEN: Columns = {
    **ACCURACY,
    "n": (count, "n"),
    "Mean tokens": (decimal, "mean_tokens"),
    "Limit": (count, "token_limit"),
}


def comparisons(report: Report) -> list[Report]:
    """The paired comparisons, in order."""
    value = report.get("comparisons")
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list | tuple) else []


def title(report: Report) -> str:
    """The run's name as a title."""
    return f"Jorney {report.get('name') or 'run'}"


def headline(report: Report) -> str:
    """The result in one sentence, with its numbers; and in another what beats it, where something does."""
    models = {name: model for name, model in entries(report, "models").items() if number(model.get("accuracy")) is not None}
    if not models:
        return "No model was evaluated."
    pairs = [pair for pair in comparisons(report) if pair.get("a") in models and pair.get("b") in models]
    pair = pairs[0] if pairs else {"a": list(models)[-1], "b": next(iter(models))}
    first, last, p = pair["b"], pair["a"], number(pair.get("mcnemar_p"))
    before, after = percent(models[first]["accuracy"]), percent(models[last]["accuracy"])
    n_before, n_after = (f" (n{NO_BREAK}={NO_BREAK}{count(models[name].get('n'))})" for name in (first, last))
    better = _better(report, last)
    if first == last:
        return f"{label(last)} solved {after} of the problems{n_after}.{better}"
    if n_before == n_after:
        n_before = ""
    if before == after and not n_before:
        return f"{label(last)} left accuracy at {after}{n_after}.{better}"
    chance = ", a difference that chance alone could make" if p is not None and p >= SIGNIFICANT else ""
    return f"{label(last)} moved accuracy from {before}{n_before} to {after}{n_after}{chance}.{better}"


def _better(report: Report, model: str) -> str:
    """Which model or control of the same n solved most, where that is not the model; bounds that ask an oracle left out."""
    models, controls = entries(report, "models"), entries(report, "controls")
    found = {**models, **{name: one for name, one in controls.items() if name != PASS and one.get("oracle") is not True}}
    solved = {name: number(one.get("accuracy")) or 0.0 for name, one in found.items() if one.get("n") == models[model].get("n")}
    best = max(solved, key=lambda name: solved[name], default=model)
    higher = solved.get(best, 0.0) > (number(models[model].get("accuracy")) or 0.0)
    return f" {label(best)} solved more: {percent(solved[best])}." if higher else ""


def facts(report: Report) -> str:
    """What was run, in a line: the problems and the seed."""
    problems = ", ".join(f"{count(n)} {label(kind).lower()}" for kind, n in section(report, "problems").items())
    parts = [f"Problems: {problems}." if problems else "", f"Seed {report['seed']}." if "seed" in report else ""]
    return " ".join(filter(None, parts))


def comparison_in_words(item: Report) -> str:
    """A paired comparison in words: the difference, McNemar's two counts, and what the test says of them."""
    a, b, p = mention(item.get("a", MISSING)), mention(item.get("b", MISSING)), number(item.get("mcnemar_p"))
    text = f"{label(item.get('a', MISSING))} against {b}: {points(item.get('difference'))} percentage points."
    if number(item.get("only_a")) is not None and number(item.get("only_b")) is not None:
        only_a, only_b = count(item["only_a"]), count(item["only_b"])
        text += f" Of the same problems, {only_a} were solved only by {a} and {only_b} only by {b}."
    if p is not None:
        verdict = "would rarely" if p < SIGNIFICANT else "could well"
        text += f" Chance alone {verdict} divide them so unevenly: McNemar's exact test, p{NO_BREAK}{p_value(p)}."
    return text


def models_table(report: Report) -> Table | None:
    """Every model's accuracy with its interval, and what it wrote."""
    # Only some tasks have equations that can be checked.
    equations = any(number(model.get("true_equations")) is not None for model in entries(report, "models").values())
    true: Columns = {"True equations": (percent, "true_equations")} if equations else {}
    note = (
        "Accuracy is the share of the n problems answered right, with its Wilson interval. Mean tokens is what the model wrote "
        "for a problem, on average; no output is longer than the limit."
    ) + (" True equations is the share of the equations it wrote that hold." if equations else "")
    return TableSpec("models", "Every model", {"Model": (label, "name"), **WRITTEN, **true}, "models", note)(report)


training_table = TableSpec(
    "training",
    "What each stage read",
    {
        "Stage": (label, "name"),
        "Steps": (count, "steps"),
        "Examples": (count, "examples"),
        "Tokens": (count, "tokens"),
        "Completion tokens": (count, "completion_tokens"),
        "Padding": (percent, "padding"),
    },
    "training",
    "Only completion tokens carry loss. Padding is the share of the batches that holds no token.",
)


def _times(report: Report) -> list[Report]:
    """How long each stage took, and all of them."""
    seconds = {name: value for name, value in section(report, "seconds").items() if number(value) is not None}
    return values(seconds | {"All stages": sum(seconds.values())}) if seconds else []


timing_table = TableSpec("time", "Wall time of each stage", {"Stage": (label, "name"), "Time": (duration, "value")}, _times)


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, default=str)


environment_table = TableSpec(
    "environment",
    "Versions and devices",
    {"What": (label, "name"), "Value": (_plain, "value")},
    lambda report: values(section(report, "environment")),
    numeric=False,
)


def terminal_table(report: Report) -> RenderableType:
    """The result for rich to print: the headline, the models and the comparisons, never wider than 80 columns."""
    from rich.console import Group
    from rich.constrain import Constrain
    from rich.text import Text

    parts: list[RenderableType] = [Text(headline(report), style="bold")]
    table = models_table(report)
    if table is not None:
        parts.append(grid(table))
    parts += [Text(comparison_in_words(item)) for item in comparisons(report)[:1]]
    return Constrain(Group(*parts), TERMINAL_WIDTH)
