"""A client that is killed or interrupted: what was answered is kept, and is not paid for again."""

from __future__ import annotations

import os
import pathlib
import signal
import subprocess
import sys
import time
from collections.abc import Callable

from places import ROOT
from stub_endpoint import Act, Stub, chat, echo

CLIENT = """
import sys
from jorney.judge.llm import Llm, LlmConfig
url, cache = sys.argv[1:]
llm = Llm(LlmConfig(model="m", base_url=url, cache=cache, concurrency=4, backoff=0.05))
try:
    llm([[{"role": "user", "content": str(index)}] for index in range(40)])
except KeyboardInterrupt:
    print("interrupted", llm.spent.paid.calls, flush=True)
    sys.exit(130)
"""
FORTY = [chat(index) for index in range(40)]
ANSWERS = [f"re: {index}" for index in range(40)]


def _client(stub: Stub, cache: pathlib.Path) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    arguments = [sys.executable, "-c", CLIENT, stub.url, str(cache)]
    return subprocess.Popen(arguments, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def _wait(condition: Callable[[], bool], seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it took too long"
        time.sleep(0.002)


def _stored(cache: pathlib.Path) -> set[str]:
    return {file.stem for file in cache.rglob("*.json") if not file.name.startswith(".")}


def test_a_client_killed_at_any_moment_loses_nothing_that_it_had_and_pays_nothing_of_it_twice(make, tmp_path) -> None:
    cache, kept, again = tmp_path / "cache", set(), 0
    with Stub(lambda number, body: time.sleep(0.01 * (number % 3)) or echo(number, body)) as stub:
        for goal in (7, 23):
            process = _client(stub, cache)
            _wait(lambda goal=goal: stub.total >= goal)
            process.kill()
            process.communicate()
            before, kept = kept, _stored(cache)
            assert before <= kept
            assert len(kept) >= goal - 4 - again  # all but what was under way
            again += 4
        count, rest = len(kept), make(stub, concurrency=4)
        assert rest(FORTY) == ANSWERS
        assert (rest.spent.paid.calls, rest.spent.stored) == (40 - count, count)
        assert all(stub.answered[key] >= 1 for key in _stored(cache))
        # Twice at most, and only what was under way when it was killed: four calls at a time, two times.
        assert max(stub.answered.values()) <= 2
        assert 40 <= stub.total <= 40 + 2 * 4


def test_between_calls_a_kill_costs_nothing(make, tmp_path) -> None:
    """The server holds what it has not answered: what it answered is on disk, and the bill is exact."""
    cache = tmp_path / "cache"
    with Stub(echo) as stub:
        stub._behave = lambda number, body: stub.gate.clear() or echo(number, body) if number == 17 else echo(number, body)  # type: ignore[func-returns-value]
        process = _client(stub, cache)
        _wait(lambda: not stub.gate.is_set() and len(_stored(cache)) == stub.total >= 18)
        paid = stub.total
        time.sleep(0.2)
        assert stub.total == paid
        process.kill()
        process.communicate()
        stub.gate.set()
        rest = make(stub, concurrency=4)
        assert rest(FORTY) == ANSWERS
        assert (rest.spent.paid.calls, rest.spent.stored) == (40 - paid, paid)
        assert stub.total == 40
        assert set(stub.answered.values()) == {1}


def test_an_interrupt_is_heard_at_once_and_keeps_what_is_paid(tmp_path) -> None:
    cache = tmp_path / "cache"
    with Stub(lambda number, body: echo(number, body) if number < 9 else Act("hang")) as stub:
        process = _client(stub, cache)
        _wait(lambda: len(stub.asked) >= 13)
        start = time.monotonic()
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=60)
        assert time.monotonic() - start < 10  # not the timeout of a call, which is 120
        assert process.returncode == 130
        assert out == "interrupted 9\n"
        assert len(_stored(cache)) == stub.total == 9
