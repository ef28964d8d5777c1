"""Countdown: exact rules, solutions that are uniform, splits that no seed can mix, walks that know no target."""

from __future__ import annotations

import collections
import dataclasses
import itertools
import random
import re
from fractions import Fraction

import pytest
import walks
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from jorney.domain import domains
from jorney.domain.countdown import game, sets
from jorney.domain.countdown.game import Numbers, Step
from jorney.domain.countdown.grade import grade_countdown
from jorney.domain.countdown.sets import Countdown
from jorney.domain.problem import Problem

NUMBERS = st.lists(st.integers(1, 25), min_size=2, max_size=5).map(lambda values: tuple(sorted(values)))
SEEDS = st.integers(0, 2**32)  # a generator that hypothesis makes ignores weights


def exact(a: int, op: str, b: int) -> Fraction | None:
    """a op b without any rule of the game."""
    if op == "/":
        return Fraction(a, b) if b else None
    return Fraction({"+": a + b, "-": a - b, "*": a * b}[op])


def without(numbers: Numbers, *gone: int) -> list[int] | None:
    left = collections.Counter(numbers)
    left.subtract(gone)
    return None if min(left.values()) < 0 else list(left.elements())


def all_solutions(numbers: Numbers, target: int) -> list[tuple[Step, ...]]:
    if len(numbers) == 1:
        return [()] if numbers[0] == target else []
    return [(step, *rest) for step in game.moves(numbers) for rest in all_solutions(step.left, target)]


def check_solution(numbers: Numbers, target: int, steps: tuple[Step, ...]) -> None:
    for step in steps:
        assert game.step_error(numbers, step) is None
        numbers = step.left
    assert numbers == (target,)


@settings(max_examples=100)
@given(st.integers(0, 120), st.sampled_from("+-*/"), st.integers(0, 120))
def test_apply_is_exact(a, op, b):
    value = exact(a, op, b)
    legal = value is not None and value.denominator == 1 and value >= 1
    assert game.apply(a, op, b) == (int(value) if legal else None)


@settings(max_examples=60)
@given(NUMBERS)
def test_moves_are_all_legal_steps_each_once(numbers):
    expected = set()
    for (i, a), (j, b) in itertools.permutations(enumerate(numbers), 2):
        for op in "+-*/":
            value = exact(a, op, b)
            if value.denominator == 1 and 1 <= value <= game.LARGEST and not (op in "+*" and a > b):
                rest = [number for k, number in enumerate(numbers) if k not in (i, j)]
                expected.add(Step(a, op, b, int(value), tuple(sorted([*rest, int(value)]))))
    found = game.moves(numbers)
    assert len(found) == len(set(found))
    assert set(found) == expected
    assert all(game.step_error(numbers, step) is None for step in found)


@settings(max_examples=100)
@given(NUMBERS, st.data())
def test_step_error_finds_every_false_step(numbers, data):
    step = data.draw(st.sampled_from(game.moves(numbers)))
    field = data.draw(st.sampled_from(["a", "op", "b", "result", "left"]))
    other = {"op": st.sampled_from("+-*/"), "left": NUMBERS}.get(field, st.integers(0, 30))
    changed = dataclasses.replace(step, **{field: data.draw(other)})
    rest = without(numbers, changed.a, changed.b)
    value = exact(changed.a, changed.op, changed.b)
    true = rest is not None and value == changed.result >= 1 and changed.left == tuple(sorted([*rest, changed.result]))
    assert (game.step_error(numbers, changed) is None) == true


@pytest.mark.parametrize(
    ("step", "error"),
    [
        (Step(4, "+", 9, 13, (5, 13)), "4 is not among 3, 5, 9"),
        (Step(3, "*", 3, 9, (5, 9)), "3 is not among 5, 9"),
        (Step(3, "*", 5, 16, (9, 16)), "3 * 5 is 15, not 16"),
        (Step(3, "-", 5, 2, (2, 9)), "3 - 5 is no whole number above 0, not 2"),
        (Step(9, "/", 5, 2, (2, 3)), "9 / 5 is no whole number above 0, not 2"),
        (Step(9, "/", 3, 3, (3, 9)), "what is left is 3, 5"),
        (Step(9, "/", 3, 3, (3, 5)), None),
    ],
)
def test_step_error_says_what_is_wrong(step, error):
    assert game.step_error((3, 5, 9), step) == error


