"""What a stage makes: an artifact, addressed by its content and never made twice.

Its folder, local or gs://, is named by a hash of everything it depends on, so that it is made again exactly when one of those
changes. It is complete when its manifest exists, which is written last; until then it is gone on with from its parts.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import json
import os
import time
from collections.abc import Callable, Iterator
from typing import Any

from jorney import config, distributed, storage
from jorney.convert.locate import base_of
from jorney.policy import resolve
from jorney.progress import Progress
from jorney.run import integrity
from jorney.run.identity import source_digest
from jorney.run.integrity import MANIFEST, STAGES
from jorney.run.lock import Lock
from jorney.run.parts import Parts, is_part

_KEYS = "0.1.0"  # the version in which keys took the form that they have


class Lacking(ValueError):
    """What a stage would work on was not found by the stages before it: no fault of the input, and a result of its own."""


@dataclasses.dataclass(frozen=True)
class Model:
    """A model that stages read.

    Attributes:
      folder: what `jorney.load` takes.
      key: what its content is known by: a digest of the folder, or the key of the artifact that holds it.
      source: as it was asked for; "" where nobody did.
    """

    folder: str
    key: str
    source: str = ""

    @classmethod
    def at(cls, source: str, verify: bool = False) -> Model:
        """The model at a folder or a hub id, or the embedded one; raises as `open_model` does."""
        return cls.of(open_model(source, verify), source, verify)

    @classmethod
    def of(cls, folder: str, source: str, verify: bool = False) -> Model:
        """The model of a folder that is opened; an adapter is known by its base, too."""
        key = source_digest(folder)
        if base := base_of(folder):
            key = config.digest([key, cls.at(base, verify).key])
        return cls(folder, key, source)


def open_model(source: str, verify: bool = False) -> str:
    """The folder of a model, which a stage may have made: the one way in which commands come by one.

    Args:
      verify: large files of what a stage made are read again, too.

    Raises:
      FileNotFoundError: there is none.
      ValueError: a stage made it, and a file of it is not what it was, or was added since; names it.
    """
    folder = resolve(source)
    where = storage.path(folder)
    integrity.expect_whole(where.parent, where.name, verify)
    return folder


def rows_folder(source: storage.PathLike) -> storage.Path | None:
    """Where the rows lie of a folder that a stage wrote (its `parts`); None of another source.

    Raises:
      ValueError: a part is not what it was, or was added since; names it.
    """
    where = storage.follow(source)
    parts = where / "parts"
    if not parts.exists():
        return None
    integrity.expect_whole(where, parts.name)
    return parts


@dataclasses.dataclass(frozen=True)
class Done:
    """A complete artifact.

    Attributes:
      folder: what was written.
      key: the hash that stages reading it name as their input.
      result: what its work returned (JSON values).
      seconds: what the attempt that completed it took.
    """

    folder: storage.Path
    key: str
    result: Any
    seconds: float


@dataclasses.dataclass(frozen=True)
class Artifact:
    """What a stage makes, and how: where it will lie is known before it is there.

    Attributes:
      root: the run's folder, local or gs://.
      name: unique within a run.
      reads: everything it depends on (JSON values): fields, keys of other artifacts, digests of files.
      work: makes it: called with its folder, which may hold what an interrupted attempt left; returns JSON values.
      detail: a few words on what there is to do.
      revision: of the work: its author raises it when results change though nothing that is read does.
      shared: programs that know nothing of each other make it together, each a share.
      verify: where it is complete, its large files are read again, too, and held against their digests.
    """

    root: storage.Path
    name: str
    reads: Any
    work: Callable[[storage.Path], Any]
    detail: str = ""
    revision: int = 0
    shared: bool = False
    verify: bool = False

    @functools.cached_property
    def key(self) -> str:
        """Of everything that decides the result."""
        return config.digest([_KEYS, self.name, self.reads, *([self.revision] if self.revision else [])])

    @property
    def folder(self) -> storage.Path:
        return self.root / STAGES / f"{self.name}-{self.key}"

    @property
    def complete(self) -> bool:
        return (self.folder / MANIFEST).exists()

    @property
    def parts(self) -> Parts:
        """The rows that are written so far."""
        return Parts(self.folder / "parts")

    @property
    def model(self) -> Model:
        """The model that it holds."""
        return Model(os.fspath(self.folder / "model"), self.key)

    def make(self, progress: Progress) -> Done:
        """Makes it, or takes it as it stands when it is complete and undamaged. Of several processes all call the same.

        Raises:
          ValueError: another program makes it at this moment; or as its work does.
        """
        manifest = self.folder / MANIFEST
        reads = json.loads(config.to_json(self.reads))
        distributed.expect_same(reads, f"what {self.name} reads")
        # Asked once, for all: a process that came late would find what the first has written since.
        if distributed.from_main(lambda: self._intact(progress), f"{self.name} begins"):
            progress.say(f"{self.name}: already done")
        else:
            with self._alone(), progress.stage(self.name, self.detail):
                start = time.perf_counter()
                result = self.work(self.folder)
                about = {"reads": reads, "seconds": time.perf_counter() - start}
                distributed.barrier(f"{self.name} ends")  # before the manifest says that all have written
                if distributed.is_main():
                    files = integrity.digests(self.folder)
                    storage.write_json(manifest, integrity.seal({"name": self.name, **about, "result": result, "files": files}))
        if distributed.is_main():
            storage.link(self.root / self.name, f"{STAGES}/{self.folder.name}")
        found = distributed.from_main(lambda: storage.read_json(manifest), f"{self.name} is done")
        return Done(self.folder, self.key, found["result"], found["seconds"])

    def _intact(self, progress: Progress) -> bool:
        """Whether it is complete. What was damaged since is named, and removed, so that it is made again.

        Raises:
          ValueError: a file was added that would be read as its own.
        """
        if not self.complete:
            return False
        manifest = integrity.sealed(self.folder)
        wrong = {MANIFEST: "has changed"}
        if manifest is not None:
            wrong = integrity.damaged(self.folder, manifest["files"], self.verify)
            late = list(filter(is_part, integrity.added(self.folder, manifest["files"])))
            integrity.expect_none_added(self.folder, {"files": {**manifest["files"], **dict.fromkeys(late)}})
            if late and not wrong:
                progress.say(f"{self.name}: {self.folder / late[0]} was written after the stage was done: it is taken in")
                (self.folder / MANIFEST).unlink()
                return False
        for name, why in wrong.items():
            progress.say(f"{self.name}: {self.folder / name} {why}: it is made again")
            integrity.remove(self.folder, name)
        if wrong:
            (self.folder / MANIFEST).unlink(missing_ok=True)
        return not wrong

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """No other program makes it meanwhile; what is refused, or finds no room, leaves no folder that holds nothing."""
        locks: list[Lock] = []  # of process 0
        made = storage.not_made(self.folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        try:
            try:
                if not self.shared:
                    distributed.from_main(lambda: locks.append(Lock(self.folder)), f"{self.name} is locked")
                yield
            finally:
                for lock in locks:
                    lock.release()
        except (ValueError, OSError):
            if distributed.is_main() and storage.is_local(self.folder):  # in a store there are no empty folders
                _prune(self.folder)
                for above in (self.folder.parent, *made):
                    if above.exists() and not any(above.iterdir()):
                        above.rmdir()
            raise


def _prune(folder: storage.Path) -> None:
    """Removes the folders in it that hold nothing, and itself then."""
    if not folder.is_dir():
        return
    for one in folder.iterdir():
        if one.is_dir() and not os.path.islink(os.fspath(one)):
            _prune(one)
    if not any(folder.iterdir()):
        folder.rmdir()
