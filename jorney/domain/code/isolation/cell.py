"""A cell: the processes of one program and of its tests, and the guard that started them and ends them."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import select
import signal
import socket
import sys
import tempfile
import time

from jorney.domain.code.isolation import enclosure, frames, kernel, limits, program, trial

_LOOK = 100  # milliseconds between two looks at what a program uses
_PATIENCE = 5.0  # seconds in which every process that is killed has ended
_SOON = 0.005  # seconds in which most have
_MOVED = f"{os.urandom(8).hex()}-"  # a program has no folder of such a name
_FIRST = 3  # the descriptor behind standard error's


@dataclasses.dataclass(frozen=True)
class Confined:
    """How a cell is confined.

    Attributes:
      isolated: within an enclosure.
      memory: bytes that a program may take, its processes together.
      seconds: of a processor that a process may use.
      processes: the limit that the kernel has for the user of a program.
      user: that a program becomes; the tests become the one behind it. None: the one that started it.
      seen: a descriptor of /proc; None where what a program uses cannot be seen.
    """

    isolated: bool
    memory: int
    seconds: int
    processes: int
    user: int | None
    seen: int | None


def run(confined: Confined, life: socket.socket, asker: socket.socket, inherited: socket.socket) -> None:
    """Is the guard of a cell, until the other end of `life` closes; then nothing of the cell is left. Does not return.

    Args:
      life: says that both processes have started, and at the end how the program's had ended.
      asker: of the tests' process: brings what is asked, and takes the note.
      inherited: a socket that is none of the cell's.
    """
    inherited.close()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.setsid()
    folder = enclosure.FOLDER
    try:
        if confined.isolated:
            enclosure.own_folder(confined.user)
        else:
            folder = tempfile.mkdtemp(prefix="jorney-program-")
            if confined.user is not None:
                os.chown(folder, confined.user, confined.user)
            if sys.platform == "linux":
                kernel.adopt_orphans()
        ours, theirs = socket.socketpair()
        tests = _start(confined, 1, "/", theirs, asker)
        if confined.isolated:
            kernel.unshare(kernel.NEW_PROCESSES, "processes of its own")
        tested = _start(confined, 0, folder, ours)
    except BaseException as error:
        with contextlib.suppress(OSError):
            frames.write(life, {"failed": f"{type(error).__name__}: {error}"})
        os._exit(1)  # the tests' process sees that its channels are closed
    for one in (ours, theirs, asker):
        one.close()
    ended: int | str | None = None
    with contextlib.suppress(OSError):
        frames.write(life, {"started": True})
        ended = _watch(confined, life, tested, tests, folder)
    ended = _end(confined, tested, tests, ended)
    if not confined.isolated:
        _remove(folder)
    with contextlib.suppress(OSError):
        frames.write(life, {"ended": ended})
    os._exit(0)


def _start(confined: Confined, which: int, folder: str, *channels: socket.socket) -> int:
    """Starts the program's process (0) or the tests' (1), with nothing open but its channels."""
    child = os.fork()
    if child:
        return child
    try:
        os.setsid()
        signal.signal(signal.SIGINT, signal.default_int_handler)
        null = os.open(os.devnull, os.O_RDWR)
        moved = [os.dup(channel.fileno()) for channel in channels]
        while min(moved) < _FIRST + len(moved):  # out of the way of where they go
            moved = [os.dup(one) for one in moved]
        for target in range(_FIRST):
            os.dup2(null, target)
        for target, one in enumerate(moved, start=_FIRST):
            os.dup2(one, target, inheritable=False)
        for channel in channels:
            channel.detach()
        os.closerange(_FIRST + len(moved), 4096)
        os.chdir(folder)
        os.environ.update({"HOME": folder, "TMPDIR": folder} if which == 0 else {"HOME": "/"})
        if which and sys.platform == "linux":
            kernel.die_with_parent()
        limits.set_limits(confined.seconds, confined.memory, confined.processes)
        limits.become(None if confined.user is None else confined.user + which)
        if which and sys.platform == "linux":
            kernel.hide_memory()
            kernel.die_with_parent()  # again: who becomes another user loses it
        opened = [socket.socket(fileno=one) for one in range(_FIRST, _FIRST + len(moved))]
        if which:
            trial.run(*opened)
        else:
            program.run(*opened)
    finally:
        os._exit(1)


def _watch(confined: Confined, life: socket.socket, tested: int, tests: int, folder: str) -> str | None:
    """Waits for the end of `life`; ends the program where it uses too much, and says of what."""
    poll = select.poll()
    poll.register(life, select.POLLIN | select.POLLHUP)
    while not poll.poll(_LOOK):
        excess = _excess(confined, tests, folder)
        if excess:
            _kill(tested)
            if not confined.isolated:
                for one in _descendants(confined, tests):
                    _kill(one)
            poll.poll()
            return excess
    return None


def _excess(confined: Confined, tests: int, folder: str) -> str:
    """What a program uses too much of; "" for nothing."""
    used = _descendants(confined, tests)
    if sum(used.values()) > confined.memory:
        return trial.MEMORY
    if len(used) > 2 * limits.PROCESSES:
        return "too many processes"
    if not confined.isolated and _size(folder) > limits.FOLDER_BYTES:
        return "too much written"
    return ""


def _descendants(confined: Confined, without: int) -> dict[int, int]:
    """The processes that come from this one, but for `without`, and the bytes that each has in memory."""
    if confined.seen is None:
        return {}
    children: dict[int, list[tuple[int, int]]] = {}
    for name in filter(str.isdigit, os.listdir(confined.seen)):
        with contextlib.suppress(OSError, ValueError, IndexError):
            with open(os.open(f"{name}/stat", os.O_RDONLY, dir_fd=confined.seen), "rb") as file:
                fields = file.read().rpartition(b")")[2].split()
            children.setdefault(int(fields[1]), []).append((int(name), int(fields[21]) * os.sysconf("SC_PAGESIZE")))
    found: dict[int, int] = {}
    waiting = [os.getpid()]
    while waiting:
        for one, size in children.get(waiting.pop(), ()):
            if one != without and one not in found:
                found[one] = size
                waiting.append(one)
    return found


def _size(folder: str) -> int:
    size = count = 0
    waiting = [folder]
    while waiting and count <= limits.FOLDER_FILES:
        with contextlib.suppress(OSError), os.scandir(waiting.pop()) as entries:
            for entry in entries:
                count += 1
                with contextlib.suppress(OSError):
                    size += entry.stat(follow_symlinks=False).st_blocks * 512
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(entry.path)
    return size if count <= limits.FOLDER_FILES else limits.FOLDER_BYTES + 1


def _kill(child: int, group: bool = False) -> None:
    with contextlib.suppress(OSError):
        (os.killpg if group else os.kill)(child, signal.SIGKILL)


def _end(confined: Confined, tested: int, tests: int, excess: int | str | None) -> int | str | None:
    """Ends every process of the cell. Returns what the program used too much of, else how it had ended (None: it had not)."""
    ended: int | str | None = excess
    with contextlib.suppress(OSError):
        done, status = os.waitpid(tested, os.WNOHANG)
        if done:
            ended = excess or os.waitstatus_to_exitcode(status)
    if not confined.isolated:
        _kill(tested, group=True)
    _kill(tested)  # the first of its namespace: all others in it end with it
    _kill(tests, group=True)
    _kill(tests)
    if confined.user is not None and not confined.isolated:
        _kill_all_of(confined.user)
    begun = time.monotonic()
    while (taken := time.monotonic() - begun) < _PATIENCE:
        try:
            if os.waitpid(-1, os.WNOHANG)[0] == 0:
                for one in _descendants(confined, 0) if not confined.isolated and taken > _SOON else ():
                    _kill(one)
                time.sleep(0.0005)
        except ChildProcessError:
            break
    return ended


def _kill_all_of(user: int) -> None:
    """Ends all processes of a user at once, which a process of the user can."""
    child = os.fork()
    if child == 0:
        try:
            limits.become(user)
            os.kill(-1, signal.SIGKILL)
        finally:
            os._exit(0)
    with contextlib.suppress(OSError):
        os.waitpid(child, 0)


def _remove(folder: str) -> None:
    """Removes a folder, however deep and whatever a program denied itself; links are removed, never followed.

    Folders within are moved up before they are emptied, so that no path becomes too long.
    """
    moved = 0
    with contextlib.suppress(OSError):
        os.chmod(folder, 0o700)
        while inner := list(os.scandir(folder)):
            for entry in inner:
                if not entry.is_dir(follow_symlinks=False):
                    os.unlink(entry.path)
                    continue
                os.chmod(entry.path, 0o700)
                for one in list(os.scandir(entry.path)):
                    if one.is_dir(follow_symlinks=False):
                        os.chmod(one.path, 0o700)  # who moves a folder writes to it
                        moved += 1
                        os.rename(one.path, os.path.join(folder, f"{_MOVED}{moved}"))
                    else:
                        os.unlink(one.path)
                os.rmdir(entry.path)
        os.rmdir(folder)
