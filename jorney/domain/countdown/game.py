"""Countdown: reach a target from a few numbers with + - * /, each number used exactly once.

The task on which everything in Jorney can be tried on a laptop: search is known to matter for it (Stream of Search,
arXiv 2404.03683; Game of 24, arXiv 2305.10601), and every step can be verified exactly. A step is one numbered line that
leaves the remaining numbers written, the form that DeepSeekMath's solutions have::

    1. 3 * 4 = 12 (left: 5, 9, 12)
    2. 5 - 3 = ...
    #### 24
"""

from __future__ import annotations

import collections
import dataclasses
import functools
import itertools
import operator
import random
import re
from collections.abc import Callable, Sequence

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


_OPERATIONS: dict[str, Callable[[int, int], int]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": lambda a, b: a // b if b and a % b == 0 else 0,
}


def apply(a: int, op: str, b: int) -> int | None:
    """a op b where that is a whole number from 1 up, else None."""
    value = _OPERATIONS[op](a, b)
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
    for (i, small), (j, large) in itertools.combinations(enumerate(numbers), 2):
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
    total: collections.Counter[int] = collections.Counter()
    for step in moves(numbers):
        total.update(paths_to(step.left))
    return dict(total)


def sample_solution(numbers: Numbers, target: int, rng: random.Random) -> tuple[Step, ...]:
    """A sequence of steps from `numbers` to `target`, uniform over all that exist. Raises ValueError when there is none."""
    return _solution(numbers, target, lambda steps, ways: rng.choices(steps, ways)[0])


def widest_solution(numbers: Numbers, target: int, rng: random.Random) -> tuple[Step, ...]:
    """A sequence of steps from `numbers` to `target`, each the one after which most sequences still lead there; ties by `rng`.

    What a good solver would do, and a clearer lesson than a solution drawn from all.

    Raises:
      ValueError: there is none.
    """

    def choose(steps: Sequence[Step], ways: Sequence[int]) -> Step:
        return max(zip(ways, steps, strict=True), key=lambda option: (option[0], rng.random()))[1]

    return _solution(numbers, target, choose)


def _solution(numbers: Numbers, target: int, choose: Callable[[Sequence[Step], Sequence[int]], Step]) -> tuple[Step, ...]:
    """The steps that `choose` takes, given those that there are and how many sequences lead from each to the target."""
    steps: list[Step] = []
    while len(numbers) > 1:
        options = moves(numbers)
        ways = [paths_to(step.left).get(target, 0) for step in options]
        if not any(ways):
            raise ValueError(f"no steps lead from {numbers} to {target}")
        steps.append(choose(options, ways))
        numbers = steps[-1].left
    return tuple(steps)


def write_solution(steps: tuple[Step, ...]) -> str:
    """The solution's text: numbered steps, then the value reached after `####`."""
    lines = [f"{k}. {step}" for k, step in enumerate(steps, start=1)]
    return "\n".join([*lines, f"#### {steps[-1].result}"])
