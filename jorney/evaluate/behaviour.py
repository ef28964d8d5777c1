"""What models do on the way: first attempts, goings back, recoveries. For Countdown, where every state can be judged."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence

from jorney.answers import GO_BACK
from jorney.data.countdown import Numbers, parse_step, paths_to, step_error
from jorney.data.problems import Problem
from jorney.evaluate.benchmarks import Graded

_NUMBERED = re.compile(r"\s*(\d{1,4})\.\s+(.*)")
_LONGEST_LINE = 500  # characters


@dataclasses.dataclass(frozen=True)
class Walked:
    """How one text went.

    Attributes:
      first: the first attempt, up to the first going back or the end, ends on the target by steps that are legal and true.
      backs: goings back.
      justified: of those, where the target could no longer be reached from where it stood, or a step was false.
    """

    first: bool
    backs: int
    justified: int


def behaviour(problems: Sequence[Problem], graded: Sequence[Graded]) -> dict[str, float | None]:
    """Shares over a model's texts; None where there is nothing to count, or problems are no Countdown problems.

    first_attempt_accuracy: problems whose first attempt, up to the first going back or the end, reaches the target.
    justified_backtracks: goings back from where the target could no longer be reached, or from a false step.
    recovery_rate: problems that are answered right, of those whose first attempt failed.
    true_equations: equations in numbered lines that hold.

    A text goes back where it says so ("Go back to 5, 9, 12"), or where the number of a step is not the next one.
    """
    known = all(problem.verifier == "countdown" for problem in problems)
    walks = [walk(problem, one.text) for problem, one in zip(problems, graded, strict=True)] if known else []
    failed = [one for one, way in zip(graded, walks, strict=known) if not way.first]
    return {
        "first_attempt_accuracy": _share(sum(way.first for way in walks), len(walks)),
        "justified_backtracks": _share(sum(way.justified for way in walks), sum(way.backs for way in walks)),
        "recovery_rate": _share(sum(one.correct for one in failed), len(failed)),
        "true_equations": _share(sum(one.true_equations for one in graded), sum(one.equations for one in graded)),
    }


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def walk(problem: Problem, text: str) -> Walked:
    """Follows a text line by line."""
    target = int(problem.meta["target"])
    # The path: each state, and whether all steps up to it are legal and true.
    trail: list[tuple[Numbers, bool]] = [(tuple(sorted(problem.meta["numbers"])), True)]
    first: bool | None = None
    backs = justified = 0

    def leave() -> None:
        """The path is left where it stands now."""
        nonlocal first, backs, justified
        numbers, sound = trail[-1]
        backs += 1
        justified += not (sound and _reachable(numbers, target, len(trail[0][0])))
        if first is None:
            first = sound and numbers == (target,)

    end = text.rfind("####")  # what follows the answer did not lead to it
    for line in text[: end if end >= 0 else None].splitlines():
        numbered = _NUMBERED.match(line)
        if back := GO_BACK.search(line):
            leave()
            state = tuple(sorted(map(int, back[1].split(", "))))
            known = [numbers for numbers, _ in trail]
            if state in known:
                del trail[known.index(state) + 1 :]
            else:
                trail.append((state, False))
        elif numbered:
            number = int(numbered[1])
            if number < len(trail) and number >= 1:
                leave()
                del trail[number:]
            trail.append(_take(trail[-1], numbered[2]))
    numbers, sound = trail[-1]
    return Walked(sound and numbers == (target,) if first is None else first, backs, justified)


def _take(at: tuple[Numbers, bool], text: str) -> tuple[Numbers, bool]:
    numbers, sound = at
    step = parse_step(text) if len(text) <= _LONGEST_LINE else None
    return (numbers, False) if step is None else (step.left, sound and step_error(numbers, step) is None)


def _reachable(numbers: Numbers, target: int, most: int) -> bool:
    # A state that a model made up may have more numbers than the problem, and more paths than one can count.
    return len(numbers) <= most and target in paths_to(numbers)
