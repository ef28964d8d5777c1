"""Units: what may stand behind a number without changing it, and which of them are the same."""

from __future__ import annotations

import re

# Names of one unit, its short one first; plurals need no mention.
_SAME = """
mm millimeter millimetre
cm centimeter centimetre
dm decimeter decimetre
m meter metre
km kilometer kilometre
in inch inches
ft foot feet
yd yard
mi mile
mg milligram
g gram gm gramme
kg kilogram kilo
lb pound lbs
oz ounce
ml milliliter millilitre mL
l liter litre L
gal gallon
s sec second
min minute
h hr hour
day
week wk
month mo
year yr
degree deg °
°c celsius
°f fahrenheit
radian rad
n newton N
j joule J
kj kilojoule kJ
w watt W
kw kilowatt kW
v volt V
a amp ampere A
k kelvin K
pa pascal Pa
hz hertz Hz
ohm
kohm kiloohm kilohm
Mohm megaohm
mol mole
dollar usd buck ＄
cent ¢
euro eur €
gbp £
yen ¥
rupee ₹ inr rs
unit
""".strip().splitlines()
_SHORT = {name: line.split()[0] for line in _SAME for name in line.split()}
_SINGLE = frozenset("mgslhLNJWVKA")  # letters that are units behind a number and a space
MULTIPLIERS = {"hundred": 10**2, "thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12, "dozen": 12}
# Words that say more than what is counted: behind a number they are no unit.
_MEANING = """
and or is are was more less fewer than to not no out negative minus plus times over half halves third thirds quarter
quarters tenth tenths hundredth hundredths thousandth thousandths squared cubed factorial if when where for all except
mod modulo but january february march april may june july august september october november december remainder at
least most about between through am pm bc ad bce ce divided multiplied power greater smaller odd even prime every each
only base point x y z i e sin cos tan sec csc cot ln log exp
"""
_NO_UNIT = frozenset(_MEANING.split()) | {*MULTIPLIERS, *(f"{name}s" for name in MULTIPLIERS)}
_WHOLE = re.compile(r"[A-Za-zμ°¢€£¥₹＄][A-Za-zμ°'\s^{}\d/*.()-]*")
_BETWEEN = re.compile(r"\s*(?:([/*-])|\b(?:per|an?)\b(?=\s+[A-Za-z]))\s*(\()?\s*")
_PART = re.compile(r"\s*([A-Za-zμ°¢€£¥₹＄']+)\.?\s*(?:\^\s*\{?\s*(-?\d)\s*\}?)?")


def unit_of(text: str, glued: bool) -> str | None:
    """The canonical name of a unit; None where a text is none.

    Args:
      glued: it stands behind its number without a space, where a letter alone is a variable.
    """
    text = text.strip()
    if text.startswith("(") and text.endswith(")"):
        text, glued = text[1:-1].strip(), False
    if not _WHOLE.fullmatch(text):
        return None
    text = re.sub(r"(?<![A-Za-z])mph(?![A-Za-z])", "mi/h", re.sub(r"(?<![A-Za-z])k(?:ph|mph)(?![A-Za-z])", "km/h", text))
    found: list[str] = []
    sign, power, at, grouped = 1, 1, 0, False
    while at < len(text):
        if between := _BETWEEN.match(text, at):
            if grouped and (between[1] == "/" or between[2]):
                return None
            sign, at = -1 if grouped or between[1] not in ("*", "-") else 1, between.end()
            grouped = grouped or between[2] is not None
        part = _PART.match(text, at)
        if part is None or part.end() == at:
            return None
        word, at = part[1], part.end()
        if found and word in ("squared", "cubed"):
            found[-1] += "^2" if word == "squared" else "^3"
            continue
        name = _named(word, glued and len(found) == 0)
        if name is None:
            return None
        if name in ("square", "sq", "cubic", "cu"):
            power = 2 if name.startswith("sq") else 3
            continue
        power = sign * int(part[2] or power)
        found.append(name if power == 1 else f"{name}^{power}")
        if closing := re.compile(r"\s*\)").match(text, at):
            if not grouped:
                return None
            at, grouped = closing.end(), False
        sign, power = -1 if grouped else 1, 1
    return None if grouped else " ".join(found) or None


def _named(word: str, glued: bool) -> str | None:
    """A word of a unit by its short name."""
    if len(word) == 1 and word.isalpha():
        return _SHORT.get(word, word) if word in _SINGLE and not glued else None
    low = word if word in _SHORT else word.lower()
    if low in _NO_UNIT:
        return None
    for name in (low, low.removesuffix("s"), low.removesuffix("es")):
        if name in _SHORT:
            return _SHORT[name]
    if glued and len(low) <= 3 and low.isalpha():  # `3ab` is a product
        return None
    return low.removesuffix("s") or None
