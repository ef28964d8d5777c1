"""A pod on this machine, for tests: a bucket, hosts, and a shell in which the guide's commands run as they stand."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence

import object_store
from places import CACHE, ROOT

HUB_ID = "deepseek-ai/deepseek-math-7b-base"  # the guide's model; here it is the embedded one
SETTINGS = {"PROJECT": "my-project", "ZONE": "us-west4-a", "NAME": "jorney", "SPOT": "1", "BUCKET": "gs://bucket"}
ENDS = 300  # seconds within which a command on the hosts is expected to end


class Pod:
    """A machine of several hosts, and the laptop that starts commands on it.

    Args:
      folder: the laptop's working folder and the hosts' homes.
      machine: as `jorney plan` calls it.
      hosts: how many it has.
      environment: by which programs find the store.
    """

    def __init__(self, folder: pathlib.Path, machine: str, hosts: int, environment: dict[str, str]) -> None:
        self.folder, self.hosts, self._job = folder, hosts, os.getpid()
        tools = folder / "tools"
        tools.mkdir()
        for name, program in (("gcloud", folder / "laptop" / "tests" / "chain" / "gcloud.py"), ("jorney", "-m jorney")):
            (tools / name).write_text(f'#!/bin/bash\nexec {sys.executable} {program} "$@"\n')
            (tools / name).chmod(0o755)
        _checkout(folder / "laptop")
        _hub(folder / "hub")
        self.environment = {
            **os.environ, **environment, **SETTINGS, "MACHINE": machine, "CHAIN_ROOT": str(folder), "CHAIN_HOSTS": str(hosts),
            "PATH": f"{tools}:{os.environ['PATH']}", "PYTHONPATH": str(folder / "laptop"), "JAX_PLATFORMS": "cpu",
            "JAX_COMPILATION_CACHE_DIR": CACHE, "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0.2",
        }  # fmt: skip

    def shell(self, command: str, **more: str) -> str:
        """Runs a line as the laptop's shell does; what it printed. Raises AssertionError where it fails."""
        self._job += 1  # a port of its own for every command that processes share
        environment = {**self.environment, "CHAIN_JOB": str(self._job), **more}
        found = subprocess.run(
            ["bash", "-c", command],
            cwd=self.folder / "laptop",
            env=environment,
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
        assert found.returncode == 0, f"{command}\n{found.stdout}\n{found.stderr}"
        return found.stdout

    def start(self, command: str, hosts: Sequence[int] | None = None, **more: str) -> None:
        """Starts a command on the hosts and waits until it has ended well on all of them."""
        self.shell(command, **more)
        self.wait(name_of(command), hosts)

    def wait(self, name: str, hosts: Sequence[int] | None = None, codes: Sequence[int] = (0,)) -> None:
        """Waits until a command has ended on the hosts. Raises AssertionError where its exit code is none of `codes`."""
        deadline = time.monotonic() + ENDS
        for host in range(self.hosts) if hosts is None else hosts:
            file = self.logs(host) / f"{name}.exit"
            while not (file.exists() and file.read_text().strip()):
                assert time.monotonic() < deadline, f"host {host}: {name} does not end\n{self.log(host, name)}"
                time.sleep(0.1)
            assert int(file.read_text()) in codes, f"host {host}: {name}\n{self.log(host, name)}"

    def logs(self, host: int) -> pathlib.Path:
        return self.folder / f"host{host}" / "logs"

    def log(self, host: int, name: str) -> str:
        file = self.logs(host) / f"{name}.log"
        return file.read_text()[-4000:] if file.exists() else "(no log)"

    def kill(self, name: str, hosts: Sequence[int] | None = None) -> None:
        """Takes the hosts' programs away, as a spot machine is taken."""
        for host in range(self.hosts) if hosts is None else hosts:
            with contextlib.suppress(ProcessLookupError):
                os.kill(int((self.logs(host) / f"{name}.pid").read_text()), signal.SIGKILL)
        self.wait(name, hosts, codes=(137, 1, 0, 134, 139))


def name_of(command: str) -> str:
    """What the hosts call a command that a script starts: logs/NAME.log."""
    found = re.search(r"(?:run|generate|alone)\.sh (prm label|\w+)|(bench)\.sh", command)
    assert found is not None, command
    return found[2] or found[1].replace(" ", "-")


def _checkout(folder: pathlib.Path) -> None:
    """What git knows of this checkout, as a repository of its own."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
        text=True,
    )
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    subprocess.run("git init -q && git add -A", cwd=folder, shell=True, check=True)


def _hub(folder: pathlib.Path) -> None:
    """The hub's cache with the embedded model under the guide's name: blobs by their hashes, and links to them."""
    model = folder / f"models--{HUB_ID.replace('/', '--')}"
    snapshot = model / "snapshots" / ("0" * 40)
    for place in (model / "blobs", model / "refs", snapshot):
        place.mkdir(parents=True)
    (model / "refs" / "main").write_text("0" * 40)
    for file in (ROOT / "jorney" / "embedded").iterdir():
        name = hashlib.sha256(file.read_bytes()).hexdigest()
        shutil.copy(file, model / "blobs" / name)
        (snapshot / file.name).symlink_to(f"../../blobs/{name}")


def problems(folder: pathlib.Path) -> None:
    """The guide's files of problems, on the laptop.

    Phase 1 learns the very problems of the trees: so few steps make a model that solves some of them, on any machine.
    """
    import dataclasses

    from jorney.domain.countdown.sets import Countdown, sample_problems

    known, unknown = (sample_problems(Countdown(count=3), split, count, 0) for split, count in (("train", 40), ("test", 8)))
    for name, own in (("phase1", known), ("train", known[:16]), ("held_out", known[-12:]), ("test", unknown)):
        rows = [json.dumps(dataclasses.asdict(one)) + "\n" for one in own]
        (folder / f"{name}.jsonl").write_text("".join(rows))


@contextlib.contextmanager
def pod(folder: pathlib.Path, machine: str, hosts: int) -> Iterator[tuple[Pod, object_store.Objects]]:
    """A pod, and the bucket's objects; whatever still runs is killed at the end."""
    with object_store.serve() as (environment, objects):
        made = Pod(folder, machine, hosts, environment)
        problems(folder / "laptop")
        try:
            yield made, objects
        finally:
            for file in folder.glob("host*/logs/*.pid"):
                with contextlib.suppress(ProcessLookupError, ValueError):
                    os.kill(int(file.read_text()), signal.SIGKILL)
