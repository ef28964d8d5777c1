"""The `Problem` record, and reading problems from files and from the hub."""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import json
import re
from collections.abc import Iterable
from typing import Any

from jorney import storage
from jorney.rows import game24_puzzles as game24
from jorney.rows.prm800k_problems import is_prm800k, solved
from jorney.rows.sources import read_rows
from jorney.text.step_format import ABEL


@dataclasses.dataclass(frozen=True)
class Problem:
    """A question with a known answer.

    Attributes:
      id: unique within its set; sampling keys and the resuming of stages hang on it.
      question: the text that the step format's prompt template is filled with.
      answer: the known final answer, as text.
      solution: a worked solution in the step format's form, where the set has one.
      verifier: how an answer is checked: "math" (math-verify) or "countdown" (exact).
      meta: what the verifier or an analysis needs beyond this; JSON values only.
    """

    id: str
    question: str
    answer: str
    solution: str | None = None
    verifier: str = "math"
    meta: dict[str, Any] = dataclasses.field(default_factory=dict)


# The names that published sets give to the same thing.
_QUESTION = ("question", "problem")
_ID = ("id", "unique_id", "task_id")
_RESERVED = {*_QUESTION, *_ID, "answer", "solution", "verifier", "meta"}
_CALCULATOR = re.compile(r"<<[^<>]*>>")  # GSM8K's annotations: <<48/2=24>>


def read_problems(source: str, limit: int | None = None) -> list[Problem]:
    """Problems of anything that `rows.sources.read_rows` reads.

    A row needs a question (or problem) and an answer. GSM8K's answers, a worked solution with `#### 72` at its end, are
    taken apart, and so are Abel's, whose lines are numbered already; MATH's solution is kept beside its answer; PRM800K's rows
    give one right solution a question; Game of 24's puzzles are Countdown's with the target 24.

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
    if first and is_prm800k(first[0][1]):
        rows = solved(rows)
    elif first and game24.is_game24(first[0][1]):
        rows = game24.puzzles(rows)
    return problems_of(itertools.islice(rows, limit), source)


def problems_of(rows: Iterable[tuple[str, dict[str, Any]]], source: str) -> list[Problem]:
    """The problems of (place, row) pairs; raises as `read_problems` does."""
    problems: list[Problem] = []
    seen: dict[str, str] = {}
    for place, row in rows:
        problem = _from_row(row, place)
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


def _from_row(row: dict[str, Any], place: str) -> Problem:
    def text(names: tuple[str, ...]) -> str:
        for name in names:
            if name in row:
                value = row[name]
                if isinstance(value, (int, float)) and not isinstance(value, bool):
                    value = json.dumps(value)
                if not isinstance(value, str) or not value.strip():
                    raise ValueError(f"{place}: field {name!r}: expected a text that is not empty, got {row[name]!r}")
                return value
        raise ValueError(f"{place}: the field {' or '.join(map(repr, names))} is missing; there are {', '.join(row) or 'none'}")

    question, answer, solution = text(_QUESTION), text(("answer",)), row.get("solution")
    if not isinstance(solution, str | None):
        raise ValueError(f"{place}: field 'solution': expected a text, got {solution!r}")
    if solution is None and "####" in answer:
        worked, _, answer = answer.rpartition("####")
        answer = answer.strip().replace(",", "")
        solution = ABEL.write(_steps(_CALCULATOR.sub("", worked)), answer)
    # Without an id the question's own hash: stable when rows are reordered or a file grows.
    name = next((str(row[key]) for key in _ID if row.get(key) is not None), None)
    verifier = "math" if row.get("verifier") is None else row["verifier"]
    from jorney.domain import domains

    domain = domains.named(verifier, f"{place}: field 'verifier'")
    meta = row.get("meta")
    if meta is None:
        meta = {key: value for key, value in row.items() if key not in _RESERVED}
    if not isinstance(meta, dict):
        raise ValueError(f"{place}: field 'meta': expected an object, got {meta!r}")
    domain.check(meta, place)
    return Problem(name or hash_id(question), question, answer, solution, verifier, meta)


def _steps(worked: str) -> list[str]:
    """The steps of a worked solution: Abel's, which are numbered and may span lines; else, as GSM8K's, its lines."""
    if re.match(r"\s*1\.\s", worked):
        return [re.sub(ABEL.start, "", step, count=1) for step in ABEL.split(worked)]
    return worked.strip().splitlines()


def hash_id(question: str) -> str:
    """An id made of the question alone."""
    return hashlib.blake2b(question.encode(), digest_size=8).hexdigest()
