"""Mixing thoughts with what people wrote, at a stated share: a set that a model made of itself alone loses its variety."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Sequence
from typing import NamedTuple

from jorney.config import expect_number, expect_one_of

BY = ("rows", "words")


@dataclasses.dataclass(frozen=True)
class MixConfig:
    """How two sets are mixed.

    Attributes:
      share: of the mixture that people wrote, 0 to 1.
      by: what the share counts: "rows", or "words" (lengths differ, and loss is counted by tokens).
      repeat: whether human rows are taken more than once where there are too few; else made ones are left out.
    """

    share: float = 0.2
    by: str = "rows"
    repeat: bool = False

    def __post_init__(self) -> None:
        expect_number(self, "mix", "share", least=0, most=1)
        expect_one_of(BY, self, "mix", "by")


class Mixture(NamedTuple):
    """A mixture.

    Attributes:
      chosen: ("made" or "human", index in its set), in the order in which they are to be written.
      share: that people wrote, as the configuration counts it.
    """

    chosen: list[tuple[str, int]]
    share: float


def mix(made: Sequence[float], human: Sequence[float], config: MixConfig, seed: int) -> Mixture:
    """The largest mixture of two sets with the stated share, to within one row.

    Which rows are taken, and their order, follow from the seed alone. All of one set is taken, and of the other as much as the
    share asks for.

    Args:
      made, human: sizes of the rows in words; with `by` = "rows" their number alone counts.

    Raises:
      ValueError: one set is empty although the share asks for some of it.
    """
    for name, rows, asked in (("made", made, config.share < 1), ("human", human, config.share > 0)):
        if asked and not rows:
            raise ValueError(f"mix.share = {config.share}: expected some {name} rows, there are none")
    sizes = {
        name: [1.0] * len(rows) if config.by == "rows" else [float(max(1, size)) for size in rows]
        for name, rows in (("made", made), ("human", human))
    }
    total = {name: sum(of) for name, of in sizes.items()}
    wanted = dict(total)
    if config.share == 1:
        wanted["made"] = 0.0
    elif total["made"] * (ratio := config.share / (1 - config.share)) <= total["human"] or config.repeat:
        wanted["human"] = total["made"] * ratio
    else:
        wanted["made"] = total["human"] / ratio
    chosen = [(name, index) for name in ("made", "human") for index in _take(sizes[name], wanted[name], f"{seed}/{name}")]
    got = {name: sum(sizes[name][index] for kind, index in chosen if kind == name) for name in sizes}
    order = _shuffled(len(chosen), f"{seed}/order")
    return Mixture([chosen[place] for place in order], got["human"] / max(1.0, sum(got.values())))


def _take(sizes: Sequence[float], wanted: float, seed: str) -> list[int]:
    """Indices whose sizes add up to what is wanted, to within half the last one; over and over where all are too little."""
    found: list[int] = []
    total, turn = 0.0, 0
    while sizes and total < wanted:
        for index in _shuffled(len(sizes), f"{seed}/{turn}"):
            if total + sizes[index] / 2 > wanted:
                return found
            found.append(index)
            total += sizes[index]
        turn += 1
    return found


def _shuffled(count: int, seed: str) -> list[int]:
    """The indices in the order of a hash of the seed and the index: the same on every platform and version."""
    return sorted(range(count), key=lambda index: hashlib.blake2b(f"{seed}/{index}".encode(), digest_size=8).digest())
