"""Endpoints: every fault that a network has, what is paid for, and what is kept."""

from __future__ import annotations

import concurrent.futures
import dataclasses
import email.utils
import gzip
import json
import math
import pathlib
import re
import socket
import threading
import time
from typing import Any

import pytest
from memory_store import memory_root
from stub_endpoint import Act, Behave, Stub, chat, echo

from jorney.judge.llm import Llm, LlmConfig
from jorney.judge.llm.errors import retry_after
from jorney.judge.llm.replies import Account

KEY = "sk-secret-1234567890"


def first(act: Act) -> Behave:
    """Does this with the first request, and answers all others."""
    return lambda number, body: act if number == 0 else echo(number, body)


def test_answers_come_in_the_chats_order_and_are_paid_for_once(make) -> None:
    prices = {"price_input": 2.0, "price_cached": 0.5, "price_output": 10.0}
    usage = {"prompt_tokens": 100, "completion_tokens": 7, "prompt_tokens_details": {"cached_tokens": 64}}

    def slow_first(number: int, body: dict[str, Any]) -> Act:
        time.sleep(0.3 if body["messages"][-1]["content"] == "0" else 0.1)
        return dataclasses.replace(echo(number, body), usage=usage)

    with Stub(slow_first) as stub:
        llm = make(stub, concurrency=4, temperature=0.5, **prices)
        chats = [chat(index) for index in range(10)]
        expected = [f"re: {index}" for index in range(10)]
        assert llm(chats) == expected
        assert llm.spent.paid == Account(calls=10, prompt_tokens=1000, cached_tokens=640, completion_tokens=70)
        assert llm.config.cost(llm.spent.paid) == pytest.approx((360 * 2 + 640 * 0.5 + 70 * 10) / 1e6)
        assert stub.most == 4
        assert llm(chats) == expected
        again = make(stub, **prices, temperature=0.5)
        assert again(chats) == expected
        assert (again.spent.paid, again.spent.stored) == (Account(), 10)
        assert stub.total == 10
        assert stub.asked[0] == {"messages": stub.asked[0]["messages"], "model": "m", "max_tokens": 2048, "temperature": 0.5}
        assert make(stub, temperature=0.6)(chats[:1]) == expected[:1]  # another question
        assert stub.total == 11


def test_results_come_as_they_are_done(make) -> None:
    with Stub(lambda number, body: time.sleep(0.3 if "slow" in str(body) else 0) or echo(number, body)) as stub:

        async def work(ask, item):
            return (await ask(chat(item))).text

        found = list(make(stub).each(work, ["slow", "a", "b"]))
        assert found[-1] == ("slow", "re: slow")
        assert sorted(found[:2]) == [("a", "re: a"), ("b", "re: b")]


def test_the_same_asked_at_once_is_paid_for_once(make) -> None:
    with Stub(lambda number, body: time.sleep(0.1) or echo(number, body)) as stub:
        llm = make(stub)
        assert llm([chat("same")] * 5) == ["re: same"] * 5
        assert (stub.total, llm.spent.paid.calls, llm.spent.stored) == (1, 1, 4)


FAULTS = {
    "429": Act("status", "slow down", 429, (("Retry-After", "0.1"),)),
    "500": Act("status", "oh", 500),
    "503 with a date": Act("status", "busy", 503, (("Retry-After", email.utils.formatdate(0, usegmt=True)),)),
    "time-out": Act("hang"),
    "half an answer": Act("half"),
    "half a JSON": Act("truncated"),
    "no JSON": Act("body", "<html>gateway</html>"),
    "no UTF-8": Act("body", '"\ud800'.encode("utf-16", "surrogatepass").decode("latin-1")),
    "no completion": Act("body", '{"error": {"message": "overloaded"}}'),
    "no choices": Act("body", '{"choices": []}'),
    "deep": Act("body", "[" * 100_000),
    "reset": Act("reset"),
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS.keys())
def test_a_passing_fault_is_tried_again(make, fault: Act) -> None:
    with Stub(first(fault)) as stub:
        llm = make(stub, timeout=1.0 if fault.kind == "hang" else 30.0, concurrency=1)
        assert llm([chat("a"), chat("b")]) == ["re: a", "re: b"]
        assert (llm.spent.paid.calls, llm.spent.paid.failures, llm.spent.retries) == (2, 0, 1)
        assert stub.total == 2
        assert len(stub.asked) == 3
        keys = [headers["Idempotency-Key"] for headers in stub.headers]
        assert keys[0] == keys[1] != keys[2]


