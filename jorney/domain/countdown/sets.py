"""Countdown problems and the sets that they belong to: drawn, never read from a file."""

from __future__ import annotations

import dataclasses
import hashlib
import random

from jorney.config import expect_number
from jorney.domain.countdown.game import LARGEST, Numbers, paths_to, sample_solution, widest_solution, write_solution
from jorney.domain.problem import Problem

NAME = "countdown"

# Shares of all multisets. A multiset belongs to one set whatever the seed, so that no run's test problems were ever
# another run's training problems, nor the embedded base model's. Every run reports on "test", so that what is chosen by looking
# at reports has seen it; "final" is for an experiment's one look (set apart from "trees", on which no policy is measured).
SPLITS = {"train": 0.60, "trees": 0.09, "final": 0.06, "tuning": 0.10, "test": 0.15}
SOLUTIONS = ("widest", "uniform")


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
        expect_number(self, "countdown", "count", least=2, most=6)
        expect_number(self, "countdown", "largest_number", least=2, most=LARGEST)
        expect_number(self, "countdown", "smallest_target", "largest_target", least=1, most=LARGEST)
        if self.solutions not in SOLUTIONS:
            raise ValueError(f"countdown.solutions = {self.solutions!r}: expected one of {', '.join(SOLUTIONS)}")
        if self.smallest_target > self.largest_target:
            raise ValueError(
                f"countdown.smallest_target = {self.smallest_target}, countdown.largest_target = {self.largest_target}: "
                f"expected 1 <= smallest <= largest <= {LARGEST}"
            )


def split_of(numbers: Numbers) -> str:
    """The set that a multiset of numbers belongs to, by hash: the same for every seed and every configuration."""
    digest = hashlib.blake2b(",".join(map(str, sorted(numbers))).encode(), digest_size=8).digest()
    position = int.from_bytes(digest, "big") / 2**64
    for name, share in SPLITS.items():
        position -= share
        if position < 0:
            return name
    return name


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
        problems[numbers, target] = make_problem(numbers, target, write_solution(solve(numbers, target, rng)))
    return list(problems.values())


def make_problem(numbers: Numbers, target: int, solution: str | None = None) -> Problem:
    """The `Problem` of these numbers and this target."""
    numbers = tuple(sorted(numbers))
    return Problem(
        id=f"countdown-{'-'.join(map(str, numbers))}-{target}",
        question=f"Make {target} from {', '.join(map(str, numbers))}.",
        answer=str(target),
        solution=solution,
        verifier="countdown",
        meta={"numbers": list(numbers), "target": target},
    )
