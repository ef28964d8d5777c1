"""`jorney compare`: evaluations beside each other, paired on their problems."""

from __future__ import annotations

import dataclasses
import itertools
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

from jorney import storage
from jorney.progress import Progress
from jorney.run import integrity
from jorney.run.command import Command
from jorney.run.parts import Parts
from jorney.solve.statistics import cluster_bootstrap, holm, mcnemar, wilson

_PARTS = "parts"
Rows = Mapping[str, Mapping[str, Any]]  # by the problem's id


@dataclasses.dataclass(frozen=True)
class CompareCommand(Command):
    """Evaluations of several models on the same problems: accuracies, tokens, and every pair by McNemar's exact test.

    Attributes:
      runs: what `jorney evaluate` wrote: its OUTPUT, or a stage's folder, such as runs/quickstart/evaluate_phase2_journey.
      output: a Markdown file for the tables; "" only prints them.
      against_first: every evaluation is compared with the first, and with no other.
    """

    command: ClassVar[str] = "compare"
    places: ClassVar[dict[str, str]] = {"runs": "RUN..."}

    runs: tuple[str, ...] = ()
    output: str = ""
    against_first: bool = False

    def execute(self) -> None:
        if len(self.runs) < 2:
            raise ValueError("RUN...: expected two or more evaluations")
        if len(set(self.runs)) < len(self.runs):
            raise ValueError(f"RUN...: {', '.join(self.runs)}: expected every evaluation once")
        found = {run: graded(run) for run in self.runs}
        expect_same_problems(found)
        lines = [*table(found), "", *pairs(found, self.against_first)]
        progress = Progress()
        for line in lines:
            progress.say(line)
        if self.output:
            storage.write_text(
                os.path.abspath(self.output) if "://" not in self.output else self.output, "\n".join(lines) + "\n"
            )


def graded(run: str) -> Rows:
    """The rows of an evaluation.

    Raises:
      FileNotFoundError, ValueError: it is none, or a file of it is not what it was.
    """
    root = storage.follow(run)
    if not root.exists():
        raise FileNotFoundError(f"{run}: no such folder: expected what jorney evaluate wrote")
    folder = next((one for one in (root, storage.follow(root / "evaluate")) if (one / _PARTS).exists()), None)
    if folder is None:
        raise ValueError(f"{run}: holds no evaluation: expected an OUTPUT of jorney evaluate, or a stage's folder in one")
    if folder.parent.name == integrity.STAGES and not (folder / integrity.MANIFEST).exists():
        raise ValueError(f"{run}: the evaluation is not complete: run its command again, which goes on")
    integrity.expect_whole(folder, _PARTS)
    rows = Parts(folder / _PARTS).by_id()
    if not rows or not all(isinstance(row.get("correct"), bool) for row in rows.values()):
        raise ValueError(f"{run}: its rows say of no problem whether it is right: expected an evaluation's")
    return rows


def expect_same_problems(found: Mapping[str, Rows]) -> None:
    """Raises ValueError where an evaluation has problems that another has not: pairs would be of fewer than is said."""
    (first, own), *others = found.items()
    for name, rows in others:
        if differ := own.keys() ^ rows.keys():
            where = first if next(iter(sorted(differ))) in own else name
            raise ValueError(
                f"{first} and {name}: {len(differ):,} problems are in one of them alone, such as {min(differ)!r} in {where}: "
                "expected the same problems"
            )


def table(found: Mapping[str, Rows]) -> Iterator[str]:
    """Each evaluation by itself."""
    yield "| evaluation | accuracy | 95% interval | n | mean tokens | cut at the limit |"
    yield "|---|---|---|---|---|---|"
    for name, rows in found.items():
        n, right = len(rows), sum(row["correct"] for row in rows.values())
        low, high = wilson(right, n)
        tokens = sum(row["tokens"] for row in rows.values()) / n
        cut = sum(not row["finished"] for row in rows.values())
        yield f"| {name} | {right / n:.1%} | {low:.1%} to {high:.1%} | {n:,} | {tokens:,.1f} | {cut:,} |"


def pairs(found: Mapping[str, Rows], against_first: bool) -> Iterator[str]:
    """Every pair: the difference with a bootstrap over problems, and McNemar's test, by Holm corrected for their number."""
    chosen = [pair for pair in itertools.combinations(found, 2) if not against_first or pair[0] == next(iter(found))]
    compared = [(b, a, _paired(found[b], found[a])) for a, b in chosen]
    corrected = holm([paired.p for _, _, (paired, _) in compared])
    more = " | p, Holm" if len(compared) > 1 else ""
    yield f"| pair | difference, points | 95% interval | only the first | only the second | p{more} |"
    yield "|---|---|---|---|---|---" + ("|---|" if more else "|")
    for (a, b, (paired, (low, high))), p in zip(compared, corrected, strict=True):
        interval = f"{100 * low:+.1f} to {100 * high:+.1f}"
        own = f"| {a} against {b} | {100 * paired.difference:+.1f} | {interval} | {paired.only_a:,} | {paired.only_b:,}"
        yield f"{own} | {paired.p:.3g}" + (f" | {p:.3g} |" if more else " |")


def _paired(a: Rows, b: Rows) -> Any:
    ids: Sequence[str] = sorted(a)
    one, other = ([bool(rows[name]["correct"]) for name in ids] for rows in (a, b))
    differences = [float(x) - float(y) for x, y in zip(one, other, strict=True)]
    return mcnemar(one, other), cluster_bootstrap(differences, ids)
