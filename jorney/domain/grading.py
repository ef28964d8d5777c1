"""Grading: a response against its problem, as the problem's domain has it."""

from __future__ import annotations

from jorney.domain.domain import Domain, Grade
from jorney.domain.domains import domain_of
from jorney.domain.problem import Problem
from jorney.domain.worker import Worker
from jorney.text.step_format import ABEL, StepFormat


class Grader:
    """Grades responses; a context manager that owns the process that compares answers. For one thread at a time.

    Args:
      timeout_seconds, memory_limit: of one comparison; see `worker.Worker`.
    """

    def __init__(self, timeout_seconds: float = 5.0, memory_limit: int = 4 << 30) -> None:
        if timeout_seconds <= 0:
            raise ValueError(f"timeout_seconds = {timeout_seconds}: expected more than 0")
        self._limits = (timeout_seconds, memory_limit)
        self._workers: dict[type[Worker], Worker] = {}
        self.worker = self._apart(Domain)

    def __enter__(self) -> Grader:
        return self

    def __exit__(self, *error: object) -> None:
        for worker in self._workers.values():
            worker.close()  # used again, it starts another process

    def _apart(self, domain: Domain | type[Domain]) -> Worker:
        """What compares the answers of a domain; it starts no process before it is asked."""
        return self._workers.setdefault(domain.sandbox, domain.sandbox(*self._limits))

    def grade(self, problem: Problem, text: str, step_format: StepFormat = ABEL) -> Grade:
        """Grades one response, which states its answer as the format has it.

        Raises:
          ValueError: `problem.verifier` names no domain.
          RuntimeError: the process that compares answers cannot be started at all.
        """
        domain = domain_of(problem)
        return domain.grade(problem, text, step_format, self._apart(domain).compare)

    def compare(self, problem: Problem, answer: str) -> str:
        """Why an answer, read from its text already, does not equal the problem's; "" where it does."""
        domain = domain_of(problem)
        return domain.equal(problem.answer, answer, self._apart(domain).compare)
