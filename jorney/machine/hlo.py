"""What a compiled program sends between chips, read from its text, loops counted as often as they run.

XLA's own cost analysis takes the body of a loop once and says nothing of collectives.
"""

from __future__ import annotations

import collections
import dataclasses
import math
import re

COLLECTIVES = ("all-gather", "all-reduce", "reduce-scatter", "all-to-all", "collective-permute")
COMPUTATION = re.compile(r"^(?:ENTRY )?%?([\w.\-]+) \(.*\) -> .* \{$")
_COLLECTIVE = re.compile(r" = (.*?) (" + "|".join(COLLECTIVES) + r")(-start)?\(")
_CALLED = re.compile(
    r"(?:calls|to_apply|true_computation|false_computation)=%?([\w.\-]+)|(?:branch|called)_computations=\{([^}]*)\}"
)
WHILE = re.compile(r" while\(.*?condition=%?([\w.\-]+), body=%?([\w.\-]+)")
TRIPS = re.compile(r'"known_trip_count":\{"n":"(\d+)"\}')
CHANNEL = re.compile(r"channel_id=\d+")
LIMIT = re.compile(r" = [su]32\[\][^ ]* constant\((\d+)\)")
_ARRAY = re.compile(r"\b(pred|[suf]\d+|bf16|f8\w*)\[([\d,]*)\]")
_GROUP = re.compile(r"replica_groups=\{\{([\d,]+)\}|replica_groups=\[\d+,(\d+)\]")
# {'a'}, or {'a':(2)4}: 4 parts of the axis, behind 2; where devices are in another order, device_ids=([4,2]T(1,0)) before it.
_MESH_GROUP = re.compile(r"replica_groups=mesh\[([^\]]*)\](?:, device_ids=\(\S*\))? \{([^}]*)\}")


@dataclasses.dataclass
class Traffic:
    """Collectives of one kind.

    Attributes:
      count: how often one runs.
      bytes: that a chip sends.
    """

    count: int = 0
    bytes: float = 0.0


def collective_traffic(text: str, unknown_trips: int = 1, scope: str = "") -> dict[str, Traffic]:
    """Kind of collective -> what a chip sends with it in one run of a program.

    Args:
      text: of `Compiled.as_text()`.
      unknown_trips: how often a loop runs of which the text does not tell.
      scope: of `jax.named_scope`: only what was traced in it counts.
    """
    own: dict[str, list[tuple[str, float]]] = collections.defaultdict(list)
    channels: set[str] = set()  # one that is spread over several fusions stands in each of them
    calls: dict[str, list[tuple[str, int]]] = collections.defaultdict(list)
    limits = collections.Counter[str]()  # the largest number that a computation, a loop's condition, compares with
    entry, name = "", ""
    loops: list[tuple[str, str, str]] = []
    for line in text.splitlines():
        if head := COMPUTATION.match(line):
            name = head[1]
            entry = name if line.startswith("ENTRY") else entry
            continue
        if not name:
            continue
        if found := _COLLECTIVE.search(line):
            if scope and not is_within(scope, line):
                continue
            channel = CHANNEL.search(line)
            if channel and channel[0] in channels:
                continue
            channels |= {channel[0]} if channel else set()
            own[name].append((found[2], bytes_sent(found[2], found[1], bool(found[3]), line)))
        elif loop := WHILE.search(line):
            known = TRIPS.search(line)
            if known:
                calls[name].append((loop[2], int(known[1])))
            else:
                loops.append((name, loop[1], loop[2]))
            continue
        elif number := LIMIT.search(line):
            limits[name] = max(limits[name], int(number[1]))
        for called in _CALLED.finditer(line):
            names = [called[1]] if called[1] else [one.strip().lstrip("%") for one in called[2].split(",")]
            calls[name] += [(one, 1) for one in names]
    for where, condition, body in loops:
        calls[where].append((body, limits[condition] or unknown_trips))
    times = collections.Counter[str]()

    def visit(computation: str, often: int) -> None:
        times[computation] += often
        for called, trips in calls[computation]:
            visit(called, often * trips)

    visit(entry, 1)
    traffic: dict[str, Traffic] = collections.defaultdict(Traffic)
    for computation, often in times.items():
        for kind, sent in own[computation]:
            traffic[kind].count += often
            traffic[kind].bytes += often * sent
    return dict(traffic)


def bytes_sent(kind: str, shape: str, starts: bool, line: str) -> float:
    """Bytes that a chip sends, by the ring algorithms."""
    sizes = arrays_of(shape)
    ways = ways_of(line)
    share = (ways - 1) / ways
    if kind == "collective-permute":
        return sizes[0]
    if kind == "all-gather":
        return share * (max(sizes) if starts else sum(sizes))  # a start's result holds what goes in as well
    if kind == "reduce-scatter":
        return share * ways * sum(sizes)
    return (2 if kind == "all-reduce" else 1) * share * (sum(sizes) / (2 if starts and kind != "all-reduce" else 1))


def is_within(scope: str, line: str) -> bool:
    """Whether an instruction was traced in a `jax.named_scope`, or in a module of this name."""
    return re.search(rf'op_name="[^"]*/{scope}/', line) is not None


def ways_of(line: str) -> int:
    """How many chips take part in a collective."""
    if group := _GROUP.search(line):
        return len(group[1].split(",")) if group[1] else int(group[2])
    if group := _MESH_GROUP.search(line):
        sizes = dict(re.findall(r"'([^']+)'=(\d+)", group[1]))
        axes = re.findall(r"'([^']+)'(?::\(\d+\)(\d+))?", group[2])
        return math.prod(int(part or sizes[axis]) for axis, part in axes)
    return 1


def arrays_of(shape: str) -> list[float]:
    """Bytes of each array of an instruction's shape."""
    return [nbytes(dtype, dims) for dtype, dims in _ARRAY.findall(shape)]


def sizes_of(shape: str) -> list[list[int]]:
    """The axes of each array of an instruction's shape."""
    return [[int(size) for size in dims.split(",") if size] for _, dims in _ARRAY.findall(shape)]


def nbytes(dtype: str, dims: str) -> float:
    """Of an array, as a program's text writes its dtype and its axes."""
    bits = {"pred": 8, "bf16": 16}.get(dtype) or int(re.findall(r"\d+", dtype)[0])
    return math.prod(int(size) for size in dims.split(",") if size) * bits / 8
