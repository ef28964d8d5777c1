"""Judge and refiner against a real server, transformers' own, on loopback: every call accounted for, whatever the model says.

The model is the embedded one, which has never seen such a prompt, or the folder that JORNEY_TEST_SMOLLM2 names.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest
from trees_by_hand import followed_tree

from jorney import cli, storage
from jorney.policy import resolve
from jorney.run.stages.derivation import read_thoughts
from jorney.run.stages.expansion import read_trees

pytestmark = pytest.mark.slow

TEMPLATE = "{{ bos_token }}{% for message in messages %}{{ message['role'] + ': ' + message['content'] + '\\n' }}{% endfor %}"
TREES, TRIES, STEPS = 2, 2, 7
SMOLLM2 = os.environ.get("JORNEY_TEST_SMOLLM2", "")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    for library in ("torch", "fastapi", "uvicorn"):
        pytest.importorskip(library, reason="transformers' server needs torch and transformers[serving]")
    if SMOLLM2:
        return SMOLLM2
    folder = tmp_path_factory.mktemp("served") / "model"
    shutil.copytree(resolve("embedded"), folder)
    (folder / "chat_template.jinja").write_text(TEMPLATE)
    return str(folder)


@pytest.fixture(scope="module")
def server(model: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, pathlib.Path]]:
    """The server's address, and the file of its log."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    program = pathlib.Path(sys.executable).with_name("transformers")
    if not program.exists():
        pytest.skip("transformers' command is not installed beside the interpreter")
    log = tmp_path_factory.mktemp("log") / "server.log"
    # One thread: with more, small products wait for each other on a busy machine.
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    arguments = [
        str(program),
        "serve",
        model,
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
        "--device",
        "cpu",
        "--dtype",
        "float32",
    ]
    with log.open("wb") as file:
        process = subprocess.Popen(arguments, env=environment, stdout=file, stderr=file)
        try:
            end = time.monotonic() + 300
            while not _healthy(port):
                assert process.poll() is None, log.read_text()
                assert time.monotonic() < end, f"it did not start: {log.read_text()}"
                time.sleep(0.2)
            yield f"http://127.0.0.1:{port}/v1", log
        finally:
            process.terminate()
            process.wait(30)


def _healthy(port: int) -> bool:
    with contextlib.suppress(OSError), contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=2)) as asked:
        asked.request("GET", "/health")
        with asked.getresponse() as answer:
            return answer.status == 200
    return False


def _served(log: pathlib.Path) -> int:
    """Chats that the server has answered, by its own log."""
    return log.read_text().count('"POST /v1/chat/completions HTTP/1.1" 200')


def test_judge_and_refiner_at_a_real_server(model, server, tmp_path, capsys) -> None:
    url, log = server
    storage.write_jsonl(tmp_path / "trees.jsonl", (followed_tree(number, alike=False).to_json() for number in range(TREES)))
    shared = ["--llm.model", model, "--llm.base-url", url, "--llm.cache", str(tmp_path / "cache"), "--llm.timeout", "600"]
    shared += ["--llm.concurrency", "2", "--llm.price-input", "1", "--llm.price-output", "2", "--llm.max-unread", "1"]

    judge = ["judge", "--trees", str(tmp_path / "trees.jsonl"), "--judge", "llm", "--output", str(tmp_path / "judge"), *shared]
    judge += ["--llm-judge.tries", str(TRIES), "--llm.max-tokens", "24"]
    assert cli.main(judge) == 0
    paid = _served(log)
    found = json.loads((tmp_path / "judge" / "summary.json").read_text())
    said = capsys.readouterr().out
    assert f"{paid:,} calls paid, 0 answers from" in said
    assert found["calls"] == paid
    assert found["failures"] == found["unmetered"] == 0
    # Every step was asked about; each answer was read, or counted as one that could not be.
    read = TREES * STEPS - found["fallbacks"]
    assert found["calls"] == read + found["parse_failures"]
    assert found["fallbacks"] * TRIES <= found["parse_failures"] <= TREES * STEPS * TRIES
    assert 0 < found["completion_tokens"] <= 24 * paid < found["prompt_tokens"]
    trees = list(read_trees(tmp_path / "judge" / "judge"))
    assert [tree.id for tree in trees] == ["p0", "p1"]
    assert all(node.correct in (True, False) for tree in trees for node in tree.nodes[1:])
    assert cli.main([*judge[:6], str(tmp_path / "again"), *judge[7:]]) == 0  # all of it from the cache
    assert _served(log) == paid
    assert json.loads((tmp_path / "again" / "summary.json").read_text()) == found

    assert cli.main(["derive", "--trees", str(tmp_path / "trees.jsonl"), "--output", str(tmp_path / "derive")]) == 0
    refine = ["refine", "--thoughts", str(tmp_path / "derive" / "thoughts"), "--trees", str(tmp_path / "trees.jsonl"), *shared]
    refine += ["--output", str(tmp_path / "refine"), "--rewrite.tries", str(TRIES), "--llm.max-tokens", "64"]
    assert cli.main(refine) == 0
    told = json.loads((tmp_path / "refine" / "summary.json").read_text())
    assert told["calls"] == _served(log) - paid
    assert told["calls"] == TREES - told["fallbacks"] + told["parse_failures"] + told["check_failures"]
    thoughts = read_thoughts(tmp_path / "refine" / "refine" / "journey.jsonl")
    assert len(thoughts) == told["thoughts"] == TREES
    assert sum(thought.refiner == "offline" for thought in thoughts) == told["fallbacks"]
    assert all(bool(thought.note) == (thought.refiner == "offline") for thought in thoughts)
