"""Values as JSON: they come back as they were, and nothing else comes with them."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jorney.domain.code.isolation import exchanged

SCALARS = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary() | st.fractions()
    | st.decimals(allow_nan=False) | st.dates() | st.datetimes() | st.times() | st.timedeltas()
    | st.complex_numbers(allow_nan=False)
)  # fmt: skip
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=4).map(tuple)
        | st.dictionaries(SCALARS, inner, max_size=3)
        | st.sets(SCALARS, max_size=3)
        | st.frozensets(SCALARS, max_size=3)
    ),
)


def refuse(*given: object) -> dict:
    raise TypeError(f"no data: {given}")


@given(VALUES)
def test_comes_back(value: object) -> None:
    back = exchanged.decode(json.loads(json.dumps(exchanged.encode(value, refuse))), refuse)
    assert back == value
    assert type(back) is type(value)


def test_what_json_does_not_know() -> None:
    for value in (math.inf, -math.inf, 2**100_000, -(2**70), "\ud800", range(3, 9, 2)):
        assert exchanged.decode(json.loads(json.dumps(exchanged.encode(value, refuse))), refuse) == value
    assert math.isnan(exchanged.decode(json.loads(json.dumps(exchanged.encode(math.nan, refuse))), refuse))


@pytest.mark.parametrize("coded", [{"standard": "os:_exit"}, {"pickle": ""}, {"handle": 1}, {}, {"a": 1, "b": 2}, {"int": 3}])
def test_else_is_refused(coded: object) -> None:
    with pytest.raises((TypeError, ValueError)):
        exchanged.decode(coded, refuse)


def test_names_of_the_standard_library() -> None:
    assert exchanged.by_name("operator:add")(1, 2) == 3
    assert exchanged.named(len) == "builtins:len"
    assert exchanged.named(lambda: 0) is None
    assert exchanged.named(3) is None
    with pytest.raises(ValueError, match="jorney.config is no module of Python's own"):
        exchanged.by_name("jorney.config:expect")
