"""Solutions with what is known of each of their steps: what process reward models learn from, and are measured on.

They come from trees, and from rows of PRM800K and of the forms in `registry.LABELS`, told apart by their columns.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from jorney.domain.problem import Problem, hash_id
from jorney.judge.labelled import Labelled
from jorney.rows import prm800k
from jorney.rows.fields import columns, texts
from jorney.rows.problems import problem_of
from jorney.rows.registry import LABELS, is_tree
from jorney.rows.sources import Row
from jorney.text.step_format import StepFormat
from jorney.tree.shape import ends
from jorney.tree.tree import Tree, from_json

NEUTRAL = {"positive": 1.0, "negative": 0.0, "ignored": None}


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
        return tuple(self.step_format.opened(step.strip(), k, any_number=True) for k, step in enumerate(steps, start=1))


def read_row(row: Row, place: str, how: Reading) -> list[Labelled]:
    """The labelled solutions of a row: one, or of PRM800K's rows several.

    Raises:
      ValueError: names the place, the field, what was found and what was expected.
    """
    if prm800k.is_row(row):
        solutions = prm800k.labels(row, place, NEUTRAL[how.neutral], how.siblings)
        return [Labelled(hash_id(one.prompt), one.prompt, how.write(one.steps), tuple(one.labels)) for one in solutions]
    names = next((names for names in LABELS if all(name in row for name in names)), None)
    if names is None:
        _, *others = (" and ".join(names) for names in LABELS)
        raise ValueError(
            f"{place}: the columns are {columns(row)}: expected prompt, completions, labels, or {', or '.join(others)}, or "
            "PRM800K's question and label, or trees of `jorney expand`"
        )
    question, steps, labels = LABELS[names](row, place)
    if not isinstance(question, str) or not question.strip():
        raise ValueError(f"{place}: field {names[0]!r}: expected a text that is not empty")
    id_ = next((str(row[key]) for key in ("id", "unique_id", "uuid") if row.get(key) is not None), hash_id(question))
    return [Labelled(id_, question, how.write(steps), tuple(labels))]


def of_tree(tree: Tree) -> list[Labelled]:
    """The paths of a tree to where nothing follows; a step that several share has its label in the first of them.

    A label is the judge's verdict; None where it gave none.
    """
    done: set[int] = set()
    found = []
    for path in ends(tree):
        verdicts = [None if index in done else tree.nodes[index].correct for index in path]
        labels = tuple(None if verdict is None else float(verdict) for verdict in verdicts)
        done.update(path)
        found.append(Labelled(tree.id, tree.question, tuple(tree.nodes[index].text.strip() for index in path), labels))
    return found


def tree_or_row(row: Row, place: str) -> Tree | Row:
    """The tree of a row that is one; else the row. Raises ValueError for a tree of another form."""
    return from_json(row, place) if is_tree(row) else row


def solution_of(row: Row, place: str, how: Reading) -> tuple[Problem, tuple[str, ...]]:
    """A problem and a solution that is to be labelled: what `problem_of` reads, and steps (or completions).

    Rows' ids are of solutions, most often: the problem's is made of its question.

    Raises:
      ValueError: names the place, the field, what was found and what was expected.
    """
    named = {**row, "question": row["prompt"]} if "prompt" in row and "question" not in row else row
    problem = problem_of(named, place)
    steps = texts(row.get("steps", row.get("completions")), "steps", place)
    return dataclasses.replace(problem, id=hash_id(problem.question)), how.write(steps)
