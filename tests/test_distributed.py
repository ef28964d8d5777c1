from __future__ import annotations

import pytest

from jorney import distributed
from jorney.distributed import DistributedConfig


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"processes": 2}, "belong to a coordinator HOST:PORT, got ''"),
        ({"coordinator": "auto", "process": 0}, "belong to a coordinator HOST:PORT, got 'auto'"),
        ({"coordinator": "head"}, "distributed.coordinator = 'head': expected HOST:PORT, 'auto' or ''"),
        ({"coordinator": "head:80"}, "distributed.processes = None, distributed.process = None: expected a number"),
        (
            {"coordinator": "head:80", "processes": 2, "process": 2},
            "expected a number of processes, and one of 0 to that number",
        ),
    ],
)
def test_settings_that_do_not_fit_are_named(fields: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        DistributedConfig(**fields)


def test_a_process_alone_decides_and_waits_for_nobody() -> None:
    distributed.initialize(DistributedConfig())
    assert distributed.is_main()
    distributed.barrier("alone", seconds=0)
    assert distributed.from_main(lambda: {"tuple": (1, 2)}) == {"tuple": (1, 2)}
    with pytest.raises(ValueError, match="no such thing"):
        distributed.from_main(lambda: _refuse())


def _refuse() -> None:
    raise ValueError("no such thing")