@settings(max_examples=60)
@given(NUMBERS)
def test_a_step_reads_back_from_its_text(numbers):
    for step in game.moves(numbers):
        assert game.parse_step(f" {step} ") == step


@pytest.mark.parametrize(
    "text",
    ["", "3 * 4 = 12", "3 x 4 = 12 (left: 12)", "3 * 4 = 12 (left: )", "3 * 4 = 12 (left: 12).", "1. 3 * 4 = 12 (left: 12)",
     "-3 * 4 = 12 (left: 12)", "3 * 4 = 12.0 (left: 12)", "3 * 4 = 12 (left: 12,5)"],
)  # fmt: skip
def test_other_texts_are_no_steps(text):
    assert game.parse_step(text) is None


def test_parse_step_sorts_what_is_left_and_checks_nothing():
    assert game.parse_step("3 * 4 = 99 (left: 99, 5)") == Step(3, "*", 4, 99, (5, 99))


def test_solutions_are_uniform_over_all_that_exist():
    numbers, target = (2, 3, 4, 6), 10
    solutions = all_solutions(numbers, target)
    assert len(solutions) == len(set(solutions)) == game.paths_to(numbers)[target] == 22
    rng = random.Random(0)
    drawn = collections.Counter(game.sample_solution(numbers, target, rng) for _ in range(4000))
    assert set(drawn) == set(solutions)
    # Weighing the first step's options equally, say, gives p < 1e-100.
    assert stats.chisquare(list(drawn.values())).pvalue > 0.01


@settings(max_examples=50)
@given(NUMBERS.filter(lambda numbers: len(numbers) < 5), SEEDS)
def test_sampled_solutions_are_legal(numbers, seed):
    rng = random.Random(seed)
    paths = game.paths_to(numbers)
    target = rng.choice(sorted(paths))
    check_solution(numbers, target, game.sample_solution(numbers, target, rng))
    unreachable = next(value for value in itertools.count(1) if value not in paths)
    with pytest.raises(ValueError, match=f"no steps lead from .* to {unreachable}"):
        game.sample_solution(numbers, unreachable, rng)


@given(NUMBERS, SEEDS)
@settings(max_examples=30, deadline=None)
def test_the_widest_solution_keeps_most_ways_open(numbers: Numbers, seed: int) -> None:
    rng = random.Random(seed)
    target = rng.choice(sorted(game.paths_to(numbers)))
    steps = game.widest_solution(numbers, target, rng)
    check_solution(numbers, target, steps)
    for step in steps:
        ways = [game.paths_to(other.left).get(target, 0) for other in game.moves(numbers)]
        assert game.paths_to(step.left)[target] == max(ways)
        numbers = step.left


def test_no_widest_solution_where_there_is_none() -> None:
    with pytest.raises(ValueError, match="no steps lead from"):
        game.widest_solution((1, 1), 50, random.Random(0))


def test_a_solution_as_text():
    steps = (Step(9, "-", 5, 4, (3, 4, 4)), Step(4, "+", 4, 8, (3, 8)), Step(3, "*", 8, 24, (24,)))
    text = "1. 9 - 5 = 4 (left: 3, 4, 4)\n2. 4 + 4 = 8 (left: 3, 8)\n3. 3 * 8 = 24 (left: 24)\n#### 24"
    assert game.write_solution(steps) == text


def numbers_of(problem) -> Numbers:
    return tuple(problem.meta["numbers"])


