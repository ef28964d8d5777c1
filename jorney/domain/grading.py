"""Grading: a response against its problem, as the problem's domain has it."""

from __future__ import annotations

import dataclasses
import threading
import time
from collections.abc import Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait

from jorney.domain.domain import Domain, Grade
from jorney.domain.domains import domain_of
from jorney.domain.problem import Problem
from jorney.domain.readings import READINGS, STATED
from jorney.domain.worker import Worker
from jorney.text.step_format import ABEL, StepFormat

# In the keys of all stages that grade. Whoever changes what is read as an answer, or which answers are equal, raises it.
GRADING = {"grading": 3}
_LOOK = 0.1  # seconds between two looks at whether answers hold each other up
_HELD_UP = 0.5  # seconds of a comparison after which others go on beside it


class Grader:
    """Grades responses; a context manager that owns the processes that compare answers. For one thread at a time.

    Args:
      timeout_seconds, memory_limit: of one comparison; see `worker.Worker`.
      workers: processes at most that `grade_all` compares with.
      isolation: of programs that a model wrote; see `code.sandbox`. "off" runs none.
    """

    def __init__(
        self, timeout_seconds: float = 5.0, memory_limit: int = 4 << 30, workers: int = 4, isolation: str = "off"
    ) -> None:
        if timeout_seconds <= 0:
            raise ValueError(f"timeout_seconds = {timeout_seconds}: expected more than 0")
        if workers < 1:
            raise ValueError(f"workers = {workers}: expected at least 1")
        self._limits = (timeout_seconds, memory_limit, isolation)
        self._lanes: list[dict[type[Worker], Worker]] = [{} for _ in range(workers)]
        self.worker = self._apart(Domain)

    def __enter__(self) -> Grader:
        return self

    def __exit__(self, *error: object) -> None:
        self._close()  # used again, it starts other processes

    def _close(self) -> None:
        for lane in self._lanes:
            for worker in list(lane.values()):
                worker.close()

    def _apart(self, domain: Domain | type[Domain], lane: int = 0) -> Worker:
        """What compares the answers of a domain; it starts no process before it is asked."""
        return self._worker(domain.sandbox, lane)

    def _worker(self, kind: type[Worker], lane: int) -> Worker:
        own = self._lanes[lane]
        if kind not in own:
            own[kind] = kind(*self._limits)
        return own[kind]

    def grade(
        self, problem: Problem, text: str, step_format: StepFormat = ABEL, readings: Sequence[str] = (STATED,), lane: int = 0
    ) -> Grade:
        """Grades one response, which states its answer as the format has it.

        Args:
          readings: names in `domain.readings`: the first decides, what the others give stands beside it.

        Raises:
          ValueError: `problem.verifier` names no domain.
          RuntimeError: the process that compares answers cannot be started at all.
        """
        domain = domain_of(problem)
        # Where the way counts, an answer by itself says nothing.
        asked = [name for name in readings if name == STATED or domain.lenient] or [STATED]
        first, *others = (self._read(domain, problem, text, step_format, name, lane) for name in asked)
        return dataclasses.replace(first, others=dict(zip(asked[1:], others, strict=True))) if others else first

    def _read(self, domain: Domain, problem: Problem, text: str, step_format: StepFormat, name: str, lane: int) -> Grade:
        compare = self._apart(domain, lane).compare
        if name == STATED:
            return domain.grade(problem, text, step_format, compare)
        reading = READINGS[name]
        if (answer := reading.read(text, problem)) is None:
            return Grade(False, None, note="no answer")
        if reading.worker is not None:
            note = self._worker(reading.worker, lane).compare(reading.gold(problem), answer)
        else:
            note = domain.wrong(problem, answer, compare)
        return Grade(not note, answer, note=note)

    def grade_all(
        self,
        problems: Sequence[Problem],
        texts: Sequence[str],
        step_format: StepFormat = ABEL,
        readings: Sequence[str] = (STATED,),
    ) -> list[Grade]:
        """Grades responses, each to its problem, in their order: the same as one after another by `grade`.

        One worker compares, and others beside it while it is held up, so that answers that take long are waited for together.
        """
        grades: list[Grade | None] = [None] * len(problems)
        waiting = iter(list(enumerate(zip(problems, texts, strict=True))))
        over = threading.Event()

        def go_on(lane: int) -> None:
            for index, (problem, text) in waiting:
                if over.is_set():
                    return
                grades[index] = self.grade(problem, text, step_format, readings, lane)

        with ThreadPoolExecutor(len(self._lanes)) as threads:
            try:
                lanes = [threads.submit(go_on, 0)]
                while True:
                    done, left = wait(lanes, _LOOK, FIRST_EXCEPTION)
                    for lane in done:
                        lane.result()
                    if not left:
                        break
                    if len(lanes) < len(self._lanes) and all(map(self._held_up, range(len(lanes)))):
                        lanes.append(threads.submit(go_on, len(lanes)))
            except BaseException:
                over.set()
                self._close()  # what is under way ends
                raise
        return [grade for grade in grades if grade is not None]

    def _held_up(self, lane: int) -> bool:
        """Whether a comparison takes long."""
        begun = [worker.since for worker in list(self._lanes[lane].values())]
        return any(since is not None and time.monotonic() - since > _HELD_UP for since in begun)

    def compare(self, problem: Problem, answer: str) -> str:
        """Why an answer, read from its text already, is not right for a problem; "" where it is."""
        domain = domain_of(problem)
        return domain.wrong(problem, answer, self._apart(domain).compare)

    def equal(self, problem: Problem, one: str, other: str) -> str:
        """Why an answer to a problem does not equal another, be they right or wrong; "" where it does."""
        domain = domain_of(problem)
        return domain.equal(one, other, self._apart(domain).compare)
