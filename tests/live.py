"""What lies on devices: all arrays that are alive, and what a program takes beside them while it runs."""

from __future__ import annotations

import gc
import math
from collections import Counter
from collections.abc import Callable
from typing import Any

import jax

from jorney.compiled import Program


def live_bytes() -> int:
    """Of the fullest device: all arrays that are alive."""
    found: Counter[Any] = Counter({None: 0})
    for array in jax.live_arrays():
        share = math.prod(array.sharding.shard_shape(array.shape)) / max(1, array.size)
        for device in array.sharding.addressable_devices:
            found[device] += round(array.nbytes * share)
    return max(found.values())


def lasting_bytes() -> int:
    """`live_bytes` of what is not waiting to be let go: a figure to measure others against."""
    gc.collect()
    return live_bytes()


def watch_dispatches(monkeypatch: Any, seen: Callable[[str, int, int], None]) -> None:
    """Has `seen` called at every dispatch of a compiled program: its name, the bytes that are alive, and its own.

    Its own are temporaries, and results that take over nothing that it was given.
    """
    call = Program.__call__

    def watched(self: Program, *arguments: Any) -> Any:
        before = live_bytes()
        # Not the most of all that was compiled: some of it was only to see whether more would fit.
        own = _own(self.ahead(*arguments))
        made = call(self, *arguments)
        seen(self._name, before, own)
        return made

    monkeypatch.setattr(Program, "__call__", watched)


def _own(compiled: Any) -> int:
    plan = compiled.memory_analysis()
    return plan.temp_size_in_bytes + plan.output_size_in_bytes - plan.alias_size_in_bytes
