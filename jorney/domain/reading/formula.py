"""Formulas: expressions of numbers, letters and known functions, as trees of tuples. Words are none."""

from __future__ import annotations

import re
from fractions import Fraction
from typing import Any

# ("num", Fraction), ("sym", name), ("pi",), ("neg" | "fact" | "deg" | "pct", x), ("+" | "-" | "*" | "/" | "^", x, y),
# (function, *arguments) or ("call", name, *arguments) for a function that is not known
Formula = tuple[Any, ...]

_FUNCTIONS = """
sin cos tan sec csc cot sinh cosh tanh coth arcsin arccos arctan asin acos atan arcsec arccsc arccot ln log lg exp abs
sqrt min max gcd lcm floor ceil Re Im arg sgn cosec sech csch arcsinh arccosh arctanh arsinh arcosh artanh asinh acosh atanh
"""
FUNCTIONS = frozenset(_FUNCTIONS.split())
_INVERTED = frozenset(("sin", "cos", "tan", "sec", "csc", "cot", "sinh", "cosh", "tanh", "sech", "csch", "coth"))
_OF_SETS = frozenset(("min", "max", "gcd", "lcm"))  # whose arguments may stand in set braces
_OTHER_NAMES = {"asin": "arcsin", "acos": "arccos", "atan": "arctan", "cosec": "csc"}
_OTHER_NAMES |= {f"{short}{name}": f"arc{name}" for short in ("a", "ar") for name in ("sinh", "cosh", "tanh")}
APPLIED = "@"  # stands between the name of a function and the bracket of its argument
_KNOWN_CALLS = {"\\zeta": "zeta", "\\Gamma": "Gamma"}
_GROUPS = {"(": ")", "[": "]", "{": "}", "⌊": "⌋", "⌈": "⌉"}
# Short words that are no product of their letters.
_SHORT_WORDS = """
a an am and any are as at be but by can do few for go had has he if in is it its may me my no nor not now odd of off
on one or our out per she so ten the to too two up us was we who yes yet you all six men day box red
"""
_ENGLISH = frozenset(_SHORT_WORDS.split()) - {"a"}
_MATHEMATICAL = frozenset(("+", "-", "*", "/", "^", "!", "!!", "π", "|"))  # beside which letters in a row are a product
_DEEPEST = 60
_TOKEN = re.compile(
    r"\s*(?:(?P<number>(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+(?![\w.]))?)|\\(?P<command>[A-Za-z]+)|(?P<word>[A-Za-z]+|μ)"
    r"|(?P<sign>!!|[-+*/^_!()\[\]{}|⌊⌋⌈⌉,π∞°%'∠@⦃⦄]))"
)


class UnreadableError(ValueError):
    """A text is no formula that is known here."""


def formula(text: str) -> Formula:
    """The tree of an expression in plain notation.

    Raises:
      UnreadableError: it is none, or holds what is not known here.
    """
    reader = _Reader(text)
    found = reader.sum()
    if reader.at < len(reader.tokens):
        raise UnreadableError(f"{reader.tokens[reader.at][1]!r} is not expected")
    return found


