"""Paths that may be local or gs://, and writing that never leaves half a file.

Every path in Jorney goes through `etils.epath`. A file is written whole: locally to a temporary neighbour that is then
moved into place; object stores write an object whole by themselves. Nothing relies on append or on a shared disk.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import re
import stat
import tempfile
from collections.abc import Iterable, Iterator
from typing import Any, BinaryIO

from etils import epath

# JSON names half a surrogate pair by its number alone: no character, and nothing can encode it.
HALF, ESCAPED_HALF = re.compile("[\ud800-\udfff]"), re.compile(rb"\\u[dD][89a-fA-F]")
Path = epath.Path
PathLike = str | os.PathLike[str]


def path(where: PathLike) -> epath.Path:
    """A local or remote path; `~` is expanded.

    Raises:
      ValueError: the path is neither local nor in a kind of store that is known.
    """
    try:
        found = epath.Path(where).expanduser()
    except KeyError:
        raise ValueError(f"{where}: expected a local path, or one in a store such as gs://bucket/folder") from None
    if not is_local(where):
        _see_what_others_write()
    return found


@functools.cache
def _see_what_others_write() -> None:
    """Has stores asked anew each time: gcsfs keeps a folder's listing for ever, and so would not see what other hosts write."""
    from fsspec.config import conf

    for protocol in ("gs", "gcs", "s3", "az"):
        conf.setdefault(protocol, {}).setdefault("use_listings_cache", False)


def is_local(where: PathLike) -> bool:
    """Whether the operating system can open the path."""
    return "://" not in os.fspath(where)


def not_made(folder: epath.Path) -> list[epath.Path]:
    """The folder and those above it, as far as they are not there; none of a store, which has no folders.

    Of a store one may read a bucket and not know which buckets there are.
    """
    return [one for one in (folder, *folder.parents) if not one.exists()] if is_local(folder) else []


_LINK = ".path"  # NAME.path holds the place that NAME stands for


def link(name: PathLike, target: str) -> None:
    """Makes `name` stand for `target`, a path relative to its folder: a symbolic link, or a file NAME.path in a store.

    Somebody's own file of that name stays: the link is a convenience, their file is not ours.
    """
    if not is_local(name):
        write_text(os.fspath(name) + _LINK, target + "\n")
        return
    where = os.fspath(path(name))
    if os.path.islink(where):
        if os.readlink(where) == target:
            return
        os.unlink(where)
    elif os.path.lexists(where):
        return
    os.symlink(target, where)


def follow(where: PathLike) -> epath.Path:
    """The file or folder that a path means: itself, or, where there is no such thing, what NAME.path of it or of a parent says.

    So what was written to a store is read by the names that it has on a disk, and so is a copy of it on a disk.
    """
    found = path(where)
    return found if found.exists() else _linked(found)


def _linked(found: epath.Path, names: int = 40) -> epath.Path:
    """What a path means that is no file or folder; the path itself where no name leads on. Raises ValueError for a circle."""
    if not names:
        raise ValueError(f"{found}: its names lead in a circle: expected NAME{_LINK} files that end at a folder")
    rest: list[str] = []
    for name in (found, *found.parents):
        if not name.name or os.fspath(name).rpartition("/")[0].endswith(("/", ":")):  # a disk's root; a store's bucket
            break
        if (file := name.parent / f"{name.name}{_LINK}").exists():
            target = file.read_text().strip()  # of a version before, a whole path
            meant = (name.parent / target if is_local(target) else path(target)).joinpath(*rest)
            return meant if meant.exists() else _linked(meant, names - 1)
        rest.insert(0, name.name)
    return found


