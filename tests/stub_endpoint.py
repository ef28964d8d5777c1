"""An endpoint of OpenAI's form on loopback that fails as it is told to, and counts what it answered in full."""

from __future__ import annotations

import dataclasses
import http.server
import json
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any


@dataclasses.dataclass(frozen=True)
class Act:
    """What the stub does with one request.

    Attributes:
      kind: "answer", "status", "half" (less than Content-Length says), "truncated" (half a JSON text, whole by its length),
        "body" (any text as the whole body), "endless" (the text again and again), "hang" (nothing at all, until the stub ends),
        or "reset" (of the connection).
      text: of the answer, or the body.
    """

    kind: str = "answer"
    text: str | bytes = "yes"
    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    finish: str = "stop"
    usage: Any = dataclasses.field(default_factory=lambda: {"prompt_tokens": 10, "completion_tokens": 3})


Behave = Callable[[int, dict[str, Any]], Act]


def chat(text: object) -> list[dict[str, str]]:
    return [{"role": "user", "content": str(text)}]


def echo(number: int, body: dict[str, Any]) -> Act:
    return Act(text=f"re: {body['messages'][-1]['content']}")


class Stub:
    """The server; a context manager.

    Args:
      behave: (number of the request from 0, its body) -> what to do.

    Attributes:
      answered: how often each Idempotency-Key was answered in full.
      asked, headers, paths: bodies of all requests, and what they were sent with.
      most: requests under way at a time.
      gate: requests wait until it is set.
    """

    def __init__(self, behave: Behave = lambda number, body: Act(), port: int = 0) -> None:
        self._behave = behave
        self.answered: Counter[str] = Counter()
        self.asked: list[dict[str, Any]] = []
        self.headers: list[Mapping[str, str]] = []
        self.paths: list[str] = []
        self.most = self._now = 0
        self.gate = threading.Event()
        self.gate.set()
        self._lock, self._dead = threading.Lock(), threading.Event()
        stub = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                stub._serve(self)

            def log_message(self, *_: Any) -> None:
                pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads, allow_reuse_address, request_queue_size = True, True, 64

            def handle_error(self, *_: Any) -> None:  # a client that was killed
                pass

        self._server = Server(("127.0.0.1", port), Handler)
        self.port = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}/v1"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)

    @property
    def total(self) -> int:
        """Requests answered in full."""
        return sum(self.answered.values())

    def __enter__(self) -> Stub:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Ends it as a kill would: requests under way get no answer."""
        self._dead.set()
        self.gate.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _serve(self, handler: http.server.BaseHTTPRequestHandler) -> None:
        body = json.loads(handler.rfile.read(int(handler.headers["Content-Length"])))
        with self._lock:
            number = len(self.asked)
            self.asked.append(body)
            self.headers.append(handler.headers)
            self.paths.append(handler.path)
            self._now += 1
            self.most = max(self.most, self._now)
        try:
            self.gate.wait(30)
            self._do(self._behave(number, body), handler)
        finally:
            with self._lock:
                self._now -= 1

    def _do(self, act: Act, handler: http.server.BaseHTTPRequestHandler) -> None:
        if act.kind == "hang":
            self._dead.wait(30)
        if self._dead.is_set() or act.kind in ("hang", "reset") or _gone(handler.connection):
            linger = struct.pack("ii", 1, 0)  # closing sends a reset
            handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            handler.connection.close()
            return
        text = act.text if isinstance(act.text, bytes) else act.text.encode()
        message = {"role": "assistant", "content": text.decode("utf-8", "replace")}
        choice = {"index": 0, "message": message, "finish_reason": act.finish}
        whole = json.dumps({"object": "chat.completion", "choices": [choice], "usage": act.usage}).encode()
        sent = {"truncated": whole[: len(whole) // 2], "body": text, "status": text}.get(act.kind, whole)
        handler.send_response(act.status)
        if "Content-Type" not in dict(act.headers):
            handler.send_header("Content-Type", "application/json")
        if act.kind != "endless":
            handler.send_header("Content-Length", str(len(sent)))
        for name, value in act.headers:
            handler.send_header(name, value)
        handler.end_headers()
        while act.kind == "endless" and not self._dead.is_set():
            handler.wfile.write(text)
            time.sleep(0.01)
        handler.wfile.write(sent[: len(sent) // 2] if act.kind == "half" else sent)
        if act.kind == "answer":
            with self._lock:
                self.answered[handler.headers["Idempotency-Key"]] += 1


def _gone(connection: socket.socket) -> bool:
    """Whether the client has left."""
    try:
        return connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True
