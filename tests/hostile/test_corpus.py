"""What Jorney does with malformed inputs of every kind that it reads; mirrors no room, for it asks the same of all of them.

A command that reads such an input says what is wrong in one line and exits with 2, or comes to the right result; it never ends
in a traceback, hangs, takes all memory, or leaves something behind. `corpus` makes the inputs, `run_cases` runs them.
"""

from __future__ import annotations

import functools
import json
import os
import pathlib
import subprocess
import sys
from typing import Any

import pytest
from places import ROOT

sys.path.insert(0, str(pathlib.Path(__file__).parent))

import corpus
import run_cases

CASES = {group: list(make()) for group, make in corpus.GROUPS.items()}


@functools.cache
def _results(group: str) -> dict[str, dict[str, Any]]:
    """Of all cases of a group; a process that a case ended is followed by another for the rest."""
    found: dict[str, dict[str, Any]] = {}
    path = os.pathsep.join(str(place) for place in (ROOT, ROOT / "tests", pathlib.Path(__file__).parent))
    settings = {**os.environ, "JAX_PLATFORMS": "cpu", "PYTHONPATH": path, "HF_DATASETS_DISABLE_PROGRESS_BARS": "1"}
    while len(found) < len(CASES[group]):
        command = [sys.executable, run_cases.__file__, group, str(len(found))]
        done = subprocess.run(command, capture_output=True, text=True, env=settings, check=False)
        for line in done.stdout.splitlines():
            one = json.loads(line)
            found[one["name"]] = one
        if len(found) < len(CASES[group]):
            name = CASES[group][len(found)].name
            found[name] = {"name": name, "raised": f"the process ended with {done.returncode}: {done.stderr[-1500:]}"}
    return found


def test_there_are_enough() -> None:
    names = [case.name for cases in CASES.values() for case in cases]
    assert len(names) == len(set(names)) >= 400


@pytest.mark.parametrize(
    ("group", "case"),
    [pytest.param(group, case, id=ascii(case.name)[1:-1]) for group, cases in CASES.items() for case in cases],
)
def test_case(group: str, case: corpus.Case) -> None:
    found = _results(group)[case.name]
    assert "raised" not in found, found["raised"]
    assert found["code"] in ((2,) if case.refused else (0, 2)), found
    said = [line for line in found["err"].splitlines() if not line.startswith("jorney: warning: ")]
    assert "Traceback" not in found["err"]
    assert "unknown option" not in found["err"]  # the case itself would be wrong
    if found["code"] == 2:
        assert said, "nothing was said"
        assert said[0].startswith("jorney: "), said
        assert all(line.startswith("  ") for line in said[1:]), said  # a list of tensors
        assert len(said[0]) < 3000
        assert not found["left"] or case.resumes, found["left"]
