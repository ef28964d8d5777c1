"""Evaluations beside each other: the same tables in a terminal, as Markdown and as a page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from jorney.show.document import Document, Section, Table
from jorney.show.formats import MISSING, bare_p, count, decimal, interval, p_value, percent, points, span

Found = Mapping[str, Any]  # what `solve.comparison.compare` tells


def document(found: Found, source: str) -> Document:
    """What the page holds; the numbers lie in the file `source` beside it."""
    sections = [
        Section("Accuracy", [accuracies(found)]),
        Section("Differences", [differences(found)]),
        *(Section(f"By {name}", [of_groups(name, own)]) for name, own in found["by"].items()),
        Section("How answers are read", [readings(found)]),
    ]
    return Document("Evaluations compared", headline(found), "", (), sections, (), source)


def tables(found: Found) -> Iterator[Table]:
    """All of them, one after another."""
    for one in (accuracies(found), differences(found), *(of_groups(*item) for item in found["by"].items()), readings(found)):
        if one is not None:
            yield one


def headline(found: Found) -> str:
    """The first pair in a sentence."""
    pair = found["pairs"][0]
    by = f" ({bare_p(pair['p_holm'])} by Holm)" if len(found["pairs"]) > 1 else ""
    return (
        f"{pair['a']} against {pair['b']}{_by(found)}: {points(pair['difference'])} points "
        f"({span(pair['ci_low'], pair['ci_high'])}), "
        f"{pair['test']}, p {p_value(pair['p'])}{by}."
    )


def accuracies(found: Found) -> Table:
    """Each evaluation by itself, and what it cost."""
    rows = tuple(
        (
            name,
            percent(one["accuracy"]),
            interval(one["ci_low"], one["ci_high"]),
            count(one["n"]),
            decimal(one["tokens"]),
            MISSING if one["teraflops"] is None else f"{one['teraflops']:.3g}",
            percent(sum(one["no_answer"].values())),
        )
        for name, one in found["evaluations"].items()
    )
    texts = {one["texts"] for one in found["evaluations"].values()}
    note = (
        "Tokens and TFLOP are of one problem: "
        + ("one text" if texts == {1} else " or ".join(f"{k} text{'s' * (k > 1)}" for k in sorted(texts)))
        + ", the prompt read once; causal attention, no embedding. No answer: cut at the limit, none stated, or unreadable."
    )
    header = ("Evaluation", "Accuracy", "95% interval", "n", "Tokens", "TFLOP", "No answer")
    return Table("accuracies", f"Accuracy{_by(found)}, and cost", header, rows, note=note)


def _by(found: Found) -> str:
    """The measure, in words; nothing for the usual one."""
    if (measure := found.get("measure", "average")) == "average":
        return ""
    counts = sorted({one["texts"] for one in found["evaluations"].values()})
    words = {"majority": "a majority vote", "best": "the best by score", "weighted": "a weighted vote", "pass": "one right"}
    return f" by {words[measure]} of {' or '.join(map(str, counts))} texts"


def differences(found: Found) -> Table:
    """Every pair."""
    several = len(found["pairs"]) > 1
    rows = tuple(
        (
            f"{pair['a']} against {pair['b']}",
            points(pair["difference"]),
            span(pair["ci_low"], pair["ci_high"]),
            count(pair["only_a"]),
            count(pair["only_b"]),
            bare_p(pair["p"]),
            *((bare_p(pair["p_holm"]),) if several else ()),
        )
        for pair in found["pairs"]
    )
    tests = " or ".join(dict.fromkeys(pair["test"] for pair in found["pairs"]))
    note = (
        f"In percentage points, with a bootstrap interval over problems, or over clusters of them. p: {tests}"
        + ("; by Holm corrected for the number of pairs." if several else ".")
        + " Better, worse: on how many problems the first of the pair is."
    )
    header = (
        "Pair",
        "Difference",
        "95% interval",
        "Better",
        "Worse",
        "p",
        *(("p, Holm",) if several else ()),
    )
    return Table("differences", "Every pair, on the same problems", header, rows, note=note)


def of_groups(name: str, own: Mapping[str, Any]) -> Table:
    """The accuracies of each group of problems, and the first pair's difference there."""
    evaluations = list(next(iter(own.values()))["accuracy"])
    rows = tuple(
        (
            value,
            count(one["n"]),
            *(percent(one["accuracy"][side]) for side in evaluations),
            *(f"{points(pair['difference'])} (p {p_value(pair['p_holm'])})" for pair in one["pairs"][:1]),
        )
        for value, one in own.items()
    )
    pair = next(iter(own.values()))["pairs"][0]
    header = (name, "n", *evaluations, f"{pair['a']} against {pair['b']}")
    note = "p-values are corrected by Holm for all groups and pairs of this table."
    return Table(f"by-{name}", f"Problems by {name}", header, rows, note=note)


def readings(found: Found) -> Table | None:
    """The accuracies by other readings, and why there is no answer."""
    names = dict.fromkeys(name for one in found["evaluations"].values() for name in one["by_reading"])
    if not names and not any(sum(one["no_answer"].values()) for one in found["evaluations"].values()):
        return None
    causes = ("cut", "none stated", "unreadable")
    rows = tuple(
        (
            name,
            *(percent(one["by_reading"].get(reading)) for reading in names),
            *(percent(one["no_answer"][cause]) for cause in causes),
        )
        for name, one in found["evaluations"].items()
    )
    header = ("Evaluation", *(f"by {reading}" for reading in names), *(f"no answer: {cause}" for cause in causes))
    note = "Other readings of the same texts stand beside the one that decides. Shares of all texts."
    return Table("readings", "By other readings, and without an answer", header, rows, note=note)
