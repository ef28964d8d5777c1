"""The roll call of processes that train together: who has come, whether all run the same command, and who has gone.

jax's own service ends a program with a C++ stack when a process does not come, and minutes after one has died. Here process 0
listens at the coordinator's address before that service does, and the others come to it. The connections stay for as long as
the processes live: whoever fails says why, and whoever dies is missed at once.
"""

from __future__ import annotations

import contextlib
import functools
import json
import logging
import os
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

# Seconds that process 0, and another one, have to end by themselves once one has gone. Without process 0 none has any: jax's
# service ends with it, and then every program at once, with a C++ stack.
GRACES = (10.0, 5.0)
LINGERS = 2.0  # seconds that one that fails is still there for: most often the others are about to fail by themselves
ENDS = 5.0  # seconds that process 0, which fails, gives to one that said it fails too: it has yet to print why
_EVERY = 0.2  # seconds between attempts to reach process 0
_HELLO = 10.0  # seconds within which a connection says who it is
_LONGEST = 1 << 20  # bytes of a line


class RollCall:
    """A process's connection to the others, by way of process 0; nothing where a process is alone.

    Attributes:
      gone: what is known of another process that failed or died; None while all are well.
    """

    def __init__(self, peers: Mapping[str, socket.socket], lost: Callable[[str, float], None], relays: bool) -> None:
        self.gone: str | None = None
        self._peers, self._lost, self._relays = dict(peers), lost, relays
        self._left = False
        self._known, self._lock = threading.Event(), threading.Lock()
        self._said = {name: threading.Event() for name in self._peers}  # that it ends, or that another has gone
        self._ended = {name: threading.Event() for name in self._peers}
        for one in self._peers.items():
            threading.Thread(target=self._listen, args=one, daemon=True).start()

    @property
    def others(self) -> bool:
        """Whether there are other processes."""
        return bool(self._peers)

    def leave(self, failure: str = "") -> None:
        """Says that this process ends: well, or by a failure, which ends the others. After it nobody is missed any more."""
        self._left = True
        self._tell({"left": failure})
        if not failure:
            return
        _await(self._said.values(), LINGERS)
        if self._relays:  # jax's service ends with this process, and every program that is not over by then with the service
            _await([self._ended[name] for name, said in self._said.items() if said.is_set()], ENDS)

    def heard(self, seconds: float) -> str | None:
        """What is known of another's end, waiting so long for it: a collective fails before the news of its cause is here."""
        if self.others:
            self._known.wait(seconds)
        return self.gone

    def _listen(self, name: str, peer: socket.socket) -> None:
        """Until the peer ends. What process 0 hears of one it tells to the others."""
        with contextlib.suppress(OSError, ValueError), peer, peer.makefile("rb") as lines:
            while line := lines.readline(_LONGEST):
                told = json.loads(line)
                if "gone" in told:
                    self._miss(told["gone"], GRACES[1])
                elif told["left"]:
                    self._miss(f"{name} failed: {told['left']}", GRACES[0] if self._relays else LINGERS / 2)
                self._said[name].set()
        if not self._said[name].is_set():
            self._miss(f"{name} has died: look at its log", GRACES[0] if self._relays else 0)
        self._said[name].set()
        self._ended[name].set()

    def _miss(self, who: str, grace: float) -> None:
        with self._lock:
            if self._left or self.gone is not None:
                return
            self.gone = who
        if self._relays:
            self._tell({"gone": who})
        self._known.set()
        threading.Thread(target=self._lost, args=(who, grace), daemon=True).start()

    def _tell(self, message: Mapping[str, str]) -> None:
        for peer in self._peers.values():
            with contextlib.suppress(OSError):
                peer.sendall(_line(message))


def _await(events: Iterable[threading.Event], seconds: float) -> None:
    """Until all are set, or the time is over."""
    deadline = time.monotonic() + seconds
    for event in events:
        event.wait(max(0.0, deadline - time.monotonic()))


_current = RollCall({}, lambda who, grace: None, relays=False)  # of a process alone


def leave(failure: str = "") -> None:
    """Tells the others that this process ends: well, or by a failure, which ends them too."""
    _current.leave(failure)


def others() -> bool:
    """Whether this process has joined others."""
    return _current.others


def gone(seconds: float = 0.0) -> str | None:
    """What is known of another process that failed or died, waiting so long for the news."""
    return _current.heard(seconds)