@pytest.mark.parametrize(
    ("act", "said"),
    [
        (
            Act("body", "<html>hello</html>", headers=(("Content-Type", "text/html; charset=utf-8"),)),
            "of the type text/html that",
        ),
        (
            Act("body", "data: {}\n\ndata: [DONE]", headers=(("Content-Type", "text/event-stream"),)),
            "type text/event-stream that",
        ),
        (Act("body", "hello"), "an answer of the type "),
        (Act("body", ""), "an empty answer"),
    ],
)
def test_what_is_no_json_is_told_with_what_to_do(make, act: Act, said: str) -> None:
    with Stub(lambda number, body: act) as stub, pytest.raises(ConnectionError, match=re.escape(said)) as error:
        make(stub, concurrency=1, attempts=1)([chat("a"), chat("b")])
    assert "is llm.base_url the endpoint's own" in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_to_another_host_is_not_followed(make, status: int) -> None:
    with Stub() as other, Stub() as stub:
        to = other.url.replace("127.0.0.1", "localhost") + "/chat/completions?q=1"
        stub._behave = lambda number, body: Act("status", "", status, (("Location", to),))
        with pytest.raises(ValueError, match=rf"v1: it redirects to http://localhost:{other.port}, .*expected llm.base_url of"):
            make(stub, concurrency=1)([chat("a")])
        assert (len(other.asked), len(stub.asked)) == (0, 1)


def test_a_redirect_within_the_host_is_followed_so_often(make) -> None:
    with Stub() as stub:
        to = (("Location", "/v2/chat/completions"),)
        stub._behave = lambda number, body: Act("status", "", 307, to) if number < 2 else echo(number, body)
        assert make(stub, concurrency=1)([chat("a")]) == ["re: a"]
        assert stub.paths == ["/v1/chat/completions", "/v2/chat/completions", "/v2/chat/completions"]
    with Stub(lambda number, body: Act("status", "", 307, to)) as stub, pytest.raises(ValueError, match="it redirects to"):
        make(stub, concurrency=1)([chat("b")])
    assert len(stub.asked) == 6


@pytest.mark.parametrize(
    "act",
    [
        Act("body", "9" * 2**21),
        Act("body", json.dumps({"choices": [{"message": {"content": "x" * 2**21}}]})),
        Act("status", "no " * 2**20, 500),
        Act("endless", "[" * 2**16),
        Act("endless", " " * 2**16, 400),
        Act("body", gzip.compress(b" " * 2**23), headers=(("Content-Encoding", "gzip"),)),
    ],
    ids=["number", "text", "error", "endless", "endless error", "packed"],
)
def test_no_answer_is_read_without_end(make, act: Act) -> None:
    with Stub(first(act)) as stub:
        llm = make(stub, concurrency=1, max_bytes=2**20, timeout=20.0, give_up=2)
        start = time.monotonic()
        assert llm([chat("a"), chat("b")]) == [None, "re: b"]
        assert (len(stub.asked), llm.spent.retries) == (2, 0)  # it would be as long again
        assert time.monotonic() - start < 10
    with Stub(lambda number, body: act) as stub, pytest.raises(ConnectionError, match="longer than llm.max_bytes = 1,048,576"):
        make(stub, concurrency=1, max_bytes=2**20)([chat("c"), chat("d")])


