"""A domain: what is asked, graded and verified. One class and one registry entry each; nothing else asks a domain's name."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, NamedTuple

from jorney.domain.answers import clean, final_answer, short
from jorney.domain.problem import Problem
from jorney.domain.worker import Worker
from jorney.text.step_format import StepFormat

# (known answer, stated answer) -> why the stated one is wrong, "" where it is right: `domain.equivalence` in a worker process.
Compare = Callable[[str, str], str]


@dataclasses.dataclass(frozen=True)
class Grade:
    """What became of one response.

    Attributes:
      correct: the response states the right answer; for Countdown also by a path that is legal and true.
      answer: the final answer that the response states, None when it states none.
      valid_steps: whether every step that leads to the end is legal and true; None where steps are not checked.
      true_equations, equations: of the equations written in numbered lines, how many are true, and how many there are.
      note: why the response is wrong, in a few words; empty when it is correct.
      others: what other readings of the response give, by their names (`domain.readings`).
    """

    correct: bool
    answer: str | None
    valid_steps: bool | None = None
    true_equations: int = 0
    equations: int = 0
    note: str = ""
    others: dict[str, Grade] = dataclasses.field(default_factory=dict)


class Rating(NamedTuple):
    """What a judge says of a step.

    Attributes:
      correct: the verdict; None where a judge that was asked gave none.
      justification: what was seen, in words; "" where nothing can be.
      score: 0 to 1 where the judge gives one.
    """

    correct: bool | None
    justification: str
    score: float | None = None


@dataclasses.dataclass(frozen=True)
class Walked:
    """How one text went.

    Attributes:
      first: the first attempt, up to the first backtrack or the end, reaches the goal by steps that are legal and true.
      backs: backtracks.
      justified: of those, where the goal could no longer be reached from where it stood, or a step was false.
    """

    first: bool
    backs: int
    justified: int


class Backtrack(NamedTuple):
    """A place where a text goes back.

    Attributes:
      start, stop: its characters: of the words that say so, or of the step's number that does.
      justified: the goal could no longer be reached from where it stood, or a step was false.
      recovers: it can be reached from where the text went back to.
    """

    start: int
    stop: int
    justified: bool
    recovers: bool


class Domain:
    """One kind of problem. A subclass says what is special about it; what stands here is plain text with a known answer.

    Attributes:
      name: what `Problem.verifier` holds.
      step_format: how solutions are written unless told otherwise, a key of `text.step_format.FORMATS`.
      shots: worked examples, (question, solution), for a prompt that shows some.
      sets: of problems that it can draw; () where problems come from files alone. The same problem is never in two of them.
      exact: whether `verify` tells every step for certain.
      oracle: whether `verify` knows what a solver could not, so that what a search finds with it is a bound.
      names_answer: whether questions name the answer that is to be reached, so that whoever states it can be told without an
        oracle.
      behaves: whether `behaviour` and `backtracks` can follow a text.
      lenient: whether an answer alone tells that a response is right, wherever in it and however it is stated.
      moves: whether every line of a solution is a move that is graded, so that nothing may be said in between.
      any_answer: whether any text may be an answer, brackets alone too.
      answered: whether answers are known, so that a response can be right.
      runs_code: whether grading runs programs that a model wrote.
      sandbox: what compares answers, apart from this program: it has limits of time and memory, and can be killed.
    """

    name: ClassVar[str]
    step_format: ClassVar[str] = "abel"
    shots: ClassVar[tuple[tuple[str, str], ...]] = ()
    sets: ClassVar[tuple[str, ...]] = ()
    exact: ClassVar[bool] = False
    oracle: ClassVar[bool] = False
    names_answer: ClassVar[bool] = False
    behaves: ClassVar[bool] = False
    lenient: ClassVar[bool] = False
    moves: ClassVar[bool] = False
    any_answer: ClassVar[bool] = False
    answered: ClassVar[bool] = True
    runs_code: ClassVar[bool] = False
    sandbox: ClassVar[type[Worker]] = Worker

    def draw(self, split: str, count: int, seed: int, settings: Any = None) -> list[Problem]:
        """`count` different problems of one of `sets`, another seed giving others.

        Args:
          settings: what the domain's own configuration says of them; None for its defaults.

        Raises:
          ValueError: there are no such problems, or not as many.
        """
        raise ValueError(f"{self.name}: its problems are not drawn: expected a file, a hub id or tfds:NAME")

    def check(self, meta: Mapping[str, Any], place: str) -> None:
        """Raises ValueError that names the place where a problem's `meta` lacks what grading needs."""

    def equal(self, known: str, stated: str, compare: Compare) -> str:
        """Why a stated answer does not equal another, known or stated; "" where it does."""
        return "" if clean(stated) == clean(known) else f"answers {short(stated)}, not {short(known)}"

    def wrong(self, problem: Problem, answer: str, compare: Compare) -> str:
        """Why an answer is not right for a problem; "" where it is."""
        return self.equal(problem.answer, answer, compare)

    def grade(self, problem: Problem, text: str, step_format: StepFormat, compare: Compare) -> Grade:
        """Grades a response by the answer that it states."""
        answer = final_answer(text, step_format.mark)
        note = "no answer" if answer is None else self.wrong(problem, answer, compare)
        return Grade(not note, answer, note=note)

    def verify(self, problem: Problem, steps: Sequence[str]) -> Rating:
        """The exact verdict on the last of a path's steps, where `exact`; steps are given without their openings."""
        raise ValueError(f"problem {problem.id!r}: the steps of {self.name} problems cannot be verified exactly")

    def state(self, problem: Problem, steps: Sequence[str]) -> str:
        """What stands after a path's steps, as one would write it; "" where that is not known."""
        return ""

    def values(self, problem: Problem, text: str, step_format: StepFormat) -> list[tuple[int, float]]:
        """Whether the goal can still be reached, along a text, where `exact`: 1.0 where it can, else 0.0.

        Here steps follow each other as `verify` has it, from a problem that can be solved; a domain whose texts go back says so
        itself.

        Returns:
          (the character up to which a step goes, the value behind it), rising; first (0, the value at the start).

        Raises:
          ValueError: it is not `exact`.
        """
        if not self.exact:
            raise ValueError(f"problem {problem.id!r}: exact values of steps cannot be told of {self.name} problems")
        places = step_format.places(text)
        bare = [step_format.bare(text[start:stop]) for start, stop in places]
        values = [float(bool(self.verify(problem, bare[:count]).correct)) for count in range(1, len(bare) + 1)]
        return [(0, 1.0), *zip((stop for _, stop in places), values, strict=True)]

    def behaviour(self, problem: Problem, text: str) -> Walked:
        """How a response went about it, where `behaves`."""
        raise ValueError(f"problem {problem.id!r}: what is done on the way cannot be told of {self.name} problems")

    def backtracks(self, problem: Problem, text: str) -> list[Backtrack]:
        """Where a response goes back, in order, where `behaves`."""
        raise ValueError(f"problem {problem.id!r}: what is done on the way cannot be told of {self.name} problems")

    def hint(self, problem: Problem) -> str:
        """What a model may be told when it is to find its way to the known answer (STaR's rationalisation)."""
        return problem.answer

    def cluster(self, problem: Problem) -> str:
        """What problems whose results hang together have in common."""
        return problem.id