def join(address: str, processes: int, process: int, command: Any, seconds: float) -> None:
    """`call`, for as long as this program lives: another's end ends it, too."""
    global _current
    _current = call(address, processes, process, command, seconds, _end)
    # A library's thread that fails because another process has gone says nothing of its own: `_end` is about to say why.
    logging.getLogger("absl").addFilter(_has_own_cause)  # orbax's threads tell of their failures there
    threading.excepthook = functools.partial(_in_thread, threading.excepthook)


def call(
    address: str, processes: int, process: int, command: Any, seconds: float, lost: Callable[[str, float], None]
) -> RollCall:
    """Returns when all processes have come, each with the same command.

    Args:
      address: HOST:PORT of process 0. The port is free again when this returns.
      command: JSON values that are the same in all of them.
      seconds: how long process 0 waits for the others, and others for process 0.
      lost: called once, in a thread, when another process fails or dies after that: who, and how long this one may still live.

    Raises:
      ValueError: two processes have one number, or differ in their number of processes or in the command; in all of them.
      OSError: nobody came, or some did not, within the time; names them.
    """
    own = {"process": process, "processes": processes, "host": socket.gethostname(), "command": command}
    if process == 0:
        peers = _await_all(address, own, seconds)
        return RollCall({_name(one): _watched(peer) for one, peer in peers}, lost, relays=True)
    peer = _reach(address, own, seconds)
    return RollCall({f"process 0 at {address}": _watched(peer)}, lost, relays=False)


def _has_own_cause(record: logging.LogRecord) -> bool:
    return not record.exc_info or gone(LINGERS) is None


def _in_thread(otherwise: Callable[[Any], Any], failed: Any) -> None:
    if gone(LINGERS) is None:
        otherwise(failed)


def _end(who: str, grace: float) -> None:
    """Ends the program, in one line, when it has not ended by itself: most often it waits for the process that has gone."""
    time.sleep(grace)
    print(f"jorney: {who}", file=sys.stderr, flush=True)
    os._exit(1)


def _await_all(address: str, own: dict[str, Any], seconds: float) -> list[tuple[dict[str, Any], socket.socket]]:
    """Process 0's side: (what it says of itself, connection) of each of the others."""
    deadline = time.monotonic() + seconds
    came: dict[int, tuple[dict[str, Any], socket.socket]] = {}
    with _listener(address) as server:
        while len(came) < own["processes"] - 1:
            server.settimeout(max(1e-3, deadline - time.monotonic()))  # 0 would not wait, and raise another error
            try:
                peer, _ = server.accept()
            except TimeoutError:
                missing = [str(number) for number in range(1, own["processes"]) if number not in came]
                told = f"{address}: waited {seconds:g} s in vain for process {', '.join(missing)} of {own['processes']}"
                error = TimeoutError(f"{told}: expected the same command on all hosts; look at their logs")
                raise _refuse(error, [peer for _, peer in came.values()]) from None
            if (said := _hello(peer)) is None:  # somebody else, who knocks at all ports
                peer.close()
                continue
            if said["process"] in came and _has_left(came[said["process"]][1]):
                came.pop(said["process"])[1].close()  # it died, and was started again
            if fault := _fault(own, said, came):
                raise _refuse(ValueError(f"{address}: {fault}"), [peer, *(one for _, one in came.values())])
            came[said["process"]] = (said, peer)
    # The port is free by now: jax's service takes it, and the others come there next.
    for _, peer in came.values():
        peer.sendall(_line({"all": True}))
    return list(came.values())


def _listener(address: str) -> socket.socket:
    host, _, port = address.rpartition(":")
    try:
        socket.getaddrinfo(host.strip("[]"), port)
        both = socket.has_dualstack_ipv6()
        family = socket.AF_INET6 if both else socket.AF_INET
        return socket.create_server(("", int(port)), family=family, dualstack_ipv6=both, backlog=4096)
    except socket.gaierror as error:
        raise OSError(f"{address}: {error.strerror}: expected the name or address of process 0's host") from None
    except (OSError, OverflowError) as error:
        raise OSError(f"{address}: {error}: expected a port that no other program has") from None


