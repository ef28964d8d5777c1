"""Programs that mean harm: none passes, none gets out, none stays, and each ends in time."""

from __future__ import annotations

import os
import pathlib
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

import pytest
from hostile_programs import CHEATS, ESCAPES, GREED
from tested_programs import known

from jorney.domain.code.sandbox import ProgramRunner

EXPECTED = "what only the tests know 7c1b"
SLACK = 2.0  # seconds
STAYS = """
import os, time
def f(x):
    if os.fork() == 0: os.setsid(); os.execv('/bin/sleep', ['sleep', '{marker}'])
    time.sleep(99)
"""


def descendants(pid: int) -> list[int]:
    """The processes that come from one, on Linux."""
    children: dict[int, list[int]] = {}
    for name in filter(str.isdigit, os.listdir("/proc")) if sys.platform == "linux" else ():
        try:
            fields = pathlib.Path("/proc", name, "stat").read_bytes().rpartition(b")")[2].split()
        except OSError:
            continue
        if fields[0] != b"Z":
            children.setdefault(int(fields[1]), []).append(int(name))
    found = [*children.get(pid, [])]
    for one in found:
        found += children.get(one, [])
    return found


def running(marker: str) -> list[str]:
    """Processes of the machine whose command holds a word."""
    found = []
    for name in filter(str.isdigit, os.listdir("/proc")) if sys.platform == "linux" else ():
        try:
            if marker.encode() in pathlib.Path("/proc", name, "cmdline").read_bytes():
                found.append(name)
        except OSError:
            continue
    return found


class Harm:
    """What a program might do harm to, and whether it has."""

    def __init__(self, folder: pathlib.Path, number: int) -> None:
        self.folder = folder
        self.canary = folder / "canary"
        self.canary.write_text("sings")
        self.secret = folder / "secret"
        self.secret.write_text("what-is-secret")
        self.secret.chmod(0o600)
        self.marker = f"9876{os.getpid()}{number}"
        self.outside = pathlib.Path(tempfile.gettempdir()) / f"jorney-escaped-{self.marker}"
        self.server = socket.create_server(("127.0.0.1", 0))
        self.server.settimeout(0)
        self.temporary = self._temporary()

    @staticmethod
    def _temporary() -> set[str]:
        return {name for name in os.listdir(tempfile.gettempdir()) if name.startswith("jorney-program-")}

    def fill(self, program: str) -> str:
        return program.format(
            marker=self.marker,
            folder=self.folder,
            canary=self.canary,
            secret=self.secret,
            secret_tail=EXPECTED[-4:],
            outside=self.outside,
            expected=EXPECTED,
            port=self.server.getsockname()[1],
            root=os.getuid() == 0,
        )

    def none(self, runner: ProgramRunner) -> None:
        """Asserts that there is none."""
        assert self.canary.read_text() == "sings"
        assert sorted(os.listdir(self.folder)) == ["canary", "secret"]
        assert not self.outside.exists()
        with pytest.raises(BlockingIOError):
            self.server.accept()
        self.server.close()
        until = time.monotonic() + 30  # other tests, at the same time, have folders too, but not for long
        left = self._temporary() - self.temporary
        while left := left & self._temporary():
            assert time.monotonic() < until, left
            time.sleep(0.02)
        if sys.platform == "linux":
            assert running(self.marker) == []
            assert runner.pid is not None
            until = time.monotonic() + 1  # the guard of a program ends just after it has said that all others have
            while len(inner := descendants(runner.pid)) > (runner.isolation != "none"):
                assert time.monotonic() < until, inner


def run(runner: ProgramRunner, program: str, folder: pathlib.Path) -> str:
    harm = Harm(folder, len(program))
    assert runner.compare(known("assert f(0) == 0"), "def f(x): return x") == ""  # it has started, and works
    begun = time.monotonic()
    note = runner.compare(known(f"assert f(1) == {EXPECTED!r}, f(1)"), harm.fill(program))
    taken = time.monotonic() - begun
    harm.none(runner)
    assert note != ""
    assert len(note) <= 220
    assert EXPECTED not in note.replace(f"assert f(1) == {EXPECTED!r}", "")
    assert taken < runner.timeout_seconds + SLACK, note
    assert runner.since is None
    assert runner.compare(known("assert f(0) == 0"), "def f(x): return x") == ""
    return note


