"""An answer in plain notation: one sign for what LaTeX, Unicode and keyboards write in many ways, and no layout."""

from __future__ import annotations

import itertools
import re
import unicodedata
from collections.abc import Callable
from fractions import Fraction

from jorney.text.step_format import closings

LONGEST = 5000  # characters of an answer; what is longer is none

_CHARACTERS = {
    **dict.fromkeys("−–—‐‑﹣", "-"),
    **dict.fromkeys("×⋅·∙•✕", "*"),
    "÷": "/",
    "⁄": "/",
    "∕": "/",
    "√": r"\sqrt ",
    "⟨": "(",
    "⟩": ")",
    "〈": "(",
    "〉": ")",
    "⋯": "…",
    "∖": "\\setminus ",
    "∅": r"\emptyset ",
    "ℝ": r"\mathbb{R}",
    "ℤ": r"\mathbb{Z}",
    "ℕ": r"\mathbb{N}",
    "ℚ": r"\mathbb{Q}",
    "º": "°",
    "˚": "°",
    "’": "'",
    "′": "'",
    "“": '"',
    "”": '"',
    "⩽": "≤",
    "⩾": "≥",
    "∣": "|",
    "~": " ",
    "∨": " or ",
    "µ": "μ",
}
_SIGNS_OF_UNICODE = {"<super>": "^", "<sub>": "_"}  # what a small letter says by its decomposition
_NAMES = """
alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi rho sigma tau upsilon phi chi psi omega
"""
_GREEK = _NAMES.split()
_CAPITALS = frozenset(("gamma", "delta", "theta", "lambda", "xi", "sigma", "upsilon", "phi", "psi", "omega"))  # not Latin ones

# Commands that are one sign, by name; the first of several names is LaTeX's usual one.
_SIGNS = {
    **dict.fromkeys(("cdot", "times", "ast"), "*"),
    **dict.fromkeys(("le", "leq", "leqslant", "leqq"), "≤"),
    **dict.fromkeys(("ge", "geq", "geqslant", "geqq"), "≥"),
    **dict.fromkeys(("ne", "neq"), "≠"),
    **dict.fromkeys(("approx", "simeq", "doteq"), "≈"),
    **dict.fromkeys(("dots", "ldots", "cdots", "dotsc"), "…"),
    **dict.fromkeys(("mid", "vert", "lvert", "rvert"), "|"),
    **dict.fromkeys(("langle",), "("),
    **dict.fromkeys(("rangle",), ")"),
    **dict.fromkeys(("lbrace",), "⦃"),
    **dict.fromkeys(("rbrace",), "⦄"),
    "lt": "<",
    "gt": ">",
    "div": "/",
    "pm": "±",
    "mp": "∓",
    "infty": "∞",
    "pi": "π",
    "cup": "∪",
    "cap": "∩",
    "in": "∈",
    "lfloor": "⌊",
    "rfloor": "⌋",
    "lceil": "⌈",
    "rceil": "⌉",
    "angle": "∠",
    "degree": "°",
    "lor": " or ",
    "colon": ":",
    "euro": "€",
    "pounds": "£",
    "varnothing": r"\emptyset ",
    "lbrack": "[",
    "rbrack": "]",
    "And": "&",
    "mu": "μ",
}
_CURRENCIES = {"USD": "＄", "Rs": "₹", "INR": "₹", "EUR": "€", "GBP": "£"}
# Commands that say how something looks: those alone, and those around what they hold.
_LAYOUT = (
    r"left|right|[bB]ig{1,2}[lrgm]?|displaystyle|textstyle|scriptstyle|limits|nolimits|bf|rm|it|sf|tt|bfseries|normalsize|small|large"
    r"|Large|LARGE|huge|Huge|centering|middle|qquad|quad|noindent|hfill|smallskip|newline|boldmath|rmfamily|cr"
)
_WRAPPERS = (
    r"text|textbf|textit|textrm|textsf|texttt|textnormal|textup|textsc|emph|mbox|hbox|fbox|boxed|mathrm|mathbf|mathit|mathsf|mathtt"
    r"|mathnormal|boldsymbol|bm|bold|pmb|operatorname|underline|uline|ensuremath|mathcal|mathscr|mathop|mathord|vec|overrightarrow"
)
_WORDED = re.compile(r"text|emph|mbox|hbox|mathrm|operatorname")  # their words stand apart from their neighbours
_HIDDEN = r"cancel|color|hspace|vspace|phantom|hphantom|vphantom|tag|label|hskip|kern|mspace"

