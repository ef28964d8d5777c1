"""Rows of data sets: files here or in a store, data sets of the Hugging Face hub and of TensorFlow Datasets.

Whatever a row is for (a problem, a thought, a chat, a pair), it is read here, and every kind of source gives the same rows.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from typing import Any

from jorney import storage
from jorney.rows.readers.arrow_tables import SPLITS, STATE, parquet_rows, saved_rows, table_rows
from jorney.rows.readers.prepared_sets import TFDS, prepared_rows
from jorney.rows.readers.rules import Member, Row, RowRules
from jorney.rows.readers.text_files import COMPRESSED, csv_rows, json_lines, json_rows

Rows = Iterator[tuple[str, Row]]

_TEXTS: dict[str, Callable[[str], Iterator[Member]]] = {
    **dict.fromkeys(("jsonl", "ndjson"), json_lines),
    "json": json_rows,
    **dict.fromkeys(("csv", "tsv"), csv_rows),
}
_EXPECTED = (
    "expected a file that ends in .jsonl, .parquet or .csv (.ndjson, .json, .tsv; of text also .gz, .bz2, .xz, .zst), "
    "a folder or a pattern of such files, a hub id, or tfds:NAME"
)
_WILD = re.compile(r"[*?\[]")
_SPLIT = re.compile(r"(train|test|validation|valid|val|dev)(?![a-z])", re.IGNORECASE)  # what files of a split begin with
_ABOUT = ("dataset_infos.json", "dataset_info.json")  # of the hub's folders; they hold no rows


def read_rows(source: str, rules: RowRules | None = None) -> Generator[tuple[str, Row], None, None]:
    """(place, row) pairs, one after another; the place names file and line (row, from 0) for error messages.

    Args:
      source: one of
        a .jsonl (.ndjson) path of JSON lines, a .json path (a list, one row, or JSON lines), a .csv or .tsv path, each of them
        also with .gz, .bz2, .xz or .zst behind; a .parquet path; all local or gs://;
        a folder of files of one of these kinds, or one that `datasets` saved (`save_to_disk`), `folder[@split]`; or a pattern
        of files (`data/*.jsonl`), unless a file has that very name;
        a hub id, `name[:configuration][@split]` (`openai/gsm8k:main@test`);
        a name of TFDS, `tfds:name[/configuration][:version][@split]`, whose prepared data lie in TFDS_DATA_DIR, or a folder
        that TFDS prepared, `tfds:/path/to/name/1.0.0[@split]`; both in array_record or parquet, so that reading them needs no
        TensorFlow.
        The split of the hub and of TFDS is "train" unless given.
      rules: other names for columns, and what becomes of rows that cannot be read.

    Raises:
      FileNotFoundError, ValueError: name the source, what was found and what was expected.
    """
    rules = rules or RowRules()
    for place, row in _members(source):
        try:
            if isinstance(row, ValueError):
                raise row
            renamed = rules.renamed(row, place)
        except ValueError as error:
            rules.pass_over(error)
        else:
            yield place, renamed


def digest_rows(rows: Iterable[Mapping[str, Any]]) -> str:
    """A digest of what the rows hold, the same whatever kind of source they came from."""
    total = hashlib.blake2b(digest_size=16)
    for row in rows:
        total.update(json.dumps(row, sort_keys=True, ensure_ascii=False, default=repr).encode(errors="surrogatepass") + b"\n")
    return total.hexdigest()


def files_of(source: str) -> list[str]:
    """The files or folders whose content a source is, in order; itself where it names no such thing (a hub id).

    Raises:
      FileNotFoundError, ValueError: it names no file, or a folder of which that is not known; says what was expected.
    """
    if source.startswith(TFDS):
        return [source]
    where = storage.follow(source)
    if where.exists() and not where.is_dir():
        return [source]  # whatever else the name could mean
    name, _, split = (source, "", "") if where.exists() else source.rpartition("@")
    if name and (folder := storage.follow(name)).is_dir():
        return _files_in(source, folder, split)
    if _WILD.search(source.partition("@")[0]):  # a split of the hub may be a part, train[:100]
        return _matching(source)
    if _kind(source):
        raise FileNotFoundError(f"{source}: no such file")
    return [source]


def _matching(pattern: str) -> list[str]:
    """The files that fit a pattern, in the order of their names."""
    if "**" in pattern:
        raise ValueError(f"{pattern}: expected a pattern without **, * for a folder's name")
    parts = pattern.split("/")
    first = next(index for index, part in enumerate(parts) if _WILD.search(part))
    root = storage.path("/".join(parts[:first]) or ("/" if pattern.startswith("/") else "."))
    found = sorted(os.fspath(file) for file in root.glob("/".join(parts[first:])) if not file.is_dir())
    if not found:
        raise FileNotFoundError(f"{pattern}: no such file, and none that fits it as a pattern")
    return found


def _files_in(source: str, folder: storage.Path, split: str) -> list[str]:
    """The files of a folder's rows, all of one kind, of one split."""
    if (folder / SPLITS).exists() or (folder / STATE).exists():
        saved = folder / (split or "train") if (folder / SPLITS).exists() else folder
        if not (saved / STATE).exists():
            raise FileNotFoundError(f"{source}: holds no {saved.name}/{STATE}: expected FOLDER@SPLIT of a split that is there")
        return [os.fspath(saved)]
    for place in (folder, folder / "data"):
        files = sorted(os.fspath(one) for one in (place.iterdir() if place.exists() else ()) if _is_rows(one))
        splits = {file: _split_of(file) for file in files}
        if split:
            files = [file for file in files if splits[file] == split]
        elif len({*splits.values()}) > 1:
            known = ", ".join(sorted(filter(None, splits.values())))
            raise ValueError(f"{source}: a folder of several splits: expected {source}@SPLIT, one of {known}")
        if len(kinds := {_kind(file) for file in files}) > 1:
            raise ValueError(f"{source}: a folder of .{' and .'.join(sorted(kinds))} files: expected one kind, or a pattern")
        if files:
            return files
    raise ValueError(f"{source}: a folder: {_EXPECTED}")


