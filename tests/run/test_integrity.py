"""What stages wrote is held against their manifests, whatever those say, by every command that reads it."""

from __future__ import annotations

import json
import os
import pathlib
import shutil

import pytest
from trees_by_hand import followed_tree

import jorney
from jorney import cli, storage
from jorney.progress import Progress
from jorney.run import integrity
from jorney.run.artifact import Artifact, Model, rows_folder
from jorney.run.integrity import MANIFEST
from jorney.run.parts import Parts

EMBEDDED = pathlib.Path(jorney.__file__).parent / "embedded"


def _make(root: pathlib.Path, name: str, work) -> pathlib.Path:
    done = Artifact(storage.path(root), name, 1, work).make(Progress(quiet=True))
    return pathlib.Path(os.fspath(done.folder))


def _small(root: pathlib.Path) -> pathlib.Path:
    return _make(root, "draw", lambda folder: storage.write_text(folder / "output", "one") or "made")


@pytest.fixture
def trained(tmp_path: pathlib.Path) -> pathlib.Path:
    """What a training stage wrote: the embedded model."""
    return _make(tmp_path / "run", "sft", lambda folder: shutil.copytree(EMBEDDED, folder / "model") and None)


@pytest.fixture
def grown(tmp_path: pathlib.Path) -> pathlib.Path:
    """What a stage that grows trees wrote."""

    def work(folder: storage.Path) -> None:
        with Parts(folder / "parts") as parts:
            parts.add(*(followed_tree(number).to_json() for number in range(5)))

    return _make(tmp_path / "run", "trees", work)


def flip(file: pathlib.Path) -> None:
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)


def edit(folder: pathlib.Path, sealed: bool, **changes: object) -> None:
    """Edits a manifest, and seals it again, as somebody might who knows how."""
    fields = {**json.loads((folder / MANIFEST).read_text()), **changes}
    fields.pop("digest", None)
    (folder / MANIFEST).write_text(json.dumps(integrity.seal(fields) if sealed else fields))


def refused(capsys, *words: str) -> str:
    """The one line that a command is refused with."""
    capsys.readouterr()
    assert cli.main(list(words)) == 2
    told = capsys.readouterr().err.splitlines()
    assert len(told) == 1, told
    return told[0]


@pytest.mark.parametrize("sealed", [True, False])
@pytest.mark.parametrize(
    "name", ["../victim", "../../../victim", "{root}/victim", "a/../../../../victim", "./output", "", "\0"]
)
def test_a_manifest_names_nothing_outside_its_folder(tmp_path: pathlib.Path, name: str, sealed: bool) -> None:
    folder = _small(tmp_path / "run")
    victims = [tmp_path / "victim", folder.parent / "victim", tmp_path / "run" / "victim"]
    for victim in victims:
        victim.write_text("precious")
    edit(folder, sealed, files={name.format(root=tmp_path): [1, "xxh3 0"]})
    assert integrity.sealed(storage.path(folder)) is None
    assert _small(tmp_path / "run") == folder  # it is made again
    assert [victim.read_text() for victim in victims] == ["precious"] * 3
    assert list(json.loads((folder / MANIFEST).read_text())["files"]) == ["output"]


@pytest.mark.parametrize("way", ["output", "parts", "model/deep"])
def test_links_that_lead_out_are_removed_and_not_followed(tmp_path: pathlib.Path, way: str) -> None:
    folder, outside = _small(tmp_path / "run"), tmp_path / "outside"
    outside.mkdir()
    (outside / "file").write_text("precious")
    link = folder / way
    link.parent.mkdir(exist_ok=True)
    link.unlink(missing_ok=True)
    link.symlink_to(outside / "file" if way == "output" else outside)
    edit(folder, True, files={way if way == "output" else f"{way}/file": [8, "xxh3 0"]})
    _small(tmp_path / "run")
    assert (outside / "file").read_text() == "precious"
    assert not link.is_symlink()