def test_a_stream_that_drips_ends_with_the_time_for_an_answer(make) -> None:
    with Stub(lambda number, body: Act("endless", " ") if number == 0 else echo(number, body)) as stub:
        llm = make(stub, concurrency=1, timeout=0.5)
        assert llm([chat("a")]) == ["re: a"]
        assert llm.spent.retries == 1


def test_a_wait_that_the_endpoint_asks_for_holds_for_all(make) -> None:
    with Stub(first(Act("status", "", 429, (("retry-after", "0.6"),)))) as stub:
        times: list[float] = []
        start, behave = time.monotonic(), stub._behave
        stub._behave = lambda number, body: times.append(time.monotonic() - start) or behave(number, body)  # type: ignore[func-returns-value]
        llm = make(stub, concurrency=1)
        assert llm([chat("a"), chat("b")]) == ["re: a", "re: b"]
        assert times[1] - times[0] > 0.55
    assert retry_after({"retry-after": "7"}) == 7
    assert retry_after({"retry-after-ms": "70"}) == pytest.approx(0.07)
    assert retry_after({"retry-after": email.utils.formatdate(time.time() + 30, usegmt=True)}) == pytest.approx(30, abs=2)
    assert retry_after({"retry-after": "soon"}) is None
    assert retry_after({}) is None


def test_what_fails_for_good_is_none_and_is_asked_again_the_next_time(make) -> None:
    def refuses(number: int, body: dict[str, Any]) -> Act:
        bad = body["messages"][0]["content"] == "1" and len(stub.asked) < 4
        return Act("status", '{"error": {"message": "too long"}}', 400) if bad else echo(number, body)

    with Stub(refuses) as stub:
        llm = make(stub, concurrency=1)
        assert llm([chat(index) for index in range(3)]) == ["re: 0", None, "re: 2"]
        assert (llm.spent.paid.calls, llm.spent.paid.failures, llm.spent.retries) == (2, 1, 0)
        assert llm([chat(index) for index in range(3)]) == ["re: 0", "re: 1", "re: 2"]
        assert stub.total == 3

    with Stub(lambda number, body: Act("status", "", 500) if number else echo(number, body)) as stub:
        llm = make(stub, concurrency=1, attempts=3)
        assert llm([chat("x"), chat("y")]) == ["re: x", None]
        assert (llm.spent.retries, len(stub.asked)) == (2, 4)


@pytest.mark.parametrize(
    ("status", "text"), [(401, "bad key"), (404, "no such model"), (429, '{"error": {"code": "insufficient_quota"}}')]
)
def test_what_holds_for_every_chat_ends_all_at_once(make, status: int, text: str) -> None:
    body = text if text.startswith("{") else json.dumps({"error": {"message": f"{text} {KEY}"}})
    with Stub(lambda number, _: Act("status", body, status)) as stub:
        llm = make(stub.url.replace("http://", "http://user:pass@"), concurrency=1)
        with pytest.raises(ValueError, match=f"http://127.0.0.1:{stub.port}/v1: .*expected a key, a model") as error:
            llm([chat(index) for index in range(10)])
        assert len(stub.asked) == 1
        assert KEY not in str(error.value)
        assert "pass@" not in str(error.value)


def test_chat_after_chat_without_an_answer_ends_all(make) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        port = nobody.getsockname()[1]
    with pytest.raises(ConnectionError, match=r"2 chats in a row got no answer; the last: Connect"):
        make(f"http://127.0.0.1:{port}/v1", attempts=2)([chat(index) for index in range(20)])
    with Stub(lambda number, body: echo(number, body) if number < 3 else Act("status", "", 400)) as stub:
        llm = make(stub, concurrency=1, give_up=4)
        with pytest.raises(ConnectionError, match="4 chats in a row"):
            llm([chat(index) for index in range(20)])
        assert len(stub.asked) == 7


