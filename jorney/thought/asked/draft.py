"""A thought as it is written turn by turn: steps, going back, looking again, an answer."""

from __future__ import annotations

from jorney.domain.countdown.grade import GO_BACK
from jorney.domain.problem import Problem
from jorney.text.step_format import StepFormat
from jorney.thought.asked.human import one_line, split_final
from jorney.thought.refine import State
from jorney.thought.thought import Piece, Thought, Turn


class Draft:
    """What was said about a problem, and the thought that has come of it so far.

    Args:
      state: what stands after some steps, to say where the thought goes back to.
    """

    def __init__(self, problem: Problem, step_format: StepFormat, state: State) -> None:
        self.problem, self._format, self._state = problem, step_format, state
        self.turns = [Turn("question", problem.question)]
        self._pieces: list[Piece] = []
        self._path: list[tuple[int, str]] = []  # (index of the piece, step without its number) of every step that stands

    @property
    def steps(self) -> list[str]:
        """The steps that stand, without numbers."""
        return [step for _, step in self._path]

    @property
    def backs(self) -> int:
        """How often it has gone back."""
        return sum(piece.kind == "reflection" for piece in self._pieces)

    def say(self, role: str, text: str) -> int:
        """Notes a turn; returns what pieces point to it by."""
        self.turns.append(Turn(role, text))
        return len(self.turns) - 1

    def step(self, text: str, turn: int) -> None:
        """The next step."""
        step = one_line(text, self._format)
        self._path.append((len(self._pieces), step))
        self._pieces.append(Piece(f"{self._format.opens(len(self._path))}{step}{self._format.between}", "step", turn))

    def look(self, text: str, turn: int) -> None:
        """Looks at what stands, and goes on."""
        self._pieces.append(Piece(one_line(text, self._format) + self._format.between, "connective", turn))

    def back(self, level: int, why: str, turn: int) -> None:
        """Goes back to step `level` (0: the question): the steps after it become an excursion."""
        for index, _ in self._path[level:]:
            self._pieces[index] = self._pieces[index]._replace(kind="excursion")
        del self._path[level:]
        back_to = self._pieces[self._path[-1][0]].node if self._path else 0
        where = self._state(self.problem, self.steps) or (f"step {level}" if level else "the question")
        said = one_line(split_final(why)[0] or why, self._format)
        if not GO_BACK.search(said):  # as a grader of states reads it
            said = f"{said.rstrip('.')}. Go back to {where}."
        self._pieces.append(Piece(said + self._format.between, "reflection", turn, back_to))

    def finish(self, answer: str, turn: int, construction: str, writer: str) -> Thought:
        """The thought, which concludes with an answer."""
        pieces = (*self._pieces, Piece(self._format.states(answer), "conclusion", turn))
        kind = "journey" if self.backs else "shortcut"
        problem = self.problem
        return Thought(
            problem.id,
            problem.question,
            problem.answer,
            kind,
            turn,
            pieces,
            writer,
            construction=construction,
            turns=tuple(self.turns),
        )

    def shown(self) -> str:
        """The question and the steps that stand, for a prompt."""
        steps = "".join(f"{k}. {step}\n" for k, step in enumerate(self.steps, start=1)) or "(none yet)\n"
        return f"Question:\n{self.problem.question.strip()}\n\nSteps so far:\n{steps}"

    def left(self) -> str:
        """What was tried and left again, for a prompt; "" where nothing was."""
        tried = [piece.text.strip() for piece in self._pieces if piece.kind == "excursion"]
        return "\nTried before, and left:\n" + "".join(f"- {step}\n" for step in tried) if tried else ""
