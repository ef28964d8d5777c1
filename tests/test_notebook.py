"""configs/first_journey.ipynb: its cells run in their order, and say what they say they do."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys

import pytest
from places import CACHE, ROOT

SETTINGS = {**os.environ, "JAX_COMPILATION_CACHE_DIR": CACHE, "JAX_NUM_CPU_DEVICES": "1"}
NOTEBOOK = ROOT / "configs" / "first_journey.ipynb"
# As a notebook does: one namespace, and the value of an expression is shown.
RUN = """
import ast, json, sys
for cell in json.load(sys.stdin):
    exec(compile(ast.Interactive(ast.parse(cell).body), "cell", "single"))
"""


def code() -> list[str]:
    found = json.loads(NOTEBOOK.read_text())
    return ["".join(cell["source"]) for cell in found["cells"] if cell["cell_type"] == "code"]


def test_the_notebook_is_one_and_holds_nothing_stale() -> None:
    found = json.loads(NOTEBOOK.read_text())
    assert (found["nbformat"], found["nbformat_minor"]) == (4, 5)
    assert len({cell["id"] for cell in found["cells"]}) == len(found["cells"])
    assert not any(cell.get("outputs") or cell.get("execution_count") for cell in found["cells"])
    assert all(compile(cell, "cell", "exec") for cell in code())


@pytest.mark.slow
def test_the_notebook_runs() -> None:
    ran = subprocess.run([sys.executable, "-c", RUN], input=json.dumps(code()), capture_output=True, text=True, env=SETTINGS)
    assert ran.returncode == 0, ran.stderr
    assert ran.stderr == ""
    said = ran.stdout
    assert said.startswith("Problem(")
    loss, learned = re.search(r"loss \d\.\d\d to (\d\.\d\d), accuracy (\d+)%", said).groups()
    assert float(loss) < 1
    assert int(learned) >= 10
    straight, walker = map(int, re.search(r"shortcuts (\d+)%, journeys (\d+)% of 200 problems", said).groups())
    assert min(straight, walker) >= 10
    assert int(re.search(r"(\d+) journeys\n", said)[1]) > 100
