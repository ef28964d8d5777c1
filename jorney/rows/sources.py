"""Rows of data sets: files here or in a store, data sets of the Hugging Face hub and of TensorFlow Datasets.

Whatever a row is for (a problem, a thought, a chat, a pair), it is read here, and every kind of source gives the same rows.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from jorney import storage

Row = dict[str, Any]
Rows = Iterator[tuple[str, Row]]

TFDS = "tfds:"
_EXPECTED = "expected a file that ends in .jsonl, .parquet or .csv, or a hub id, or tfds:NAME"


def read_rows(source: str) -> Rows:
    """(place, row) pairs, one after another; the place names file and line (row, from 0) for error messages.

    Args:
      source: one of
        a .jsonl or .json path of JSON lines (.json may also be one list), a .parquet or a .csv path, local or gs://;
        a hub id, `name[:configuration][@split]` (`openai/gsm8k:main@test`);
        a name of TFDS, `tfds:name[/configuration][:version][@split]`, whose prepared data lie in TFDS_DATA_DIR, or a folder
        that TFDS prepared, `tfds:/path/to/name/1.0.0[@split]`; both in array_record or parquet, so that reading them needs no
        TensorFlow.
        The split is "train" unless given.

    Raises:
      FileNotFoundError, ValueError: name the source, what was found and what was expected.
    """
    if source.startswith(TFDS):
        yield from _tfds(source)
        return
    if storage.follow(source).is_dir():
        raise ValueError(f"{source}: a folder: {_EXPECTED}")
    suffix = source.rsplit(".", 1)[-1]
    if suffix == "json" and _is_list(source):
        for number, row in enumerate(storage.read_json(source)):
            if not isinstance(row, dict):
                raise ValueError(f"{source}: row {number}: expected a JSON object, got {type(row).__name__}")
            yield f"{source}: row {number}", row
    elif suffix in ("jsonl", "json"):
        for number, row in storage.read_jsonl(source):
            yield f"{source}: line {number}", row
    else:
        data = _file(source, suffix) if suffix in ("parquet", "csv") else _hub(source)
        for number, row in enumerate(data):
            yield f"{source}: row {number}", dict(row)


def digest_rows(rows: Iterable[Mapping[str, Any]]) -> str:
    """A digest of what the rows hold, the same whatever kind of source they came from."""
    total = hashlib.blake2b(digest_size=16)
    for row in rows:
        total.update(json.dumps(row, sort_keys=True, ensure_ascii=False, default=repr).encode(errors="surrogatepass") + b"\n")
    return total.hexdigest()


def _is_list(source: str) -> bool:
    where = storage.follow(source)
    if not where.exists():
        return False
    with where.open("rb") as file:
        return file.read(256).lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"[")


def _file(source: str, suffix: str) -> Any:
    """A Parquet or CSV file; `datasets` fetches what lies in a store."""
    where = storage.follow(source)
    if not where.exists():
        raise FileNotFoundError(f"{source}: no such file")
    import datasets

    try:
        return datasets.load_dataset(suffix, data_files=os.fspath(where), split="train")
    except (ValueError, datasets.exceptions.DatasetsError) as error:
        raise ValueError(f"{source}: expected a {suffix} file, {error.__cause__ or error}") from None


def _hub(source: str) -> Any:
    if source.startswith((".", "/", "~")) or storage.path(source).exists() or not storage.is_local(source):
        raise ValueError(f"{source}: {_EXPECTED}")
    import datasets

    name, _, split = source.partition("@")
    name, _, configuration = name.partition(":")
    try:
        return datasets.load_dataset(name, configuration or None, split=split or "train")
    except (OSError, ValueError, datasets.exceptions.DatasetsError) as error:
        raise FileNotFoundError(f"{source}: neither a file here nor a data set that can be fetched ({error})") from None


def _tfds(source: str) -> Rows:
    """Rows of a data set that TFDS prepared."""
    import tensorflow_datasets as tfds

    name, _, split = source.removeprefix(TFDS).partition("@")
    split = split or "train"
    folder = name.startswith((".", "/", "~")) or "://" in name
    if not name:
        raise ValueError(f"{source}: expected tfds:NAME[/CONFIGURATION][:VERSION][@SPLIT] or tfds:FOLDER[@SPLIT]")
    if folder and not (storage.path(name) / "dataset_info.json").exists():
        raise FileNotFoundError(
            f"{source}: {name} holds no dataset_info.json: expected a folder that TFDS prepared, FOLDER/NAME/VERSION"
        )
    place = os.environ.get("TFDS_DATA_DIR") or "~/tensorflow_datasets"
    try:
        if folder:
            data: Any = tfds.builder_from_directory(storage.path(name)).as_data_source(split=split)
        else:
            # Nothing is downloaded or prepared here: that takes TensorFlow for most of the data sets.
            data = tfds.data_source(name, split=split, data_dir=storage.path(place), download=False)
    except (NotImplementedError, tfds.core.DatasetNotFoundError, AssertionError):
        found = f"{name} is there in another format" if folder else f"nothing that is prepared in {place}"
        raise FileNotFoundError(
            f"{source}: {found}: expected array_record or parquet, as `tfds build NAME --file_format=array_record` prepares it "
            "(TFDS_DATA_DIR says where)"
        ) from None
    except (ValueError, KeyError, OSError) as error:
        message = str(error).strip('"').split("\n")[0]
        raise ValueError(f"{source}: TFDS cannot read the split {split!r}: {message}") from None
    info = data.dataset_info
    expected = info.splits[split].num_examples
    if len(data) != expected:  # of Parquet files TFDS reads whole files, whatever part of a split was asked for
        raise ValueError(
            f"{source}: TFDS gives {len(data)} examples of Parquet for {expected}: expected a whole split, "
            "or the data set in array_record"
        )
    for number in range(expected):
        where_row = f"{source}: row {number}"
        yield where_row, _plain(info.features, data[number], where_row)


def _plain(feature: Any, value: Any, place: str) -> Any:
    """What `datasets` would give for a value of TFDS: text for bytes, lists for arrays.

    A sequence of objects, which TFDS hands over as an object of sequences, is a list of objects again.
    """
    from tensorflow_datasets import features

    if value is None:
        return None
    if isinstance(feature, features.FeaturesDict):
        return {name: _plain(feature[name], value[name], f"{place}: field {name!r}") for name in sorted(feature)}
    if isinstance(feature, features.Dataset):
        return [_plain(feature.feature, member, place) for member in value]
    if isinstance(feature, features.Sequence):
        return [_plain(feature.feature, member, place) for member in _members(value)]
    return _leaf(value, place)


def _leaf(value: Any, place: str) -> Any:
    if hasattr(value, "tolist"):  # an array or a scalar of numpy
        value = value.tolist()
    if isinstance(value, list):
        return [_leaf(member, place) for member in value]
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError as error:
            raise ValueError(f"{place}: expected text in UTF-8, {error}") from None
    return value


def _members(value: Any) -> list[Any]:
    if not isinstance(value, Mapping):
        return list(value)
    return [dict(zip(value, member, strict=True)) for member in zip(*map(_members, value.values()), strict=True)]
