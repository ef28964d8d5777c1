"""What a text does on the way to its answer: first attempt, backtracks, and whether they were justified."""

from __future__ import annotations

import re
from collections.abc import Iterator

from jorney.domain.countdown.grade import GO_BACK, start
from jorney.domain.countdown.trail import Trail
from jorney.domain.domain import Backtrack, Walked
from jorney.domain.problem import Problem

_NUMBERED = re.compile(r"\s*(\d+)\.\s+(.*)")  # of Abel's lines


def walk(problem: Problem, text: str) -> Walked:
    """Follows a text line by line, up to its last `####`. Raises ValueError where `problem.meta` lacks numbers or target.

    A text goes back where it says so ("Go back to 5, 9, 12."), and where a step's number falls back to one that the path had
    reached; a number that skips ahead does not go back. Going back is justified from where the target can no longer be reached
    (`paths_to`: by results up to LARGEST), or from a path that held a false or illegal step.
    """
    _, target = start(problem)
    first = False
    backs: list[Backtrack] = []
    for trail, found in _follow(problem, text):
        backs += found
        first = first or (not backs and trail.sound and trail.numbers == (target,))
    return Walked(first, len(backs), sum(back.justified for back in backs))


def backtracks(problem: Problem, text: str) -> list[Backtrack]:
    """Where a text goes back, as `walk` counts it. Raises ValueError where `problem.meta` lacks numbers or target."""
    return [back for _, found in _follow(problem, text) for back in found]


def _follow(problem: Problem, text: str) -> Iterator[tuple[Trail, list[Backtrack]]]:
    """Where the text stands behind every line, and where that line goes back."""
    numbers, target = start(problem)
    trail = Trail(numbers)
    end = text.rfind("####")  # what follows the answer did not lead to it
    begin = 0
    for whole in text[: end if end >= 0 else None].splitlines(keepends=True):
        line = whole.splitlines()[0]
        found = []
        numbered, returns = _NUMBERED.match(line), list(GO_BACK.finditer(line))
        for back in returns:
            justified = not trail.reaches(target)
            trail.go_back(back[1])
            found.append(Backtrack(begin + back.start(), begin + back.end(), justified, trail.reaches(target)))
        if numbered and not returns:
            if trail.falls_back(numbered[1]):
                justified = not trail.reaches(target)
                trail.fall_back(numbered[1])
                opens, stop = numbered.span(1)
                found.append(Backtrack(begin + opens, begin + stop, justified, trail.reaches(target)))
            trail.step(*numbered.groups())
        yield trail, found
        begin += len(whole)
