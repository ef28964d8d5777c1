"""The exact judge of Countdown steps.

Its verdict is whether the target can still be reached; its justification says only what can be seen where it is given: a step
that is false, an end that is not the target, or what two numbers give. Why an earlier step is wrong cannot be seen, so of that
nothing is said: a model that learns from justifications could not have known it.
"""

from __future__ import annotations

from collections.abc import Sequence

from jorney.domain.answers import final_answer
from jorney.domain.countdown.game import Numbers, moves, parse_step, paths_to, step_error
from jorney.domain.countdown.grade import start
from jorney.domain.domain import Rating
from jorney.domain.problem import Problem


def rate(problem: Problem, steps: Sequence[str]) -> Rating:
    """Rates the last of a path's steps, each given without its opening ("2. "), the answer's line included.

    Raises:
      ValueError: `problem` is no Countdown problem.
    """
    numbers, target = start(problem)
    error = ""
    for text in steps:
        step = parse_step(text.partition("\n")[0])
        error = error or (step_error(numbers, step) or "" if step else "this is no step")
        numbers = step.left if step else numbers
    answer = final_answer(steps[-1]) if steps else None
    if error:
        return Rating(False, error, 0.0)
    if answer is not None and (len(numbers) > 1 or answer != str(numbers[0])):
        return Rating(False, f"{answer} is not what is left" if len(numbers) == 1 else f"{len(numbers)} numbers are left", 0.0)
    reachable = paths_to(numbers)
    return Rating(target in reachable, _seen(numbers, target), float(target in reachable))


def state(problem: Problem, steps: Sequence[str]) -> str:
    """What stands after a path's steps, as one would write it: the numbers left. "" where that is not known."""
    step = parse_step(steps[-1].partition("\n")[0]) if steps else None
    numbers = problem.meta["numbers"] if not steps else step.left if step else ()
    return ", ".join(map(str, numbers))


def _seen(numbers: Numbers, target: int) -> str:
    """What anyone can see at a state of one or two numbers."""
    if len(numbers) == 1:
        return f"{numbers[0]} is {target}" if numbers[0] == target else f"{numbers[0]} is not {target}"
    if len(numbers) == 2:
        values = sorted({step.result for step in moves(numbers)})
        return f"{numbers[0]} and {numbers[1]} give {', '.join(map(str, values))}"
    return ""
