"""What formulas are worth at a point, to as many digits as their magnitude needs."""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any

import mpmath
from mpmath import mp

from jorney.domain.reading.formula import Formula
from jorney.domain.reading.rationals import ARITHMETIC, NoValueError

DIGITS = 40
_LARGEST = 10**7  # of an exponent's logarithm
_WIDEST = 3000  # digits between the largest and the smallest number that is met on the way to a value
_WIDE = 300  # of them at one of many points


class TooLargeError(NoValueError):
    """A value is too large or too small to work out."""


def value_at(tree: Formula, at: Mapping[str, Any], real: bool) -> tuple[Any, Any, int] | None:
    """The value of a formula at a point, the largest number met on the way, and the digits that hold.

    Where large and small numbers meet, there are as many more digits: 10^{40}+\\sqrt2 has eighty.

    Args:
      real: whether what is not real is no value.

    Returns:
      None where there is no value.

    Raises:
      TooLargeError: it would take too many digits.
    """
    digits, found = DIGITS, _evaluated(tree, at, real, DIGITS)
    if found is not None and found[2] > 10:
        if found[2] > (_WIDE if real else _WIDEST):
            raise TooLargeError("too many digits")
        digits = DIGITS + 2 * int(found[2])
        found = _evaluated(tree, at, real, digits)
    return None if found is None else (found[0], found[1], digits)


def more_digits(tree: Formula, at: Mapping[str, Any], real: bool, digits: int) -> tuple[Any, Any]:
    """The value to a number of digits, and the largest number met on the way. Raises NoValueError."""
    found = _evaluated(tree, at, real, digits)
    if found is None:
        raise NoValueError("no value")
    return found[0], found[1]


def _evaluated(tree: Formula, at: Mapping[str, Any], real: bool, digits: int) -> tuple[Any, Any, float] | None:
    """A value, the largest magnitude met, and the decimal orders between that and the smallest."""
    with mp.workdps(digits):
        walk = _Walk({name: mp.mpmathify(value) for name, value in at.items()}, real)
        try:
            found = mp.mpmathify(walk.value(tree))
        except TooLargeError:
            raise
        except (ArithmeticError, ValueError, TypeError):
            return None
        if mpmath.isnan(found) or mpmath.isinf(found):
            return None
        return found, mp.mpf(2) ** walk.high, (walk.high - walk.low) * 0.30103


class _Walk:
    """Values from the leaves upwards. Keeps the binary orders of the largest and the smallest number met."""

    def __init__(self, at: Mapping[str, Any], real: bool) -> None:
        self.at, self.real, self.high, self.low = at, real, 0, 0

    def value(self, tree: Formula) -> Any:
        kind = tree[0]
        if kind == "num":
            number: Fraction = tree[1]
            self.high = max(self.high, number.numerator.bit_length())
            self.low = min(self.low, -number.denominator.bit_length())
            return mp.mpf(number.numerator) / number.denominator
        if kind == "sym":
            return self.at[tree[1]]
        if kind == "call":
            return _unknown(tree[1])(*map(self.value, tree[2:]))
        if kind not in _VALUE:
            raise NoValueError(kind)
        values = [self.value(one) for one in tree[1:]]
        if kind in _BOUNDED and abs(values[0]) > 10**6:
            raise TooLargeError("too large")
        if kind in ("tanh", "coth"):  # which are 1 but for what is as small as their arguments are large
            self.low = min(self.low, -int(3 * abs(values[0])))
        found = _VALUE[kind](*values)
        if self.real and isinstance(found, mpmath.mpc) and found.imag:
            raise NoValueError("not real")
        if size := mpmath.mag(found) if mpmath.isfinite(found) and found else 0:
            self.high, self.low = max(self.high, size), min(self.low, size)
        return found


def _power(base: Any, exponent: Any) -> Any:
    if base == 0:
        if mpmath.re(exponent) <= 0 and exponent != 0:
            raise NoValueError("division by zero")
        return mp.mpf(0) if exponent != 0 else mp.mpf(1)
    if abs(exponent) > _LARGEST or abs(exponent) * (abs(mpmath.log(abs(base), 2)) + 1) > _LARGEST:
        raise TooLargeError("too large")
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


def _factorial(number: Any) -> Any:
    if abs(number) > (2000 if number == mpmath.floor(mpmath.re(number)) else 60):
        raise TooLargeError("too large")
    return mpmath.factorial(number)


def _binomial(n: Any, k: Any) -> Any:
    return _factorial(n) / _factorial(k) / _factorial(n - k)


def _small(of: Callable[..., Any]) -> Callable[..., Any]:
    def value(*numbers: Any) -> Any:
        if any(abs(number) > 60 for number in numbers):
            raise TooLargeError("too large")
        return of(*numbers)

    return value


def _whole(of: Callable[..., Any]) -> Callable[..., Any]:
    def value(*numbers: Any) -> Any:
        if any(number != mpmath.floor(number) for number in numbers):
            raise NoValueError("not whole")
        return mp.mpf(of(*map(int, numbers)))

    return value


def _unknown(name: str) -> Callable[..., Any]:
    """Any function of no known meaning: another value for other arguments, and for another name."""
    shift = zlib.crc32(name.encode()) % 997 / 31 + 0.3

    def value(*values: Any) -> Any:
        # The straight part keeps it from having a period.
        return sum(mpmath.cos(one * (k + 1) + shift + k) + one / (k + 3) for k, one in enumerate(values)) + shift

    return value


def _log(number: Any, base: Any = 10) -> Any:
    return mpmath.log(number) / mpmath.log(base)


def _snapped(of: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """A jump at whole numbers, for what is whole but for its last digits."""

    def value(number: Any) -> Any:
        near = mpmath.nint(number)
        return near if abs(number - near) < mp.mpf(10) ** (15 - mp.dps) else of(number)

    return value


def _sign(number: Any) -> Any:
    return mp.mpf(0) if abs(number) < mp.mpf(10) ** (15 - mp.dps) else mpmath.sign(number)


_BOUNDED = ("sin", "cos", "tan", "sec", "csc", "cot", "sinh", "cosh", "tanh", "coth", "sech", "csch")  # of no large arguments
_VALUE: dict[str, Callable[..., Any]] = {
    **ARITHMETIC,
    "deg": lambda a: a * mp.pi / 180,
    "^": _power,
    "sqrt": mpmath.sqrt,
    "root": _root,
    "fact": _factorial,
    "fact2": _small(mpmath.fac2),
    "binom": _binomial,
    "zeta": _small(mpmath.zeta),
    "Gamma": _small(mpmath.gamma),
    "pi": lambda: +mp.pi,
    "e": lambda: +mp.e,
    "i": lambda: mp.mpc(0, 1),
    "ln": mpmath.log,
    "log": _log,
    "lg": _log,
    "exp": _exp,
    "floor": _snapped(mpmath.floor),
    "ceil": _snapped(mpmath.ceil),
    "gcd": _whole(math.gcd),
    "lcm": _whole(math.lcm),
    "Re": mpmath.re,
    "Im": mpmath.im,
    "arg": mpmath.arg,
    "sgn": _sign,
    **{name: getattr(mpmath, name) for name in _BOUNDED},
    **{f"arc{name}": getattr(mpmath, f"a{name}") for name in _BOUNDED},
}
