from __future__ import annotations

import jax.numpy as jnp

from jorney.compiled import Compilations, Program


def test_compiles_once_a_shape_and_says_so() -> None:
    lines: list[str] = []
    compilations = Compilations(announce=lines.append, expected=2)
    double = Program("double", lambda x: x * 2, compilations)
    assert double(jnp.ones(3)).tolist() == [2, 2, 2]
    assert double(jnp.full(3, 5.0)).tolist() == [10, 10, 10]
    assert double(jnp.ones(4)).tolist() == [2, 2, 2, 2]
    assert double.count == 2
    assert compilations.names == ["double", "double"]
    assert lines == ["compiling double, 1 of 2", "compiling double, 2 of 2"]
    assert all(seconds > 0 for seconds in compilations.seconds)


def test_more_than_expected_is_still_told_truly() -> None:
    lines: list[str] = []
    double = Program("double", lambda x: x * 2, Compilations(announce=lines.append, expected=1))
    double(jnp.ones(2))
    double(jnp.ones((2, 2)))
    assert lines[-1] == "compiling double, 2 of 2"


def test_a_key_has_one_program() -> None:
    compilations = Compilations()
    first = compilations.program(("double", 1), "double", lambda x: x * 2)
    assert compilations.program(("double", 1), "double", lambda x: x * 3) is first
    assert compilations.program(("double", 2), "double", lambda x: x * 3) is not first
