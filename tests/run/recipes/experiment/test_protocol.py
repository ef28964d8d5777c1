"""Protocols refuse what cannot be run, and know whether they are the same."""

from __future__ import annotations

import dataclasses
import re

import configurations
import pytest
from places import ROOT

from jorney import cli
from jorney.run.recipes.experiment import write
from jorney.run.recipes.experiment.protocol import Abroad, Dose, Protocol
from jorney.run.recipes.journey import quickstart

PROTOCOL = Protocol(run=quickstart(), doses=(Dose("K", "2", quickstart()),))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"problems": "train"}, "problems = 'train': expected one of tuning, final"),
        ({"seeds": ()}, r"seeds = \(\): expected at least one"),
        ({"seeds": (1, 1)}, "each once"),
        ({"doses": (Dose("K", "2", quickstart()),) * 2}, "another name for each of a group"),
    ],
)
def test_what_is_wrong_is_named(changes, message) -> None:
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(PROTOCOL, **changes)


def test_problems_of_other_kinds_are_drawn_or_read() -> None:
    with pytest.raises(ValueError, match="expected a task or a file, one of the two"):
        Abroad("both", quickstart().problems.countdown, "24.csv")
    with pytest.raises(ValueError, match="expected a task or a file, one of the two"):
        Abroad("none")


def test_a_protocol_is_known_by_what_it_measures_alone() -> None:
    elsewhere = dataclasses.replace(PROTOCOL, output="elsewhere", name="other", problems="final", tried=("a",))
    assert elsewhere.digest() == PROTOCOL.digest()
    assert dataclasses.replace(PROTOCOL, seeds=(3,)).digest() != PROTOCOL.digest()
    assert dataclasses.replace(PROTOCOL, margin=0.01).digest() != PROTOCOL.digest()


def test_the_command_line_chooses_the_folder_the_set_and_the_seeds(monkeypatch) -> None:
    ran: list[Protocol] = []
    monkeypatch.setattr(write, "experiment", lambda protocol, progress: ran.append(protocol))
    file = str(ROOT / "configs" / "experiment.py")
    assert cli.main(["experiment", file, "--problems", "final", "--seeds", "4", "5"]) == 0
    assert cli.main(["experiment", "--seeds", "6", file, "--output", "runs/mine"]) == 0
    first, second = ran
    assert (first.output, first.problems, first.seeds) == ("runs/experiment", "final", (4, 5))
    assert (second.output, second.problems, second.seeds) == ("runs/mine", "tuning", (6,))
    assert first.run == second.run == configurations.made("experiment").run


def test_the_experiments_small_model_is_the_one_that_make_trains() -> None:
    protocol = configurations.made("experiment")
    made = re.search(r"train_base_model.py (\S+) --embed 96", (ROOT / "Makefile").read_text())
    assert made
    assert protocol.small.removeprefix("./") == made[1]
    # The main setting is among the doses of every group, and none of them is trained twice.
    for group in {dose.group for dose in protocol.doses}:
        own = [dose for dose in protocol.doses if dose.group == group]
        assert sum((dose.run, dose.thoughts, dose.phase1) == (protocol.run, None, True) for dose in own) == 1


def test_a_precision_that_decides_nothing_is_no_other_protocol() -> None:
    """Those that were written down before there was the field keep their digests."""

    def of(**changes: str) -> Protocol:
        run = dataclasses.replace(PROTOCOL.run, **changes)
        return dataclasses.replace(PROTOCOL, run=run, doses=(Dose("K", "1", run),))

    assert not any("precision" in one for one in (of().decides()["run"], of().decides()["doses"][0]["run"]))
    assert of(dtype="bfloat16", precision="fast").digest() == of(dtype="bfloat16").digest()
    fast = of(precision="fast")
    assert fast.decides()["run"]["precision"] == fast.decides()["doses"][0]["run"]["precision"] == "fast"
    assert fast.digest() != of().digest()
