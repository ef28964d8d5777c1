"""Stages: work that is addressed by its content and never done twice.

A stage's folder is named by a hash of everything it reads, so that it is redone exactly when one of those changes. It is
complete when its manifest exists, which is written last.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import time
from collections.abc import Callable
from typing import Any

from jorney import __version__, config, distributed, storage
from jorney.progress import Progress

MANIFEST = "manifest.json"


class Lacking(ValueError):
    """What a stage would work on was not found by the stages before it: no fault of the input, and a result of its own."""


@dataclasses.dataclass(frozen=True)
class Done:
    """A complete stage.

    Attributes:
      folder: what it wrote.
      key: the hash that stages reading its output name as their input.
      result: what its function returned (JSON values).
      seconds: what the attempt that completed it took.
    """

    folder: storage.Path
    key: str
    result: Any
    seconds: float


class Stages:
    """The stages of one run.

    Args:
      root: the run's folder, local or gs://.
    """

    def __init__(self, root: storage.PathLike, progress: Progress) -> None:
        self._root = storage.path(root)
        self._progress = progress

    @staticmethod
    def key(name: str, reads: Any) -> str:
        """The key that a stage has, or will have. Another version of Jorney may give another result."""
        return config.digest([__version__, name, reads])

    def complete(self, name: str, reads: Any) -> bool:
        return (self.folder(name, reads) / MANIFEST).exists()

    def folder(self, name: str, reads: Any) -> storage.Path:
        """Where a stage's output lies, or will lie."""
        return self._root / "stages" / f"{name}-{self.key(name, reads)}"

    def run(self, name: str, reads: Any, work: Callable[[storage.Path], Any], detail: str = "") -> Done:
        """Runs a stage, or takes it as it stands when its manifest is there. Of several processes all call the same.

        Args:
          reads: everything the result depends on: fields, keys of earlier stages, digests of files.
          work: called with the stage's folder, which may hold what an interrupted attempt left; returns JSON values.
        """
        folder = self.folder(name, reads)
        manifest = folder / MANIFEST
        # Asked once, for all: a process that came late would find what the first has written since.
        if distributed.from_main(manifest.exists, f"{name} begins"):
            self._progress.say(f"{name}: already done")
        else:
            folder.mkdir(parents=True, exist_ok=True)
            with self._progress.stage(name, detail):
                start = time.perf_counter()
                result = self._attempt(work, folder)
                seconds = time.perf_counter() - start
                distributed.barrier(f"{name} ends")  # before the manifest says that all have written
                if distributed.is_main():
                    about = {"name": name, "reads": json.loads(config.to_json(reads)), "seconds": seconds, "result": result}
                    storage.write_json(manifest, about)
        if distributed.is_main():
            self._link(name, folder)
        found = distributed.from_main(lambda: storage.read_json(manifest), f"{name} is done")
        return Done(folder, self.key(name, reads), found["result"], found["seconds"])

    @staticmethod
    def _attempt(work: Callable[[storage.Path], Any], folder: storage.Path) -> Any:
        """Calls `work`; input that it refuses before it wrote anything leaves no folder behind."""
        try:
            return work(folder)
        except ValueError:
            while distributed.is_main() and not any(folder.iterdir()):
                folder.rmdir()
                folder = folder.parent
            raise

    def _link(self, name: str, folder: storage.Path) -> None:
        """A readable name beside the hashes: a symbolic link, or a file with the path where there are none."""
        link = self._root / name
        if not storage.is_local(self._root):
            storage.write_text(self._root / f"{name}.path", os.fspath(folder) + "\n")
            return
        target = os.path.join("stages", folder.name)
        local = os.fspath(link)
        if os.path.islink(local):
            if os.readlink(local) == target:
                return
            os.unlink(local)
        elif os.path.lexists(local):  # somebody's own file: the link is a convenience, their file is not ours
            return
        os.symlink(target, local)


def source_digest(source: str) -> str:
    """A digest of the file or folder that a run reads: its content where it is small, else names, sizes and times."""
    where = storage.path(source)
    if not where.exists():
        return source
    files = sorted(path for path in where.iterdir() if not path.is_dir()) if where.is_dir() else [where]
    total = hashlib.blake2b(digest_size=16)
    for file in files:
        stat = file.stat()
        total.update(f"{file.name}:{stat.length}".encode())
        total.update(file.read_bytes() if stat.length <= 100_000_000 else str(stat.mtime).encode())
    return total.hexdigest()
