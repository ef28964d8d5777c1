"""A thought as text for training: pieces that know what they are, and which node of a tree or which turn they come from.

Thoughts are written as JSON lines; `longCOT` is the text under the name that the paper's released rows have.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Mapping
from typing import Any, NamedTuple

PIECES = ("step", "excursion", "reflection", "connective", "conclusion")
KINDS = ("shortcut", "journey", "placebo")
CONSTRUCTIONS = ("tree", "propose-critique", "student-teacher", "human")


class Piece(NamedTuple):
    """A stretch of a thought.

    Attributes:
      text: as written, line breaks included.
      kind: "step" (on the way to the answer), "excursion" (a step that is walked and left), "reflection" (what was seen at an
        excursion's end, and where it goes back to), "connective" (words between steps: a recap, a look at what stands) or
        "conclusion" (the final answer).
      node: where it comes from: the node of the tree, of a thought without a tree the turn; of a reflection the node that it
        leaves. None where that is not known: in rows of earlier versions.
      back_to: of a reflection, the node (turn) that it goes back to.
    """

    text: str
    kind: str
    node: int | None = None
    back_to: int | None = None


class Turn(NamedTuple):
    """What was said in a dialogue, or a step of a solution that somebody wrote.

    Attributes:
      role: who: "question", "proposer", "critic", "student", "teacher", "human".
      text: as it was given.
    """

    role: str
    text: str


@dataclasses.dataclass(frozen=True)
class Thought:
    """One shortcut or journey.

    Attributes:
      id: of its problem.
      question, answer: of its problem.
      kind: one of KINDS.
      leaf: the node of the tree (of a thought without a tree the turn) that it ends on.
      pieces: the text, in order.
      refiner: who wrote the words between the steps.
      note: why it was not the refiner that was asked.
      construction: how it came to be; one of CONSTRUCTIONS.
      turns: of a thought that does not come from a tree, what its pieces point to; the first is the question.
    """

    id: str
    question: str
    answer: str
    kind: str
    leaf: int
    pieces: tuple[Piece, ...]
    refiner: str = "offline"
    note: str = ""
    construction: str = "tree"
    turns: tuple[Turn, ...] = ()

    @property
    def text(self) -> str:
        return "".join(piece.text for piece in self.pieces)

    @property
    def spans(self) -> list[tuple[int, int]]:
        """Which characters [start, stop) of the text each piece is."""
        return list(itertools.pairwise(itertools.accumulate((len(piece.text) for piece in self.pieces), initial=0)))

    @property
    def excursions(self) -> int:
        """How often it goes back."""
        return sum(piece.kind == "reflection" for piece in self.pieces)

    def to_json(self) -> dict[str, Any]:
        """The thought as plain values."""
        pieces = [piece[: 4 if piece.back_to is not None else 3 if piece.node is not None else 2] for piece in self.pieces]
        row = {**vars(self), "pieces": list(map(list, pieces)), "turns": list(map(list, self.turns)), "longCOT": self.text}
        return {name: value for name, value in row.items() if name != "turns" or value}


def from_json(row: Mapping[str, Any], place: str) -> Thought:
    """The thought of `Thought.to_json`; rows of earlier versions, whose pieces point nowhere, are read as well.

    Raises:
      ValueError: names `place` and the field.
    """
    fields = {field.name: field for field in dataclasses.fields(Thought)}
    missing = [name for name, field in fields.items() if name not in row and field.default is dataclasses.MISSING]
    if missing:
        raise ValueError(f"{place}: the field {missing[0]!r} is missing: expected a thought, as `jorney derive` writes it")
    for name in ("id", "question", "answer", "refiner", "note"):
        if not isinstance(row.get(name, ""), str):
            raise ValueError(f"{place}: {name} = {row[name]!r:.80}: expected a text")
    if type(row["leaf"]) is not int or row["leaf"] < 0:
        raise ValueError(f"{place}: leaf = {row['leaf']!r:.80}: expected a whole number, 0 or more")
    pieces, turns = row["pieces"], row.get("turns") or []
    if not isinstance(pieces, list) or not pieces or not all(_is_piece(piece) for piece in pieces):
        raise ValueError(
            f"{place}: pieces: expected a list of [text, kind, node], kind one of {', '.join(PIECES)}, and of reflections "
            "[text, kind, node, the node that it goes back to]"
        )
    if not isinstance(turns, list) or not all(isinstance(turn, list) and [*map(type, turn)] == [str, str] for turn in turns):
        raise ValueError(f"{place}: turns: expected a list of [role, text]")
    for name, allowed in (("kind", KINDS), ("construction", CONSTRUCTIONS)):
        if (value := row.get(name, "tree")) not in allowed:
            raise ValueError(f"{place}: {name} = {value!r}: expected one of {', '.join(allowed)}")
    for index, piece in enumerate(pieces):
        if turns and (turn := max((node or 0 for node in piece[2:]), default=0)) >= len(turns):
            raise ValueError(f"{place}: pieces[{index}]: points to turn {turn} of {len(turns)}")
    made: dict[str, Any] = {"pieces": tuple(Piece(*piece) for piece in pieces), "turns": tuple(Turn(*turn) for turn in turns)}
    thought = Thought(**{name: row[name] for name in fields if name in row} | made)
    if row.get("longCOT", thought.text) != thought.text:
        raise ValueError(f"{place}: longCOT: expected the text of the pieces, one after another")
    return thought


def _is_piece(value: Any) -> bool:
    if not isinstance(value, list) or not 2 <= len(value) <= 4 or not isinstance(value[0], str) or value[1] not in PIECES:
        return False
    nodes = all(node is None or (type(node) is int and node >= 0) for node in value[2:])
    return nodes and (len(value) < 4 or (value[1] == "reflection" and value[2] is not None))
