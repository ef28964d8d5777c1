"""`jorney view`: runs in a browser."""

from __future__ import annotations

import dataclasses
import errno
import importlib.util
import json
import os
import signal
import socket
import subprocess
import sys
import time
import webbrowser
from typing import ClassVar

from jorney.config import expect, expect_at_least
from jorney.progress import Progress
from jorney.run.command import Command

APP = os.path.join(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))), "view", "app.py")
_PORTS = range(8501, 8601)
_TRIES = 300  # tenths of a second that the server may take to listen
LOOPBACK = "127.0.0.1"
_OWN = (LOOPBACK, "localhost", "::1")  # none but this machine reaches them
_NO_ADDRESS = f"address = {{!r}}: expected one of this machine's, such as {LOOPBACK}"


@dataclasses.dataclass(frozen=True)
class ViewCommand(Command):
    """Trees, thoughts, outputs, samples and training curves in a browser. Nothing of what is shown is written to.

    Attributes:
      paths: runs' folders, or files of trees, thoughts, outputs or samples; local or gs://.
      verdicts: a .jsonl file, to which verdicts on steps are added that you give in the page; it may be there.
      tokenizer: a model's folder or hub id: whose tokens the log-probabilities of steps are of; "" tries the embedded model's.
      at: the place where the page opens, as "Come back here" gives it: what stands behind the ? of its address.
      everything: stages' folders too that no link of a run points to any more: those of earlier settings.
      address: who may connect: 127.0.0.1 is this machine alone. There is no password: whoever connects reads the paths.
      port: of the page; 0 takes the first free one from 8501 on.
      browser: whether a browser is opened.
    """

    command: ClassVar[str] = "view"
    places: ClassVar[dict[str, str]] = {"paths": "PATH..."}
    common = ("verdicts", "tokenizer", "port", "address", "browser")

    paths: tuple[str, ...] = ()
    verdicts: str = "verdicts.jsonl"
    tokenizer: str = ""
    at: str = ""
    everything: bool = False
    address: str = LOOPBACK
    port: int = 0
    browser: bool = True

    def __post_init__(self) -> None:
        expect_at_least(0, self, "", "port")
        expect(lambda port: port < 1 << 16, "0 to 65535", self, "", "port")

    def execute(self) -> None:
        if importlib.util.find_spec("streamlit") is None or importlib.util.find_spec("plotly") is None:
            raise ValueError("jorney view: expected streamlit and plotly: pip install 'jorney[view]'")
        from jorney.convert.locate import resolve
        from jorney.text.tokenizer import load_tokenizer
        from jorney.view.collection import sources
        from jorney.view.judging.relabels import Relabels

        found = sources.find(self.paths, self.everything)
        Relabels(self.verdicts, [one.place for one in found.collections])
        if self.tokenizer:
            load_tokenizer(resolve(self.tokenizer))  # so that what is none is refused here, not at every step
        port = free_port(self.address, range(self.port, self.port + 1) if self.port else _PORTS)
        host = f"[{self.address}]" if ":" in self.address else self.address
        page = f"http://{host}:{port}/{self.at and '?' + self.at.removeprefix('?')}"
        counted = ((len(found.collections), "set", " of rows"), (len(found.courses), "training", ""))
        counts = [f"{count:,} {noun}{'s' * (count > 1)}{what}" for count, noun, what in counted if count]
        progress = Progress()
        progress.say(f"{' and '.join(counts)}: {page} (Ctrl-C ends it)")
        if self.address not in _OWN:
            progress.say(f"Whoever reaches {self.address} reads all of it and gives verdicts: there is no password.")
        server = subprocess.Popen(self.program(port))
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # so that the server ends, too
        try:
            if self.browser:
                _open(page, self.address, port, server)
            code = server.wait()
        except KeyboardInterrupt:
            server.wait()
            return
        finally:
            server.terminate()
        if code:
            raise ValueError(f"jorney view: the page's server ended with {code}: what it said stands above")

    def program(self, port: int) -> list[str]:
        """The words that start the page's server."""
        from jorney.show.style import DARK, LIGHT

        settings = {
            "server.address": self.address,
            "server.port": port,
            "server.headless": True,
            "server.fileWatcherType": "none",
            "browser.gatherUsageStats": False,
            "client.toolbarMode": "viewer",
            "client.showErrorDetails": "full",
            "logger.level": "error",
            "logger.hideWelcomeMessage": True,
        }
        for name, palette in (("light", LIGHT), ("dark", DARK)):
            colours = {
                "primaryColor": "accent",
                "backgroundColor": "paper",
                "secondaryBackgroundColor": "tint",
                "textColor": "ink",
            }
            settings |= {f"theme.{name}.{key}": palette[colour] for key, colour in colours.items()}
        words = [
            word
            for key, value in settings.items()
            for word in (f"--{key}", str(value).lower() if value in (True, False) else str(value))
        ]
        own = {name: getattr(self, name) for name in ("paths", "verdicts", "tokenizer", "everything")}
        return [sys.executable, "-m", "streamlit", "run", APP, *words, "--", json.dumps(own)]


def free_port(address: str, ports: range = _PORTS) -> int:
    """The first free one of some ports.

    Raises:
      ValueError: there is none, or no such address of this machine.
    """
    for port in ports:
        with _socket(address, port) as tried:
            tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                tried.bind((address, port))
            except OSError as error:
                if error.errno == errno.EADDRNOTAVAIL:
                    raise ValueError(_NO_ADDRESS.format(address)) from None
                continue
            return port
    if len(ports) == 1:
        raise ValueError(f"port = {ports.start}: it is taken, or not to be had, at {address}: expected another --port, or none")
    raise ValueError(f"no port from {ports.start} to {ports.stop - 1} is free at {address}: expected --port")


def _socket(address: str, port: int) -> socket.socket:
    """A socket of the address's family. Raises ValueError where there is no such address."""
    try:
        return socket.socket(socket.getaddrinfo(address, port, type=socket.SOCK_STREAM)[0][0])
    except socket.gaierror:
        raise ValueError(_NO_ADDRESS.format(address)) from None


def _open(page: str, address: str, port: int, server: subprocess.Popen[bytes]) -> None:
    """Opens a browser once the page's server listens, if it does."""
    for _ in range(_TRIES):
        if server.poll() is not None:
            return
        with _socket(address, port) as tried:
            tried.settimeout(1.0)
            if not tried.connect_ex((address, port)):
                webbrowser.open(page)
                return
        time.sleep(0.1)
