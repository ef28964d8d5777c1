"""Grading Countdown responses exactly: the path that leads to the answer is followed line by line."""

from __future__ import annotations

import re

from jorney.domain.answers import final_answer, short
from jorney.domain.countdown.game import Numbers, parse_step, step_error
from jorney.domain.domain import Grade
from jorney.domain.equations import equations
from jorney.domain.problem import Problem
from jorney.text.step_format import ABEL, StepFormat

GO_BACK = re.compile(r"Go back to (\d{1,9}(?:, \d{1,9})*)")  # anywhere in a line: "Wait, 17 is not 24. Go back to 5, 9, 12."


def start(problem: Problem) -> tuple[Numbers, int]:
    """A problem's numbers and its target. Raises ValueError where `problem.meta` lacks them."""
    if not {"numbers", "target"} <= set(problem.meta):
        raise ValueError(f"problem {problem.id!r}: expected a Countdown problem, with meta['numbers'] and meta['target']")
    numbers, target = problem.meta["numbers"], problem.meta["target"]
    if not all(map(is_whole, (*numbers, target))):
        raise ValueError(f"problem {problem.id!r}: numbers = {numbers!r}, target = {target!r}: expected whole numbers")
    return tuple(sorted(map(int, numbers))), int(target)


def is_whole(value: object) -> bool:
    """Whether a value is a whole number, 12.0 being one: tables of numbers have no others."""
    return (isinstance(value, int) and not isinstance(value, bool)) or (isinstance(value, float) and value.is_integer())


def grade_countdown(problem: Problem, text: str, step_format: StepFormat = ABEL) -> Grade:
    """Grades a Countdown response exactly, from its text alone.

    Numbered lines are steps (in a format without numbers, lines of a step's form), `Go back to 5, 9, 12.` returns to an earlier
    state, the rest is prose. What counts is the path that leads to the answer: going back to a state before a false step, or
    before a false return, undoes it.

    Raises:
      ValueError: `problem.meta` lacks "numbers" or "target".
    """
    numbers, target = start(problem)
    # The path: each state (the numbers left), and what is wrong with the line that led to it, if anything.
    trail: list[tuple[Numbers, str]] = [(numbers, "")]
    true_equations = all_equations = 0
    end = text.rfind(step_format.mark)  # what follows the answer did not lead to it
    for line in text[: end if end >= 0 else None].splitlines():
        numbered = numbered_line(line, step_format)
        if numbered:
            true, stated = equations(line)
            true_equations, all_equations = true_equations + true, all_equations + stated
        backs = GO_BACK.findall(line)
        for back in backs:
            state, known = tuple(sorted(map(int, back.split(", ")))), [numbers for numbers, _ in trail]
            if state in known:
                del trail[known.index(state) + 1 :]  # the first of equal states: those before an error come first
            else:
                trail.append((state, f"goes back to {short(back)}, which is not on the path"))
        if numbered and not backs:
            trail.append(take_step(trail[-1][0], *numbered))

    numbers, answer = trail[-1][0], final_answer(text, step_format.mark)
    note = error = next((error for _, error in trail if error), "")
    if not error:
        if len(numbers) == 1 and numbers[0] != target:
            note = f"ends at {numbers[0]}, not {target}"
        elif answer is None:
            note = "no answer"
        elif len(numbers) > 1:
            note = f"ends with {len(numbers)} numbers left"
        elif answer != str(target):
            note = f"answers {short(answer)}, not {target}"
    return Grade(not note, answer, not error, true_equations, all_equations, note)


def numbered_line(line: str, step_format: StepFormat) -> tuple[str, str] | None:
    """The number and the text of a line that is a step; "" where steps have no numbers."""
    if not step_format.numbered:
        return ("", line) if parse_step(line) else None
    opening = re.match(step_format.start, line)
    return (opening[1], line[opening.end() :].lstrip()) if opening else None


def take_step(numbers: Numbers, number: str, text: str) -> tuple[Numbers, str]:
    """The state that a step claims to leave, and what is wrong with the step."""
    step = parse_step(text)
    if step is None:
        return numbers, f"step {short(number)} is not of the form `a + b = c (left: ...)`"
    error = step_error(numbers, step)
    return step.left, f"step {short(number)}: {error}" if error else ""
