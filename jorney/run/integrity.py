"""What a stage has written is still what it wrote: digests of its files, and the removal of what is damaged."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import os
from typing import Any

import xxhash

from jorney import storage
from jorney.run.identity import LARGE, files_of, given_by_the_store, kept_digest, read_digest

_WHOLE = "_CHECKPOINT_METADATA"  # in a folder that is of use as a whole alone: orbax's
_MD5 = "md5Hash "  # as Google's store tells it, in base64


def digests(folder: storage.Path) -> dict[str, list[Any]]:
    """{name within the folder: [bytes, digest]} of all files but hidden ones, read back while they are in memory."""
    return {name: [file.stat().length, _digest(file, deep=False)] for name, file in sorted(files_of(folder))}


def _digest(file: storage.Path, deep: bool) -> str:
    """The store's own where there is one: then nothing is read."""
    if (given := given_by_the_store(file)) is not None:
        return given
    return f"xxh3 {read_digest(file) if deep or file.stat().length <= LARGE else kept_digest(file)}"


def damaged(folder: storage.Path, noted: dict[str, list[Any]], deep: bool) -> dict[str, str]:
    """{name: what is wrong with it} of files that are not what was noted of them.

    Args:
      noted: of `digests`.
      deep: large files are read again, too; else those are that have changed since they were read last.
    """
    found = {}
    for name, (size, digest) in noted.items():
        file = folder / name
        if not file.exists():
            found[name] = "is missing"
        elif file.stat().length != size:
            found[name] = f"has {file.stat().length:,} bytes and had {size:,}"
        elif _differs(file, digest, deep):
            found[name] = "has changed"
    return found


def _differs(file: storage.Path, digest: str, deep: bool) -> bool:
    if digest.startswith(_MD5) and storage.is_local(file):  # brought here from a store
        with file.open("rb") as content:
            found = hashlib.file_digest(content, "md5").digest()
        return base64.b64encode(found).decode() != digest.removeprefix(_MD5)
    kind, now = digest.partition(" ")[0], _digest(file, deep)
    return now.partition(" ")[0] == kind and now != digest  # of another kind: nothing can be said


def remove(folder: storage.Path, name: str) -> None:
    """Removes a damaged file, so that it is made again; of a checkpoint, all of it."""
    file = folder / name
    whole = [parent for parent in file.parents if parent.is_relative_to(folder) and (parent / _WHOLE).exists()]
    if name.endswith(_WHOLE):
        whole.append(file.parent)
    if whole:
        min(whole, key=lambda parent: len(os.fspath(parent))).rmtree()
        return
    with contextlib.suppress(FileNotFoundError):
        file.unlink()


def seal(manifest: dict[str, Any]) -> dict[str, Any]:
    """A manifest with a digest of itself."""
    return {**manifest, "digest": _of(manifest)}


def broken(manifest: Any) -> bool:
    """Whether a manifest is not what was sealed; one of an earlier version has no digest."""
    if not isinstance(manifest, dict) or "result" not in manifest or "seconds" not in manifest:
        return True
    return "digest" in manifest and manifest["digest"] != _of({k: v for k, v in manifest.items() if k != "digest"})


def _of(value: Any) -> str:
    read = json.loads(json.dumps(value))  # as it will be read: keys are texts
    return xxhash.xxh3_128_hexdigest(json.dumps(read, sort_keys=True).encode())
