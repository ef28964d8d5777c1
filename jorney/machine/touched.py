"""Bytes of a chip's memory that an instruction of a compiled program reads and writes.

What lies in a TPU's vector memory is not counted: it was when it was brought there. Of an array that is only sliced, what is
taken counts; of one that is updated where it lies, what is new.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterator, Mapping, Sequence

from jorney.machine.hlo import nbytes

_NAMED = re.compile(r"^\s*(ROOT )?%?([\w.\-]+) = (.*)$")
_PLACED = re.compile(r"\b(pred|[suf]\d+|bf16|f8\w*)\[([\d,]*)\](?:\{([^}]*)\})?")
_PARAMETER = re.compile(r"parameter\((\d+)\)")
_TAKES = ("slice", "dynamic-slice", "gather")
_UPDATES = {"dynamic-update-slice": 1, "scatter": 2}  # which of its operands is new
_SAME = ("bitcast", "get-tuple-element", "opt-barrier")


@dataclasses.dataclass(frozen=True)
class Instruction:
    """A line of a computation.

    Attributes:
      shape: of its result, layouts included.
      given: names of its operands.
    """

    name: str
    shape: str
    kind: str
    given: list[str]
    line: str
    is_root: bool


def instructions(lines: Sequence[str]) -> Iterator[Instruction]:
    """Those of a computation."""
    for line in lines:
        if not (named := _NAMED.match(line)):
            continue
        rest, depth, at = named[3], 0, 0
        for at, sign in enumerate(rest):  # noqa: B007
            depth += (sign in "([{") - (sign in ")]}")
            if not depth and sign == " ":
                break
        shape, call = rest[:at], rest[at + 1 :]
        if kind := re.match(r"[a-z][a-z\-]*(?=\()", call):
            given = re.findall(r"%([\w.\-]+)", call[len(kind[0]) + 1 :].partition(")")[0])
            yield Instruction(named[2], shape, kind[0], given, line, bool(named[1]))


def in_memory(shape: str) -> list[float]:
    """Bytes of each array of a shape that lies in the chip's memory; 0 where it is in another."""
    return [0.0 if "S(" in layout else nbytes(dtype, sizes) for dtype, sizes, layout in _PLACED.findall(shape)]


def touched(one: Instruction, given: Sequence[str], fused: Sequence[Instruction] = ()) -> float:
    """Bytes that an instruction touches.

    Args:
      given: shapes of its operands.
      fused: what it runs, where it is a fusion.
    """
    if fused:
        return _of_fusion(given, fused)
    if one.kind == "slice-start":  # (of, the slice): read, and written where it is to lie in memory
        source, part = in_memory(one.shape)[:2]
        return (nbytes(*_PLACED.findall(one.shape)[1][:2]) if source else 0.0) + part
    if one.kind == "copy-start":  # (to, from)
        return sum(in_memory(one.shape)[:2])
    if one.kind in _TAKES:
        return 2 * sum(in_memory(one.shape))
    if one.kind in _UPDATES:
        return 2 * sum(in_memory(given[_UPDATES[one.kind]]))
    return sum(map(sum, map(in_memory, (one.shape, *given))))


def _of_fusion(given: Sequence[str], fused: Sequence[Instruction]) -> float:
    named = {one.name: one for one in fused}

    def origin(name: str) -> str:
        """Of what is only named anew, the instruction behind it."""
        while (one := named.get(name)) is not None and one.kind in _SAME and one.given:
            name = one.given[0]
        return name

    read = 0.0
    for one in fused:
        if one.kind != "parameter":
            continue
        number = _PARAMETER.search(one.line)
        assert number is not None
        whole = sum(in_memory(given[int(number[1])])) if int(number[1]) < len(given) else 0.0
        uses = [use for use in fused if use.kind not in _SAME and one.name in map(origin, use.given)]
        firsts = all(origin(use.given[0]) == one.name for use in uses)
        if uses and firsts and all(use.kind in _TAKES for use in uses):
            whole = min(whole, sum(_size(use.shape) for use in uses))
        elif uses and firsts and all(use.kind in _UPDATES for use in uses):
            whole = 0.0
        read += whole
    return read + _written(next(one for one in fused if one.is_root), named, origin)


def _written(root: Instruction, named: Mapping[str, Instruction], origin: Callable[[str], str]) -> float:
    source = named.get(origin(root.name), root)
    if source.kind == "tuple":
        return sum(_written(named[name], named, origin) for name in source.given if name in named)
    if source.kind in _UPDATES and any(in_memory(root.shape)):
        return _size(named[source.given[_UPDATES[source.kind]]].shape)
    return sum(in_memory(root.shape))


def _size(shape: str) -> float:
    return sum(nbytes(dtype, sizes) for dtype, sizes, _ in _PLACED.findall(shape))
