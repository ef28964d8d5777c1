"""Which columns rows are read from, and what becomes of those that cannot be read."""

from __future__ import annotations

import warnings

import pytest

from jorney.rows.readers.rules import RowRules


def test_columns_take_other_names() -> None:
    row = {"a": 1, "b": 2, "c": 3}
    assert RowRules().renamed(row, "p") == row
    assert RowRules("x=a").renamed(row, "p") == {"b": 2, "c": 3, "x": 1}
    assert RowRules("a=b,b=a").renamed(row, "p") == {"c": 3, "a": 2, "b": 1}
    assert RowRules("c=").renamed(row, "p") == {"a": 1, "b": 2}
    with pytest.raises(ValueError, match="^p: the column 'z' of --columns is missing; there are a, b, c$"):
        RowRules("x=z").renamed(row, "p")


@pytest.mark.parametrize("columns", ["a", "=a", "a=b,a=c", "a=b,,c"])
def test_columns_that_mean_nothing_are_refused(columns: str) -> None:
    with pytest.raises(ValueError, match=r"columns = .*: expected NAME=COLUMN pairs"):
        RowRules(columns)


def test_bad_rows_are_an_error_or_counted() -> None:
    with pytest.raises(ValueError, match="bad_rows = 'drop': expected one of error, skip"):
        RowRules(bad_rows="drop")
    with pytest.raises(ValueError, match="first"):
        RowRules().pass_over(ValueError("first"))
    rules = RowRules(bad_rows="skip")
    rules.pass_over(ValueError("first"))
    rules.pass_over(ValueError("second"))
    with pytest.warns(UserWarning, match="^file: 2 rows were passed over, the first for this: first$"):
        rules.tell("file")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        rules.tell("file")  # told already
