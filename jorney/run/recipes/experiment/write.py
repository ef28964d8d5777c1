"""An experiment from its protocol to its files."""

from __future__ import annotations

import os
from typing import Any

from jorney import storage
from jorney.progress import Progress
from jorney.run.recipes.experiment.measure import run
from jorney.run.recipes.experiment.pooled import findings
from jorney.run.recipes.experiment.protocol import Protocol
from jorney.show.experiment import experiment_page as page
from jorney.show.experiment import experiment_tables as tables


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
