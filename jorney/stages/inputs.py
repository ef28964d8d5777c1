"""What the training commands learn from when it is not sampled here: rows of a source, told apart by the first row's fields."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

from jorney.config import digest
from jorney.data import records
from jorney.data.encode import encode_solutions
from jorney.data.labelled import Labelled
from jorney.data.packing import Example, fit
from jorney.data.preferences import Preference
from jorney.data.problems import Problem, hash_id, problems_of
from jorney.data.records import Row
from jorney.data.sources import digest_rows, read_rows
from jorney.data.steps import StepFormat
from jorney.data.tokenizer import Tokenizer
from jorney.thought.encode import encode_thought
from jorney.thought.thought import from_json as thought_from_json

T = TypeVar("T")


@dataclasses.dataclass(frozen=True)
class Input(Generic[T]):
    """What a training learns from.

    Attributes:
      key: of its content, the same whatever kind of file it lies in.
      places: where each member comes from.
      make: makes the members, with the tokenizer of the model that learns them.
    """

    key: str
    places: tuple[str, ...]
    make: Callable[[Tokenizer], Sequence[T]]


def read_examples(source: str, limit: int | None, step_format: StepFormat, excursion_loss: bool) -> Input[Example]:
    """Thoughts, problems with solutions, or rows of `data.records`; all of it is read now.

    Raises:
      FileNotFoundError, ValueError: name the file, the line (row) and the field, and what was expected.
    """
    places, rows = _read(source, limit)
    key, first = digest_rows(rows), rows[0]
    if "pieces" in first:
        thoughts = [thought_from_json(row, place) for place, row in zip(places, rows, strict=True)]
        return Input(
            key, places, lambda tokenizer: [encode_thought(tokenizer, step_format, one, excursion_loss) for one in thoughts]
        )
    if records.is_supervised(first):
        return Input(key, places, lambda tokenizer: _encode(records.encode_record, tokenizer, places, rows))
    if records.holds(first, "question") or records.holds(first, "problem"):
        return solutions(problems_of(zip(places, rows, strict=True), source), step_format, source)
    what = ", or ".join(" and ".join(names) for names in records.SUPERVISED)
    if records.holds(first, *records.PREFERENCE):
        what = f"{what} (preference pairs are for `jorney dpo --data`)"
    raise ValueError(
        f"{places[0]}: the columns are {records.columns(first)}: expected {what}, or question and answer (problems with "
        "solutions), or pieces (thoughts of `jorney derive`)"
    )


def solutions(problems: Sequence[Problem], step_format: StepFormat, source: str) -> Input[Example]:
    """Problems with their solutions. Raises ValueError where one has none."""
    places = tuple(f"{source}: the problem {problem.id!r}" for problem in problems)
    return Input(digest(problems), places, lambda tokenizer: encode_solutions(tokenizer, step_format, problems, source))


def read_pairs(source: str, limit: int | None) -> Input[Preference]:
    """Preference pairs of `data.records`; raises as `read_examples` does."""
    places, rows = _read(source, limit)
    return Input(digest_rows(rows), places, lambda tokenizer: _encode(records.encode_preference, tokenizer, places, rows))


def read_stepwise(source: str, limit: int | None) -> list[Labelled]:
    """Labelled solutions, rows of stepwise supervision; the prompt is the question. Raises as `read_examples` does."""
    found = [records.read_steps(row, place) for place, row in zip(*_read(source, limit), strict=True)]
    return [Labelled(hash_id(one.prompt), one.prompt, one.steps, one.labels) for one in found]


def fitting(examples: Input[Example], row_length: int, too_long: str, source: str) -> Callable[[Tokenizer], list[Example]]:
    """Makes the examples that fit in rows; see `data.packing.fit`."""
    return lambda tokenizer: fit(examples.make(tokenizer), row_length, too_long, examples.places, source)


def _read(source: str, limit: int | None) -> tuple[tuple[str, ...], list[dict[str, Any]]]:
    found = list(itertools.islice(read_rows(source), limit))
    if not found:
        raise ValueError(f"{source}: holds no rows: expected at least one")
    return tuple(place for place, _ in found), [row for _, row in found]


def _encode(
    encode: Callable[[Tokenizer, Row, str], T], tokenizer: Tokenizer, places: Sequence[str], rows: Sequence[Row]
) -> list[T]:
    return [encode(tokenizer, row, place) for place, row in zip(places, rows, strict=True)]