FILES = [[], None, "output", 7, {"output": 5}, {"output": [3]}, {"output": ["3", "xxh3 0"]}, {"output": [3, 5]}]


@pytest.mark.parametrize("files", [*FILES, {"output": [3, "none"]}, {"output": [True, "xxh3 0"]}])
@pytest.mark.parametrize("sealed", [True, False])
def test_files_of_another_kind_are_a_broken_manifest(tmp_path: pathlib.Path, files: object, sealed: bool, capsys) -> None:
    folder = _small(tmp_path / "run")
    edit(folder, sealed, files=files)
    Artifact(storage.path(tmp_path / "run"), "draw", 1, lambda folder: "again").make(Progress())
    assert f"{folder / MANIFEST} has changed: it is made again" in capsys.readouterr().out


@pytest.mark.parametrize("digest", [None, "", 5, "0" * 32])
def test_a_manifest_without_its_digest_is_broken(tmp_path: pathlib.Path, digest: object, trained, capsys) -> None:
    edit(trained, False, **({} if digest is None else {"digest": digest}))
    with pytest.raises(ValueError, match=f"{MANIFEST} has changed since it was written: run the command again that made it"):
        Model.at(os.fspath(trained))
    _make(tmp_path / "run", "sft", lambda folder: None)
    assert Model.at(os.fspath(trained)).folder == os.fspath(trained / "model")  # sealed anew


def test_what_is_no_file_stands_in_the_place_of_a_manifest(tmp_path: pathlib.Path) -> None:
    for make in (pathlib.Path.mkdir, os.mkfifo, lambda place: place.write_text("[" * 100_000)):
        folder = _small(tmp_path / "run")
        (folder / MANIFEST).unlink()
        make(folder / MANIFEST)
        assert _small(tmp_path / "run") == folder
        assert (folder / MANIFEST).is_file()


def test_other_peoples_manifests_say_nothing(tmp_path: pathlib.Path) -> None:
    """A folder of models may hold a file of that name."""
    shutil.copytree(EMBEDDED, tmp_path / "model")
    for text in ("[]", '{"files": {"model/config.json": [1, "xxh3 0"]}}', "not even JSON"):
        (tmp_path / MANIFEST).write_text(text)
        assert Model.at(os.fspath(tmp_path / "model")).folder == os.fspath(tmp_path / "model")


COMMANDS = [
    ["generate", "hi", "--sampling.max-tokens", "1", "--model"],
    ["inspect"],
    ["export", "--output", "{out}", "--source"],
    ["convert", "--output", "{out}", "--source"],
    ["evaluate", "--limit", "1", "--output", "{out}", "--model"],
    ["judge", "--trees", "nowhere", "--output", "{out}", "--model"],
]


@pytest.mark.parametrize("command", COMMANDS, ids=lambda words: words[0])
@pytest.mark.parametrize("name", ["model.safetensors", "config.json", "tokenizer.json"])
def test_no_command_reads_a_damaged_model(command: list[str], name: str, trained, tmp_path, capsys) -> None:
    words = [word.format(out=tmp_path / "out") for word in command]
    for place in (trained, trained / "model", tmp_path / "run" / "sft"):
        flip(trained / "model" / name)
        told = refused(capsys, *words, os.fspath(place))
        assert f"{name} has changed since it was written: run the command again that made it" in told
        flip(trained / "model" / name)  # as it was
    assert not list(tmp_path.glob("out*"))


@pytest.mark.parametrize("command", COMMANDS, ids=lambda words: words[0])
@pytest.mark.parametrize(
    "name", ["chat_template.jinja", "adapter_config.json", "judge.json", "model-00001-of-00002.safetensors"]
)
def test_no_command_reads_what_was_added_to_a_model(command: list[str], name: str, trained, tmp_path, capsys) -> None:
    words = [word.format(out=tmp_path / "out") for word in command]
    (trained / "model" / name).write_text("{}")
    told = refused(capsys, *words, os.fspath(trained))
    assert f"model/{name} is no file of the stage that wrote this folder: move it elsewhere" in told
    assert not list(tmp_path.glob("out*"))


