"""Every field of numbers, of every command and of what a command is made of, has limits."""

import dataclasses
import math
import types
import typing
from collections.abc import Iterator
from typing import Any

import pytest

from jorney.run import command_registry
from jorney.run.recipes.experiment.protocol import Abroad, Protocol
from jorney.run.recipes.journey import RunConfig

BAD: tuple[Any, ...] = (math.nan, math.inf, -math.inf, -1, 2**130, 10**400, True, "x", [])
# Fields where -1 has a meaning.
MEANT = {
    *(f"MeshConfig.{axis}" for axis in ("data", "fsdp", "tensor")),  # what is left of the devices
    "LlmConfig.seed",  # endpoints take any of 64 bits
    *(
        f"{kind}.threshold" for kind in ("JudgeCommand", "ExpandCommand", "SearchCommand", "PrmEvalCommand", "JudgedBy")
    ),  # log odds
}


def _kinds(hint: Any) -> list[Any]:
    """A type, and those that it is made of."""
    inner = [kind for one in typing.get_args(hint) for kind in _kinds(one)]
    return inner if isinstance(hint, types.UnionType) or typing.get_origin(hint) else [hint]


def _configurations(config: Any) -> Iterator[Any]:
    yield config
    for field in dataclasses.fields(config):
        if dataclasses.is_dataclass(value := getattr(config, field.name)) and not isinstance(value, type):
            yield from _configurations(value)


ROOTS = [command_registry.command(name).default() for name in command_registry.COMMANDS]
ROOTS += [RunConfig(), Protocol(), Abroad("x", file="y")]
ALL = {type(one).__name__: one for root in ROOTS for one in _configurations(root)}
FIELDS = [
    (one, field.name)
    for one in ALL.values()
    for field in dataclasses.fields(one)
    if {int, float} & set(_kinds(typing.get_type_hints(type(one))[field.name]))
]


def test_the_fields_are_many() -> None:
    assert len(FIELDS) > 200


@pytest.mark.parametrize(("config", "field"), FIELDS, ids=lambda one: one if isinstance(one, str) else type(one).__name__)
def test_it_has_limits(config: Any, field: str) -> None:
    several = isinstance(getattr(config, field), tuple)
    for value in BAD:
        if value == -1 and f"{type(config).__name__}.{field}" in MEANT:
            continue
        for given in ((value,), 3 if value == [] else value) if several else (value,):
            with pytest.raises(ValueError, match=rf"\b{field}\b.* = .*: expected ") as error:
                dataclasses.replace(config, **{field: given})
            assert "\n" not in str(error.value)
            assert len(str(error.value)) < 1000


@pytest.mark.parametrize(("config", "field"), FIELDS, ids=lambda one: one if isinstance(one, str) else type(one).__name__)
def test_whole_numbers_have_no_fractions(config: Any, field: str) -> None:
    if float not in _kinds(typing.get_type_hints(type(config))[field]):
        value = (1.5,) if isinstance(getattr(config, field), tuple) else 1.5
        with pytest.raises(ValueError, match=rf"\b{field}\b"):
            dataclasses.replace(config, **{field: value})
