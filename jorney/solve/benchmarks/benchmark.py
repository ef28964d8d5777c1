"""A benchmark: problems that everybody has, and the protocols by which figures are published."""

from __future__ import annotations

import csv
import dataclasses
import difflib
import io
import os
from collections.abc import Callable, Iterable, Mapping, Sequence

from jorney import storage
from jorney.domain.problem import Problem
from jorney.rows.problems import problems_of, read_problems
from jorney.rows.readers.rules import RowRules
from jorney.solve.benchmarks import shots
from jorney.solve.benchmarks.task_protocol import ProtocolConfig, TaskProtocol

_DEEPSEEK = "deepseek-ai/deepseek-math-7b-"


@dataclasses.dataclass(frozen=True)
class Benchmark:
    """A benchmark.

    Attributes:
      name: on the command line.
      about: what it is, in a few words.
      source: a hub id; with `{subset}` where it has several.
      domain: of its problems.
      protocol: by which it is asked; of a subset its own.
      size: problems that it has.
      subsets: in which it lies.
      apart: whether the accuracy is the mean over subsets; else over all problems, which may lie in one file, too.
      files: what a subset's file is called in a folder of the published files.
      published: accuracies of DeepSeekMath-7B's models by this protocol, in percent, by the model's last word.
      keep: which problems of a published file are of the test split, where it holds others too.
    """

    name: str
    about: str
    source: str
    domain: str
    protocol: TaskProtocol | Callable[[str], TaskProtocol]
    size: int
    subsets: tuple[str, ...] = ("",)
    files: tuple[str, ...] = ()
    published: Mapping[str, float] = dataclasses.field(default_factory=dict)
    keep: Callable[[Problem], bool] | None = None
    apart: bool = True

    def task(self, subset: str) -> TaskProtocol:
        return self.protocol(subset) if callable(self.protocol) else self.protocol

    def figures(self) -> str:
        """What was published, in words; "" for nothing."""
        return ", ".join(f"{_DEEPSEEK}{name}: {value:.1f}%" for name, value in self.published.items())


@dataclasses.dataclass(frozen=True)
class Task:
    """Problems that are asked alike."""

    subset: str
    problems: tuple[Problem, ...]
    protocol: TaskProtocol


BENCHMARKS: dict[str, Benchmark] = {}


def register(benchmark: Benchmark) -> Benchmark:
    """Makes a benchmark known by its name; returns it."""
    BENCHMARKS[benchmark.name] = benchmark
    return benchmark


def named(name: str) -> tuple[Benchmark, tuple[str, ...]]:
    """The benchmark of a name, and the subsets that are asked for: of bbh/object_counting,web_of_lies two.

    Raises:
      ValueError: there is none; tells the nearest.
    """
    from jorney.solve.benchmarks import table  # registers them

    assert table
    whole, _, chosen = name.partition("/")
    found = BENCHMARKS.get(whole)
    if found is None:
        raise ValueError(f"--benchmark {name}: no such benchmark{_near(whole, BENCHMARKS)}")
    subsets = tuple(filter(None, chosen.split(",")))
    for subset in subsets:
        if subset not in found.subsets:
            known = ", ".join(filter(None, found.subsets)) or "none"
            raise ValueError(
                f"--benchmark {name}: {whole} has no subset {subset!r}{_near(subset, found.subsets)}: it has {known}"
            )
    return found, subsets or found.subsets


def tasks(
    name: str, source: str, limit: int | None, otherwise: ProtocolConfig, rules: RowRules, chats: bool = False
) -> list[Task]:
    """A benchmark's problems and how they are asked.

    Args:
      source: a file of them, or a folder of its files; "" for the hub.
      limit: problems of each subset.
      otherwise: what is not to be as the benchmark has it.
      chats: whether the model that is asked has a chat template.

    Raises:
      FileNotFoundError, ValueError: names the benchmark, the file, the line and the field, and what was expected.
    """
    benchmark, subsets = named(name)
    if source and not benchmark.apart and len(subsets) > 1 and not _file(benchmark, subsets[0], storage.follow(source)):
        subsets = ("",)
    found = []
    for subset in subsets:
        place = _place(benchmark, subset, source, len(subsets) > 1)
        protocol = otherwise.over(benchmark.task(subset)).settled(chats)
        problems = [_placed(one, subset) for one in _problems(benchmark, place, limit, rules)]
        if wrong := next((one for one in problems if one.verifier != benchmark.domain), None):
            raise ValueError(
                f"{place}: problem {wrong.id!r} is of the domain {wrong.verifier!r}: expected the published rows of {name} "
                f"({benchmark.domain})"
            )
        found.append(Task(subset, tuple(problems), shots.read(protocol, place, subset, otherwise)))
    return found


def _place(benchmark: Benchmark, subset: str, source: str, several: bool) -> str:
    """Where a subset's problems lie."""
    if not source:
        return benchmark.source.format(subset=subset)
    where = storage.follow(source)
    if not where.is_dir():
        if several:
            raise ValueError(
                f"--problems {source}: {benchmark.name} has {len(benchmark.subsets)} subsets: expected the folder of their "
                f"files, or one subset, as --benchmark {benchmark.name}/{benchmark.subsets[0]}"
            )
        return source
    if found := _file(benchmark, subset, where):
        return os.fspath(found)
    if benchmark.files and several:
        names = " or ".join(name.format(subset=subset) for name in benchmark.files)
        raise FileNotFoundError(f"{source}: holds no {names}: expected {benchmark.name}'s files as published")
    return source


def _file(benchmark: Benchmark, subset: str, folder: storage.Path) -> storage.Path | None:
    """A subset's file in a folder of the published ones."""
    places = (folder / name.format(subset=subset) for name in benchmark.files)
    return next((one for one in places if one.exists()), None)


def _problems(benchmark: Benchmark, place: str, limit: int | None, rules: RowRules) -> Sequence[Problem]:
    if place.endswith(".tsv") and os.path.basename(place).startswith("mgsm_"):
        problems: Sequence[Problem] = _headless(place, rules)
    else:
        problems = read_problems(place, None if benchmark.keep else limit, rules)
    kept = [one for one in problems if benchmark.keep(one)] if benchmark.keep else problems
    return (kept or problems)[:limit]


def _headless(place: str, rules: RowRules) -> list[Problem]:
    """MGSM's tables have no line of names."""
    text = storage.follow(place).read_text(encoding="utf-8")
    lines = csv.reader(io.StringIO(text), delimiter="\t", quoting=csv.QUOTE_NONE)
    rows = ((f"{place}: line {number}", _cells(cells, place, number)) for number, cells in enumerate(lines, start=1) if cells)
    return problems_of(rows, place, None, rules)


def _cells(cells: Sequence[str], place: str, number: int) -> dict[str, str]:
    if len(cells) != 2:
        raise ValueError(f"{place}: line {number}: {len(cells)} cells: expected a question and a number")
    return {"question": cells[0], "answer": cells[1].replace(",", "")}


def _near(name: str, known: Iterable[str]) -> str:
    likely = difflib.get_close_matches(name, list(known), 3, 0.5)
    return f", did you mean {' or '.join(likely)}?" if likely else ""


def _placed(problem: Problem, subset: str) -> Problem:
    """A problem that knows its subset; in all of a benchmark no two have the same id."""
    if not subset:
        return problem
    meta = {**problem.meta, "subset": subset}
    return dataclasses.replace(problem, id=f"{subset}/{problem.id}", meta=meta)
