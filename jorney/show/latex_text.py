"""Text that nobody has vetted as HTML: formulas become MathML, everything else stays text, and nothing runs or loads.

What is drawn is built up from escaped text; what latex2mathml makes of a formula is taken over element by element.
"""

from __future__ import annotations

import dataclasses
import functools
import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple
from xml.etree.ElementTree import Element

from jorney.show.page import escape

MOST = 20_000  # characters shown of one text, unless told otherwise
_LONGEST = 2_000  # characters of a formula; a longer one stays text
_FORMULAS = 500  # of one text; what follows stays text, so that a page of `$x$` costs no seconds
_DEEPEST = 40  # braces within each other

# What turns the direction of the text around it. Shown by its number: one would else read other words than a program does.
_BIDI = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
# Definitions can grow without bound when they are put in, and \sideset doubles what it holds.
_REFUSED = re.compile(r"\\(?:newcommand|renewcommand|def|newenvironment|DeclareMathOperator|sideset)(?![A-Za-z])")
_OPENS = re.compile(r"\\[\[(]|\\begin\{((?:align|equation)\*?)\}|\$\$?|\\.", re.DOTALL)
_CLOSES = {"\\(": "\\)", "\\[": "\\]", "$$": "$$"}
_INLINE = re.compile(r"(?:[^$\\\n]|\\[^\n])*")
_WORDS = re.compile(r"\\[A-Za-z]+\s*(?:\{[^{}]*\})?|([A-Za-z]{2,})")
_REFERENCE = re.compile(r"&#x([0-9A-Fa-f]{1,6});")

_ELEMENTS = frozenset(
    [
        "math",
        "merror",
        "mfrac",
        "mi",
        "mmultiscripts",
        "mn",
        "mo",
        "mover",
        "mpadded",
        "mphantom",
        "mprescripts",
        "mroot",
        "mrow",
        "ms",
        "mspace",
        "msqrt",
        "mstyle",
        "msub",
        "msubsup",
        "msup",
        "mtable",
        "mtd",
        "mtext",
        "mtr",
        "munder",
        "munderover",
    ]
)
_OTHERWISE = {"menclose": "mrow", "mfenced": "mrow", "mlabeledtr": "mtr"}  # what MathML Core does not know
_LENGTH = re.compile(r"[-+]?(?:\d?\.\d{1,4}|\d(?:\.\d{1,4})?)(?:em|ex)?|0px")  # under ten of the font's sizes
_TRUTH = re.compile("true|false")
_ATTRIBUTES = {
    "display": re.compile("block|inline"),
    "mathvariant": re.compile("normal|bold|italic|bold-italic|double-struck|script|fraktur|sans-serif|monospace"),
    "columnalign": re.compile("(?:left|right|center)(?: (?:left|right|center)){0,40}"),
    "scriptlevel": re.compile("[012]"),
    "form": re.compile("prefix|infix|postfix"),
    **dict.fromkeys(
        ["displaystyle", "stretchy", "fence", "separator", "largeop", "movablelimits", "symmetric", "accent", "accentunder"],
        _TRUTH,
    ),
    **dict.fromkeys(
        ["width", "height", "depth", "voffset", "lspace", "rspace", "minsize", "maxsize", "linethickness"], _LENGTH
    ),
}
# mathvariant is gone from browsers but for "normal": the letters themselves are of the font.
_FONTS = {"bold": (0x1D400, 0x1D7CE), "double-struck": (0x1D538, 0x1D7D8)}
_LETTERS = {"C": "ℂ", "H": "ℍ", "N": "ℕ", "P": "ℙ", "Q": "ℚ", "R": "ℝ", "Z": "ℤ"}  # double-struck ones that came earlier


class Formula(NamedTuple):
    """A formula in a text.

    Attributes:
      start, stop: its characters, the signs that enclose it included.
      latex: what stands within them.
      display: it stands on a line of its own.
    """

    start: int
    stop: int
    latex: str
    display: bool


@dataclasses.dataclass(frozen=True)
class Mark:
    """A stretch of a text that is enclosed in an element.

    Attributes:
      start, stop: its characters.
      opens: the element's start tag: HTML that is vetted.
      closes: its end tag, and what else follows it: HTML that is vetted.
    """

    start: int
    stop: int
    opens: str
    closes: str = "</span>"


def rich(text: str, most: int = MOST) -> str:
    """The text as HTML: its lines kept, its formulas as MathML, its direction its own.

    Args:
      most: characters that are shown; the number of the others is said.

    Returns:
      One `<bdi class="rich">` element. What is no formula, or cannot be drawn as one, stays the text that it is.
    """
    return marked(text, (), most)


def plain(text: str) -> str:
    """The text as the content of an element or of a quoted attribute; what turns directions is shown by its number."""
    return _BIDI.sub(lambda match: f"⟨U+{ord(match[0]):04X}⟩", escape(text))