class _Reader:
    """Recursive descent over tokens (kind, text, whether space stands before it)."""

    def __init__(self, text: str) -> None:
        self.tokens: list[tuple[str, str, bool]] = []
        self.at = self.depth = 0
        self.bars: list[int] = []
        end = len(text.rstrip())
        at = 0
        while at < end:
            match = _TOKEN.match(text, at)
            if match is None or match.lastgroup is None:
                raise UnreadableError(f"{text[at : at + 10]!r} is not known")
            self._add(match.lastgroup, match[match.lastgroup], match[0][0].isspace())
            at = match.end()
        self.mathematical = any(kind in ("number", "command") or word in _MATHEMATICAL for kind, word, _ in self.tokens)

    def _add(self, kind: str, word: str, spaced: bool) -> None:
        if kind == "word" and word not in FUNCTIONS:
            known = next((name for name in ("sqrt", "sin", "cos", "tan", "log", "ln") if word.startswith(name)), None)
            if known and len(word) == len(known) + 1:  # `sinx`
                self.tokens += [("word", known, spaced), ("word", word[-1], False)]
                return
        self.tokens.append((kind, word, spaced))

    def peek(self, ahead: int = 0) -> tuple[str, str, bool]:
        """The token that comes, or one behind it."""
        return self.tokens[self.at + ahead] if self.at + ahead < len(self.tokens) else ("end", "", False)

    def took(self, *signs: str) -> str:
        """The sign that comes, taken, if it is one of these; else "" ."""
        kind, word, _ = self.peek()
        if kind == "sign" and word in signs:
            self.at += 1
            return word
        return ""

    def expect(self, sign: str) -> None:
        """Takes a sign that has to come."""
        if not self.took(sign):
            raise UnreadableError(f"{sign!r} is expected, not {self.peek()[1]!r}")

    def sum(self) -> Formula:
        """Terms, added."""
        self.depth += 1
        if self.depth > _DEEPEST:
            raise UnreadableError("it is too deep")
        found = self.term()
        while sign := self.took("+", "-"):
            found = (sign, found, self.term())
        self.depth -= 1
        return found

    def term(self) -> Formula:
        """Factors, multiplied and divided from left to right; a sign may stand before any."""
        found = self.signed()
        while True:
            if sign := self.took("*", "/"):
                found = (sign, found, self.signed())
            elif self.begins_factor():
                if self.peek()[0] == "number" and self.tokens[self.at - 1][0] == "number":
                    raise UnreadableError("two numbers side by side")
                found = ("*", found, self.power())
            else:
                return found

    def signed(self) -> Formula:
        """A factor behind its signs."""
        negative = False
        while sign := self.took("+", "-"):
            negative ^= sign == "-"
        found = self.power()
        return ("neg", found) if negative else found

    def begins_factor(self) -> bool:
        """Whether what comes can stand behind a factor without a sign between them."""
        kind, word, _ = self.peek()
        if kind == "sign":
            return word in "([{⌊⌈π∞" or (word == "|" and not self.bars)
        return kind in ("number", "word", "command")

    def power(self) -> Formula:
        """A factor with what stands behind it, and its exponent."""
        found = self.behind(self.primary())
        if self.took("^"):
            found = self.behind(("^", found, self.exponent()))
        return found

    def behind(self, found: Formula) -> Formula:
        """A factor with the signs behind it."""
        while sign := self.took("!", "!!", "°", "%", "'", APPLIED):
            if sign in ("'", APPLIED) and found[0] not in ("sym", "pi"):
                raise UnreadableError(f"{sign} behind no name")
            if sign == "'":
                found = ("sym", found[-1] + "'")
            elif sign == APPLIED:
                name, arguments = found[-1], self.arguments()
                known = _KNOWN_CALLS.get(name) if len(arguments) == 1 else None
                found = (known, *arguments) if known else ("call", name, *arguments)
            else:
                found = ({"!": "fact", "!!": "fact2", "°": "deg", "%": "pct"}[sign], found)
        return found

    def exponent(self) -> Formula:
        """What stands behind `^`."""
        if sign := self.took("-", "+"):
            inner = self.exponent()
            return ("neg", inner) if sign == "-" else inner
        grouped = self.peek()[1] in _GROUPS
        found = self.primary(whole=True)
        if not grouped and self.took("!"):
            found = ("fact", found)  # 2^n! is no (2^n)!
        return ("^", found, self.exponent()) if self.took("^") else found

    def primary(self, whole: bool = False) -> Formula:
        """A number, a name, a function with its argument, or a group.

        Args:
          whole: a fraction behind a number makes it no mixed one: x^2\frac12.
        """
        kind, word, _ = self.peek()
        self.at += 1
        if kind == "number":
            divided = self.at > 1 and self.tokens[self.at - 2][1] == "/"
            return ("num", _number(word)) if whole or divided else self.mixed(word)
        if kind == "command":
            return self.command(word)
        if kind == "word":
            return self.word(word)
        if word == "π":
            return ("pi",)
        if word == "∞":
            return ("infinity",)
        if word == "|":
            self.bars.append(self.at)
            found = self.sum()
            self.expect("|")
            self.bars.pop()
            return ("abs", found)
        if word in _GROUPS:
            bars, self.bars = self.bars, []
            found = self.sum()
            self.expect(_GROUPS[word])
            self.bars = bars
            return ("floor", found) if word == "⌊" else ("ceil", found) if word == "⌈" else found
        raise UnreadableError(f"{word!r} is not expected")

    def mixed(self, word: str) -> Formula:
        r"""A number, with the fraction behind it that makes it a mixed one: `3 3/4`, `3\frac{3}{4}`."""
        number: Formula = ("num", _number(word))
        if not word.isdigit():
            return number
        kinds = [self.peek(ahead)[0] for ahead in range(4)]
        words = [self.peek(ahead)[1] for ahead in range(7)]
        top, bottom, length = "", "", 0
        if kinds[0] == "number" and self.peek()[2] and words[1] == "/" and kinds[2] == "number":
            top, bottom, length = words[0], words[2], 3
        elif words[:2] == ["frac", "{"] and words[3:5] == ["}", "{"] and words[6] == "}":
            top, bottom, length = words[2], words[5], 7
        if not (top.isdigit() and bottom.isdigit() and 0 < int(top[:50]) < int(bottom[:50])):
            return number
        self.at += length
        return ("num", number[1] + Fraction(int(top), int(bottom)))

    def command(self, name: str) -> Formula:
        """A command with what it takes."""
        if name == "frac" and (derivative := self.derivative({0: "{", 2: "}", 3: "{", 5: "}"}, 1, 4)):
            return derivative
        if name in ("frac", "binom"):
            arguments = [self.braced(), self.braced()]
            return ("/" if name == "frac" else "binom", *arguments)
        if name == "sqrt":
            if not self.took("["):
                return ("sqrt", self.primary())
            index = self.sum()
            self.expect("]")
            return ("root", self.primary(), index)
        if name in FUNCTIONS:
            return self.applied(name)
        if name in _LETTERS:
            return self.subscripted("\\" + name)
        raise UnreadableError(f"\\{name} is not known")

    def derivative(self, signs: dict[int, str], top: int, bottom: int) -> Formula | None:
        """dy/dx, where its parts stand at these places from here; None where they do not."""
        words = [self.peek(ahead)[1] for ahead in (top, bottom)]
        if any(self.peek(ahead)[1] != sign for ahead, sign in signs.items()):
            return None
        if not re.fullmatch("d[a-z]?", words[0]) or not re.fullmatch("d[a-z]", words[1]):
            return None
        self.at += max(bottom, *signs) + 1
        return ("sym", "/".join(words))

    def braced(self) -> Formula:
        """What a command takes, in braces."""
        self.expect("{")
        found = self.sum()
        self.expect("}")
        return found

    def word(self, word: str) -> Formula:
        """A letter, a function, a product of lower-case letters, or the name of a segment."""
        if word in FUNCTIONS:
            return self.applied(word)
        if len(word) == 1:
            return self.subscripted(word)
        self.at -= 1
        if derivative := self.derivative({1: "/"}, 0, 2):
            return derivative
        self.at += 1
        long = len(word) > 3 and not spelled_product(word)
        if not self.mathematical or long or (word.lower() in _ENGLISH and self.stands_apart()):
            raise UnreadableError(f"{word!r} is a word")
        if word.isupper():
            return ("sym", word)
        if not word.islower():
            raise UnreadableError(f"{word!r} is a word")
        # The last of the letters may have an exponent of its own.
        rest = [("word", one, False) for one in word]
        self.tokens[self.at - 1 : self.at] = rest
        return self.subscripted(word[0])

    def stands_apart(self) -> bool:
        """Whether the word that was taken has space around it, as in a sentence, and no sign before it."""
        before = self.tokens[self.at - 2] if self.at > 1 else ("sign", "(", False)
        after = self.peek()
        spaced = self.tokens[self.at - 1][2] and not (before[0] == "sign" and before[1] in "+-*/^([{")
        return spaced or (after[2] and after[0] in ("word", "number"))

    def subscripted(self, name: str) -> Formula:
        """A letter with its subscript; i and e are numbers."""
        if not self.took("_"):
            return {"e": ("e",), "i": ("i",)}.get(name, ("sym", name))
        inside = [self.peek()[1]]
        self.at += 1
        if inside[0] == "{":
            inside = []
            while not self.took("}"):
                if self.peek()[0] == "end":
                    raise UnreadableError("a subscript is not closed")
                inside.append(self.peek()[1])
                self.at += 1
        return ("sym", f"{name}_{''.join(inside)}")

    def arguments(self) -> list[Formula]:
        """What a function is applied to, in round brackets."""
        opening = self.took("(", "[", "⦃")
        if not opening:
            raise UnreadableError("a bracket is expected")
        bars, self.bars = self.bars, []
        found = [self.sum()]
        while self.took(","):
            found.append(self.sum())
        self.expect({"(": ")", "[": "]", "⦃": "⦄"}[opening])
        self.bars = bars
        return found

    def applied(self, name: str) -> Formula:
        r"""A function with its argument, its base and its exponent: `\log_2 3`, `\sin^2 x`."""
        base = exponent = None
        if self.took("_"):
            base = self.primary()
        if self.took("^"):
            exponent = self.exponent()
        listed = self.peek()[1] == "(" or (self.peek()[1] == "⦃" and name in _OF_SETS)
        arguments = self.arguments() if listed else [self.argument()]
        name = _OTHER_NAMES.get(name, name)
        if exponent == ("neg", ("num", Fraction(1))) and name in _INVERTED:
            name, exponent = f"arc{name}", None
        if base is not None and name not in ("log", "lg"):
            raise UnreadableError(f"a base of {name}")
        found = (name, *arguments, base) if base is not None else (name, *arguments)
        return ("^", found, exponent) if exponent is not None else found

    def argument(self) -> Formula:
        """What stands behind a function without brackets: factors, up to a sign or another function."""
        if self.peek()[1] in ("(", "{"):
            return self.primary()
        found = self.signed()
        while self.begins_factor() and self.peek()[1] not in FUNCTIONS and self.peek()[1] not in "([{":
            found = ("*", found, self.power())
        return found


