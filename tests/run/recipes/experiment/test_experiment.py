"""A whole experiment, tiny: every part of it, and the same again from what stands."""

from __future__ import annotations

import dataclasses
import json

import pytest

from jorney import cli, storage
from jorney.domain.countdown.sets import Countdown, make_problem
from jorney.policy import EMBEDDED
from jorney.progress import Progress
from jorney.run.recipes.experiment import measure as study
from jorney.run.recipes.experiment.measure import LEARNED
from jorney.run.recipes.experiment.protocol import Abroad, Dose, Protocol
from jorney.run.recipes.experiment.seed import Measured
from jorney.run.recipes.experiment.write import experiment
from jorney.run.recipes.journey import quickstart
from jorney.show.names import JOURNEY, MATCHED, PASS, PHASE1, PLACEBO, SHORTCUT, UNTIL
from jorney.solve.resample import ResampleConfig


def _protocol(output: str) -> Protocol:
    small = quickstart()
    run = dataclasses.replace(
        small,
        problems=dataclasses.replace(small.problems, train_count=1280, trees_count=16, test_count=12),
        evaluate=dataclasses.replace(small.evaluate, rows=16, max_tokens=48),
        long_tokens=96,
        expand=dataclasses.replace(small.expand, rows=32),
        phase2=dataclasses.replace(small.phase2, epochs=1),
        resample=ResampleConfig(attempts=2),
    )
    return Protocol(
        output=output,
        run=run,
        seeds=(0,),
        doses=(Dose("thoughts", "4", run, ("journey", "shortcut"), thoughts=4), Dose("phase 1", "without", run, phase1=False)),
        abroad=(Abroad("target 24", Countdown(smallest_target=24, largest_target=24), count=8),),
        small=EMBEDDED,
    )


@pytest.mark.slow  # a minute and a half of compilation
def test_every_part_is_measured_and_nothing_twice(tmp_path, capsys) -> None:
    protocol = _protocol(str(tmp_path / "out"))
    made = experiment(protocol, Progress())
    assert list(made["seeds"][0]["models"]) == [PHASE1, *LEARNED]
    assert set(made["seeds"][0]["controls"]) == {UNTIL, PASS}
    assert [(row["group"], row["dose"], row["kind"]) for row in made["doses"]] == [
        ("thoughts", "4", "journey"),
        ("thoughts", "4", "shortcut"),
        ("phase 1", "without", "journey"),
    ]
    assert [row["examples"] for row in made["doses"][:2]] == [4, 4]
    assert [row["model"] for row in made["abroad"]] == [PHASE1, SHORTCUT, JOURNEY]
    assert {row["n"] for row in made["abroad"]} == {8}
    # The "small" model is the same here, and so are its results.
    for name in (SHORTCUT, JOURNEY):
        assert made["small"]["models"][name]["accuracy"] == made["seeds"][0]["models"][name]["accuracy"]
    assert [one["set"] for one in made["opened"]] == ["tuning"]
    assert made["settings"]["run"]["problems"]["trees_count"] == 16

    outcomes = [row for _, row in storage.read_jsonl(str(tmp_path / "out" / "outcomes.jsonl"))]
    assert len(outcomes) == 12
    for name in (PHASE1, *LEARNED):
        accuracy = sum(one["correct"][name] for one in outcomes) / 12
        assert accuracy == made["seeds"][0]["models"][name]["accuracy"] == made["models"][name]["accuracy"]
    # Uncut, a curve ends at the model's own accuracy.
    assert made["seeds"][0]["curves"][JOURNEY][-1][1] == made["models"][JOURNEY]["accuracy"]

    files = {name: (tmp_path / "out" / name).read_bytes() for name in ("experiment.json", "experiment.md", "experiment.html")}
    capsys.readouterr()
    experiment(protocol, Progress())
    assert "done in" not in capsys.readouterr().out
    assert {name: (tmp_path / "out" / name).read_bytes() for name in files} == files


RIGHT = {PHASE1: 2, SHORTCUT: 4, JOURNEY: 7, MATCHED: 5, PLACEBO: 3}


class _Stages:
    """Seeds whose models are right on the first so many problems, of ten."""

    def __init__(self, run, output, seed, problems, progress) -> None:
        self.run, self.number = run, seed
        self.problems = [
            type("P", (), {"id": f"p{i}", "verifier": "countdown", "meta": {"numbers": [i, 1]}}) for i in range(10)
        ]
        self._folder = storage.path(output) / f"resampled{seed}"

    def phase1(self, run=None):
        return PHASE1

    def learned(self, kind, run=None, thoughts=None, phase1=True):
        name = next(name for name, own in LEARNED.items() if own == kind)
        return name, type("D", (), {"result": {"examples": 3, "completion_tokens": 60, "tokens": 100, "steps": 2}})

    def measured(self, name, model, limits, problems=None):
        right = RIGHT[model] - self.number
        graded = [type("G", (), {"correct": i < right, "tokens": 50 + i}) for i in range(10)]
        return Measured({"accuracy": right / 10, "mean_tokens": 54.5, "n": 10}, graded, None)

    def resampled(self, model, spent_by):
        assert model == SHORTCUT
        storage.write_json(self._folder / "correct.json", {UNTIL: [True] * 9 + [False], PASS: [True] * 10})
        attempts = [{"id": f"p{i}", "tokens": [40, 40], "answers": ["1", "1"], "correct": [False, True]} for i in range(10)]
        storage.write_jsonl(self._folder / "parts" / "000000.jsonl", attempts)
        spent = {"mean_tokens": 60.0, "exhausted": 0.0}
        return {UNTIL: {"accuracy": 0.9, **spent}, PASS: {"accuracy": 1.0, **spent}}, type("S", (), {"folder": self._folder})

    def trees(self):
        return "trees"

    thoughts = trees

    def ran(self, stage):
        return type("D", (), {"result": {"generated_tokens": 1000}})


