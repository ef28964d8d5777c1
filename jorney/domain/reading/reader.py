"""Answers by their types: what a text says, as one reading, or as the few that it may have."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable
from fractions import Fraction

from jorney.domain.reading import forms
from jorney.domain.reading.forms import Reading
from jorney.domain.reading.formula import APPLIED, FUNCTIONS, Formula, UnreadableError, formula, symbols
from jorney.domain.reading.notation import applied, numbers_joined, plain, split_at
from jorney.domain.reading.rationals import exact
from jorney.domain.reading.statements import all_but, combined, statement
from jorney.domain.reading.units import MULTIPLIERS, unit_of
from jorney.domain.reading.wording import has_words, product_of, spelled, words_of

_MONEY = "＄€£¥₹"
_CHOICE = re.compile(r"(?:\(\s*([A-J])\s*\)|([A-J])\s*[.):](?=\s|\d))\s*([.:]?)\s*(\S.*)")
# What makes more of a choice than its letter and its text: another choice, a formula that goes on, a no.
_NO_CHOICE = re.compile(
    r"^[-+*/^=<>≤≥≠,;_!∪&]|\(\s*[A-J]\s*\)|(?<![A-Za-z\\])[A-J]\s*[.):](?!\d)|\(\s*[IVX]+\s*\)|^[A-J]$"
    r"|(?i:(?<![A-Za-z])(?:and|or|not|nor|no|isn't|incorrect|false|wrong|untrue|except|neither|never)(?![A-Za-z]))"
)
_CLOCK = re.compile(r"(\d{1,2})(?::(\d\d))?\s*([ap])\.?\s?m\.?", re.IGNORECASE)
_BASED = re.compile(r"([+-]?)\(?\s*(\d[\dA-Z]*|[A-F][\dA-F]+)\s*\)?\s*_\s*(?:\{\s*)?(\d+|[a-z]+)(?:\s*\})?")
_BASES = {"two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9, "ten": 10}
_BASES |= {"eleven": 11, "twelve": 12, "sixteen": 16}
_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_PARTS = re.compile(r"\(\d\)(\s*\(\d\))+")  # statements (1) and (2), no product
_MATRIX = re.compile(r"(.*?)\\begin\{([pbBvV]?matrix|smallmatrix|array)\}\s*(?:\{[lcr|\s]*\})?(.*)\\end\{\2\}(.*)", re.DOTALL)
_EQUATIONS = re.compile(r"\\begin\{(cases|aligned|array)\}(?:\{[lcr]*\})?([^&]*)\\end\{\1\}")
_DEEPEST = 8
_LONGEST = 400  # items of a list


def readings(answer: str, functions: frozenset[str] = frozenset()) -> tuple[Reading, ...]:
    """What an answer may say; more than one reading where 120,144 is a number or a list, or m a unit or a letter.

    Args:
      functions: letters that are functions before brackets, besides those that always are.
    """
    text = applied(re.sub(r"^\(?([A-J])\)$", r"\1", plain(answer)), functions)
    found = [one for variant in numbers_joined(text) for one in _alternatives(variant)]
    return tuple(dict.fromkeys(found))


def _alternatives(text: str) -> list[Reading]:
    first = _read(text, 0)
    if ohms := re.fullmatch(r"(.*[\d)}])\s*([kM]?)\s*\\Omega", text):
        return [_read(f"{ohms[1]} {ohms[2]}ohm", 0), first]
    if isinstance(first, forms.Quantity) and len(first.unit) == 1:
        try:
            return [first, forms.Expression(formula(text))]
        except UnreadableError:
            pass
    return [first]


def _read(text: str, depth: int) -> Reading:
    """The reading of a text in plain notation."""
    text = text.strip().rstrip(".;: ")
    if depth > _DEEPEST:
        return forms.Opaque(_spaceless(text))
    for attempt in (_choice, _matrix, _union, _listed, _stated, _bracketed, _measured, _expression):
        found = attempt(text, depth)
        if found is not None:
            return found
    if has_words(text) or text.strip("\\").isalpha() or text == r"\emptyset" or _DATE.fullmatch(text):
        return forms.Wording(words_of(text), product_of(text))
    return forms.Opaque(_spaceless(text))


def _spaceless(text: str) -> str:
    text = text.replace(APPLIED, "")
    return re.sub(r"(?<!\d)\s+|\s+(?!\d)", "", re.sub(r"(\\[A-Za-z]+)\s+(?=[A-Za-z])", r"\1 ", text))


def _below(depth: int) -> Callable[[str], Reading]:
    return lambda text: _read(text, depth + 1)


def _choice(text: str, depth: int) -> Reading | None:
    match = _CHOICE.fullmatch(text)
    if match is None or (_NO_CHOICE.search(match[4]) and not re.fullmatch("(?:no|false|wrong)", match[4], re.IGNORECASE)):
        return None
    read = _read(match[4], depth + 1)
    product = (
        not match[2] and not match[3] and isinstance(read, forms.Expression) and bool(symbols(read.tree) or read.tree == ("e",))
    )
    return forms.Choice(match[1] or match[2], read, not product)


def _matrix(text: str, depth: int) -> Reading | None:
    if equations := _EQUATIONS.fullmatch(text):
        lines = [line.strip(" ,.\\") for line in re.split(r"\\\\", equations[2]) if line.strip(" ,.\\")]
        return _listed(", ".join(lines), depth) if len(lines) > 1 and "=" in text else None
    match = _MATRIX.fullmatch(text)
    if match is None or r"\begin" in match[3] or "=" in match[1]:
        return None
    before, after = match[1].strip(), match[4].strip()
    factor = None
    if before + after not in ("", "()", "[]", "||"):
        factor = None if after else _formula(f"{before}1" if before in ("-", "+") else before)
        if factor is None:
            return None
    kind = "vmatrix" if match[2] in ("vmatrix", "Vmatrix") or before == "|" else "matrix"
    body = re.sub(r"\\(?:hline|cline\{[^}]*\})|\\\\\s*$", "", match[3]).strip()
    rows = re.split(r"\\\\(?:\[[^\]]*\])?", body)
    read = tuple(tuple(map(_below(depth), row.split("&"))) for row in rows)
    if len(rows) > _LONGEST or factor is None:
        return forms.Matrix(kind, read) if len(rows) <= _LONGEST else None
    if kind != "matrix" or not all(isinstance(one, forms.Expression) for row in read for one in row):
        return None
    scaled = tuple(tuple(forms.Expression(("*", factor, one.tree)) for one in row) for row in read)  # type: ignore[union-attr]
    return forms.Matrix(kind, scaled)


def _formula(text: str) -> Formula | None:
    try:
        return formula(text)
    except UnreadableError:
        return None


def _union(text: str, depth: int) -> Reading | None:
    if re.fullmatch(r"\\mathbb\s*\{?\s*R\s*\}?|all real numbers|\(\s*-\s*∞\s*,\s*\+?∞\s*\)|(the )?reals?( numbers)?", text):
        ends = forms.Expression(("neg", ("infinity",))), forms.Expression(("infinity",))
        return forms.Region((forms.Tuple("(", ends, ")"),))
    if without := re.fullmatch(r"\\mathbb\s*\{?\s*R\s*\}?\s*(?:\\setminus|\\backslash|-)\s*⦃(.+)⦄", text):
        return all_but([_read(part, depth + 1) for part in without[1].split(",")])
    parts, between = split_at(text, lambda whole, at: int(whole[at] == "∪"))
    if not between or any(re.search(r"[=<>≤≥≠∈]", part) for part in parts[:1] if part[:1] not in "([⦃"):
        return None
    return forms.Region(tuple(map(_below(depth), parts))) if len(parts) <= _LONGEST else None


def _separator(text: str, at: int) -> int:
    if text[at] in ",;" or (text[at] == "&" and "\\begin" not in text):
        return 1
    match = re.compile(r"(?<![A-Za-z\\])(?:and|or)(?![A-Za-z])", re.IGNORECASE).match(text, at)
    return len(match[0]) if match else 0


def _listed(text: str, depth: int) -> Reading | None:
    """A list; the signs of ± stand for two."""
    parts, between = split_at(text, _separator)
    if not between:
        return _signed(text, depth)
    signs = [sign.lower() for sign in between]
    empty = [k for k, part in enumerate(parts) if not part]
    if any(k in (0, len(parts) - 1) or not signs[k].isalpha() for k in empty):  # 5,,6; but not `5, and 6`
        return None
    parts = [part for part in parts if part]
    if len(parts) > _LONGEST:
        return None
    leading = re.fullmatch(r"([^=<>≤≥≠∈]{1,20}?)([=∈≠])(?!\s*[=<>])(.+)", parts[0])
    if leading and leading[2] == "≠":
        parts = [parts[0], *(part if "≠" in part else f"{leading[1]} ≠ {part}" for part in parts[1:])]
    elif leading and not any(re.search(r"[=<>≤≥≠∈]", part) for part in parts[1:]):
        listed = _read(", ".join([leading[3], *parts[1:]]), depth + 1)
        named = statement([leading[1], leading[3]], [leading[2]], lambda _: listed)
        if not isinstance(listed, forms.Collection | forms.Tuple) or not isinstance(named, forms.Statement):
            return named if isinstance(named, forms.Assignment) else None
        return dataclasses.replace(named, sides=None) if named.value is listed else None
    items = [_read(part, depth + 1) for part in parts]
    if any(isinstance(item, forms.Wording) for item in items) or all(map(_lettered, items)):
        # Words in a row keep their order, and so do points; an "and" within a sentence divides nothing.
        words = any(sign.isalpha() or sign == "&" for sign in signs) or not all(
            isinstance(i, forms.Wording) or _lettered(i) for i in items
        )
        if words and not all(map(_lettered, items)):
            return None
        return forms.Tuple("or" if "or" in signs else "", tuple(items), "")
    if "…" in parts:
        return forms.Tuple("", tuple(items), "")
    return combined(items, signs)


def _lettered(item: Reading) -> bool:
    """A capital letter alone: a point, a place, a choice."""
    if isinstance(item, forms.Tuple) and len(item.items) == 1:
        return _lettered(item.items[0])
    return isinstance(item, forms.Expression) and item.tree[0] == "sym" and item.tree[1][:1].isupper()


def _signed(text: str, depth: int) -> Reading | None:
    if not re.search("[±∓]", text) or re.search(r"[=<>≤≥≠∈]", text):
        return None
    both = [text.replace("±", sign).replace("∓", other) for sign, other in ("+-", "-+")]
    return combined([_read(one, depth + 1) for one in both], [","])


def _stated(text: str, depth: int) -> Reading | None:
    parts, between = split_at(text, lambda whole, at: int(whole[at] in "=<>≤≥≠∈≈"))
    if not between:
        return None
    if len(parts) == 2 and "±" in parts[1] and between == ["="]:
        return statement(parts, between, lambda _: _read(parts[1], depth + 1))
    return statement(parts, between, _below(depth))


def _bracketed(text: str, depth: int) -> Reading | None:
    """A pair, an interval or a set, whole."""
    if len(text) < 2 or text[0] not in "([⦃{" or text[-1] not in ")]⦄}":
        return None
    inside, level = text[1:-1].strip(), 0
    for one in text[:-1]:
        level += (one in "([{⦃") - (one in ")]}⦄")
        if level == 0:
            return None
    if text[0] == "{":
        return _read(inside, depth + 1)
    if text[0] == "⦃":
        return _set(inside, depth)
    parts, between = split_at(inside, lambda whole, at: int(whole[at] in ",;"))
    if not between:
        return forms.Tuple(text[0], (_read(inside, depth + 1),), text[-1]) if inside else None
    return forms.Tuple(text[0], tuple(map(_below(depth), parts)), text[-1]) if len(parts) <= _LONGEST else None


def _set(inside: str, depth: int) -> Reading | None:
    if not inside:
        return forms.NOTHING
    builder = re.fullmatch(r"\s*([A-Za-z])\s*(?:∈\s*\\mathbb\s*\{?R\}?\s*)?[|:](.+)", inside)
    if builder:
        condition = _read(builder[2], depth + 1)
        named = isinstance(condition, forms.Statement) and condition.name == builder[1]
        return condition.value if isinstance(condition, forms.Statement) and named and condition.sign != "=" else None
    parts, between = split_at(inside, lambda whole, at: int(whole[at] in ",;"))
    if len(parts) > _LONGEST:
        return None
    items = [_read(part, depth + 1) for part in parts]
    flat = [one for item in items for one in (item.items if isinstance(item, forms.Collection) and "±" in inside else [item])]
    return forms.Tuple("⦃", tuple(items), "⦄") if "…" in inside else forms.Collection(tuple(dict.fromkeys(flat)))


def _measured(text: str, depth: int) -> Reading | None:
    """A number with what it is a number of."""
    if _PARTS.fullmatch(text):
        return forms.Tuple("", tuple(map(_below(depth), re.findall(r"\d", text))), "")
    if prefixed := re.fullmatch(r"0(?:x([\dA-Fa-f]+)|b([01]+)|o([0-7]+))", text):
        base = {1: 16, 2: 2, 3: 8}[prefixed.lastindex or 1]
        return forms.Based(prefixed[prefixed.lastindex or 1].upper().lstrip("0") or "0", base)
    if clock := _CLOCK.fullmatch(text):
        return forms.Clock(int(clock[1]), int(clock[2] or 0), clock[3].lower())
    if to := re.fullmatch(r"(\d+) to (\d+)", text):
        text = ":".join(to.groups())
    if re.fullmatch(r"\s*[\d.]+(\s*:\s*[\d.]+)+", text):
        return forms.Tuple(":", tuple(map(_below(depth), text.split(":"))), ":")
    if (based := _BASED.fullmatch(text)) and (base := _base(based[3])):
        digits = based[2].lstrip("0") or "0"
        return forms.Based(based[1].strip("+") + digits, base) if base != 10 else _expression(based[1] + digits, depth)
    if text.endswith("%") and (number := _number(text[:-1])):
        return forms.Percent(number)
    if money := re.fullmatch(rf"([-+]?)\s*((?:AU?|CA?|NZ|HK)?[{_MONEY}])\s*([-+]?.+)", text):
        inner = _united(money[3]) or ((number := _number(money[3])) and forms.Quantity(number, ""))
        if not inner or not isinstance(inner, forms.Quantity):
            return None
        unit = (unit_of(money[2], False) or ("", ""))[0] if len(money[2]) == 1 else f"{money[2][0]}＄"
        number = ("neg", inner.number) if money[1] == "-" else inner.number
        if inner.unit in ("", unit) or inner.unit.startswith("each "):
            return forms.Quantity(number, unit, inner.rest)
        rate = re.fullmatch(r"\S+\^-1", inner.unit)
        return forms.Quantity(number, f"{unit} {inner.unit}", inner.rest) if rate else None
    return None if depth and text[-1:] in ("'", '"') else _united(text)  # 5' alone may be minutes


def _base(text: str) -> int:
    return int(text) if text.isdigit() and 2 <= int(text[:4]) <= 36 else _BASES.get(text, 0)


def _number(text: str) -> Formula | None:
    """A formula without letters; None where a text is none."""
    try:
        found = formula(text)
    except UnreadableError:
        return None
    return None if symbols(found) else found


def _united(text: str) -> forms.Quantity | forms.Expression | None:
    """A number and its unit, or a number of millions."""
    if _DATE.fullmatch(text):
        return None
    for match in _cuts(text):
        number = _number(match[0])
        if number is None:
            continue
        rest = match[2]
        if rest in ("'", '"') and number[0] != "num":
            return None  # minutes and seconds are of numbers as written
        if multiplied := re.fullmatch(rf"({'|'.join(MULTIPLIERS)})s?\b\s*(.*)", rest, re.IGNORECASE):
            number, rest = ("*", number, ("num", Fraction(MULTIPLIERS[multiplied[1].lower()]))), multiplied[2]
            if not rest:
                return forms.Expression(number)
        if rest == "°" and number[0] in FUNCTIONS:
            return None  # the sine of an angle is none
        if rest.startswith("(") and (said := spelled(rest.strip("( )"))) is not None:
            return forms.Expression(number) if exact(number) == said else None  # 12 (twelve)
        if unit := unit_of(rest, not match[1] and not multiplied):
            return forms.Quantity(number, *unit)
    return None


def _cuts(text: str) -> list[tuple[str, str, str]]:
    """Where a number may end and its unit begin: (number, space, unit)."""
    places = re.finditer(r"(?<=[\d)}π!])(\s*)(?=\(?\s?[A-Za-zμ°¢€£¥₹＄'\"])", text)
    return [(text[: match.start()], match[1], text[match.end() :]) for match, _ in zip(places, range(8), strict=False)]


def _expression(text: str, depth: int) -> Reading | None:
    if _DATE.fullmatch(text):
        return None
    spaced = re.sub(r"(?<=\d) (?=\d{3}(?!\d))", "", text) if re.fullmatch(r"[-+]?\d{1,3}( \d{3})+(\.\d+)?", text) else text
    try:
        return forms.Expression(formula(spaced))
    except UnreadableError:
        return None
