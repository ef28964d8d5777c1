"""Runners of programs: in a sandbox where this machine allows one, and by limits alone."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tested_programs import known

from jorney.domain.code.sandbox import ProgramRunner


@pytest.fixture(scope="session")
def refused() -> str:
    """Why this machine allows no sandbox; "" where it does."""
    runner = ProgramRunner(timeout_seconds=30)
    try:
        assert runner.compare(known("assert f() == 1"), "def f(): return 1") == ""
    except ValueError as error:
        if "this machine does not allow one" not in str(error):
            raise
        return str(error)
    finally:
        runner.close()
    return ""


@pytest.fixture(scope="module")
def runner(refused: str) -> Iterator[ProgramRunner]:
    """What runs programs here: within a sandbox where there is one."""
    one = ProgramRunner(timeout_seconds=20, isolation="none" if refused else "auto")
    yield one
    one.close()


@pytest.fixture(scope="module")
def unconfined() -> Iterator[ProgramRunner]:
    """By limits alone, which works everywhere."""
    one = ProgramRunner(timeout_seconds=3, isolation="none")
    yield one
    one.close()


@pytest.fixture(scope="module")
def sandbox(refused: str) -> Iterator[ProgramRunner]:
    """A sandbox, and no less."""
    if refused:
        pytest.skip(refused)
    one = ProgramRunner(timeout_seconds=3)
    yield one
    one.close()
