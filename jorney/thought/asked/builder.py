"""A thought as it is written turn by turn: steps, going back, looking again, an answer."""

from __future__ import annotations

import re

from jorney.domain.answers import final_answer
from jorney.domain.countdown.grade import GO_BACK
from jorney.domain.problem import Problem
from jorney.text.step_format import StepFormat
from jorney.thought.refine import State
from jorney.thought.thought import Piece, Thought, Turn


def split_final(text: str) -> tuple[str, str | None]:
    """A text without its line of the final answer, and the answer that it states."""
    return re.sub("####.*", "", text).strip(), final_answer(text)


def one_line(text: str, step_format: StepFormat) -> str:
    """A step in one line, without a number of its own: lines within it that begin with a number would be taken for steps."""
    return re.sub(step_format.start, "", " ".join(text.split()), count=1).strip()


class ThoughtBuilder:
    """What was said about a problem, and the thought that has come of it so far."""

    def __init__(self, problem: Problem, step_format: StepFormat) -> None:
        self._problem, self._format = problem, step_format
        self._turns = [Turn("question", problem.question)]
        self._pieces: list[Piece] = []
        self._path: list[tuple[int, str]] = []  # (index of the piece, step without its number) of every step that stands

    @property
    def steps(self) -> list[str]:
        """The steps that stand, without numbers."""
        return [step for _, step in self._path]

    @property
    def backtracks(self) -> int:
        """How often it has gone back."""
        return sum(piece.kind == "reflection" for piece in self._pieces)

    def say(self, role: str, text: str, answer: str | None = None) -> int:
        """Notes a turn, and the answer that it states; returns what pieces point to it by."""
        self._turns.append(Turn(role, f"{text}\n{self._format.states(answer)}".strip() if answer else text))
        return len(self._turns) - 1

    def step(self, step: str, turn: int) -> None:
        """The next step, as `one_line` gives it."""
        self._path.append((len(self._pieces), step))
        self._pieces.append(Piece(f"{self._format.opens(len(self._path))}{step}{self._format.between}", "step", turn))

    def look(self, text: str, turn: int) -> None:
        """Looks at what stands, and goes on."""
        self._pieces.append(Piece(one_line(text, self._format) + self._format.between, "connective", turn))

    def backtrack(self, level: int, why: str, turn: int, state: State) -> None:
        """Goes back to step `level` (0: the question): the steps after it become an excursion.

        Args:
          state: what stands after some steps, to say where the thought goes back to.
        """
        for index, _ in self._path[level:]:
            self._pieces[index] = self._pieces[index]._replace(kind="excursion")
        del self._path[level:]
        back_to = self._pieces[self._path[-1][0]].node if self._path else 0
        where = state(self._problem, self.steps) or (f"step {level}" if level else "the question")
        said = one_line(split_final(why)[0] or why, self._format)
        if not GO_BACK.search(said):  # as a grader of states reads it
            said = f"{said.rstrip('.')}. Go back to {where}."
        self._pieces.append(Piece(said + self._format.between, "reflection", turn, back_to))

    def finish(self, answer: str, turn: int, construction: str, writer: str) -> Thought:
        """The thought, which concludes with an answer.

        Args:
          writer: whose words it is told in.
        """
        return Thought(
            self._problem.id,
            self._problem.question,
            self._problem.answer,
            "journey" if self.backtracks else "shortcut",
            turn,
            (*self._pieces, Piece(self._format.states(answer), "conclusion", turn)),
            writer,
            construction=construction,
            turns=tuple(self._turns),
        )

    def shown(self) -> str:
        """The question, the steps that stand, and what was tried and left again, for a prompt."""
        steps = "".join(f"{k}. {step}\n" for k, step in enumerate(self.steps, start=1)) or "(none yet)\n"
        left = "".join(f"- {piece.text.strip()}\n" for piece in self._pieces if piece.kind == "excursion")
        tried = f"\nTried before, and left:\n{left}" if left else ""
        return f"Question:\n{self._problem.question.strip()}\n\nSteps so far:\n{steps}{tried}"
