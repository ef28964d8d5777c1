"""What the training commands learn from when it is not sampled here: rows of a source, told apart by the first row's fields."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Generic, TypeVar

from jorney import storage
from jorney.batch.packing import Example, fit
from jorney.batch.pairs import Preference
from jorney.batch.solutions import encode_solutions
from jorney.config import digest
from jorney.domain.problem import Problem
from jorney.judge.labelled import Labelled
from jorney.rows import trl
from jorney.rows.fields import columns, holds
from jorney.rows.labels import Reading, of_tree, read_row, solution_of, tree_or_row
from jorney.rows.problems import is_problem, problems_of
from jorney.rows.registry import is_thought
from jorney.rows.sources import Row, digest_rows, read_rows
from jorney.run.stages.expansion import read_trees
from jorney.text.step_format import StepFormat
from jorney.text.tokenizer import Tokenizer
from jorney.thought.encode import encode_thought
from jorney.thought.thought import from_json
from jorney.tree.tree import Tree

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
    """Thoughts, problems with solutions, or rows of `rows.trl`; all of it is read now.

    Raises:
      FileNotFoundError, ValueError: name the file, the line (row) and the field, and what was expected.
    """
    places, rows = _read(source, limit)
    key, first = digest_rows(rows), rows[0]
    if is_thought(first):
        thoughts = [from_json(row, place) for place, row in zip(places, rows, strict=True)]
        return Input(
            key, places, lambda tokenizer: [encode_thought(tokenizer, step_format, one, excursion_loss) for one in thoughts]
        )
    if trl.is_supervised(first):
        return Input(key, places, lambda tokenizer: _encode(trl.encode_record, tokenizer, places, rows))
    if is_problem(first):
        return solutions(problems_of(zip(places, rows, strict=True), source), step_format, source)
    what = ", or ".join(" and ".join(names) for names in trl.SUPERVISED)
    if holds(first, *trl.PREFERENCE):
        what = f"{what} (preference pairs are for `jorney dpo --data`)"
    raise ValueError(
        f"{places[0]}: the columns are {columns(first)}: expected {what}, or question and answer (problems with "
        "solutions), or pieces (thoughts of `jorney derive`)"
    )


def solutions(problems: Sequence[Problem], step_format: StepFormat, source: str) -> Input[Example]:
    """Problems with their solutions. Raises ValueError where one has none."""
    places = tuple(f"{source}: the problem {problem.id!r}" for problem in problems)
    return Input(digest(problems), places, lambda tokenizer: encode_solutions(tokenizer, step_format, problems, source))


def read_pairs(source: str, limit: int | None) -> Input[Preference]:
    """Preference pairs of `rows.trl`; raises as `read_examples` does."""
    places, rows = _read(source, limit)
    return Input(digest_rows(rows), places, lambda tokenizer: _encode(trl.encode_preference, tokenizer, places, rows))


def read_encoded(source: str, limit: int | None, encode: Callable[[Tokenizer, Row, str], T]) -> Input[T]:
    """Rows that `encode` makes members of; raises as `read_examples` does, for a column that is missing too."""
    places, rows = _read(source, limit)

    def one(tokenizer: Tokenizer, row: Row, place: str) -> T:
        try:
            return encode(tokenizer, row, place)
        except KeyError as error:
            raise ValueError(f"{place}: the field {error} is missing: the columns are {columns(row)}") from None

    return Input(digest_rows(rows), places, lambda tokenizer: _encode(one, tokenizer, places, rows))


def read_labelled(source: str, limit: int | None, how: Reading) -> list[Labelled]:
    """Labelled solutions: rows of any form that `rows.labels` knows, or trees (of a file, or of `jorney expand`'s folder).

    Args:
      limit: rows, or trees.

    Raises:
      FileNotFoundError, ValueError: name the file, the line (row) and the field, and what was expected.
    """
    found: list[Labelled] = []
    for place, one in _trees_and_rows(source, limit):
        found += of_tree(one) if isinstance(one, Tree) else read_row(one, place, how)
    return found


def read_scores(source: str, limit: int | None, solutions: Sequence[Labelled]) -> list[list[float]]:
    """The scores that rows hold, one for each step of their solutions; raises as `read_labelled` does."""
    found = []
    for place, row, solution in zip(*_read(source, limit), solutions, strict=True):
        own = row.get("scores")
        if not isinstance(own, list) or not all(isinstance(one, int | float) for one in own) or len(own) != len(solution.steps):
            raise ValueError(f"{place}: field 'scores': expected {len(solution.steps)} numbers, one a step, got {own!s:.80}")
        found.append([float(one) for one in own])
    return found


def read_solutions(source: str, limit: int | None, how: Reading) -> list[tuple[Problem, tuple[tuple[str, ...], ...]]]:
    """Problems with solutions that are to be labelled: rows of a problem and its steps, or trees; raises as `read_labelled`.

    Rows of one problem come together.
    """
    found: dict[str, tuple[Problem, list[tuple[str, ...]]]] = {}
    for place, one in _trees_and_rows(source, limit):
        if isinstance(one, Tree):
            problem, solutions = one.problem, [path.steps for path in of_tree(one)]
        else:
            problem, solution = solution_of(one, place, how)
            solutions = [solution]
        known = found.setdefault(problem.id, (problem, []))
        if known[0].answer != problem.answer:
            raise ValueError(f"{place}: the answer {problem.answer!r}: expected {known[0].answer!r} as before for this problem")
        known[1].extend(steps for steps in solutions if steps not in known[1])
    return [(problem, tuple(own)) for problem, own in found.values()]


def fitting(examples: Input[Example], row_length: int, too_long: str, source: str) -> Callable[[Tokenizer], list[Example]]:
    """Makes the examples that fit in rows; see `batch.packing.fit`."""
    return lambda tokenizer: fit(examples.make(tokenizer), row_length, too_long, examples.places, source)


def _trees_and_rows(source: str, limit: int | None) -> Iterator[tuple[str, Tree | Row]]:
    """What a source holds, `limit` members at most, each with its place: rows, trees among them, or an expansion's trees."""
    if (storage.follow(source) / "parts").exists():
        yield from ((source, tree) for tree in itertools.islice(read_trees(source), limit))
    else:
        yield from ((place, tree_or_row(row, place)) for place, row in zip(*_read(source, limit), strict=True))


def _read(source: str, limit: int | None) -> tuple[tuple[str, ...], list[Row]]:
    found = list(itertools.islice(read_rows(source), limit))
    if not found:
        raise ValueError(f"{source}: holds no rows: expected at least one")
    return tuple(place for place, _ in found), [row for _, row in found]


def _encode(
    encode: Callable[[Tokenizer, Row, str], T], tokenizer: Tokenizer, places: Sequence[str], rows: Sequence[Row]
) -> list[T]:
    return [encode(tokenizer, row, place) for place, row in zip(places, rows, strict=True)]
