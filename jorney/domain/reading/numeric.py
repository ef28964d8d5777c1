"""What formulas are worth: exactly where they are rational, else to many digits, at a few points where they hold letters."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any

import mpmath
from mpmath import mp

from jorney.domain.reading.formula import Formula, symbols

DIGITS = 40
_BITS = 1 << 20  # of an exact number, at most
_LARGEST = 10**7  # of an exponent's logarithm
# Where formulas with letters are compared: no formula that anyone writes is equal to another at all of these but by identity.
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
_ARITHMETIC: dict[str, Callable[..., Any]] = {
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
    **_ARITHMETIC,
    "^": _exact_power,
    "sqrt": lambda a: _exact_root(a, Fraction(1, 2)),
    "root": lambda a, index: _exact_root(a, 1 / index),
    "fact": _factorial,
    "binom": _binomial,
    "floor": lambda a: Fraction(math.floor(a)),
    "ceil": lambda a: Fraction(math.ceil(a)),
    "gcd": _whole(math.gcd),
    "lcm": _whole(math.lcm),
}


def _power(base: Any, exponent: Any) -> Any:
    if base == 0:
        if mpmath.re(exponent) <= 0 and exponent != 0:
            raise NoValueError("division by zero")
        return mp.mpf(0) if exponent != 0 else mp.mpf(1)
    if abs(exponent) > _LARGEST or abs(exponent) * (abs(mpmath.log(abs(base), 2)) + 1) > _LARGEST:
        raise NoValueError("too large")
    if isinstance(exponent, mpmath.mpf) and exponent == mpmath.floor(exponent) and abs(exponent) < _LARGEST:
        return base ** int(exponent)
    return base**exponent


def _exp(exponent: Any) -> Any:
    return _power(mp.e, exponent)


def _root(radicand: Any, index: Any) -> Any:
    """The real root where there is one: of odd indices below 0, too."""
    if isinstance(radicand, mpmath.mpf) and radicand < 0 and index == mpmath.floor(index) and int(index) % 2 == 1:
        return -_power(-radicand, 1 / index)
    return _power(radicand, 1 / index)


def _gamma(number: Any) -> Any:
    if abs(number) > 10**5:
        raise NoValueError("too large")
    return mpmath.factorial(number)


def _opaque(shift: float) -> Callable[..., Any]:
    """Any function of no name: another value for other arguments."""
    return lambda *values: sum(mpmath.cos(value * (k + 1) + shift + k) for k, value in enumerate(values)) + shift


def _log(number: Any, base: Any = 10) -> Any:
    return mpmath.log(number) / mpmath.log(base)


_BOUNDED = ("sin", "cos", "tan", "sec", "csc", "cot", "sinh", "cosh", "tanh", "coth")  # of arguments that are not too large
_VALUE: dict[str, Callable[..., Any]] = {
    **_ARITHMETIC,
    "deg": lambda a: a * mp.pi / 180,
    "^": _power,
    "sqrt": mpmath.sqrt,
    "root": _root,
    "fact": _gamma,
    "binom": lambda n, k: _gamma(n) / _gamma(k) / _gamma(n - k),
    "pi": lambda: +mp.pi,
    "e": lambda: +mp.e,
    "i": lambda: mp.mpc(0, 1),
    "infinity": lambda: mp.inf,
    "ln": mpmath.log,
    "log": _log,
    "lg": _log,
    "exp": _exp,
    "floor": mpmath.floor,
    "ceil": mpmath.ceil,
    "Re": mpmath.re,
    "Im": mpmath.im,
    "arg": mpmath.arg,
    "sgn": mpmath.sign,
    "arcsin": mpmath.asin,
    "arccos": mpmath.acos,
    "arctan": mpmath.atan,
    "arcsec": mpmath.asec,
    "arccsc": mpmath.acsc,
    "arccot": mpmath.acot,
    **{name: getattr(mpmath, name) for name in _BOUNDED},
    **{f"f_{name}": _opaque(shift / 7 + 0.3) for shift, name in enumerate("fghFGH")},
}


def _value(tree: Formula, at: Mapping[str, Any]) -> Any:
    kind = tree[0]
    if kind == "num":
        number: Fraction = tree[1]
        return mp.mpf(number.numerator) / number.denominator
    if kind == "sym":
        return at[tree[1]]
    if kind not in _VALUE:
        raise NoValueError(kind)
    values = [_value(one, at) for one in tree[1:]]
    if kind in _BOUNDED and abs(values[0]) > 10**6:
        raise NoValueError("too large")
    return _VALUE[kind](*values)


def _at(tree: Formula, at: Mapping[str, float], digits: int) -> Any:
    """The value at a point; None where there is none."""
    with mp.workdps(digits):
        try:
            found = mp.mpmathify(_value(tree, {name: mp.mpf(value) for name, value in at.items()}))
        except (ArithmeticError, ValueError, TypeError):
            return None
        return None if mpmath.isnan(found) else found


def _points(names: list[str]) -> list[dict[str, float]]:
    """Values of letters by their order, not by their names."""
    if not names:
        return [{}]
    return [{name: own[k % 6] * (1 + k // 6 * 0.1237) for k, name in enumerate(names)} for own in _POINTS]


def _close(a: Any, b: Any, digits: int) -> bool:
    if mpmath.isinf(a) or mpmath.isinf(b):
        return bool(a == b)
    with mp.workdps(digits):
        return bool(abs(a - b) <= mp.mpf(10) ** (12 - digits) * max(abs(a), abs(b)))


def same_value(a: Formula, b: Formula) -> bool:
    """Whether two formulas are equal: of the same form, of the same rational value, or of the same values at some points."""
    if a == b:
        return True
    first, second = exact(a), exact(b)
    if first is not None and second is not None:
        return first == second
    met = 0
    for number, point in enumerate(_points(sorted(symbols(a) | symbols(b)))):
        x, y = _at(a, point, DIGITS), _at(b, point, DIGITS)
        if number == 2 and (x is None or y is None or mpmath.im(x) or mpmath.im(y)):
            continue  # below 0 a formula may have no real value
        if x is None and y is None:
            continue
        if x is None or y is None or not _agree(a, b, point, x, y):
            return False
        met += 1
    return met > 0


def _agree(a: Formula, b: Formula, point: dict[str, float], x: Any, y: Any) -> bool:
    if _close(x, y, DIGITS):
        return True
    if abs(x) > 1e-20 and abs(y) > 1e-20:
        return False
    # What is 0 by cancellation is the smaller, the more digits there are.
    x, y = _at(a, point, 3 * DIGITS), _at(b, point, 3 * DIGITS)
    return x is not None and y is not None and bool(abs(x - y) < mp.mpf(10) ** (-2 * DIGITS))


def ratio(a: Formula, b: Formula) -> Any:
    """The constant c for which a = c b holds, c not 0; None where there is none. For equations and inequalities."""
    found = []
    for point in _points(sorted(symbols(a) | symbols(b)))[:2]:
        x, y = _at(a, point, DIGITS), _at(b, point, DIGITS)
        if x is None or y is None or abs(y) < 1e-25 or abs(x) < 1e-25 or mpmath.isinf(x) or mpmath.isinf(y):
            return None
        found.append(x / y)
    if not symbols(a) or symbols(a) != symbols(b) or not all(_close(found[0], one, DIGITS) for one in found):
        return None
    return found[0]