def marked(text: str, marks: Sequence[Mark], most: int = MOST, draw: bool = True) -> str:
    """`rich`, with stretches of the text in elements of their own.

    Args:
      marks: rising; those that overlap an earlier one are left out. One that covers a part of a formula takes all of it.
      draw: whether formulas are drawn; else all of it is text.
    """
    shown = text[:most]
    found = list(formulas(shown)) if draw else []
    pieces: list[str] = []
    at, next_formula = 0, 0

    def write(stop: int) -> None:
        """Writes what stands before a place; a formula that begins before it is written whole."""
        nonlocal at, next_formula
        while next_formula < len(found) and found[next_formula].start < stop:
            formula = found[next_formula]
            next_formula += 1
            pieces.append(plain(shown[at : formula.start]))
            drawn = mathml(formula.latex, formula.display)
            pieces.append(drawn or plain(shown[formula.start : formula.stop]))
            at = formula.stop
            if drawn and formula.display and at < stop and shown[at] == "\n":
                at += 1  # it ends its line by itself
        if at < stop:
            pieces.append(plain(shown[at:stop]))
            at = stop

    for mark in marks:
        if mark.start < at or mark.start >= len(shown) or mark.stop <= mark.start:
            continue
        while next_formula < len(found) and found[next_formula].stop <= mark.start:
            write(found[next_formula].stop)
        within = next_formula < len(found) and found[next_formula].start < mark.start
        write(found[next_formula].start if within else mark.start)
        pieces.append(mark.opens)
        write(min(mark.stop, len(shown)))
        pieces.append(mark.closes)
    write(len(shown))
    left = len(text) - len(shown)
    cut = f'<span class="cut">… {left:,} more characters</span>' if left else ""
    return f'<bdi class="rich">{"".join(pieces)}{cut}</bdi>'


def formulas(text: str) -> Iterator[Formula]:
    r"""The formulas of a text: within `\( \)`, `\[ \]`, `$$ $$`, and within single `$` where they are no money."""
    at = count = 0
    while count < _FORMULAS and (opens := _OPENS.search(text, at)):
        start, sign, at = opens.start(), opens[0], opens.end()
        if sign == "$":
            if (stop := _inline(text, at)) < 0:
                continue
            latex, end = text[at:stop], stop + 1
        elif sign in _CLOSES or opens[1]:
            closes = _CLOSES.get(sign) or f"\\end{{{opens[1]}}}"
            if (stop := text.find(closes, at, at + _LONGEST + len(closes))) < 0:
                continue
            latex, end = text[at:stop], stop + len(closes)
            if (opens[1] or "").startswith("align"):
                latex = text[start:end]
        else:
            continue  # an escaped sign, such as \$
        if not latex.strip() or "\n\n" in latex:
            continue
        count += 1
        yield Formula(start, end, latex, sign not in ("$", "\\("))
        at = end


def _inline(text: str, at: int) -> int:
    """Where the dollar stands that ends a formula which begins here; -1 where it begins none.

    As Pandoc has it: no space behind the first nor before the last, and no digit behind the last. And no two plain words of
    prose in it: "$5, and then $6" is money.
    """
    closes = _INLINE.match(text, at, at + _LONGEST)
    stop = closes.end() if closes else at
    if stop == at or not text.startswith("$", stop) or text[at].isspace() or text[stop - 1].isspace():
        return -1
    words = sum(bool(word[1]) for word in _WORDS.finditer(text, at, stop))
    if words >= (2 if text[at].isdigit() else 4) or text[stop + 1 : stop + 2].isdigit():
        return -1
    return stop


@functools.lru_cache(maxsize=4096)
def mathml(latex: str, display: bool = False) -> str:
    r"""A formula as a `<math>` element of harmless parts; "" where it cannot be drawn.

    Links, colours, classes and styles that LaTeX's commands would set (`\href`, `\style`) are left out.
    """
    if len(latex) > _LONGEST or _REFUSED.search(latex) or _depth(latex) > _DEEPEST:
        return ""
    try:
        from latex2mathml.converter import convert_to_element  # of the extra [view]: without it formulas stay text

        found = _written(convert_to_element(latex, display="block" if display else "inline"))
    except Exception:  # it raises what it meets: StopIteration, KeyError, RecursionError, and twelve classes of its own
        return ""
    return found.replace("<math ", f'<math title="{plain(latex.strip())}" ', 1)


def _depth(latex: str) -> int:
    deepest = depth = 0
    for sign in latex:
        depth += (sign == "{") - (sign == "}")
        deepest = max(deepest, depth)
    return deepest


def _written(element: Element) -> str:
    """The element as markup: known elements, harmless attributes, escaped text."""
    tag = _OTHERWISE.get(element.tag, element.tag)
    inside = "".join(_written(child) + plain(_characters(child.tail or "")) for child in element)
    text = _characters(element.text or "")
    if element.get("mathvariant") in _FONTS:
        text = _in_font(text, element.get("mathvariant", ""))
    content = plain(text) + inside
    if tag not in _ELEMENTS:
        return f"<mrow>{content}</mrow>"
    boxed = ' class="boxed"' if element.tag == "menclose" and "box" in element.get("notation", "") else ""
    said = "".join(
        f' {name}="{value}"'
        for name, value in element.attrib.items()
        if name in _ATTRIBUTES and _ATTRIBUTES[name].fullmatch(value) and (name != "mathvariant" or value not in _FONTS)
    )
    return f"<{tag}{boxed}{said}>{content}</{tag}>"


def _characters(text: str) -> str:
    """latex2mathml writes signs as references ("&#x02212;")."""
    return _REFERENCE.sub(lambda match: chr(code) if (code := int(match[1], 16)) < 0x110000 else match[0], text)


def _in_font(text: str, font: str) -> str:
    """Letters and digits as Unicode's own of a font."""
    letters, digits = _FONTS[font]
    found = []
    for sign in text:
        if font == "double-struck" and sign in _LETTERS:
            found.append(_LETTERS[sign])
        elif sign.isascii() and sign.isalpha():
            found.append(chr(letters + ord(sign.lower()) - ord("a") + 26 * sign.islower()))
        elif sign.isascii() and sign.isdigit():
            found.append(chr(digits + int(sign)))
        else:
            found.append(sign)
    return "".join(found)
