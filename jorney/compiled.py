"""Programs that say when they compile.

`Program` is `jax.jit` with its compilations made explicit: each new combination of shapes compiles once, ahead of its first
call, is announced, counted and timed. A test that asserts "compiles once" reads the count.
"""

from __future__ import annotations

import dataclasses
import os
import re
import time
from collections import Counter, defaultdict
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

    def program(self, key: Hashable, name: str, function: Callable[..., Any], products: str, **options: Any) -> Program:
        """The program under `key`, with products of this precision, made at its first use."""
        known = (key, products)
        if known not in self.programs:
            self.programs[known] = Program(name, function, self, products, **options)
        return self.programs[known]

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
      products: how exact matrix products are, see `precision.products`.
      options: of `jax.jit`.

    Attributes:
      wanted: how often a form was wanted that is compiled only when it is worth it, by what asks for forms of its own, and by
        whatever names a form.
    """

    def __init__(
        self, name: str, function: Callable[..., Any], compilations: Compilations, products: str, **options: Any
    ) -> None:
        self._name, self._products = name, products
        self._jitted = jax.jit(function, **options)
        self._compilations = compilations
        self._compiled: dict[Any, Any] = {}
        self.wanted: defaultdict[Hashable, Counter[Hashable]] = defaultdict(Counter)

    @property
    def count(self) -> int:
        """Compilations so far."""
        return len(self._compiled)

    def __call__(self, *arguments: Any) -> Any:
        return self.ahead(*arguments)(*arguments)

    def made(self, *arguments: Any) -> Any:
        """What it gives back of arguments, as ShapeDtypeStructs with their shardings."""
        shapes, places = jax.eval_shape(self._jitted, *arguments), self.ahead(*arguments).output_shardings
        return jax.tree.map(lambda leaf, place: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=place), shapes, places)

    def ahead(self, *arguments: Any) -> Any:
        """The program compiled for arguments; ShapeDtypeStructs with shardings may stand in the place of arrays."""
        leaves, structure = jax.tree.flatten(arguments)
        signature = (structure, tuple((leaf.shape, leaf.dtype, getattr(leaf, "sharding", None)) for leaf in leaves))
        if signature not in self._compiled:
            with jax.default_matmul_precision(self._products):  # whatever the process has set
                lower = lambda: self._jitted.lower(*arguments).compile()  # noqa: E731
                self._compiled[signature] = self._compilations.compile(self._name, lower)
        return self._compiled[signature]


_OVER = re.compile(r"HLO temporaries \(([\d.]+)([KMGT])\) exceeds available HBM \(([\d.]+)([KMGT])\)")


def needs_more(error: jax.errors.JaxRuntimeError) -> tuple[int, int] | None:
    """(bytes that a program would need, bytes that there are) of a device, where that is why a TPU's compiler refused it."""
    found = _OVER.search(str(error))
    if "RESOURCE_EXHAUSTED" not in str(error) or found is None:
        return None
    needed, stated = (float(found[at]) * 1024.0 ** "_KMGT".index(found[at + 1]) for at in (1, 3))
    return int(needed), int(stated)


def use_persistent_cache(folder: str | None = None) -> str:
    """Keeps compiled programs on disk between runs; JAX_COMPILATION_CACHE_DIR and JORNEY_CACHE win over the default."""
    default = os.path.join(os.environ.get("JORNEY_CACHE") or os.path.expanduser("~/.cache/jorney"), "jax")
    folder = folder or os.environ.get("JAX_COMPILATION_CACHE_DIR") or default
    os.makedirs(folder, exist_ok=True)
    jax.config.update("jax_compilation_cache_dir", folder)
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.2)
    return folder