def _watched(peer: socket.socket) -> socket.socket:
    """A connection whose other end is missed within a minute when its host has vanished, and says no word of it."""
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in (("TCP_KEEPIDLE", 20), ("TCP_KEEPINTVL", 10), ("TCP_KEEPCNT", 4)):
        if hasattr(socket, name):
            peer.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
    return peer


def _has_left(peer: socket.socket) -> bool:
    """Whether one that waits for the others, and has nothing to say meanwhile, is there no more."""
    peer.setblocking(False)
    try:
        return peer.recv(1, socket.MSG_PEEK) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True
    finally:
        peer.setblocking(True)


def _hello(peer: socket.socket) -> dict[str, Any] | None:
    try:
        peer.settimeout(_HELLO)
        said = json.loads(_read_line(peer))
        peer.settimeout(None)
        return said if isinstance(said["process"], int) and said.keys() >= {"processes", "host", "command"} else None
    except (OSError, ValueError, TypeError, KeyError):
        return None


def _fault(own: dict[str, Any], said: dict[str, Any], came: Mapping[int, tuple[dict[str, Any], socket.socket]]) -> str:
    """What is wrong with one that came, in words; "" where it belongs here."""
    who, number = _name(said), said["process"]
    if said["processes"] != own["processes"]:
        return f"{who} expects {said['processes']} processes, and process 0 expects {own['processes']}"
    if number == 0 or number in came:
        other = own["host"] if number == 0 else came[number][0]["host"]
        return f"process {number} is on {other} and on {said['host']}: expected every number once"
    if not 0 < number < own["processes"]:
        return f"{who}: expected a number below {own['processes']}"
    if said["command"] != own["command"]:
        return f"{who}: {difference(said['command'], own['command'])}: expected the same command in all processes"
    return ""


def _refuse(error: Exception, peers: list[socket.socket]) -> Exception:
    """Tells all that have come why there will be no training."""
    for peer in peers:
        with contextlib.suppress(OSError):
            peer.sendall(_line({"error": str(error), "of_system": isinstance(error, OSError)}))
            peer.close()
    return error


def _reach(address: str, own: dict[str, Any], seconds: float) -> socket.socket:
    """Another process's side: its connection, once process 0 says that all are there."""
    host, _, port = address.rpartition(":")
    deadline = time.monotonic() + seconds
    while True:
        try:
            peer = socket.create_connection((host.strip("[]"), int(port)), timeout=max(0.1, deadline - time.monotonic()))
            break
        except (OSError, OverflowError) as error:  # a host that comes later has no name yet, either
            if time.monotonic() > deadline or isinstance(error, OverflowError):
                why = getattr(error, "strerror", None) or str(error) or type(error).__name__
                raise OSError(
                    f"{address}: process {own['process']} waited {seconds:g} s in vain for process 0: {why}: expected the same "
                    "command on that host; look at its log"
                ) from None
            time.sleep(_EVERY)
    peer.settimeout(None)
    peer.sendall(_line(own))
    try:
        told = json.loads(_read_line(peer))
        refused, of_system = told.get("error"), told.get("of_system")
    except (OSError, ValueError, AttributeError):
        peer.close()
        raise OSError(f"{address}: process 0 has gone, or another program listens there: look at its log") from None
    if refused is not None:
        peer.close()
        raise (OSError if of_system else ValueError)(refused)
    return peer


def _read_line(peer: socket.socket) -> bytes:
    """A line, byte by byte: what follows it is not taken from the connection."""
    line = bytearray()
    while (byte := peer.recv(1)) not in (b"", b"\n") and len(line) < _LONGEST:
        line += byte
    return bytes(line)


def _line(message: Mapping[str, Any]) -> bytes:
    return json.dumps(message).encode() + b"\n"


def _name(said: Mapping[str, Any]) -> str:
    return f"process {said['process']} on {said['host']}"


def difference(own: Any, first: Any, place: str = "") -> str:
    """Where two JSON values differ first, in words; `first` are process 0's."""
    if isinstance(own, dict) and isinstance(first, dict) and own.keys() == first.keys():
        key = next(key for key in own if own[key] != first[key])
        return difference(own[key], first[key], f"{place}.{key}" if place else key)
    if isinstance(own, list) and isinstance(first, list) and len(own) == len(first):
        index = next(index for index in range(len(own)) if own[index] != first[index])
        return difference(own[index], first[index], f"{place}[{index}]")
    return f"{place or 'it'} is {own!r:.80}, and {first!r:.80} in process 0"
