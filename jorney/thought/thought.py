"""A thought as text for training: pieces that know whether they lie on the way, on an excursion, or reflect on one.

Thoughts are written as JSON lines; `longCOT` is the text under the name that the paper's released rows have.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, NamedTuple

PIECES = ("step", "excursion", "reflection", "connective", "conclusion")
KINDS = ("shortcut", "journey", "placebo")


class Piece(NamedTuple):
    """A stretch of a thought.

    Attributes:
      text: as written, line breaks included.
      kind: "step" (on the way to the answer), "excursion" (a step that is walked and left), "reflection" (what was seen at an
        excursion's end, and where it goes back to), "connective" (words between steps) or "conclusion" (the final answer).
    """

    text: str
    kind: str


@dataclasses.dataclass(frozen=True)
class Thought:
    """One shortcut or journey.

    Attributes:
      id: of its problem.
      question, answer: of its problem.
      kind: one of KINDS.
      leaf: the node of the tree that it ends on.
      pieces: the text, in order.
      refiner: who wrote the words between the steps.
      note: why it was not the refiner that was asked.
    """

    id: str
    question: str
    answer: str
    kind: str
    leaf: int
    pieces: tuple[Piece, ...]
    refiner: str = "offline"
    note: str = ""

    @property
    def text(self) -> str:
        return "".join(piece.text for piece in self.pieces)

    @property
    def excursions(self) -> int:
        """How often it goes back."""
        return sum(piece.kind == "reflection" for piece in self.pieces)

    def to_json(self) -> dict[str, Any]:
        """The thought as plain values."""
        return {**dataclasses.asdict(self), "pieces": [list(piece) for piece in self.pieces], "longCOT": self.text}


def from_json(row: Mapping[str, Any], place: str) -> Thought:
    """The thought of `Thought.to_json`.

    Raises:
      ValueError: names `place` and the field.
    """
    fields = {field.name: field for field in dataclasses.fields(Thought)}
    missing = [name for name, field in fields.items() if name not in row and field.default is dataclasses.MISSING]
    if missing:
        raise ValueError(f"{place}: the field {missing[0]!r} is missing: expected a thought, as `jorney derive` writes it")
    pieces = row["pieces"]
    if not isinstance(pieces, list) or not all(_is_piece(piece) for piece in pieces):
        raise ValueError(f"{place}: pieces: expected a list of [text, kind], kind one of {', '.join(PIECES)}")
    if row["kind"] not in KINDS:
        raise ValueError(f"{place}: kind = {row['kind']!r}: expected one of {', '.join(KINDS)}")
    values = {name: row[name] for name in fields if name in row}
    return Thought(**{**values, "pieces": tuple(Piece(*piece) for piece in pieces)})


def _is_piece(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2 and isinstance(value[0], str) and value[1] in PIECES
