"""Artifacts: made once, redone when what they read changes, never complete by half."""

from __future__ import annotations

import dataclasses
import json
import os

import pytest
import xxhash
from memory_store import memory_root

from jorney import config, storage
from jorney.progress import Progress
from jorney.run import identity, integrity
from jorney.run.artifact import MANIFEST, Artifact, Done, Model


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
        "files": {"output": [6, f"xxh3 {xxhash.xxh3_128_hexdigest(b'call 1')}"]},
        "digest": manifest["digest"],
    }


def test_an_exception_leaves_the_stage_open_and_its_files_to_the_next_attempt(stages):
    def breaks(folder: storage.Path) -> None:
        storage.write_text(folder / "part-0", "done")
        raise RuntimeError("power cut")

    found = []

    def resumes(folder: storage.Path) -> str:
        found.extend(sorted(entry.name for entry in folder.iterdir() if not entry.name.startswith(".")))
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


def flip(file: storage.Path) -> None:
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    storage.write_bytes(file, bytes(data))


def cut(file: storage.Path) -> None:
    storage.write_bytes(file, file.read_bytes()[:-1])


DAMAGES = {
    "flipped": (flip, "has changed"),
    "cut": (cut, "has 5 bytes and had 6"),
    "emptied": (lambda file: storage.write_bytes(file, b""), "has 0 bytes and had 6"),
    "removed": (lambda file: file.unlink(), "is missing"),
    "edited": (lambda file: storage.write_text(file, "call 7"), "has changed"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_what_is_damaged_is_named_and_made_again(stages, damage: str, capsys):
    harm, why = DAMAGES[damage]
    work = Work("made")
    done = stages.run("draw", 1, work)
    harm(done.folder / "output")
    assert stages.run("draw", 1, work).result == "made"
    assert work.calls == 2
    assert f"draw: {done.folder / 'output'} {why}: it is made again" in capsys.readouterr().out
    assert stages.run("draw", 1, work).key == done.key
    assert work.calls == 2  # it is whole again


@pytest.mark.parametrize("text", ['{"name": "draw", ', "[]", "", '{"result": 1}', None])
def test_a_manifest_that_was_edited_is_not_believed(stages, text: str | None, capsys):
    work = Work({"accuracy": 0.5})
    done = stages.run("draw", 1, work)
    manifest = done.folder / MANIFEST
    storage.write_text(manifest, manifest.read_text().replace("0.5", "0.9") if text is None else text)
    assert stages.run("draw", 1, work).result == {"accuracy": 0.5}
    assert work.calls == 2
    assert f"{manifest} has changed: it is made again" in capsys.readouterr().out


def test_parts_that_are_whole_stay_when_one_is_damaged(stages):
    """Only the damaged one's rows are made again."""
    made: list[str] = []

    def work(folder: storage.Path) -> int:
        for index in range(3):
            part = folder / "parts" / f"{index}.jsonl"
            if not part.exists():
                made.append(part.name)
                storage.write_jsonl(part, [{"id": str(index)}])
        return len(made)

    done = stages.run("draw", 1, work)
    flip(done.folder / "parts" / "1.jsonl")
    stages.run("draw", 1, work)
    assert made == ["0.jsonl", "1.jsonl", "2.jsonl", "1.jsonl"]


def test_a_damaged_checkpoint_is_removed_as_a_whole(stages):
    """What orbax writes is of use whole alone: a training goes on from the one before."""

    def work(folder: storage.Path) -> None:
        for step in ("10", "20"):
            for name in ("_CHECKPOINT_METADATA", "state/_METADATA", "state/d/0123"):
                storage.write_text(folder / "checkpoints" / step / name, name)

    done = stages.run("draw", 1, work)
    flip(done.folder / "checkpoints" / "20" / "state" / "d" / "0123")
    left: list[str] = []
    stages.run("draw", 1, lambda folder: left.extend(one.name for one in (folder / "checkpoints").iterdir()))
    assert left == ["10"]


def test_large_files_are_read_again_where_they_have_changed_or_that_is_asked_for(tmp_path, monkeypatch):
    """Rot on the disk changes neither time nor size."""
    monkeypatch.setattr(integrity, "LARGE", 3)
    stages, work = Made(tmp_path), Work(1)
    done = stages.run("draw", 1, work)
    file = tmp_path / "stages" / f"draw-{done.key}" / "output"
    read: list[str] = []
    own = identity.read_digest
    for module in (identity, integrity):
        monkeypatch.setattr(module, "read_digest", lambda file: read.append(file.name) or own(file))
    stages.run("draw", 1, work)
    assert read == []
    dataclasses.replace(stages.plan("draw", 1, work), verify=True).make(Progress())
    assert read == ["output"]
    file.write_text("call 9")  # of another time
    stages.run("draw", 1, work)
    assert work.calls == 2


def test_another_program_that_makes_it_is_named(stages, capsys):
    other: list[str] = []

    def work(folder: storage.Path) -> str:
        with pytest.raises(
            ValueError, match=f"process {os.getpid()} on .* begun at .* writes there: expected one program"
        ) as told:
            stages.run("draw", 1, Work())
        other.append(str(told.value))
        return "done"

    assert stages.run("draw", 1, work).result == "done"
    assert other[0].startswith(f"{stages.plan('draw', 1).folder}: ")
    assert not (stages.plan("draw", 1).folder / ".lock.json").exists()


def test_shares_are_made_side_by_side(stages):
    def work(folder: storage.Path) -> str:
        return dataclasses.replace(stages.plan("draw", 1, Work("other")), shared=True).make(Progress()).result

    assert dataclasses.replace(stages.plan("draw", 1, work), shared=True).make(Progress()).result == "other"


def test_a_refusal_leaves_no_lock_and_no_folder(tmp_path):
    def refuses(folder: storage.Path) -> None:
        raise ValueError("the file is wrong")

    (tmp_path / "mine").touch()
    with pytest.raises(ValueError, match="the file is wrong"):
        Made(tmp_path / "run").run("draw", 1, refuses)
    assert [one.name for one in tmp_path.iterdir()] == ["mine"]


def test_a_stages_damaged_model_is_not_read(stages):
    """By another command, which cannot make it again."""

    def work(folder: storage.Path) -> None:
        storage.write_text(folder / "model" / "config.json", "{}")
        storage.write_text(folder / "model" / "model.safetensors", "weights")
        storage.write_text(folder / "metrics", "all of them")

    done = stages.run("sft", 1, work)
    flip(done.folder / "metrics")  # no part of the model
    assert Model.at(os.fspath(done.folder)).folder == os.fspath(done.folder / "model")
    flip(done.folder / "model" / "model.safetensors")
    with pytest.raises(
        ValueError, match=r"model/model.safetensors has changed since it was written: run the command again that"
    ):
        Model.at(os.fspath(done.folder))