_WHOLE = r"\{?\s*(\d+)\s*\}?"
_COMMAND = re.compile(r"\\([A-Za-z]+)\*?")
_HELD = re.compile(rf"\\({_WRAPPERS}|{_HIDDEN}|textcolor|colorbox)\*?\s*(?=\{{)")
_PREFIX = re.compile(
    r"^\W*?(?:(?:so|thus|hence|therefore),?\s+)?(?:the\s+)?(?:final\s+)?answer\s*(?:is\s*:?|:|=)\s*(?=\S)", re.IGNORECASE
)


def plain(answer: str) -> str:
    """An answer in plain notation, on one line. Sets stand in ⦃ and ⦄, money has ＄, groups keep their braces."""
    # Runs of spaces are one space at every stage, or the patterns take ages over them.
    text = (
        re.sub(r"\s+", " ", _unicode(answer[:LONGEST]))
        .replace(r"\$", "＄")
        .replace(r"\%", "%")
        .replace(r"\#", "#")
        .replace(r"\&", " and ")
    )
    text = text.replace(r"\{", "⦃").replace(r"\}", "⦄").replace(r"\|", "|").replace(r"\_", "_")
    text = re.sub(r"\\[()\[\]](?!\d*pt)", " ", text)
    text = _money(text)
    text = re.sub(r"(?<=\d),?\s*\\!\s*,?\s*(?=\d{3}(?!\d))|(?<=\d)\{,\}\s*(?=\d{3}(?!\d))", "", text)
    text = re.sub(r"(?<=\d)\{,\}(?=\d)", ".", text).replace(r"\!", "").replace(r"\/", "")
    text = re.sub(r"(?<!\\)\\[,;:> ]", " ", re.sub(r"\\\\(?!\s*[a-z&])(?=\s*$)", " ", text))
    text = _unwrap(re.sub(r"\s+", " ", text))
    text = re.sub(r"\\([dtc])(frac|binom)", r"\\\2", text)
    text = re.sub(r"\\(?:left|right|[bB]ig{1,2}[lrgm]?)\s*(?=[()\[\]|])", "", text)
    text = re.sub(rf"\\(?:{_LAYOUT})(?![A-Za-z])\.?", " ", text)
    text = re.sub(r"\s+", " ", text)
    text = _COMMAND.sub(lambda match: _SIGNS.get(match[1], match[0]), text)
    text = re.sub(r"\^\s*(?:\\circ(?![a-z])|\{\s*\\circ\s*\}|°|\{\s*°\s*\})", "°", text)
    text = re.sub(r"\{\s*\}(?=°)|(?<=°)\s+(?=[CF](?![A-Za-z]))", "", text)
    text = _over(_arguments(_words(text)))
    text = _repeating(text.strip())
    text = re.sub(r"μ\s+(?=[msgLAF]\b)", "μ", re.sub(r"\s+", " ", text)).strip(" `")
    text = re.sub(r"^(['\"])([^'\"]*)\1$", r"\2", text).strip()
    text = re.sub(r"^(\*{1,2}|_)(.*)\1$", r"\2", text).strip()
    text = _PREFIX.sub("", text)
    text = re.sub(r"(?<=[\w)}\]])\s*\*\*\s*(?=[\w({-])", "^", text)
    text = re.sub(r"^US\s*(?=＄)", "", text)
    text = re.sub(r"^(USD|Rs\.?|INR|EUR|GBP)\s*(?=\d)", lambda found: _CURRENCIES[found[1].rstrip(".")], text)
    text = re.sub(r"^(?:exactly|only|a total of|a sum of)\s+(?=[-+\d＄€£¥₹\\])", "", text, flags=re.IGNORECASE)
    text = re.sub(r"^(?:negative|minus)\s+(?=[\d＄€£¥₹\\])", "-", text, flags=re.IGNORECASE)
    text = re.sub(r"^(?:option|choice)\s+(?=\(?[A-J]\)?$)", "", text, flags=re.IGNORECASE)
    return re.sub(r"^[=≈:\s]+|[\s.,;:\\]+$", "", text)


