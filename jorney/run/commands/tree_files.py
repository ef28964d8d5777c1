"""`jorney trees`: trees as files, validated, imported, exported, and described. Files are streamed, outputs written whole."""

from __future__ import annotations

import dataclasses
import itertools
import json
import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any, ClassVar

from jorney import storage
from jorney.config import expect_above, expect_one_of, expect_seed
from jorney.domain.grading import Grader
from jorney.progress import Progress
from jorney.rows.readers.rules import ERROR, RowRules
from jorney.rows.registry import EXPORTERS, IMPORTERS, ExportConfig
from jorney.rows.sources import Row, files_of, read_rows
from jorney.rows.tree_rows import Answers
from jorney.run.artifact import rows_folder
from jorney.run.command import Command
from jorney.text.step_format import FORMATS
from jorney.thought.derive import DeriveConfig
from jorney.thought.refine import RefineConfig
from jorney.thought.tree_pairs import PAIR_KINDS
from jorney.tree.contrasts import ContrastConfig
from jorney.tree.tree import Tree, from_json, schema
from jorney.tree.tree_statistics import Statistics

_BLOCK = 1 << 20  # bytes that are read at a time to count lines


@dataclasses.dataclass(frozen=True)
class FilesCommand(Command):
    """What commands take that read files of trees.

    Attributes:
      files: of trees, or of rows that trees are made of.
    """

    places: ClassVar[dict[str, str]] = {"files": "FILE..."}

    files: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class ValidateCommand(FilesCommand):
    """Reads every tree and refuses the first that is not one; names its file, line, node and field."""

    command: ClassVar[str] = "trees validate"

    def execute(self) -> None:
        progress = Progress()
        for file in self.files:
            trees = nodes = 0
            for tree in _trees(file, progress):
                trees, nodes = trees + 1, nodes + len(tree.nodes) - 1
            if not trees:
                raise ValueError(f"{file}: holds no trees: expected at least one")
            progress.say(f"{file}: {trees:,} trees, {nodes:,} nodes, all valid")


@dataclasses.dataclass(frozen=True)
class ImportTreesCommand(FilesCommand):
    """Trees of other people's files.

    Attributes:
      format: of the files: prm800k, openr, math_shepherd, game24 or stepwise.
      output: .jsonl file for the trees, local or gs://.
      step_format: how steps are written in the trees; "" for the format's own choice.
      grading_seconds: how long the grading of one stated answer may take.
      columns: other names for the rows' columns, as question=prompt; NAME= leaves a column out.
      bad_rows: what becomes of rows that cannot be read: "error", or "skip", which passes them over, counts them and tells the
        first.
    """

    command: ClassVar[str] = "trees import"

    format: str = ""
    output: str = ""
    step_format: str = ""
    grading_seconds: float = 5.0
    columns: str = ""
    bad_rows: str = ERROR

    def __post_init__(self) -> None:
        expect_above(0, self, "", "grading_seconds")
        RowRules(self.columns, self.bad_rows)
        _expect_one_of("format", self.format, IMPORTERS)
        _expect_one_of("step_format", self.step_format, ("", *FORMATS))
        _expect_jsonl(self.output)

    def execute(self) -> None:
        """Writes the trees of the files' rows."""
        _expect_both(self.format, self.output, self.files)
        progress, importer = Progress(), IMPORTERS[self.format]
        step_format = FORMATS[self.step_format or importer.step_format]

        def trees(answers: Answers) -> Iterator[Row]:
            for file in self.files:
                rules = RowRules(self.columns, self.bad_rows)
                for place, row in _counted(file, *_rows(file, rules), progress):
                    try:
                        tree = importer.tree_of(row, place, step_format, answers).to_json()
                    except ValueError as error:
                        rules.pass_over(error)
                    else:
                        yield tree
                rules.tell(file)

        with Grader(self.grading_seconds) as grader:
            count = _write(self.output, trees(Answers(grader)))
        progress.say(f"{self.output}: {count:,} trees")


@dataclasses.dataclass(frozen=True)
class ExportTreesCommand(FilesCommand):
    """Rows for other people's programs.

    Attributes:
      format: of the rows: prm800k, openr, math_shepherd, stepwise, preference_siblings, preference_leaves, preference_pairs,
        step_dpo, prompt_completion, messages, or long_thoughts.
      output: .jsonl file for the rows, local or gs://.
      pairs: what the sides of preference_pairs and step_dpo are: step, first-error, subtree, leaf, or (of the first) journey.
      seed: of the journeys of long_thoughts, and of which pairs are taken.
    """

    command: ClassVar[str] = "trees export"
    common = ("format", "output", "pairs", "seed")

    format: str = ""
    output: str = ""
    pairs: str = "step"
    seed: int = 0
    export: ExportConfig = dataclasses.field(default_factory=ExportConfig)
    contrast: ContrastConfig = dataclasses.field(default_factory=ContrastConfig)
    derive: DeriveConfig = dataclasses.field(default_factory=DeriveConfig)
    refine: RefineConfig = dataclasses.field(default_factory=RefineConfig)

    def __post_init__(self) -> None:
        expect_seed(self, "")
        _expect_one_of("format", self.format, EXPORTERS)
        expect_one_of(PAIR_KINDS, self, "", "pairs")
        _expect_jsonl(self.output)

    def execute(self) -> None:
        """Writes the rows of the files' trees."""
        _expect_both(self.format, self.output, self.files)
        progress = Progress()

        def rows() -> Iterator[dict[str, Any]]:
            count = 0
            for file in self.files:
                for tree in _trees(file, progress):
                    for row in EXPORTERS[self.format](tree, self.export, self, count):
                        count += 1
                        yield row

        count = _write(self.output, rows())
        progress.say(f"{self.output}: {count:,} rows")