def test_limits(make) -> None:
    with Stub(lambda number, body: dataclasses.replace(echo(number, body), finish="length")) as stub:
        llm = make(stub, max_calls=3)
        with pytest.raises(ValueError, match=r"llm.max_calls = 3: all are used; what was answered is kept"):
            llm([chat(index) for index in range(10)])
        assert stub.total == 3
        rest = make(stub)
        assert rest([chat(index) for index in range(10)]) == [f"re: {index}" for index in range(10)]
        assert (rest.spent.stored, rest.spent.paid.calls, stub.total) == (3, 7, 10)
        dear = make(stub, max_cost=0.0001, price_output=10.0, concurrency=1)  # 0.00003 a call
        with pytest.raises(ValueError, match=r"llm.max_cost = 0.0001: 0.0001 is spent"):
            dear([chat(index) for index in range(10, 30)])
        assert dear.spent.paid.calls == dear.spent.paid.cut == 4
        assert "4 answers cut off at llm.max_tokens = 2048" in dear.summary()


def test_a_server_that_is_killed_and_started_again(make) -> None:
    lost = threading.Event()
    with concurrent.futures.ThreadPoolExecutor() as pool, Stub(echo) as stub:
        stub._behave = lambda number, body: echo(number, body) if number < 6 else lost.set() or Act("hang")  # type: ignore[func-returns-value]
        llm = make(stub, concurrency=3, attempts=50, backoff=0.05, max_wait=0.1)
        asked = pool.submit(llm, [chat(index) for index in range(12)])
        assert lost.wait(60)
        stub.__exit__()
        time.sleep(0.3)  # connections are refused meanwhile
        with Stub(echo, port=stub.port) as again:
            assert asked.result(timeout=60) == [f"re: {index}" for index in range(12)]
            assert (stub.total, again.total, llm.spent.paid.calls) == (6, 6, 12)
            assert max((stub.answered + again.answered).values()) == 1
            assert llm.spent.retries >= 3
        stub.__exit__ = lambda *_: None  # type: ignore[method-assign]


def test_an_answer_on_its_way_is_kept_when_all_ends(make) -> None:
    with Stub(lambda number, body: time.sleep(0.3 if number else 0) or echo(number, body)) as stub:
        llm = make(stub, concurrency=2)

        async def work(ask, item):
            return await ask(chat(item))

        for _ in llm.each(work, range(10)):
            break  # the generator ends here, with a call under way
        assert stub.total == llm.spent.paid.calls == len(set(pathlib.Path(llm.config.cache).rglob("*.json")))
        assert 2 <= stub.total <= 3


