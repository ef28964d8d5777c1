"""`jorney view`: what it starts, and what it refuses before it starts anything."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import time

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
        (["FILE", "--address", "192.0.2.1"], "address = '192.0.2.1': expected one of this machine's"),
        (["FILE", "--tokenizer", "nowhere/at/all"], "nowhere/at/all"),
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


def test_the_first_free_port_is_taken(file, capsys, monkeypatch) -> None:
    port = free_port("127.0.0.1")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", port))
        taken.listen()
        assert free_port("127.0.0.1") > port
        monkeypatch.setattr(viewing.subprocess, "Popen", None)  # nothing is started, no page of somebody else opened
        assert cli.main(["view", file, "--port", str(port)]) == 2
    assert f"port = {port}: it is taken" in capsys.readouterr().err


def test_an_end_of_the_command_ends_its_server(tmp_path) -> None:
    pytest.importorskip("streamlit", reason="needs the extra [view]")
    storage.write_jsonl(tmp_path / "t.jsonl", [{"id": "a", "question": "q", "answer": "1"}])
    words = [sys.executable, "-m", "jorney", "view", os.fspath(tmp_path / "t.jsonl"), "--no-browser"]
    environment = {**os.environ, "XDG_CACHE_HOME": os.fspath(tmp_path / "cache")}
    with subprocess.Popen(words, stderr=subprocess.PIPE, stdout=subprocess.PIPE, cwd=tmp_path, env=environment) as process:
        said = next(line for line in process.stdout if b"http://" in line).decode()
        port = int(re.search(r"http://127.0.0.1:(\d+)/", said)[1])
        for _ in range(600):
            with socket.socket() as tried:
                if not tried.connect_ex(("127.0.0.1", port)):
                    break
            time.sleep(0.1)
        process.terminate()
        assert process.wait(20) == 128 + 15
    for _ in range(100):
        with socket.socket() as tried:
            if tried.connect_ex(("127.0.0.1", port)):
                return
        time.sleep(0.1)
    raise AssertionError("the server listens still")
