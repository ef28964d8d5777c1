"""`jorney compare`: evaluations beside each other, paired on their problems."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from jorney import storage
from jorney.config import expect_at_least, expect_one_of
from jorney.progress import Progress
from jorney.rows.sources import read_rows
from jorney.run import integrity
from jorney.run.command import Command
from jorney.run.parts import Parts
from jorney.show import comparison_page, markdown, page
from jorney.show.terminal import TERMINAL_WIDTH, grid
from jorney.solve import sample_rows
from jorney.solve.comparison import AVERAGE, MEASURES, compare, compared_by
from jorney.solve.evaluate import Graded
from jorney.solve.sample_rows import SampleRow

_PARTS = "parts"
_STAGE = "evaluate_"  # what stages of pipelines are called with
_ENDS = {".md": "a Markdown file", ".html": "a page", ".json": "the numbers"}


@dataclasses.dataclass(frozen=True)
class CompareCommand(Command):
    """Evaluations and searches on the same problems: accuracy and cost, and every pair with a test and an interval.

    Attributes:
      runs: what `jorney evaluate` or `jorney search` wrote: an OUTPUT, a stage's folder, such as
        runs/quickstart/evaluate_phase2_journey, or a file of such rows (rows.jsonl, also .gz).
      measure: what a problem is worth: "average" over its texts; "majority", the vote of k texts; "best" or "weighted", by a
        search's scores; or "pass", that one of k is right. All subsets of k count alike.
      k: texts that are chosen among; None for all.
      by: what groups of problems are told apart by: level, subject, subset, language.
      clusters: a field that related problems share, such as subset: intervals and tests then go by whole clusters; "" takes
        what the domain knows (Countdown: the same numbers).
      output: a file for the result: Markdown (.md), one page (.html), both with the numbers (.json) beside them, or the numbers
        alone; "" only prints it.
      against_first: every evaluation is compared with the first, and with no other.
    """

    command: ClassVar[str] = "compare"
    places: ClassVar[dict[str, str]] = {"runs": "RUN..."}
    common = ("measure", "k", "by", "against-first", "output")

    runs: tuple[str, ...] = ()
    measure: str = AVERAGE
    k: int | None = None
    by: tuple[str, ...] = ()
    clusters: str = ""
    output: str = ""
    against_first: bool = False

    def __post_init__(self) -> None:
        expect_one_of(MEASURES, self, "", "measure")
        expect_at_least(1, self, "", "k", none="None for all texts")
        if self.output and os.path.splitext(self.output)[1] not in _ENDS:
            raise ValueError(
                f"output = {self.output!r}: expected a name that ends in "
                f"{', '.join(f'{end} ({what})' for end, what in _ENDS.items())}"
            )

    def execute(self) -> None:
        if len(self.runs) < 2:
            raise ValueError("RUN...: expected two or more evaluations")
        if len({run.rstrip("/") for run in self.runs}) < len(self.runs):
            raise ValueError(f"RUN...: {', '.join(self.runs)}: expected every evaluation once")
        rows = {name: rows_of(run) for name, run in zip(shortened(self.runs), self.runs, strict=True)}
        sides = [compared_by(name, own, self.measure, self.k) for name, own in rows.items()]
        found = {"measure": self.measure, **compare(sides, self.against_first, self.by, self.clusters)}
        progress = Progress()
        shown = list(comparison_page.tables(found))
        for table in shown:
            progress.say(f"\n{table.caption}")
            progress.console.print(grid(table), width=max(TERMINAL_WIDTH, progress.console.width), soft_wrap=False)
        progress.say(comparison_page.headline(found))
        if self.output:
            self._write(found)

    def _write(self, found: dict[str, Any]) -> None:
        """The file that is asked for, and beside a text or a page the numbers that stand on it."""
        name, end = os.path.splitext(self.output)
        document = comparison_page.document(found, f"{os.path.basename(name)}.json")
        made = {".json": json.dumps(found, indent=2, ensure_ascii=False) + "\n"}
        if end != ".json":
            made[end] = markdown.text(document) if end == ".md" else page.html(document)
        for suffix, text in made.items():
            storage.write_text(storage.follow(name + suffix), text)


def shortened(runs: Sequence[str]) -> list[str]:
    """Names that tell runs apart: without the folders that all have in common."""
    split = [run.rstrip("/").split("/") for run in runs]
    ahead = next((place for place, own in enumerate(zip(*split, strict=False)) if len({*own}) > 1), 0)
    behind = next((place for place, own in enumerate(zip(*map(reversed, split), strict=False)) if len({*own}) > 1), 0)
    found = ["/".join(own[ahead : len(own) - behind or None]) for own in split]
    if not all(found) or len({*found}) < len(found):
        return list(runs)
    alike = all(name.startswith(_STAGE) and name != _STAGE for name in found)
    return [name.removeprefix(_STAGE) for name in found] if alike else found


def rows_of(run: str) -> dict[str, list[SampleRow]]:
    """The rows of each problem of an evaluation or a search.

    Raises:
      FileNotFoundError, ValueError: it is none, or a file of it is not what it was.
    """
    root = storage.follow(run)
    if not root.exists():
        raise FileNotFoundError(f"{run}: no such folder: expected what jorney evaluate or search wrote, or a file of its rows")
    if not root.is_dir():
        return sample_rows.by_problem(_row(row, place) for place, row in read_rows(os.fspath(root)))
    places = [root, storage.follow(root / "evaluate"), storage.follow(root / "search")]
    folder = next((one for one in places if (one / sample_rows.FILE).exists() or (one / _PARTS).exists()), None)
    if folder is None:
        raise ValueError(
            f"{run}: holds no evaluation: expected an OUTPUT of jorney evaluate or search, or a stage's folder in one"
        )
    if folder.parent.name == integrity.STAGES and not (folder / integrity.MANIFEST).exists():
        raise ValueError(f"{run}: the evaluation is not complete: run its command again, which goes on")
    if (folder / sample_rows.FILE).exists():
        integrity.expect_whole(folder, sample_rows.FILE)
        found = [_row(row, place) for place, row in read_rows(os.fspath(folder / sample_rows.FILE))]
    else:
        integrity.expect_whole(folder, _PARTS)
        found = [_of_part(row, run) for row in Parts(folder / _PARTS).rows()]
    if not found:
        raise ValueError(f"{run}: holds no rows: expected an evaluation's")
    return sample_rows.by_problem(found)


def _row(row: Mapping[str, Any], place: str) -> SampleRow:
    names = {field.name for field in dataclasses.fields(SampleRow)}
    if missing := names - row.keys():
        raise ValueError(
            f"{place}: the field {min(missing)!r} is missing: expected a row of an evaluation ({sample_rows.FILE})"
        )
    return SampleRow(**{name: row[name] for name in names})


def _of_part(row: Mapping[str, Any], run: str) -> SampleRow:
    """Of evaluations that kept no rows.jsonl: what they cost is not known."""
    if not isinstance(row.get("correct"), bool):
        raise ValueError(f"{run}: its rows say of no problem whether it is right: expected an evaluation's")
    (found,) = sample_rows.of_graded([Graded(**{"text": "", "true_equations": 0, "equations": 0, **row})], 0, None)
    return found
