"""What models do on the way: first attempts, backtracks, recoveries. For domains that can follow a text."""

from __future__ import annotations

from collections.abc import Sequence

from jorney.domain.domains import domain_of
from jorney.domain.problem import Problem
from jorney.solve.evaluate import Graded


def behaviour(problems: Sequence[Problem], graded: Sequence[Graded]) -> dict[str, float | None]:
    """Shares over a model's texts.

    first_attempt_accuracy: problems whose first attempt reaches the goal, by steps that are legal and true, whatever follows. A
      first attempt is what stands before the first backtrack, the whole text where there is none.
    justified_backtracks: of all backtracks, those from where the goal could no longer be reached, or from a false step.
    recovery_rate: of problems whose first attempt failed, those graded correct in the end.
    true_equations: of the equations in numbered lines, those that hold, as `evaluate.summarise` has it.

    Returns:
      None for a share of nothing, and for all where a problem's domain cannot tell (`Domain.behaves`).

    Raises:
      ValueError: the lengths differ, or a problem lacks what its domain needs.
    """
    if len(problems) != len(graded):
        raise ValueError(f"{len(problems)} problems, {len(graded)} graded: expected one grade a problem")
    if not all(domain_of(problem).behaves for problem in problems):
        return dict.fromkeys(("first_attempt_accuracy", "justified_backtracks", "recovery_rate", "true_equations"))
    walks = [domain_of(problem).behaviour(problem, one.text) for problem, one in zip(problems, graded, strict=True)]
    failed = [one for one, way in zip(graded, walks, strict=True) if not way.first]
    return {
        "first_attempt_accuracy": _share(sum(way.first for way in walks), len(walks)),
        "justified_backtracks": _share(sum(way.justified for way in walks), sum(way.backs for way in walks)),
        "recovery_rate": _share(sum(one.correct for one in failed), len(failed)),
        "true_equations": _share(sum(one.true_equations for one in graded), sum(one.equations for one in graded)),
    }


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None
