"""Problems of rows: of files, of the hub, of TensorFlow Datasets."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import json
import math
import re
from collections.abc import Iterable
from typing import Any

from jorney import storage
from jorney.domain import domains
from jorney.domain.answers import final_answer
from jorney.domain.open_question import OpenQuestion
from jorney.domain.problem import Problem, hash_id
from jorney.domain.reading.notation import numbers_joined
from jorney.rows.fields import bounded, expect, holds, shown
from jorney.rows.readers.rules import RowRules
from jorney.rows.readers.text_files import Written
from jorney.rows.registry import PROBLEMS
from jorney.rows.sources import Row, read_rows
from jorney.text.step_format import ABEL, BOXED

# The names that published sets give to the same thing.
_QUESTION = ("question", "problem")
_ANSWER = ("answer", "final_answer", "expected_answer")
_ID = ("id", "unique_id", "task_id")
_RESERVED = {*_QUESTION, *_ID, "solution", "verifier", "meta"}
_CALCULATOR = re.compile(r"<<[^<>]*>>")  # GSM8K's annotations: <<48/2=24>>
_MARK = "####"
_NUMBERED = re.compile(r"\s*1\.\s")  # Abel's steps
_AROUND = re.compile(r"^(?:\s|\$|\\\(|\\boxed\s*\{)+|(?:\s|\$|\\\)|\}|\\?%|\.)+$")  # what a number is dressed with
_NOTHING = {"n/a", "none", "null", "tbd", "todo"}
_SAYING = re.compile(r"[^\s?.,;:!_*/#=+~|{}()\[\]\\–—-]")
_MARKUP = re.compile(r"</[A-Za-z]+>|<[A-Za-z]{2,}>|<\|")  # tags and control tokens
_LIST = re.compile(r"-?[\d.]+\s*(?:[,;&]|and|or)\s*-?[\d.]+.*", re.IGNORECASE)


def read_problems(source: str, limit: int | None = None, rules: RowRules | None = None) -> list[Problem]:
    """Problems of anything that `rows.sources.read_rows` reads.

    A row needs a question (or problem) and an answer. GSM8K's answers, a worked solution with `#### 72` at its end, are
    taken apart, and so are Abel's, whose lines are numbered already; MATH's solution is kept, and its last box is the answer
    where the row states no other. Forms of `registry.PROBLEMS`, known by the first row, are read as those say: PRM800K's rows
    give one right solution a question; Game of 24's puzzles are Countdown's with the target 24.

    Args:
      source: a path that ends in .jsonl, .parquet or .csv; a hub id (`openai/gsm8k:main@test`); or `tfds:NAME`; see
        `read_rows` for more.
      limit: read no more than this many.
      rules: other names for columns, and what becomes of rows that are no problems.

    Raises:
      FileNotFoundError, ValueError: name the file, the line (row) and the field, and what was expected.
    """
    if limit is not None and limit < 1:
        raise ValueError(f"limit = {limit}: expected 1 or more")
    rules = rules or RowRules()
    with contextlib.closing(read_rows(source, rules)) as read:  # the file too, where a row of it is refused
        first = list(itertools.islice(read, 1))
        rows = itertools.chain(first, read)
        reader = next((reads for is_form, reads in PROBLEMS if first and is_form(first[0][1])), None)
        return problems_of(reader(rows, rules.pass_over) if reader else rows, source, limit, rules)


def problems_of(
    rows: Iterable[tuple[str, Row]], source: str, limit: int | None = None, rules: RowRules | None = None
) -> list[Problem]:
    """The problems of (place, row) pairs; raises as `read_problems` does.

    A question that comes again, in rows without ids, is another problem each time.
    """
    rules = rules or RowRules()
    problems: list[Problem] = []
    seen: dict[str, str] = {}
    rows = iter(rows)
    while limit is None or len(problems) < limit:
        if (member := next(rows, None)) is None:
            break
        place, row = member
        try:
            problem = problem_of(row, place, rules.unanswered)
            if problem.id in seen:
                if any(row.get(key) not in (None, "") for key in _ID):
                    raise ValueError(f"{place}: field 'id': {problem.id!r} was already used by {seen[problem.id]}")
                again = (f"{problem.id}-{count}" for count in itertools.count(2))
                problem = dataclasses.replace(problem, id=next(name for name in again if name not in seen))
        except ValueError as error:
            rules.pass_over(error)
            continue
        seen[problem.id] = place
        problems.append(problem)
    rules.tell(source)
    if not problems:
        raise ValueError(f"{source}: holds no problems: expected at least one")
    return problems


def write_problems(where: storage.PathLike, problems: Iterable[Problem]) -> None:
    """Writes a JSON-lines file that `read_problems` reads back equal."""
    storage.write_jsonl(where, (dataclasses.asdict(problem) for problem in problems))


def is_problem(row: Row) -> bool:
    """Whether a row has the columns of a problem."""
    return any(holds(row, name) for name in _QUESTION)


def problem_of(row: Row, place: str, unanswered: bool = False) -> Problem:
    """The problem of a row. Raises ValueError that names the place, the field, what was found and what was expected.

    Args:
      unanswered: whether it may lack an answer; it is an open question then.
    """
    question = _question(row, place)
    verifier = "math" if row.get("verifier") is None else row["verifier"]
    domain = domains.named(verifier, f"{place}: field 'verifier'")
    solution = _one(row.get("solution"))
    if solution is not None:
        _text(solution, "solution", place, empty=True)
    stated = next(
        (name for name in _ANSWER if row.get(name) is not None), next((name for name in _ANSWER if name in row), None)
    )
    if row.get(stated or "") is None and solution is not None and (boxed := _boxed(solution)):
        answer = boxed  # MATH as it was published
    elif not domain.answered or (unanswered and row.get("verifier") is None and row.get(stated or "") is None):
        verifier, answer = OpenQuestion.name, ""
    elif stated is None:
        boxes = "" if solution is None else ", and 'solution' holds no \\boxed{} with one"
        raise ValueError(f"{place}: the field 'answer' is missing{boxes}; there are {', '.join(row) or 'none'}")
    else:
        answer = _one(row[stated])
        answer = _text(answer, stated, place) if domain.any_answer else _answer(answer, stated, place)
        if _MARK in answer and not domain.any_answer:
            worked, answer = _marked(answer, stated, place)
            solution = ABEL.write(_steps(_CALCULATOR.sub("", worked)), answer) if solution is None else solution
    # Without an id the question's own hash: stable when rows are reordered or a file grows.
    id_ = next((_id(row[key], key, place) for key in _ID if row.get(key) not in (None, "")), None)
    meta = row.get("meta")
    if meta is None:
        meta = {key: value for key, value in row.items() if key not in _RESERVED and key != stated}
    if not isinstance(meta, dict):
        raise ValueError(f"{place}: field 'meta': expected an object, got {shown(meta)}")
    domain.check(meta, place)
    return Problem(id_ or hash_id(question), question, answer, solution, verifier, meta)


def _question(row: Row, place: str) -> str:
    """What is asked: a text under one of its names."""
    name = next((one for one in _QUESTION if row.get(one) is not None), next((one for one in _QUESTION if one in row), None))
    if name is None:
        raise ValueError(
            f"{place}: the field {' or '.join(map(repr, _QUESTION))} is missing; there are {', '.join(row) or 'none'}"
        )
    asked = row[name]
    if isinstance(asked, list) and [*map(type, asked)] == [dict] and asked[0].get("role") == "user":
        asked = asked[0].get("content")  # a conversation of one turn, as TRL's sets have it
    return _text(asked, name, place)


def _text(value: Any, name: str, place: str, empty: bool = False) -> str:
    """A text that a model can be given: not empty unless that is allowed, and not without end."""
    if not isinstance(value, str) or not (empty or value.strip()):
        raise ValueError(f"{place}: field {name!r}: expected a text{'' if empty else ' that is not empty'}, got {shown(value)}")
    return bounded(value, name, place)


def _answer(value: Any, name: str, place: str) -> str:
    """A known answer: a text, or a number as it is written."""
    if isinstance(value, Written) and math.isfinite(value):
        return value.text
    if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
        return json.dumps(value)
    if isinstance(value, float):
        raise ValueError(f"{place}: field {name!r}: expected a text that is not empty, or a number that is finite, got {value}")
    text = _text(value, name, place)
    if _says_nothing(text) or _MARKUP.search(text):
        raise ValueError(f"{place}: field {name!r}: expected an answer, got {shown(text)}")
    return text


def _says_nothing(text: str) -> bool:
    """Whether a text is what tables hold where nothing is known, or a number that there is not."""
    bare = _AROUND.sub("", text).lower()
    try:
        return not math.isfinite(float(bare.replace(",", ""))) and not bare.isdigit()
    except ValueError:
        return bare in _NOTHING or not _SAYING.search(bare)


def _marked(text: str, name: str, place: str) -> tuple[str, str]:
    """A worked solution and the answer behind its last mark."""
    worked, _, tail = text.rpartition(_MARK)
    line, _, behind = tail.strip().partition("\n")
    if behind.strip():
        raise ValueError(
            f"{place}: field {name!r}: text follows the answer behind {_MARK}, {shown(behind.strip())}: expected none"
        )
    answer = final_answer(f"{_MARK} {line}")
    if answer is None:
        raise ValueError(f"{place}: field {name!r}: nothing stands behind {_MARK}: expected an answer")
    answer = numbers_joined(answer)[0]  # of 130,000 the number: published so, it is no list
    if _LIST.fullmatch(answer.strip()) and not _NUMBERED.match(worked):  # GSM8K's, which have one number each
        raise ValueError(f"{place}: field {name!r}: {shown(answer)} stands behind {_MARK}: expected one number")
    return worked, _answer(answer, name, place)


def _boxed(solution: str) -> str | None:
    """What the last box of a solution holds."""
    return final_answer(solution, BOXED)


def _one(value: Any) -> Any:
    """The text of a list of one text: OlympiadBench's solutions and answers."""
    return value[0] if isinstance(value, list) and [*map(type, value)] == [str] else value


def _id(value: Any, name: str, place: str) -> str:
    return str(expect(value, name, place, str, int))


def _steps(worked: str) -> list[str]:
    """The steps of a worked solution: Abel's, which are numbered and may span lines; else, as GSM8K's, its lines."""
    return [ABEL.bare(step) for step in ABEL.split(worked)] if _NUMBERED.match(worked) else worked.strip().splitlines()
