"""Rows of data sets that TensorFlow Datasets prepared, read without TensorFlow."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import Any

from jorney import storage
from jorney.rows.readers.rules import Member

TFDS = "tfds:"
_OWN = "tensorflow_datasets."  # whose classes features are of


def prepared_rows(source: str) -> Iterator[Member]:
    """(place, row) of a data set that TFDS prepared. Raises FileNotFoundError or ValueError that names the source."""
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
    _expect_own_features(storage.path(name) if folder else storage.path(place) / name.partition(":")[0])
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


def _expect_own_features(folder: storage.Path) -> None:
    """Raises ValueError where a prepared set names features of other modules than TFDS's own: it would import them."""
    # Of the version that is meant, or of all versions and configurations of a name.
    for file in (one for depth in range(3) for one in folder.glob("*/" * depth + "features.json")):
        waiting = [storage.read_json(file)]
        while waiting:
            one = waiting.pop()
            waiting += one.values() if isinstance(one, dict) else one if isinstance(one, list) else []
            names = [one.get(key) for key in ("pythonClassName", "python_class_name", "type")] if isinstance(one, dict) else []
            if other := [name for name in names if isinstance(name, str) and "." in name and not name.startswith(_OWN)]:
                raise ValueError(f"{file}: features of the kind {other[0]!r}: expected TFDS's own, for no other code is loaded")


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
