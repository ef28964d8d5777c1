"""A folder has one program at a time, and none that is no more."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time

import pytest
from memory_store import memory_root
from places import ROOT

from jorney import storage
from jorney.run import lock
from jorney.run.lock import Lock


@pytest.fixture(params=["local", "gs"])
def folder(request, tmp_path) -> storage.Path:
    return storage.path(str(tmp_path / "run") if request.param == "local" else memory_root())


def test_one_at_a_time(folder) -> None:
    first = Lock(folder)
    with pytest.raises(
        ValueError, match=f"^{folder}: process {os.getpid()} on .*: expected one program at a time; stop it, or wait"
    ):
        Lock(folder)
    first.release()
    Lock(folder).release()
    assert not (folder / ".lock.json").exists()


def test_of_two_that_start_while_a_store_is_slow_one_has_it(monkeypatch) -> None:
    """Writes take longer than the other waits: it must not find nobody there."""
    folder, found = storage.path(memory_root()), []
    write, create = storage.write_text, storage.create

    def slowly(function):
        return lambda *given: time.sleep(0.4) or function(*given)

    monkeypatch.setattr(storage, "write_text", slowly(write))
    monkeypatch.setattr(storage, "create", slowly(create))
    monkeypatch.setattr(lock, "_SETTLE", (0.05, 0.05))

    def start() -> None:
        try:
            found.append(Lock(folder))
        except ValueError as error:
            found.append(str(error))

    threads = [threading.Thread(target=start) for _ in range(2)]
    for thread in threads:
        thread.start()
        time.sleep(0.2)
    for thread in threads:
        thread.join()
    (held,) = (one for one in found if isinstance(one, Lock))
    (refused,) = (one for one in found if isinstance(one, str))
    assert "expected one program at a time" in refused
    held.release()


HOLDS = """
import sys, time
from jorney import storage
from jorney.run.lock import Lock
lock = Lock(storage.path(sys.argv[1]))
print(1, flush=True)
time.sleep(60)
"""


def test_a_killed_program_is_missed_at_once_on_its_machine(tmp_path) -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", HOLDS, str(tmp_path)], stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(ROOT)}
    )
    try:
        assert child.stdout is not None
        child.stdout.readline()
        with pytest.raises(ValueError, match=f"process {child.pid} on "):
            Lock(storage.path(tmp_path))
    finally:
        child.kill()
        child.wait()
        child.stdout.close()
    Lock(storage.path(tmp_path)).release()


def other(folder: storage.Path, **fields: object) -> None:
    """What another program has written."""
    own = {
        "host": "elsewhere",
        "pid": 1,
        "started": "2026-01-01T00:00:00+00:00",
        "token": "t",
        "system": "elsewhere",
        "born": "5",
    }
    folder.mkdir(parents=True, exist_ok=True)
    storage.write_json(folder / ".lock.json", {**own, "seen": time.time(), **fields})


@pytest.mark.parametrize(
    "fields",
    [
        {"seen": time.time() - 1000},  # elsewhere, and long without a sign of life
        {"seen": None},
        {"seen": 1e300},  # no clock shows that
        {"seen": 10**400},
        {"seen": float("inf")},
        {"seen": float("nan")},
        {"seen": True},
        {"seen": time.time() + 864_000},
        {"system": lock._system(), "pid": 2**22 + 1},  # here, and there is none of that number
        {"system": lock._system(), "pid": os.getpid(), "born": "1"},  # the number is another's now
    ],
)
def test_a_stale_lock_is_taken(folder, fields: dict) -> None:
    other(folder, **fields)
    Lock(folder).release()


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"seen": time.time() + 3600},
        {"pid": os.getpid()},
        {"system": lock._system(), "pid": os.getpid(), "born": lock._born(os.getpid())},
    ],
)
def test_a_living_program_keeps_its_lock(folder, fields: dict) -> None:
    other(folder, **fields)
    with pytest.raises(ValueError, match="writes there: expected one program at a time") as told:
        Lock(folder)
    assert ("one that was killed there is missed after 120 s" in str(told.value)) == ("system" not in fields)
    assert storage.read_json(folder / ".lock.json")["token"] == "t"


@pytest.mark.parametrize("text", ["", "[]", "nothing"])
def test_a_damaged_lock_is_stale(folder, text: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    storage.write_text(folder / ".lock.json", text)
    Lock(folder).release()


def test_signs_of_life_go_on_and_never_over_anothers(folder, monkeypatch) -> None:
    monkeypatch.setattr(lock, "_BEAT", 0.02)
    held = Lock(folder)
    first = storage.read_json(folder / ".lock.json")["seen"]
    deadline = time.monotonic() + 10
    while storage.read_json(folder / ".lock.json")["seen"] == first:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    other(folder)
    time.sleep(0.2)
    held.release()
    assert storage.read_json(folder / ".lock.json")["token"] == "t"
