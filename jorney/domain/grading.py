"""Grading: a response against its problem, as the problem's domain has it."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable

from jorney.domain.domain import Grade
from jorney.domain.domains import domain_of
from jorney.domain.problem import Problem
from jorney.domain.worker import Worker
from jorney.text.step_format import ABEL, StepFormat


@dataclasses.dataclass
class Grader:
    """Grades responses; a context manager that owns the process that compares answers. For one thread at a time.

    Attributes:
      timeout_seconds, memory_limit: of one comparison; see `worker.Worker`.
    """

    timeout_seconds: float = 5.0
    memory_limit: int = 4 << 30

    def __post_init__(self) -> None:
        if self.timeout_seconds <= 0:
            raise ValueError(f"timeout_seconds = {self.timeout_seconds}: expected more than 0")
        self._worker = Worker(self.timeout_seconds, self.memory_limit)

    def __enter__(self) -> Grader:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def grade(self, problem: Problem, text: str, step_format: StepFormat = ABEL) -> Grade:
        """Grades one response, which states its answer as the format has it.

        Raises:
          ValueError: `problem.verifier` names no domain.
          RuntimeError: the process that compares answers cannot be started at all.
        """
        return domain_of(problem).grade(problem, text, step_format, self._worker.compare)

    def compare(self, problem: Problem, answer: str) -> str:
        """Why an answer, read from its text already, does not equal the problem's; "" where it does."""
        return domain_of(problem).equal(problem.answer, answer, self._worker.compare)

    def grade_all(self, pairs: Iterable[tuple[Problem, str]]) -> list[Grade]:
        """The grades of (problem, response) pairs, in their order."""
        return [self.grade(problem, text) for problem, text in pairs]

    @property
    def worker_pid(self) -> int | None:
        """The comparing process's id, None while there is none."""
        return self._worker.pid

    def close(self) -> None:
        """Ends the process, if there is one. The grader may be used again: it starts another."""
        self._worker.close()
