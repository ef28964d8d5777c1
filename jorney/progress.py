"""What a person sees while a run goes on: stages, bars and announcements."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable, Iterator
from typing import Any, Protocol

_SILENCE = 30.0  # seconds without a line, in a log file


def _span(seconds: float) -> str:
    """Hours, minutes and seconds, as 1:02:03."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}" if minutes >= 60 else f"{minutes}:{rest:02}"


class Unfinished(Exception):
    """A share of a stage is done, others are not there yet; says how much is missing. What was done stays."""


class Bar(Protocol):
    """Advances by a count, with a short text beside it."""

    def __call__(self, count: int = 1, text: str = "") -> None: ...


class Progress:
    """Bars on a terminal; elsewhere plain lines: the start and end of each stage, and every quarter between.

    Args:
      quiet: says nothing: of several processes one speaks.
    """

    def __init__(self, quiet: bool = False) -> None:
        from rich.console import Console

        self.console: Any = Console(highlight=False, soft_wrap=True, quiet=quiet)

    def say(self, line: str) -> None:
        self.console.print(line, markup=False)

    def announce(self, line: str) -> None:
        """A compilation, or anything else that keeps a person waiting."""
        self.console.print(f"  {line}", style="dim", markup=False)

    @contextlib.contextmanager
    def bar(self, title: str, total: int, done: int = 0) -> Iterator[Bar]:
        """A bar from `done` to `total`."""
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as Bars

        columns = (
            TextColumn("{task.description}"),
            BarColumn(bar_width=20),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[text]}", style="dim"),
        )
        plain = not self.console.is_terminal
        said, reached, last, start = done, done, "", time.monotonic()
        told = start
        with Bars(*columns, console=self.console, transient=True, disable=plain) as bars:
            task = bars.add_task(f"  {title}", total=total, completed=done, text="")

            def advance(count: int = 1, text: str = "") -> None:
                nonlocal said, reached, last, told
                reached, last, now = reached + count, text or last, time.monotonic()
                bars.update(task, advance=count, text=last)
                # In a log file a line at every quarter, and when nothing was said for a while, with whatever text came last.
                if plain and total and (now - told > _SILENCE or (last and 4 * reached // total > 4 * said // total)):
                    said, told = reached, now
                    left = (now - start) * (total - reached) / max(1, reached - done)
                    parts = [f"  {title}: {reached:,} of {total:,}", *([last] if last else []), f"{_span(left)} left"]
                    self.say(", ".join(parts if reached < total else parts[:-1]))

            yield advance

    @contextlib.contextmanager
    def stage(self, name: str, detail: str) -> Iterator[None]:
        self.say(f"{name}: {detail}")
        start = time.perf_counter()
        yield
        self.say(f"{name}: done in {time.perf_counter() - start:.0f} s")


class RunningShare:
    """A share that is told while results come in any order: over as many of the first as are all there.

    What ends first is short, and short texts are right more often: a share of whatever is there would begin far too high.

    Args:
      ids: in their order.
    """

    def __init__(self, ids: Iterable[str]) -> None:
        self._ids, self._found = list(ids), dict[str, tuple[float, int]]()
        self._reached, self._right, self._count = 0, 0.0, 0

    def add(self, one: str, right: float, count: int = 1) -> None:
        """So many of `count` are right."""
        self._found[one] = right, count
        while self._reached < len(self._ids) and self._ids[self._reached] in self._found:
            right, count = self._found.pop(self._ids[self._reached])
            self._reached, self._right, self._count = self._reached + 1, self._right + right, self._count + count

    def told(self, what: str = "right") -> str:
        """Such as "61.8% of the first 312 right"; "" as long as the first is not there."""
        return f"{self._right / self._count:.1%} of the first {self._reached:,} {what}" if self._count else ""
