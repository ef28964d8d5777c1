"""The arithmetic that a text writes down: its numbers, and its equations with whether they hold.

Wider than `answers.equations`, which reads `a op b = c` alone: chains (`48 / 2 = 24 = 12 * 2`), brackets, money, per cent and
units as solutions of word problems have them (`5 eggs * $2 = $10`). What cannot be read for certain is left out.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from fractions import Fraction
from typing import NamedTuple

NUMBER = r"(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.\d+)?|\.\d+"
_NUMBER = re.compile(rf"(?<![\w.])(?:{NUMBER})|(?<=[a-zA-Z]-)\d+")
_TOKEN = re.compile(rf"\s*({NUMBER}|[-+*/()%])")
_SIGNS = str.maketrans({"×": "*", "·": "*", "∙": "*", "÷": "/", "−": "-", "–": "-", "$": "", "£": "", "€": "", "\\": " "})
_TIMES = re.compile(r"(?<=[\d)%]) *[xX] *(?=[\d(.])|(?<=[a-z]) [xX] (?=[\d(.])| times | cdot ")
_LATEX = re.compile(r"\\(times|cdot)(?![a-z])")
# Words after a number; letters that touch it are a variable: 3D + 5.
_UNIT = re.compile(r"(?<=[\d%]) +[a-zA-Z]+(?:[ /][a-zA-Z]+)?(?= *[+*/=]| - |$)")
_TAIL = re.compile(r"[-+*/()%\d.,\s]*$")
_HEAD = re.compile(r"[-+*/()%\d.,\s]*")
_LONGEST = 120  # characters of a side; a model that repeats itself writes more

# Numbers written out. "second" and "one another" say more often something else.
_UP_TO_TWENTY = """zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen
seventeen eighteen nineteen twenty"""
WORDS = {name: Fraction(value) for value, name in enumerate(_UP_TO_TWENTY.split())}
WORDS |= {"thirty": Fraction(30), "forty": Fraction(40), "fifty": Fraction(50), "hundred": Fraction(100), "dozen": Fraction(12)}
WORDS |= {"twice": Fraction(2), "double": Fraction(2), "half": Fraction(1, 2), "thrice": Fraction(3), "triple": Fraction(3)}
WORDS |= {"third": Fraction(1, 3), "quarter": Fraction(1, 4), "fourth": Fraction(1, 4), "fifth": Fraction(1, 5)}


class Equation(NamedTuple):
    """One equation.

    Attributes:
      operands: the numbers on its left.
      result: the value that its right states.
      true: both sides are equal; where the right is a decimal, to a unit of its last digit.
    """

    operands: tuple[Fraction, ...]
    result: Fraction
    true: bool


def quantities(text: str, words: bool = False) -> list[Fraction]:
    """The numbers of a text, in order; with `words` also those written out ("twice", "dozen", "half")."""
    found = [(match.start(), _value(match[0])) for match in _NUMBER.finditer(text)]
    if words:
        found += [
            (match.start(), WORDS[name])
            for match in re.finditer(r"[a-z]+", text.lower())
            if (name := match[0]) in WORDS or (name := match[0].removesuffix("s")) in WORDS
        ]
    return [value for _, value in sorted(found)]


def equations(text: str) -> list[Equation]:
    """The equations of a text whose left holds an operation, line by line."""
    return [equation for line in text.splitlines() for equation in _of_line(line)]


def _of_line(line: str) -> Iterator[Equation]:
    line = re.sub(r"^\s*\d+\.\s", "", line)  # the step's number
    line = re.sub(r"(?<=\d) (?=000(?!\d))", "", line)  # 400 000
    plain = _TIMES.sub(" * ", _LATEX.sub(r" \1 ", line).translate(_SIGNS))
    plain = re.sub(r"(?<=[\d)])\((?=[\d.])", "*(", plain)  # 9(2/3)
    sides = _UNIT.sub("", plain).split("=")
    for left, right in itertools.pairwise(sides):
        tail, head = _TAIL.search(left[-_LONGEST:]), _HEAD.match(right[:_LONGEST])
        assert tail is not None
        assert head is not None
        tokens = _tokens(re.sub(r"^[\s.,]*(?:[\s,]|(?=[^.\d]))", "", tail[0]))
        ops = [token for token in tokens if token in "+-*/"]
        before = left[: len(left) - len(tail[0])]
        touches = before[-1:].isalnum() and not tail[0].startswith(" ")
        # A left that begins with an operation goes on from something that was not read.
        if not ops or tokens[0] in "+-*/)%" or touches:
            continue
        stated = _first_value(_tokens(head[0]))
        if stated is None or not _balanced(tokens):
            continue
        digits = re.search(r"\.(\d+)", head[0])
        slack = Fraction(1, 10 ** len(digits[1])) if digits else Fraction(0)
        value = _evaluate(tokens)
        numbers = tuple(_value(token) for token in tokens if token[-1].isdigit())
        yield Equation(numbers, stated, value is not None and abs(value - stated) <= slack)


def _value(text: str) -> Fraction:
    return Fraction(text.replace(",", "")[:30])


def _tokens(text: str) -> list[str]:
    found, at = [], 0
    while match := _TOKEN.match(text, at):
        found.append(match[1])
        at = match.end()
    return found


def _balanced(tokens: list[str]) -> bool:
    depth = 0
    for token in tokens:
        depth += {"(": 1, ")": -1}.get(token, 0)
        if depth < 0:
            return False
    return depth == 0


def _first_value(tokens: list[str]) -> Fraction | None:
    """The value that a right side states: of all of it where it is an expression, else of as much as is one."""
    for stop in range(len(tokens), 0, -1):
        if _balanced(tokens[:stop]) and (value := _evaluate(tokens[:stop])) is not None:
            return value
    return None


def _evaluate(tokens: list[str]) -> Fraction | None:
    """The value of an expression; None where it is none, or divides by zero."""
    at = 0

    def peek() -> str:
        return tokens[at] if at < len(tokens) else ""

    def take() -> str:
        nonlocal at
        at += 1
        return tokens[at - 1]

    def atom() -> Fraction:
        if peek() == "-":
            take()
            return -atom()
        if peek() == "(":
            take()
            value = total()
            if not peek() == ")":
                raise ArithmeticError
            take()
        elif peek() and peek()[-1].isdigit():
            value = _value(take())
        else:
            raise ArithmeticError
        if peek() == "%":
            take()
            value /= 100
        return value

    def product() -> Fraction:
        value = atom()
        while peek() in ("*", "/"):
            value = value * atom() if take() == "*" else value / atom()
        return value

    def total() -> Fraction:
        value = product()
        while peek() in ("+", "-"):
            value = value + product() if take() == "+" else value - product()
        return value

    try:
        value = total()
    except (ArithmeticError, RecursionError):  # ZeroDivisionError is one
        return None
    return value if at == len(tokens) else None
