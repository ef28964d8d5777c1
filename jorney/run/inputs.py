"""What the training commands learn from when it is not sampled here: rows of a source, told apart by the first row's fields."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Generic, TypeVar

from jorney.batch.packing import Example, fit
from jorney.batch.pairs import Preference
from jorney.batch.solutions import encode_solutions, stated
from jorney.config import digest
from jorney.domain.problem import Problem
from jorney.judge.labelled import Labelled
from jorney.rows import trl
from jorney.rows.fields import columns, holds
from jorney.rows.labels import Reading, of_tree, read_row, solution_of, tree_or_row
from jorney.rows.problems import is_problem, problems_of
from jorney.rows.readers.instructions import FORMS, is_instruction
from jorney.rows.readers.rules import RowRules
from jorney.rows.registry import encode_preference, is_step_pair, is_thought
from jorney.rows.sources import Row, digest_rows, read_rows
from jorney.rows.step_pairs import encode_tree_pair
from jorney.run.artifact import Lacking, rows_folder
from jorney.run.stages.expansion import read_trees, trees_key
from jorney.text.step_format import StepFormat
from jorney.text.tokenizer import Tokenizer
from jorney.thought.encode import encode_thought
from jorney.thought.refine import RefineConfig
from jorney.thought.thought import Thought, from_json
from jorney.thought.tree_pairs import JOURNEY, TreePair, pairs_of
from jorney.tree.contrasts import ContrastConfig
from jorney.tree.tree import Tree

T = TypeVar("T")
M = TypeVar("M")


@dataclasses.dataclass(frozen=True)
class Input(Generic[T]):
    """What a training learns from.

    Attributes:
      key: of its content, the same whatever kind of file it lies in.
      places: where each row comes from.
      placed: makes the members, with the tokenizer of the model that learns them; each with the place that it comes from.
    """

    key: str
    places: tuple[str, ...]
    placed: Callable[[Tokenizer], list[tuple[str, T]]]

    def make(self, tokenizer: Tokenizer) -> list[T]:
        """The members alone."""
        return [member for _, member in self.placed(tokenizer)]


def read_examples(
    source: str, limit: int | None, step_format: StepFormat, excursion_loss: bool, rules: RowRules | None = None
) -> Input[Example]:
    """Thoughts, problems with solutions, or rows of `rows.trl`; all of it is read now.

    Args:
      rules: other names for columns, and what becomes of rows that cannot be read, or that the tokenizer cannot hold.

    Raises:
      FileNotFoundError, ValueError: name the file, the line (row) and the field, and what was expected.
    """
    rules = rules or RowRules()
    places, rows = _read(source, limit, rules)
    key, first = digest_rows(rows), rows[0]
    if is_thought(first):
        thoughts = _kept(from_json, places, rows, rules, source)

        def encode(tokenizer: Tokenizer, thought: Thought, place: str) -> Example:
            return encode_thought(tokenizer, step_format, thought, excursion_loss, place)

        where = tuple(place for place, _ in thoughts)
        return Input(key, where, _encoded(encode, where, [thought for _, thought in thoughts], rules, source))
    if not trl.is_supervised(first) and is_problem(first):
        return solutions(problems_of(zip(places, rows, strict=True), source, None, rules), step_format, source, rules)
    if trl.is_supervised(first) or is_instruction(first):
        return Input(key, places, _encoded(trl.encode_record, places, rows, rules, source))
    what = ", or ".join(" and ".join(names) for names in trl.SUPERVISED)
    if holds(first, *trl.PREFERENCE):
        what = f"{what} (preference pairs are for `jorney dpo --data`)"
    raise ValueError(
        f"{places[0]}: the columns are {columns(first)}: expected {what}, or question and answer (problems with "
        f"solutions), or pieces (thoughts of `jorney derive`), or {', or '.join(' and '.join(names) for names in FORMS)}"
    )


def solutions(
    problems: Sequence[Problem], step_format: StepFormat, source: str, rules: RowRules | None = None
) -> Input[Example]:
    """Problems with their solutions. Raises ValueError where one has none."""

    def encode(tokenizer: Tokenizer, problem: Problem, _: str) -> Example:
        (example,) = encode_solutions(tokenizer, step_format, [problem], source)
        return example

    places = tuple(f"{source}: the problem {problem.id!r}" for problem in problems)
    # Solutions that do not state their answer are learned with it, which they were not before.
    silent = [problem.id for problem in problems if problem.solution and stated(problem) != problem.solution]
    key = digest([digest(problems), "answers stated"]) if silent else digest(problems)
    return Input(key, places, _encoded(encode, places, problems, rules or RowRules(), source))


def read_pairs(source: str, limit: int | None, step_format: StepFormat, rules: RowRules | None = None) -> Input[Preference]:
    """Preference pairs of any form; raises as `read_examples` does.

    Args:
      step_format: how questions are asked of rows that hold them bare.
    """
    rules = rules or RowRules()
    places, rows = _read(source, limit, rules)
    key = digest_rows(rows)
    if any(map(is_step_pair, rows)):  # such rows were read as plain pairs before, each side with an end token
        key = digest([key, "steps"])

    def encode(tokenizer: Tokenizer, row: Row, place: str) -> Preference:
        return encode_preference(tokenizer, row, place, step_format)

    return Input(key, places, _encoded(encode, places, rows, rules, source))


def read_tree_pairs(
    source: str,
    limit: int | None,
    kind: str,
    config: ContrastConfig,
    refine: RefineConfig,
    step_format: StepFormat,
    seed: int,
) -> Input[Preference]:
    """Preference pairs of the trees of a file, or of the folder that `jorney expand` wrote.

    Args:
      limit: trees.
      kind: one of `thought.tree_pairs.PAIR_KINDS`.

    Raises:
      FileNotFoundError, ValueError: name the file, the tree, the node or the setting, and what was expected.
    """
    reads = [trees_key(source), limit, kind, config, *([refine] if kind == JOURNEY else [])]
    trees = itertools.islice(read_trees(source), limit)
    pairs = [pair for tree in trees for pair in pairs_of(tree, kind, config, seed, refine)]
    if not pairs:
        raise Lacking(f"{source}: no tree has a pair of the kind {kind!r}: expected right and wrong ways on from one step")
    places = tuple(f"{source}: tree {pair.tree!r}" for pair in pairs)

    def encode(tokenizer: Tokenizer, pair: TreePair, place: str) -> Preference:
        return encode_tree_pair(tokenizer, pair, place, step_format)

    return Input(digest(reads), places, _encoded(encode, places, pairs, RowRules(), source))


def read_encoded(
    source: str, limit: int | None, encode: Callable[[Tokenizer, Row, str], T], rules: RowRules | None = None
) -> Input[T]:
    """Rows that `encode` makes members of; raises as `read_examples` does, for a column that is missing too."""
    rules = rules or RowRules()
    places, rows = _read(source, limit, rules)

    def one(tokenizer: Tokenizer, row: Row, place: str) -> T:
        try:
            return encode(tokenizer, row, place)
        except KeyError as error:
            raise ValueError(f"{place}: the field {error} is missing: the columns are {columns(row)}") from None

    return Input(digest_rows(rows), places, _encoded(one, places, rows, rules, source))


def read_labelled(source: str, limit: int | None, how: Reading, rules: RowRules | None = None) -> list[Labelled]:
    """Labelled solutions: rows of any form that `rows.labels` knows, or trees (of a file, or of `jorney expand`'s folder).

    Args:
      limit: rows, or trees.

    Raises:
      FileNotFoundError, ValueError: name the file, the line (row) and the field, and what was expected.
    """
    rules = rules or RowRules()
    places, members = zip(*_trees_and_rows(source, limit, rules), strict=True)

    def read(member: Tree | Row, place: str) -> list[Labelled]:
        return of_tree(member) if isinstance(member, Tree) else read_row(member, place, how)

    return [one for _, own in _kept(read, places, members, rules, source) for one in own]


def read_scores(source: str, limit: int | None, solutions: Sequence[Labelled]) -> list[list[float]]:
    """The scores that rows hold, one for each step of their solutions; raises as `read_labelled` does."""
    found = []
    for place, row, solution in zip(*_read(source, limit, RowRules()), solutions, strict=True):
        own = row.get("scores")
        if not isinstance(own, list) or not all(isinstance(one, int | float) for one in own) or len(own) != len(solution.steps):
            raise ValueError(f"{place}: field 'scores': expected {len(solution.steps)} numbers, one a step, got {own!s:.80}")
        found.append([float(one) for one in own])
    return found


def read_solutions(
    source: str, limit: int | None, how: Reading, rules: RowRules | None = None
) -> list[tuple[Problem, tuple[tuple[str, ...], ...]]]:
    """Problems with solutions that are to be labelled: rows of a problem and its steps, or trees; raises as `read_labelled`.

    Rows of one problem come together.
    """
    found: dict[str, tuple[Problem, list[tuple[str, ...]]]] = {}
    rules = rules or RowRules()
    for place, one in _trees_and_rows(source, limit, rules):
        if isinstance(one, Tree):
            problem, solutions = one.problem, [path.steps for path in of_tree(one)]
        else:
            try:
                problem, solution = solution_of(one, place, how)
            except ValueError as error:
                rules.pass_over(error)
                continue
            solutions = [solution]
        known = found.setdefault(problem.id, (problem, []))
        if known[0].answer != problem.answer:
            raise ValueError(f"{place}: the answer {problem.answer!r}: expected {known[0].answer!r} as before for this problem")
        known[1].extend(steps for steps in solutions if steps not in known[1])
    rules.tell(source)
    if not found:
        raise ValueError(f"{source}: no row is left: expected at least one that can be read")
    return [(problem, tuple(own)) for problem, own in found.values()]


def fitting(examples: Input[Example], row_length: int, too_long: str, source: str) -> Callable[[Tokenizer], list[Example]]:
    """Makes the examples that fit in rows; see `batch.packing.fit`."""

    def make(tokenizer: Tokenizer) -> list[Example]:
        placed = examples.placed(tokenizer)
        return fit([one for _, one in placed], row_length, too_long, [place for place, _ in placed], source)

    return make


def _trees_and_rows(source: str, limit: int | None, rules: RowRules) -> Iterator[tuple[str, Tree | Row]]:
    """What a source holds, `limit` members at most, each with its place: rows, trees among them, or an expansion's trees."""
    if rows_folder(source) is not None:
        yield from ((source, tree) for tree in itertools.islice(read_trees(source), limit))
    else:
        places, rows = _read(source, limit, rules)
        yield from _kept(tree_or_row, places, rows, rules, source)


def _read(source: str, limit: int | None, rules: RowRules) -> tuple[tuple[str, ...], list[Row]]:
    found = list(itertools.islice(read_rows(source, rules), limit))
    rules.tell(source)
    if not found:
        raise ValueError(f"{source}: holds no rows: expected at least one")
    return tuple(place for place, _ in found), [row for _, row in found]


def _kept(
    read: Callable[[M, str], T], places: Sequence[str], members: Sequence[M], rules: RowRules, source: str
) -> list[tuple[str, T]]:
    """What is read of members, with their places; those that cannot be read are an error, or passed over."""
    found = []
    for place, member in zip(places, members, strict=True):
        try:
            found.append((place, read(member, place)))
        except ValueError as error:
            rules.pass_over(error)
    rules.tell(source)
    if not found:
        raise ValueError(f"{source}: no row is left: expected at least one that can be read")
    return found


def _encoded(
    encode: Callable[[Tokenizer, M, str], T], places: Sequence[str], members: Sequence[M], rules: RowRules, source: str
) -> Callable[[Tokenizer], list[tuple[str, T]]]:
    """Makes what is learned of members, with their places, as `_kept` does."""
    return lambda tokenizer: _kept(lambda member, place: encode(tokenizer, member, place), places, members, rules, source)