@dataclasses.dataclass(frozen=True)
class StatsCommand(FilesCommand):
    """Counts, shapes and calibration.

    Attributes:
      json: whether to print one JSON object.
    """

    command: ClassVar[str] = "trees stats"

    json: bool = False

    def execute(self) -> None:
        progress = Progress()
        found = stats(self.files, progress)
        if self.json:
            print(json.dumps(found, indent=2))
        else:
            for line in describe(found):
                progress.say(line)


@dataclasses.dataclass(frozen=True)
class SchemaCommand(Command):
    """The JSON Schema of a line of a file of trees."""

    command: ClassVar[str] = "trees schema"

    def execute(self) -> None:
        print(json.dumps(schema(), indent=2))


def _expect_one_of(name: str, value: str, allowed: Any) -> None:
    if value and value not in allowed:
        raise ValueError(f"{name} = {value!r}: expected one of {', '.join(one for one in allowed if one)}")


def _expect_jsonl(output: str) -> None:
    if output and not output.endswith(".jsonl"):
        raise ValueError(f"output = {output!r}: expected a file that ends in .jsonl")


def _expect_both(format_: str, output: str, files: Sequence[str]) -> None:
    for name, value in (("format", format_), ("output", output)):
        if not value:
            raise ValueError(f"{name}: expected --{name}")
    for file in files:
        if any(storage.is_same(output, one) for one in _parts(file) or files_of(file)):
            raise ValueError(f"output = {output!r}: is read itself, as {file}: expected another file")


def stats(files: Sequence[str], progress: Progress) -> dict[str, Any]:
    """What the trees of all files are like; see `tree.tree_statistics`."""
    found = Statistics()
    for file in files:
        for tree in _trees(file, progress):
            found.add(tree)
    return found.result()


def describe(found: dict[str, Any]) -> Iterator[str]:
    """Lines for a terminal."""
    for name in ("trees", "nodes", "generated_tokens", "solved", "answered"):
        yield f"{name:18}{_shown(found[name])}"
    for name in ("status", "rating", "duplicates"):
        yield f"{name:18}" + ", ".join(f"{key} {_shown(value)}" for key, value in found[name].items())
    for name in ("depth", "branching"):
        shape = found[name]
        yield f"{name:18}mean {_shown(shape['mean'])}, at most {_shown(shape['max'])}"
    for name, one in found["calibration"].items():
        yield (
            f"scores of {name:8}{one['count']:,} from 0 to 1 ({one['outside']:,} others), expected calibration error "
            f"{_shown(one['expected_error'])}, Brier {_shown(one['brier'])}"
        )
        for row in one["bins"]:
            yield f"  from {row['from']:.1f}: {row['count']:6,}  score {row['mean_score']:.3f}  right {row['right']:.3f}"


def _shown(value: Any) -> str:
    return "-" if value is None else f"{value:,.4g}" if isinstance(value, float) else f"{value:,}"


def _trees(source: str, progress: Progress) -> Iterator[Tree]:
    """The trees of a file (as `read_rows` takes it), or of the folder that `jorney expand` wrote, one after another."""
    for file in _parts(source) or files_of(source):
        if not storage.follow(file).exists():
            raise FileNotFoundError(
                f"{file}: no such file: expected a .jsonl file of trees, or the folder that `jorney expand` wrote (parts/)"
            )
        for place, row in _counted(file, *_rows(file), progress):
            yield from_json(row, place)


def _parts(source: str) -> list[str]:
    """The files of trees in a folder that `jorney expand` wrote; none where it is another source."""
    parts = rows_folder(source)
    return sorted(map(os.fspath, parts.glob("*.jsonl"))) if parts else []


def _rows(source: str, rules: RowRules | None = None) -> tuple[Iterator[tuple[str, Row]], int]:
    """(place, row) pairs of a source, and how many there are. JSON lines are streamed, other files are read first."""
    if source.endswith(".jsonl"):
        return read_rows(source, rules), _lines(source)
    rows = list(read_rows(source, rules))
    return iter(rows), len(rows)


def _lines(file: str) -> int:
    where = storage.follow(file)
    storage.expect_file(where, file)
    with where.open("rb") as opened:
        blocks: Callable[[], bytes] = lambda: opened.read(_BLOCK)  # noqa: E731
        return sum(block.count(b"\n") for block in iter(blocks, b""))


def _counted(file: str, rows: Iterator[tuple[str, Row]], total: int, progress: Progress) -> Iterator[tuple[str, Row]]:
    """The same rows, with a bar."""
    with progress.bar(os.path.basename(file.rstrip("/")), max(1, total)) as bar:
        for number, pair in enumerate(rows, start=1):
            yield pair
            bar(1, f"{number:,}" if total > 1000 else "")


def _write(output: str, rows: Iterator[dict[str, Any]]) -> int:
    """Writes rows as JSON lines, whole or not at all; returns how many. Raises ValueError where there are none."""
    first = list(itertools.islice(rows, 1))
    if not first:
        raise ValueError(f"{output}: there are no rows to write: expected at least one")
    count = 0
    with storage.open_whole(output) as file:
        for row in itertools.chain(first, rows):
            file.write((json.dumps(row, ensure_ascii=False) + "\n").encode(errors="surrogatepass"))
            count += 1
    return count
