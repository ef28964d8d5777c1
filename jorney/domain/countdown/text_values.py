"""Whether the target can still be reached, after every line of a text that moves or goes back."""

from __future__ import annotations

import re
from collections.abc import Iterator

from jorney.domain.countdown.grade import GO_BACK, numbered_line, start
from jorney.domain.countdown.trail import Trail
from jorney.domain.problem import Problem
from jorney.text.step_format import ABEL, StepFormat

_MOVE = re.compile(r"\d{1,9} [-+*/] \d{1,9} = \d{1,9} \(left: \d+(?:, \d+)*\)")  # a step, whatever follows on its line
_CLOSES = re.compile(r"[.;,]*")


def text_values(problem: Problem, text: str, step_format: StepFormat = ABEL) -> list[tuple[int, float]]:
    """The value where a text begins, and after every line of it that moves or goes back.

    A value is 1 where the target can be reached from where the text then stands, without going back, else 0. So it is 0 after a
    false or illegal step, until the text goes back before it. Lines are read as `grade_countdown` and `walk` read them. The two
    differ where the number of a step falls back and no words say so: there the reading counts by which the target is in reach.
    A line that holds a step and then goes back gives two values; the step is judged, but leads nowhere, as for both of them.

    Returns:
      (the character up to which the value's line goes, its value), rising; first (0, the value at the start).

    Raises:
      ValueError: `problem.meta` lacks "numbers" or "target".
    """
    numbers, target = start(problem)
    trails = [Trail(numbers), Trail(numbers, by_numbers=False)]

    def value(trails: list[Trail]) -> float:
        return float(any(trail.reaches(target) for trail in trails))

    found = [(0, value(trails))]
    for begin, line in _lines(text, step_format):
        numbered, backs = numbered_line(line, step_format), list(GO_BACK.finditer(line))
        if backs:
            if (move := _MOVE.search(line, 0, backs[0].start())) and (step := numbered_line(line[: move.end()], step_format)):
                tried = [trail.copy() for trail in trails]
                for trail in tried:
                    trail.step(*step)
                found.append((begin + _CLOSES.match(line, move.end()).end(), value(tried)))  # type: ignore[union-attr]
            for trail in trails:
                for back in backs:
                    trail.go_back(back[1])
        elif numbered:
            for trail in trails:
                trail.step(*numbered)
        if backs or numbered:
            found.append((begin + len(line.rstrip()), value(trails)))
    return found


def _lines(text: str, step_format: StepFormat) -> Iterator[tuple[int, str]]:
    """Where each line up to the answer begins, and the line."""
    end = text.rfind(step_format.mark)  # what follows the answer did not lead to it
    read = text[: end if end >= 0 else None]
    begin = 0
    for line, whole in zip(read.splitlines(), read.splitlines(keepends=True), strict=True):
        yield begin, line
        begin += len(whole)
