"""Stopping between two steps when the system asks for it."""

from __future__ import annotations

import contextlib
import signal
import sys
import threading
from collections.abc import Iterator
from typing import Any


class Stopped(Exception):
    """A training was asked to stop and has saved itself.

    Attributes:
      step: updates done, and saved.
      signal: SIGTERM, or SIGINT for a Ctrl-C.
    """

    def __init__(self, step: int, number: int) -> None:
        super().__init__(f"stopped after step {step}, which is saved")
        self.step, self.signal = step, number


class StopRequest:
    """Whether somebody asked."""

    def __init__(self) -> None:
        self.signal: int | None = None

    def reached(self, step: int) -> int | None:
        """The signal where this step is to be the last; all processes get the same answer.

        Of several processes one alone may have been told: jax then chooses a step that none of them has passed.
        """
        import jax  # here: the command line catches Stopped, and starts without jax

        if jax.process_count() > 1:
            from jax.experimental import multihost_utils

            if multihost_utils.reached_preemption_sync_point(step):
                self.signal = signal.SIGTERM
        return self.signal


@contextlib.contextmanager
def listening() -> Iterator[StopRequest]:
    """Turns SIGTERM and the first Ctrl-C into a request; a second Ctrl-C interrupts at once.

    Of several processes jax itself hears SIGTERM.
    """
    import jax

    request = StopRequest()
    if threading.current_thread() is not threading.main_thread() or jax.process_count() > 1:
        yield request
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}

    def hear(number: int, frame: Any) -> None:
        if request.signal is not None and number == signal.SIGINT:
            raise KeyboardInterrupt
        request.signal = number
        print("\nfinishing the step, then saving (Ctrl-C again stops at once)", file=sys.stderr, flush=True)

    try:
        for number in before:
            signal.signal(number, hear)
        yield request
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
