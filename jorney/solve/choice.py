"""What is chosen among a problem's solutions, and how good the choices are."""

from __future__ import annotations

import dataclasses
import itertools
from collections import defaultdict
from collections.abc import Sequence
from typing import Any, NamedTuple

from jorney.domain.grading import Grader
from jorney.domain.problem import Problem
from jorney.judge.reward_model import solution_score
from jorney.solve.statistics import wilson

SELECTIONS = ("naive", "weighted", "majority")


@dataclasses.dataclass(frozen=True)
class Solutions:
    """One problem's solutions, in the order in which they were drawn; a line of a part.

    Attributes:
      tokens: generated for each.
      answers: what each states; None where it states none.
      groups: of each answer, the index of the first solution that states an equal one; -1 where there is none.
      correct: whether each is right.
      scores: of each, those of its steps.
      spent: tokens generated for all of them, where that is not the sum of theirs: what they share counts once.
    """

    id: str
    tokens: list[int]
    answers: list[str | None]
    groups: list[int]
    correct: list[bool]
    scores: list[list[float]]
    spent: int | None = None

    def to_json(self) -> dict[str, Any]:
        """The fields as plain values, those that say nothing left out."""
        return {name: value for name, value in dataclasses.asdict(self).items() if value is not None}


class Chosen(NamedTuple):
    """What a search settled on for a problem.

    Attributes:
      correct: whether that is right; False where there was nothing to settle on.
      tokens: generated for the problem.
      solution: its index; None where there was nothing.
    """

    id: str
    correct: bool
    tokens: int
    solution: int | None


def equal_answers(problem: Problem, answers: Sequence[str | None], grader: Grader) -> list[int]:
    """For each answer the index of the first equal one, itself where it is that; -1 for None.

    Mathematics that is written otherwise but equal is one answer, by the grader; one whose comparison has to be stopped equals
    nothing but its own text.
    """
    first: dict[str, int] = {}
    distinct: list[str] = []
    for index, answer in enumerate(answers):
        if answer is None or answer in first:
            continue
        first[answer] = index
        stopped = False
        for other in distinct:
            note = grader.equal(problem, other, answer)
            stopped = bool(note) and not note.startswith("answers ")
            if not note:
                first[answer] = first[other]
            if not note or stopped:
                break
        if first[answer] == index and not stopped:
            distinct.append(answer)
    return [-1 if answer is None else first[answer] for answer in answers]


def aggregate(scores: Sequence[float], how: str) -> float:
    """The score of a solution from those of its steps; without any, 0."""
    return solution_score(scores, how) if scores else 0.0


def choose(one: Solutions, n: int, selection: str, how: str) -> Chosen:
    """The choice among the first n solutions of a problem.

    "naive" takes the solution of the highest score; "weighted" the answer whose solutions have the highest sum of scores, and
    of these the best; "majority" the answer that most of them state, without a judge, and of these the first. The first wins
    ties; solutions that state no answer are chosen by none of them.

    Args:
      how: scores are aggregated.
    """
    stated = [index for index in range(n) if one.groups[index] >= 0]
    scores = {index: aggregate(one.scores[index], how) for index in stated}
    if selection != "naive":
        votes: defaultdict[int, float] = defaultdict(float)
        for index in stated:
            votes[one.groups[index]] += 1.0 if selection == "majority" else scores[index]
        best = max(votes, key=lambda group: votes[group], default=None)
        stated = [index for index in stated if one.groups[index] == best]
    if selection == "majority":
        stated = stated[:1]
    chosen = max(stated, key=lambda index: scores[index], default=None)
    spent = sum(one.tokens[:n]) if one.spent is None else one.spent
    return Chosen(one.id, chosen is not None and one.correct[chosen], spent, chosen)


def powers_of_two(n: int) -> list[int]:
    """1, 2, 4, ... below n, and n itself."""
    return [*itertools.takewhile(lambda count: count < n, (2**power for power in itertools.count())), n]


def summarise(chosen: Sequence[Chosen]) -> dict[str, Any]:
    """Accuracy with its Wilson 95% interval, n, and generated tokens a problem."""
    n, right = len(chosen), sum(one.correct for one in chosen)
    low, high = wilson(right, n)
    mean_tokens = sum(one.tokens for one in chosen) / n
    return {"accuracy": right / n, "n": n, "ci_low": low, "ci_high": high, "mean_tokens": mean_tokens}
