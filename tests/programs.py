"""What a traced program does: all equations of a jaxpr, those of the programs inside it too."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import jax
from jax.extend.core import ClosedJaxpr, Jaxpr, JaxprEqn


def equations(jaxpr: Any, times: int = 1) -> Iterator[tuple[JaxprEqn, int]]:
    """(equation, how often it runs) of a jaxpr; the body of a while loop counts once."""
    jaxpr = jaxpr.jaxpr if isinstance(jaxpr, ClosedJaxpr) else jaxpr
    for equation in jaxpr.eqns:
        yield equation, times
        turns = equation.params["length"] if equation.primitive.name == "scan" else 1
        for value in equation.params.values():
            for inner in value if isinstance(value, tuple | list) else (value,):
                if isinstance(inner, Jaxpr | ClosedJaxpr):
                    yield from equations(inner, times * turns)


def product_operations(function: Callable[..., Any], *arguments: Any) -> int:
    """Multiplications and additions of all matrix products of a function."""
    total = 0
    for equation, times in equations(jax.make_jaxpr(function)(*arguments)):
        if equation.primitive.name == "dot_general":
            (contracted, _), _ = equation.params["dimension_numbers"]
            inner = math.prod(equation.invars[0].aval.shape[axis] for axis in contracted)
            total += 2 * inner * math.prod(equation.outvars[0].aval.shape) * times
    return total


def largest(function: Callable[..., Any], *arguments: Any) -> int:
    """Elements of the largest array that a function makes on its way."""
    found = equations(jax.make_jaxpr(function)(*arguments))
    return max(math.prod(getattr(out.aval, "shape", ())) for equation, _ in found for out in equation.outvars)
