"""What tests programs: it sends each with its tests to a sandbox, and keeps time."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import signal
import socket
import subprocess
import sys
import time
from typing import Any

from jorney.domain.code.isolation import frames
from jorney.domain.code.isolation.trial import GONE
from jorney.domain.worker import Worker

OFF = "off"
ISOLATION = ("auto", "none")
_MEMORY = 1 << 30  # bytes that a program may take at most, whatever comparisons may
_START = 60.0  # seconds in which a sandbox or a cell starts on a machine that is busy
_END = 10.0  # and in which it ends
_SERVER = "from jorney.domain.code.isolation.server import serve; serve(*{})"


@dataclasses.dataclass
class ProgramRunner(Worker):
    """Runs programs against tests. A program and its tests are two processes, and only the tests' says what came of it.

    With `isolation` "auto" both have no network, see no files but Python's and the system's, and can write to one folder, which
    is in memory; a machine that does not allow this is refused. With "none" there are the limits alone: of time, memory, files
    and processes. With "off" nothing is run: whoever wants it has to say so.
    """

    timeout_seconds: float = 3.0
    memory_limit: int = _MEMORY
    _control: socket.socket | None = dataclasses.field(default=None, init=False, repr=False)
    _life: socket.socket | None = dataclasses.field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        self.memory_limit = min(self.memory_limit, _MEMORY)

    def compare(self, known: str, stated: str) -> str:
        """Why a program is wrong; "" where it passes its tests.

        Args:
          known: JSON of an object with the texts "prompt", "setup", "tests" and "entry_point".
          stated: the program.

        Raises:
          ValueError: this machine does not allow a sandbox.
          RuntimeError: the process cannot be started at all.
        """
        question = {**json.loads(known), "program": stated}
        with contextlib.ExitStack() as unreplied:
            unreplied.callback(self.close)
            if self._control is None or self._process is None or self._process.poll() is not None:
                self._control = self._enter()
            note = self._asked(self._control, question)
            unreplied.pop_all()
        return note

    def _asked(self, control: socket.socket, question: dict[str, Any]) -> str:
        with contextlib.ExitStack() as opened:
            life, their_life = socket.socketpair()
            tests, their_tests = socket.socketpair()
            for one in (life, their_life, tests, their_tests):
                opened.callback(one.close)
            opened.callback(setattr, self, "since", None)
            note: Any = "the grading worker died"
            ended: Any = None
            try:
                socket.send_fds(control, [b"c"], [their_life.fileno(), their_tests.fileno()])
                their_life.close()
                their_tests.close()
                self._life = life
                life.settimeout(_START)
                started = frames.read(life)
                if "failed" in started:
                    raise RuntimeError(f"a program's process did not start: {started['failed']}")
                self.since = time.monotonic()
                tests.settimeout(self.timeout_seconds)
                frames.write(tests, question)
                tests.settimeout(max(self.timeout_seconds - (time.monotonic() - self.since), 0.001))
                note = frames.read(tests)
            except TimeoutError:
                note = note if self.since is None else f"timed out after {self.timeout_seconds:g} s"
            except (EOFError, OSError, ValueError):
                note = "the tests' process died"
            ended = self._over(life)
        if note == GONE and ended is not None:
            return ended if isinstance(ended, str) else GONE + _how(ended)
        return note if isinstance(note, str) else "the tests' process died"

    def _over(self, life: socket.socket) -> Any:
        """Ends a cell and waits until nothing of it is left. Returns how its program had ended."""
        self._life = None
        try:
            life.settimeout(_END)
            life.shutdown(socket.SHUT_WR)
            return frames.read(life)["ended"]
        except (EOFError, OSError, ValueError, LookupError):
            self.close()  # what is left ends with the sandbox
            return None

    def close(self) -> None:
        """Ends the sandbox and whatever runs in it. It may be used again: it starts another."""
        for one in (self._life, self._control):
            with contextlib.suppress(OSError):
                if one is not None:
                    one.shutdown(socket.SHUT_RDWR)
        self._life = None
        if self._control is not None:
            self._control.close()
            self._control = None
        if self._process is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(_END)
        super().close()

    def _enter(self) -> socket.socket:
        """Starts the sandbox and waits until it is ready; Python anew, as `Worker._start` does, so that jax is not in it."""
        if self.isolation == OFF:
            raise ValueError("grading would run programs that a model wrote: expected --allow-code, of a command that has it")
        if self.isolation not in ISOLATION:
            raise ValueError(f"isolation = {self.isolation!r}: expected {' or '.join(map(repr, ISOLATION))}")
        self.close()
        ours, theirs = socket.socketpair()
        arguments = [theirs.fileno(), self.isolation != "none", self.memory_limit, int(self.timeout_seconds) + 2]
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-W", "ignore", "-c", _SERVER.format(arguments)],
                # Nothing of this process's environment: what stands in it is not a program's to read.
                env={"PATH": os.defpath, "PYTHONPATH": os.pathsep.join(sys.path), "LANG": "C.UTF-8", "PYTHONHASHSEED": "0"},
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )
        try:
            ours.settimeout(_START)
            said = frames.read(ours)
        except (EOFError, OSError) as error:
            ours.close()
            raise RuntimeError("the sandbox of programs did not start; its own message is above") from error
        if "refused" in said:
            ours.close()
            raise ValueError(
                f"programs are run in a sandbox, and this machine does not allow one: {said['refused']}; "
                "`--sandbox none` runs them without, with limits of time, memory and files alone"
            )
        ours.settimeout(None)
        return ours


def _how(ended: int) -> str:
    """How a process ended, in words."""
    if ended >= 0:
        return ""
    with contextlib.suppress(ValueError):
        return f": {signal.Signals(-ended).name}"
    return f": signal {-ended}"
