from __future__ import annotations

import jax.numpy as jnp

from jorney.compiled import Compilations, Program


def test_compiles_once_a_shape_and_says_so() -> None:
    lines: list[str] = []
    compilations = Compilations(announce=lines.append)
    double = Program("double", lambda x: x * 2, compilations, "highest")
    assert double(jnp.ones(3)).tolist() == [2, 2, 2]
    assert double(jnp.full(3, 5.0)).tolist() == [10, 10, 10]
    assert double(jnp.ones(4)).tolist() == [2, 2, 2, 2]
    assert double.count == 2
    assert compilations.names == ["double", "double"]
    assert lines == ["compiling double (1)", "compiling double (2)"]
    assert all(seconds > 0 for seconds in compilations.seconds)


def test_a_key_has_one_program() -> None:
    compilations = Compilations()
    first = compilations.program(("double", 1), "double", lambda x: x * 2, "highest")
    assert compilations.program(("double", 1), "double", lambda x: x * 3, "highest") is first
    assert compilations.program(("double", 2), "double", lambda x: x * 3, "highest") is not first
    assert compilations.program(("double", 1), "double", lambda x: x * 3, "default") is not first