def test_notes_and_hidden_files_may_be_added(trained) -> None:
    for name in ("README.md", ".gitattributes", ".cache.json"):
        (trained / "model" / name).write_text("mine")
    assert Model.at(os.fspath(trained)).folder == os.fspath(trained / "model")


@pytest.mark.parametrize("name", ["model/generation_config.json", "model/sub/more.jinja", "parts/000000009-x.jsonl"])
def test_a_stage_is_not_done_with_files_of_others(tmp_path: pathlib.Path, name: str) -> None:
    folder = _small(tmp_path / "run")
    (folder / name).parent.mkdir(parents=True)
    (folder / name).write_text("{}")
    with pytest.raises(ValueError, match=f"{name} is no file of the stage"):
        _small(tmp_path / "run")
    assert (folder / name).exists()  # it is somebody's


def test_large_weights_are_read_again_where_that_is_asked_for(trained, monkeypatch, capsys) -> None:
    """Rot changes neither size nor time; what was kept of a large file then still fits."""
    monkeypatch.setattr(integrity, "LARGE", 3)
    weights = trained / "model" / "model.safetensors"
    integrity.kept_digest(storage.path(weights))
    flip(weights)
    about, notes = weights.stat(), weights.parent / ".jorney-digests.json"
    kept = json.loads(notes.read_text())
    kept[weights.name][:3] = [about.st_size, about.st_ino, about.st_ctime_ns]
    notes.write_text(json.dumps(kept))
    Model.at(os.fspath(trained))
    with pytest.raises(ValueError, match=r"model.safetensors has changed since it was written"):
        Model.at(os.fspath(trained), verify=True)
    for command in ("inspect", "generate", "evaluate"):
        words = ["hi"] if command == "generate" else []
        assert "has changed since it was written" in refused(capsys, command, *words, "--verify", "--model", os.fspath(trained))


ROWS = [
    ["judge", "--judge", "verifier", "--output", "{out}", "--trees", "{trees}"],
    ["derive", "--output", "{out}", "--trees", "{trees}"],
    ["trees", "stats", "{trees}"],
    ["trees", "export", "--format", "stepwise", "--output", "{out}.jsonl", "{trees}"],
    ["analyse", "--output", "{out}", "{trees}"],
    ["prm", "--output", "{out}", "--data", "{trees}"],
]


@pytest.mark.parametrize("command", ROWS, ids=lambda words: " ".join(words[:2]))
@pytest.mark.parametrize("harm", ["edited", "removed", "added"])
def test_no_command_reads_rows_that_were_changed(command: list[str], harm: str, grown, tmp_path, capsys) -> None:
    (part,) = (grown / "parts").iterdir()
    if harm == "edited":
        part.write_text(part.read_text().replace("0", "1"))
        expected = "since it was written: run the command again that made it"
    elif harm == "removed":
        part.rename(tmp_path / "elsewhere")
        expected = f"{part.name} is missing since it was written"
    else:
        (part.parent / "000000001-x.jsonl").write_text(part.read_text())
        expected = "parts/000000001-x.jsonl is no file of the stage"
    told = refused(capsys, *(word.format(out=tmp_path / "out", trees=tmp_path / "run" / "trees") for word in command))
    assert expected in told
    assert not list(tmp_path.glob("out*"))


def test_rows_of_other_folders_are_as_they_are(grown, tmp_path: pathlib.Path) -> None:
    """Parts that are still written, or that somebody brought together."""
    shutil.copytree(grown / "parts", tmp_path / "mine" / "parts")
    assert rows_folder(tmp_path / "mine") == storage.path(tmp_path / "mine" / "parts")
    assert rows_folder(tmp_path / "run") is None