def test_problems_are_a_function_of_the_seed():
    task = Countdown()
    first, again, other = (sets.sample_problems(task, "train", 100, seed) for seed in (7, 7, 8))
    assert first == again
    assert len({problem.id for problem in first}) == 100
    assert len({problem.id for problem in first} & {problem.id for problem in other}) < 10
    # More problems of the same seed begin with the fewer.
    assert sets.sample_problems(task, "train", 30, 7) == first[:30]


def test_problems_are_solved_by_their_solutions():
    task = Countdown(count=4, largest_number=12, smallest_target=20, largest_target=30)
    for problem in sets.sample_problems(task, "tuning", 50, 0):
        numbers, target = numbers_of(problem), problem.meta["target"]
        assert len(numbers) == 4
        assert 1 <= min(numbers) <= max(numbers) <= 12
        assert 20 <= target <= 30
        assert problem.answer == str(target)
        assert problem.question == f"Make {target} from {', '.join(map(str, numbers))}."
        *lines, last = problem.solution.splitlines()
        steps = [game.parse_step(line.removeprefix(f"{k}. ")) for k, line in enumerate(lines, start=1)]
        check_solution(numbers, target, tuple(steps))
        assert last == f"#### {target}"


@settings(max_examples=15)
@given(st.lists(SEEDS, min_size=2, max_size=3, unique=True), st.sampled_from([(3, 20), (4, 20), (4, 9)]))
def test_no_two_sets_share_a_multiset_whatever_the_seeds(seeds, shape):
    task = Countdown(count=shape[0], largest_number=shape[1])
    drawn = {
        split: {numbers_of(problem) for seed in seeds for problem in sets.sample_problems(task, split, 20, seed)}
        for split in sets.SPLITS
    }
    for a, b in itertools.combinations(sets.SPLITS, 2):
        assert not drawn[a] & drawn[b]


def test_splits_never_change():
    # The embedded model was trained on "train": other answers here would put its training data into the test set.
    known = {
        (1, 2, 3, 4): "train",
        (2, 5, 7, 11): "train",
        (3, 4, 5, 9): "trees",
        (1, 1, 1, 1): "tuning",
        (3, 8, 8, 9): "test",
        (1, 1, 1, 4): "test",
        (4, 6): "final",
    }
    assert {numbers: sets.split_of(numbers) for numbers in known} == known
    assert sets.split_of((9, 5, 3, 4)) == sets.split_of((3, 4, 5, 9))


def test_splits_have_their_shares():
    every = list(itertools.combinations_with_replacement(range(1, 21), 4))
    found = collections.Counter(map(sets.split_of, every))
    assert sum(sets.SPLITS.values()) == pytest.approx(1)
    for split, share in sets.SPLITS.items():
        assert found[split] / len(every) == pytest.approx(share, abs=0.015)


def test_asking_for_more_problems_than_there_are():
    task = Countdown(count=2, largest_number=2)
    with pytest.raises(ValueError, match=r"only \d of 10 problems of the set 'train'"):
        sets.sample_problems(task, "train", 10, 0)


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"count": 1}, "countdown.count = 1"),
        ({"count": 7}, "countdown.count = 7"),
        ({"largest_number": 1}, "countdown.largest_number = 1"),
        ({"solutions": "short"}, "countdown.solutions = 'short'"),
        ({"largest_number": 100}, "countdown.largest_number = 100"),
        ({"smallest_target": 0}, "countdown.smallest_target = 0"),
        ({"smallest_target": 51}, "countdown.smallest_target = 51"),
        ({"largest_target": 100}, "countdown.largest_target = 100"),
    ],
)
def test_what_is_out_of_range_is_named(fields, named):
    with pytest.raises(ValueError, match=f"{re.escape(named)}.*expected"):
        Countdown(**fields)


def test_an_unknown_split_is_named():
    with pytest.raises(ValueError, match=r"split = 'valid': expected one of train, trees, final, tuning, test"):
        sets.sample_problems(Countdown(), "valid", 1, 0)


def _may_be_walked(step) -> bool:
    return len(step.left) < 4 or sets.split_of(step.left) == "train"