def _small(one: str) -> str:
    return _SIGNS_OF_UNICODE.get(unicodedata.decomposition(one).partition(" ")[0], "")


_SMALL_CHARACTERS = "".join(chr(one) for one in range(0xB0, 0x2E00) if _small(chr(one)) and chr(one) not in "ªº℠™")
_SMALL = re.compile(f"[{_SMALL_CHARACTERS}]+")


def _raised(found: re.Match[str]) -> str:
    parts = itertools.groupby(found[0], _small)
    return "".join(f"{sign}{{{unicodedata.normalize('NFKC', ''.join(own))}}}" for sign, own in parts)


def _unicode(text: str) -> str:
    text = _SMALL.sub(_raised, text)
    text = re.sub(r"[½⅓⅔¼¾⅐-⅞↉]", lambda found: " " + unicodedata.normalize("NFKC", found[0]), text)
    text = "".join(_CHARACTERS.get(one, one) for one in text)
    text = "".join(_CHARACTERS.get(one, one) for one in unicodedata.normalize("NFKC", text))
    for name in _GREEK:
        known = name.replace("lambda", "lamda").upper()
        text = text.replace(unicodedata.lookup(f"GREEK SMALL LETTER {known}"), f"\\{name} ")
        if name in _CAPITALS:
            text = text.replace(unicodedata.lookup(f"GREEK CAPITAL LETTER {known}"), f"\\{name.title()} ")
    return text


def _money(text: str) -> str:
    """`$` around formulas is dropped, `$` before a sum alone is money."""
    if text.count("$") == 1:
        text = re.sub(r"\$(?=\s*\d)", "＄", text)
    return text.replace("$", " ")


def _unwrap(text: str) -> str:
    """Without the commands that wrap what they hold, innermost last."""
    for _ in range(200):
        match = _HELD.search(text)
        stop = closings(text[match.end() :]).get(0) if match else None
        if match is None:
            break
        if stop is None:
            text = text[: match.start()] + " " + text[match.end() :]
            continue
        inside, rest = text[match.end() + 1 : match.end() + stop - 1], text[match.end() + stop :]
        if re.fullmatch(rf"{_HIDDEN}|textcolor|colorbox", match[1]):
            text = f"{text[: match.start()]} {rest}"
        else:
            edge = " " if _WORDED.match(match[1]) else ""
            held = f"{edge}{inside}{edge}" if edge or re.fullmatch(r"\s*[\w.]+\s*", inside) else f"{{{inside}}}"
            text = text[: match.start()] + held + rest
    return text


