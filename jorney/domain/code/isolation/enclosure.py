"""What a program can see: no network, and no files but Python's and the system's libraries, which it cannot change."""

from __future__ import annotations

import contextlib
import os
import sys
import sysconfig

from jorney.domain.code.isolation import kernel
from jorney.domain.code.isolation.limits import FOLDER_BYTES, FOLDER_FILES

FOLDER = "/tmp"  # the only one that a program can write to, of its own
_SYSTEM = ("/usr", "/lib", "/lib64", "/lib32", "/bin", "/nix/store", "/etc/ld.so.cache", "/etc/localtime", "/gnu/store")
_DEVICES = ("/dev/null", "/dev/zero", "/dev/urandom", "/dev/random")
_OLD = "/.old"


def enter() -> None:
    """Gives this process, and what it starts, an enclosure. It goes on in a child; the parent waits for that one's end.

    Raises:
      NotAllowed: what the kernel does not allow.
    """
    parts = kernel.NEW_NETWORK | kernel.NEW_MOUNTS | kernel.NEW_IPC
    ours = os.getuid(), os.getgid()
    try:
        kernel.unshare(kernel.NEW_NETWORK, "a network of its own")
        kernel.unshare(parts & ~kernel.NEW_NETWORK, "mounts of its own")
    except kernel.NotAllowed:
        kernel.unshare(parts | kernel.NEW_USER, "a network of its own (network, mount and user namespaces)")
        for name, line in (("setgroups", "deny"), ("uid_map", f"{ours[0]} {ours[0]} 1"), ("gid_map", f"{ours[1]} {ours[1]} 1")):
            with open(f"/proc/self/{name}", "w") as file:
                file.write(line)
    kernel.unshare(kernel.NEW_PROCESSES, "processes of its own")
    child = os.fork()
    if child:
        for descriptor in range(3, 256):
            with contextlib.suppress(OSError):
                os.close(descriptor)
        os._exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) & 255)
    kernel.die_with_parent()
    _change_root()


def _seen() -> list[str]:
    """Files and folders that stay, each as it is called there; none within another."""
    python = [sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")]
    asked = [path for path in (*_SYSTEM, sys.base_prefix, *python) if path and path != "/" and os.path.exists(path)]
    kept: list[str] = []
    for path in sorted(set(asked), key=len):
        if not any(path == one or path.startswith(f"{one}/") for one in kept):
            kept.append(path)
    return kept


def _change_root() -> None:
    """Moves to a root in memory that has nothing but what is seen."""
    kernel.mount(None, "/", flags=kernel.RECURSIVE | kernel.PRIVATE)
    seen = _seen()
    kernel.mount("tmpfs", "/tmp", "tmpfs", kernel.NO_SUID | kernel.NO_DEVICES, "mode=0755,size=4m")
    os.mkdir(f"/tmp{_OLD}")
    kernel.pivot_root("/tmp", f"/tmp{_OLD}")
    os.chdir("/")
    for path in (*seen, *_DEVICES):
        old = _OLD + path
        os.makedirs(os.path.dirname(path), 0o755, exist_ok=True)
        if os.path.islink(old):
            os.symlink(os.readlink(old), path)
        elif os.path.exists(old):
            if os.path.isdir(old):
                os.mkdir(path, 0o755)
            else:
                os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o644))
            kernel.mount(old, path, flags=kernel.BIND | kernel.RECURSIVE)
            if path not in _DEVICES:
                # What a mount is denied already cannot be given back by a user's own namespace.
                kept = os.statvfs(path).f_flag & (kernel.NO_SUID | kernel.NO_DEVICES | os.ST_NOEXEC)
                kernel.mount(None, path, flags=kernel.REMOUNT | kernel.BIND | kernel.READ_ONLY | kernel.NO_SUID | kept)
    for folder in ("/proc", FOLDER):
        os.makedirs(folder, 0o755, exist_ok=True)
    with contextlib.suppress(kernel.NotAllowed):  # where /proc is masked, as in containers; then memory is limited by process
        kernel.mount("proc", "/proc", "proc", kernel.NO_SUID | kernel.NO_DEVICES | os.ST_NOEXEC)
    kernel.unmount(_OLD)
    os.rmdir(_OLD)


def processes_seen() -> int | None:
    """A descriptor of /proc as this process sees it, to be closed before code of others runs; None where there is none."""
    try:
        descriptor = os.open("/proc", os.O_RDONLY | os.O_DIRECTORY)
    except OSError:
        return None
    if os.path.exists(f"/proc/{os.getpid()}/stat"):
        return descriptor
    os.close(descriptor)
    return None


def close() -> None:
    """Hides /proc, and makes the root one that cannot be written to."""
    with contextlib.suppress(kernel.NotAllowed):
        kernel.unmount("/proc")
    kernel.mount(None, "/", flags=kernel.REMOUNT | kernel.BIND | kernel.READ_ONLY | kernel.NO_SUID | kernel.NO_DEVICES)


def own_folder(user: int | None) -> None:
    """Gives this process a FOLDER of its own, in memory and of limited size, which goes with it."""
    kernel.unshare(kernel.NEW_MOUNTS | kernel.NEW_IPC, "mounts of its own")
    owner = os.getuid() if user is None else user
    options = f"mode=0700,size={FOLDER_BYTES},nr_inodes={FOLDER_FILES},uid={owner},gid={os.getgid() if user is None else user}"
    kernel.mount("tmpfs", FOLDER, "tmpfs", kernel.NO_SUID | kernel.NO_DEVICES, options)
