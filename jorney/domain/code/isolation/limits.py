"""Limits of a process that runs code of others: what it may use, and as whom it runs."""

from __future__ import annotations

import contextlib
import os
import pwd
import resource
import sys

from jorney.domain.code.isolation import kernel

FILE_BYTES = 32 << 20  # of one file
FOLDER_BYTES = 64 << 20  # of all files
FOLDER_FILES = 4096
OPEN_FILES = 64
PROCESSES = 32


def set_limits(seconds: int, memory: int, processes: int) -> None:
    """Limits this process and what it starts; those that the system refuses, as macOS does some, are left out."""
    for name, value in (
        ("CPU", seconds),
        ("AS", memory),
        ("FSIZE", FILE_BYTES),
        ("NOFILE", OPEN_FILES),
        ("NPROC", processes),
        ("CORE", 0),
        ("MEMLOCK", 0),
        ("MSGQUEUE", 0),
    ):
        number = getattr(resource, f"RLIMIT_{name}", None)
        if number is not None:
            with contextlib.suppress(ValueError, OSError):
                hard = resource.getrlimit(number)[1]
                value = value if hard == resource.RLIM_INFINITY else min(value, hard)
                resource.setrlimit(number, (value, value))


def become(user: int | None) -> None:
    """Becomes another user without groups, where one is given, for good, and gives up all privileges."""
    if user is not None:
        os.setgroups([])
        os.setresgid(user, user, user)
        os.setresuid(user, user, user)
    if sys.platform == "linux":
        kernel.drop_privileges()


def unused_user(beside: int) -> int:
    """A user id, the first of two, that no account and no process has. `beside` is where the search begins."""
    with open("/proc/self/uid_map") as file:
        spans = [tuple(map(int, line.split())) for line in file]
    last = min(max(first + count - 1 for first, _, count in spans), 2_100_000_000)
    running = {os.stat(f"/proc/{name}").st_uid for name in os.listdir("/proc") if name.isdigit() and _there(name)}
    for number in range(last - 1 - 2 * (beside % 2000), 1000, -2):
        if not any(one in running or _known(one) for one in (number, number + 1)):
            return number
    raise kernel.NotAllowed("a user for programs: no id is free")


def _there(name: str) -> bool:
    return os.path.exists(f"/proc/{name}")


def _known(user: int) -> bool:
    try:
        pwd.getpwuid(user)
    except KeyError:
        return False
    return True


def processes_of(user: int) -> int:
    """How many processes a user has: the limit of processes counts them all."""
    count = 0
    for name in filter(str.isdigit, os.listdir("/proc")) if os.path.isdir("/proc") else ():
        with contextlib.suppress(OSError):
            count += os.stat(f"/proc/{name}").st_uid == user
    return count


def readable_by(user: int, folder: str) -> bool:
    """Whether a user can read a folder of this machine; a process that becomes the user tries."""
    child = os.fork()
    if child == 0:
        try:
            become(user)
            os.listdir(folder)
            os._exit(0)
        except BaseException:
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
