"""Solutions with what is known of each of their steps: what process reward models learn from, and are measured on.

Rows of published forms, told apart by their columns:

    question, steps, labels                      Jorney's own (`jorney prm label`)
    prompt, completions, labels                  stepwise supervision, under TRL's names
    question, label                              PRM800K: the steps that were taken and, of each, the others beside it
    input, label                                 Math-Shepherd: one text with a tag, another with + or - in its place
    problem, steps, label                        ProcessBench: the first error, from 0; -1 for none
    input, steps, mistake_index                  BIG-Bench Mistake: the first error, from 0; null for none
    question, model_output_steps, model_output_solution_first_error_step      MR-GSM8K: the first error, from 1; N/A for none
"""

from __future__ import annotations

import ast
import dataclasses
import re
from collections.abc import Callable, Sequence
from typing import Any

from jorney.domain.problem import hash_id
from jorney.rows import records
from jorney.rows.prm800k_problems import is_prm800k
from jorney.rows.records import Row
from jorney.text.step_format import StepFormat

NEUTRAL = {"positive": 1.0, "negative": 0.0, "ignored": None}
_TAG = "ки"  # Math-Shepherd's


@dataclasses.dataclass(frozen=True)
class Labelled:
    """A solution with a label for each of its steps; a line of a part.

    Attributes:
      id, question: of the problem.
      steps: as written, openings included.
      labels: 0 (wrong) to 1 (right); None where nothing is known.
    """

    id: str
    question: str
    steps: tuple[str, ...]
    labels: tuple[float | None, ...]


@dataclasses.dataclass(frozen=True)
class Reading:
    """How rows become labels.

    Attributes:
      step_format: a step that does not begin as it has it gets its number.
      neutral: what PRM800K's rating 0 counts as: "positive" (Lightman, Qwen), "negative" (TRL) or "ignored".
      siblings: PRM800K's steps that were not taken are solutions of their own, whose last step alone has a label.
    """

    step_format: StepFormat
    neutral: str = "positive"
    siblings: bool = True

    def __post_init__(self) -> None:
        if self.neutral not in NEUTRAL:
            raise ValueError(f"neutral = {self.neutral!r}: expected one of {', '.join(NEUTRAL)}")

    def write(self, steps: Sequence[str]) -> tuple[str, ...]:
        """The steps, each with its number."""
        opens, start = self.step_format.opens, self.step_format.start
        stripped = [step.strip() for step in steps]
        return tuple(step if re.match(start, step) else opens(k) + step for k, step in enumerate(stripped, start=1))


def read_row(row: Row, place: str, how: Reading) -> list[Labelled]:
    """The labelled solutions of a row: one, or of PRM800K's rows several.

    Raises:
      ValueError: names the place, the field, what was found and what was expected.
    """
    if is_prm800k(dict(row)):
        return _prm800k(row, place, how)
    for names, read in _FORMS:
        if all(name in row for name in names):
            question, steps, labels = read(row, place)
            if not isinstance(question, str) or not question.strip():
                raise ValueError(f"{place}: field {names[0]!r}: expected a text that is not empty")
            name = next((str(row[key]) for key in ("id", "unique_id", "uuid") if row.get(key) is not None), hash_id(question))
            return [Labelled(name, question, how.write(steps), tuple(labels))]
    raise ValueError(
        f"{place}: the columns are {records.columns(row)}: expected prompt, completions, labels, or "
        + ", or ".join(" and ".join(names) for names, _ in _FORMS[1:])
        + ", or PRM800K's question and label, or trees of `jorney expand`"
    )


Found = tuple[Any, Sequence[str], Sequence[float | None]]


def _stepwise(row: Row, place: str) -> Found:
    found = records.read_steps(row, place)
    return found.prompt, found.steps, found.labels


def _own(row: Row, place: str) -> Found:
    steps, labels = _steps(row, "steps", place), row["labels"]
    known = isinstance(labels, list) and all(one is None or (isinstance(one, int | float) and 0 <= one <= 1) for one in labels)
    if not known or len(labels) != len(steps):
        raise ValueError(f"{place}: field 'labels': expected {len(steps)} numbers 0 to 1, or null, one a step")
    return row["question"], steps, [None if one is None else float(one) for one in labels]