def _is_rows(file: storage.Path) -> bool:
    return bool(_kind(file.name)) and not file.name.startswith(".") and file.name not in _ABOUT and not file.is_dir()


def _split_of(file: str) -> str:
    found = _SPLIT.match(file.rpartition("/")[2])
    return found[1].lower() if found else ""


def _kind(source: str) -> str:
    """The suffix by which a file is read; "" where it has none of those that are known."""
    name, _, suffix = source.rpartition(".")
    if suffix in COMPRESSED:
        suffix = name.rpartition(".")[2]
        return suffix if suffix in _TEXTS else ""
    return suffix if suffix in _TEXTS or suffix == "parquet" else ""


def _members(source: str) -> Iterator[Member]:
    if source.startswith(TFDS):
        yield from prepared_rows(source)
        return
    for file in files_of(source):
        where = storage.follow(file)
        if not where.exists():
            yield from _hub_rows(file)
        elif where.is_dir():
            yield from saved_rows(file, where)
        elif kind := _kind(file):
            yield from _TEXTS.get(kind, parquet_rows)(file)
        else:
            raise ValueError(f"{file}: {_EXPECTED}")


def _hub_rows(source: str) -> Iterator[Member]:
    name, _, split = source.partition("@")
    name, _, configuration = name.partition(":")
    if name.startswith((".", "/", "~")) or storage.path(name).exists() or not storage.is_local(source):
        raise ValueError(f"{source}: {_EXPECTED}")
    import datasets

    try:
        data = datasets.load_dataset(name, configuration or None, split=split or "train")
    except (OSError, ValueError, datasets.exceptions.DatasetsError) as error:
        raise FileNotFoundError(f"{source}: neither a file here nor a data set that can be fetched ({error})") from None
    # As Arrow's tables: images and sounds are not decoded.
    yield from table_rows(data.with_format("arrow").iter(batch_size=1000), source)
