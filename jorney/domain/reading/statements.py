"""Equations, inequalities and memberships: what they say of what."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Collection, Sequence

from jorney.domain.reading import forms
from jorney.domain.reading.forms import Reading
from jorney.domain.reading.formula import APPLIED, Formula, UnreadableError, formula, symbols
from jorney.domain.reading.numeric import decimal, same_value
from jorney.domain.reading.rationals import exact
from jorney.domain.reading.wording import has_words, product_of

_SYMBOL = r"(?:\\[A-Za-z]+|[A-Za-z])(?:_\{?[\w,]+\}?)?'*"
_NAME = re.compile(
    rf"\\frac\{{d[a-z]\}}\{{d[a-z]\}}|{_SYMBOL}(?:\^\{{-1\}})?(?:\([^()]*\))?|[∠△]?\(?\\?[A-Z]{{1,4}}\)?|[m]?(?:∠|\\triangle|\\overline|\\widehat)\{{?[A-Z]{{1,4}}\}}?"
    rf"|\|[A-Z]{{2}}\||\[[A-Z]{{3,}}\]|{_SYMBOL}(?:[-+*:]{_SYMBOL})+"
)
_NEGATED = re.compile(r"(?<![A-Za-z])(?:not|no(?!\.? of)|never|cannot|isn't)(?![A-Za-z])", re.IGNORECASE)
_POLAR = ("r", "\\rho", "\\theta", "\\phi", "\\varphi", "z")  # names of coordinates in their order
_LONGEST_CHAIN = 12
_SINGLE = re.compile(_SYMBOL)
_FLIPPED = {"<": ">", ">": "<", "≤": "≥", "≥": "≤"}


def statement(parts: Sequence[str], signs: Sequence[str], read: Callable[[str], Reading]) -> Reading | None:
    """What is stated by parts with signs between them; None where it is no statement."""
    if any(not part for part in parts):
        return None
    if all(sign in "=≈" for sign in signs):
        return _equation(parts, signs, read)
    if signs == ["∈"]:
        name = _spaceless(parts[0])
        return forms.Statement(name, read(parts[1]), None, "∈", True) if _SINGLE.fullmatch(name) else None
    if len(parts) == 3 and all(sign in "<≤" for sign in signs):
        return _between(parts, signs, read)
    if len(parts) == 3 and all(sign in ">≥" for sign in signs):
        return _between(parts[::-1], [_FLIPPED[sign] for sign in signs[::-1]], read)
    return _compared(parts[0], parts[1], signs[0], read) if len(parts) == 2 else None


def _spaceless(text: str) -> str:
    return re.sub(rf"[\s{APPLIED}]+", "", text)


def _tree(text: str) -> Formula | None:
    try:
        return formula(text)
    except UnreadableError:
        return product_of(text)


def _is_formula(text: str) -> bool:
    try:
        formula(text)
    except UnreadableError:
        return False
    return True


def _rounds(part: str, decimals: str) -> bool:
    """Whether decimals are what a number is about."""
    tree, written = _tree(part), re.fullmatch(r"-?\d+(?:\.(\d+))?", decimals)
    value, other = (decimal(one) if one else None for one in (tree, _tree(decimals)))
    if written is None or value is None or other is None:
        return False
    return bool(abs(value - other) <= 10.0 ** -len(written[1] or ""))


def _equation(parts: Sequence[str], signs: Sequence[str], read: Callable[[str], Reading]) -> Reading | None:
    if _NEGATED.search(parts[0]):
        return None
    if len(parts) > 1 and signs[-1] == "≈" and _rounds(parts[-2], parts[-1]):
        return _equation(parts[:-1], signs[:-1], read) if len(parts) > 2 else read(parts[0])
    trees = [_tree(part) for part in parts]
    names = [part for part in parts if _is_name(part)]
    if len(parts) > 2:
        return _chain(parts, trees, names, read)
    (left, right), (first, second) = parts, trees
    if re.fullmatch(rf"\({_SYMBOL}(?:,{_SYMBOL})+\)", _spaceless(left)):
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
    number = isinstance(value, forms.Expression) and exact(value.tree) is not None
    several = re.search(r"[-+*:]", re.sub(r"\{[^}]*\}", "", name)) is not None and not has_words(left)
    return forms.Statement(name, value, sides, "=", number if several else True)


def _chain(
    parts: Sequence[str], trees: list[Formula | None], names: list[str], read: Callable[[str], Reading]
) -> Reading | None:
    """Equations in a row, of which each counts; None where one cannot be read, or is false."""
    last = read(parts[-1])
    if trees[-1] is None and isinstance(last, forms.Quantity | forms.Percent):
        trees = [*trees[:-1], last.number]
    others = [tree for part, tree in zip(parts, trees, strict=True) if part not in names]
    if any(tree is None for tree in others):
        return None
    numbers = [tree for tree in others if tree is not None and not symbols(tree)]
    if any(not same_value(numbers[0], other) for other in numbers[1:]):
        return None  # 3^2 = 10 says nothing
    if len(names) > 1 and len(numbers) == len(others) > 0:
        return forms.Assignment(tuple(sorted({_spaceless(name): last for name in names}.items())))
    same = all(tree is not None and same_value(others[0], tree) for tree in others[1:] if others[0] is not None)
    if same and len(names) < 2 and (not names or names[0] == parts[0]):
        return _equation([parts[0], parts[-1]], ["="], read)
    known = tuple(tree for tree in trees if tree is not None)
    return forms.Chain(known) if len(known) == len(parts) <= _LONGEST_CHAIN else None


def _componentwise(names: Sequence[str], value: Reading) -> Reading | None:
    """(x, y) = (1, 2)."""
    if (
        isinstance(value, forms.Tuple)
        and value.opening + value.closing == "()"
        and len(value.items) == len(names) == len({*names})
    ):
        return forms.Assignment(tuple(zip(names, value.items, strict=True)))
    return value if isinstance(value, forms.Collection) else None  # several pairs


def _is_name(text: str) -> bool:
    """Whether a text names what may have a value: a letter, f(x), AB, a + b, or words."""
    if _NAME.fullmatch(_spaceless(text)):
        return True
    return has_words(text) and re.fullmatch(r"[A-Za-z][\w\s'{}()-]*", text) is not None and not _is_formula(text)


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


def combined(items: Sequence[Reading], signs: Collection[str]) -> Reading:
    """Several readings as one: solutions of one name, values of several, or a collection.

    Args:
      signs: what stood between them: commas, "and", "or".
    """
    either = "or" in signs
    flat = [one for item in items for one in (item.items if isinstance(item, forms.Collection) else [item])]
    stated = [one for one in flat if isinstance(one, forms.Statement) and one.name and one.value is not None]
    if len(stated) < len(flat):
        several = either and any(isinstance(one, forms.Statement) for one in flat)
        return forms.Either(tuple(flat)) if several else forms.Collection(tuple(flat))
    names = [one.name for one in stated]
    values = [one.value for one in stated if one.value is not None]
    if len(set(names)) == 1:
        if all(one.sign == "=" for one in stated):
            inner = [one for value in values for one in (value.items if isinstance(value, forms.Collection) else [value])]
            return forms.Statement(names[0], forms.Collection(tuple(inner)), None, "=", True)
        if all(one.sign == "≠" for one in stated) and not either:
            left_out = all_but([value.pieces[0].items[1] for value in values])  # type: ignore[union-attr]
            return forms.Statement(names[0], left_out, None, "≠", True) if left_out else forms.Collection(tuple(flat))
        regions = [value if isinstance(value, forms.Region) else forms.Region((value,)) for value in values]
        together = None if either else common(regions)
        if together is not None:
            return forms.Statement(names[0], together, None, "<", True)
        if either or ("and" not in signs and len(regions) == 2):  # x < 1, x > 3 is no common part
            pieces = tuple(piece for region in regions for piece in region.pieces)
            return forms.Statement(names[0], forms.Region(pieces), None, "<", True)
    elif not either and len(set(names)) == len(names) and all(one.sign == "=" for one in stated):
        pairs = list(zip(names, values, strict=True))
        if all(name in _POLAR for name in names):
            pairs.sort(key=lambda pair: _POLAR.index(pair[0]))
        elif all(len(name) == 1 for name in names):
            pairs.sort(key=lambda pair: pair[0])  # y = 1, x = 2 is the point (2, 1)
        return forms.Assignment(tuple(pairs))
    return forms.Either(tuple(flat)) if either else forms.Collection(tuple(flat))


def common(regions: Sequence[forms.Region]) -> forms.Region | None:
    """What regions of one interval each have in common; None where that is nothing, or cannot be told."""
    low, high = _Bound(None, False), _Bound(None, False)
    for region in regions:
        (only, *others) = region.pieces
        if others or not isinstance(only, forms.Tuple) or len(only.items) != 2 or only.opening not in "([":
            return None
        ends = [_Bound(end, closed) for end, closed in zip(only.items, (only.opening == "[", only.closing == "]"), strict=True)]
        if any(end.known is None and not end.infinite for end in ends):
            return None
        low = max(low, ends[0], key=lambda end: (end.known is not None, end.known or 0, not end.closed))
        high = min(high, ends[1], key=lambda end: (end.known is None, end.known or 0, end.closed))
    if low.known is not None and high.known is not None and low.known >= high.known:
        return None
    return forms.Region((_interval(low.end or _infinite(True), high.end or _infinite(False), low.closed, high.closed),))


class _Bound:
    """An end of an interval with its value; None of either for none."""

    def __init__(self, end: Reading | None, closed: bool) -> None:
        self.end, self.closed = end, closed
        self.infinite = end is None or end in (_infinite(True), _infinite(False))
        self.known = None if self.infinite or not isinstance(end, forms.Expression) else decimal(end.tree)
