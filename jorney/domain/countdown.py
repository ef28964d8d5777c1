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
import hashlib
import random
import re
from collections.abc import Iterator

from jorney.domain.problem import Problem

Numbers = tuple[int, ...]  # a multiset of numbers, ascending

# Shares of all multisets. A multiset belongs to one set whatever the seed, so that no run's test problems were ever
# another run's training problems, nor the embedded base model's. Every run reports on "test", so that what is chosen by looking
# at reports has seen it; "final" is for an experiment's one look (set apart from "trees", on which no policy is measured).
SPLITS = {"train": 0.60, "trees": 0.09, "final": 0.06, "tuning": 0.10, "test": 0.15}
SOLUTIONS = ("widest", "uniform")
LARGEST = 99  # results beyond it are not legal moves: they rarely lead anywhere and are costly to learn


@dataclasses.dataclass(frozen=True)
class Countdown:
    """Which Countdown problems are drawn.

    Attributes:
      count: how many numbers a problem has.
      largest_number: numbers are drawn from 1 to this one.
      smallest_target, largest_target: targets lie between these, both included.
      solutions: which solution a problem has: "widest" (`widest_solution`) or "uniform" (`sample_solution`).
    """

    count: int = 4
    largest_number: int = 13
    smallest_target: int = 1
    largest_target: int = 20
    solutions: str = "widest"

    def __post_init__(self) -> None:
        if not 2 <= self.count <= 6:
            raise ValueError(f"countdown.count = {self.count}: expected 2 to 6 numbers")
        if self.solutions not in SOLUTIONS:
            raise ValueError(f"countdown.solutions = {self.solutions!r}: expected one of {', '.join(SOLUTIONS)}")
        if not 2 <= self.largest_number <= LARGEST:
            raise ValueError(f"countdown.largest_number = {self.largest_number}: expected 2 to {LARGEST}")
        if not 1 <= self.smallest_target <= self.largest_target <= LARGEST:
            raise ValueError(
                f"countdown.smallest_target = {self.smallest_target}, countdown.largest_target = {self.largest_target}: "
                f"expected 1 <= smallest <= largest <= {LARGEST}"
            )


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


def split_of(numbers: Numbers) -> str:
    """The set that a multiset of numbers belongs to, by hash: the same for every seed and every configuration."""
    digest = hashlib.blake2b(",".join(map(str, sorted(numbers))).encode(), digest_size=8).digest()
    position = int.from_bytes(digest, "big") / 2**64
    for name, share in SPLITS.items():
        position -= share
        if position < 0:
            return name
    return name


def question(numbers: Numbers, target: int) -> str:
    """The question's text."""
    return f"Make {target} from {', '.join(map(str, numbers))}."


def sample_problems(task: Countdown, split: str, count: int, seed: int) -> list[Problem]:
    """`count` different problems of one set, each with a solution.

    A target is where a path drawn uniformly from all paths ends, so that every problem has a solution.

    Args:
      split: one of SPLITS.
      seed: another seed draws other problems, always from the same set of multisets.

    Raises:
      ValueError: `split` is unknown, or the set does not hold `count` problems.
    """
    if split not in SPLITS:
        raise ValueError(f"split = {split!r}: expected one of {', '.join(SPLITS)}")
    rng = random.Random(f"{task}/{split}/{seed}")
    problems: dict[tuple[Numbers, int], Problem] = {}
    misses = 0
    while len(problems) < count:
        numbers = tuple(sorted(rng.randint(1, task.largest_number) for _ in range(task.count)))
        targets = []
        if split_of(numbers) == split:
            targets = [t for t in sorted(paths_to(numbers)) if task.smallest_target <= t <= task.largest_target]
        target = rng.choices(targets, [paths_to(numbers)[t] for t in targets])[0] if targets else None
        if target is None or (numbers, target) in problems:
            misses += 1
            if misses > 1000 * (count + 100):
                raise ValueError(
                    f"only {len(problems)} of {count} problems of the set {split!r} were found: ask for fewer, or allow larger "
                    f"numbers or targets than {task}"
                )
            continue
        solve = widest_solution if task.solutions == "widest" else sample_solution
        solution = write_solution(solve(numbers, target, rng))
        problems[numbers, target] = make_problem(numbers, target, solution)
    return list(problems.values())


def make_problem(numbers: Numbers, target: int, solution: str | None = None) -> Problem:
    """The `Problem` of these numbers and this target."""
    numbers = tuple(sorted(numbers))
    return Problem(
        id=f"countdown-{'-'.join(map(str, numbers))}-{target}",
        question=question(numbers, target),
        answer=str(target),
        solution=solution,
        verifier="countdown",
        meta={"numbers": list(numbers), "target": target},
    )


def aimless_question(numbers: Numbers, mark: int | None = None) -> str:
    """What the embedded base model's walks begin with: a question that names no target, a number to look out for at most."""
    listed = ", ".join(map(str, numbers))
    return f"Explore {listed}." if mark is None else f"Mark {mark}. Explore {listed}."


def wander(numbers: Numbers, rng: random.Random, mark: int | None = None) -> Iterator[str]:
    """Endless lines of an aimless walk, for the embedded base model.

    They are legal steps, what two numbers give, and going back to an earlier state, from where a step that was not tried there
    before is taken while there is one. Where a walk looks out for a number, it compares with it what it comes to, as any
    language model can; where it goes does not depend on that number, and no line ends it. Four numbers or more that belong to
    other sets than "train" are avoided.

    Raises:
      ValueError: there is no such step from `numbers`.
    """
    trail = [numbers]
    tried: dict[Numbers, set[Step]] = {}
    while True:
        state = trail[-1]
        options = [step for step in moves(state) if len(step.left) < 4 or split_of(step.left) == "train"]
        if len(trail) == 1 and not options:
            raise ValueError(f"no step leads from {numbers} but to numbers of other sets than 'train'")
        fresh = [step for step in options if step not in tried.get(state, ())]
        if len(trail) == 1 and not fresh:
            tried, fresh = {}, options
        if len(state) == 2 and rng.random() < 0.25:
            values = sorted({step.result for step in options})
            yield f"Here {state[0]} and {state[1]} give {', '.join(map(str, values))}."
            if mark is not None:
                yield f"So {mark} is there." if mark in values else f"But {mark} is not there."
        if len(state) == 1 and mark is not None:
            yield f"So {state[0]} is {mark}." if state[0] == mark else f"But {state[0]} is not {mark}."
        if len(trail) > 1 and (not fresh or rng.random() < 0.12):
            trail = trail[: rng.randrange(1, len(trail))]
            yield f"Go back to {', '.join(map(str, trail[-1]))}."
        else:
            step = rng.choice(fresh)
            tried.setdefault(state, set()).add(step)
            trail.append(step.left)
            yield f"{len(trail) - 1}. {step}"