def test_measurements_of_seeds_are_put_together(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(study, "Seed", _Stages)
    monkeypatch.setattr(study, "resampled_until_target", lambda *_: type("S", (), {"correct": [True] * 5, "tokens": [40] * 10}))
    protocol = dataclasses.replace(_protocol(str(tmp_path)), seeds=(0, 1), doses=(), abroad=(), small="")
    found = study.run(protocol, Progress(quiet=True))
    assert len(found["outcomes"]) == 20
    ninth = found["outcomes"][18]
    assert (ninth["seed"], ninth["id"], ninth["cluster"]) == (1, "p8", "8 1")
    assert ninth["correct"] == {**dict.fromkeys((PHASE1, *LEARNED), False), UNTIL: True, PASS: True}
    assert [sum(one["correct"][JOURNEY] for one in found["outcomes"] if one["seed"] == seed) for seed in (0, 1)] == [7, 6]
    # 50 to 59 tokens a problem, the first seven right: cut off at 60 all stand, at 40 none does.
    assert found["seeds"][0]["curves"][JOURNEY][0] == [40.0, 0.0]
    assert found["seeds"][0]["curves"][JOURNEY][1] == [54.5, 0.7]
    # Two attempts of 40 tokens, the second right: 80 tokens a problem buy all.
    assert [accuracy for _, accuracy in found["seeds"][0]["curves"][PASS][:3]] == [0.0, 0.0, 1.0]
    assert found["costs"]["models"][UNTIL] == {
        "training": 600 * study.size(EMBEDDED),
        "inference": 120 * study.size(EMBEDDED),
        "gained": pytest.approx(0.7),
    }
    costs = found["costs"]["models"][JOURNEY]
    assert costs == {
        "training": 600 * study.size(EMBEDDED),
        "inference": 109 * study.size(EMBEDDED),
        "gained": pytest.approx(0.5),
    }


def test_every_protocol_that_looks_at_a_set_is_noted_once(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(study, "Seed", _Stages)
    monkeypatch.setattr(study, "resampled_until_target", lambda *_: type("S", (), {"correct": [True] * 5, "tokens": [40] * 10}))
    first = dataclasses.replace(_protocol(str(tmp_path)), problems="final", doses=(), abroad=(), small="")
    second = dataclasses.replace(first, margin=0.05)
    for protocol in (first, second, dataclasses.replace(first, problems="tuning"), second):
        opened = study.run(protocol, Progress(quiet=True))["opened"]
    assert [one["protocol"] for one in opened] == [first.digest(), second.digest()]
    assert len(json.loads((tmp_path / "opened.json").read_text())) == 3


def test_the_command_names_what_is_missing(tmp_path, capsys) -> None:
    assert cli.main(["experiment"]) == 2
    assert "PROTOCOL.py is missing: expected jorney experiment PROTOCOL.py" in capsys.readouterr().err
    assert cli.main(["experiment", str(tmp_path / "none.py")]) == 2
    assert "none.py: no such file" in capsys.readouterr().err


def test_texts_cut_off_at_a_cost_spend_no_more() -> None:
    graded = [type("G", (), {"correct": i % 2 == 0, "tokens": 10 * (i + 1)}) for i in range(4)]  # 10, 20, 30, 40
    problems = [make_problem((1, i), 1 + i) for i in range(1, 5)]
    other = [True, True, False, False]
    cut = study.at_cost(problems, graded, 20.0, other)  # at 25: (10 + 20 + 25 + 25) / 4
    assert (cut["limit"], cut["mean_tokens"], cut["accuracy"], cut["lead"]) == (25, 20.0, 0.25, -0.25)
    assert cut["lead_interval"][0] <= -0.25 <= cut["lead_interval"][1]
    assert study.at_cost(problems, graded, 1000.0, other)["accuracy"] == 0.5
    nothing = study.at_cost(problems, graded, 0.0, other)
    assert (nothing["limit"], nothing["mean_tokens"], nothing["accuracy"], nothing["lead"]) == (0, 0, 0, -0.5)


def test_a_small_model_that_is_missing_is_missed_at_once(tmp_path) -> None:
    protocol = dataclasses.replace(_protocol(str(tmp_path / "out")), small=str(tmp_path / "none"))
    with pytest.raises(FileNotFoundError, match="none: no such folder"):
        study.run(protocol, Progress(quiet=True))
    assert not (tmp_path / "out").exists()


def test_problems_elsewhere_that_are_too_few_are_missed_before_the_set_is_opened(tmp_path) -> None:
    few = Abroad("target 24", Countdown(smallest_target=24, largest_target=24), count=1000)
    protocol = dataclasses.replace(_protocol(str(tmp_path / "out")), abroad=(few,), problems="final", small="")
    with pytest.raises(ValueError, match=r"only \d+ of 1000 problems of the set 'final'"):
        study.run(protocol, Progress(quiet=True))
    assert not (tmp_path / "out").exists()
