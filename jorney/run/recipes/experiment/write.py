"""An experiment from its protocol to its files."""

from __future__ import annotations

import dataclasses
import os
from typing import Any, ClassVar

from jorney import config, storage
from jorney.config import expect_seed
from jorney.progress import Progress
from jorney.run.command import Command, use_jax
from jorney.run.recipes.experiment.measure import run
from jorney.run.recipes.experiment.pooled import findings
from jorney.run.recipes.experiment.protocol import Protocol
from jorney.show.experiment import experiment_page as page
from jorney.show.experiment import experiment_tables as tables


@dataclasses.dataclass(frozen=True)
class ExperimentCommand(Command):
    """Journeys against shortcuts, by the protocol that the function config() of a Python file returns.

    Attributes:
      protocol: the file.
      output: the experiment's folder, in place of the protocol's.
      problems: the set that models are measured on, in its place: "tuning" or "final".
      seeds: of the main comparison, in its place.
    """

    command: ClassVar[str] = "experiment"
    places: ClassVar[dict[str, str]] = {"protocol": "PROTOCOL.py"}

    protocol: str = ""
    output: str = ""
    problems: str = ""
    seeds: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        expect_seed(self, "", "seeds")

    def execute(self) -> None:
        protocol = config.read(self.protocol, Protocol)
        chosen = {name: getattr(self, name) for name in ("output", "problems", "seeds") if getattr(self, name)}
        protocol = dataclasses.replace(protocol, **chosen)
        use_jax()
        experiment(protocol, Progress())


def experiment(protocol: Protocol, progress: Progress) -> dict[str, Any]:
    """Runs an experiment, or goes on with it; writes experiment.json, .md and .html and outcomes.jsonl; returns the first.

    outcomes.jsonl has a line for each problem and seed, with what every model made of it.
    """
    found = run(protocol, progress)
    made = findings(found)
    folder = storage.path(protocol.output)
    files = {"experiment.md": page.text(found, made, protocol.tried), "experiment.html": page.html(found, made, protocol.tried)}
    measured = {**{name: value for name, value in found.items() if name != "outcomes"}, **made}
    storage.write_jsonl(folder / "outcomes.jsonl", found["outcomes"])
    storage.write_json(folder / "experiment.json", measured)
    for name, text in files.items():
        storage.write_bytes(folder / name, text.encode())
    progress.say(tables.headline(made))
    for line in (*tables.verdicts(found, made), *tables.plain_words(made)):
        progress.say(f"  {line}")
    progress.say(f"page: {os.fspath(folder / 'experiment.html')}")
    return measured
