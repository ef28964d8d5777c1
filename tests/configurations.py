"""The project's configurations, and the machines that they are for, as their docstrings name them."""

from __future__ import annotations

import re
import runpy

from places import ROOT

from jorney import topology
from jorney.run.recipes.experiment.protocol import Protocol
from jorney.run.recipes.journey import RunConfig
from jorney.run.stage import StageCommand

CONFIGS = {file.stem: file for file in sorted((ROOT / "configs").glob("*.py"))}


def made(name: str) -> StageCommand | RunConfig | Protocol:
    return runpy.run_path(str(CONFIGS[name]))["config"]()


def machine(name: str) -> topology.Slice:
    return topology.find(re.search(r"TPU (v\w+-\d+)", CONFIGS[name].read_text())[1])