def _math_shepherd(row: Row, place: str) -> Found:
    given, label = row["input"], row["label"]
    if not isinstance(given, str) or not isinstance(label, str) or _TAG not in given:
        raise ValueError(f"{place}: fields 'input' and 'label': expected two texts, steps of the first ending in {_TAG!r}")
    pieces, labels, at = given.split(_TAG), [], 0
    for piece in pieces[:-1]:
        at += len(piece)
        if label[at - len(piece) : at] != piece or label[at : at + 1] not in ("+", "-"):
            raise ValueError(f"{place}: field 'label': expected + or - for each {_TAG!r} of 'input', at character {at}")
        labels.append(float(label[at] == "+"))
        at += 1
    question, mark, first = pieces[0].rpartition("Step 1:")
    if not mark:
        raise ValueError(f"{place}: field 'input': expected 'Step 1:' after the question")
    steps = [first, *(re.sub(r"\A\s*Step \d+:", "", piece) for piece in pieces[1:-1])]
    return question.strip(), steps, labels


def _process_bench(row: Row, place: str) -> Found:
    steps = _steps(row, "steps", place)
    return row["problem"], steps, _until(row["label"], -1, steps, "label", place)


def _mistake(row: Row, place: str) -> Found:
    steps = _steps(row, "steps", place)
    return row["input"], steps, _until(row["mistake_index"], None, steps, "mistake_index", place)


def _meta_reasoning(row: Row, place: str) -> Found:
    steps, name = _steps(row, "model_output_steps", place), "model_output_solution_first_error_step"
    first = row[name]
    if isinstance(first, str) and first.strip().isdecimal():
        first = int(first)
    shifted = first - 1 if isinstance(first, int) else None if first in ("N/A", "", None) else first
    return row["question"], steps, _until(shifted, None, steps, name, place)


def _until(error: Any, none: Any, steps: Sequence[str], name: str, place: str) -> list[float | None]:
    """Right before the first error, wrong there; what comes after it is not known."""
    if error == none:
        return [1.0] * len(steps)
    if not isinstance(error, int) or isinstance(error, bool) or not 0 <= error < len(steps):
        raise ValueError(f"{place}: field {name!r}: expected one of {len(steps)} steps, or {none!r} for none, got {error!r}")
    return [1.0] * error + [0.0] + [None] * (len(steps) - error - 1)


def _steps(row: Row, name: str, place: str) -> list[str]:
    steps = row[name]
    if isinstance(steps, str) and steps.startswith("["):  # as CSV files have it
        try:
            steps = ast.literal_eval(steps)
        except (ValueError, SyntaxError):
            raise ValueError(f"{place}: field {name!r}: expected a list of texts") from None
    if not isinstance(steps, list) or not steps or not all(isinstance(step, str) and step.strip() for step in steps):
        raise ValueError(f"{place}: field {name!r}: expected a list of texts, none of them empty, got {steps!s:.80}")
    return steps


_FORMS: tuple[tuple[tuple[str, ...], Callable[[Row, str], Found]], ...] = (
    (("prompt", "completions", "labels"), _stepwise),
    (("question", "steps", "labels"), _own),
    (("input", "steps", "mistake_index"), _mistake),
    (("input", "label"), _math_shepherd),
    (("problem", "steps", "label"), _process_bench),
    (("question", "model_output_steps", "model_output_solution_first_error_step"), _meta_reasoning),
)


def _prm800k(row: Row, place: str, how: Reading) -> list[Labelled]:
    """The steps that were taken, to where a wrong one was; then the others beside each of them."""
    taken: list[tuple[str, float | None]] = []
    beside: list[tuple[list[str], str, float]] = []
    try:
        question, name = row["question"]["problem"], hash_id(row["question"]["problem"])
        for level in row["label"]["steps"]:
            completions, at = level["completions"] or [], level["chosen_completion"]
            known = [(one["text"], _rating(one["rating"], how.neutral)) for one in completions]
            human = level["human_completion"]
            if at is None and human is None:
                at = next((index for index, one in enumerate(completions) if one["rating"] == -1), None)
            before = [text for text, _ in taken]
            beside += [(before, text, label) for index, (text, label) in enumerate(known) if index != at and label is not None]
            if at is None and human is None:
                break
            taken.append(known[at] if at is not None else (human["text"], None))
    except (KeyError, TypeError, IndexError) as error:
        raise ValueError(f"{place}: expected PRM800K's question and label, got {type(error).__name__}: {error}") from None
    found = [([text for text, _ in taken], [label for _, label in taken])] if taken else []
    if how.siblings:
        found += [([*before, text], [None] * len(before) + [label]) for before, text, label in beside]
    return [Labelled(name, question, how.write(steps), tuple(labels)) for steps, labels in found]


def _rating(rating: Any, neutral: str) -> float | None:
    return {1: 1.0, 0: NEUTRAL[neutral], -1: 0.0, None: None}[rating]
