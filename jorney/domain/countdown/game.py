"""Countdown: reach a target from a few numbers with + - * /, each number used exactly once.

The task on which everything in Jorney can be tried on a laptop: search is known to matter for it (Stream of Search,
arXiv 2404.03683; Game of 24, arXiv 2305.10601), and every step can be verified exactly. A step is one numbered line that
leaves the remaining numbers written, the form that DeepSeekMath's solutions have::

    1. 3 * 4 = 12 (left: 5, 9, 12)
    2. 5 - 3 = ...
    #### 24
"""

from __future__ import annotations

import dataclasses
import functools
import random
import re

Numbers = tuple[int, ...]  # a multiset of numbers, ascending

LARGEST = 99  # results beyond it are not legal moves: they rarely lead anywhere and are costly to learn


@dataclasses.dataclass(frozen=True)
class Step:
    """One step: `a op b = result`, and the numbers left after it (ascending)."""

    a: int
    op: str
    b: int
    result: int
    left: Numbers

    def __str__(self) -> str:
        return f"{self.a} {self.op} {self.b} = {self.result} (left: {', '.join(map(str, self.left))})"


_LONGEST = 500  # characters of a step; a model that repeats itself writes numbers too long for int()
_STEP = re.compile(r"(\d+) ([-+*/]) (\d+) = (\d+) \(left: (\d+(?:, \d+)*)\)")


def parse_step(text: str) -> Step | None:
    """The step a line's text states (without its number), or None when it is not of a step's form. Checks nothing else."""
    match = _STEP.fullmatch(text.strip()) if len(text) <= _LONGEST else None
    if match is None:
        return None
    a, op, b, result, left = match.groups()
    return Step(int(a), op, int(b), int(result), tuple(sorted(map(int, left.split(", ")))))


def apply(a: int, op: str, b: int) -> int | None:
    """a op b where that is a whole number from 1 up, else None."""
    if op == "+":
        value = a + b
    elif op == "-":
        value = a - b
    elif op == "*":
        value = a * b
    else:
        if b == 0 or a % b:
            return None
        value = a // b
    return value if value >= 1 else None


def step_error(numbers: Numbers, step: Step) -> str | None:
    """What is wrong with a step taken at `numbers`, in words that say only what can be seen; None when it is legal and true."""
    left = list(numbers)
    for value in (step.a, step.b):
        if value not in left:
            return f"{value} is not among {', '.join(map(str, left)) or 'no numbers'}"
        left.remove(value)
    result = apply(step.a, step.op, step.b)
    if result is None or result != step.result:
        return f"{step.a} {step.op} {step.b} is {'no whole number above 0' if result is None else result}, not {step.result}"
    expected = tuple(sorted((*left, result)))
    if expected != step.left:
        return f"what is left is {', '.join(map(str, expected))}"
    return None


@functools.lru_cache(maxsize=200_000)
def moves(numbers: Numbers) -> tuple[Step, ...]:
    """Every legal step from `numbers`, each once: the smaller number first in + and *, the larger first in - and /."""
    found: dict[tuple[int, str, int], Step] = {}
    for i, small in enumerate(numbers):
        for j in range(i + 1, len(numbers)):
            large = numbers[j]
            rest = numbers[:i] + numbers[i + 1 : j] + numbers[j + 1 :]
            for a, op, b in ((small, "+", large), (large, "-", small), (small, "*", large), (large, "/", small)):
                value = apply(a, op, b)
                if value is not None and value <= LARGEST and (a, op, b) not in found:
                    found[a, op, b] = Step(a, op, b, value, tuple(sorted((*rest, value))))
    return tuple(found.values())


@functools.lru_cache(maxsize=500_000)
def paths_to(numbers: Numbers) -> dict[int, int]:
    """{value: how many different step sequences end with this one value left}."""
    if len(numbers) == 1:
        return {numbers[0]: 1}
    total: dict[int, int] = {}
    for step in moves(numbers):
        for value, count in paths_to(step.left).items():
            total[value] = total.get(value, 0) + count
    return total


def sample_solution(numbers: Numbers, target: int, rng: random.Random) -> tuple[Step, ...]:
    """A sequence of steps from `numbers` to `target`, uniform over all that exist. Raises ValueError when there is none."""
    steps: list[Step] = []
    while len(numbers) > 1:
        options = [(step, paths_to(step.left).get(target, 0)) for step in moves(numbers)]
        weights = [weight for _, weight in options]
        if not sum(weights):
            raise ValueError(f"no steps lead from {numbers} to {target}")
        step = rng.choices([step for step, _ in options], weights)[0]
        steps.append(step)
        numbers = step.left
    return tuple(steps)


def widest_solution(numbers: Numbers, target: int, rng: random.Random) -> tuple[Step, ...]:
    """A sequence of steps from `numbers` to `target`, each the one after which most sequences still lead there; ties by `rng`.

    What a good solver would do, and a clearer lesson than a solution drawn from all.

    Raises:
      ValueError: there is none.
    """
    steps: list[Step] = []
    while len(numbers) > 1:
        ways, _, step = max(((paths_to(step.left).get(target, 0), rng.random(), step) for step in moves(numbers)), key=_ways)
        if not ways:
            raise ValueError(f"no steps lead from {numbers} to {target}")
        steps.append(step)
        numbers = step.left
    return tuple(steps)


def _ways(option: tuple[int, float, Step]) -> tuple[int, float]:
    return option[:2]


def write_solution(steps: tuple[Step, ...]) -> str:
    """The solution's text: numbered steps, then the value reached after `####`."""
    lines = [f"{k}. {step}" for k, step in enumerate(steps, start=1)]
    return "\n".join([*lines, f"#### {steps[-1].result}"])
