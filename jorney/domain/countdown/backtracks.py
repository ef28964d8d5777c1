"""What a text does on the way to its answer: first attempt, backtracks, and whether they were justified."""

from __future__ import annotations

import re

from jorney.domain.countdown.grade import GO_BACK, start
from jorney.domain.countdown.trail import Trail
from jorney.domain.domain import Walked
from jorney.domain.problem import Problem

_NUMBERED = re.compile(r"\s*(\d+)\.\s+(.*)")  # of Abel's lines


def walk(problem: Problem, text: str) -> Walked:
    """Follows a text line by line, up to its last `####`. Raises ValueError where `problem.meta` lacks numbers or target.

    A text goes back where it says so ("Go back to 5, 9, 12."), and where a step's number falls back to one that the path had
    reached; a number that skips ahead does not go back. Going back is justified from where the target can no longer be reached
    (`paths_to`: by results up to LARGEST), or from a path that held a false or illegal step.
    """
    numbers, target = start(problem)
    trail = Trail(numbers)
    first = False
    backs = justified = 0

    end = text.rfind("####")  # what follows the answer did not lead to it
    for line in text[: end if end >= 0 else None].splitlines():
        numbered, returns = _NUMBERED.match(line), GO_BACK.findall(line)
        for state in returns:
            backs, justified = backs + 1, justified + (not trail.reaches(target))
            trail.go_back(state)
        if numbered and not returns:
            if trail.falls_back(numbered[1]):
                backs, justified = backs + 1, justified + (not trail.reaches(target))
            trail.step(*numbered.groups())
        first = first or (not backs and trail.sound and trail.numbers == (target,))
    return Walked(first, backs, justified)
