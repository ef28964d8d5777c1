"""Formulas of rational numbers, exactly; and formulas of arithmetic and letters by their residues, however long they are."""

from __future__ import annotations

import math
import operator
import random
from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any

from jorney.domain.reading.formula import Formula

_BITS = 1 << 20  # of an exact number, at most
_PRIMES = (2**61 - 1, 2**89 - 1)
_MOST_LETTERS = 60  # in a formula
_LARGEST_FACTORIAL = 20_000  # whose residue is worked out


class NoValueError(ArithmeticError):
    """A formula has no value, or one too large to tell."""


def exact(tree: Formula) -> Fraction | None:
    """The value of a formula of rational numbers; None where it is not rational, has letters, or is too long."""
    try:
        return _exact(tree)
    except (ArithmeticError, ValueError, TypeError):
        return None


def _exact(tree: Formula) -> Fraction:
    kind = tree[0]
    if kind == "num":
        return Fraction(tree[1])
    if kind not in _EXACT:
        raise NoValueError(kind)
    found = _EXACT[kind](*map(_exact, tree[1:]))
    if max(found.numerator.bit_length(), found.denominator.bit_length()) > _BITS:
        raise NoValueError("too long")
    return Fraction(found)


def _exact_power(base: Fraction, exponent: Fraction) -> Fraction:
    if exponent.denominator != 1:
        return _exact_root(base, exponent)
    bits = max(base.numerator.bit_length(), base.denominator.bit_length())
    if (base in (0, 1, -1) and abs(exponent) < _BITS) or bits * abs(exponent) <= _BITS:
        return base ** int(exponent)
    raise NoValueError("too long")


def _exact_root(base: Fraction, exponent: Fraction) -> Fraction:
    """A rational root, where it is one: 8^{1/3}."""
    if base < 0 or exponent.denominator > 64 or max(base.numerator, base.denominator).bit_length() > 2000:
        raise NoValueError("no rational root")
    roots = [_whole_root(part, exponent.denominator) for part in (base.numerator, base.denominator)]
    return _exact_power(Fraction(*roots), Fraction(exponent.numerator))


def _whole_root(number: int, index: int) -> int:
    if index == 2:
        root = math.isqrt(number)
    else:
        low, high = 0, 1 << (number.bit_length() // index + 1)
        while low < high:
            middle = (low + high + 1) // 2
            low, high = (middle, high) if middle**index <= number else (low, middle - 1)
        root = low
    if root**index != number:
        raise NoValueError("no rational root")
    return root


def _factorial(number: Fraction) -> Fraction:
    if number.denominator != 1 or not 0 <= number <= 2000:
        raise NoValueError("no factorial")
    return Fraction(math.factorial(int(number)))


def _double_factorial(number: Fraction) -> Fraction:
    if number.denominator != 1 or not 0 <= number <= 2000:
        raise NoValueError("no factorial")
    return Fraction(math.prod(range(int(number), 0, -2)))


def _binomial(n: Fraction, k: Fraction) -> Fraction:
    if n.denominator != 1 or k.denominator != 1 or not 0 <= k <= n <= 5000:
        raise NoValueError("no binomial")
    return Fraction(math.comb(int(n), int(k)))


def _whole(of: Callable[..., int]) -> Callable[..., Fraction]:
    def value(*numbers: Fraction) -> Fraction:
        if any(number.denominator != 1 for number in numbers):
            raise NoValueError("not whole")
        return Fraction(of(*map(int, numbers)))

    return value


# Of numbers of either kind.
ARITHMETIC: dict[str, Callable[..., Any]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "neg": operator.neg,
    "pct": lambda a: a / 100,
    "abs": abs,
    "min": min,
    "max": max,
}
_EXACT: dict[str, Callable[..., Fraction]] = {
    **ARITHMETIC,
    "^": _exact_power,
    "sqrt": lambda a: _exact_root(a, Fraction(1, 2)),
    "root": lambda a, index: _exact_root(a, 1 / index),
    "fact": _factorial,
    "fact2": _double_factorial,
    "binom": _binomial,
    "floor": lambda a: Fraction(math.floor(a)),
    "ceil": lambda a: Fraction(math.ceil(a)),
    "gcd": _whole(math.gcd),
    "lcm": _whole(math.lcm),
}


def residues(tree: Formula, names: list[str]) -> list[int] | None:
    """The values of a formula modulo large primes, its letters at points of no meaning: equal formulas have equal ones.

    That tells 2^{2000000}+1 from 2^{2000000}, and a polynomial from any other, without a digit of either.

    Returns:
      None where a formula is more than arithmetic of whole powers.
    """
    try:
        return [_residue(tree, dict(zip(names, letters, strict=False)), p) for letters, p in _TURNS]
    except (ArithmeticError, ValueError, TypeError):
        return None


def _letters(turn: int, p: int) -> tuple[int, ...]:
    chance = random.Random(turn)
    return tuple(chance.randrange(2, p) for _ in range(_MOST_LETTERS))


_TURNS = tuple((_letters(turn, p), p) for p in _PRIMES for turn in (1, 2))


def _residue(tree: Formula, at: Mapping[str, int], p: int) -> int:
    kind = tree[0]
    if kind == "num":
        return tree[1].numerator * pow(tree[1].denominator, -1, p) % p
    if kind == "sym":
        return at[tree[1]]
    if kind in ("fact", "binom"):
        return _residue_of_factorials(kind, [_exact(one) for one in tree[1:]], p)
    if kind not in ("^", "neg", "pct", "+", "-", "*", "/"):
        raise NoValueError(kind)
    first = _residue(tree[1], at, p)
    if kind == "^":
        exponent = _exact(tree[2])
        if exponent.denominator != 1:
            raise NoValueError("no whole exponent")
        return pow(first, int(exponent), p)
    if kind in ("neg", "pct"):
        return (-first if kind == "neg" else first * pow(100, -1, p)) % p
    second = _residue(tree[2], at, p)
    return (first * pow(second, -1, p) if kind == "/" else ARITHMETIC[kind](first, second)) % p


def _residue_of_factorials(kind: str, of: list[Fraction], p: int) -> int:
    if any(one.denominator != 1 or not 0 <= one <= _LARGEST_FACTORIAL or one > of[0] for one in of):
        raise NoValueError("no factorial")
    found = [_factorial_modulo(int(one), p) for one in (*of, *([of[0] - of[1]] if kind == "binom" else []))]
    return found[0] * pow(math.prod(found[1:]), -1, p) % p


def _factorial_modulo(number: int, p: int) -> int:
    found = 1
    for one in range(2, number + 1):
        found = found * one % p
    return found
