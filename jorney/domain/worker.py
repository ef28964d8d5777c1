"""A process that compares answers and can be killed: it has limits of time and memory, and is replaced after a fault."""

from __future__ import annotations

import contextlib
import dataclasses
import multiprocessing
import os
import subprocess
import sys
from multiprocessing.connection import Connection


@dataclasses.dataclass
class Worker:
    """Compares pairs of answers by `domain.equivalence`, in a process of its own that starts at the first pair.

    Attributes:
      timeout_seconds: how long one comparison may take; starting the process is not counted.
      memory_limit: bytes of address space the process may take (it starts with under 0.1 GB). Not enforced on macOS.
    """

    timeout_seconds: float = 5.0
    memory_limit: int = 4 << 30
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
            with contextlib.suppress(EOFError, OSError):
                self._connection.send((known, stated))
                if not self._connection.poll(self.timeout_seconds):
                    return f"grading took longer than {self.timeout_seconds:g} s"
                note: str = self._connection.recv()
                unreplied.pop_all()
                return note
        return "the grading worker died"

    def _start(self) -> Connection:
        """Starts the worker and waits until it is ready.

        Not by multiprocessing.Process, whose child imports the parent's main program again, and jax with it. In a session of
        its own the worker gets no Ctrl-C, even while it starts; it ends with the connection, so it does not outlive the parent.
        """
        self.close()
        ours, theirs = multiprocessing.Pipe()
        with theirs:
            arguments = [theirs.fileno(), self.memory_limit, int(self.timeout_seconds) + 2]
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


def _serve(descriptor: int, memory_limit: int, longest: int) -> None:
    """The process's program: replies to each (known, stated) with a note, until the connection closes.

    A comparison that lasts `longest` seconds ends the process, should no parent be left to do it.
    """
    import resource
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)  # ends the process, whatever C code it is in
    with contextlib.suppress(ValueError, OSError):  # macOS refuses; so does a system whose own limit is lower
        resource.setrlimit(resource.RLIMIT_AS, (memory_limit, resource.getrlimit(resource.RLIMIT_AS)[1]))
    from jorney.domain import equivalence

    with contextlib.suppress(EOFError, OSError), Connection(descriptor) as connection:
        equivalence.warm_up()
        connection.send("ready")
        while True:
            known, stated = connection.recv()
            signal.alarm(longest)
            try:
                note = equivalence.compare(known, stated)
            except Exception as error:
                note = f"grading failed: {type(error).__name__}"
            signal.alarm(0)
            connection.send(note)
