"""The arithmetic that a text writes down: its numbers, and its equations with whether they hold.

Wider than `domain.equations`, which reads `a op b = c` alone: chains (`48 / 2 = 24 = 12 * 2`), brackets, money, per cent and
units as solutions of word problems have them (`5 eggs * $2 = $10`). What cannot be read for certain is left out.
"""

from __future__ import annotations

import itertools
import operator
import re
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from typing import NamedTuple

NUMBER = r"(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.\d+)?|\.\d+"
_NUMBER = re.compile(rf"(?<![\w.])(?:{NUMBER})|(?<=[a-zA-Z]-)\d+")
_TOKEN = re.compile(rf"{NUMBER}|[-+*/()%]")
_TOKENS = re.compile(rf"((?:\s*(?:{NUMBER}|[-+*/()%]))*).*", re.DOTALL)
_OPERATIONS = {"+": operator.add, "-": operator.sub, "*": operator.mul, "/": operator.truediv}
_SIGNS = str.maketrans({"×": "*", "·": "*", "∙": "*", "÷": "/", "−": "-", "–": "-", "$": "", "£": "", "€": "", "\\": " "})
_TIMES = re.compile(r"(?<=[\d)%]) *[xX] *(?=[\d(.])|(?<=[a-z]) [xX] (?=[\d(.])| times | cdot ")
_LATEX = re.compile(r"\\(times|cdot)(?![a-z])")
# Words after a number; letters that touch it are a variable: 3D + 5.
_UNIT = re.compile(r"(?<=[\d%]) +[a-zA-Z]+(?:[ /][a-zA-Z]+)?(?= *[+*/=]| - |$)")
_TO_TAIL = re.compile(r".*[^-+*/()%\d.,\s]", re.DOTALL)
_FROM_HEAD = re.compile(r"[^-+*/()%\d.,\s].*", re.DOTALL)
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
        tail, head = _TO_TAIL.sub("", left[-_LONGEST:]), _FROM_HEAD.sub("", right[:_LONGEST])
        tokens = _tokens(re.sub(r"^[\s.,]*(?:[\s,]|(?=[^.\d]))", "", tail))
        touches = left[: len(left) - len(tail)][-1:].isalnum() and not tail.startswith(" ")
        # A left that begins with an operation goes on from something that was not read.
        if touches or not _OPERATIONS.keys() & {*tokens} or tokens[0] in "+-*/)%" or not _balanced(tokens):
            continue
        right_tokens = _tokens(head)
        values = (_evaluate(right_tokens[:stop]) for stop in range(len(right_tokens), 0, -1))
        # All of the right where it is an expression, else as much as is one.
        stated = next((value for value in values if value is not None), None)
        if stated is not None:
            digits = re.search(r"\.(\d+)", head)
            slack = Fraction(1, 10 ** len(digits[1])) if digits else Fraction(0)
            value = _evaluate(tokens)
            numbers = tuple(_value(token) for token in tokens if token[-1].isdigit())
            yield Equation(numbers, stated, value is not None and abs(value - stated) <= slack)


def _value(text: str) -> Fraction:
    return Fraction(text.replace(",", "")[:30])


def _tokens(text: str) -> list[str]:
    """The numbers and signs that a text begins with."""
    return _TOKEN.findall(_TOKENS.sub(r"\1", text))


def _balanced(tokens: list[str]) -> bool:
    depths = [0, *itertools.accumulate((token == "(") - (token == ")") for token in tokens)]
    return min(depths) == depths[-1] == 0


def _evaluate(tokens: list[str]) -> Fraction | None:
    """The value of an expression; None where it is none, or divides by zero."""
    rest = ["", *reversed(tokens)]  # the next one last; "" is the end

    def atom() -> Fraction:
        token = rest.pop()
        if token == "-":
            return -atom()
        if token == "(":
            value = total()
            if rest.pop() != ")":
                raise ArithmeticError
        elif token[-1:].isdigit():
            value = _value(token)
        else:
            raise ArithmeticError
        if rest[-1] == "%":
            rest.pop()
            value /= 100
        return value

    def chain(operand: Callable[[], Fraction], signs: Sequence[str]) -> Fraction:
        value = operand()
        while rest[-1] in signs:
            value = _OPERATIONS[rest.pop()](value, operand())
        return value

    def total() -> Fraction:
        return chain(lambda: chain(atom, ("*", "/")), ("+", "-"))

    try:
        value = total()
    except (ArithmeticError, RecursionError):  # ZeroDivisionError is one
        return None
    return value if rest == [""] else None
