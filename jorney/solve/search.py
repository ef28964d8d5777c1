"""The solvers by name, and the configuration that chooses one."""

from __future__ import annotations

import dataclasses

from jorney.config import expect_one_of
from jorney.solve.beam import Beam, DiverseTrees
from jorney.solve.best_of_n import BestOfN
from jorney.solve.solver import Budget, Solver

SOLVERS: dict[str, Solver] = {}


def register(solver: Solver) -> Solver:
    """Makes a solver known by its name, in place of one that had it; returns it."""
    SOLVERS[solver.name] = solver
    return solver


for _kind in (BestOfN, Beam, DiverseTrees):
    register(_kind())


@dataclasses.dataclass(frozen=True)
class SearchConfig(Budget):
    """How answers are searched for: by which method, with which budget."""

    def __post_init__(self) -> None:
        expect_one_of(SOLVERS, self, "search", "method")
        super().__post_init__()

    @property
    def solver(self) -> Solver:
        """The method."""
        return SOLVERS[self.method]
