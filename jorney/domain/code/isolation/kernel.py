"""System calls that Python has no function for: namespaces, mounts and privileges, of Linux."""

from __future__ import annotations

import contextlib
import ctypes
import os
import platform

NEW_MOUNTS, NEW_IPC, NEW_USER, NEW_PROCESSES, NEW_NETWORK = 0x00020000, 0x08000000, 0x10000000, 0x20000000, 0x40000000
READ_ONLY, NO_SUID, NO_DEVICES = 1, 2, 4
REMOUNT, BIND, RECURSIVE, PRIVATE = 32, 4096, 16384, 1 << 18
_DETACH = 2
_PARENT_DEATH, _DUMPABLE, _DROP_BOUND, _SUBREAPER, _NO_NEW_PRIVILEGES, _AMBIENT = 1, 4, 24, 36, 38, 47
_CAPABILITIES = 64  # numbers beyond those that a kernel knows are refused, which does no harm
_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41, "riscv64": 41, "ppc64le": 203, "s390x": 217}
_MACHINE = platform.machine()  # now: it may run a program
_libc = ctypes.CDLL(None, use_errno=True)


class NotAllowed(Exception):
    """What the kernel refused, and why."""


def _checked(result: int, what: str) -> None:
    if result < 0:
        raise NotAllowed(f"{what}: {os.strerror(ctypes.get_errno())}")


def _bytes(text: str | None) -> bytes | None:
    return None if text is None else os.fsencode(text)


def unshare(flags: int, what: str) -> None:
    """Gives this process namespaces of its own. Raises NotAllowed, which begins with `what`."""
    _checked(_libc.unshare(ctypes.c_int(flags)), what)


def mount(source: str | None, target: str, kind: str | None = None, flags: int = 0, options: str | None = None) -> None:
    """Mounts something. Raises NotAllowed."""
    result = _libc.mount(_bytes(source), _bytes(target), _bytes(kind), ctypes.c_ulong(flags), _bytes(options))
    _checked(result, f"a mount on {target}")


def unmount(target: str) -> None:
    """Takes a mount away, in use or not. Raises NotAllowed."""
    _checked(_libc.umount2(_bytes(target), _DETACH), f"taking away {target}")


def pivot_root(new: str, old: str) -> None:
    """Makes a mount the root; the former one lies under `old`. Raises NotAllowed."""
    number = _PIVOT_ROOT.get(_MACHINE)
    if number is None:
        raise NotAllowed(f"another root: not known how on {_MACHINE}")
    _checked(_libc.syscall(ctypes.c_long(number), _bytes(new), _bytes(old)), "another root")


def _prctl(option: int, value: int = 0) -> int:
    zero = ctypes.c_ulong(0)
    return int(_libc.prctl(ctypes.c_int(option), ctypes.c_ulong(value), zero, zero, zero))


def die_with_parent() -> None:
    """Has the kernel kill this process when the one that started it ends."""
    _prctl(_PARENT_DEATH, 9)


def adopt_orphans() -> None:
    """Makes this process the parent of what its descendants leave behind."""
    _prctl(_SUBREAPER, 1)


def hide_memory() -> None:
    """Lets no other process of the same user look into this one."""
    _prctl(_DUMPABLE, 0)


def drop_privileges() -> None:
    """Takes from this process every capability, and every way to get one."""
    _prctl(_NO_NEW_PRIVILEGES, 1)
    for number in range(_CAPABILITIES):
        _prctl(_DROP_BOUND, number)
    _prctl(_AMBIENT, 4)
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)
    with contextlib.suppress(NotAllowed):
        _checked(_libc.capset(header, (ctypes.c_uint32 * 6)()), "fewer capabilities")
