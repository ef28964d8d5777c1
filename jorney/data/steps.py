"""The step format: how a prompt is made, how steps are told apart and how a final answer is written. Data, not code."""

from __future__ import annotations

import dataclasses
import itertools
import re
from collections.abc import Sequence


@dataclasses.dataclass(frozen=True)
class StepFormat:
    """A way of writing step-by-step solutions.

    Attributes:
      name: for configurations and records.
      prompt: template with `{question}`.
      start: regular expression that matches where a step begins, its number as group 1.
      opening: what step k begins with, template with `{k}`.
      answer: how the final answer is written, template with `{answer}`; a line of its own.
    """

    name: str
    prompt: str
    start: str
    opening: str
    answer: str

    def ask(self, question: str) -> str:
        """The prompt for a question."""
        return self.prompt.format(question=question.strip())

    def opens(self, k: int) -> str:
        """The text that step k (from 1) begins with."""
        return self.opening.format(k=k)

    def write(self, steps: Sequence[str], answer: str) -> str:
        """A response: the steps, numbered from 1, and the final answer."""
        lines = [self.opens(k) + step.strip() for k, step in enumerate((s for s in steps if s.strip()), start=1)]
        return "\n".join([*lines, self.answer.format(answer=answer)])

    def end_of_step(self, text: str, k: int) -> int | None:
        """Where step k ends in a text that begins with it, its opening left out. None: not yet.

        It ends at the number of the next step, or behind the line of the final answer.
        """
        ends = [match.start(1) for match in re.finditer(self.start, text, re.MULTILINE) if match[1] == str(k + 1)]
        before, _, after = self.answer.partition("{answer}")
        answer = re.search(f"^{re.escape(before)}.*{re.escape(after)}\n", text, re.MULTILINE)
        return min([*ends[:1], *([answer.end()] if answer else [])], default=None)

    def split(self, response: str) -> list[str]:
        """The steps of a response, as written, without the space around them.

        A step may span lines and blank lines may lie between steps. Text before the first step is a step of its own; the
        final answer belongs to the last step.
        """
        starts = [match.start() for match in re.finditer(self.start, response, re.MULTILINE)]
        cuts = sorted({0, *starts, len(response)})
        pieces = (response[a:b].strip() for a, b in itertools.pairwise(cuts))
        return [piece for piece in pieces if piece]


# Abel's numbered lines (spec of the paper's phase 1): measured on its public outputs, 7% hold a step of several lines and
# 16% blank lines between steps, so a step begins at a number, never at a bare newline.
ABEL = StepFormat(
    name="abel",
    prompt="Question:\n{question}\nAnswer:\nLet's think step by step.\n",
    start=r"^[^\S\n]*(\d+)\.\s",  # not \s*: over a run of blank lines that would take its square
    opening="{k}. ",
    answer="#### {answer}",
)
FORMATS = {ABEL.name: ABEL}
