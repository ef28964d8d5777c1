"""What models do on the way: first attempts, goings back, recoveries. For Countdown, where every state can be judged."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from jorney.domain.answers import GO_BACK, NUMBERED, take_step
from jorney.domain.countdown import Numbers, paths_to
from jorney.domain.problem import Problem
from jorney.solve.evaluate import Graded

_DIGITS = 9  # of a step's number; int() refuses thousands of them, and no path is that long


@dataclasses.dataclass(frozen=True)
class Walked:
    """How one text went.

    Attributes:
      first: the first attempt, up to the first going back or the end, reaches the target by steps that are legal and true.
      backs: goings back.
      justified: of those, where the target could no longer be reached from where it stood, or a step was false.
    """

    first: bool
    backs: int
    justified: int


@dataclasses.dataclass(frozen=True)
class _Place:
    """A state of the path: the number of the step that led to it, and whether all steps up to it are legal and true."""

    number: int
    numbers: Numbers
    sound: bool


def behaviour(problems: Sequence[Problem], graded: Sequence[Graded]) -> dict[str, float | None]:
    """Shares over a model's texts.

    first_attempt_accuracy: problems whose first attempt reaches the target, by steps that are legal and true and use every
      number, whatever follows. A first attempt is what stands before the first going back, the whole text where there is none.
    justified_backtracks: of all goings back, those from where the target could no longer be reached (`paths_to`: by results
      up to LARGEST), or from a path that held a false or illegal step.
    recovery_rate: of problems whose first attempt failed, those graded correct in the end.
    true_equations: of the equations in numbered lines, those that hold, as `benchmarks.summarise` has it.

    A text goes back where it says so ("Go back to 5, 9, 12."), and where a step's number falls back to one that the path had
    reached; a number that skips ahead does not go back.

    Returns:
      None for a share of nothing, and for all where a problem has another verifier than "countdown".

    Raises:
      ValueError: the lengths differ, or a Countdown problem lacks its numbers or its target.
    """
    if len(problems) != len(graded):
        raise ValueError(f"{len(problems)} problems, {len(graded)} graded: expected one grade a problem")
    if any(problem.verifier != "countdown" for problem in problems):
        return dict.fromkeys(("first_attempt_accuracy", "justified_backtracks", "recovery_rate", "true_equations"))
    walks = [walk(problem, one.text) for problem, one in zip(problems, graded, strict=True)]
    failed = [one for one, way in zip(graded, walks, strict=True) if not way.first]
    return {
        "first_attempt_accuracy": _share(sum(way.first for way in walks), len(walks)),
        "justified_backtracks": _share(sum(way.justified for way in walks), sum(way.backs for way in walks)),
        "recovery_rate": _share(sum(one.correct for one in failed), len(failed)),
        "true_equations": _share(sum(one.true_equations for one in graded), sum(one.equations for one in graded)),
    }


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def walk(problem: Problem, text: str) -> Walked:
    """Follows a text line by line, up to its last `####`. Raises ValueError where `problem.meta` lacks numbers or target."""
    if not {"numbers", "target"} <= set(problem.meta):
        raise ValueError(f"problem {problem.id!r}: expected a Countdown problem, with meta['numbers'] and meta['target']")
    target = int(problem.meta["target"])
    path = [_Place(0, tuple(sorted(problem.meta["numbers"])), True)]
    first = False
    backs = justified = 0

    end = text.rfind("####")  # what follows the answer did not lead to it
    for line in text[: end if end >= 0 else None].splitlines():
        numbered, returns = NUMBERED.match(line), GO_BACK.findall(line)
        for state in returns:
            backs, justified = backs + 1, justified + _justified(path[-1], target)
            path = _return(path, tuple(sorted(map(int, state.split(", ")))))
        if numbered and not returns:
            following = path[-1].number + 1
            number = int(numbered[1]) if len(numbered[1]) <= _DIGITS else following
            if 0 < number < following:
                backs, justified = backs + 1, justified + _justified(path[-1], target)
                path = [path[0], *_before(path[1:], number)]
            numbers, error = take_step(path[-1].numbers, *numbered.groups())
            path.append(_Place(number, numbers, path[-1].sound and not error))
        first = first or (not backs and path[-1].sound and path[-1].numbers == (target,))
    return Walked(first, backs, justified)


def _justified(place: _Place, target: int) -> bool:
    # Only states that legal steps led to are looked up: a state that a model made up may have too many paths to count.
    return not place.sound or target not in paths_to(place.numbers)


def _return(path: list[_Place], state: Numbers) -> list[_Place]:
    """The path after going back to a state: to the first that equals it; a state that never was is a false step."""
    for index, place in enumerate(path):
        if place.numbers == state:
            return path[: index + 1]
    # It is numbered as the states of so many numbers are, so that a text which counts on from there goes back once, not twice.
    return [*path, _Place(max(0, len(path[0].numbers) - len(state)), state, False)]


def _before(path: list[_Place], number: int) -> list[_Place]:
    """The path up to the place from which a step of this number goes on."""
    while path and path[-1].number >= number:
        path = path[:-1]
    return path