def test_an_error_in_the_work_ends_all_and_is_raised_here(make) -> None:
    with Stub(echo) as stub:

        async def work(ask, item):
            await ask(chat(item))
            raise KeyError(item)

        with pytest.raises(KeyError, match="7"):
            list(make(stub).each(work, [7]))
        with pytest.raises(ZeroDivisionError):
            list(make(stub).each(work, (1 // 0 for _ in range(3))))


def test_the_key_is_written_nowhere(make, tmp_path) -> None:
    with Stub(echo) as stub:
        make(stub)([chat("a")])
        assert stub.headers[0]["Authorization"] == f"Bearer {KEY}"
    for file in tmp_path.rglob("*"):
        assert not file.is_file() or KEY not in file.read_text()
    (stored,) = (file for file in tmp_path.rglob("*.json"))
    row = json.loads(stored.read_text())
    assert row["request"] == {
        "max_tokens": 2048,
        "messages": chat("a"),
        "model": "m",
        "seed": None,
        "temperature": None,
        "top_p": None,
        "try": 0,
    }
    stored.write_text('{"request"')
    with pytest.raises(ValueError, match=r"\.json: expected an answer of an endpoint; delete the file to ask again"):
        make("http://127.0.0.1:9/v1")([chat("a")])


def test_the_cache_may_lie_in_a_store(make) -> None:
    root = memory_root()
    with Stub(echo) as stub:
        assert make(stub, cache=root)([chat("a"), chat("b")]) == ["re: a", "re: b"]
        again = make(stub, cache=root)
        assert again([chat("a"), chat("b")]) == ["re: a", "re: b"]
        assert (again.spent.stored, stub.total) == (2, 2)


def test_a_refusal_to_speak_and_an_unmetered_answer_are_answers(make) -> None:
    body = {"choices": [{"message": {"role": "assistant", "content": None, "refusal": "no"}, "finish_reason": "stop"}]}
    with Stub(lambda number, _: Act("body", json.dumps(body))) as stub:
        llm = make(stub)
        assert llm([chat("a")]) == [""]
        assert llm.spent.paid == Account(calls=1, unmetered=1)
        assert "the true cost is higher" in llm.summary()


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"concurrency": 0}, "llm.concurrency = 0: expected 1 or more"),
        ({"timeout": 0}, "llm.timeout = 0: expected above 0"),
        ({"concurrency": 10**9}, "llm.concurrency = 1000000000: expected 1 or more, 4096 at most"),
        ({"max_tokens": 10**12}, "llm.max_tokens = 1000000000000: expected 1 or more, 10000000 at most"),
        ({"max_tokens": 0.5}, "llm.max_tokens = 0.5: expected 1 or more"),
        ({"attempts": 10**9}, "llm.attempts = 1000000000: expected 1 or more"),
        ({"give_up": math.inf}, "llm.give_up = inf: expected 1 or more"),
        ({"max_bytes": 0}, "llm.max_bytes = 0: expected 1024 or more"),
        ({"timeout": math.nan}, "llm.timeout = nan: expected above 0, 86400.0 at most"),
        ({"timeout": math.inf}, "llm.timeout = inf: expected above 0"),
        ({"backoff": -1.0}, "llm.backoff = -1.0: expected above 0"),
        ({"max_wait": 1e9}, "llm.max_wait = 1000000000.0: expected above 0"),
        ({"price_output": math.nan}, "llm.price_output = nan: expected 0 or more"),
        ({"price_cached": math.inf}, "llm.price_cached = inf: expected 0 or more, or None"),
        ({"price_input": None}, "llm.price_input = None: expected 0 or more"),
        ({"max_cost": math.nan}, "llm.max_cost = nan: expected 0 or more, or None"),
        ({"max_calls": 2.5}, "llm.max_calls = 2.5: expected a whole number"),
        ({"temperature": math.nan}, "llm.temperature = nan: expected 0 or more, or None"),
        ({"temperature": math.inf}, "llm.temperature = inf: expected 0 or more, or None"),
        ({"temperature": -1.0}, "llm.temperature = -1.0: expected 0 or more, or None"),
        ({"top_p": 0.0}, "llm.top_p = 0.0: expected above 0, 1 at most, or None"),
        ({"top_p": 2.0}, "llm.top_p = 2.0: expected above 0, 1 at most, or None"),
        ({"seed": 10**30}, "llm.seed = 10+: expected "),
        ({"max_cost": 1.0}, "expected llm.price_input and llm.price_output with it"),
        ({"price_input": -1}, "llm.price_input = -1: expected 0 or more"),
        ({"limit_field": "tokens"}, "llm.limit_field = 'tokens': expected one of max_tokens, max_completion_tokens"),
    ],
)
def test_fields(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        LlmConfig(**fields)


def test_openai_needs_a_key_and_every_endpoint_a_model(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="llm.model = '': expected the name"):
        Llm(LlmConfig())
    monkeypatch.delenv("OPENAI_API_KEY")
    with pytest.raises(ValueError, match="expected a key in the environment variable OPENAI_API_KEY"):
        Llm(LlmConfig("gpt"))
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:1/v1")
    assert Llm(LlmConfig("gpt")).config.endpoint() == "http://127.0.0.1:1/v1"