def _words(text: str) -> str:
    """Signs that are written as words."""
    text = re.sub(r"(?<![A-Za-z\\])(?:\\?per\s?cent)(?![A-Za-z])", "%", text, flags=re.IGNORECASE)
    text = re.sub(r"(?<![A-Za-z\\])(?:infinity|infty|inf|oo)(?![A-Za-z])", "∞", text, flags=re.IGNORECASE)
    text = re.sub(r"(?<![A-Za-z\\])pi(?![A-Za-z])", "π", text, flags=re.IGNORECASE)
    text = re.sub(rf"(?<![A-Za-z\\])({'|'.join(_GREEK)})(?![A-Za-z])", r"\\\1", text)
    text = re.sub(r"(?<![A-Za-z\\])sqrt(?![A-Za-z])", r"\\sqrt", text)
    text = re.sub(r"(?<=[\d.)])\s*[xX]\s*(?=10\s*\^)", "*", text)
    text = re.sub(r"\+\s*/\s*-", "±", text)
    text = re.sub(r"(?<=\d)\s*\^?\s*\{?\s*(st|nd|rd|th)\s*\}?(?![A-Za-z}])", r" \1", text)
    text = re.sub(r"(?<![A-Za-z])(\\?log)(2|10)\(", r"\1_{\2}(", text)
    text = re.sub(r"=\s*/\s*=|/=", "≠", text)
    text = re.sub(r"(?<![\w.\\}^])(\d+)([CP])(\d+)(?![\w.])", _chosen, text)
    text = re.sub(rf"(?:\{{\s*\}}|(?<![\w)}}\]]))\s*[\^_]\s*{_WHOLE}\s*C\s*_\s*{_WHOLE}", r"\\binom{\1}{\2}", text)
    return text.replace("<=", "≤").replace(">=", "≥").replace("!=", "≠").replace("...", "…")


def _chosen(found: re.Match[str]) -> str:
    """`10C3` as a binomial, `5P3` as 5!/(5-3)!."""
    n, kind, k = found.groups()
    return rf"\binom{{{n}}}{{{k}}}" if kind == "C" else f"({n}!/({n}-{k})!)"


def _arguments(text: str) -> str:
    r"""`\frac12` and `\sqrt3` with braces around what they take."""
    text = re.sub(r"\\(frac|binom)\s*([\dA-Za-zπ])\s*(?=[{\dA-Za-zπ\\])", r"\\\1{\2}", text)
    text = re.sub(r"(\\(?:frac|binom)\s*\{[^{}]*\})\s*([\dA-Za-zπ])", r"\1{\2}", text)
    return re.sub(r"\\sqrt\s*(\[[^\]]*\])?\s*(\d+(?:\.\d+)?|[A-Za-zπ])(?!\s*\()", r"\\sqrt\1{\2}", text)


def _over(text: str) -> str:
    r"""`3 \over 4` as a fraction, `4 \choose 3` as a binomial."""
    for _ in range(20):
        found = re.sub(r"\{([^{}]*)\\over(?![A-Za-z])([^{}]*)\}", r"\\frac{\1}{\2}", text)
        found = re.sub(r"\{([^{}]*)\\choose(?![A-Za-z])([^{}]*)\}", r"\\binom{\1}{\2}", found)
        if found == text:
            break
        text = found
    return re.sub(r"^([^{}]*)\\over(?![A-Za-z])([^{}]*)$", r"\\frac{\1}{\2}", text)


def _repeating(text: str) -> str:
    r"""`0.1\overline{6}` as the fraction that it is."""

    def value(match: re.Match[str]) -> str:
        whole, first, again = match[1] or "0", match[2], match[3]
        shift = 10 ** len(first)
        exact = Fraction(int(whole + first), shift) + Fraction(int(again), shift * (10 ** len(again) - 1))
        return f"({exact.numerator}/{exact.denominator})"

    if re.fullmatch(r"[-+]?\d*\.\d*\(\d{1,40}\)", text):
        text = re.sub(r"\((\d+)\)", r"\\overline{\1}", text)
    if text.endswith("…"):
        text = re.sub(r"^([-+]?\d*\.\d*?)(\d{1,6}?)\2\2+…$", r"\1\\overline{\2}", text)
    return re.sub(r"(?<!\d)(\d*)\.(\d*)\\(?:overline|bar|dot)\s*\{\s*(\d{1,40})\s*\}", value, text)


_APPLICATION = re.compile(
    r"(\\[A-Za-z]+|(?<![A-Za-z\\])[A-Za-zπμ]|(?<=(?<![A-Za-z\\])[a-z])[fghFGHTPQR])((?:_\{[^{}]*\}|_\w)?'*)(?=([(\[]))"
)
_ALONE = re.compile(r"[(\[]\s*(\w+|\\[A-Za-z]+)\s*[)\]]")
_ALWAYS = frozenset(("f", "g", "h", "F", "G", "H", "\\zeta", "\\Gamma"))  # functions, whatever stands beside them
_GREEK_FUNCTIONS = ("phi", "varphi", "Phi", "Theta", "Omega", "psi", "Psi", "sigma", "tau")
_OFTEN = frozenset(("T", "P", "Q", "R", "O", "E", "μ", *(f"\\{name}" for name in _GREEK_FUNCTIONS)))
_VARIABLES = frozenset("abcijkmnrstxyze")