@settings(max_examples=60)
@given(st.lists(st.integers(1, 25), min_size=2, max_size=6), SEEDS, st.none() | st.integers(1, 99))
def test_walks_are_legal_and_go_back_only_to_where_they_were(values, seed, mark):
    start, rng = tuple(sorted(values)), random.Random(seed)
    trail, tried = [start], {}
    walk = itertools.islice(walks.wander(start, rng, mark), 40)
    if not any(map(_may_be_walked, game.moves(start))):
        with pytest.raises(ValueError, match="no step leads from"):
            next(walk)
        return
    for line in walk:
        if back := re.fullmatch(r"Go back to ([\d, ]+)\.", line):
            state = tuple(map(int, back[1].split(", ")))
            assert state in trail[:-1]
            del trail[trail.index(state) + 1 :]
        elif here := re.fullmatch(r"Here (\d+) and (\d+) give ([\d, ]+)\.", line):
            assert (int(here[1]), int(here[2])) == trail[-1]
            given_here = [int(value) for value in here[3].split(", ")]
            assert given_here == sorted({step.result for step in game.moves(trail[-1])})
        elif line.startswith(("So ", "But ")):
            assert mark is not None
            if line.endswith("there."):
                assert line == (f"So {mark} is there." if mark in given_here else f"But {mark} is not there.")
            else:
                (end,) = trail[-1]
                assert line == (f"So {end} is {mark}." if end == mark else f"But {end} is not {mark}.")
        else:  # anything else, an answer or a target among it, is no numbered step
            number, text = line.split(". ", 1)
            step = game.parse_step(text)
            assert int(number) == len(trail)
            options = [one for one in game.moves(trail[-1]) if len(one.left) < 4 or sets.split_of(one.left) == "train"]
            assert step in options
            if trail == [start] and tried.get(start) == set(options):
                tried = {}  # all over again
            # Nothing is tried twice at a state while something else is left there.
            assert step not in tried.get(trail[-1], ())
            tried.setdefault(trail[-1], set()).add(step)
            trail.append(step.left)


def test_a_walk_that_cannot_begin_raises():
    # All it could do is 24, 144 or 1 beside three times 12: two of other sets, one beyond the largest number.
    with pytest.raises(ValueError, match=r"no step leads from \(12, 12, 12, 12, 12\)"):
        next(walks.wander((12,) * 5, random.Random(0)))


@settings(max_examples=30)
@given(st.lists(st.integers(1, 25), min_size=2, max_size=5), SEEDS, st.integers(1, 99))
def test_where_a_walk_goes_does_not_depend_on_what_it_looks_out_for(values, seed, mark):
    start = tuple(sorted(values))
    if not any(map(_may_be_walked, game.moves(start))):
        return
    marked = itertools.islice(walks.wander(start, random.Random(seed), mark), 40)
    told = [line for line in marked if not line.startswith(("So ", "But "))]
    assert told == list(itertools.islice(walks.wander(start, random.Random(seed)), len(told)))


def test_a_target_is_a_whole_number() -> None:
    """12.0, as a table of numbers has it, is 12; 12.5 and a text are refused by name, and never silently wrong."""
    text = "1. 3 * 4 = 12 (left: 12)\n#### 12"
    problem = Problem("p", "Make 12 from 3, 4.", "12", verifier="countdown", meta={"numbers": [3, 4], "target": 12.0})
    assert grade_countdown(problem, text).correct
    for meta in ({"numbers": [3, 4], "target": 12.5}, {"numbers": [3, 4], "target": "12"}, {"numbers": [3.5, 4], "target": 12}):
        with pytest.raises(ValueError, match="problem 'p': numbers = .*: expected whole numbers"):
            grade_countdown(dataclasses.replace(problem, meta=meta), text)
        with pytest.raises(ValueError, match="file: line 3: field 'meta': expected whole numbers"):
            domains.named("countdown", "").check(meta, "file: line 3")
