"""OpenR's nested trees (arXiv 2410.09671; OmegaPRM's Monte-Carlo search, arXiv 2406.06592) <-> trees; its rows -> labels.

`mc_value`, the share of completions from a step that reach the answer, is the score; a step is right when any did
(Math-Shepherd's hard estimation). Steps are stretches of a response, cut where the search cut them, and kept to the letter.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from jorney.domain.answers import final_answer
from jorney.rows.fields import Steps, expect, field, others, shown
from jorney.rows.sources import Row
from jorney.rows.tree_rows import Answers, Growing, Writing, kept_of, name_of, status_of, written
from jorney.text.step_format import BLANK, StepFormat
from jorney.tree.shape import children
from jorney.tree.tree import ROOT, Tree

NAME = "openr"
COLUMNS = ("question", "process", "label")  # of what its process reward models learn from
_TAGS = ("ки", "\n\n\n\n\n")  # that end a step of `process`, whichever it has
_SIGNS = {"+": 1.0, "-": 0.0, 1: 1.0, 0: 0.0}
# The answer is boxed, on a line of its own where it was one in the tree.
WRITING = Writing(BLANK.stated, BLANK.stating)


def labels(row: Row, place: str) -> Steps:
    """The question, the steps and their labels. Raises ValueError that names the place and the field."""
    question, process = (field(row, name, place, str) for name in COLUMNS[:2])
    found = field(row, "label", place, list)
    tag = next((one for one in _TAGS if one in process), None)
    if tag is None:
        raise ValueError(f"{place}: field 'process': expected steps that end in {_TAGS[0]!r} or in five line breaks")
    *steps, rest = process.split(tag)
    steps = [step.strip() for step in (*steps, *([rest] if rest.strip() and len(found) > len(steps) else []))]
    if len(found) != len(steps) or not all(steps):
        raise ValueError(f"{place}: field 'label': {len(found)} of them: expected {len(steps)}, one for each step of 'process'")
    for index, one in enumerate(found):
        if not isinstance(one, str | int) or one not in _SIGNS:
            raise ValueError(f"{place}: field 'label[{index}]': expected '+' or '-', 1 or 0, got {shown(one)}")
    return Steps(question, steps, [_SIGNS[one] for one in found])


def tree_of(row: Row, place: str, step_format: StepFormat, answers: Answers) -> Tree:
    """The tree of a row. Raises ValueError that names the place and the field."""
    question, truth = field(row, "question", place, str), field(row, "final_answer", place, str)
    root = field(row, "reasoning_steps", place, dict)
    grown = Growing(step_format, WRITING)
    waiting: list[tuple[Any, str, int, int | None]] = [(root, "reasoning_steps", 0, None)]
    while waiting:
        node, name, sibling, parent = waiting.pop()
        expect(node, name, place, dict)
        text = field(node, f"{name}.text", place, str)
        value = field(node, f"{name}.mc_value", place, float, null=True)
        if value is not None and not 0 <= value <= 1:
            raise ValueError(f"{place}: field '{name}.mc_value': {value}: expected a share of completions, 0 to 1")
        below = field(node, f"{name}.children", place, list)
        index = ROOT
        if parent is not None:
            rating = None if value is None else 1 if value > 0 else -1
            more = others(node, "text", "mc_value", "children")
            index = grown.add(parent, text, sibling, more, rating=rating, score=value)
            if not below:
                stated = final_answer(grown.nodes[index].text, step_format.mark)
                right = stated is not None and answers.right(truth, stated)
                grown.change(index, status=status_of(stated, right, "pruned"))
        # The last is taken first: nodes come in the order of a walk, a parent before its children.
        waiting += [(child, f"{name}.children[{i}]", i, index) for i, child in reversed(list(enumerate(below)))]
    kept = {"row": others(row, "question", "final_answer", "reasoning_steps"), "root": others(root, "children")}
    id_ = row.get("question_id")
    return grown.tree(id_ if isinstance(id_, str) and id_ else name_of(question, row), question, truth, {NAME: kept})


def rows_of(tree: Tree) -> Iterator[Row]:
    """The row of a tree. A node without a score has 1 where it was judged right, 0 where wrong."""
    kept = kept_of(tree, NAME)
    nested: list[Row] = []
    for node, text in zip(tree.nodes, [tree.question, *written(tree, WRITING)[1:]], strict=True):
        value = node.score if node.score is not None or node.correct is None else float(node.correct)
        more = {} if kept is None else others(node.meta, "text")
        nested.append({"text": text, "mc_value": value, "children": [], **more})
    for index, own in enumerate(children(tree)):
        nested[index]["children"] += [nested[child] for child in own]
    row: Row = {"question": tree.question, "final_answer": tree.answer, "reasoning_steps": nested[ROOT]}
    if kept is None:
        yield {**row, "question_id": tree.id}
    else:
        nested[ROOT] |= kept["root"]
        yield {**row, **kept["row"]}