def functions_in(*texts: str) -> frozenset[str]:
    """The names that may stand for functions in texts in plain notation, but for those that always do.

    A name before a letter alone in brackets, P(x), is one; so is a usual name that stands nowhere but before brackets.
    In P(1+r)+P and in \\pi(r+h), it is a factor.
    """
    found = set()
    for text in texts:
        for match in _APPLICATION.finditer(text):
            name, inside = match[1], text[match.end() + 1 :].partition(")")[0]
            within = _ALONE.match(text, match.end())
            alone = within is not None and re.fullmatch(r"\d+|[A-Za-z]|\\[A-Za-z]+", within[1]) is not None
            factor = re.search(r"[\w)}\]]\s*$", text[: match.start()]) is not None
            if name in found or name in _ALWAYS or name in ("i", "e") or (match[3] == "[" and name not in _OFTEN):
                continue
            if name == "π":
                shown = alone and not factor
            elif alone:
                shown = not (inside.strip().isdigit() and name in _VARIABLES)
            else:
                bare = re.compile(rf"(?<![A-Za-z\\]){re.escape(name)}(?![A-Za-z(\[])")
                shown = name in _OFTEN and re.search("[A-Za-z]", inside) is not None and not any(map(bare.search, texts))
            found |= {name} if shown and (len(name) < 2 or name in _OFTEN or name[1:] in _GREEK) else set()
    return frozenset(found)


def applied(text: str, functions: frozenset[str]) -> str:
    """A text in plain notation with @ between the names of functions and their brackets."""
    return _APPLICATION.sub(lambda match: match[0] + ("@" if match[1] in functions or match[1] in _ALWAYS else ""), text)


OPENING, CLOSING = "([{⦃⌊⌈", ")]}⦄⌋⌉"


def split_at(text: str, at: Callable[[str, int], int]) -> tuple[list[str], list[str]]:
    """The parts of a text between separators outside all brackets, and the separators.

    Args:
      at: how many characters of a separator begin at an index; 0 for none.
    """
    parts, between, depth, start, index = [], [], 0, 0, 0
    while index < len(text):
        depth += (text[index] in OPENING) - (text[index] in CLOSING)
        length = at(text, index) if depth <= 0 else 0
        if length:
            parts.append(text[start:index].strip())
            between.append(text[index : index + length].strip())
            start = index = index + length
        else:
            index += 1
    return [*parts, text[start:].strip()], between


_GROUPED = re.compile(r"(?<![\d,.])\d{1,3}(?:,\d{3})+(?![\d,])")


def numbers_joined(text: str) -> list[str]:
    """A text with its numbers' thousands joined; where 120,144 may be a list as well, that reading too.

    A pair in brackets is no number; one digit and three alone are no list, nor is what has a
    part that begins with 0.
    """
    joined, depth, out = False, 0, []
    at = 0
    for match in _GROUPED.finditer(text):
        before = text[at : match.start()]
        depth += sum((one in "([⦃") - (one in ")]⦄") for one in before)
        listed = depth > 0 and ", " not in text
        out += [before, match[0] if listed else match[0].replace(",", "")]
        joined, at = joined or not listed, match.end()
    if not joined:
        return [text]
    whole = "".join(out) + text[at:]
    number = re.fullmatch(r"(?:[A-Za-z]\s*=\s*)?[-+]?(\d{1,3})((?:,\d{3})+)", text)
    both = number is not None and ",0" not in text and (len(number[1]) > 1 or len(number[2]) > 4)
    return [whole, text] if both else [whole]
