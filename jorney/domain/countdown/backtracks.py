"""What a text does on the way to its answer: first attempt, backtracks, and whether they were justified."""

from __future__ import annotations

import dataclasses
import re

from jorney.domain.countdown.game import Numbers, paths_to
from jorney.domain.countdown.grade import GO_BACK, start, take_step
from jorney.domain.domain import Walked
from jorney.domain.problem import Problem

_NUMBERED = re.compile(r"\s*(\d+)\.\s+(.*)")  # of Abel's lines
_DIGITS = 9  # of a step's number; int() refuses thousands of them, and no path is that long


@dataclasses.dataclass(frozen=True)
class _State:
    """A state of the path: the number of the step that led to it, and whether all steps up to it are legal and true."""

    number: int
    numbers: Numbers
    sound: bool


def walk(problem: Problem, text: str) -> Walked:
    """Follows a text line by line, up to its last `####`. Raises ValueError where `problem.meta` lacks numbers or target.

    A text goes back where it says so ("Go back to 5, 9, 12."), and where a step's number falls back to one that the path had
    reached; a number that skips ahead does not go back. Going back is justified from where the target can no longer be reached
    (`paths_to`: by results up to LARGEST), or from a path that held a false or illegal step.
    """
    numbers, target = start(problem)
    path = [_State(0, numbers, True)]
    first = False
    backs = justified = 0

    end = text.rfind("####")  # what follows the answer did not lead to it
    for line in text[: end if end >= 0 else None].splitlines():
        numbered, returns = _NUMBERED.match(line), GO_BACK.findall(line)
        for state in returns:
            backs, justified = backs + 1, justified + _justified(path[-1], target)
            path = _return(path, tuple(sorted(map(int, state.split(", ")))))
        if numbered and not returns:
            following = path[-1].number + 1
            number = int(numbered[1]) if len(numbered[1]) <= _DIGITS else following
            if 0 < number < following:
                backs, justified = backs + 1, justified + _justified(path[-1], target)
                while len(path) > 1 and path[-1].number >= number:
                    path.pop()
            numbers, error = take_step(path[-1].numbers, *numbered.groups())
            path.append(_State(number, numbers, path[-1].sound and not error))
        first = first or (not backs and path[-1].sound and path[-1].numbers == (target,))
    return Walked(first, backs, justified)


def _justified(place: _State, target: int) -> bool:
    # Only states that legal steps led to are looked up: a state that a model made up may have too many paths to count.
    return not place.sound or target not in paths_to(place.numbers)


def _return(path: list[_State], state: Numbers) -> list[_State]:
    """The path after going back to a state: to the first that equals it; a state that never was is a false step."""
    for index, place in enumerate(path):
        if place.numbers == state:
            return path[: index + 1]
    # It is numbered as the states of so many numbers are, so that a text which counts on from there goes back once, not twice.
    return [*path, _State(max(0, len(path[0].numbers) - len(state)), state, False)]
