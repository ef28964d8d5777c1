"""How rows are taken from a source: under which names their columns go, and what becomes of a row that cannot be read."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from typing import Any

from jorney.rows.fields import columns

ERROR, SKIP = "error", "skip"
BAD_ROWS = (ERROR, SKIP)

Row = dict[str, Any]
PassOver = Callable[[ValueError], None]  # raises the error, or takes note of a row that is passed over
# A row's place, for messages, and the row; or, in its place, why it cannot be read.
Member = tuple[str, Row | ValueError]


def each_row(
    rows: Iterator[tuple[str, Row]], pass_over: PassOver, made: Callable[[Row, str], Row]
) -> Iterator[tuple[str, Row]]:
    """Rows of a published form as `made` makes them of a row and its place; one that it refuses is passed over."""
    for place, row in rows:
        try:
            yield place, made(row, place)
        except ValueError as error:
            pass_over(error)
        except KeyError as error:
            pass_over(ValueError(f"{place}: the field {error} is missing: the columns are {columns(row)}"))


class RowRules:
    """How rows are taken. It counts what it passes over.

    Args:
      columns: other names for columns, "question=prompt,answer=response": the row's "prompt" is read as "question". Nothing
        behind the sign leaves a column out: "image=".
      bad_rows: "error": the first row that cannot be read is an error. "skip": such rows are passed over, counted and told.
      unanswered: whether a question may stand without an answer.

    Raises:
      ValueError: names the setting and what was expected.
    """

    def __init__(self, columns: str = "", bad_rows: str = ERROR, unanswered: bool = False) -> None:
        if bad_rows not in BAD_ROWS:
            raise ValueError(f"bad_rows = {bad_rows!r}: expected one of {', '.join(BAD_ROWS)}")
        self._bad_rows, self.unanswered = bad_rows, unanswered
        self._columns: dict[str, str] = {}
        for pair in filter(None, columns.split(",")):
            name, sign, old = (part.strip() for part in pair.partition("="))
            if not sign or not name or name in self._columns:
                raise ValueError(f"columns = {columns!r}: expected NAME=COLUMN pairs with commas between, no name twice")
            self._columns[name] = old
        self._count, self._first = 0, ""

    def renamed(self, row: Row, place: str) -> Row:
        """The row under the names that its columns go by. Raises ValueError where it lacks one of them."""
        if not self._columns:
            return row
        for old in filter(None, self._columns.values()):
            if old not in row:
                raise ValueError(f"{place}: the column {old!r} of --columns is missing; there are {', '.join(row) or 'none'}")
        taken = {*self._columns, *self._columns.values()}
        kept = {name: value for name, value in row.items() if name not in taken}
        return {**kept, **{name: row[old] for name, old in self._columns.items() if old}}

    def pass_over(self, error: ValueError) -> None:
        """Raises the error, or takes note of it where bad rows are passed over."""
        if self._bad_rows == ERROR:
            raise error
        self._count += 1
        self._first = self._first or str(error)

    def tell(self, source: str) -> None:
        """Warns of what was passed over since it was last told."""
        if self._count:
            rows = "1 row was" if self._count == 1 else f"{self._count:,} rows were"
            warnings.warn(f"{source}: {rows} passed over, the first for this: {self._first}", stacklevel=2)
        self._count, self._first = 0, ""
