"""Equations, inequalities and memberships: what they say of what."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Sequence

from jorney.domain.reading import forms
from jorney.domain.reading.forms import Reading
from jorney.domain.reading.formula import Formula, UnreadableError, formula, symbols
from jorney.domain.reading.numeric import exact, same_value
from jorney.domain.reading.wording import has_words

_SYMBOL = r"(?:\\[A-Za-z]+|[A-Za-z])(?:_\{?[\w,]+\}?)?'*"
_NAME = re.compile(
    rf"\\frac\{{d[a-z]\}}\{{d[a-z]\}}|{_SYMBOL}(?:\^\{{-1\}})?(?:\([^()]*\))?|[∠△]?\(?\\?[A-Z]{{1,4}}\)?|[m]?(?:∠|\\triangle|\\overline|\\widehat)\{{?[A-Z]{{1,4}}\}}?"
    rf"|\|[A-Z]{{2}}\||\[[A-Z]{{3,}}\]|{_SYMBOL}(?:[-+*:]{_SYMBOL})+"
)
_SINGLE = re.compile(_SYMBOL)
_FLIPPED = {"<": ">", ">": "<", "≤": "≥", "≥": "≤"}


def statement(parts: Sequence[str], signs: Sequence[str], read: Callable[[str], Reading]) -> Reading | None:
    """What is stated by parts with signs between them; None where it is no statement."""
    if any(not part for part in parts):
        return None
    if all(sign in "=≈" for sign in signs):
        return _equation(parts, read)
    if signs == ["∈"]:
        name = _spaceless(parts[0])
        return forms.Statement(name, read(parts[1]), None, "∈", True) if _SINGLE.fullmatch(name) else None
    if len(parts) == 3 and all(sign in "<≤" for sign in signs):
        return _between(parts, signs, read)
    if len(parts) == 3 and all(sign in ">≥" for sign in signs):
        return _between(parts[::-1], [_FLIPPED[sign] for sign in signs[::-1]], read)
    return _compared(parts[0], parts[1], signs[0], read) if len(parts) == 2 else None


def _spaceless(text: str) -> str:
    return re.sub(r"\s+", "", text)


def _tree(text: str) -> Formula | None:
    try:
        return formula(text)
    except UnreadableError:
        return None


def _equation(parts: Sequence[str], read: Callable[[str], Reading]) -> Reading | None:
    trees = [_tree(part) for part in parts]
    names = [part for part in parts if _is_name(part)]
    if len(parts) > 2:
        numbers = [tree for tree in trees if tree is not None and not symbols(tree)]
        if any(not same_value(numbers[0], other) for other in numbers[1:]):
            return None  # 3^2 = 10 says nothing
        if len(names) > 1 and len(names) < len(parts):
            value = read(parts[-1])
            return forms.Assignment(tuple(sorted({_spaceless(name): value for name in names}.items())))
        return _equation([parts[0], parts[-1]], read)
    (left, right), (first, second) = parts, trees
    if re.fullmatch(r"\([A-Za-z](?:,[A-Za-z])+\)", _spaceless(left)):
        return _componentwise(_spaceless(left)[1:-1].split(","), read(right))
    if first is not None and second is not None and not symbols(first) and not symbols(second) and not _is_name(left):
        same = same_value(first, second)
        return forms.Statement("", forms.Expression(second), ("-", first, second), "=", True) if same else None
    if not _is_name(left) and _is_name(right):
        left, right, first, second = right, left, second, first
    sides = ("-", first, second) if first is not None and second is not None else None
    if not _is_name(left):
        return forms.Statement("", None, sides, "=", False) if sides else None
    name, value = _spaceless(left), read(right)
    number = isinstance(value, forms.Expression) and exact(value.tree)
    several = re.search(r"[-+*:]", re.sub(r"\{[^}]*\}", "", name)) is not None and not has_words(left)
    return forms.Statement(name, value, sides, "=", bool(number) if several else True)


def _componentwise(names: Sequence[str], value: Reading) -> Reading | None:
    """(x, y) = (1, 2)."""
    if isinstance(value, forms.Tuple) and len(value.items) == len(names) == len(set(names)):
        return forms.Assignment(tuple(sorted(zip(names, value.items, strict=True), key=lambda pair: pair[0])))
    return value if isinstance(value, forms.Collection) else None  # several pairs


def _is_name(text: str) -> bool:
    """Whether a text names what may have a value: a letter, f(x), AB, a + b, or words."""
    if _NAME.fullmatch(_spaceless(text)):
        return True
    return has_words(text) and re.fullmatch(r"[A-Za-z][\w\s'{}()-]*", text) is not None and _tree(text) is None


def _interval(low: Reading, high: Reading, closed_low: bool, closed_high: bool) -> Reading:
    return forms.Tuple("[" if closed_low else "(", (low, high), "]" if closed_high else ")")


def _infinite(negative: bool) -> Reading:
    return forms.Expression(("neg", ("infinity",)) if negative else ("infinity",))


def _between(parts: Sequence[str], signs: Sequence[str], read: Callable[[str], Reading]) -> Reading | None:
    """low < name < high."""
    name, low, high = _spaceless(parts[1]), read(parts[0]), read(parts[2])
    if not _SINGLE.fullmatch(name):
        return None
    return forms.Statement(name, forms.Region((_interval(low, high, signs[0] == "≤", signs[1] == "≤"),)), None, "<", True)


def _compared(left: str, right: str, sign: str, read: Callable[[str], Reading]) -> Reading | None:
    first, second = _tree(left), _tree(right)
    if first is None or second is None:
        return None
    if sign in ">≥":
        return _compared(right, left, _FLIPPED[sign], read)
    sides: Formula = ("-", first, second)
    for name, other, below in ((left, right, True), (right, left, False)):
        tree = _tree(other)
        if _SINGLE.fullmatch(_spaceless(name)) and tree is not None and not symbols(tree):
            end, closed = read(other), sign == "≤"
            pieces: tuple[Reading, ...]
            if sign == "≠":
                pieces = (_interval(_infinite(True), end, False, False), _interval(end, _infinite(False), False, False))
            elif below:
                pieces = (_interval(_infinite(True), end, False, closed),)
            else:
                pieces = (_interval(end, _infinite(False), closed, False),)
            return forms.Statement(_spaceless(name), forms.Region(pieces), sides, sign, True)
    return forms.Statement("", None, sides, sign, False)


def all_but(points: Sequence[Reading]) -> Reading | None:
    """All numbers but a few, as the intervals between them."""
    values = [exact(point.tree) if isinstance(point, forms.Expression) else None for point in points]
    known = sorted((value, point) for value, point in zip(values, points, strict=True) if value is not None)
    if len(known) < len(points):
        return None
    ends = [_infinite(True), *(point for _, point in known), _infinite(False)]
    return forms.Region(tuple(forms.Tuple("(", pair, ")") for pair in itertools.pairwise(ends)))


def combined(items: Sequence[Reading], either: bool) -> Reading:
    """Several readings as one: solutions of one name, values of several, or a collection.

    Args:
      either: an "or" stood between them.
    """
    flat = [one for item in items for one in (item.items if isinstance(item, forms.Collection) else [item])]
    stated = [one for one in flat if isinstance(one, forms.Statement) and one.name and one.value is not None]
    if len(stated) < len(flat):
        return forms.Collection(tuple(flat))
    names = [one.name for one in stated]
    values = [one.value for one in stated if one.value is not None]
    if len(set(names)) == 1:
        if all(one.sign == "=" for one in stated):
            inner = [one for value in values for one in (value.items if isinstance(value, forms.Collection) else [value])]
            return forms.Statement(names[0], forms.Collection(tuple(inner)), None, "=", True)
        if all(one.sign == "≠" for one in stated) and not either:
            left_out = all_but([value.pieces[0].items[1] for value in values])  # type: ignore[union-attr]
            return forms.Statement(names[0], left_out, None, "≠", True) if left_out else forms.Collection(tuple(flat))
        if either:
            pieces = [one for value in values for one in (value.pieces if isinstance(value, forms.Region) else [value])]
            return forms.Statement(names[0], forms.Region(tuple(pieces)), None, "<", True)
    elif len(set(names)) == len(names) and all(one.sign == "=" for one in stated):
        return forms.Assignment(tuple(sorted(zip(names, values, strict=True), key=lambda pair: pair[0])))
    return forms.Collection(tuple(flat))
