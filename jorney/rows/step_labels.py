"""Forms of solutions with labels and nothing else: Jorney's own, and those that name the first error.

question, steps, labels           Jorney's own (`jorney prm label`)
problem, steps, label             ProcessBench: the first error, from 0; -1 for none
input, steps, mistake_index       BIG-Bench Mistake: the first error, from 0; null for none
question, model_output_steps, model_output_solution_first_error_step      MR-GSM8K: the first error, from 1; N/A for none
"""

from __future__ import annotations

import ast
import dataclasses
import re
from collections.abc import Callable
from typing import Any

from jorney.rows.fields import Steps, texts
from jorney.rows.sources import Row


@dataclasses.dataclass(frozen=True)
class FirstError:
    """A form that names the first error. What comes after it is not known.

    Attributes:
      question, steps, error: its columns.
      none: the error of a solution without one.
      index: what the column holds -> the step, from 0, or `none`.
    """

    question: str
    steps: str
    error: str
    none: int | None = None
    index: Callable[[Any], Any] = lambda value: _number(value)

    @property
    def columns(self) -> tuple[str, str, str]:
        """By which rows of the form are known."""
        return self.question, self.steps, self.error

    def labels(self, row: Row, place: str) -> Steps:
        """The question, the steps and their labels: right before the first error, wrong there.

        Raises:
          ValueError: names the place and the field.
        """
        steps, error = _steps(row, self.steps, place), self.index(row[self.error])
        count = len(steps)
        if error == self.none:
            return Steps(row[self.question], steps, [1.0] * count)
        if not isinstance(error, int) or isinstance(error, bool) or not 0 <= error < count:
            raise ValueError(
                f"{place}: field {self.error!r}: expected one of {count} steps, or {self.none!r} for none, got {error!r}"
            )
        return Steps(row[self.question], steps, [1.0] * error + [0.0] + [None] * (count - error - 1))


def own(row: Row, place: str) -> Steps:
    """The question, the steps and their labels of a row of Jorney's own. Raises as `FirstError.labels` does."""
    steps, labels = _steps(row, "steps", place), row["labels"]
    known = isinstance(labels, list) and all(one is None or (isinstance(one, int | float) and 0 <= one <= 1) for one in labels)
    if not known or len(labels) != len(steps):
        raise ValueError(f"{place}: field 'labels': expected {len(steps)} numbers 0 to 1, or null, one a step")
    return Steps(row["question"], steps, [None if one is None else float(one) for one in labels])


def _steps(row: Row, name: str, place: str) -> list[str]:
    steps = row[name]
    if isinstance(steps, str) and steps.startswith("["):  # as CSV files have it
        try:
            steps = ast.literal_eval(steps)
        except (ValueError, SyntaxError):
            raise ValueError(f"{place}: field {name!r}: expected a list of texts") from None
    return texts(steps, name, place)


def _number(value: Any) -> Any:
    """A number of its text, as CSV files have it."""
    return int(value) if isinstance(value, str) and re.fullmatch(r"\s*-?[0-9]+\s*", value) else value


def _from_one(value: Any) -> Any:
    """A step from 0 of one from 1, a number or its text; None for none."""
    value = _number(value)
    return value - 1 if isinstance(value, int) else None if value in ("N/A", "") else value


PROCESS_BENCH = FirstError("problem", "steps", "label", none=-1)
BIG_BENCH_MISTAKE = FirstError("input", "steps", "mistake_index")
MR_GSM8K = FirstError("question", "model_output_steps", "model_output_solution_first_error_step", index=_from_one)
