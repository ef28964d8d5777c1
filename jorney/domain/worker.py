"""A process that compares answers and can be killed: it has limits of time and memory, and is replaced after a fault."""

from __future__ import annotations

import contextlib
import dataclasses
import importlib
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from multiprocessing.connection import Connection
from typing import ClassVar

_GRACE = 1.0  # seconds in which a comparison stops by itself, which spares a new process
_STOPPED = "stopped"


@dataclasses.dataclass
class Worker:
    """Compares pairs of answers by `comparer`, in a process of its own that starts at the first pair.

    Attributes:
      comparer: the module whose `compare(known, stated)` the process calls, after its `warm_up()`.
      timeout_seconds: how long one comparison may take; starting the process is not counted.
      memory_limit: bytes of address space the process may take (it starts with under 0.1 GB). Not enforced on macOS.
      isolation: how code of others is kept apart, for workers that run some; see `code.sandbox`.
      since: when the comparison under way began, by `time.monotonic`; None between comparisons.
    """

    comparer: ClassVar[str] = "jorney.domain.equivalence"
    timeout_seconds: float = 5.0
    memory_limit: int = 4 << 30
    isolation: str = "auto"
    since: float | None = dataclasses.field(default=None, init=False, repr=False)
    _process: subprocess.Popen[bytes] | None = dataclasses.field(default=None, init=False, repr=False)
    _connection: Connection | None = dataclasses.field(default=None, init=False, repr=False)

    @property
    def pid(self) -> int | None:
        """The process's id, None while there is none."""
        return None if self._process is None else self._process.pid

    def close(self) -> None:
        """Ends the worker, if there is one. It may be used again: it starts another."""
        if self._connection is not None:
            self._connection.close()
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        self._process = self._connection = None

    def compare(self, known: str, stated: str) -> str:
        """Why a stated answer is wrong; "" when it equals the known one.

        Raises:
          RuntimeError: the process cannot be started at all.
        """
        with contextlib.ExitStack() as unreplied:
            unreplied.callback(self.close)  # after Ctrl-C too: the next question must not read this one's reply
            if self._connection is None or self._process is None or self._process.poll() is not None:
                self._connection = self._start()
            assert self._process is not None
            self.since = time.monotonic()
            unreplied.callback(setattr, self, "since", None)
            with contextlib.suppress(EOFError, OSError):
                self._connection.send((known, stated))
                if not self._connection.poll(self.timeout_seconds):
                    self._process.send_signal(signal.SIGUSR1)  # which Python code stops at, C code does not
                    if not self._connection.poll(_GRACE):
                        return self._too_long()
                note: str = self._connection.recv()
                unreplied.pop_all()
                self.since = None
                return self._too_long() if note == _STOPPED else note
        return "the grading worker died"

    def _too_long(self) -> str:
        return f"grading took longer than {self.timeout_seconds:g} s"

    def _start(self) -> Connection:
        """Starts the worker and waits until it is ready.

        Not by multiprocessing.Process, whose child imports the parent's main program again, and jax with it. In a session of
        its own the worker gets no Ctrl-C, even while it starts; it ends with the connection, so it does not outlive the parent.
        """
        self.close()
        ours, theirs = multiprocessing.Pipe()
        with theirs:
            arguments = [theirs.fileno(), self.memory_limit, int(self.timeout_seconds) + 2, self.comparer]
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-W", "ignore", "-c", f"from jorney.domain.worker import _serve; _serve(*{arguments})"],
                env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )
        try:
            ours.recv()
        except (EOFError, OSError) as error:
            raise RuntimeError("the grading worker did not start; its own message is above") from error
        return ours


class _StopError(BaseException):
    """Raised by a signal, and caught by nothing on its way."""


def _serve(descriptor: int, memory_limit: int, longest: int, comparer: str) -> None:
    """The process's program: replies to each (known, stated) with a note of the comparer's, until the connection closes.

    A comparison that lasts `longest` seconds ends the process, should no parent be left to do it. SIGUSR1 stops one.
    """
    import resource

    under_way = False

    def stop(*_: object) -> None:
        if under_way:
            raise _StopError

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGUSR1, stop)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)  # ends the process, whatever C code it is in
    with contextlib.suppress(ValueError, OSError):  # macOS refuses; so does a system whose own limit is lower
        resource.setrlimit(resource.RLIMIT_AS, (memory_limit, resource.getrlimit(resource.RLIMIT_AS)[1]))
    equivalence = importlib.import_module(comparer)

    with contextlib.suppress(EOFError, OSError), Connection(descriptor) as connection:
        equivalence.warm_up()
        connection.send("ready")
        while True:
            known, stated = connection.recv()
            signal.alarm(longest)
            try:
                under_way = True
                note = equivalence.compare(known, stated)
                under_way = False
            except _StopError:
                note = _STOPPED
            except Exception as error:
                note = f"grading failed: {type(error).__name__}"
            under_way = False
            signal.alarm(0)
            connection.send(note)
