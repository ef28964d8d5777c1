"""A folder that one program at a time fills."""

from __future__ import annotations

import contextlib
import datetime
import json
import os
import pathlib
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from typing import Any

from jorney import storage

_FILE = ".lock.json"
_BEAT, _STALE = 20.0, 120.0  # seconds between signs of life, and without one until a lock counts for nothing
_AHEAD = 86_400.0  # seconds by which another's clock may be ahead: what is later still was no sign of life
_SETTLE = 2.0, 0.05  # seconds in which another that takes a stale lock at the same moment would show: of a store, of a disk


class Lock:
    """Of a folder, local or gs://, from here to `release`.

    A program that was killed leaves its lock behind. On the same machine it is known by its process; from another one, by the
    time that has passed since its last sign of life.

    Raises:
      ValueError: another program has it; names its host, process and start.
    """

    def __init__(self, folder: storage.Path) -> None:
        self._file = folder / _FILE
        started = datetime.datetime.now().astimezone().isoformat(timespec="seconds")
        self._own = {"host": socket.gethostname(), "pid": os.getpid(), "started": started, "token": uuid.uuid4().hex}
        self._own |= {"system": _system(), "born": _born(os.getpid())}
        folder.mkdir(parents=True, exist_ok=True)
        try:
            self._take(folder)
        except OSError:  # a full disk, say
            with contextlib.suppress(OSError):
                if self._is_own() or self._file.stat().length == 0:
                    self._file.unlink()
            raise
        self._ended = threading.Event()
        self._beating = threading.Thread(target=self._beat, daemon=True)
        self._beating.start()

    def _take(self, folder: storage.Path) -> None:
        other = self._read()
        if other is None:
            try:
                # A store writes a file whole, and so late that others may read meanwhile; a disk has it at once, empty.
                storage.create(self._file, b"" if storage.is_local(self._file) else self._text().encode())
                if not storage.is_local(self._file):
                    return  # nobody else has made it, and whoever reads it finds all it says
            except FileExistsError:
                other = self._read()
        if other is not None and not _is_stale(other):
            raise ValueError(_refusal(folder, other))
        self._write()
        time.sleep(_SETTLE[storage.is_local(self._file)])
        now = self._read()
        if now is not None and now.get("token") != self._own["token"]:
            raise ValueError(_refusal(folder, now))

    def release(self) -> None:
        """Another may have it now."""
        self._ended.set()
        self._beating.join()
        with contextlib.suppress(OSError):
            if self._is_own():
                self._file.unlink()

    def _beat(self) -> None:
        while not self._ended.wait(_BEAT):
            with contextlib.suppress(OSError):
                if self._is_own():
                    self._write()

    def _is_own(self) -> bool:
        return (self._read() or {}).get("token") == self._own["token"]

    def _text(self) -> str:
        return json.dumps({**self._own, "seen": time.time()})

    def _write(self) -> None:
        storage.write_text(self._file, self._text())

    def _read(self) -> dict[str, Any] | None:
        """What the file says; {} where it says nothing that can be read: somebody is about to write it."""
        if not self._file.exists():
            return None
        try:
            found = storage.read_json(self._file)
        except (ValueError, OSError):
            found = {}
        return found if isinstance(found, dict) else {}


@contextlib.contextmanager
def filling(folder: storage.Path) -> Iterator[None]:
    """Nobody else fills the folder meanwhile; one that was made for it, and is left empty, is removed with its parents."""
    made = storage.not_made(folder)
    try:
        held = Lock(folder)
        try:
            yield
        finally:
            held.release()
    finally:
        with contextlib.suppress(OSError, ValueError):  # one that is not empty stays
            for one in made:
                one.rmdir()


@contextlib.contextmanager
def emptied(folder: storage.Path) -> Iterator[None]:
    """Removes what a locked folder holds: now, and once more when what follows fails, so that nothing is left half-written."""
    _empty(folder)
    try:
        yield
    except (ValueError, OSError):
        _empty(folder)
        raise


def contents(folder: storage.Path) -> list[storage.Path]:
    """All that lies in a folder but its lock."""
    return [one for one in folder.iterdir() if one.name != _FILE]


def _empty(folder: storage.Path) -> None:
    for one in contents(folder):
        if one.is_dir() and not os.path.islink(os.fspath(one)):
            one.rmtree()
        else:
            one.unlink()


def _is_stale(other: dict[str, Any]) -> bool:
    """Whether the program that took a lock is no more."""
    if other.get("system") == _system() and isinstance(other.get("pid"), int):
        return _born(other["pid"]) != other.get("born")
    seen = other.get("seen")
    if isinstance(seen, bool) or not isinstance(seen, int | float):
        return True
    return not time.time() - _STALE <= seen <= time.time() + _AHEAD


def _refusal(folder: storage.Path, other: dict[str, Any]) -> str:
    who = f"process {other.get('pid')} on {other.get('host')}, begun at {other.get('started')},"
    late = "" if other.get("system") == _system() else f"; one that was killed there is missed after {_STALE:.0f} s"
    return f"{folder}: {who} writes there: expected one program at a time; stop it, or wait until it has ended{late}"


def _system() -> str:
    """The machine since it was started, and the numbering of its processes: within it, a process is known by its number."""
    found = [socket.gethostname()]
    with contextlib.suppress(OSError):
        found.append(pathlib.Path("/proc/sys/kernel/random/boot_id").read_text().strip())
        found.append(os.readlink("/proc/self/ns/pid"))
    return " ".join(found)


def _born(pid: int) -> str | None:
    """When a process began, in the system's clock; None where there is none. Numbers are used again."""
    with contextlib.suppress(OSError):
        fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return None if fields[0] == "Z" else fields[19]
    if os.path.exists("/proc/self/stat"):
        return None
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return None
    except PermissionError:
        pass
    return "running"
