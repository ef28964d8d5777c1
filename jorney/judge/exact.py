"""The exact judge: verdicts of domains that verify every step. Known to commands as "verifier"."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from jorney.domain.domain import Rating
from jorney.domain.domains import DOMAINS, domain_of
from jorney.domain.problem import Problem


def judge(requests: Sequence[tuple[Problem, Sequence[str]]]) -> list[Rating]:
    """Rates the last step of each path, steps given without their openings.

    Raises:
      ValueError: the steps of a problem cannot be verified (`Domain.exact`); names it.
    """
    return [domain_of(problem).verify(problem, steps) for problem, steps in requests]


def verifiable(problems: Iterable[Problem]) -> bool:
    """Whether the steps of all the problems can be verified."""
    return all(problem.verifier in DOMAINS and domain_of(problem).exact for problem in problems)
