"""What files and folders are known by: their content, however large, on every host the same.

A large file is known by the hash that the hub or the store keeps of it, where there is one, and else by one of our own: a copy
in another kind of place is another source.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
from collections.abc import Iterator

from jorney import storage

LARGE = 100_000_000  # bytes, from which on a file's hash is kept beside it
_KEPT = ".jorney-digests.json"  # {file name: [size, inode, when it was changed, hash]}
_READ = 1 << 24


def source_digest(source: str) -> str:
    """A digest of the file or folder that a run reads: of all names and contents in it; of what is no such thing, its name.

    Hidden files and folders count for nothing: downloads leave some that hold times.
    """
    where = storage.follow(source)
    if not where.exists():
        return source
    total = hashlib.blake2b(digest_size=16)
    for name, file in sorted(files_of(where)):
        size = file.stat().length
        total.update(f"{name}:{size}".encode())
        total.update(file.read_bytes() if size <= LARGE else file_digest(file).encode())
    return total.hexdigest()


def files_of(where: storage.Path, prefix: str = "") -> Iterator[tuple[str, storage.Path]]:
    """(name within it, file) of all files of a folder but hidden ones, or of the one file."""
    if not where.is_dir():
        yield prefix or where.name, where
        return
    for one in where.iterdir():
        if not one.name.startswith("."):
            yield from files_of(one, f"{prefix}/{one.name}" if prefix else one.name)


def file_digest(file: storage.Path) -> str:
    """A digest of a large file's content.

    Of a file of the hub's cache it is the hash that the hub gave it, of an object in a store the hash that the store keeps; any
    other file is read once, and its hash kept beside it for as long as size, inode and time of change stay the same.
    """
    return _given_by_the_hub(file) or given_by_the_store(file) or kept_digest(file)


def _given_by_the_hub(file: storage.Path) -> str | None:
    """The hub's cache holds a file under its hash, and gives it its name by a symbolic link."""
    if not (storage.is_local(file) and os.path.islink(os.fspath(file))):
        return None
    folder, name = os.path.split(os.path.realpath(os.fspath(file)))
    return name if os.path.basename(folder) == "blobs" and re.fullmatch(r"[0-9a-f]{40}|[0-9a-f]{64}", name) else None


def given_by_the_store(file: storage.Path) -> str | None:
    """The hash that an object store keeps of an object's content, where it tells one."""
    if storage.is_local(file):
        return None
    import fsspec

    protocol = os.fspath(file).partition("://")[0]
    about = fsspec.filesystem({"gs": "gcs"}.get(protocol, protocol)).info(os.fspath(file))
    return next((f"{field} {about[field]}" for field in ("md5Hash", "crc32c", "ETag", "etag") if about.get(field)), None)


def kept_digest(file: storage.Path) -> str:
    """The hash that is kept beside the file, or one that is computed now and kept, if the folder can be written to."""
    if not storage.is_local(file):
        return read_digest(file)
    about = os.stat(os.fspath(file))
    signature = [about.st_size, about.st_ino, about.st_ctime_ns]
    notes = file.parent / _KEPT
    kept: dict[str, list[object]] = {}
    with contextlib.suppress(OSError, ValueError):
        kept = storage.read_json(notes)
    known = kept.get(file.name) if isinstance(kept, dict) else None
    if isinstance(known, list) and known[:-1] == signature:
        return str(known[-1])
    found = read_digest(file)
    with contextlib.suppress(OSError):  # a folder of somebody else: it is read again next time
        storage.write_json(notes, {**(kept if isinstance(kept, dict) else {}), file.name: [*signature, found]})
    return found


def read_digest(file: storage.Path) -> str:
    """A hash of the content, which is read."""
    import xxhash

    total = xxhash.xxh3_128()
    with file.open("rb") as content:
        while block := content.read(_READ):
            total.update(block)
    return total.hexdigest()
