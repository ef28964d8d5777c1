"""Rows of Arrow's tables: Parquet files, folders that `datasets` saved, data sets of the hub. Nothing is converted or kept."""

from __future__ import annotations

import datetime
import decimal
from collections.abc import Iterable, Iterator
from typing import Any

from jorney import storage
from jorney.rows.readers.rules import Member, Row

_ROWS = 1024  # that are held at a time
STATE = "state.json"  # of a data set that `datasets` saved
SPLITS = "dataset_dict.json"  # of several


def parquet_rows(source: str) -> Iterator[Member]:
    """(place, row) of a Parquet file; rows count from 0. Raises ValueError where it is none."""
    import pyarrow
    import pyarrow.parquet

    where = storage.follow(source)
    storage.expect_file(where, source)
    with where.open("rb") as file:
        try:
            yield from table_rows(pyarrow.parquet.ParquetFile(file).iter_batches(_ROWS), source)
        except (pyarrow.ArrowException, OSError) as error:
            raise ValueError(f"{source}: expected a parquet file, {_line(error)}") from None


def saved_rows(source: str, folder: storage.Path) -> Iterator[Member]:
    """(place, row) of a data set that `datasets` saved (`save_to_disk`). Raises ValueError where it is none."""
    import pyarrow
    import pyarrow.ipc

    state = storage.read_json(folder / STATE)
    listed = state.get("_data_files") if isinstance(state, dict) else None
    names = [one.get("filename") if isinstance(one, dict) else None for one in listed] if isinstance(listed, list) else []
    if not names or not all(isinstance(name, str) and "/" not in name for name in names):
        raise ValueError(f"{folder / STATE}: field '_data_files': expected a list of files in the folder")
    if any(state.get(name) for name in ("_indices_files", "_indices_data_files")):
        raise ValueError(f"{source}: rows are chosen by an index: expected a data set saved after flatten_indices()")
    found = 0
    for name in names:
        storage.expect_file(folder / name, f"{source}: {name}")
        with (folder / name).open("rb") as file:
            try:
                for number, (_, row) in enumerate(table_rows(pyarrow.ipc.open_stream(file), source), start=found):
                    found = number + 1
                    yield f"{source}: row {number}", row
            except (pyarrow.ArrowException, OSError) as error:
                raise ValueError(f"{source}: {name}: expected a file of Arrow's, {_line(error)}") from None


def table_rows(tables: Iterable[Any], source: str) -> Iterator[Member]:
    """(place, row) of tables or batches of them. A row with a value that JSON does not hold gives the reason in its place."""
    number = 0
    for table in tables:
        names = table.schema.names
        if len({*names}) < len(names):
            raise ValueError(f"{source}: two columns have one name: expected different ones among {', '.join(names)}")
        columns = [table.column(name) for name in names]
        for index in range(table.num_rows):
            place = f"{source}: row {number}"
            yield place, _row(names, [column[index] for column in columns], place)
            number += 1


def _row(names: list[str], cells: list[Any], place: str) -> Row | ValueError:
    row = {}
    for name, cell in zip(names, cells, strict=True):
        where = f"{place}: field {name!r}"
        try:
            row[name] = plain(_as_written(cell.as_py(), cell.type), where)
        except (ValueError, OverflowError) as error:  # of a date beyond the calendar, of text that is no UTF-8
            return ValueError(str(error) if str(error).startswith(where) else f"{where}: {_line(error)}")
    return row


def _as_written(value: Any, kind: Any) -> Any:
    """A value with its numbers of 32 and 16 bits as they are written: their shortest text, 0.1 and not 0.10000000149011612."""
    import numpy as np
    import pyarrow

    if value is None:
        return None
    if pyarrow.types.is_float32(kind) or pyarrow.types.is_float16(kind):
        return float(str((np.float32 if pyarrow.types.is_float32(kind) else np.float16)(value)))
    if pyarrow.types.is_struct(kind):
        return {field.name: _as_written(value[field.name], field.type) for field in kind}
    if isinstance(value, list) and hasattr(kind, "value_type") and not pyarrow.types.is_map(kind):
        return [_as_written(one, kind.value_type) for one in value]
    return value


def plain(value: Any, place: str) -> Any:
    """A value as JSON has it: times and decimal numbers as they are written, bytes as the text that they are.

    Raises:
      ValueError: names the place; bytes that are no text (an image), or a kind that JSON has no value for.
    """
    if value is None or isinstance(value, str | bool | int | float):
        return value
    if isinstance(value, dict):
        return {name: plain(inner, f"{place}, {name!r}") for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [plain(inner, place) for inner in value]
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            raise ValueError(
                f"{place}: {len(value):,} bytes that are no text in UTF-8: expected text (--columns NAME= leaves a column out)"
            ) from None
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    if isinstance(value, decimal.Decimal | datetime.timedelta):
        return str(value)
    raise ValueError(f"{place}: expected text, a number, a list or an object, got {type(value).__name__}")


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())
