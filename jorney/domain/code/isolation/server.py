"""A small process that starts a cell for every program, so that none has to start Python; it reads nothing that is asked."""

from __future__ import annotations

import contextlib
import gc
import importlib
import os
import signal
import socket
import sys
import sysconfig
import warnings

from jorney.domain.code.isolation import cell, enclosure, frames, kernel, limits

# What programs and tests import most: they find it loaded.
_USED = (
    "abc array bisect cmath collections collections.abc contextlib copy dataclasses datetime decimal enum fractions functools "
    "hashlib heapq inspect io itertools json math numbers operator os.path queue random re statistics string struct textwrap "
    "time traceback types typing unicodedata"
)


def serve(descriptor: int, isolated: bool, memory: int, seconds: int) -> None:
    """The process's program: starts a cell for each pair of sockets that comes, until the connection closes."""
    control = socket.socket(fileno=descriptor)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for name in _USED.split():
        importlib.import_module(name)
    warnings.simplefilter("ignore")
    try:
        confined = _confined(isolated, memory, seconds)
    except (kernel.NotAllowed, OSError) as error:
        frames.write(control, {"refused": str(error)})
        os._exit(0)
    os.environ.clear()
    os.environ.update({"PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8", "PYTHONHASHSEED": "0"})
    kept = {os.path.realpath(path) for name in ("stdlib", "platstdlib", "purelib", "platlib") if (path := _path(name))}
    lib = os.path.dirname(_path("stdlib"))
    own = [path for path in sys.path if os.path.realpath(path) in kept or os.path.dirname(path).startswith(lib)]
    sys.path[:] = own
    gc.collect()
    gc.freeze()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # cells are not waited for
    frames.write(control, {"ready": True})
    while True:
        try:
            _, descriptors, _, _ = socket.recv_fds(control, 1, 2)
        except OSError:
            descriptors = []
        if not descriptors:
            os._exit(0)
        if os.fork() == 0:
            life, asker = (socket.socket(fileno=one) for one in descriptors)
            cell.run(confined, life, asker, control)
        for one in descriptors:
            os.close(one)


def _path(name: str) -> str:
    return sysconfig.get_path(name) or ""


def _confined(isolated: bool, memory: int, seconds: int) -> cell.Confined:
    """Enters what programs are to run in. Raises NotAllowed, or OSError, where the machine does not allow it."""
    if isolated and sys.platform != "linux":
        raise kernel.NotAllowed(f"namespaces: {sys.platform} has none")
    if isolated:
        enclosure.enter()
    user = None
    running = limits.PROCESSES
    if os.getuid() == 0 and sys.platform == "linux":
        with contextlib.suppress(OSError, kernel.NotAllowed, ValueError):
            user = limits.unused_user(int.from_bytes(os.urandom(2), "big"))
        # Without an enclosure Python's own files may lie where only root can read them.
        if user is not None and not limits.readable_by(user, _path("stdlib")):
            user = None
    if user is None:
        running += limits.processes_of(os.getuid())
    processes = enclosure.processes_seen() if sys.platform == "linux" else None
    if isolated:
        enclosure.close()
    elif sys.platform == "linux":
        kernel.adopt_orphans()
    return cell.Confined(isolated, memory, seconds, running, user, processes)
