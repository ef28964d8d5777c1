"""Game of 24's published puzzles as Countdown problems."""

from __future__ import annotations

import itertools
import operator
from collections.abc import Iterator
from fractions import Fraction

import pytest
from places import ROOT

from jorney.domain.countdown.game import LARGEST
from jorney.domain.countdown.grade import grade_countdown
from jorney.rows.game24 import RANKS, reachable
from jorney.rows.problems import read_problems

PUBLISHED = ROOT.parent / "shared" / "data" / "game24" / "24.csv"
HEADER = "Rank,Puzzles,AMT (s),Solved rate,1-sigma Mean (s),1-sigma STD (s)\n"


def test_a_row_is_a_countdown_problem(tmp_path) -> None:
    (tmp_path / "24.csv").write_text(HEADER + "1,1 1 4 6,4.4,99.20%,4.67,1.48\n2,11 1 11 1,4.41,99.60%,4.68,1.45\n")
    first, second = read_problems(str(tmp_path / "24.csv"))
    assert (first.id, first.question, first.answer) == ("countdown-1-1-4-6-24", "Make 24 from 1, 1, 4, 6.", "24")
    assert (first.verifier, first.meta) == ("countdown", {"numbers": [1, 1, 4, 6], "target": 24, "rank": 1})
    assert second.meta == {"numbers": [1, 1, 11, 11], "target": 24, "rank": 2}
    right = "1. 1 * 4 = 4 (left: 1, 4, 6)\n2. 1 * 4 = 4 (left: 4, 6)\n3. 4 * 6 = 24 (left: 24)\n#### 24"
    assert grade_countdown(first, right).correct


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("1,1 1 x 6,,,,\n", "row 0: field 'Puzzles': expected numbers"),
        ("1,24,,,,\n", "row 0: field 'Puzzles'"),
        ("first,1 1 4 6,,,,\n", "row 0: field 'Rank'"),
    ],
)
def test_another_form_is_refused_by_row_and_field(tmp_path, row: str, message: str) -> None:
    (tmp_path / "24.csv").write_text(HEADER + row)
    with pytest.raises(ValueError, match=message):
        read_problems(str(tmp_path / "24.csv"))


def solutions(numbers: tuple[Fraction, ...]) -> Iterator[tuple[Fraction, ...]]:
    """The results on the way of every way to 24, in rational numbers."""
    if len(numbers) == 1:
        if numbers[0] == 24:
            yield ()
        return
    for i, j in itertools.permutations(range(len(numbers)), 2):
        a, b = numbers[i], numbers[j]
        rest = tuple(number for k, number in enumerate(numbers) if k not in (i, j))
        for combine in (operator.add, operator.sub, operator.mul, operator.truediv):
            if combine is not operator.truediv or b:
                value = combine(a, b)
                yield from ((value, *then) for then in solutions((*rest, value)))


def within(results: tuple[Fraction, ...]) -> bool:
    return all(value.denominator == 1 and 1 <= value <= LARGEST for value in results)


@pytest.mark.parametrize(
    ("numbers", "told"),
    [
        ((4, 5, 6, 10), True),
        ((1, 4, 5, 6), False),  # 4 / (1 - 5 / 6)
        ((3, 3, 8, 8), False),  # 8 / (3 - 8 / 3)
        ((1, 3, 4, 6), False),  # 6 / (1 - 3 / 4)
    ],
)
def test_what_countdown_steps_can_say(numbers: tuple[int, ...], told: bool) -> None:
    found = list(solutions(tuple(map(Fraction, numbers))))
    assert found
    assert any(map(within, found)) is told
    assert reachable(numbers) is told


def test_the_papers_hundred_puzzles() -> None:
    if not PUBLISHED.exists():
        pytest.skip("the shared data folder is not beside the project")
    problems = read_problems(str(PUBLISHED))
    hundred = [problem for problem in problems if problem.meta["rank"] in RANKS]
    assert (len(problems), len(hundred)) == (1362, 100)
    assert max(max(problem.meta["numbers"]) for problem in problems) == 13
    # All of the hundred are within reach; of all puzzles 28 are not, by the exact set of solutions of each.
    assert all(reachable(problem.meta["numbers"]) for problem in hundred)
    beyond = [tuple(problem.meta["numbers"]) for problem in problems if not reachable(problem.meta["numbers"])]
    assert len(beyond) == 28
    assert not any(within(results) for numbers in beyond[:4] for results in solutions(tuple(map(Fraction, numbers))))