_GREEK = """
alpha beta gamma delta epsilon varepsilon zeta eta theta vartheta iota kappa lambda mu nu xi rho sigma tau upsilon phi
varphi chi psi omega Gamma Delta Theta Lambda Xi Pi Sigma Phi Psi Omega ell hbar
"""
_LETTERS = frozenset(_GREEK.split())


def _number(word: str) -> Fraction:
    """The exact value of a number as written. Raises UnreadableError where its exponent is huge."""
    mantissa, _, exponent = word.lower().partition("e")
    if len(exponent) > 5 or len(mantissa) > 4000:
        raise UnreadableError("it is too long a number")
    return Fraction(mantissa.rstrip(".") or "0") * Fraction(10) ** int(exponent or 0)


def symbols(tree: Formula) -> frozenset[str]:
    """The names of the letters in a formula."""
    if tree[0] == "num":
        return frozenset()
    if tree[0] == "sym":
        return frozenset([tree[1]])
    return frozenset().union(*(symbols(one) for one in tree[1:] if isinstance(one, tuple)))


def spelled_product(word: str) -> bool:
    """Whether lower-case letters in a row are a product and no word: they have no vowel, or follow the alphabet."""
    if not re.fullmatch("[a-z]{2,4}", word):
        return False
    return not re.search("[aeiouy]", word) or word in "abcdefghijklmnopqrstuvwxyz"
