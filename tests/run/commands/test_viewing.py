"""`jorney view`: what it starts, and what it refuses before it starts anything."""

from __future__ import annotations

import json
import os
import socket

import pytest

from jorney import cli, storage
from jorney.run.commands import viewing
from jorney.run.commands.viewing import ViewCommand, free_port


@pytest.fixture
def file(tmp_path) -> str:
    pytest.importorskip("streamlit", reason="needs the extra [view]")
    storage.write_jsonl(tmp_path / "run" / "t.jsonl", [{"id": "a", "question": "q", "answer": "1"}])
    return os.fspath(tmp_path / "run" / "t.jsonl")


def test_the_page_is_this_machines_alone(file) -> None:
    words = ViewCommand((file,), "mine.jsonl", tokenizer="embedded").program(8600)
    said = dict(zip(words[5:-2:2], words[6:-2:2], strict=True))
    assert said["--server.address"] == "127.0.0.1"
    assert said["--browser.gatherUsageStats"] == "false"
    assert json.loads(words[-1]) == {"paths": [file], "verdicts": "mine.jsonl", "tokenizer": "embedded", "everything": False}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nowhere"], "nowhere: no such file or folder: expected a run's folder"),
        ([], "PATH is missing: expected jorney view PATH..."),
        (["FILE", "--port", "70000"], "port = 70000: expected 0 to 65535"),
        (["FILE", "--verdicts", "FILE"], "holds what is shown, which is never changed"),
        (["FILE", "--verdicts", "v.txt"], "v.txt: expected a .jsonl file"),
        (["FILE", "--address", "no.such.host.invalid"], "expected one of this machine's"),
    ],
)
def test_what_is_wrong_is_told_in_a_line(file, words, said, capsys, monkeypatch, tmp_path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(viewing.subprocess, "Popen", None)  # nothing is started
    assert cli.main(["view", *(file if one == "FILE" else one for one in words)]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1


def test_without_the_extra_it_says_how_to_get_it(file, monkeypatch, capsys) -> None:
    monkeypatch.setattr(viewing.importlib.util, "find_spec", lambda name: None)
    assert cli.main(["view", file]) == 2
    assert "pip install 'jorney[view]'" in capsys.readouterr().err


def test_the_first_free_port_is_taken() -> None:
    port = free_port("127.0.0.1")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", port))
        taken.listen()
        assert free_port("127.0.0.1") > port
