"""Whether formulas are equal: exactly where they are arithmetic, else to many digits at many points."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

from mpmath import mp

from jorney.domain.reading.formula import Formula, symbols
from jorney.domain.reading.rationals import exact, residues
from jorney.domain.reading.values import DIGITS, TooLargeError, more_digits, value_at

# Where formulas with letters are compared. What is smooth is equal at all of these by identity alone.
# Beyond 1 and below it, so that neither a high power nor what is beside it is lost; and below 0, where roots are no letters.
_POINTS = (
    [0.7390851332151607, 0.5671432904097838, 0.9159655941772190, 0.2614972128476428, 0.8346268416740732, 0.3678794411714423],
    [1.3247179572447461, 2.6854520010653064, 1.7013016167040798, 3.3598856662431776, 1.1865691104156254, 2.2955871493926381],
    [
        -1.4513692348833811,
        -0.7642236535892206,
        -2.5029078750958928,
        -1.2020569031595942,
        -3.1462643699419723,
        -0.6434105462883380,
    ],
)
# What is not smooth has to agree at many more: at small, large and whole numbers, of both signs, each letter by itself.
_JUMPS = frozenset(("floor", "ceil", "abs", "min", "max", "sgn", "Re", "Im", "arg", "gcd", "lcm"))
_BRANCHED = frozenset(("sqrt", "root", "ln", "log", "lg", "fact", "fact2", "binom", "zeta", "Gamma"))
_WHOLE = (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 15, 16, 25, 27, 30, 36, 49, 64, 81, 100, 128, 210, 243, 500, 1000, 1024, 0)
_SCALES = (0.5, 1, 3, 10, 30, 100, 300)
_MOST_CONSTANTS = 4  # beside which formulas are compared
_COMPLEX = ("z", "w")  # the usual names of complex numbers


def same_value(a: Formula, b: Formula) -> bool:
    """Whether two formulas are equal: of the same form, of the same exact value, or of the same values at many points."""
    if a == b:
        return True
    if _holds_infinity(a) or _holds_infinity(b):
        return False  # there is no arithmetic of it
    first, second = exact(a), exact(b)
    if first is not None and second is not None:
        return first == second
    names = sorted(symbols(a) | symbols(b))
    rests = residues(a, names), residues(b, names)
    if rests[0] is not None and rests[1] is not None:
        return rests[0] == rests[1]
    met, strict = 0, _jumps(a) != _jumps(b)
    for point, real, needed in _points(a, b, names):
        try:
            x, y = value_at(a, point, real), value_at(b, point, real)
            if x is None or y is None:
                # A formula may have no value somewhere where its equal has one (n! = n (n-1)! at 0), but |x| is not x.
                if x is not y and (needed or (strict and real)):
                    return False
                continue
            if not _agree(a, b, point, real, x, y):
                return False
        except TooLargeError:
            continue
        met += 1
    return met > 0


def ratio(a: Formula, b: Formula) -> Any:
    """The constant c for which a = c b holds, c not 0; None where there is none. For equations and inequalities."""
    if not symbols(a) or symbols(a) != symbols(b) or _holds_infinity(a) or _holds_infinity(b):
        return None
    names = sorted(symbols(a))
    rests = residues(a, names), residues(b, names)
    exactly = rests[0] is not None and rests[1] is not None
    if rests[0] is not None and rests[1] is not None:
        (p, q), (r, s) = (rests[0][:2], rests[1][:2])
        if (p * s - q * r) % (2**61 - 1) or not (p and q and r and s):
            return None
    constant, strict = None, _jumps(a) != _jumps(b)
    for point, real, needed in _points(a, b, names):
        try:
            x, y = value_at(a, point, real), value_at(b, point, real)
        except TooLargeError:
            continue
        if x is None or y is None:
            if x is not y and (needed or (strict and real)):
                return None
            continue
        zero = [abs(one) <= mp.mpf(10) ** (20 - DIGITS) * size for one, size, _ in (x, y)]
        if any(zero):
            if not all(zero):
                return None
            continue
        found = x[0] / y[0]
        if constant is not None and not _close(constant, found, DIGITS):
            return None
        constant = found
        if exactly:
            break
    return constant


def decimal(tree: Formula) -> Any:
    """The value of a real number; None where a formula is none, has letters, or is too large."""
    try:
        found = None if symbols(tree) or _holds_infinity(tree) else value_at(tree, {}, True)
    except TooLargeError:
        return None
    return None if found is None else found[0]


def _holds_infinity(tree: Formula) -> bool:
    return tree[0] == "infinity" or any(isinstance(one, tuple) and _holds_infinity(one) for one in tree[1:])


def _agree(a: Formula, b: Formula, point: dict[str, Any], real: bool, x: Any, y: Any) -> bool:
    digits = max(x[2], y[2])
    if min(x[2], y[2]) < digits:
        x = (*more_digits(a, point, real, digits), digits)
        y = (*more_digits(b, point, real, digits), digits)
    if _close(x[0], y[0], digits):
        return True
    with mp.workdps(digits):
        if abs(x[0] - y[0]) > mp.mpf(10) ** (15 - digits) * max(x[1], y[1]):
            return False
    # What is 0 by cancellation is the smaller, the more digits there are.
    x, y = more_digits(a, point, real, 3 * digits), more_digits(b, point, real, 3 * digits)
    with mp.workdps(3 * digits):
        return bool(abs(x[0] - y[0]) <= mp.mpf(10) ** (15 - 3 * digits) * max(x[1], y[1]))


def _close(a: Any, b: Any, digits: int) -> bool:
    with mp.workdps(digits):
        return bool(abs(a - b) <= mp.mpf(10) ** (12 - digits) * max(abs(a), abs(b)))


def _parts(tree: Formula) -> Iterator[Formula]:
    yield tree
    for one in tree[1:]:
        if isinstance(one, tuple):
            yield from _parts(one)


def _jumps(tree: Formula) -> frozenset[str]:
    return frozenset(part[0] for part in _parts(tree) if part[0] in _JUMPS)


def _branched(part: Formula) -> bool:
    """Whether a formula is not smooth in its letters."""
    if part[0] == "^":
        exponent = exact(part[2])
        known = exponent is None or exponent.denominator != 1
        return known and bool(symbols(part))
    return (part[0] in _JUMPS or part[0] in _BRANCHED or part[0].startswith("arc")) and bool(symbols(part))


def _points(a: Formula, b: Formula, names: list[str]) -> Iterator[tuple[dict[str, Any], bool, bool]]:
    """Points by the letters' order, not by their names; whether values have to be real there; whether both must have one."""
    if not names:
        yield {}, False, True
        return
    parts = [*_parts(a), *_parts(b)]
    imaginary = any(part[0] == "i" for part in parts)
    complex_letters = _complex_letters(parts, names)
    for own in () if complex_letters else _POINTS:
        below = own is _POINTS[2]
        yield {name: own[k % 6] * (1 + k // 6 * 0.1237) for k, name in enumerate(names)}, below and not imaginary, not below
    if not any(map(_branched, parts)):
        return
    chance = random.Random(1)
    for turn in range(len(_WHOLE) + 2 * len(_SCALES)):
        scale = _SCALES[turn % len(_SCALES)]
        point: dict[str, Any] = {}
        for k, name in enumerate(names):
            if name in complex_letters:
                point[name] = complex(chance.uniform(-scale, scale), chance.uniform(-scale, scale))
            elif turn < len(_WHOLE):
                size = _WHOLE[turn] if k == 0 else chance.choice(_WHOLE)
                point[name] = size * chance.choice((1, 1, 1, -1))
            else:
                point[name] = chance.uniform(0, scale) * chance.choice((1, -1))
        yield point, not complex_letters and not imaginary, False
        if len(names) == 1 and not complex_letters:
            yield {names[0]: -point[names[0]]}, not imaginary, False
    if complex_letters:
        return
    for name, value in itertools.product(names, _beside({abs(part[1]) for part in parts if part[0] == "num"})):
        yield {other: chance.uniform(-9, 9) for other in names} | {name: value}, not imaginary, False


def _beside(constants: set[Fraction]) -> list[float]:
    """Numbers on both sides of where a formula of these constants may jump or bend, and of whole numbers."""
    near = [float(one) for one in sorted(constants)[-_MOST_CONSTANTS:] if 0 < one < 10**9]
    found = [sign * (one + step) for one in (3.0, 7.0, *near) for step in (-0.0007, 0.0007) for sign in (1, -1)]
    return [*found, *(sign * 1.3 * one for one in near for sign in (1, -1))]


def _complex_letters(parts: list[Formula], names: list[str]) -> frozenset[str]:
    """The letters that stand for complex numbers: where real and imaginary parts are taken, all."""
    if any(part[0] in ("Re", "Im", "arg") and symbols(part) for part in parts):
        return frozenset(names)
    within = frozenset().union(*(symbols(part) for part in parts if part[0] == "abs"))
    return frozenset(name for name in within if name.partition("_")[0] in _COMPLEX)
