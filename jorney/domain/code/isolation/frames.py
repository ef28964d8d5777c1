"""Messages between processes: JSON behind its length, on a socket."""

from __future__ import annotations

import json
import socket
from typing import Any

LARGEST = 64 << 20  # bytes of a message


def write(channel: socket.socket, message: Any) -> None:
    """Sends a message. Raises OSError where nobody reads any more."""
    body = json.dumps(message).encode()
    channel.sendall(len(body).to_bytes(8, "big") + body)


def read(channel: socket.socket) -> Any:
    """The next message.

    Raises:
      EOFError: there is none.
      ValueError: it is no JSON, or too large.
      OSError: TimeoutError among them, where the socket has a limit.
    """
    size = int.from_bytes(_exactly(channel, 8), "big")
    if size > LARGEST:
        raise ValueError(f"a message of {size} bytes: expected at most {LARGEST}")
    return json.loads(_exactly(channel, size))


def _exactly(channel: socket.socket, size: int) -> bytearray:
    body = bytearray()
    while len(body) < size:
        piece = channel.recv(min(size - len(body), 1 << 20))
        if not piece:
            raise EOFError
        body += piece
    return body