@contextlib.contextmanager
def open_whole(where: PathLike) -> Iterator[BinaryIO]:
    """Opens a file to write it whole: readers see the old content or the new, never a part. Parents are made."""
    target = path(where)
    target.parent.mkdir(parents=True, exist_ok=True)
    if not is_local(target):
        from fsspec.spec import AbstractBufferedFile

        file = target.open("wb")
        try:
            yield file
        except BaseException:
            # A store takes an object when its file is closed, and not before: so it never is, and the old object stays.
            file.discard()
            if isinstance(file, AbstractBufferedFile):
                file.closed = True  # else it is closed as garbage
            raise
        file.close()
        return
    handle, temporary = tempfile.mkstemp(dir=os.fspath(target.parent), prefix=f".{target.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, os.fspath(target))
    except BaseException as error:
        if os.path.exists(temporary):
            os.unlink(temporary)
        if isinstance(error, OSError) and error.filename is None:  # a full disk, most often
            raise OSError(error.errno, error.strerror, os.fspath(target)) from None
        raise


def expect_file(where: PathLike, shown: PathLike = "", most: int | None = None) -> None:
    """Raises FileNotFoundError or ValueError unless there is a file: what never ends, a pipe say, is not opened.

    Args:
      shown: the name for messages, if another.
      most: bytes that the file may have.
    """
    found, name = path(where), shown or where
    if not found.exists():
        raise FileNotFoundError(f"{name}: no such file")
    if is_local(found) and not stat.S_ISREG(os.stat(os.fspath(found)).st_mode):
        raise ValueError(f"{name}: a folder, a pipe or a device: expected a file")
    if most is not None and (size := found.stat().length) > most:
        raise ValueError(f"{name}: has {size:,} bytes: expected at most {most:,}")


def is_same(one: PathLike, other: PathLike) -> bool:
    """Whether two names mean the same place, whatever links lead there."""
    places = [os.fspath(follow(where)) for where in (one, other)]
    return len({os.path.realpath(place) if is_local(place) else place.rstrip("/") for place in places}) == 1


def write_bytes(where: PathLike, data: bytes) -> None:
    """Writes a file whole (see `open_whole`)."""
    with open_whole(where) as file:
        file.write(data)


def create(where: PathLike, data: bytes) -> None:
    """Writes a file that is not there yet: of several that do so at one moment, one.

    Raises:
      FileExistsError: it is there.
    """
    if is_local(where):
        with open(os.fspath(where), "xb") as file:
            file.write(data)
        return
    import fsspec

    protocol, _, name = os.fspath(where).partition("://")
    store = fsspec.filesystem({"gs": "gcs"}.get(protocol, protocol))  # as epath names it
    store.pipe_file(name, data, mode="create")  # Cloud Storage holds it to the object's generation


def write_text(where: PathLike, text: str) -> None:
    """Writes UTF-8 text, whole."""
    write_bytes(where, text.encode())


def write_json(where: PathLike, value: Any) -> None:
    """Writes a JSON file, whole."""
    write_text(where, json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def read_json(where: PathLike, most: int | None = None) -> Any:
    """Reads a JSON file, with a byte order mark or without one.

    Args:
      most: bytes that it may have.

    Raises:
      FileNotFoundError, ValueError: name the file, when it is not there, no file, too large, or not JSON.
    """
    found = follow(where)
    expect_file(found, where, most)
    try:
        return _parsed(found.read_bytes())
    except json.JSONDecodeError as error:
        raise ValueError(f"{where}: line {error.lineno}: expected JSON, {error.msg}") from None
    except (RecursionError, ValueError) as error:  # nested without end; no UTF-8; a number of thousands of digits
        raise ValueError(f"{where}: expected JSON, {error}") from None


def _parsed(data: bytes) -> Any:
    """A JSON value. Raises ValueError where it is none, or a text of it holds half a character."""
    value = json.loads(data.decode("utf-8-sig"))
    if ESCAPED_HALF.search(data) and (half := HALF.search(json.dumps(value, ensure_ascii=False))):
        raise ValueError(f"but a text in it holds half a character, {half[0]!a}")
    return value


def write_jsonl(where: PathLike, rows: Iterable[Any]) -> None:
    """Writes a JSON-lines file, whole."""
    write_text(where, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))


def read_jsonl(where: PathLike) -> Iterator[tuple[int, dict[str, Any]]]:
    """(line number, object) pairs of a JSON-lines file; blank lines are skipped.

    Raises:
      FileNotFoundError: names the path.
      ValueError: names the file and the line that is not a JSON object.
    """
    source = follow(where)
    expect_file(source, where)
    with source.open("rb") as file:
        for number, line in enumerate(file, start=1):
            if not line.strip():
                continue
            try:
                row = _parsed(line)
            except (
                RecursionError,
                ValueError,
            ) as error:  # no JSON, no UTF-8, nested without end, a number of thousands of digits
                raise ValueError(f"{where}: line {number}: expected a JSON object, {error}") from None
            if not isinstance(row, dict):
                raise ValueError(f"{where}: line {number}: expected a JSON object, got {type(row).__name__}")
            yield number, row
