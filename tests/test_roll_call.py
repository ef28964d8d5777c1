from __future__ import annotations

import contextlib
import json
import logging
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from jorney import roll_call
from jorney.roll_call import RollCall, difference

HOST = socket.gethostname()
COMMAND = {"command": "sft", "sft": {"epochs": 3, "betas": [0.9, 0.95]}}


@pytest.fixture
def address() -> str:
    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        return f"localhost:{probe.getsockname()[1]}"


def together(*calls: Callable[[], RollCall]) -> list[Any]:
    """What each of them returns or raises, all at the same time."""
    found: list[Any] = [None] * len(calls)

    def one(index: int) -> None:
        try:
            found[index] = calls[index]()
        except (ValueError, OSError) as error:
            found[index] = error

    threads = [threading.Thread(target=one, args=(index,)) for index in range(len(calls))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    return found


def process(address: str, number: int, lost: list[str], count: int = 3, command: Any = COMMAND, seconds: float = 10):
    return lambda: roll_call.call(address, count, number, command, seconds, lambda who, grace: lost.append(who))


@pytest.fixture
def three(address) -> Iterator[tuple[list[RollCall], list[list[str]]]]:
    lost: list[list[str]] = [[], [], []]
    calls = together(*(process(address, number, lost[number]) for number in range(3)))
    assert all(isinstance(call, RollCall) for call in calls), calls
    yield calls, lost
    for call in calls:
        call.leave()
        die(call)


def until(condition: Callable[[], Any]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def die(call: RollCall) -> None:
    """What the system does with the connections of a program that was killed."""
    call._left = True
    for peer in call._peers.values():
        with contextlib.suppress(OSError):
            peer.shutdown(socket.SHUT_RDWR)


def test_the_port_is_free_for_jax_once_all_have_come(three, address) -> None:
    with socket.create_server(("localhost", int(address.rpartition(":")[2]))):
        pass


def test_who_fails_says_why_to_all(three) -> None:
    calls, lost = three
    calls[2].leave("data.jsonl: line 3: expected a JSON object")
    until(lambda: lost[0] and lost[1])
    told = f"process 2 on {HOST} failed: data.jsonl: line 3: expected a JSON object"
    assert lost == [[told], [told], []]
    assert [call.heard(0) for call in calls] == [told, told, None]


def test_process_0_ends_after_those_that_fail_with_it(three) -> None:
    """They have said so, and are still to print why: without process 0 jax's service ends them before they can."""
    calls, _ = three
    calls[1].leave("the same fault")
    calls[2].leave("the same fault")
    leaving = threading.Thread(target=calls[0].leave, args=["the same fault"])
    leaving.start()
    die(calls[1])
    leaving.join(0.5)
    assert leaving.is_alive()
    die(calls[2])
    leaving.join(roll_call.ENDS / 2)
    assert not leaving.is_alive()


def test_who_dies_is_missed_by_all(three) -> None:
    calls, lost = three
    die(calls[1])
    until(lambda: lost[0] and lost[2])
    assert lost == [[f"process 1 on {HOST} has died: look at its log"], [], [f"process 1 on {HOST} has died: look at its log"]]


def test_process_0_is_missed_too(three, address) -> None:
    calls, lost = three
    die(calls[0])
    until(lambda: lost[1] and lost[2])
    assert lost[1] == lost[2] == [f"process 0 at {address} has died: look at its log"]


def test_who_ends_well_is_not_missed(three) -> None:
    calls, lost = three
    for call in (calls[1], calls[0], calls[2]):  # process 0 before another
        call.leave()
        die(call)
    time.sleep(0.3)
    assert lost == [[], [], []]


def test_news_are_waited_for(three) -> None:
    calls, _ = three
    threading.Timer(0.3, die, [calls[1]]).start()
    assert calls[0].heard(10) == f"process 1 on {HOST} has died: look at its log"


def test_what_fails_because_another_has_gone_has_no_words_of_its_own(three, monkeypatch, caplog) -> None:
    calls, lost = three
    monkeypatch.setattr(roll_call, "_current", calls[1])
    monkeypatch.setattr(roll_call, "LINGERS", 0.1)
    told: list[Any] = []
    logger = logging.getLogger("absl")
    logger.addFilter(roll_call._has_own_cause)
    try:
        for failures in (1, 1):  # before another has gone, and after
            roll_call._in_thread(told.append, failures)
            logger.error("a thread", exc_info=RuntimeError("connection reset"))
            logger.warning("a line")
            die(calls[2])
            until(lambda: lost[1])
    finally:
        logger.removeFilter(roll_call._has_own_cause)
    assert told == [1]
    assert [record.getMessage() for record in caplog.records] == ["a thread", "a line", "a line"]


def test_missing_processes_are_named_to_all_who_came(address) -> None:
    found = together(*(process(address, number, [], 5, seconds=1.0) for number in (0, 2, 4)))
    told = f"{address}: waited 1 s in vain for process 1, 3 of 5: expected the same command on all hosts; look at their logs"
    assert [str(one) for one in found] == [told] * 3
    assert all(isinstance(one, OSError) for one in found)


@pytest.mark.parametrize(
    ("number", "count", "command", "message"),
    [
        (1, 3, COMMAND, "process 1 on HOST expects 3 processes, and process 0 expects 2"),
        (7, 2, COMMAND, "process 7 on HOST: expected a number below 2"),
        (1, 2, {**COMMAND, "command": "dpo"}, "process 1 on HOST: command is 'dpo', and 'sft' in process 0"),
        (1, 2, {"command": "sft", "sft": {"epochs": 3, "betas": [0.9, 0.99]}}, "sft.betas[1] is 0.99, and 0.95 in process 0"),
        (1, 2, {"command": "sft", "sft": {"epochs": 2, "betas": [0.9, 0.95]}}, "sft.epochs is 2, and 3 in process 0"),
    ],
)
def test_one_that_does_not_belong_ends_all(address, number: int, count: int, command: Any, message: str) -> None:
    found = together(process(address, 0, [], 2, seconds=2), process(address, number, [], count, command, 2))
    pattern = re.escape(message.replace("HOST", HOST))
    assert re.search(pattern, str(found[0])), found
    assert str(found[1]) == str(found[0])
    assert isinstance(found[0], ValueError)


@pytest.mark.parametrize(
    ("place", "why"), [("localhost", "refused"), ("no-such-host.invalid", "not known|resolution|No address")]
)
def test_nobody_at_the_coordinators_address(address, place: str, why: str) -> None:
    port = address.rpartition(":")[2]
    with pytest.raises(
        OSError, match=f"{place}:{port}: process 1 waited 0.5 s in vain for process 0: .*({why}).*look at its log"
    ):
        process(f"{place}:{port}", 1, [], seconds=0.5)()


def test_process_0_must_know_its_own_address() -> None:
    with pytest.raises(OSError, match="no-such-host.invalid:8476: .*: expected the name or address of process 0's host"):
        process("no-such-host.invalid:8476", 0, [], seconds=0.5)()


def test_a_port_that_is_taken_is_named(address) -> None:
    with (
        socket.create_server(("localhost", int(address.rpartition(":")[2]))),
        pytest.raises(OSError, match=f"{address}: .*in use.*: expected a port that no other program has"),
    ):
        process(address, 0, [], seconds=0.5)()


def test_one_that_died_before_all_had_come_may_come_again(address) -> None:
    host, _, port = address.rpartition(":")
    said = {"process": 1, "processes": 3, "host": HOST, "command": COMMAND}

    def first() -> None:
        while True:
            with contextlib.suppress(OSError), socket.create_connection((host, int(port)), timeout=1) as peer:
                peer.sendall(json.dumps(said).encode() + b"\n")
                time.sleep(0.3)  # killed after it was heard
                return
            time.sleep(0.05)

    again = lambda: time.sleep(1) or process(address, 1, [])()  # noqa: E731
    last = lambda: time.sleep(1.5) or process(address, 2, [])()  # noqa: E731
    found = together(process(address, 0, []), first, again, last)
    assert isinstance(found[0], RollCall), found
    assert isinstance(found[2], RollCall), found
    assert isinstance(found[3], RollCall), found


def test_a_host_that_vanishes_is_missed_by_the_system(three) -> None:
    """Nothing is said by a machine that is gone: its silence is noticed within a minute."""
    for call in three[0]:
        for peer in call._peers.values():
            assert peer.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
            idle, every, count = (
                peer.getsockopt(socket.IPPROTO_TCP, name)
                for name in (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT)
            )
            assert idle + every * count <= 60


def test_strangers_at_the_port_are_let_go(address) -> None:
    host, _, port = address.rpartition(":")

    def knock(words: bytes) -> None:
        for _ in range(100):  # until somebody listens
            try:
                with socket.create_connection((host, int(port)), timeout=1) as peer:
                    peer.sendall(words)
                    return
            except OSError:
                time.sleep(0.05)

    strangers = [lambda words=words: knock(words) for words in (b"GET / HTTP/1.1\r\n\r\n", b'{"process": 1}\n', b"[]\n")]
    late = lambda: time.sleep(1) or process(address, 1, [], 2)()  # noqa: E731
    found = together(process(address, 0, [], 2), *strangers, late)
    assert isinstance(found[0], RollCall)
    assert isinstance(found[-1], RollCall)


def test_another_program_at_the_address_is_told_apart(address) -> None:
    def serve() -> None:
        with socket.create_server(("localhost", int(address.rpartition(":")[2]))) as server:
            peer, _ = server.accept()
            peer.recv(10)
            peer.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            peer.close()

    found = together(serve, process(address, 1, [], 2))
    assert str(found[1]) == f"{address}: process 0 has gone, or another program listens there: look at its log"


def test_differences_are_told_by_their_place() -> None:
    assert difference({"a": [1, {"b": 2}]}, {"a": [1, {"b": 3}]}) == "a[1].b is 2, and 3 in process 0"
    assert difference(1, 2) == "it is 1, and 2 in process 0"
    assert difference({"a": 1}, {"b": 1}) == "it is {'a': 1}, and {'b': 1} in process 0"
