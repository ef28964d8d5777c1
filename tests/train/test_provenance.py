"""training.json: written at the first start, held against every later one, with the source's revision."""

from __future__ import annotations

import dataclasses
import importlib.metadata
import pathlib
import shutil
import subprocess
import time

import pytest
from memory_store import memory_root

import jorney
from jorney import storage
from jorney.train import provenance
from jorney.train.optimizer import OptimizerConfig

DECIDES = {"sft": dataclasses.asdict(OptimizerConfig()), "seed": 0, "data": "abc", "shape": (2, 3)}


@pytest.fixture(params=["local", "gs"])
def root(request, tmp_path) -> str:
    return str(tmp_path / "run") if request.param == "local" else memory_root()


def test_the_first_start_is_written(root: str) -> None:
    before = time.time()
    started = provenance.begin(root, DECIDES, {"mesh": {"data": 8}})
    assert before <= started <= time.time()
    found = storage.read_json(storage.path(root) / "training.json")
    assert found["started"] == started
    assert found["decides"] == {**DECIDES, "shape": [2, 3]}
    assert found["mesh"] == {"data": 8}
    assert found["jorney"] == jorney.__version__
    assert found["versions"]["jax"] == importlib.metadata.version("jax")
    assert set(found) == {"started", "decides", "mesh", "jorney", "git", "versions"}


def test_an_equal_start_keeps_the_first_ones_time_and_notes(root: str) -> None:
    started = provenance.begin(root, DECIDES, {"mesh": {"data": 8}})
    written = (storage.path(root) / "training.json").read_text()
    assert provenance.begin(root, dict(reversed(DECIDES.items())), {"mesh": {"data": 1}}) == started
    assert (storage.path(root) / "training.json").read_text() == written


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"seed": 1}, "seed was 0, is 1"),
        ({"sft": {**DECIDES["sft"], "b2": 0.9}}, "sft.b2 was 0.95, is 0.9"),
        ({"shape": (2, 4)}, r"shape was \[2, 3\], is \[2, 4\]"),
        ({"other": True}, "other was None, is True"),
        ({"seed": 1, "data": "abd"}, "data was 'abc', is 'abd'; seed was 0, is 1"),
    ],
)
def test_what_changed_is_named(root: str, changes: dict, named: str) -> None:
    provenance.begin(root, DECIDES, {})
    with pytest.raises(ValueError, match=f"training.json: the training .* otherwise: {named}: expected the same, or another"):
        provenance.begin(root, {**DECIDES, **changes}, {})


def test_what_is_gone_is_named(root: str) -> None:
    provenance.begin(root, DECIDES, {})
    with pytest.raises(ValueError, match="otherwise: data was 'abc', is None: expected"):
        provenance.begin(root, {name: value for name, value in DECIDES.items() if name != "data"}, {})


@pytest.fixture
def checkout(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch):
    """A repository with one commit that holds this module; returns its git."""
    if shutil.which("git") is None:
        pytest.skip("there is no git")
    for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"):
        monkeypatch.delenv(name, raising=False)
    folder = tmp_path / "checkout"
    file = folder / "jorney" / "train" / "provenance.py"
    file.parent.mkdir(parents=True)
    file.write_text("# here\n")
    monkeypatch.setattr(provenance, "__file__", str(file))

    def git(*arguments: str) -> str:
        identity = ("-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false")
        command = ["git", "-C", str(folder), *identity, *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    git("init", "--quiet")
    git("add", ".")
    git("commit", "--quiet", "-m", "first")
    return git


def test_the_revision_is_the_commit(checkout) -> None:
    assert provenance.revision() == checkout("rev-parse", "HEAD")
    assert len(provenance.revision()) == 40


def test_changes_are_told(checkout) -> None:
    commit, file = checkout("rev-parse", "HEAD"), pathlib.Path(provenance.__file__)
    file.write_text("# there\n")
    assert provenance.revision() == f"{commit}+changes"
    checkout("commit", "--quiet", "-am", "second")
    assert provenance.revision() == checkout("rev-parse", "HEAD") != commit
    (file.parent.parent / "elsewhere.py").write_text("")
    assert provenance.revision() == checkout("rev-parse", "HEAD") + "+changes"


def test_an_installed_package_inside_another_checkout_has_no_revision(checkout, monkeypatch: pytest.MonkeyPatch) -> None:
    installed = pathlib.Path(provenance.__file__).parent / "site-packages" / "provenance.py"
    installed.parent.mkdir()
    installed.write_text("")
    monkeypatch.setattr(provenance, "__file__", str(installed))
    assert provenance.revision() is None


def test_without_git_or_a_repository_there_is_no_revision(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    monkeypatch.setattr(provenance, "__file__", str(tmp_path / "provenance.py"))
    assert provenance.revision() is None
    monkeypatch.setenv("PATH", "")
    assert provenance.revision() is None
