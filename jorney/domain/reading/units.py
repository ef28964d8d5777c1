"""Units: what may stand behind a number without changing it, and which of them are the same."""

from __future__ import annotations

import re

from jorney.domain.reading.formula import spelled_product
from jorney.domain.reading.wording import MONTHS

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
_PREFIXES = ("da", *"YZEPTGMkKhdcmμunpf")
_SYMBOLS = """
m g s A K mol Hz N Pa J W C V F S Wb T H lm lx Bq Gy Sv L l eV B b bit byte cal Wh bar ohm Ω yr sec
"""
_BASES = frozenset(_SYMBOLS.split())
_SMALL = """
mm cm dm km nm um fm mg kg ng ug cg ms ns us ps ml cl dl
"""
_TWO = frozenset(_SMALL.split())  # other two small letters are a product
_CAPITALS = {"w": "W", "hz": "Hz", "n": "N", "j": "J", "v": "V", "a": "A", "k": "K", "pa": "Pa", "l": "L"}
_LONG = {"nano": "n", "micro": "μ", "milli": "m", "centi": "c", "kilo": "k", "mega": "M", "giga": "G", "tera": "T"}
_SINGLE = frozenset("mgslhLNJWVKA")  # letters that are units behind a number and a space
MULTIPLIERS = {"hundred": 10**2, "thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12, "dozen": 12}
MULTIPLIERS |= {"lakh": 10**5, "crore": 10**7}
# Words of two and three letters that are counted; of other letters in a row, a product is as likely.
_COUNTED = """
men boy boys man kid kids day days car cars bus cat cats dog dogs pig pigs hen hens cow cows ant ants bee bees fox egg
eggs pie pies bag bags hat hats cup cups pen pens toy toys box bed beds can cans jar jars tin tins pan pans pot pots cap
caps tie ties key keys map maps bar bars gem gems row rows win wins hit hits run runs set sets bit bits lap laps mug
mugs nut nuts oat oats pea peas rat rats rod rods rug rugs tap taps tax tub tubs van vans bat bats bow bows bun buns ad
ads ox job jobs ice oil gum ham jam fan fans leg legs arm arms eye eyes ear ears toe toes ton tons keg kegs cab cabs fly
log logs net nets pit pits pup pups ram rams sea seas sum sums age ages aim ball way ways wax web zoo zoos art arc arcs
atm rpm ppm psi rev revs dot dots tsp tbsp pt qt pts cc ha mph fps bps gon pm wpm bpm lot lots km nm mmHg amu au ly kwh
usd aud cad nzd inr pkr hkd sgd chf cny jpy krw pesos sq cu erg kpc mpc st nd rd th
"""
_NOUNS = frozenset(_COUNTED.split())
# Words that change a number or say something else of it: behind it they are no unit.
_CHANGING = """
and or not no out negative minus plus over half halves third thirds quarter quarters fourth fourths fifth fifths sixth
sixths seventh sevenths eighth eighths ninth ninths tenth tenths eleventh elevenths twelfth twelfths fifteenth
fifteenths sixteenth sixteenths twentieth twentieths thirtieth fortieth fiftieth sixtieth hundredth hundredths
thousandth thousandths millionth millionths billionth billionths ten tens teen teens twenty thirty forty fifty sixty
seventy eighty ninety score scores gross mil mn bn tn pair pairs couple couples trio triplet triplets double doubled
triple tripled quadruple quadrupled twice thrice halved squared cubed factorial hundredweight reciprocal inverse
opposite root logarithm log ln exp mod modulo remainder base power divided multiplied more less fewer than greater
smaller larger older younger faster slower taller shorter longer heavier lighter higher lower further farther cheaper
below under above beneath beyond least most about almost nearly roughly approximately around exceed exceeds between
through until except excluding excluded if unless where either neither nor but only odd even prime composite am bc ad
bce ce loss losses lost losing
lose debt debts owed owe owes owing short deficit deficits shortage missing false true wrong incorrect impossible
undefined invalid right up down upward upwards downward downwards backward backwards forward forwards clockwise
counterclockwise anticlockwise north south east west northeast northwest southeast southwest n s e w increase increased
decrease decreased drop dropped rise fall gain gained reduction reduced discount withdrawn overdrawn behind ahead late
early too many few enough ago hence o'clock clock point so others unknown never nothing none zero one two three four
five six seven eight nine eleven twelve x y z i as sin cos tan sec csc cot arcsin arccos arctan sinh cosh tanh sqrt
"""
_NO_UNIT = frozenset(_CHANGING.split()) | MONTHS | {*MULTIPLIERS, *(f"{name}s" for name in MULTIPLIERS)}
_APPLIED = re.compile(r"(?:sin|cos|tan|log|ln|sqrt)[a-z]")  # sinx
# What begins the words that say what for: they change nothing, so long as none of them does.
_RESTING = """
to for each every per a an in on of at from by with left leftover old altogether total are were that who which when
while during before after sold needed remaining remain now today is was will would she he they it this these his her
their its into onto inside across together without can did do does could must should have has had still
"""
_REST = frozenset(_RESTING.split())
_DATED = MONTHS | {"up", "down"}  # which say when and where in further words
_COUNTING = """
one two three four five six seven eight nine ten twelve third fourth fifth sixth quarter
"""
_NUMBERS = frozenset(_COUNTING.split())
_DENIALS = frozenset(("not", "no", "neither", "nor"))
_DESCRIBING = frozenset(("that", "who", "which", "are", "were", "with", "did", "do", "could", "have", "had"))
_UNFINISHED = frozenset(("per", "of", "to", "over", "a", "by", "for", "at", "from", "on", "with"))
_NO_REST = frozenset(("is", "was"))
_STEPS = frozenset(("unit", "step", "place", "square", "m", "km", "ft", "cm", "mi", "in", "yd", "block", "degree", "space"))
_WHOLE = re.compile(r"[A-Za-zμ°¢€£¥₹＄'\"Ω][A-Za-zμ°'\"\sΩ^{}\d/*.()-]*")
_BETWEEN = re.compile(r"\s*(?:([/*-])|\b(?:per|an?)\b(?=\s+[A-Za-z]))\s*(\()?\s*")
_PART = re.compile(r"\s*([A-Za-zμ°¢€£¥₹＄'\"Ω]+)\.?\s*(?:\^\s*\{?\s*(-?\d)\s*\}?)?")


def unit_of(text: str, glued: bool) -> tuple[str, str] | None:
    """The canonical name of a unit, and the words behind it that say what for; None where a text is none.

    Args:
      glued: it stands behind its number without a space, where a letter alone is a variable.
    """
    text = text.strip()
    if text.startswith("(") and text.endswith(")"):
        text, glued = text[1:-1].strip(), False
        if re.fullmatch("[a-z]{2,3}", text) and text not in _NOUNS and text not in _SHORT:
            return None  # 2(ab)
    if not _WHOLE.fullmatch(text):
        return None
    head, rest = _parted(re.sub(r"(?<![A-Za-z])left over(?![A-Za-z])", "leftover", text))
    if rest is None:
        return None
    parts = re.split(r"\s+and\s+", head) if head else []  # nuts and bolts
    units = [_unit(part, glued) for part in parts]
    if any(one is None for one in units) or (not units and not rest):
        return None
    unit = " and ".join(one for one in units if one)
    aside = re.match("left(?: of|$)|right(?: of|$)|(?:to|on|at|by) the (?:left|right)(?![a-z])|in the red$", rest)
    if rest and ((glued and _shortened(head) is None) or (aside and (unit in _STEPS or " the " in f"{aside[0]} "))):
        return None
    return unit, rest


def _parted(text: str) -> tuple[str, str | None]:
    """The unit and the words that say what for; None for these where a word among them changes the number."""
    words = text.split()
    for at, word in enumerate(words):
        bare, last = word.lower().strip("."), at + 1 == len(words)
        if bare == "times" and at == 0 and (last or words[1].lower() in _REST):
            return "times", _unchanging(words[1:])
        rate = bare in ("per", "a", "an") and at + 2 == len(words)
        if bare in _REST and word != "A" and not rate and not (last and bare in ("in", "s", "can")):
            return (" ".join(words[:at]), _unchanging(words[at:])) if bare not in _NO_REST else (text, None)
    return text, ""


def _unchanging(words: list[str]) -> str | None:
    """Words that say what a number is for, and leave it as it is; None for others."""
    bare = [word.lower().strip(".") for word in words]
    if any(not re.fullmatch("[a-z][a-z'-]+|a", word) for word in bare) or " ".join(bare) in _UNFINISHED:
        return None
    for at, word in enumerate(bare):
        before = bare[at - 1] if at else ""
        denied = word in _DENIALS and bare[0] in _DESCRIBING
        counted = word in _NUMBERS and at + 1 < len(bare) and before not in ("to", "of", "by", "per", "or", "and", "than")
        joined = word == "and" and 0 < at < len(bare) - 1
        if word in _NO_UNIT and word not in _REST and not (denied or counted or joined or word in _DATED):
            return None
    return " ".join(bare)


def _unit(text: str, glued: bool) -> str | None:
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
        name = (
            None
            if found == ["degree"] and word in ("N", "S", "E", "W")
            else _named(word, glued and not found, at < len(text) or found != [])
        )
        if name is None:
            return None
        if name in ("square", "sq", "cubic", "cu") and (at < len(text) or name != "square"):
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


def _named(word: str, glued: bool, beside: bool) -> str | None:
    """A word of a unit by its short name.

    Args:
      beside: other words stand beside it.
    """
    if len(word) == 1 and word.isalpha():
        return _SHORT.get(word, word) if word in _SINGLE and not glued else None
    low = word.lower()
    if low in _NO_UNIT and word not in _SHORT:
        return None
    if short := _shortened(word):
        return short
    if glued and len(low) <= 3 and low.isalpha():  # `3ab` is a product
        return None
    if re.fullmatch("[A-Z]{2,3}s", word):  # CDs
        return low
    brief = len(low) < 4 and not (beside and len(low) == 3 and re.search("[aeiouy]", low))
    if low.isalpha() and low not in _NOUNS and (brief or spelled_product(low) or _APPLIED.fullmatch(low)):
        return None
    return (low.removesuffix("s") if len(low) > 3 else low) or None


def _shortened(word: str) -> str | None:
    """A known unit by its short name. Letters' sizes tell milli from mega."""
    if word in _SHORT:
        return _SHORT[word]
    prefix = next((one for one in _PREFIXES if word.startswith(one) and word[len(one) :] in _BASES), None)
    if re.fullmatch("[a-z]{2}", word) and word not in _TWO:
        prefix = None
    if prefix is None and len(word) > 1 and word in _BASES:
        return word
    if prefix is not None:
        name = {"K": "k", "u": "μ"}.get(prefix, prefix) + {"l": "L"}.get(word[len(prefix) :], word[len(prefix) :])
        return _SHORT.get(name, name)
    low = word.lower()
    for name in (low, *([low.removesuffix("s"), low.removesuffix("es")] if len(low) > 2 else [])):
        if name in _SHORT and len(name) > 1:
            return _SHORT[name]
    long = next((one for one in _LONG if low.startswith(one) and low[len(one) :].removesuffix("s") in _SHORT), None)
    if long is None:
        return None
    base = _SHORT[low[len(long) :].removesuffix("s")]
    name = _LONG[long] + _CAPITALS.get(base, base)
    return _SHORT.get(name, name)
