"""What a model writes cannot stall a run: towers of powers and huge factorials as answers, and endless repetitions.

The model is random; its tokenizer reads its ids as whole solutions, so that everything but what is written is real.
"""

from __future__ import annotations

import dataclasses
import functools
import time
from collections.abc import Iterator, Sequence

import pytest
from letters import Letters, letters_policy

from jorney.domain import domains, worker
from jorney.domain.answers import final_answer
from jorney.domain.countdown import verify
from jorney.domain.countdown.grade import grade_countdown
from jorney.domain.countdown.sets import make_problem
from jorney.domain.domain import Domain, Rating
from jorney.domain.grading import Grader
from jorney.domain.problem import Problem
from jorney.engine.generate import Generator
from jorney.judge import rollouts
from jorney.judge.rollouts import RolloutConfig
from jorney.policy import Policy
from jorney.solve import best_of_n
from jorney.solve import evaluate as benchmarks
from jorney.solve.evaluate import EvaluateConfig
from jorney.solve.search import SearchConfig
from jorney.solve.solver import Sampler
from jorney.text.step_format import ABEL
from jorney.tree import expand
from jorney.tree.expand import ExpandConfig

BOMBS = (
    "9^{9^{9^9}}",
    "9^9^9^9",
    "9**9**9**9",
    r"\left(10^{10^{10}}\right)!",
    "(10^{9})!",
    r"\frac{7^{7^{7^{7^{7}}}}}{3}",
    r"\sum_{k=1}^{10^{12}} k^k",
    r"\boxed{2^{2^{2^{2^{2^{2}}}}}}",
)
SECONDS = 1.0  # a grading may take
PROBLEMS = [Problem(f"p{index}", "ab"[index:], "2") for index in range(2)]
PLAIN = dataclasses.replace(ABEL, prompt="{question}")


class Towers(Letters):
    """Ids of two and more are a solution whose answer is a bomb, told by the last."""

    def encode_after(self, text: str) -> list[int]:
        return [5]

    def decode(self, ids: Sequence[int]) -> str:
        return f"so\n2. thus\n#### {BOMBS[ids[-1] % len(BOMBS)]}" if len(ids) > 1 else "so"

    def decode_each(self, ids: Sequence[int]) -> list[str]:
        return ["so\n" for _ in ids]

    def __len__(self) -> int:
        return 72


@pytest.fixture(scope="module")
def towers(tiny, mesh1) -> Policy:

    return dataclasses.replace(letters_policy(tiny, mesh1), tokenizer=Towers())  # type: ignore[arg-type]


@pytest.fixture(autouse=True)
def graders(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Grader]]:
    """A grading may take a second, wherever graders are made; each is timed."""
    made: list[Grader] = []
    seconds: list[float] = []

    class Timed(worker.Worker):
        def compare(self, known: str, stated: str) -> str:
            begun = time.monotonic()
            note = super().compare(known, stated)
            seconds.append(time.monotonic() - begun)
            return note

    class TimedGrader(Grader):
        def __init__(self, timeout_seconds: float) -> None:
            super().__init__(timeout_seconds)
            made.append(self)

    monkeypatch.setattr(Domain, "sandbox", Timed)
    for module in (benchmarks, rollouts, best_of_n, expand):
        if hasattr(module, "Grader"):
            monkeypatch.setattr(module, "Grader", lambda *_, **__: TimedGrader(SECONDS))
    yield made
    assert all(taken < 30 for taken in seconds)  # its second and a new worker's start, which a busy machine draws out
    assert all(
        worker.pid is None for one in made for lane in one._lanes for worker in lane.values()
    )  # no worker is left behind


def right(requests: Sequence[tuple[Problem, Sequence[str]]]) -> list[Rating]:
    return [Rating(True, "", 1.0) for _ in requests]


def test_evaluation(towers: Policy, graders) -> None:
    config = EvaluateConfig(max_tokens=6, temperature=1.0, rows=2, chunk=2)
    found = [one for texts in benchmarks.evaluate(Generator(towers), PROBLEMS, PLAIN, config, 0) for one in texts]
    assert [one.correct for one in found] == [False, False]
    assert all(one.note for one in found)
    assert len(graders) == 1


def test_rollouts(towers: Policy) -> None:
    config = RolloutConfig(solutions=1, completions=2, max_tokens=4, temperature=1.5, top_p=1.0, rows=2, chunk=2)
    sample = rollouts.sample_solutions
    finished = functools.partial(_finished, Generator(towers))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rollouts, "sample_solutions", lambda generator, *rest: sample(finished(), *rest))
        found = rollouts.label(Generator(towers), towers, PROBLEMS[:1], PLAIN, config, 0)
    assert [one.labels for one in found] == [(0.0, 0.0)]


class _finished:
    """A generator whose texts count as finished, at the limit too."""

    def __init__(self, generator: Generator) -> None:
        self._generator, self.policy = generator, generator.policy

    def generate(self, *given):

        return [[dataclasses.replace(one, finished=True) for one in own] for own in self._generator.generate(*given)]


def test_trees(towers: Policy) -> None:
    config = ExpandConfig(w=2, depth=2, step_tokens=4, temperature=1.0, top_p=1.0, rows=4, problem_rows=2, chunk=2)
    grown = list(expand.grow(Generator(towers), towers, PROBLEMS, right, PLAIN, config, 0))
    leaves = [tree.nodes[leaf] for tree in grown for leaf in tree.leaves()]
    assert len(grown) == 2
    assert leaves
    assert all(leaf.status == "leaf-wrong" for leaf in leaves)


def test_best_of_n(towers: Policy) -> None:
    config = SearchConfig(n=3, max_tokens=4, temperature=1.0, rows=3, chunk=2)
    (found,) = config.solver.solve(PROBLEMS[:1], Sampler(Generator(towers), PLAIN, 0), right, config)
    assert found.correct == [False] * 3
    assert len(found.groups) == 3


LONG = 20_000
NUMBER = "9" * LONG


@pytest.mark.parametrize(
    "text",
    [
        "\n" * LONG,
        (" " * 99 + "\n") * (LONG // 100),
        "1. " * LONG,
        "\n1. " * LONG,
        "#### " * LONG,
        r"\boxed{" * LONG,
        "9*9=" * LONG,
        "9 " * LONG,
        "Go back to " + "1, " * LONG,
        f"1. {NUMBER} * 1 = {NUMBER} (left: {NUMBER})\n#### {NUMBER}",
        f"1. 3 * 4 = 12 (left: 5, 9, {NUMBER})",
        f"#### 1{',000' * LONG}x",
    ],
    ids=range(12),
)
def test_endless_texts_are_read_in_time(text: str) -> None:
    problem = make_problem((3, 4, 5, 9), 24)
    begun = time.monotonic()
    final_answer(text)
    steps = [step.partition(". ")[2] for step in ABEL.split(text)] or [""]
    ABEL.end_of_step(text, 1)
    assert grade_countdown(problem, text).correct is False
    assert verify.rate(problem, steps).correct is False
    domains.state(problem, steps)
    assert time.monotonic() - begun < 10
