"""Artifacts: made once, redone when what they read changes, never complete by half."""

from __future__ import annotations

import dataclasses
import json
import os

import pytest
from memory_store import memory_root

from jorney import config, storage
from jorney.progress import Progress
from jorney.run.artifact import MANIFEST, Artifact, Done


@dataclasses.dataclass(frozen=True)
class Settings:
    rate: float = 0.1
    names: tuple[str, ...] = ("a",)


@pytest.fixture(params=["local", "gs"])
def root(request, tmp_path) -> str:
    return str(tmp_path / "run") if request.param == "local" else memory_root()


class Made:
    """Makes artifacts in a folder."""

    def __init__(self, root: object) -> None:
        self._root = storage.path(root)

    def plan(self, name: str, reads: object, work: object = None, detail: str = "") -> Artifact:
        return Artifact(self._root, name, reads, work, detail)

    def run(self, *plan: object) -> Done:
        return self.plan(*plan).make(Progress())


@pytest.fixture
def stages(root) -> Made:
    return Made(root)


class Work:
    """Counts its calls, writes a file, returns a result."""

    def __init__(self, result: object = None) -> None:
        self.calls = 0
        self._result = result

    def __call__(self, folder: storage.Path) -> object:
        self.calls += 1
        storage.write_text(folder / "output", f"call {self.calls}")
        return self._result


def test_a_stage_runs_once(stages, root, capsys):
    work = Work({"n": 1})
    reads = {"settings": Settings(), "seed": 0}
    assert not stages.plan("draw", reads).complete
    first = stages.run("draw", reads, work, "some")
    second = stages.run("draw", reads, work)
    # Another process, later.
    third = Made(root).run("draw", {"seed": 0, "settings": Settings()}, work)
    assert work.calls == 1
    assert stages.plan("draw", reads).complete
    assert first == second == third
    assert first.result == {"n": 1}
    assert first.key == stages.plan("draw", reads).key
    assert os.fspath(first.folder) == f"{root}/stages/draw-{first.key}"
    assert (first.folder / "output").read_text() == "call 1"
    assert capsys.readouterr().out.splitlines() == [
        "draw: some", "draw: done in 0 s", "draw: already done", "draw: already done",
    ]  # fmt: skip


def test_it_is_redone_when_what_it_reads_changes(stages):
    work = Work()
    variants = [
        [Settings(), 0],
        [Settings(), 1],
        [Settings(rate=0.2), 0],
        [Settings(names=("a", "b")), 0],
        ["key of another stage", Settings(), 0],
    ]
    keys = {stages.run("draw", reads, work).key for reads in variants}
    assert work.calls == len(keys) == len(variants)
    # Another stage that reads the same is another stage; an old variant is still there.
    assert stages.run("other", variants[0], work).key not in keys
    stages.run("draw", variants[0], work)
    assert work.calls == len(variants) + 1


def test_the_manifest_says_what_was_read(stages):
    done = stages.run("draw", {"settings": Settings(), "more": (Settings(rate=2.0), None)}, Work([1]))
    manifest = storage.read_json(done.folder / MANIFEST)
    settings = {"rate": 0.1, "names": ["a"]}
    assert manifest.pop("seconds") == done.seconds >= 0
    assert manifest == {
        "name": "draw",
        "reads": {"settings": settings, "more": [{"rate": 2.0, "names": ["a"]}, None]},
        "result": [1],
    }


def test_an_exception_leaves_the_stage_open_and_its_files_to_the_next_attempt(stages):
    def breaks(folder: storage.Path) -> None:
        storage.write_text(folder / "part-0", "done")
        raise RuntimeError("power cut")

    found = []

    def resumes(folder: storage.Path) -> str:
        found.extend(sorted(entry.name for entry in folder.iterdir()))
        return (folder / "part-0").read_text()

    with pytest.raises(RuntimeError, match="power cut"):
        stages.run("draw", 1, breaks)
    assert not stages.plan("draw", 1).complete
    assert stages.run("draw", 1, resumes).result == "done"
    assert found == ["part-0"]
    assert stages.plan("draw", 1).complete


def test_a_result_that_is_no_json_leaves_the_stage_open(stages):
    with pytest.raises(TypeError):
        stages.run("draw", 1, Work({1, 2}))
    assert not stages.plan("draw", 1).complete


def test_a_result_is_the_same_at_first_and_later(stages):
    # What JSON changes it changes at once: a tuple would be a tuple in the first run and a list in the next.
    first = stages.run("draw", 1, Work({"pair": (1, 2.5), 3: "é"}))
    assert first.result == {"pair": [1, 2.5], "3": "é"} == stages.run("draw", 1, Work()).result


def test_the_link_points_to_the_newest(tmp_path):
    stages = Made(tmp_path)
    old, new = (stages.run("draw", seed, Work(seed)) for seed in (1, 2))
    assert old.folder != new.folder
    assert os.readlink(tmp_path / "draw") == f"stages/draw-{new.key}"
    assert json.loads((tmp_path / "draw" / MANIFEST).read_text())["result"] == 2
    # Going back to old settings, which are still done, moves it too.
    stages.run("draw", 1, Work())
    assert (tmp_path / "draw").resolve() == (tmp_path / "stages" / f"draw-{old.key}").resolve()
    # It survives moving the run.
    moved = tmp_path.rename(tmp_path.parent / "moved")
    assert (moved / "draw" / "output").read_text() == "call 1"


def test_in_a_store_a_file_names_the_newest():
    root = memory_root()
    stages = Made(root)
    for seed in (1, 2):
        done = stages.run("draw", seed, Work())
    assert storage.path(f"{root}/draw.path").read_text() == f"stages/draw-{done.key}\n"
    assert storage.follow(f"{root}/draw/output").read_text() == "call 1"
    assert storage.follow(f"{root}/draw") == done.folder


def test_a_raised_revision_makes_it_again(stages):
    work = Work()
    keys = {Artifact(storage.path("x"), "draw", 1, work, revision=revision).key for revision in (0, 1, 2)}
    assert len(keys) == 3
    # Keys do not change with the version of the package: what was made before is taken as it stands.
    assert Artifact(storage.path("x"), "draw", 1, work).key == config.digest(["0.1.0", "draw", 1])