@pytest.mark.parametrize("name", [*CHEATS, *GREED, *ESCAPES])
def test_in_a_sandbox(sandbox: ProgramRunner, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv("API_KEY", "what-is-secret")
    sandbox.timeout_seconds = 1.5
    pid = sandbox.pid
    run(sandbox, {**CHEATS, **GREED, **ESCAPES}[name], tmp_path)
    assert pid in (None, sandbox.pid)  # it harmed not even the process that started its own


@pytest.mark.parametrize("name", [*CHEATS, *GREED])
def test_by_limits_alone(unconfined: ProgramRunner, tmp_path: pathlib.Path, name: str) -> None:
    unconfined.timeout_seconds = 1.5
    run(unconfined, {**CHEATS, **GREED}[name], tmp_path)


def test_notes_say_what_happened(runner: ProgramRunner) -> None:
    def note(program: str, seconds: float = 20) -> str:
        runner.timeout_seconds = seconds
        return runner.compare(known("x = 2\nassert f(x) == 3"), program)

    assert note("def f(x): return 4") == "AssertionError: assert f(x) == 3 (got 4)"
    assert note("def g(x): return 4") == "NameError: name 'f' is not defined"
    assert note("def f(x): return y") == "NameError: name 'y' is not defined"
    assert note("def f(x) return y") == "SyntaxError: expected ':' (line 1)"
    assert note("def f(x): return [][x]") == "IndexError: list index out of range"
    assert note("class Own(KeyError): pass\ndef f(x): raise Own('a')") == "Own: 'a'"
    assert note("import sys\ndef f(x): sys.exit()") == "the program exited"
    assert note("import os\ndef f(x): os.abort()").startswith("the program exited: SIG")
    assert note("def f(x): return bytes(10**12)") == "memory"
    assert note("import time\ndef f(x): time.sleep(9)", 0.5) == "timed out after 0.5 s"


def test_what_a_program_uses_is_bounded_as_a_whole(sandbox: ProgramRunner) -> None:
    sandbox.timeout_seconds = 10
    note = sandbox.compare(known("assert f(1) == 0"), ESCAPES["processes that take memory"])
    # Where /proc cannot be mounted, as in some containers, every process has its own limit, and time ends them.
    assert note in ("memory", "timed out after 10 s")


def test_a_runner_that_is_closed_leaves_nothing(runner: ProgramRunner) -> None:
    marker = f"9875{os.getpid()}"
    program = STAYS.format(marker=marker)
    runner.timeout_seconds = 60
    notes: list[str] = []
    thread = threading.Thread(target=lambda: notes.append(runner.compare(known("assert f(1) == 1"), program)))
    thread.start()
    while sys.platform == "linux" and not running(marker):
        time.sleep(0.02)
    runner.close()  # as Ctrl-C does, from another thread
    thread.join(20)
    assert len(notes) == 1
    assert notes[0]
    until = time.monotonic() + 5
    while running(marker) and time.monotonic() < until:
        time.sleep(0.02)
    assert running(marker) == []
    assert runner.pid is None
    assert runner.compare(known("assert f(1) == 1"), "def f(x): return x") == ""


def test_a_process_that_is_killed_leaves_nothing(runner: ProgramRunner) -> None:
    """The one that asks, by SIGKILL."""
    marker = f"9874{os.getpid()}"
    source = f"""
from jorney.domain.code.sandbox import ProgramRunner
program = {STAYS.format(marker=marker)!r}
ProgramRunner(60, isolation={runner.isolation!r}).compare({known("assert f(1) == 1")!r}, program)
"""
    if sys.platform != "linux":
        pytest.skip("who runs is read from /proc")
    with subprocess.Popen(
        [sys.executable, "-c", source], env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    ) as asking:
        until = time.monotonic() + 30
        while not running(marker):
            assert time.monotonic() < until
            time.sleep(0.02)
        asking.send_signal(signal.SIGKILL)
    until = time.monotonic() + 10
    while running(marker) and time.monotonic() < until:
        time.sleep(0.02)
    assert running(marker) == []
