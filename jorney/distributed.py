"""Several processes that train together: starting, waiting for each other, and agreeing.

Training is one program over all processes' devices. What they must agree on is decided by process 0 and sent to the others;
generation needs none of this, for every host runs it alone.
"""

from __future__ import annotations

import collections
import dataclasses
import json
import re
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from jorney import roll_call
from jorney.config import expect_at_least, expect_number

BARRIER_SECONDS = 600


@dataclasses.dataclass(frozen=True)
class DistributedConfig:
    """How processes find each other.

    Attributes:
      coordinator: "" for a process alone; "auto" where the surroundings tell (a TPU pod, Slurm, Open MPI, Kubernetes); else
        HOST:PORT of process 0.
      processes, process: how many there are, and which of them this is, from 0; with HOST:PORT only.
      timeout: seconds within which all of them have come.
    """

    coordinator: str = ""
    processes: int | None = None
    process: int | None = None
    timeout: int = 120

    def __post_init__(self) -> None:
        expect_number(self, "distributed", "timeout", least=1, most=86_400)
        expect_at_least(1, self, "distributed", "processes", none="None")
        expect_at_least(0, self, "distributed", "process", none="None")
        stated = self.processes is not None or self.process is not None
        if self.coordinator in ("", "auto"):
            if stated:
                raise ValueError(
                    f"distributed.processes and distributed.process belong to a coordinator HOST:PORT, got {self.coordinator!r}"
                )
            return
        if not re.fullmatch(r".+:\d+", self.coordinator):
            raise ValueError(f"distributed.coordinator = {self.coordinator!r}: expected HOST:PORT, 'auto' or ''")
        if self.processes is None or self.process is None or not 0 <= self.process < self.processes:
            raise ValueError(
                f"distributed.processes = {self.processes}, distributed.process = {self.process}: "
                "expected a number of processes, and one of 0 to that number less one"
            )


def initialize(config: DistributedConfig, command: Any = None) -> None:
    """Joins the other processes. Called before anything asks jax for its devices; a process alone does nothing.

    Args:
      command: JSON values in which no two processes may differ.

    Raises:
      ValueError, OSError: as `roll_call.call` does.
    """
    if not config.coordinator:
        return
    address, processes, process, local = config.coordinator, config.processes, config.process, None
    if address == "auto":
        address, processes, process, local = _surroundings(config.timeout)
    assert processes is not None
    assert process is not None
    if processes > 1:
        roll_call.join(address, processes, process, command, config.timeout)
    jax.distributed.initialize(address, processes, process, local, initialization_timeout=config.timeout)


def _surroundings(seconds: int) -> tuple[str, int, int, Any]:
    """Coordinator, processes, process and its devices, by what jax knows of pods, Slurm, Open MPI and Kubernetes.

    jax finds them within its own `initialize`, where nothing can be told in a line any more.
    """
    from jax._src.clusters import ClusterEnv

    address, processes, process, local = ClusterEnv.auto_detect_unset_distributed_params(None, None, None, None, None, seconds)
    if address is None or processes is None or process is None:
        raise ValueError(
            "distributed.coordinator = 'auto': nothing here tells of other processes (a TPU pod, Slurm, Open MPI, Kubernetes): "
            "expected '' for a process alone, or HOST:PORT with distributed.processes and distributed.process"
        )
    return address, processes, process, local


def is_main() -> bool:
    """Whether this process writes and prints for all."""
    return jax.process_index() == 0


_passed: collections.Counter[str] = collections.Counter()


def barrier(name: str, seconds: int = BARRIER_SECONDS) -> None:
    """Waits until every process has come here.

    Raises:
      TimeoutError: some did not within the time; names them.
    """
    if jax.process_count() == 1:
        return
    import orbax.checkpoint as ocp

    _passed[name] += 1  # the service wants a name of its own for every meeting
    key = f"jorney {name} {_passed[name]}"
    try:
        ocp.multihost.sync_global_processes(key, timeout=seconds, processes=set(range(jax.process_count())))
    except Exception as error:
        missing = _timed_out(str(error))
        if not missing:
            raise
        who = ", ".join(map(str, missing))
        raise TimeoutError(
            f"barrier {name!r}: waited {seconds} s in vain for process {who} of {jax.process_count()}: "
            "expected all of them to be running the same command; look at its log"
        ) from None


def _timed_out(message: str) -> list[int]:
    """The processes that did not come, by the coordination service's message: one a line, after this title."""
    names = message.partition("timed out task names:")[2].strip().partition("\n\n")[0]
    return sorted({int(found[1]) for line in names.splitlines() if (found := re.search(r"(\d+)\D*$", line))})


def expect_same(value: Any, what: str) -> None:
    """Returns when `value` (JSON) is the same in every process.

    Raises:
      ValueError: it is not; in every process, and names the processes, their hosts and the first place that differs.
    """
    if jax.process_count() == 1:
        return
    import socket

    first = from_main(lambda: value, what)
    found = (
        ""
        if value == first
        else f"process {jax.process_index()} on {socket.gethostname()}: {roll_call.difference(value, first)}"
    )
    told = [one for one in _from_all(found) if one]
    if told:
        everywhere = f"all {jax.process_count()} processes"
        raise ValueError(f"{what} differs: {'; '.join(told)}: expected the same command, model and data in {everywhere}")


def _from_all(text: str) -> list[str]:
    """The texts of all processes, in their order."""
    from jax.experimental import multihost_utils

    data = np.frombuffer(text.encode(), np.uint8)
    lengths = multihost_utils.process_allgather(np.int32(len(data)))
    padded = np.zeros(max(1, int(lengths.max())), np.uint8)
    padded[: len(data)] = data
    rows = multihost_utils.process_allgather(padded)
    return [bytes(row[:length]).decode() for row, length in zip(rows, lengths, strict=True)]


def from_main(decide: Callable[[], Any], name: str = "decision") -> Any:
    """What `decide` returns on process 0 (JSON values), in every process; it is not called in the others.

    Raises:
      ValueError, OSError: `decide` raised one; in every process.
    """
    if jax.process_count() == 1:
        return decide()
    from jax.experimental import multihost_utils

    barrier(name)  # a collective has no time limit, so that all must be known to be there
    sent = b""
    if is_main():
        try:
            sent = json.dumps({"value": decide()}).encode()
        except (ValueError, OSError) as error:
            sent = json.dumps({"error": str(error), "of_system": isinstance(error, OSError)}).encode()
    length = int(multihost_utils.broadcast_one_to_all(np.int32(len(sent))))
    padded = np.frombuffer(sent.ljust(length), np.uint8)
    received = json.loads(bytes(multihost_utils.broadcast_one_to_all(padded[:length])))
    if "error" in received:
        raise (OSError if received["of_system"] else ValueError)(received["error"])
    return received["value"]
