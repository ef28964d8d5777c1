"""Chat templates are programs of other people: how long one may run, and how much memory it may take."""

from __future__ import annotations

import contextlib
import functools
import sys
from collections.abc import Iterator

from jorney.config import within

SECONDS = 10  # of one chat, which takes some thousandths of one
_BYTES = 1 << 30  # more than the process has already
LONGEST = 1 << 26  # characters of a chat: as many as a row may have bytes


@contextlib.contextmanager
def bounded(template: object) -> Iterator[None]:
    """Raises TimeoutError, MemoryError or ValueError in a template that would run without end or fill the memory.

    What it makes is held against the memory of the process: there are more ways to double a text than could be listed.
    """
    if isinstance(template, str) and _takes_powers(template):  # nothing stops Python while it takes one
        raise ValueError("it takes powers (**): expected a template that writes messages")
    with within(SECONDS), _memory():
        try:
            yield
        except MemoryError:
            raise MemoryError(f"it takes more than {_BYTES >> 20:,} MiB: expected a template that writes messages") from None


@functools.lru_cache(maxsize=64)
def _takes_powers(template: str) -> bool:
    """Whether ** stands behind a value: behind a bracket or a comma it hands on a function's arguments."""
    if "**" not in template:
        return False
    import jinja2

    before = ""
    try:
        for _, kind, text in jinja2.Environment().lex(template):
            if kind == "operator" and text == "**" and before not in ("(", ","):
                return True
            before = before if kind == "whitespace" else text
    except jinja2.TemplateSyntaxError:  # whoever compiles it says so
        return False
    return False


@contextlib.contextmanager
def _memory() -> Iterator[None]:
    """Has allocations fail that need much more than the process has now, where the system can."""
    if sys.platform != "linux":
        yield
        return
    import resource

    with open("/proc/self/statm") as file:
        now = int(file.read().split()[0]) * resource.getpagesize()
    soft, hard = before = resource.getrlimit(resource.RLIMIT_AS)
    most = now + _BYTES
    resource.setrlimit(resource.RLIMIT_AS, (most if soft == resource.RLIM_INFINITY else min(soft, most), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)
