"""Problems of rows: of files, of the hub, of TensorFlow Datasets."""

from __future__ import annotations

import dataclasses
import itertools
import json
import re
from collections.abc import Iterable

from jorney import storage
from jorney.domain import domains
from jorney.domain.problem import Problem, hash_id
from jorney.rows.fields import holds
from jorney.rows.registry import PROBLEMS
from jorney.rows.sources import Row, read_rows
from jorney.text.step_format import ABEL

# The names that published sets give to the same thing.
_QUESTION = ("question", "problem")
_ID = ("id", "unique_id", "task_id")
_RESERVED = {*_QUESTION, *_ID, "answer", "solution", "verifier", "meta"}
_CALCULATOR = re.compile(r"<<[^<>]*>>")  # GSM8K's annotations: <<48/2=24>>


def read_problems(source: str, limit: int | None = None) -> list[Problem]:
    """Problems of anything that `rows.sources.read_rows` reads.

    A row needs a question (or problem) and an answer. GSM8K's answers, a worked solution with `#### 72` at its end, are
    taken apart, and so are Abel's, whose lines are numbered already; MATH's solution is kept beside its answer. Forms of
    `registry.PROBLEMS`, known by the first row, are read as those say: PRM800K's rows give one right solution a question; Game
    of 24's puzzles are Countdown's with the target 24.

    Args:
      source: a path that ends in .jsonl, .parquet or .csv; a hub id (`openai/gsm8k:main@test`); or `tfds:NAME`.
      limit: read no more than this many.

    Raises:
      FileNotFoundError, ValueError: name the file, the line (row) and the field, and what was expected.
    """
    if limit is not None and limit < 1:
        raise ValueError(f"limit = {limit}: expected 1 or more")
    rows = read_rows(source)
    first = list(itertools.islice(rows, 1))
    rows = itertools.chain(first, rows)
    reader = next((read for is_form, read in PROBLEMS if first and is_form(first[0][1])), None)
    return problems_of(itertools.islice(reader(rows) if reader else rows, limit), source)


def problems_of(rows: Iterable[tuple[str, Row]], source: str) -> list[Problem]:
    """The problems of (place, row) pairs; raises as `read_problems` does."""
    problems: list[Problem] = []
    seen: dict[str, str] = {}
    for place, row in rows:
        problem = problem_of(row, place)
        if problem.id in seen:
            raise ValueError(f"{place}: the id {problem.id!r} was already used by {seen[problem.id]}")
        seen[problem.id] = place
        problems.append(problem)
    if not problems:
        raise ValueError(f"{source}: holds no problems: expected at least one")
    return problems


def write_problems(where: storage.PathLike, problems: Iterable[Problem]) -> None:
    """Writes a JSON-lines file that `read_problems` reads back equal."""
    storage.write_jsonl(where, (dataclasses.asdict(problem) for problem in problems))


def is_problem(row: Row) -> bool:
    """Whether a row has the columns of a problem."""
    return any(holds(row, name) for name in _QUESTION)


def problem_of(row: Row, place: str) -> Problem:
    """The problem of a row. Raises ValueError that names the place, the field, what was found and what was expected."""
    question, answer, solution = _text(row, _QUESTION, place), _text(row, ("answer",), place), row.get("solution")
    if not isinstance(solution, str | None):
        raise ValueError(f"{place}: field 'solution': expected a text, got {solution!r}")
    if solution is None and "####" in answer:
        worked, _, answer = answer.rpartition("####")
        answer = answer.strip().replace(",", "")
        solution = ABEL.write(_steps(_CALCULATOR.sub("", worked)), answer)
    # Without an id the question's own hash: stable when rows are reordered or a file grows.
    name = next((str(row[key]) for key in _ID if row.get(key) is not None), None)
    verifier = "math" if row.get("verifier") is None else row["verifier"]
    domain = domains.named(verifier, f"{place}: field 'verifier'")
    meta = row.get("meta")
    if meta is None:
        meta = {key: value for key, value in row.items() if key not in _RESERVED}
    if not isinstance(meta, dict):
        raise ValueError(f"{place}: field 'meta': expected an object, got {meta!r}")
    domain.check(meta, place)
    return Problem(name or hash_id(question), question, answer, solution, verifier, meta)


def _text(row: Row, names: tuple[str, ...], place: str) -> str:
    """The first of these fields that is there, a text that is not empty, or a number."""
    name = next((name for name in names if name in row), None)
    if name is None:
        raise ValueError(f"{place}: the field {' or '.join(map(repr, names))} is missing; there are {', '.join(row) or 'none'}")
    value = row[name]
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return json.dumps(value)
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"{place}: field {name!r}: expected a text that is not empty, got {value!r}")
    return value


def _steps(worked: str) -> list[str]:
    """The steps of a worked solution: Abel's, which are numbered and may span lines; else, as GSM8K's, its lines."""
    return [ABEL.bare(step) for step in ABEL.split(worked)] if re.match(r"\s*1\.\s", worked) else worked.strip().splitlines()
