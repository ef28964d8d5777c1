"""The types of answers."""

from __future__ import annotations

import dataclasses

from jorney.domain.reading.formula import Formula


@dataclasses.dataclass(frozen=True)
class Expression:
    """A number, exact as it is written (0.33 is 33/100), or an expression with letters and functions."""

    tree: Formula


@dataclasses.dataclass(frozen=True)
class Percent:
    """12.5%."""

    number: Formula


@dataclasses.dataclass(frozen=True)
class Quantity:
    """A number of a unit, or of what is counted.

    Attributes:
      unit: its short name, or the words for what is counted; "" where nothing is named.
      rest: further words, which say what for.
    """

    number: Formula
    unit: str
    rest: str = ""


@dataclasses.dataclass(frozen=True)
class Clock:
    """A time of day; `half` is "a" or "p"."""

    hour: int
    minute: int
    half: str


@dataclasses.dataclass(frozen=True)
class Based:
    """Digits in another base than ten."""

    digits: str
    base: int


@dataclasses.dataclass(frozen=True)
class Wording:
    """A text: its words and formulas, each as one would read it.

    Attributes:
      product: what its letters say beside a formula, where they are few: mx.
    """

    words: tuple[str, ...]
    product: Formula | None = dataclasses.field(default=None, compare=False)


@dataclasses.dataclass(frozen=True)
class Opaque:
    """LaTeX that only math-verify may know, and what cannot be read at all."""

    text: str


@dataclasses.dataclass(frozen=True)
class Tuple:
    """Readings in order, between brackets: a pair, an interval, a ratio (between colons)."""

    opening: str
    items: tuple[Reading, ...]
    closing: str


@dataclasses.dataclass(frozen=True)
class Collection:
    """Readings in any order: a set, or a list of solutions."""

    items: tuple[Reading, ...]


@dataclasses.dataclass(frozen=True)
class Either:
    """Statements of which one holds, in any order: x < 1 or y > 2."""

    items: tuple[Reading, ...]


@dataclasses.dataclass(frozen=True)
class Chain:
    """Expressions that are all equal: 2x = 3y = 6z."""

    parts: tuple[Formula, ...]


@dataclasses.dataclass(frozen=True)
class Region:
    """A union of intervals, or of what else stands between the signs."""

    pieces: tuple[Reading, ...]


@dataclasses.dataclass(frozen=True)
class Matrix:
    """Rows of readings.

    Attributes:
      kind: what stands around them: "matrix" for brackets of any kind, "vmatrix" for a determinant.
    """

    kind: str
    rows: tuple[tuple[Reading, ...], ...]


@dataclasses.dataclass(frozen=True)
class Statement:
    """An equation, an inequality or a membership.

    Attributes:
      name: what it says something of, as written without spaces; "" where that is an expression.
      value: what that is; None where nothing is said so.
      sides: left minus right, for comparing with the same stated otherwise; None where one is no expression.
      sign: "=", "<", "≤" or "≠" between `sides` and 0.
      stands: whether the value alone states the same.
    """

    name: str
    value: Reading | None
    sides: Formula | None
    sign: str
    stands: bool


@dataclasses.dataclass(frozen=True)
class Assignment:
    """Values of several names, in the order of the tuple that they make."""

    values: tuple[tuple[str, Reading], ...]


@dataclasses.dataclass(frozen=True)
class Choice:
    """One of several given answers with its text: (C) 12.

    Attributes:
      apart: whether the text alone says the same; (D) x+1 may be a product.
    """

    letter: str
    text: Reading
    apart: bool


Reading = (
    Expression
    | Percent
    | Quantity
    | Clock
    | Based
    | Wording
    | Opaque
    | Tuple
    | Collection
    | Either
    | Chain
    | Region
    | Matrix
    | Statement
    | Assignment
    | Choice
)

NOTHING = Wording(("no", "solution"))  # the empty set
