"""Equality of readings, type by type; across types only where a rule says so."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from fractions import Fraction
from typing import Any

from jorney.domain.reading import forms
from jorney.domain.reading.forms import Reading
from jorney.domain.reading.formula import Formula, symbols
from jorney.domain.reading.numeric import ratio, same_value


def equal(a: Reading, b: Reading) -> bool:
    """Whether two readings say the same. Symmetric: of two types the weightier one stands for what it says, never both."""
    if type(a) is type(b):
        return a == b or _SAME[type(a)](a, b)
    for word, formula in ((a, b), (b, a)):
        if isinstance(word, forms.Wording) and isinstance(formula, forms.Expression):
            return word.product is not None and same_value(word.product, formula.tree)
    if _weight(a) < _weight(b):
        a, b = b, a
    return _weight(a) > _weight(b) and any(equal(one, b) for one in _stands_for(a))


def _weight(reading: Reading) -> int:
    return _WEIGHT.index(next(types for types in _WEIGHT if isinstance(reading, types)))


# Lighter first; readings of one weight are not comparable.
_WEIGHT: tuple[tuple[type, ...], ...] = (
    (forms.Expression, forms.Wording, forms.Opaque),
    (forms.Percent, forms.Quantity, forms.Clock, forms.Based),
    (forms.Tuple,),
    (forms.Matrix,),
    (forms.Collection, forms.Either, forms.Chain),
    (forms.Region,),
    (forms.Assignment,),
    (forms.Statement,),
    (forms.Choice,),
)


def _stands_for(reading: Reading) -> Iterable[Reading]:
    """What of another type a reading says as well."""
    match reading:
        case forms.Percent(number):
            return [forms.Expression(number), forms.Expression(("/", number, ("num", Fraction(100))))]
        case forms.Quantity(number):
            return [forms.Expression(number)]
        case forms.Tuple(opening, (only,), _) if opening in "(":
            return [only]
        case forms.Matrix("matrix", rows) if len(rows) > 1 and all(len(row) == 1 for row in rows):
            return [forms.Tuple("(", tuple(row[0] for row in rows), ")")]  # a vector
        case forms.Collection((only,)) if not isinstance(only, forms.Collection) and only != forms.NOTHING:
            fractional = isinstance(only, forms.Expression) and symbols(only.tree)  # {x} is a part of x
            return [] if fractional else [only]
        case forms.Region((only,)):
            return [only]
        case forms.Assignment(values):
            own = tuple(value for _, value in values)
            numbered = len({name.partition("_")[0] for name, _ in values}) == 1  # x_1 and x_2 are solutions
            return [forms.Tuple("(", own, ")"), *([forms.Collection(own)] if numbered else [])]
        case forms.Statement(_, value, _, _, True) if value is not None:
            return [value]
        case forms.Choice(letter, text, apart):
            return [forms.Expression(("sym", letter)), *([text] if apart else [])]
    return []


def _in_order(a: tuple[Reading, ...], b: tuple[Reading, ...]) -> bool:
    return len(a) == len(b) and all(equal(x, y) for x, y in zip(a, b, strict=True))


def _in_any_order(a: tuple[Reading, ...], b: tuple[Reading, ...]) -> bool:
    """Whether each has its equal, one to one. A set within is never what it holds."""
    if len(a) != len(b):
        return False
    left = list(b)
    for one in a:
        own = isinstance(one, forms.Collection)
        alike = (isinstance(other, forms.Collection) == own and equal(one, other) for other in left)
        found = next((index for index, same in enumerate(alike) if same), None)
        if found is None:
            return False
        del left[found]
    return True


def _quantities(a: forms.Quantity, b: forms.Quantity) -> bool:
    rests = a.rest == b.rest or not (a.rest and b.rest)
    return a.unit == b.unit and rests and same_value(a.number, b.number)


def _tuples(a: forms.Tuple, b: forms.Tuple) -> bool:
    if len(a.items) == 1 or len(b.items) == 1:
        return len(a.items) == len(b.items) and a.opening == b.opening and equal(a.items[0], b.items[0])
    return (a.opening, a.closing) == (b.opening, b.closing) and _in_order(a.items, b.items)


def _matrices(a: forms.Matrix, b: forms.Matrix) -> bool:
    return a.kind == b.kind and len(a.rows) == len(b.rows) and all(map(_in_order, a.rows, b.rows))


def _assignments(a: forms.Assignment, b: forms.Assignment) -> bool:
    first, second = dict(a.values), dict(b.values)
    return first.keys() == second.keys() and all(equal(value, second[name]) for name, value in first.items())


def _statements(a: forms.Statement, b: forms.Statement) -> bool:
    if a.name == b.name and a.value is not None and b.value is not None:
        return equal(a.value, b.value)
    if a.sides is None or b.sides is None or a.sign != b.sign:
        return False
    constant = ratio(a.sides, b.sides)
    return constant is not None and (a.sign in "=≠" or (not getattr(constant, "imag", 0) and constant > 0))


def _chains(a: forms.Chain, b: forms.Chain) -> bool:
    """Whether the parts are the same, or a multiple, in any order."""
    if len(a.parts) != len(b.parts):
        return False
    first, second = ([("*", part, ("sym", "=")) for part in chain.parts] for chain in (a, b))  # numbers alone have no ratio
    constants = (ratio(first[0], other) for other in second)
    return any(constant is not None and _multiples(first, second, constant) for constant in constants)


def _multiples(parts: list[Formula], others: list[Formula], constant: Any) -> bool:
    left = list(others)
    for part in parts:
        found = next((k for k, other in enumerate(left) if _is_constant(ratio(part, other), constant)), None)
        if found is None:
            return False
        del left[found]
    return True


def _is_constant(found: Any, constant: Any) -> bool:
    return found is not None and abs(found - constant) < 1e-25 * abs(constant)


def _choices(a: forms.Choice, b: forms.Choice) -> bool:
    return a.letter == b.letter and equal(a.text, b.text)


def _never(a: Any, b: Any) -> bool:
    return False  # these are equal where they are the same


_SAME: dict[type, Callable[[Any, Any], bool]] = {
    forms.Expression: lambda a, b: same_value(a.tree, b.tree),
    forms.Percent: lambda a, b: same_value(a.number, b.number),
    forms.Quantity: _quantities,
    forms.Clock: _never,
    forms.Based: _never,
    forms.Wording: _never,
    forms.Opaque: _never,
    forms.Matrix: _matrices,
    forms.Tuple: _tuples,
    forms.Collection: lambda a, b: _in_any_order(a.items, b.items),
    forms.Either: lambda a, b: _in_any_order(a.items, b.items),
    forms.Chain: _chains,
    forms.Region: lambda a, b: _in_any_order(a.pieces, b.pieces),
    forms.Assignment: _assignments,
    forms.Statement: _statements,
    forms.Choice: _choices,
}
