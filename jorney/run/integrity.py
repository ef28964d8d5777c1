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
from jorney.run.parts import is_part

MANIFEST, STAGES = "manifest.json", "stages"  # of a stage; and the folder of all
_LARGEST = 1 << 28  # bytes of a manifest
_WHOLE = "_CHECKPOINT_METADATA"  # in a folder that is of use as a whole alone: orbax's
_MD5, _XXH3 = "md5Hash", "xxh3"
_KINDS = (_XXH3, _MD5, "crc32c", "ETag", "etag")
# What a stage's model and rows are read from: files of these kinds that lie beside its own would be read, too.
_READ_FROM, _READ = ("model", "parts"), (".json", ".jsonl", ".jinja", ".safetensors", ".bin", ".model", ".txt")

Noted = dict[str, tuple[int, str]]  # of files: bytes and digest


def digests(folder: storage.Path) -> dict[str, list[Any]]:
    """{name within the folder: [bytes, digest]} of all files but hidden ones, read back while they are in memory."""
    return {name: [file.stat().length, _digest(file, deep=False)] for name, file in sorted(files_of(folder))}


def _digest(file: storage.Path, deep: bool) -> str:
    """The store's own where there is one: then nothing is read."""
    if (given := given_by_the_store(file)) is not None:
        return given
    return f"{_XXH3} {read_digest(file) if deep or file.stat().length <= LARGE else kept_digest(file)}"


def sealed(folder: storage.Path) -> dict[str, Any] | None:
    """A stage's manifest as it was written; None where it is not that, or names files that are none of the stage's."""
    with contextlib.suppress(ValueError, OSError):
        manifest = storage.read_json(folder / MANIFEST, _LARGEST)
        if not _broken(manifest):
            return manifest
    return None


def damaged(folder: storage.Path, noted: Noted, deep: bool) -> dict[str, str]:
    """{name: what is wrong with it} of files that are not what was noted of them.

    Args:
      noted: of `digests`.
      deep: large files are read again, too; else those are that have changed since they were read last.
    """
    found = {}
    for name, (size, digest) in noted.items():
        file = folder / name
        if _leading_out(folder, name) is not None:
            found[name] = "leads out of its folder"
        elif not file.exists() or file.is_dir():
            found[name] = "is missing"
        elif file.stat().length != size:
            found[name] = f"has {file.stat().length:,} bytes and had {size:,}"
        elif _differs(file, digest, deep):
            found[name] = "has changed"
    return found


def added(folder: storage.Path, noted: Noted) -> list[str]:
    """Files beside those of a stage's model and rows that would be read as if they were its own."""
    names = [f"{part}/{name}" for part in _READ_FROM if (folder / part).is_dir() for name, _ in files_of(folder / part)]
    return sorted(name for name in names if name.endswith(_READ) and name not in noted)


def expect_whole(folder: storage.Path, part: str, deep: bool = False) -> None:
    """Raises ValueError unless what a stage wrote into a folder in its own is still that; anybody else's folder is as it is.

    For those that read it and cannot make it again.
    """
    if not (folder / MANIFEST).exists() or not _is_stage(folder):
        return
    again = "run the command again that made it, which makes it anew"
    manifest = sealed(folder)
    if manifest is None:
        raise ValueError(f"{folder / MANIFEST} has changed since it was written: {again}")
    noted = {name: about for name, about in manifest["files"].items() if name.startswith(f"{part}/")}
    for name, why in damaged(folder, noted, deep).items():
        raise ValueError(f"{folder / name} {why} since it was written: {again}")
    expect_none_added(folder, manifest, part)


def _is_stage(folder: storage.Path) -> bool:
    """Whether a folder with a manifest is a stage's, by where it lies or what the manifest says: others have manifests, too."""
    place = os.path.realpath(os.fspath(folder)) if storage.is_local(folder) else os.fspath(folder)
    if os.path.basename(os.path.dirname(place)) == STAGES:
        return True
    with contextlib.suppress(ValueError, OSError):
        manifest = storage.read_json(folder / MANIFEST, _LARGEST)
        return isinstance(manifest, dict) and {"reads", "result"} <= manifest.keys()
    return False


def expect_none_added(folder: storage.Path, manifest: dict[str, Any], part: str = "") -> None:
    """Raises ValueError where a file lies beside a stage's own that would be read as one of them."""
    for name in added(folder, manifest["files"]):
        if name.startswith(part):
            late = "; if a share of the stage ended late, run its command again, which takes it in" if is_part(name) else ""
            raise ValueError(
                f"{folder / name} is no file of the stage that wrote this folder: move it elsewhere (a copy of the folder may "
                f"hold it){late}"
            )


def _leading_out(folder: storage.Path, name: str) -> storage.Path | None:
    """The first link on the way to a file of a folder that leads out of it, if there is one."""
    if not storage.is_local(folder):
        return None
    inside = os.path.realpath(os.fspath(folder))
    for end in range(1, name.count("/") + 2):
        step = folder / "/".join(name.split("/")[:end])
        if os.path.islink(os.fspath(step)) and not os.path.realpath(os.fspath(step)).startswith(inside + os.sep):
            return step
    return None


def _differs(file: storage.Path, digest: str, deep: bool) -> bool:
    kind = digest.partition(" ")[0]
    if kind == _MD5 and storage.is_local(file):  # brought here from a store
        with file.open("rb") as content:
            found = hashlib.file_digest(content, "md5").digest()
        return base64.b64encode(found).decode() != digest.removeprefix(_MD5 + " ")
    if kind == _XXH3 and not storage.is_local(file):  # brought there from a disk: the store keeps another
        return (deep or file.stat().length <= LARGE) and f"{_XXH3} {read_digest(file)}" != digest
    now = _digest(file, deep)
    return now.partition(" ")[0] == kind and now != digest  # of another kind: nothing can be said


def remove(folder: storage.Path, name: str) -> None:
    """Removes a damaged file, so that it is made again; of a checkpoint, all of it. Nothing outside the folder is touched."""
    file = folder / name
    if (link := _leading_out(folder, name)) is not None:
        link.unlink()
        return
    if file.is_dir() and not os.path.islink(os.fspath(file)):
        file.rmtree()
        return
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


def _broken(manifest: Any) -> bool:
    """Whether a manifest is not what was sealed."""
    if not isinstance(manifest, dict) or not {"result", "seconds", "files", "digest"} <= manifest.keys():
        return True
    if manifest["digest"] != _of({name: value for name, value in manifest.items() if name != "digest"}):
        return True
    files = manifest["files"]
    return not isinstance(files, dict) or not all(_is_noted(name, about) for name, about in files.items())


def _is_noted(name: str, about: Any) -> bool:
    """Whether a file of the folder was noted; a manifest that was made by another hand may say anything."""
    inside = all(part not in ("", ".", "..") for part in name.split("/")) and "\0" not in name
    if not inside or not isinstance(about, list) or len(about) != 2:
        return False
    size, digest = about
    return type(size) is int and isinstance(digest, str) and digest.partition(" ")[0] in _KINDS


def _of(value: Any) -> str:
    read = json.loads(json.dumps(value))  # as it will be read: keys are texts
    return xxhash.xxh3_128_hexdigest(json.dumps(read, sort_keys=True).encode())
