"""Evaluations and attempts as stages: graded in the problems' order, and never twice, whenever they are stopped."""

from __future__ import annotations

import pytest
from prompts import TEXTS

from jorney import storage
from jorney.domain.countdown.sets import Countdown, sample_problems
from jorney.engine.generate import Completion
from jorney.policy import resolve
from jorney.progress import Progress
from jorney.run import parts
from jorney.run.artifact import Model
from jorney.run.stages.evaluation import plan_evaluation, read_graded
from jorney.run.stages.resampling import plan_resampling, read_attempts
from jorney.run.workspace import Workspace
from jorney.sharding import MeshConfig
from jorney.solve.evaluate import EvaluateConfig
from jorney.solve.resample import ResampleConfig

CONFIG = EvaluateConfig(max_tokens=64, rows=4)
PROBLEMS = sample_problems(Countdown(), "test", 10, seed=0)


class Scripted:
    """Completes the first seven problems with their own solutions, the rest with a wrong answer, the last problem first."""

    policy = TEXTS

    def __init__(self, stop: int | None = None) -> None:
        self.asked: list[str] = []
        self._stop = stop

    def stream(self, prompts, sampling, ids):
        places = {problem.id: number for number, problem in enumerate(PROBLEMS)}
        for index, name in reversed(list(enumerate(ids))):
            if len(self.asked) == self._stop:
                raise KeyboardInterrupt
            self.asked.append(name)
            text = PROBLEMS[places[name]].solution if places[name] < 7 else "1. 1 + 1 = 3 (left: 3)\n#### 3"
            tokens = (5,) * (10 + places[name])
            yield index, [Completion(text, tokens, (0.0,), (0.0,), True, len(tokens))] * sampling.w


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Evaluates, then attempts again, in a folder; returns the evaluation's grades, the attempts, and their artifacts."""

    def go(name: str, generator: Scripted):
        space = Workspace(str(tmp_path / name), MeshConfig(data=8), "float32", "abel", 0, Progress(quiet=True))
        monkeypatch.setattr(space, "generator", lambda model: generator)
        model = Model(resolve("embedded"), "m")
        graded = plan_evaluation(space, "evaluate", model, PROBLEMS, CONFIG)
        again = plan_resampling(space, model, PROBLEMS, CONFIG, ResampleConfig(attempts=2), graded)
        results = [space.run(one).result for one in (graded, again)]
        return results, read_graded(graded.folder, PROBLEMS), read_attempts(again.folder, PROBLEMS), (graded, again)

    return go


def test_grades_stand_in_the_problems_order(run) -> None:
    (summary, _), graded, attempts, (artifact, _) = run("whole", Scripted())
    assert [one.id for one in graded] == [one.id for one in attempts] == [problem.id for problem in PROBLEMS]
    assert [one.correct for one in graded] == [True] * 7 + [False] * 3
    assert [one.tokens for one in graded] == list(range(10, 20))
    assert (summary["accuracy"], summary["n"], summary["mean_tokens"]) == (0.7, 10, 14.5)
    assert [one.tokens for one in attempts] == [[count, count] for count in range(10, 20)]
    assert artifact.complete


@pytest.mark.parametrize("stop", [0, 1, 5, 9, 10, 13, 19])
def test_what_is_graded_is_not_asked_for_again(run, stop: int) -> None:
    whole = run("whole", Scripted())[:3]
    cut, rest = Scripted(stop), Scripted()
    with pytest.raises(KeyboardInterrupt):
        run("cut", cut)
    assert run("cut", rest)[:3] == whole
    assert sorted(cut.asked + rest.asked) == sorted(2 * [problem.id for problem in PROBLEMS])


def test_a_part_that_is_lost_is_made_again(run, monkeypatch, tmp_path) -> None:
    monkeypatch.setattr(parts, "ROWS", 4)
    *_, (graded, _) = run("out", Scripted())
    before = read_graded(graded.folder, PROBLEMS)
    files = sorted((graded.folder / "parts").glob("*.jsonl"))
    assert [file.name[:10] for file in files] == ["000000000-", "000000001-", "000000002-"]
    lost = {row["id"] for _, row in storage.read_jsonl(files[1])}
    files[1].unlink()
    (graded.folder / "manifest.json").unlink()
    rest = Scripted()
    run("out", rest)
    assert set(rest.asked) == lost
    assert read_graded(graded.folder, PROBLEMS) == before


def test_parts_of_version_0_1_are_taken_up(run) -> None:
    """They were numbered, by batches for evaluations."""
    *_, (graded, _) = run("old", Scripted())
    rows = list(graded.parts.rows())
    for file in (graded.folder / "parts").glob("*.jsonl"):
        file.unlink()
    (graded.folder / "manifest.json").unlink()
    storage.write_jsonl(graded.folder / "parts" / "000000.jsonl", rows[:4])
    storage.write_jsonl(graded.folder / "parts" / "000001.jsonl", rows[4:6])
    rest = Scripted()
    run("old", rest)
    assert rest.asked == [row["id"] for row in rows[6:]]
