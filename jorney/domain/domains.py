"""The domains by name."""

from __future__ import annotations

from collections.abc import Sequence

from jorney.domain.choice_of_options import MultipleChoice
from jorney.domain.code.code import Code
from jorney.domain.countdown.countdown import CountdownDomain
from jorney.domain.domain import Domain
from jorney.domain.exact_text import ExactText
from jorney.domain.mathematics import Mathematics
from jorney.domain.open_question import OpenQuestion
from jorney.domain.problem import Problem

DOMAINS: dict[str, Domain] = {}
DEFAULT = CountdownDomain.name  # whose problems are drawn where a command names no others


def register(domain: Domain) -> Domain:
    """Makes a domain known by its name, in place of one that had it; returns it."""
    DOMAINS[domain.name] = domain
    return domain


register(Mathematics())
register(CountdownDomain())
register(ExactText())
register(MultipleChoice())
register(Code())
register(OpenQuestion())


def named(name: str, place: str) -> Domain:
    """The domain of a name. Raises ValueError that begins with `place` where there is none."""
    if not isinstance(name, str) or name not in DOMAINS:
        raise ValueError(f"{place}: expected {' or '.join(map(repr, DOMAINS))}, got {name!r}")
    return DOMAINS[name]


def domain_of(problem: Problem) -> Domain:
    """The domain of a problem. Raises ValueError where it names none."""
    if problem.verifier not in DOMAINS:
        raise ValueError(
            f"problem {problem.id!r}: verifier = {problem.verifier!r}, expected one of {', '.join(sorted(DOMAINS))}"
        )
    return DOMAINS[problem.verifier]


def drawing(source: str) -> Domain | None:
    """The domain that a source of problems names, to draw from; None where it is a file, a hub id or tfds:NAME."""
    domain = DOMAINS.get(source)
    return domain if domain is not None and domain.sets else None


def verifiable() -> str:
    """Whose steps can be verified, in words: "only steps of countdown problems can be verified"."""
    exact = " and ".join(name for name, domain in DOMAINS.items() if domain.exact)
    return f"only steps of {exact} problems can be verified"


def state(problem: Problem, steps: Sequence[str]) -> str:
    """What stands after a path's steps, as the problem's domain writes it; "" where that, or the domain, is not known."""
    return domain_of(problem).state(problem, steps) if problem.verifier in DOMAINS else ""
