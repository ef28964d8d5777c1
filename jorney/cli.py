"""The program: commands are found, and errors told in one line."""

from __future__ import annotations

import _thread
import contextlib
import os
import sys
import threading
import traceback
import warnings
from collections.abc import Iterator, Sequence
from typing import Any, NoReturn

from jorney import __version__, roll_call
from jorney.progress import Unfinished
from jorney.run import command_registry
from jorney.train.stopping import Stopped

_NEWS = 2.0  # seconds: a collective fails at once where a process has died, and the news of it comes a moment later


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command. Returns 0; 2 for input that is wrong, after one line that says so; 130 or 143 when told to stop.

    1 where another process has failed or died that this one trained with.
    """
    try:
        try:
            code = _main(list(sys.argv[1:] if arguments is None else arguments))
        finally:
            sys.stdout.flush()  # now, for a pipe that is closed is an error of its own (120) once Python shuts down
    except BrokenPipeError:  # the reader, `head` say, has read enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # so that the last flush finds no broken pipe
        return 141  # as a program that SIGPIPE ended
    if code not in (0, 143) and roll_call.others():
        sys.stderr.flush()
        os._exit(code)  # else jax waits for the others as Python shuts down, and they may be waiting for this one
    return code


def program() -> NoReturn:
    """`main` as a program of its own."""
    code = main()
    if code and not roll_call.others():
        # At once: where Ctrl-C or an error has left a computation running, XLA's threads go on while Python takes the program
        # apart, and every other time it crashed. What was begun is ended by now, children and files included.
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)


def _main(arguments: list[str]) -> int:
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        print(command_registry.SCREEN)
        return 0
    if arguments[0] == "--version":
        print(__version__)
        return 0
    try:
        with warnings.catch_warnings(), _interrupts_are_heard(), _others_are_told():
            warnings.showwarning = _show_warning
            command_registry.run(arguments)
    except BrokenPipeError:
        raise
    except Stopped as stop:
        print(f"jorney: {stop}; the same command goes on from there", file=sys.stderr)
        return 128 + stop.signal
    except Unfinished as share:
        print(f"jorney: {share}", file=sys.stderr)
        return 0
    except KeyboardInterrupt:
        print("\njorney: interrupted; the same command goes on from here", file=sys.stderr)
        return 130
    except _Lost as lost:
        print(f"jorney: {lost}; the same command on all hosts goes on from what is saved", file=sys.stderr)
        return 1
    except ImportError as error:
        if "gcsfs" not in str(error):
            raise
        print("jorney: gs:// paths need gcsfs: pip install 'jorney[gcs]'", file=sys.stderr)
        return 2
    except (ValueError, OSError, MemoryError, RuntimeError) as error:
        beyond = _beyond_memory(error)
        about_input = isinstance(error, ValueError | OSError) and _is_about_input(error)
        if os.environ.get("JORNEY_TRACEBACK") or not (beyond or about_input):
            raise
        print(f"jorney: {beyond or error}", file=sys.stderr)
        return 2
    return 0


class _Lost(Exception):
    """Another process has gone, and this one with it."""


@contextlib.contextmanager
def _others_are_told() -> Iterator[None]:
    """Tells the processes that train with this one how it ends; where another has gone before, that is why this one fails."""
    try:
        yield
    except (Stopped, Unfinished):
        roll_call.leave()
        raise
    except BaseException as error:
        if not _is_about_input(error) and (who := roll_call.gone(_NEWS)):
            roll_call.leave(who)
            raise _Lost(who) from None
        roll_call.leave(" ".join(str(error).split())[:1000] or type(error).__name__)
        raise
    roll_call.leave()


@contextlib.contextmanager
def _interrupts_are_heard() -> Iterator[None]:
    """Sends a Ctrl-C again that struck where Python drops exceptions: in a finaliser or in a callback of the collector."""
    report = sys.unraisablehook

    def hook(unraisable: Any) -> None:
        if not issubclass(unraisable.exc_type, KeyboardInterrupt):
            report(unraisable)
            return
        again = threading.Timer(0.05, _thread.interrupt_main)  # later: here it would be dropped again
        again.daemon = True
        again.start()

    sys.unraisablehook = hook
    try:
        yield
    finally:
        sys.unraisablehook = report


def _show_warning(message: Warning | str, *_: Any, **__: Any) -> None:
    print(f"jorney: warning: {message}", file=sys.stderr)


def _beyond_memory(error: BaseException) -> str:
    """What to say of an allocation that failed, numpy's or a device's; "" of all else."""
    if not (isinstance(error, MemoryError) or "RESOURCE_EXHAUSTED" in str(error)):
        return ""
    text = " ".join(str(error).split())[:300]
    return f"memory: {text or 'there is no more'}: expected less at a time: fewer rows or tokens, smaller samples or trees"


def _is_about_input(error: BaseException) -> bool:
    """Whether Jorney itself, the operating system, or jax as it read its environment variables raised it.

    All else is a fault of the program and keeps its traceback.
    """
    if isinstance(error, OSError):
        return True
    frames = traceback.extract_tb(error.__traceback__)
    if any(frame.name == "<module>" and "/jax/_src/" in frame.filename for frame in frames):
        return True
    return os.path.dirname(os.path.abspath(frames[-1].filename)).startswith(os.path.dirname(os.path.abspath(__file__)))


if __name__ == "__main__":
    program()
