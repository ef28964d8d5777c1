"""Programs that say when they compile.

`Program` is `jax.jit` with its compilations made explicit: each new combination of shapes compiles once, ahead of its first
call, is announced, counted and timed. A test that asserts "compiles once" reads the count.
"""

from __future__ import annotations

import dataclasses
import os
import time
from collections.abc import Callable, Hashable
from typing import Any

import jax

Announce = Callable[[str], None]


@dataclasses.dataclass
class Compilations:
    """What was compiled in a run.

    Attributes:
      announce: called with a line of text before each compilation.
      names, seconds: of those compiled so far.
      programs: shared by everything in the run that needs the same one, under a key of everything it depends on.
    """

    announce: Announce = lambda line: None
    names: list[str] = dataclasses.field(default_factory=list)
    seconds: list[float] = dataclasses.field(default_factory=list)
    programs: dict[Hashable, Program] = dataclasses.field(default_factory=dict)

    def program(self, key: Hashable, name: str, function: Callable[..., Any], **options: Any) -> Program:
        """The program under `key`, made at its first use."""
        if key not in self.programs:
            self.programs[key] = Program(name, function, self, **options)
        return self.programs[key]

    def compile(self, name: str, lowered: Callable[[], Any]) -> Any:
        self.announce(f"compiling {name} ({len(self.names) + 1})")
        start = time.perf_counter()
        compiled = lowered()
        self.names.append(name)
        self.seconds.append(time.perf_counter() - start)
        return compiled


class Program:
    """A jitted function whose compilations are explicit.

    Args:
      name: for announcements.
      function: positional arguments only.
      compilations: where to report.
      options: of `jax.jit`.
    """

    def __init__(self, name: str, function: Callable[..., Any], compilations: Compilations, **options: Any) -> None:
        self._name = name
        self._jitted = jax.jit(function, **options)
        self._compilations = compilations
        self._compiled: dict[Any, Any] = {}

    @property
    def count(self) -> int:
        """Compilations so far."""
        return len(self._compiled)

    def __call__(self, *arguments: Any) -> Any:
        leaves, structure = jax.tree.flatten(arguments)
        signature = (structure, tuple((leaf.shape, leaf.dtype, getattr(leaf, "sharding", None)) for leaf in leaves))
        if signature not in self._compiled:
            lower = lambda: self._jitted.lower(*arguments).compile()  # noqa: E731
            self._compiled[signature] = self._compilations.compile(self._name, lower)
        return self._compiled[signature](*arguments)


def use_persistent_cache(folder: str | None = None) -> str:
    """Keeps compiled programs on disk between runs; JAX_COMPILATION_CACHE_DIR and JORNEY_CACHE win over the default."""
    default = os.path.join(os.environ.get("JORNEY_CACHE") or os.path.expanduser("~/.cache/jorney"), "jax")
    folder = folder or os.environ.get("JAX_COMPILATION_CACHE_DIR") or default
    os.makedirs(folder, exist_ok=True)
    jax.config.update("jax_compilation_cache_dir", folder)
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.2)
    return folder
