"""Sides of a comparison, each a process of its own, that take turns: a round of one, then of the next, the others asleep."""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

# Variables of a side's environment with which it keeps the memory that it frees: as `jorney.devices.keep_freed_memory`.
KEEPS_MEMORY = {"MALLOC_ARENA_MAX": "1", "MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": "-1"}
N = 2048  # rows of the matrices of `run_peak`
PRODUCTS = 8  # of a round


def say(value: Any) -> None:
    """A line to the parent, which reads the descriptor that was stdout."""
    os.write(int(os.environ["BENCH_OUT"]), json.dumps(value).encode() + b"\n")


class Turns:
    """Of a side: counts the work of its steps, and waits for its turn between rounds.

    Args:
      steps: of a round.
      warm_up: steps before the first round: compilation, first allocations.
      counted: what the work is counted in.
    """

    def __init__(self, steps: int, warm_up: int, counted: Sequence[str]) -> None:
        self._steps, self._warm_up, self._done, self._started = steps, warm_up, 0, (0.0, 0.0)
        self.work = dict.fromkeys(counted, 0)

    def after_step(self) -> bool:
        """Called when a step has wholly finished; returns False when there are no more turns."""
        self._done += 1
        if self._done < self._warm_up or (self._done - self._warm_up) % self._steps:
            return True
        if self._done > self._warm_up:
            seconds, cpu = time.perf_counter() - self._started[0], time.process_time() - self._started[1]
            say({"seconds": seconds, "cpu": cpu, **self.work})
        else:
            say("ready")
        if sys.stdin.readline().strip() != "go":
            return False
        self.work = dict.fromkeys(self.work, 0)
        self._started = time.perf_counter(), time.process_time()
        return True


class Worker:
    """A side, as the parent sees it.

    Args:
      arguments: of the program, with which it is this side.
      name: for messages.
      quiet: whether what the side prints is thrown away.
      more: variables of its environment.
      program: an interpreter and a file; those that call without it.
    """

    def __init__(
        self,
        arguments: Sequence[str],
        name: str,
        quiet: bool,
        more: Mapping[str, str] | None = None,
        program: Sequence[str] | None = None,
    ) -> None:
        reads, writes = os.pipe()
        fixed = {"BENCH_OUT": str(writes), "TOKENIZERS_PARALLELISM": "false", "JAX_PLATFORMS": "cpu"}
        environment = {**os.environ, **fixed, **(more or {})}
        log: Any = subprocess.DEVNULL if quiet else None
        self._process = subprocess.Popen(
            [*(program or (sys.executable, sys.argv[0])), *arguments],
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            env=environment,
            pass_fds=[writes],
            text=True,
        )
        os.close(writes)
        self._answers = os.fdopen(reads)
        self.rounds: list[dict[str, float]] = []
        self._name = name
        self._answer()

    def _answer(self) -> Any:
        line = self._answers.readline()
        if not line:
            raise SystemExit(f"the side {self._name!r} ended with {self._process.wait()}: run with --verbose")
        return json.loads(line)

    def round(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write("go\n")
        self._process.stdin.flush()
        self.rounds.append(self._answer())

    def median(self, value: Callable[[dict[str, float]], float]) -> float:
        return statistics.median(value(one) for one in self.rounds)

    def end(self) -> None:
        self._process.kill()
        self._process.wait()


def alternate(workers: Sequence[Worker], rounds: int) -> None:
    """Rounds of all, one after the other; then they end."""
    try:
        for _ in range(rounds):
            for worker in workers:
                worker.round()
    finally:
        for worker in workers:
            worker.end()


def run_peak(library: str) -> None:
    """A side: products of matrices of 2,048 rows by "torch" or "xla"; each step is one."""
    turns = Turns(PRODUCTS, 2, ())
    if library == "torch":
        import torch

        torch.set_num_threads(os.cpu_count() or 1)
        left, right = torch.randn(N, N), torch.randn(N, N)
        product: Callable[[], Any] = lambda: left @ right  # noqa: E731
    else:
        import jax

        a, b = jax.random.normal(jax.random.key(0), (2, N, N))
        dot = jax.jit(lambda a, b: a @ b)
        product = lambda: dot(a, b).block_until_ready()  # noqa: E731
    while True:
        product()
        if not turns.after_step():
            return


def peak(workers: Sequence[Worker]) -> float:
    """Operations a second of the machine's matrix product: the better of `run_peak`'s sides."""
    return max(worker.median(lambda one: PRODUCTS * 2 * N**3 / one["seconds"]) for worker in workers)


def processor() -> str:
    """The machine, in words."""
    if os.path.exists("/proc/cpuinfo"):
        with open("/proc/cpuinfo") as lines:
            for line in lines:
                if line.startswith("model name"):
                    return f"{line.partition(':')[2].strip()}, {os.cpu_count()} cores"
    return f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores"
